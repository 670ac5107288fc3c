//! `luna-harness okv` as its users run it: on a private emulator, and on SoftHSM 2 (package `softhsm2`) in the
//! part of somebody's library.
//!
//! The tools are built by the program itself, as under `cargo run`. Without SoftHSM the tests that need it say so
//! on standard error and pass, unless `LUNA_REQUIRE_CLIENTS=1`, which makes its absence a failure.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use luna_harness::transcript::{Transcript, Verdict};

fn harness() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_luna-harness"));
    command.env_remove("ChrystokiConfigurationPath");
    command
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn verdict(transcript: &Transcript, id: &str) -> Verdict {
    transcript.steps.iter().find(|step| step.id == id).unwrap().verdict
}

const KILLS: [&str; 5] = ["one-down", "both-down", "sealed", "back", "whole"];

mod on_the_emulator {
    use super::*;

    #[test]
    fn every_step_holds_and_the_report_says_so() {
        let place = tempfile::tempdir().unwrap();
        let (work, report) = (place.path().join("work"), place.path().join("report"));
        let output = harness()
            .args(["okv", "--json", "--directory"])
            .arg(&work)
            .arg("--report")
            .arg(&report)
            .output()
            .unwrap();
        let transcript: Transcript = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(code(&output), Some(0), "{}", text(&output.stdout));
        assert!(transcript.held && transcript.complaints.is_empty());
        for step in &transcript.steps {
            let expected = if step.id == "leave" { Verdict::Skipped } else { Verdict::Held };
            assert_eq!(step.verdict, expected, "{}: {:?}", step.id, step.reason);
            assert_eq!(step.reason.is_none(), expected == Verdict::Held);
            assert!(!step.expected.is_empty() && !step.source.is_empty());
            if expected == Verdict::Held {
                assert!(step.duration_ms > 0.0 && !step.seen.facts.is_empty(), "{}", step.id);
            }
        }
        assert_eq!(transcript.counts.held, transcript.steps.len() - 1);
        assert_eq!(transcript.subject.members.len(), 2);
        assert!(!work.exists(), "what was made is removed");
        let written: Transcript =
            serde_json::from_slice(&std::fs::read(report.join("report.json")).unwrap()).unwrap();
        assert_eq!(written, transcript);
        for file in luna_harness::report::FILES {
            assert!(std::fs::metadata(report.join(file)).unwrap().len() > 1000, "{file}");
        }
    }

    #[test]
    fn the_transcript_is_plain_in_a_pipe_and_shows_what_the_guide_shows() {
        // No verb at all: what `cargo run` does.
        let output = harness().env("TERM", "xterm-256color").output().unwrap();
        let shown = text(&output.stdout);
        assert_eq!(code(&output), Some(0), "{shown}");
        assert!(!shown.contains('\u{1b}'), "no colours in a pipe");
        let first = shown.lines().next().unwrap();
        assert!(
            first.starts_with("luna-harness ") && first.contains("libCryptoki2_64.so"),
            "{first}"
        );
        let last = shown.lines().last().unwrap();
        assert!(last.starts_with("HELD  15 held, 1 skipped of 16 steps, "), "{last}");
        for wanted in [
            "lunacm (64-bit) v",
            "HSM Label ->            LUNAHA",
            "Label:         OKV 18.1 HSM Root Key",
            "Object Type:   Symmetric Key",
            "Label:         OKV 18.1 HSM Key Number",
            "Object Type:   Data",
            "Number of objects:  2",
            "state ENABLED_FAIL, red arrow down, alert stands",
            "alert raised: HSM configuration error",
            "state SEALED",
            ": 0 found",
        ] {
            assert!(shown.contains(wanted), "{wanted} is not in\n{shown}");
        }
    }

    #[test]
    fn what_is_kept_is_a_working_client_and_a_server() {
        let place = tempfile::tempdir().unwrap();
        let work = place.path().join("work");
        let output = harness().args(["okv", "--keep", "--directory"]).arg(&work).output().unwrap();
        assert_eq!(code(&output), Some(0), "{}", text(&output.stdout));
        let tool = work.join("luna/bin/lunacm");
        let output = Command::new(tool)
            .env("ChrystokiConfigurationPath", work.join("luna"))
            .args(["-q", "slot", "list"])
            .output()
            .unwrap();
        assert!(text(&output.stdout).contains("LUNAHA"), "{output:?}");
        assert!(work.join("okv/okv.db").is_file());
        let output = harness().args(["okv", "--directory"]).arg(&work).output().unwrap();
        assert_eq!(code(&output), Some(2), "a directory in use is left alone");
        assert!(text(&output.stderr).contains("is not empty"), "{}", text(&output.stderr));
        assert!(work.join("okv/okv.db").is_file());
    }
}

