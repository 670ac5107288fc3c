//! Who sees HSMs: the superuser and the group `hsmusers`, unless the check is off.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use luna_ck::CKR_GENERAL_ERROR;
use luna_client::Module;
use luna_tests::child::Child;
use luna_tests::{Instance, first_slot, init_args, officer, scratch};

use crate::{context, with};

fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A process that is of nobody's group.
fn stranger(command: &Command, is_root: bool) -> Command {
    if !is_root {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        return same;
    }
    let mut other = Command::new("setpriv");
    other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    other.arg(command.get_program()).args(command.get_args());
    other
}

#[test]
fn a_stranger_sees_hsms_only_where_nobody_checks() {
    let instance = Instance::up(&["--partition", "app"]);
    {
        let context = instance.context();
        officer(&context, first_slot(&context)).close().unwrap();
    }
    let text = std::fs::read_to_string(instance.configuration()).unwrap();
    assert!(text.contains("CheckAccess = 0;"), "up leaves the check off: {text}");
    let directories = [
        ("checked", text.replace("CheckAccess = 0;", "CheckAccess = 1;"), "@0"),
        ("silent", text.replace("CheckAccess = 0;", ""), "@0"),
        ("unchecked", text.clone(), "@1"),
    ]
    .map(|(name, text, said)| (instance.seen_otherwise(name, |_| text), said));
    let hsm = instance.hsm(0);
    for entry in std::fs::read_dir(&hsm).unwrap() {
        open(&entry.unwrap().path(), 0o444);
    }
    let temporary = std::env::temp_dir();
    for path in hsm.ancestors().take_while(|path| path.starts_with(&temporary)) {
        if path != temporary {
            open(path, 0o555);
        }
    }
    let probe = hsm.join("probe");
    let is_root = std::fs::write(&probe, b"").is_ok();
    let _ = std::fs::remove_file(probe);
    // The test program may lie where a stranger does not come.
    let program = temporary.join(format!("luna-configuration-{}", std::process::id()));
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    open(&program, 0o755);
    for (directory, said) in &directories {
        let asked = Child::command("slots", &[], directory);
        let mut own = Command::new(&program);
        own.args(asked.get_args());
        let mut command = stranger(&own, is_root);
        for (key, value) in asked.get_envs() {
            command.env(key, value.unwrap_or_default());
        }
        let done = command.env("LUNA_MODULE", instance.module()).output().unwrap();
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{out}{complaint}");
        assert!(out.contains(said), "{}: {out}{complaint}", directory.display());
        assert_eq!(complaint.contains("hsmusers"), *said == "@0", "{complaint}");
    }
    std::fs::remove_file(&program).unwrap();
    for path in hsm.ancestors().take_while(|path| path.starts_with(&temporary)) {
        if path != temporary {
            open(path, 0o755);
        }
    }
    // The superuser is let in whatever the file says.
    if is_root {
        let context = context(&instance, &directories[0].0);
        assert_eq!(context.slots(true).unwrap().len(), 1);
    }
}

#[test]
fn a_file_that_is_not_where_the_variable_says_is_an_error() {
    let instance = Instance::up(&[]);
    let nowhere = scratch();
    let module = Module::load(instance.module()).unwrap();
    let error = module.initialize(init_args(nowhere.path())).expect_err("refused");
    assert!(error.is(CKR_GENERAL_ERROR), "{error}");
    // As the environment says it, in a process of its own.
    let mut command = Child::command("slots", &[], nowhere.path());
    let done = command.env("LUNA_MODULE", instance.module()).output().unwrap();
    let complaint = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success());
    let file = nowhere.path().join("Chrystoki.conf");
    assert!(complaint.contains(file.to_str().unwrap()), "{complaint}");
}

#[test]
fn quoted_values_and_sections_said_twice_are_understood() {
    let instance = Instance::up(&["--partition", "app"]);
    let directory = with(
        &instance,
        "quoted",
        "Presentation = { OneBaseSlotId = \"1\"; } // one\n\
        Presentation = {\n   ShowEmptySlots = yes; # more\n};\nEmulator = { Durability = full; }",
    );
    let context = context(&instance, &directory);
    assert_eq!(context.slots(true).unwrap(), [luna_client::SlotId(1)]);
}
