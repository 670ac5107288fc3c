//! The program as its users run it, over SoftHSM 2 (package `softhsm2`): the parts the standard's functions
//! carry. What is printed is compared with the files of `tests/golden`; `LUNACM_ACCEPT=1` rewrites them.
//!
//! Without SoftHSM each test says so on standard error and passes, unless `LUNA_REQUIRE_CLIENTS=1`, which
//! makes its absence a failure.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "a test is told by its environment what to do")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use luna_client::ck::*;
use luna_client::{Access, Attribute, InitArgs, Mechanism, Module, Pin, UserType};

const PLACES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];

const SO: &str = "so-secret";
const USER: &str = "user-secret";

/// A client directory of its own.
struct Client {
    directory: tempfile::TempDir,
    library: &'static Path,
}

/// What a run left behind.
struct Run {
    code: i32,
    out: String,
    errors: String,
}

impl Client {
    fn new() -> Option<Self> {
        let Some(library) = PLACES.iter().map(Path::new).find(|path| path.exists()) else {
            let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
            assert!(!required, "LUNA_REQUIRE_CLIENTS=1, and softhsm2 is not installed");
            eprintln!("SKIPPED: softhsm2 is not installed, so this was not tested");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let tokens = directory.path().join("tokens");
        std::fs::create_dir(&tokens).unwrap();
        let client = Self { directory, library };
        let conf =
            format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        std::fs::write(client.softhsm_conf(), conf).unwrap();
        client.configure("");
        Some(client)
    }

    fn softhsm_conf(&self) -> PathBuf {
        self.directory.path().join("softhsm2.conf")
    }

    /// Writes the client configuration: the library, and what else is given.
    fn configure(&self, more: &str) {
        let library = self.library.display();
        let text = format!("Chrystoki2 = {{\n   LibUNIX64 = {library};\n}}\n{more}");
        std::fs::write(self.directory.path().join("Chrystoki.conf"), text).unwrap();
    }

    /// With a partition `OKV`, its Partition SO and its Crypto Officer.
    fn initialized() -> Option<Self> {
        let client = Self::new()?;
        let run = client.run(
            &["-q"],
            &format!(
                "partition init -label OKV -password {SO} -force\nrole login -n po -p {SO}\n\
                 role init -n co -p {USER}\n"
            ),
        );
        assert_eq!(run.code, 0, "{}", run.out);
        Some(client)
    }

    fn run(&self, arguments: &[&str], input: &str) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lunacm"))
            .args(arguments)
            .env("SOFTHSM2_CONF", self.softhsm_conf())
            .env("ChrystokiConfigurationPath", self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A run that ends early does not read it all.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The number of the partition's slot, which SoftHSM makes of its serial number.
    fn slot(&self) -> String {
        let out = self.run(&["-q", "slot", "list"], "").out;
        let slot = out.lines().find_map(|line| line.trim().strip_prefix("Current Slot Id: "));
        slot.unwrap().to_owned()
    }

    /// Puts objects on the partition, in a process of its own: SoftHSM finds its state by the environment.
    fn with_objects(self) -> Self {
        let made = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "objects_for_the_other_tests", "--ignored"])
            .env("SOFTHSM2_CONF", self.softhsm_conf())
            .env("LUNACM_TEST_LIBRARY", self.library)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        self
    }
}

#[test]
#[ignore = "run by other tests in a process of its own"]
fn objects_for_the_other_tests() {
    let Some(library) = std::env::var_os("LUNACM_TEST_LIBRARY") else { return };
    let context = Module::load(library).unwrap().initialize(InitArgs::OsLocking).unwrap();
    let slot = context.slot_by_label("OKV").unwrap().unwrap();
    let session = context.open_session(slot, Access::ReadWrite).unwrap();
    session.login(UserType::CRYPTO_OFFICER, &Pin::from(USER)).unwrap();
    let mut data = Attribute::data_object("OKV 18.1 HSM Key Number");
    data.push(Attribute::private(true));
    session.create_object(&data).unwrap();
    let key = [
        Attribute::token(true),
        Attribute::private(true),
        Attribute::label("OKV 18.1 HSM Root Key"),
        Attribute::ulong(CKA_VALUE_LEN, 32),
    ];
    session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &key).unwrap();
}