mod on_a_broken_emulator {
    use super::*;

    /// The function panics inside the library, which answers CKR_GENERAL_ERROR from then on.
    fn broken(function: &str) -> Transcript {
        let output = harness()
            .env("LUNA_EMULATOR_PANIC_IN", function)
            .args(["okv", "--json"])
            .output()
            .unwrap();
        let transcript: Transcript = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(code(&output), Some(1), "{transcript:#?}");
        assert!(!transcript.held);
        transcript
    }

    #[test]
    fn the_step_that_fails_says_why_and_the_rest_is_not_reached() {
        let transcript = broken("C_GenerateKey");
        let failed: Vec<_> =
            transcript.steps.iter().filter(|step| step.verdict == Verdict::Failed).collect();
        assert_eq!(failed.len(), 1, "{failed:#?}");
        assert_eq!(failed[0].id, "initialize");
        assert!(failed[0].reason.as_deref().unwrap().contains("CKR_GENERAL_ERROR"));
        for id in KILLS {
            assert_eq!(verdict(&transcript, id), Verdict::NotReached, "{id}");
        }
        assert_eq!(verdict(&transcript, "search"), Verdict::Held, "it stands on none of these");
    }

    #[test]
    fn a_walk_that_fails_late_keeps_what_was_seen_before() {
        let transcript = broken("C_Decrypt");
        assert_eq!(verdict(&transcript, "install"), Verdict::Held);
        assert_eq!(verdict(&transcript, "initialize"), Verdict::Failed);
        assert_eq!(verdict(&transcript, "restart"), Verdict::NotReached);
    }
}

mod on_somebodys_library {
    use super::*;

