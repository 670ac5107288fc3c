//! `cmu` and `vtl` over SoftHSM 2 (package `softhsm2`): a module that is not ours.
//!
//! Without SoftHSM each test says so on standard error and passes, unless `LUNA_REQUIRE_CLIENTS=1`, which makes its
//! absence a failure.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "a test is told by its environment what to do")]

use std::path::Path;
use std::process::{Command, Output};

const PLACES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];

/// A client directory with one token on it.
struct Client(tempfile::TempDir);

impl Client {
    fn new() -> Option<Self> {
        let Some(library) = PLACES.iter().find(|path| Path::new(path).exists()) else {
            let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
            assert!(!required, "LUNA_REQUIRE_CLIENTS=1, and softhsm2 is not installed");
            eprintln!("SKIPPED: softhsm2 is not installed, so this was not tested");
            return None;
        };
        let client = Self(tempfile::tempdir().unwrap());
        let directory = client.0.path();
        std::fs::create_dir(directory.join("tokens")).unwrap();
        let tokens = directory.join("tokens");
        let conf = format!("directories.tokendir = {}\n", tokens.display());
        std::fs::write(directory.join("softhsm2.conf"), conf).unwrap();
        let conf = format!("Chrystoki2 = {{\n   LibUNIX64 = {library};\n}}\n");
        std::fs::write(directory.join("Chrystoki.conf"), conf).unwrap();
        let words =
            ["--init-token", "--free", "--label", "one", "--so-pin", "1234", "--pin", "5678"];
        let made = client.run("softhsm2-util", &words);
        assert!(made.status.success(), "{made:?}");
        Some(client)
    }

    fn run(&self, program: &str, words: &[&str]) -> Output {
        let program = match program {
            "cmu" => env!("CARGO_BIN_EXE_cmu"),
            "vtl" => env!("CARGO_BIN_EXE_vtl"),
            other => other,
        };
        Command::new(program)
            .args(words)
            .env("SOFTHSM2_CONF", self.0.path().join("softhsm2.conf"))
            .env("ChrystokiConfigurationPath", self.0.path())
            .output()
            .unwrap()
    }

    /// The slot of the token, as `vtl` finds it.
    fn slot(&self) -> String {
        let found = self.run("vtl", &["verify"]);
        let text = String::from_utf8(found.stdout).unwrap();
        let row =
            text.lines().find(|line| line.ends_with(" one")).unwrap_or_else(|| panic!("{text}"));
        row.split_whitespace().next().unwrap().to_owned()
    }

    #[track_caller]
    fn cmu(&self, words: &[&str]) -> String {
        let slot = self.slot();
        let words = [words, &["-slot", &slot, "-password=5678"]].concat();
        let done = self.run("cmu", &words);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }
}

#[test]
fn keys_and_requests_are_any_modules_business() {
    let Some(client) = Client::new() else { return };
    client.cmu(&[
        "generatekeypair",
        "-keytype=EC",
        "-curvetype=3",
        "-sign=1",
        "-verify=1",
        "-label=mine",
    ]);
    let listed = client.cmu(&["list", "-display=class,label"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.contains("class=CKO_PRIVATE_KEY\tlabel=mine\n"), "{listed}");
    // SoftHSM makes no digest of its own for ECDSA, and that is its answer.
    let file = client.0.path().join("mine.csr");
    let output = format!("-outputfile={}", file.display());
    let slot = client.slot();
    let words = ["requestcertificate", "-cn=x", &output, "-slot", &slot, "-password=5678"];
    let done = client.run("cmu", &words);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() || said.contains("CKR_MECHANISM_INVALID"), "{said}");
    assert_eq!(
        file.exists(),
        done.status.success(),
        "a request that was not signed is not written"
    );
    // RSA it signs whole.
    client.cmu(&["generatekeypair", "-keytype=RSA", "-modulusbits=2048", "-sign=1", "-label=rsa"]);
    let handle = |class: &str| {
        let out = client.cmu(&["list", "-label=rsa", "-class", class, "-display=handle"]);
        out.trim().strip_prefix("handle=").unwrap().to_owned()
    };
    let keys = [
        format!("-publichandle={}", handle("public")),
        format!("-privatehandle={}", handle("private")),
    ];
    let file = client.0.path().join("rsa.csr");
    let output = format!("-outputfile={}", file.display());
    let said = client.cmu(&["requestcertificate", "-cn=x", &keys[0], &keys[1], &output]);
    assert_eq!(said, "Using \"CKM_SHA256_RSA_PKCS\" Mechanism\n");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.starts_with("-----BEGIN CERTIFICATE REQUEST-----"), "{text}");
}