/// Replaces what differs from run to run: serials, the slots made from them, handles.
fn steady(out: &str) -> String {
    let mut out = out.to_owned();
    for line in out.clone().lines() {
        let after = |name: &str| line.trim_start().strip_prefix(name).map(str::trim);
        if let Some(serial) = after("Serial Number ->").filter(|serial| !serial.is_empty()) {
            out = out.replace(serial, "<serial>");
        }
        if let Some(slot) = after("Slot Id ->").and_then(|slot| slot.parse::<u64>().ok())
            && slot > 1000
        {
            out = out.replace(&slot.to_string(), "<slot>");
            out = out.replace(&format!("0x{slot:x}"), "<slot>");
        }
    }
    let handles = |line: &str| match line.split_once("Handle:") {
        Some((before, _)) => format!("{before}Handle:        <handle>\n"),
        None => format!("{line}\n"),
    };
    out.lines().map(handles).collect()
}

fn golden(name: &str, out: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"));
    let out = steady(out);
    if std::env::var("LUNACM_ACCEPT").is_ok_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &out).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let why = "differs; LUNACM_ACCEPT=1 accepts the new text, to be read in the diff";
    assert!(out == expected, "{name} {why}:\n{out}");
}

#[test]
fn a_partition_from_nothing_to_its_first_login() {
    let Some(client) = Client::new() else { return };
    let run = client.run(
        &[],
        &format!(
            "partition init -label OKV -password {SO}\nproceed\n\
             role login -name po -password {SO}\nrole list\n\
             role init -name co -password {USER}\nrole logout\n\
             role login -name co -password {USER}\npar con\n\
             role changepw -name co -oldpw {USER} -newpw another-secret\nrole logout\n\
             role login -name co -password another-secret\nexit\n"
        ),
    );
    assert_eq!((run.code, run.errors.as_str()), (0, ""));
    golden("first_login", &run.out);
    for secret in [SO, USER, "another-secret"] {
        assert!(!run.out.contains(secret), "{secret} is in the transcript");
    }
}

#[test]
fn the_guides_listing_of_the_partition() {
    let Some(client) = Client::initialized().map(Client::with_objects) else { return };
    let run = client.run(&[], &format!("role logi -n co -p {USER}\npar con\n"));
    assert_eq!(run.code, 0, "{}", run.out);
    // SoftHSM lists in no order of its own; the listing is compared object by object.
    let out = steady(&run.out);
    let data = "        Label:         OKV 18.1 HSM Key Number\n        Handle:        <handle>\n        \
                Object Type:   Data\n        Object UID:    N/A\n\n";
    let key = "        Label:         OKV 18.1 HSM Root Key\n        Handle:        <handle>\n        \
               Object Type:   Symmetric Key\n        Usage Limit:   none\n        Object UID:    N/A\n\n";
    assert!(out.contains(data) && out.contains(key), "{out}");
    golden("contents", &run.out.replacen(&of_label(&run.out, "Root Key"), "", 1));
    let run = client.run(&["-q", "par", "con"], "");
    assert!(run.out.contains("No role is currently logged in."), "{}", run.out);
    assert!(
        run.out.contains("Number of objects:  0\n"),
        "private objects are private: {}",
        run.out
    );
}

/// The rows of one object.
fn of_label(out: &str, label: &str) -> String {
    let block = out.split("\n\n").find(|block| block.contains(label)).unwrap();
    format!("{block}\n\n")
}

#[test]
fn clearing_asks_first_and_then_clears() {
    let Some(client) = Client::initialized().map(Client::with_objects) else { return };
    let login = format!("role login -n co -p {USER}\n");
    let run = client.run(&["-q"], &format!("{login}par clear\nquit\npar con\n"));
    assert_eq!(run.code, 1);
    assert!(run.out.contains("Command Result : 0x1 (CKR_CANCEL)"), "{}", run.out);
    assert!(run.out.contains("Number of objects:  2\n"), "{}", run.out);
    let run = client.run(&["-q"], &format!("{login}par clear -f\npar con\n"));
    assert_eq!(run.code, 0);
    assert!(run.out.contains("Number of objects destroyed:  2\n"), "{}", run.out);
    assert!(run.out.contains("Number of objects:  0\n"), "{}", run.out);
}

#[test]
fn slots_tokens_and_the_client_are_shown() {
    let Some(client) = Client::initialized() else { return };
    let run = client.run(&[], "slot list\npartition showinfo\nclientconfig verify\n");
    assert_eq!(run.code, 0, "{}", run.out);
    golden("slots", &run.out);
}

