//! GnuTLS: `p11tool`, and `certtool` with keys of the token.

use std::path::PathBuf;

use crate::{CRYPTO_OFFICER, Instance, command, installed, run, said, scratch, text};

struct P11tool<'a> {
    program: PathBuf,
    instance: &'a Instance,
}

impl P11tool<'_> {
    /// What it printed, and what it told of its work.
    #[track_caller]
    fn run(&self, words: &[&str]) -> (String, String) {
        let module = ["--provider", text(self.instance.module()), "--batch"];
        let login = ["--login", "--set-pin", CRYPTO_OFFICER];
        said(command(self.instance, &self.program).args(module).args(login).args(words))
    }
}

#[test]
fn gnutls_makes_keys_and_certificates() {
    let (instance, scratch) = (Instance::up(&["--partition", "app"]), scratch());
    let (Some(program), Some(certtool), Some(openssl)) =
        (installed("p11tool"), installed("certtool"), installed("openssl"))
    else {
        return;
    };
    let p11tool = P11tool { program, instance: &instance };
    let path = |name: &str| text(&scratch.path().join(name)).to_owned();
    let [made, exported, template, certificate, back] =
        ["made.pem", "exported.pem", "template", "certificate.pem", "back.pem"].map(path);
    let read = |path: &str| std::fs::read_to_string(path).expect("written");
    std::fs::write(&template, "cn = mine\nca\ncert_signing_key\nexpiration_days = 9\n").unwrap();

    let (tokens, _) = p11tool.run(&["--list-tokens"]);
    assert!(tokens.contains("token=app"), "{tokens}");
    for (id, label, generate) in [
        ("01", "rsa", ["--generate-rsa", "--bits", "2048"]),
        ("02", "ec", ["--generate-ecc", "--curve", "secp256r1"]),
        ("03", "ec384", ["--generate-ecc", "--curve", "secp384r1"]),
    ] {
        let to = ["--id", id, "--label", label, "--outfile", &made, "pkcs11:token=app"];
        p11tool.run(&[&generate[..], &to].concat());
        let private = format!("pkcs11:token=app;object={label};type=private");
        let public = format!("pkcs11:token=app;object={label};type=public");
        p11tool.run(&["--export-pubkey", &private, "--outfile", &exported]);
        assert_eq!(read(&made), read(&exported), "{label}");
        let (_, signed) = p11tool.run(&["--test-sign", &private]);
        assert_eq!(signed.matches("... ok").count(), 3, "{label}: {signed}");

        let mut sign = command(&instance, &certtool);
        sign.env("GNUTLS_PIN", CRYPTO_OFFICER)
            .args(["--provider", text(instance.module()), "--generate-self-signed"])
            .args(["--template", &template, "--outfile", &certificate])
            .args(["--load-privkey", &private, "--load-pubkey", &public]);
        said(&mut sign);
        let told = run(&instance, &openssl, &["verify", "-CAfile", &certificate, &certificate]);
        assert!(told.contains(": OK"), "{label}: {told}");
        let write = ["--write", "--load-certificate", &certificate, "--id", id, "--label", label];
        p11tool.run(&[&write[..], &["pkcs11:token=app"]].concat());
        let stored = format!("pkcs11:token=app;object={label};type=cert");
        p11tool.run(&["--export", &stored, "--outfile", &back]);
        // It ends an exported certificate with empty lines.
        assert_eq!(read(&certificate).trim_end(), read(&back).trim_end(), "{label}");
    }
    let (listed, _) = p11tool.run(&["--list-all-certs", "pkcs11:token=app"]);
    assert_eq!(listed.matches("Type: X.509 Certificate").count(), 3, "{listed}");
    p11tool.run(&["--delete", "pkcs11:token=app;object=rsa;type=private"]);
    let (left, _) = p11tool.run(&["--list-privkeys", "pkcs11:token=app"]);
    assert!(!left.contains("Label: rsa") && left.contains("Label: ec384"), "{left}");
}