    const PLACES: [&str; 3] = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib64/pkcs11/libsofthsm2.so",
    ];
    const USER: &str = "the user's secret";

    /// A token of the test's own, labelled REAL.
    struct SoftHsm {
        place: tempfile::TempDir,
        library: &'static Path,
    }

    impl SoftHsm {
        fn new() -> Option<Self> {
            let library = PLACES.iter().map(Path::new).find(|path| path.exists());
            let tool = Command::new("softhsm2-util").arg("--version").output();
            let (Some(library), Ok(_)) = (library, tool) else {
                let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|it| it == "1");
                assert!(!required, "LUNA_REQUIRE_CLIENTS=1, and softhsm2 is not installed");
                eprintln!("SKIPPED: softhsm2 is not installed, so this was not tested");
                return None;
            };
            let place = tempfile::tempdir().unwrap();
            let softhsm = Self { place, library };
            let tokens = softhsm.place.path().join("tokens");
            std::fs::create_dir(&tokens).unwrap();
            let conf = format!("directories.tokendir = {}\n", tokens.display());
            std::fs::write(softhsm.conf(), conf).unwrap();
            let made = Command::new("softhsm2-util")
                .env("SOFTHSM2_CONF", softhsm.conf())
                .args(["--init-token", "--free", "--label", "REAL", "--so-pin", "so-secret"])
                .args(["--pin", USER])
                .output()
                .unwrap();
            assert!(made.status.success(), "{made:?}");
            Some(softhsm)
        }

        fn conf(&self) -> PathBuf {
            self.place.path().join("softhsm2.conf")
        }

        fn walk(&self, label: &str, pin: &str) -> Command {
            let mut command = harness();
            command.env("SOFTHSM2_CONF", self.conf()).env("PIN_OF_TEST", pin);
            command.env("TMPDIR", self.place.path());
            command.args(["okv", "--pin-env", "PIN_OF_TEST", "--token-label", label, "--module"]);
            command.arg(self.library);
            command
        }

        fn json(&self, pin: &str) -> (Option<i32>, Transcript) {
            let output = self.walk("REAL", pin).arg("--json").output().unwrap();
            assert!(!text(&output.stdout).contains(pin), "the password is in the transcript");
            (code(&output), serde_json::from_slice(&output.stdout).unwrap())
        }

        /// Files of objects on the token.
        fn objects(&self) -> usize {
            let tokens = walkdir::WalkDir::new(self.place.path().join("tokens"));
            let names = tokens.into_iter().map(|it| it.unwrap().file_name().to_owned());
            names
                .filter(|name| {
                    let name = name.to_str().unwrap();
                    name.ends_with(".object") && name != "token.object"
                })
                .count()
        }

        /// Scratch directories left behind.
        fn scratch(&self) -> usize {
            let entries = std::fs::read_dir(self.place.path()).unwrap();
            let name = |it: std::io::Result<std::fs::DirEntry>| it.unwrap().file_name();
            entries.map(name).filter(|it| it.to_str().unwrap().starts_with("luna-harness")).count()
        }
    }

    #[test]
    fn kills_are_skipped_and_the_token_is_left_as_it_was_found() {
        let Some(softhsm) = SoftHsm::new() else { return };
        let (code, transcript) = softhsm.json(USER);
        assert_eq!(code, Some(0), "{transcript:#?}");
        for step in &transcript.steps {
            let skipped = KILLS.contains(&step.id.as_str()) || step.id == "group";
            let expected = if skipped { Verdict::Skipped } else { Verdict::Held };
            assert_eq!(step.verdict, expected, "{}: {:?}", step.id, step.reason);
        }
        let reason = transcript.steps.iter().find(|step| step.id == "sealed").unwrap();
        assert!(reason.reason.as_deref().unwrap().contains("kills members"));
        assert_eq!((softhsm.objects(), softhsm.scratch()), (0, 0));
    }

    #[test]
    fn what_will_be_made_is_announced_before() {
        let Some(softhsm) = SoftHsm::new() else { return };
        let output = softhsm.walk("REAL", USER).output().unwrap();
        let shown = text(&output.stdout);
        let announced = shown.find("creates one AES key and one data object").unwrap();
        assert!(announced < shown.find("Initialize, with token label").unwrap(), "{shown}");
    }

    #[test]
    fn objects_of_others_stay() {
        let Some(softhsm) = SoftHsm::new() else { return };
        // Another server's walk that was kept from tidying up would leave these.
        let context_of_another = Command::new("pkcs11-tool")
            .env("SOFTHSM2_CONF", softhsm.conf())
            .arg("--module")
            .arg(softhsm.library)
            .args(["--token-label", "REAL", "--login", "--pin", USER, "--keygen"])
            .args(["--key-type", "aes:32", "--label", "OKV 18.1 HSM Root Key", "--id", "01020304"])
            .output();
        match context_of_another {
            Ok(made) if made.status.success() => {}
            other => {
                eprintln!("SKIPPED: pkcs11-tool makes no AES key here: {other:?}");
                return;
            }
        }
        assert_eq!(softhsm.objects(), 1);
        let (code, transcript) = softhsm.json(USER);
        assert_eq!(code, Some(0), "{transcript:#?}");
        assert_eq!(softhsm.objects(), 1);
        let verify = transcript.steps.iter().find(|step| step.id == "verify").unwrap();
        assert!(verify.seen.facts[0].contains("2 root key(s)"), "{:?}", verify.seen.facts);
    }

    #[test]
    fn a_refused_password_is_sent_once() {
        let Some(softhsm) = SoftHsm::new() else { return };
        let (code, transcript) = softhsm.json("not the secret");
        assert_eq!(code, Some(1));
        let before = transcript.steps.iter().find(|step| step.id == "before").unwrap();
        assert_eq!(before.verdict, Verdict::Failed);
        let reason = before.reason.as_deref().unwrap();
        assert!(reason.contains("CKR_PIN_INCORRECT") && reason.contains("not tried again"));
        for id in ["install", "initialize", "contents", "verify", "store", "restart", "search"] {
            assert_eq!(verdict(&transcript, id), Verdict::NotReached, "{id}");
        }
        // It looks at what is on record, and that is nothing: no login.
        assert_eq!(verdict(&transcript, "leave"), Verdict::Held);
        assert_eq!(softhsm.scratch(), 0);
    }

    /// Starts the walk and lets it run until it prints the title of this step.
    fn until(softhsm: &SoftHsm, title: &str) -> (Child, BufReader<std::process::ChildStdout>) {
        let mut child = softhsm.walk("REAL", USER).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while out.read_line(&mut line).unwrap() > 0 && !line.contains(title) {
            line.clear();
        }
        assert!(line.contains(title), "the walk ended before");
        (child, out)
    }

    fn signal(name: &str, process: u32) {
        let done = Command::new("kill").args([name, &process.to_string()]).status().unwrap();
        assert!(done.success());
    }

    fn rest(mut child: Child, out: BufReader<std::process::ChildStdout>) -> (Option<i32>, String) {
        let lines: Vec<_> = out.lines().map(Result::unwrap).collect();
        (child.wait().unwrap().code(), lines.join("\n"))
    }

    #[test]
    fn an_interrupted_walk_leaves_the_token_as_it_was_found() {
        let Some(softhsm) = SoftHsm::new() else { return };
        let (child, out) = until(&softhsm, "a Key Vault server is set up");
        signal("-INT", child.id());
        let (code, shown) = rest(child, out);
        assert_eq!(code, Some(1), "{shown}");
        assert!(shown.contains("the run was interrupted"), "{shown}");
        assert!(shown.contains("removed 2 object(s)"), "{shown}");
        assert_eq!((softhsm.objects(), softhsm.scratch()), (0, 0));
    }

    #[test]
    fn a_walk_whose_worker_dies_leaves_the_token_as_it_was_found() {
        let Some(softhsm) = SoftHsm::new() else { return };
        let (child, out) = until(&softhsm, "Initialize, with token label");
        signal("-KILL", worker_of(child.id()));
        let (code, shown) = rest(child, out);
        assert_eq!(code, Some(1), "{shown}");
        assert!(shown.contains("SIGKILL"), "{shown}");
        assert!(shown.contains("removed 2 object(s)"), "{shown}");
        assert!(shown.contains("partition contents: 0 object(s), as before"), "{shown}");
        assert!(shown.lines().last().unwrap().starts_with("FAILED"), "{shown}");
        assert_eq!((softhsm.objects(), softhsm.scratch()), (0, 0));
    }

    #[test]
    fn a_worker_that_dies_while_it_tidies_up_is_followed_by_another() {
        let Some(softhsm) = SoftHsm::new() else { return };
        let (child, out) = until(&softhsm, "the disk is searched for plaintext");
        signal("-KILL", worker_of(child.id()));
        let (code, shown) = rest(child, out);
        assert_eq!(code, Some(1), "{shown}");
        assert!(shown.contains("step `leave` was done again by another process"), "{shown}");
        assert!(shown.contains("partition contents: 0 object(s), as before"), "{shown}");
        assert_eq!((softhsm.objects(), softhsm.scratch()), (0, 0));
    }

    #[test]
    fn a_worker_left_alone_tidies_up() {
        let Some(softhsm) = SoftHsm::new() else { return };
        let (mut child, _out) = until(&softhsm, "Initialize, with token label");
        let worker = worker_of(child.id());
        signal("-KILL", child.id());
        child.wait().unwrap();
        let alive = || Path::new(&format!("/proc/{worker}")).exists();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while alive() && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert!(!alive());
        assert_eq!(softhsm.objects(), 0);
    }

    /// The worker's process.
    fn worker_of(parent: u32) -> u32 {
        let children = format!("/proc/{parent}/task/{parent}/children");
        let children = std::fs::read_to_string(children).unwrap();
        children.split_whitespace().next().unwrap().parse().unwrap()
    }
}

