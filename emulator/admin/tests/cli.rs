//! `luna-emulator` as its users run it: what it makes, what it leaves alone, what it says and how it ends.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use luna_client::ck::CKO_DATA;
use luna_client::{Access, Attribute, InitArgs, Module, Pin, UserType};
use serde_json::Value;
use tempfile::TempDir;

/// The module that cargo built beside this test.
fn module() -> PathBuf {
    std::env::current_exe().unwrap().with_file_name("libCryptoki2_64.so")
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_luna-emulator"));
    command.env_remove("LUNA_CO_PASSWORD").env_remove("ChrystokiConfigurationPath");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    text(&output.stdout)
}

fn run(words: &[&str]) -> Output {
    program().args(words).output().unwrap()
}

/// A scratch directory, and a client directory in it that is not there yet.
struct Place {
    _scratch: TempDir,
    client: PathBuf,
}

impl Place {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        // A name that a careless shell line would cut.
        let client = scratch.path().canonicalize().unwrap().join("a client's");
        Self { _scratch: scratch, client }
    }

    fn path(&self) -> &str {
        self.client.to_str().unwrap()
    }

    fn up(&self, options: &[&str]) -> Output {
        let module = module();
        program()
            .args(["up", self.path(), "--module", module.to_str().unwrap()])
            .args(options)
            .output()
            .unwrap()
    }

    #[track_caller]
    fn up_json(&self, options: &[&str]) -> Value {
        serde_json::from_str(&done(&self.up(&[options, &["--json"]].concat()))).unwrap()
    }

    fn configuration(&self) -> String {
        std::fs::read_to_string(self.client.join("Chrystoki.conf")).unwrap()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&done(&run(&["status", self.path(), "--json"]))).unwrap()
    }

    fn database(&self, report: &Value, partition: usize) -> PathBuf {
        let hsm = report["partitions"][partition]["hsm"].as_str().unwrap();
        self.client.join("state").join(hsm).join("hsm.sqlite")
    }
}

