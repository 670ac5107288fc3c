//! Configurations and states that are wrong: the answer names what, nothing is lost, the process lives.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use luna_ck::CKR_GENERAL_ERROR;
use luna_client::Module;
use luna_tests::child::Child;
use luna_tests::{Instance, artefacts, first_slot, init_args, officer, scratch};

use crate::{labels, new_key};

/// `C_Initialize` with a configuration, in another process so that its standard error can be read.
fn start(directory: &Path, module: &Path) -> Output {
    let mut command = Child::command("list", &[], directory);
    command.env("LUNA_MODULE", module).output().expect("a child runs")
}

#[test]
fn a_wrong_configuration_is_refused_with_file_line_and_key() {
    let instance = Instance::up(&["--partition", "app"]);
    let scratch = scratch();
    let file = scratch.path().join("Chrystoki.conf");
    for (text, line, word) in [
        ("Chrystoki2 = {\n LibUNIX64 = x;\n", ":1", "Chrystoki2"),
        ("Misc = {\n\tA = 1;\n}\n", ":2", "TAB"),
        ("HAConfiguration = {\n HAOnly = perhaps;\n}\n", ":2", "HAOnly"),
        ("HAConfiguration = {\n reconnAtt = 501;\n}\n", ":2", "reconnAtt"),
        (
            "VirtualToken = {\n VirtualToken00Label = g;\n VirtualToken00Members = ;\n}\n",
            ":3",
            "Members",
        ),
        ("Emulator = {\n Partition00 = 12;\n}\n", "", "Partition00Hsm"),
    ] {
        std::fs::write(&file, text).unwrap();
        let module = Module::load(instance.module()).unwrap();
        let error = module.initialize(init_args(scratch.path())).expect_err("refused");
        assert!(error.is(CKR_GENERAL_ERROR), "{error}");
        let said = start(scratch.path(), instance.module());
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let place = format!("{}{line}", file.display());
        assert!(said.contains(&place) && said.contains(word), "{place}, {word} in {said}");
    }
    std::fs::remove_file(&file).unwrap();
    let said = start(scratch.path(), instance.module());
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains(&file.display().to_string()), "{said}");
}

#[test]
fn a_configuration_without_hsms_is_a_client_without_slots() {
    let instance = Instance::up(&["--partition", "app"]);
    let scratch = scratch();
    std::fs::write(scratch.path().join("Chrystoki.conf"), "Chrystoki2 = { LibUNIX64 = x; }\n")
        .unwrap();
    let module = Module::load(instance.module()).unwrap();
    let context = module.initialize(init_args(scratch.path())).unwrap();
    assert!(context.slots(false).unwrap().is_empty());
}

/// What is done to one member's database, and a word of what is said of it.
type Damage = (&'static str, fn(&Path), &'static str);

#[test]
fn a_damaged_member_is_left_alone_and_the_others_serve() {
    let damages: [Damage; 4] = [
        ("random bytes", |path| std::fs::write(path, [0x5a; 8192]).unwrap(), "hsm.sqlite"),
        (
            "cut short",
            |path| {
                let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(100).unwrap();
            },
            "hsm.sqlite",
        ),
        (
            "a later release's",
            |path| {
                // Bytes 60 to 63 of an SQLite file are its user_version.
                let mut bytes = std::fs::read(path).unwrap();
                bytes[60..64].copy_from_slice(&999_u32.to_be_bytes());
                std::fs::write(path, bytes).unwrap();
            },
            "format 999",
        ),
        ("missing", |path| std::fs::remove_file(path).unwrap(), "hsm.sqlite"),
    ];
    for (what, damage, word) in damages {
        let instance = Instance::fips_group();
        {
            let context = instance.context();
            new_key(&officer(&context, first_slot(&context)), "kept").unwrap();
        }
        let path = instance.database(0);
        for name in ["hsm.sqlite-wal", "hsm.sqlite-shm"] {
            let _ = std::fs::remove_file(path.with_file_name(name));
        }
        damage(&path);
        let before = std::fs::read(&path).ok();
        let done = start(instance.directory(), instance.module());
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{what}: {complaint}");
        assert!(said.contains("@kept"), "{what}: the other member serves: {said}");
        assert!(complaint.contains(word), "{what}: {complaint}");
        assert_eq!(std::fs::read(&path).ok(), before, "{what}: the file is left as it was");
        let status = instance.program("luna-emulator").arg("status").output().unwrap();
        assert_eq!(status.status.code(), Some(1), "{what}");
        assert!(String::from_utf8_lossy(&status.stderr).contains("hsm.sqlite"), "{what}");
    }
}