#[test]
fn mechanisms_are_listed_and_described() {
    let Some(client) = Client::new() else { return };
    let run = client.run(&["-q", "partition", "showmechanism"], "");
    assert_eq!(run.code, 0);
    assert!(run.out.contains("        Mechanisms Supported:\n"), "{}", run.out);
    assert!(run.out.contains("        0x00001082 - CKM_AES_CBC\n"), "{}", run.out);
    let run = client.run(&["-q", "partition", "showmechanism", "-m", "aes_cbc"], "");
    assert!(run.out.contains("Min Key Size         16\n"), "{}", run.out);
    let run = client.run(&["-q", "partition", "showmechanism", "-m", "nothing"], "");
    assert_eq!(run.code, 1);
    assert!(run.out.contains("Command Result : 0x70 (CKR_MECHANISM_INVALID)"), "{}", run.out);
}

#[test]
fn groups_of_the_file_are_shown_with_their_members() {
    let Some(client) = Client::new() else { return };
    client.configure(
        "VirtualToken = {\n   VirtualToken00Label = grp;\n   VirtualToken00SN = 11234567890123;\n   \
         VirtualToken00Members = 1234567890123, 1234567890456;\n   \
         VirtualTokenActiveRecovery = activeEnhanced;\n}\nHASynchronize = { grp = 1; }\n\
         HAConfiguration = { HAOnly = 1; reconnAtt = 500; }\n",
    );
    let run = client.run(&["-q", "ha", "l"], "");
    assert_eq!(run.code, 0, "{}", run.out);
    golden("listgroups", &run.out);
    client.configure(
        "VirtualToken = { VirtualToken00Label = g; }\nHAConfiguration = { HAOnly = maybe; }\n",
    );
    let run = client.run(&["-q", "ha", "l"], "");
    assert_eq!(run.code, 2);
    assert!(
        run.out.contains("Chrystoki.conf:5: HAConfiguration/HAOnly: `maybe`; expected 0 or 1"),
        "{}",
        run.out
    );
}

#[test]
fn every_failure_has_its_code() {
    let Some(client) = Client::initialized() else { return };
    for (command, code, result) in [
        ("role login -n co -p wrong", 1, "0xa0 (CKR_PIN_INCORRECT)"),
        ("role login -n nobody -p wrong", 1, "0x103 (CKR_USER_TYPE_INVALID)"),
        ("role show -n co", 1, "0x54 (CKR_FUNCTION_NOT_SUPPORTED)"),
        ("partition showpolicies", 1, "0x54 (CKR_FUNCTION_NOT_SUPPORTED)"),
        ("slot set -slot 3", 1, "0x3 (CKR_SLOT_ID_INVALID)"),
        ("role login -n co", 2, "0x7 (CKR_ARGUMENTS_BAD)"),
        ("role log", 2, "0x7 (CKR_ARGUMENTS_BAD)"),
        ("nothing at all", 2, "0x7 (CKR_ARGUMENTS_BAD)"),
        ("partition init -label \"x", 2, "0x7 (CKR_ARGUMENTS_BAD)"),
    ] {
        let run = client.run(&["-c", command], "");
        assert_eq!(run.code, code, "{command}: {}", run.out);
        let last = format!("Command Result : {result}\n\n");
        assert!(run.out.ends_with(&last), "{command}: {}", run.out);
    }
}

#[test]
fn what_the_vendor_added_is_refused_where_a_module_lacks_it() {
    let Some(client) = Client::initialized().map(Client::with_objects) else { return };
    let missing = "0x54 (CKR_FUNCTION_NOT_SUPPORTED)";
    for (command, code, text, result) in [
        ("partition changelabel -label x", 1, "CA_SetUserContainerName", missing),
        ("partition restart -force", 1, "CA_Restart", missing),
        ("partition archive list", 1, "no backup HSM is connected", missing),
        ("partition showpolicies -exporttemplate x", 1, "CA_GetTokenPolicies", missing),
        ("partition clone -objects 0 -slot 0", 2, "there is nothing to clone", "0x7"),
        ("role createchallenge -name co", 1, "authenticates by password", missing),
        ("role deactivate -name co", 1, "authenticates by password", missing),
        ("role recoveryinit -name co", 1, "nobody is logged in", "0x101"),
        ("role recoverylogin -name co -slot 0 -keyhandle 1", 1, "CA_HAGetMasterPublic", missing),
        ("appid info", 1, "CA_GetApplicationID", missing),
        ("appid set -major 1 -minor 2", 1, "CA_SetApplicationID", missing),
        ("appid open -major 1 -minor 2", 1, "CA_OpenApplicationID", missing),
        ("appid close -major 1 -minor x", 2, "'x' is no number of 32 bits", "0x7"),
        ("hsm showinfo", 1, "is a partition, not an HSM's admin slot", missing),
        ("hsm reset -force", 1, "is a partition, not an HSM's admin slot", missing),
        ("stm recover", 1, "command not supported", missing),
        ("audit config -any thing", 1, "command not supported", missing),
        ("hagroup recover -group none", 1, "there is no HA group 'none'", "0x7"),
    ] {
        // The one partition is in the first slot that has one.
        let command = command.replace("-slot 0", &format!("-slot {}", client.slot()));
        let run = client.run(&["-c", &command], "");
        assert_eq!(run.code, code, "{command}: {}", run.out);
        assert!(run.out.contains(text), "{command}: {}", run.out);
        assert!(run.out.contains(&format!("Command Result : {result}")), "{command}: {}", run.out);
    }
    let login = format!("role login -n co -p {USER}\n");
    let run = client.run(&["-q"], &format!("{login}role recoveryinit -n co\npartition contents\n"));
    assert!(run.out.contains("Error: CA_HAInit: the module does not have it"), "{}", run.out);
    assert!(run.out.contains("Number of objects:  2\n"), "no key is left behind: {}", run.out);
}