fn serials(report: &Value) -> Vec<String> {
    let partitions = report["partitions"].as_array().unwrap();
    partitions.iter().map(|it| it["serial"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_report_names_everything_an_application_needs() {
    let place = Place::new();
    let report = place.up_json(&["--ha", "LUNAHA=OKV,OKV", "--ha-only"]);
    assert_eq!(report["configuration"], place.path());
    let library = Path::new(report["module"].as_str().unwrap());
    assert!(library.starts_with(&place.client) && library.is_file());
    let serials = serials(&report);
    assert_eq!(serials.len(), 2, "one label twice is two partitions");
    assert_ne!(serials[0], serials[1]);
    for (place, serial) in serials.iter().enumerate() {
        assert!(serial.len() == 13 && serial.bytes().all(|byte| byte.is_ascii_digit()), "{serial}");
        assert_eq!(report["partitions"][place]["label"], "OKV");
    }
    assert_ne!(report["partitions"][0]["hsm"], report["partitions"][1]["hsm"]);
    assert_eq!(report["groups"][0]["label"], "LUNAHA");
    assert_eq!(report["groups"][0]["serial"], format!("1{}", serials[0]));
    assert_eq!(report["groups"][0]["members"], serde_json::json!(serials));
}

#[test]
fn up_again_changes_nothing() {
    let place = Place::new();
    let options = ["--fips", "on", "--ha", "LUNAHA=OKV,OKV", "--partition", "other", "--ha-only"];
    let first = place.up_json(&options);
    let configuration = place.configuration();
    let database = std::fs::read(place.database(&first, 0)).unwrap();
    assert_eq!(place.up_json(&options), first);
    assert_eq!(place.configuration(), configuration);
    assert_eq!(std::fs::read(place.database(&first, 0)).unwrap(), database);
    // Without options it completes what is there, which is complete.
    assert_eq!(place.up_json(&[]), first);
    assert_eq!(place.configuration(), configuration);
}

#[test]
fn the_export_lines_are_what_a_shell_takes() {
    let place = Place::new();
    let lines = done(&place.up(&[]));
    let script = "eval \"$1\"\n\
        test -f \"$ChrystokiConfigurationPath/Chrystoki.conf\"\n\
        test -f \"$LUNA_MODULE\"\n\
        command -v luna-emulator\n\
        luna-emulator status";
    let shell = Command::new("sh").args(["-euc", script, "sh", &lines]).output().unwrap();
    let said = done(&shell);
    assert!(said.contains(place.client.join("bin/luna-emulator").to_str().unwrap()), "{said}");
    assert!(said.contains("par1"), "{said}");
}

#[test]
fn a_partition_joins_those_that_are_there() {
    let place = Place::new();
    let before = serials(&place.up_json(&["--partition", "first"]));
    let after = place.up_json(&["--partition", "first", "--partition", "second"]);
    let all = serials(&after);
    assert_eq!((all.len(), &all[..1]), (2, &before[..]));
    assert_eq!(after["partitions"][1]["label"], "second");
    // A group of what is there makes nothing new.
    let grouped = place.up_json(&["--ha", "both=first,second"]);
    assert_eq!(serials(&grouped), all);
    assert_eq!(grouped["groups"][0]["members"], serde_json::json!(all));
    // Another of the same label is asked for by naming it as often.
    let more = place.up_json(&["--partition", "second", "--partition", "second"]);
    assert_eq!(serials(&more).len(), 3);
}

#[test]
fn keys_stay_and_the_officers_password_is_taken_from_the_environment() {
    let place = Place::new();
    let module = module();
    let mut command = program();
    command.args(["up", place.path(), "--json", "--module", module.to_str().unwrap()]);
    let report = command.env("LUNA_CO_PASSWORD", "from the environment").output().unwrap();
    let report: Value = serde_json::from_str(&done(&report)).unwrap();
    assert!(!place.configuration().contains("from the environment"));

    let made = |password: &str| {
        let library = Module::load(report["module"].as_str().unwrap()).unwrap();
        let reserved = InitArgs::Reserved(CString::new(place.path()).unwrap());
        let context = library.initialize(reserved).unwrap();
        let slot = context.slots(true).unwrap()[0];
        let session = context.open_session(slot, Access::ReadWrite).unwrap();
        session.login(UserType::CRYPTO_OFFICER, &Pin::from(password))?;
        let before = session.find(&[Attribute::label("kept")])?.len();
        session.create_object(&[
            Attribute::class(CKO_DATA),
            Attribute::token(true),
            Attribute::label("kept"),
        ])?;
        Ok::<_, luna_client::Error>(before)
    };
    assert!(made("crypto-officer").is_err());
    assert_eq!(made("from the environment").unwrap(), 0);
    place.up_json(&["--partition", "par1", "--partition", "more"]);
    assert_eq!(made("from the environment").unwrap(), 1);
    assert_eq!(place.status()["partitions"][0]["objects"], 2);
}

#[test]
fn down_removes_what_up_made_and_nothing_else() {
    let (place, other) = (Place::new(), Place::new());
    place.up_json(&[]);
    other.up_json(&[]);
    let note = place.client.join("a note of the user's");
    std::fs::write(&note, "keep").unwrap();
    done(&run(&["down", place.path()]));
    let left: Vec<_> =
        std::fs::read_dir(&place.client).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(left, std::slice::from_ref(&note));
    assert_eq!(other.status()["partitions"][0]["state"], "up");

    // A second time there is nothing of ours any more.
    let again = run(&["down", place.path()]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("Chrystoki.conf"), "{}", text(&again.stderr));
    assert!(note.is_file());
    // Left alone, the directory goes too.
    done(&run(&["down", other.path()]));
    assert!(!other.client.exists());
}

#[test]
fn a_real_clients_directory_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir_all(place.client.join("lib")).unwrap();
    let text_before =
        "Chrystoki2 = {\n   LibUNIX64 = /usr/safenet/lunaclient/lib/libCryptoki2_64.so;\n}\n";
    std::fs::write(place.client.join("Chrystoki.conf"), text_before).unwrap();
    for words in [&["down", place.path()][..], &["status", place.path()]] {
        let refused = run(words);
        assert_eq!(refused.status.code(), Some(2), "{words:?}");
        assert!(text(&refused.stderr).contains("Chrystoki.conf"), "{}", text(&refused.stderr));
    }
    let refused = place.up(&[]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stdout));
    assert_eq!(place.configuration(), text_before);
    assert!(place.client.join("lib").is_dir());
}

#[test]
fn a_damaged_hsm_is_named_and_the_others_are_shown() {
    let place = Place::new();
    let report = place.up_json(&["--ha", "LUNAHA=one,two"]);
    let database = place.database(&report, 0);
    std::fs::write(&database, [0x5a; 4096]).unwrap();
    let status = run(&["status", place.path()]);
    assert_eq!(status.status.code(), Some(1));
    assert!(text(&status.stderr).contains(database.to_str().unwrap()), "{}", text(&status.stderr));
    let shown = text(&status.stdout);
    assert!(shown.contains("unusable") && shown.contains("two"), "{shown}");

    let status = run(&["status", place.path(), "--json"]);
    assert_eq!(status.status.code(), Some(1));
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["partitions"][0]["state"], "unusable");
    assert_eq!(status["partitions"][0]["serial"], report["partitions"][0]["serial"]);
    assert!(status["partitions"][0]["problem"].as_str().unwrap().contains("hsm.sqlite"));
    assert_eq!(status["partitions"][1]["state"], "up");
    assert_eq!(std::fs::read(&database).unwrap(), [0x5a; 4096], "left as it was found");
}