mod a_set_up_that_is_none {
    use super::*;

    fn refused(arguments: &[&str]) -> String {
        let output = harness()
            .args(["okv", "--token-label", "OKV", "--pin-env", "PIN_OF_TEST"])
            .env("PIN_OF_TEST", "password")
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(code(&output), Some(2), "{output:?}");
        text(&output.stderr)
    }

    #[test]
    fn is_told_with_exit_code_2() {
        let told = refused(&["--module", "/nowhere/libCryptoki2_64.so"]);
        assert!(
            told.contains("luna-harness: /nowhere/libCryptoki2_64.so: there is no such library"),
            "{told}"
        );
        let told = refused(&["--module", file!().trim_start_matches("harness/")]);
        assert!(told.contains("cannot be loaded"), "{told}");
        let told = refused(&[]);
        assert!(told.contains("--module <FILE>"), "{told}");
        let output = harness().args(["okv", "--module", "/bin/true"]).output().unwrap();
        assert_eq!(code(&output), Some(2));
    }

    #[test]
    fn a_token_that_is_not_there_is_named_with_those_that_are() {
        let place = tempfile::tempdir().unwrap();
        let work = place.path().join("work");
        let kept = harness().args(["okv", "--keep", "--directory"]).arg(&work).output().unwrap();
        assert_eq!(code(&kept), Some(0));
        let output = harness()
            .env("ChrystokiConfigurationPath", work.join("luna"))
            .env("PIN_OF_TEST", "password")
            .args(["okv", "--pin-env", "PIN_OF_TEST", "--token-label", "ELSEWHERE", "--module"])
            .arg(work.join("luna/lib/libCryptoki2_64.so"))
            .output()
            .unwrap();
        assert_eq!(code(&output), Some(2));
        let told = text(&output.stderr);
        assert!(told.contains("no token is labelled `ELSEWHERE`; present: `LUNAHA`"), "{told}");
    }
}