#[test]
fn a_group_of_any_modules_partitions_is_kept_in_the_file() {
    let Some(client) = Client::initialized() else { return };
    let slot = client.slot();
    let create = format!("hagroup creategroup -slot {slot} -label grp -password {USER}\n");
    let run =
        client.run(&["-q"], &format!("{create}hagroup haonly -enable\nhagroup retry -count 7\n"));
    assert_eq!(run.code, 0, "{}", run.out);
    let conf = std::fs::read_to_string(client.directory.path().join("Chrystoki.conf")).unwrap();
    for line in ["VirtualToken00Label = grp;", "grp = 1;", "HAOnly = 1;", "reconnAtt = 7;"] {
        assert!(conf.contains(line), "{line} is not in {conf}");
    }
    let run = client.run(&["-q"], "hagroup deletegroup -label grp\n");
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.out.contains("applications see no slot until"), "{}", run.out);
}

#[test]
fn a_script_ends_with_the_first_command_that_fails() {
    let Some(client) = Client::initialized() else { return };
    let script = client.directory.path().join("script");
    std::fs::write(&script, "slot list\nrole login -n co -p wrong\npar clear -force\n").unwrap();
    let run = client.run(&["-q", "-f", script.to_str().unwrap()], "");
    assert_eq!(run.code, 1);
    assert_eq!(run.out.matches("Command Result").count(), 2, "{}", run.out);
    let run = client.run(&["-c", "role login -n co -p wrong", "-c", "slot list"], "");
    assert_eq!((run.code, run.out.matches("Command Result").count()), (1, 1));
    let run = client.run(&["-q"], "role login -n co -p wrong\nslot list\n");
    let count = run.out.matches("Command Result").count();
    assert_eq!((run.code, count), (1, 2), "at a prompt one goes on");
}

#[test]
fn a_set_up_that_is_none_is_told_on_standard_error() {
    let Some(client) = Client::new() else { return };
    let conf = client.directory.path().join("Chrystoki.conf");
    let run = client.run(&["--module", "/nowhere/lib.so", "slot", "list"], "");
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert_eq!(run.errors, "lunacm: /nowhere/lib.so: no such file\n");
    std::fs::write(&conf, "Chrystoki2 = {\n   LibUNIX = x;\n}\n").unwrap();
    let run = client.run(&[], "");
    assert_eq!(run.code, 2);
    assert!(
        run.errors.contains("Chrystoki.conf: Chrystoki2/LibUNIX64: is missing"),
        "{}",
        run.errors
    );
    std::fs::write(&conf, "Chrystoki2 = {\n   LibUNIX64 = x\n}\n").unwrap();
    let run = client.run(&[], "");
    assert!(run.errors.contains("Chrystoki.conf:2: Chrystoki2/LibUNIX64: "), "{}", run.errors);
    std::fs::remove_file(&conf).unwrap();
    let run = client.run(&[], "");
    assert_eq!(run.code, 2);
    assert!(run.errors.contains("Chrystoki.conf: cannot be read"), "{}", run.errors);
    let module = client.library.to_str().unwrap();
    let run = client.run(&["--module", module, "-q", "slot", "list"], "");
    assert_eq!(run.code, 0, "with a module no file is needed: {}", run.errors);
    let run = client.run(&["--module", module, "-s", "77"], "");
    assert_eq!((run.code, run.errors.as_str()), (2, "lunacm: there is no slot 77\n"));
}