#[test]
fn a_member_goes_and_comes_back() {
    let place = Place::new();
    let report = place.up_json(&["--ha", "LUNAHA=one,two"]);
    let serial = &serials(&report)[1];
    let states = || {
        let status = place.status();
        [0, 1].map(|at: usize| status["partitions"][at]["state"].as_str().unwrap().to_owned())
    };
    for (change, state) in [("down", "down"), ("down", "down"), ("up", "up"), ("up", "up")] {
        let words = ["member", change, serial, "--directory", place.path(), "--json"];
        let said: Value = serde_json::from_str(&done(&run(&words))).unwrap();
        assert_eq!(said["state"], state);
        assert_eq!(states(), ["up", state]);
    }
    let unknown = run(&["member", "down", "123", "--directory", place.path()]);
    assert_eq!(unknown.status.code(), Some(1));
    let words = text(&unknown.stderr);
    assert!(words.contains("123") && words.contains(serial), "{words}");
}

#[test]
fn a_snapshot_is_brought_back_elsewhere() {
    let (place, other) = (Place::new(), Place::new());
    let report = place.up_json(&["--ha", "LUNAHA=one,two", "--ha-only"]);
    let snapshot = place.client.with_file_name("kept");
    let kept = snapshot.to_str().unwrap();
    let words = ["snapshot", kept, "--directory", place.path(), "--json"];
    let said: Value = serde_json::from_str(&done(&run(&words))).unwrap();
    assert_eq!(said["hsms"].as_array().unwrap().len(), 2);
    assert_eq!(run(&words).status.code(), Some(1), "what is there is not overwritten");

    // The module goes with the directory it is restored from.
    std::fs::create_dir_all(other.client.parent().unwrap()).unwrap();
    let restore = ["restore", kept, other.path(), "--json"];
    let restored: Value = serde_json::from_str(&done(&run(&restore))).unwrap();
    assert_eq!(restored["partitions"], report["partitions"]);
    assert_eq!(restored["groups"], report["groups"]);
    let configuration = other.configuration();
    assert!(!configuration.contains(place.path()), "{configuration}");
    assert!(configuration.contains(other.path()) && configuration.contains("HAOnly = 1"));
    done(&run(&["down", place.path()]));
    assert_eq!(other.status()["partitions"][1]["state"], "up");
    assert_eq!(run(&restore).status.code(), Some(1), "what is there is not overwritten");

    let damaged = snapshot.join("state").join(report["partitions"][0]["hsm"].as_str().unwrap());
    std::fs::write(damaged.join("hsm.sqlite"), [0x5a; 4096]).unwrap();
    let third = Place::new();
    let refused = run(&["restore", kept, third.path()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("hsm.sqlite"), "{}", text(&refused.stderr));
    assert!(!third.client.exists(), "nothing is left of what failed");
}

#[test]
fn what_cannot_be_is_refused_and_makes_nothing() {
    let long = "x".repeat(33);
    for (options, code, word) in [
        (&["--partition", &long][..], 1, "32 bytes"),
        (&["--partition", ""], 1, "32 bytes"),
        (&["--password", "short"], 1, "Crypto Officer"),
        (&["--po-password", "short"], 1, "Partition SO"),
        (&["--cu-password", "short"], 1, "Crypto User"),
        (&["--ha-only"], 1, "--ha"),
        (&["--policy", "999=1"], 1, "999"),
        (&["--policy", "22"], 2, "N=VALUE"),
        (&["--policy", "22=on"], 2, "on"),
        (&["--ha", "LUNAHA"], 2, "GROUP=LABEL"),
        (&["--ha", "LUNAHA=one,,two"], 2, "names"),
        (&["--fips", "perhaps"], 2, "perhaps"),
        (&["--profile", "luna-99"], 2, "luna-99"),
        (&["--module", "/nowhere.so"], 2, "/nowhere.so"),
        (&["--nonsense"], 2, "--nonsense"),
    ] {
        let place = Place::new();
        let output = program().args(["up", place.path()]).args(options).output().unwrap();
        let words = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{options:?}: {words}");
        assert!(words.contains(word), "{options:?}: {words}");
        assert_eq!(text(&output.stdout), "", "{options:?}");
        assert!(!place.client.join("state").join("control").exists());
        let hsms = std::fs::read_dir(place.client.join("state")).map_or(0, Iterator::count);
        assert_eq!(hsms, 0, "{options:?} left an HSM");
    }
}

#[test]
fn misuse_is_two_and_help_is_not_misuse() {
    for words in [&[][..], &["nonsense"], &["up"], &["down"], &["member", "sideways", "1"]] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let said = text(&output.stderr);
        // Either what may be said, or how all of it is said.
        assert!(said.contains("possible values") || said.contains("Usage"), "{words:?}: {said}");
    }
    for words in [&["--help"][..], &["--version"], &["up", "--help"]] {
        assert!(!done(&run(words)).is_empty());
    }
    // The environment may name the directory, but never the one that is taken away.
    let place = Place::new();
    place.up_json(&[]);
    let down = program().arg("down").env("ChrystokiConfigurationPath", place.path()).output();
    assert_eq!(down.unwrap().status.code(), Some(2));
    assert_eq!(place.status()["partitions"][0]["label"], "par1");
}