#[test]
fn a_directory_that_can_only_be_read_serves_reading() {
    // The superuser may write anywhere; the child becomes somebody else.
    let instance = Instance::up(&["--partition", "app"]);
    {
        let context = instance.context();
        new_key(&officer(&context, first_slot(&context)), "kept").unwrap();
    }
    let hsm = instance.hsm(0);
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for entry in std::fs::read_dir(&hsm).unwrap() {
        open(&entry.unwrap().path(), 0o444);
    }
    for directory in hsm.ancestors().take_while(|path| path.starts_with(std::env::temp_dir())) {
        if directory != std::env::temp_dir() {
            open(directory, 0o555);
        }
    }
    let program = std::env::current_exe().unwrap();
    let is_root = std::fs::write(hsm.join("probe"), b"").is_ok();
    let mut command = if is_root {
        let _ = std::fs::remove_file(hsm.join("probe"));
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command
    } else {
        Command::new(&program)
    };
    // Somebody else must reach the test program and the module too.
    if is_root && !reachable(&program) {
        eprintln!("skipped: other users do not reach {}", program.display());
        return;
    }
    let done = command
        .args(["--exact", "application", "--ignored", "--nocapture", "--test-threads=1"])
        .env("ChrystokiConfigurationPath", instance.directory())
        .env("LUNA_MODULE", instance.module())
        .env("LUNA_TEST_ROLE", "list")
        .env("LUNA_TEST_WORDS", "")
        .output()
        .expect("setpriv is part of every Debian");
    for directory in hsm.ancestors().take_while(|path| path.starts_with(std::env::temp_dir())) {
        if directory != std::env::temp_dir() {
            open(directory, 0o755);
        }
    }
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let errors = String::from_utf8_lossy(&done.stderr).into_owned();
    // A reader finds the object, or is told that it may not write; it never crashes.
    assert!(done.status.code().is_some(), "killed: {errors}");
    assert!(said.contains("@kept") || errors.contains("hsm.sqlite"), "{said}\n{errors}");
    let context = instance.context();
    assert_eq!(labels(&officer(&context, first_slot(&context))), ["kept"], "nothing is lost");
}

fn reachable(program: &Path) -> bool {
    program
        .ancestors()
        .all(|path| path.metadata().is_ok_and(|data| data.permissions().mode() & 0o001 != 0))
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let instance = Instance::up(&["--partition", "app"]);
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    new_key(&session, "kept").unwrap();
    drop(session);
    drop(context);
    // Files may not grow beyond 64 KiB: the shell sets the limit, the child inherits it.
    let program = std::env::current_exe().unwrap();
    let done = Command::new("sh")
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"")
        .arg(&program)
        .args(["--exact", "fills_the_disk", "--ignored", "--nocapture", "--test-threads=1"])
        .env("ChrystokiConfigurationPath", instance.directory())
        .env("LUNA_MODULE", instance.module())
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    let context = instance.context();
    let session = officer(&context, first_slot(&context));
    let found = labels(&session);
    let made: usize = said.matches("@made").count();
    assert_eq!(found.len(), made + 1, "every acknowledged key and no other: {said}");
    new_key(&session, "after").expect("with room again it works");
    assert!(artefacts::module().is_file());
}
