//! OpenSC's `pkcs11-tool`.

use std::path::{Path, PathBuf};

use crate::{CRYPTO_OFFICER, Instance, installed, output, run, scratch, text};

struct Tool<'a> {
    program: PathBuf,
    instance: &'a Instance,
}

impl<'a> Tool<'a> {
    fn of(instance: &'a Instance) -> Option<Self> {
        Some(Self { program: installed("pkcs11-tool")?, instance })
    }

    fn words<'w>(&'w self, login: bool, words: &[&'w str]) -> Vec<&'w str> {
        let mut all = vec!["--module", text(self.instance.module())];
        if login {
            all.extend(["--login", "--pin", CRYPTO_OFFICER]);
        }
        all.extend(words);
        all
    }

    #[track_caller]
    fn run(&self, words: &[&str]) -> String {
        run(self.instance, &self.program, &self.words(true, words))
    }

    #[track_caller]
    fn run_public(&self, words: &[&str]) -> String {
        run(self.instance, &self.program, &self.words(false, words))
    }

    fn fails(&self, words: &[&str]) -> bool {
        !output(self.instance, &self.program, &self.words(true, words)).status.success()
    }
}

fn message(directory: &Path) -> PathBuf {
    let path = directory.join("message");
    std::fs::write(&path, b"the quick brown fox jumps over the lazy dog").expect("a message");
    path
}

#[test]
fn slots_tokens_and_mechanisms_are_listed() {
    let instance = Instance::fips_group();
    let Some(tool) = Tool::of(&instance) else { return };
    let slots = tool.run_public(&["--list-slots"]);
    assert!(slots.contains("HA Virtual Card Slot") && slots.contains("LUNAHA"), "{slots}");
    assert_eq!(slots.matches("Slot 0").count() + slots.matches("Slot 1").count(), 1, "{slots}");
    let mechanisms = tool.run_public(&["--list-mechanisms"]);
    for wanted in ["AES-GCM", "RSA-PKCS-KEY-PAIR-GEN", "ECDSA-SHA256", "SHA256-HMAC"] {
        assert!(mechanisms.contains(wanted), "{wanted} in {mechanisms}");
    }
}

/// Generate, sign, verify, and verify again with OpenSSL, which knows nothing of the module.
fn signs(instance: &Instance) {
    let Some(tool) = Tool::of(instance) else { return };
    let Some(openssl) = installed("openssl") else { return };
    let scratch = scratch();
    let path = |name: &str| scratch.path().join(name);
    let message = message(scratch.path());
    for (id, key_type, mechanism, format) in [
        ("01", "rsa:2048", "SHA256-RSA-PKCS", None),
        ("02", "EC:prime256v1", "ECDSA-SHA256", Some("openssl")),
        ("03", "EC:secp384r1", "ECDSA-SHA384", Some("openssl")),
    ] {
        tool.run(&["--keypairgen", "--key-type", key_type, "--id", id, "--label", key_type]);
        let (signature, public) = (path("signature"), path("public.der"));
        let mut sign = vec![
            "--sign",
            "--mechanism",
            mechanism,
            "--id",
            id,
            "--input-file",
            text(&message),
            "--output-file",
            text(&signature),
        ];
        sign.extend(format.iter().flat_map(|format| ["--signature-format", format]));
        tool.run(&sign);
        let mut verify = vec![
            "--verify",
            "--mechanism",
            mechanism,
            "--id",
            id,
            "--input-file",
            text(&message),
            "--signature-file",
            text(&signature),
        ];
        verify.extend(format.iter().flat_map(|format| ["--signature-format", format]));
        let said = tool.run(&verify);
        assert!(said.contains("Signature is valid"), "{key_type}: {said}");
        // OpenSC 0.23 cannot write the public half of a P-384 key; Java and GnuTLS verify those.
        if key_type.contains("384") {
            continue;
        }
        tool.run(&[
            "--read-object",
            "--type",
            "pubkey",
            "--id",
            id,
            "--output-file",
            text(&public),
        ]);
        let said = run(
            instance,
            &openssl,
            &[
                "dgst",
                "-sha256",
                "-keyform",
                "DER",
                "-verify",
                text(&public),
                "-signature",
                text(&signature),
                text(&message),
            ],
        );
        assert!(said.contains("Verified OK"), "{key_type}: {said}");
    }
}

#[test]
fn signatures_verify_elsewhere() {
    signs(&Instance::up(&["--partition", "app"]));
}

#[test]
fn signatures_of_a_fips_group_verify_elsewhere() {
    signs(&Instance::fips_group());
}

#[test]
fn what_was_encrypted_is_decrypted() {
    let instance = Instance::up(&["--partition", "app"]);
    let Some(tool) = Tool::of(&instance) else { return };
    let scratch = scratch();
    let path = |name: &str| scratch.path().join(name);
    let message = message(scratch.path());
    tool.run(&["--keygen", "--key-type", "AES:32", "--id", "01", "--label", "secret"]);
    let iv = "000102030405060708090a0b0c0d0e0f";
    let (sealed, opened) = (path("sealed"), path("opened"));
    // OpenSC 0.23 knows no parameter for AES-GCM; Java does.
    let common = ["--mechanism", "AES-CBC-PAD", "--id", "01", "--iv", iv, "--input-file"];
    let words = |from, to| [&common[..], &[text(from), "--output-file", text(to)]].concat();
    tool.run(&[&["--encrypt"], &words(&message, &sealed)[..]].concat());
    tool.run(&[&["--decrypt"], &words(&sealed, &opened)[..]].concat());
    let read = |path: &Path| std::fs::read(path).expect("written");
    assert_eq!(read(&opened), read(&message));
    assert_ne!(read(&sealed), read(&message));
}

#[test]
fn objects_are_listed_and_deleted() {
    let instance = Instance::fips_group();
    let Some(tool) = Tool::of(&instance) else { return };
    let key = ["--keygen", "--key-type", "AES:32", "--id", "0a", "--label", "first"];
    tool.run(&[&key[..], &["--private", "--sensitive"]].concat());
    tool.run(&["--keypairgen", "--key-type", "EC:prime256v1", "--id", "0b", "--label", "second"]);
    let listed = tool.run(&["--list-objects"]);
    for wanted in
        ["Secret Key Object", "Public Key Object", "Private Key Object", "first", "second"]
    {
        assert!(listed.contains(wanted), "{wanted} in {listed}");
    }
    let open = tool.run_public(&["--list-objects"]);
    assert!(!open.contains("first") && open.contains("Public Key Object"), "{open}");
    tool.run(&["--delete-object", "--type", "secrkey", "--id", "0a"]);
    tool.run(&["--delete-object", "--type", "privkey", "--id", "0b"]);
    let left = tool.run(&["--list-objects"]);
    assert!(!left.contains("first") && !left.contains("Private Key"), "{left}");
    assert!(tool.fails(&["--delete-object", "--type", "secrkey", "--id", "0a"]));
}

#[test]
fn its_own_test_of_a_token_passes() {
    let instance = Instance::up(&["--partition", "app"]);
    let Some(tool) = Tool::of(&instance) else { return };
    tool.run(&["--keypairgen", "--key-type", "rsa:2048", "--id", "01", "--label", "rsa"]);
    let said = tool.run(&["--test"]);
    assert!(said.contains("No errors"), "{said}");
}
