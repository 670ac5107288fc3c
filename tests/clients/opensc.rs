//! OpenSC's `pkcs11-tool`.

use std::path::{Path, PathBuf};

use crate::{CRYPTO_OFFICER, Instance, command, installed, output, run, said, scratch, text};

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

    /// What it printed and told of its work, read for what it calls a failure without ending by one.
    #[track_caller]
    fn run_judged(&self, words: &[&str]) -> String {
        let (out, errors) =
            said(command(self.instance, &self.program).args(self.words(true, words)));
        let all = out + &errors;
        for line in all.lines() {
            // It warns of every attribute that it asked for and an object does not have or show.
            let fails =
                ["ERR", "rror:", "failed", "some errors"].iter().any(|it| line.contains(it));
            assert!(!fails || line.starts_with("warning: "), "{words:?}: {line}\nin {all}");
        }
        all
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

/// How a key is wrapped: the mechanism, its IV if it takes one, and the label of key that wraps.
const WRAPPINGS: [(&str, Option<&str>, &str); 5] = [
    ("AES-CBC", Some("000102030405060708090a0b0c0d0e0f"), "aes"),
    ("AES-CBC-PAD", Some("000102030405060708090a0b0c0d0e0f"), "aes"),
    // CKM_AES_KW and CKM_AES_KWP of the vendor; OpenSC takes what it has no name for by number.
    ("0x80000170", None, "aes"),
    ("0x80000171", None, "aes"),
    ("RSA-PKCS", None, "rsa"),
];

#[test]
fn what_was_wrapped_is_unwrapped() {
    let instance = Instance::up(&["--partition", "app"]);
    let Some(tool) = Tool::of(&instance) else { return };
    let scratch = scratch();
    let path = |name: &str| text(&scratch.path().join(name)).to_owned();
    let [message, wrapped, sealed, opened] = ["message", "wrapped", "sealed", "opened"].map(path);
    std::fs::write(&message, "the quick brown fox").expect("a message");
    tool.run_judged(&["--keygen", "--key-type", "AES:32", "--id", "01", "--usage-wrap"]);
    let rsa = ["--keypairgen", "--key-type", "rsa:2048", "--id", "02", "--usage-wrap"];
    tool.run_judged(&rsa);
    let travels = ["--keygen", "--key-type", "AES:32", "--id", "03", "--extractable"];
    tool.run_judged(&[&travels[..], &["--usage-decrypt"]].concat());
    let crypt = |verb: &str, id: &str, from: &str, to: &str| {
        let zero = "00000000000000000000000000000000";
        let how = ["--mechanism", "AES-CBC-PAD", "--iv", zero, "--id", id];
        tool.run_judged(
            &[&[verb], &how[..], &["--input-file", from, "--output-file", to]].concat(),
        );
    };
    crypt("--encrypt", "03", &message, &sealed);
    for (mechanism, iv, wrapper) in WRAPPINGS {
        let id = if wrapper == "aes" { "01" } else { "02" };
        let mut how = vec!["--mechanism", mechanism, "--id", id];
        how.extend(iv.iter().flat_map(|iv| ["--iv", iv]));
        let files = ["--application-id", "03", "--output-file", &wrapped];
        let told = tool.run_judged(&[&["--wrap"], &how[..], &files].concat());
        assert!(told.contains("Key wrapped"), "{mechanism}: {told}");
        let back = ["--application-id", "04", "--key-type", "AES:", "--input-file", &wrapped];
        let told = tool.run_judged(&[&["--unwrap"], &how[..], &back].concat());
        assert!(told.contains("Key unwrapped"), "{mechanism}: {told}");
        // The key that is back opens what the first one sealed.
        crypt("--decrypt", "04", &sealed, &opened);
        let read = |path: &str| std::fs::read(path).expect("written");
        assert_eq!(read(&opened), read(&message), "{mechanism}");
        tool.run_judged(&["--delete-object", "--type", "secrkey", "--id", "04"]);
    }
}

#[test]
fn macs_and_agreed_secrets_are_those_of_openssl() {
    let instance = Instance::up(&["--partition", "app"]);
    let (Some(tool), Some(openssl)) = (Tool::of(&instance), installed("openssl")) else { return };
    let scratch = scratch();
    let path = |name: &str| text(&scratch.path().join(name)).to_owned();
    let message = text(&message(scratch.path())).to_owned();
    let [mac, hash, secret, other] = ["mac", "hash", "secret", "other"].map(path);
    let [private, public] = ["private.pem", "public.der"].map(path);
    let read = |path: &str| std::fs::read(path).expect("written");

    let key = ["--keygen", "--key-type", "GENERIC:32", "--id", "01", "--usage-sign"];
    tool.run_judged(&[&key[..], &["--extractable"]].concat());
    let how = ["--mechanism", "SHA256-HMAC", "--id", "01", "--input-file", &message];
    tool.run_judged(&[&["--sign"], &how[..], &["--output-file", &mac]].concat());
    let told = tool.run_judged(&[&["--verify"], &how[..], &["--signature-file", &mac]].concat());
    assert!(told.contains("Signature is valid"), "{told}");
    tool.run_judged(&["--hash", "-m", "SHA256", "--input-file", &message, "--output-file", &hash]);
    run(&instance, &openssl, &["dgst", "-sha256", "-binary", "-out", &other, &message]);
    assert_eq!(read(&hash), read(&other));

    let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &private];
    run(&instance, &openssl, &[&["genpkey"], &curve[..]].concat());
    let pair = ["--keypairgen", "--key-type", "EC:prime256v1", "--id", "02", "--usage-derive"];
    tool.run_judged(&pair);
    let export = ["pkey", "-in", &private, "-pubout", "-outform", "DER", "-out", &public];
    run(&instance, &openssl, &export);
    let derive = ["--derive", "--mechanism", "ECDH1-DERIVE", "--id", "02", "--input-file", &public];
    tool.run_judged(&[&derive[..], &["--output-file", &secret]].concat());
    tool.run(&["--read-object", "--type", "pubkey", "--id", "02", "--output-file", &public]);
    let derive =
        ["pkeyutl", "-derive", "-inkey", &private, "-peerform", "DER", "-peerkey", &public];
    run(&instance, &openssl, &[&derive[..], &["-out", &other]].concat());
    assert_eq!(read(&secret), read(&other));
}

#[test]
fn what_was_written_is_read_and_used() {
    let instance = Instance::up(&["--partition", "app"]);
    let (Some(tool), Some(openssl)) = (Tool::of(&instance), installed("openssl")) else { return };
    let scratch = scratch();
    let path = |name: &str| text(&scratch.path().join(name)).to_owned();
    let message = text(&message(scratch.path())).to_owned();
    let [private, certificate, back, signature, public] =
        ["private.der", "certificate.der", "back", "signature", "public.pem"].map(path);
    let read = |path: &str| std::fs::read(path).expect("written");
    for (id, new, mechanism, format) in [
        ("01", ["rsa", "rsa_keygen_bits:2048"], "SHA256-RSA-PKCS", "rs"),
        ("02", ["ec", "ec_paramgen_curve:P-256"], "ECDSA-SHA256", "openssl"),
    ] {
        let [algorithm, size] = new;
        let make = ["-newkey", algorithm, "-pkeyopt", size, "-nodes", "-keyout", &private];
        let make = [&["req", "-x509", "-subj", "/CN=outside"], &make[..]].concat();
        run(&instance, &openssl, &[&make[..], &["-outform", "DER", "-out", &certificate]].concat());
        let pem = path("private.pem");
        std::fs::rename(&private, &pem).expect("written");
        run(&instance, &openssl, &["pkey", "-in", &pem, "-outform", "DER", "-out", &private]);
        tool.run_judged(&["--write-object", &certificate, "--type", "cert", "--id", id]);
        let told = tool.run_judged(&["--read-object", "--type", "cert", "--id", id, "-o", &back]);
        assert_eq!(read(&back), read(&certificate), "{told}");
        let write = ["--write-object", &private, "--type", "privkey", "--id", id, "--usage-sign"];
        tool.run_judged(&write);
        let sign = ["--sign", "--mechanism", mechanism, "--id", id, "--signature-format", format];
        tool.run_judged(&[&sign[..], &["-i", &message, "-o", &signature]].concat());
        let shown = ["x509", "-inform", "DER", "-in", &certificate, "-pubkey", "-noout"];
        std::fs::write(&public, run(&instance, &openssl, &shown)).expect("a public key");
        let verify = ["dgst", "-sha256", "-verify", &public, "-signature", &signature, &message];
        let told = run(&instance, &openssl, &verify);
        assert!(told.contains("Verified OK"), "{mechanism}: {told}");
    }
    tool.run_judged(&["--write-object", &message, "--type", "data", "--label", "data"]);
    tool.run_judged(&["--read-object", "--type", "data", "--label", "data", "-o", &back]);
    assert_eq!(read(&back), read(&message));
}

#[test]
fn its_own_tests_of_a_token_pass() {
    let instance = Instance::up(&["--partition", "app"]);
    let Some(tool) = Tool::of(&instance) else { return };
    tool.run(&["--keypairgen", "--key-type", "rsa:2048", "--id", "01", "--label", "rsa"]);
    // It ends well also where it found errors.
    let told = tool.run_judged(&["--test"]);
    for wanted in ["No errors", "all 4 digest functions", "all 4 signature functions"] {
        assert!(told.contains(wanted), "{wanted} in {told}");
    }
    assert!(told.matches(": OK").count() >= 10, "{told}");

    let pair = ["--key-type", "EC:prime256v1", "--id", "02", "--label", "ec"];
    let told = tool.run_judged(&[&["--test-ec", "--session-rw"], &pair[..]].concat());
    assert!(told.contains("==> OK"), "{told}");
    tool.run_judged(&["--test-fork"]);
}

/// Two threads initialise, list and look, while the first makes a key: it waits 30 seconds where they have not
/// ended by then.
#[test]
fn its_own_test_of_threads_passes() {
    let instance = Instance::up(&["--partition", "app"]);
    let Some(tool) = Tool::of(&instance) else { return };
    let work = ["--keypairgen", "--key-type", "rsa:3072", "--id", "01"];
    let threads = ["--test-threads", "ILGISLT0"];
    let told = tool.run_judged(&[&threads[..], &threads, &work].concat());
    assert!(told.contains("all threads have ended with CKR_OK"), "{told}");
}
