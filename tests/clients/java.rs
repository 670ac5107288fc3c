//! Java's SunPKCS11: `keytool` makes keys in the token, and a program goes through what applications do.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{CRYPTO_OFFICER, Instance, command, installed, output, run, said, scratch, text};

/// The usages that the vendor's guides tell Java users to set; the token's own defaults are none.
const ATTRIBUTES: &str = "
attributes(*, CKO_PRIVATE_KEY, *) = {
  CKA_SIGN = true
  CKA_DECRYPT = true
  CKA_UNWRAP = true
  CKA_DERIVE = true
}
attributes(*, CKO_PUBLIC_KEY, *) = {
  CKA_VERIFY = true
  CKA_ENCRYPT = true
  CKA_WRAP = true
}
attributes(*, CKO_SECRET_KEY, *) = {
  CKA_SIGN = true
  CKA_VERIFY = true
  CKA_ENCRYPT = true
  CKA_DECRYPT = true
}
";

/// What else keys need that are to leave the token: Java wraps what it imported, and reads what it agreed on.
const LEAVING: &str = "
attributes(*, CKO_SECRET_KEY, *) = {
  CKA_EXTRACTABLE = true
  CKA_SENSITIVE = false
}
";

/// What an application does that needs nothing else than [`ATTRIBUTES`], on any token.
const THEMES: [&str; 11] =
    ["keys", "rsa", "pss", "ec", "cbc", "mac", "digest", "random", "entries", "outside", "tls"];

/// A JDK with the compiled program, and a directory for its configurations.
struct Java<'a> {
    instance: &'a Instance,
    java: PathBuf,
    keytool: PathBuf,
    scratch: TempDir,
}

impl<'a> Java<'a> {
    fn of(instance: &'a Instance) -> Option<Self> {
        let javac = installed("javac")?;
        let java = Self {
            instance,
            java: installed("java")?,
            keytool: installed("keytool")?,
            scratch: scratch(),
        };
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/java");
        let files = ["UseToken.java", "Handshake.java"].map(|name| sources.join(name));
        let [use_token, handshake] = files.each_ref().map(|file| text(file));
        run(instance, &javac, &["-d", text(java.scratch.path()), use_token, handshake]);
        Some(java)
    }

    fn configuration(&self, attributes: &str) -> PathBuf {
        let path = self.scratch.path().join("pkcs11.cfg");
        let module = self.instance.module().display();
        let text = format!("name = Luna\nlibrary = {module}\nslotListIndex = 0\n{attributes}");
        std::fs::write(&path, text).expect("a configuration");
        path
    }

    /// `keytool` on the token.
    fn keytool<'w>(configuration: &'w Path, words: &[&'w str]) -> Vec<&'w str> {
        let token = ["-keystore", "NONE", "-storetype", "PKCS11", "-storepass", CRYPTO_OFFICER];
        let provider = ["-providerClass", "sun.security.pkcs11.SunPKCS11", "-providerArg"];
        [words, &token, &provider, &[text(configuration)]].concat()
    }

    /// A key pair made by the token. Without the provider's name, `keytool` would make it itself and import it.
    fn generate<'w>(configuration: &'w Path, key: &[&'w str]) -> Vec<&'w str> {
        let there = ["-genkeypair", "-dname", "CN=test", "-providerName", "SunPKCS11-Luna"];
        Self::keytool(configuration, &[&there, key].concat())
    }

    /// Makes the key pairs that the program knows by name.
    #[track_caller]
    fn make_keys(&self, configuration: &Path) {
        for key in KEYS {
            run(self.instance, &self.keytool, &Self::generate(configuration, key));
        }
        let listed = run(self.instance, &self.keytool, &Self::keytool(configuration, &["-list"]));
        assert_eq!(listed.matches("PrivateKeyEntry").count(), KEYS.len(), "{listed}");
    }

    /// The words of the program that goes through these themes.
    fn words(&self, configuration: &Path, themes: &[&str]) -> Vec<String> {
        let outside = self.scratch.path().join("outside.p12");
        let classes = text(self.scratch.path());
        let words =
            ["-cp", classes, "UseToken", text(configuration), CRYPTO_OFFICER, text(&outside)];
        words.iter().chain(themes).map(|&word| word.to_owned()).collect()
    }

    #[track_caller]
    fn goes_through(&self, configuration: &Path, themes: &[&str]) {
        let mut java = command(self.instance, &self.java);
        let (told, _) = said(java.args(self.words(configuration, themes)));
        assert!(told.trim_end().ends_with("all held"), "{told}");
        let done = told.matches("theme: ").count();
        assert_eq!(done, themes.len(), "{told}");
    }

    /// The answer of the token that ended the program.
    #[track_caller]
    fn is_refused(&self, configuration: &Path, theme: &str, code: &str) {
        let words = self.words(configuration, &[theme]);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let done = output(self.instance, &self.java, &words);
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success() && errors.contains(code), "{theme}: {code} in {errors}");
    }

    /// A key pair of Java's own in a file.
    fn make_outside_key(&self) {
        let outside = self.scratch.path().join("outside.p12");
        let words = ["-genkeypair", "-alias", "outside", "-dname", "CN=outside", "-keyalg", "RSA"];
        let file = ["-keystore", text(&outside), "-storepass", CRYPTO_OFFICER];
        run(self.instance, &self.keytool, &[&words[..], &file].concat());
    }
}

const KEYS: [&[&str]; 2] = [
    &["-alias", "rsa", "-keyalg", "RSA", "-keysize", "2048"],
    &["-alias", "ec", "-keyalg", "EC", "-groupname", "secp256r1"],
];

#[test]
fn an_application_works() {
    let instance = Instance::up(&["--partition", "app"]);
    let Some(java) = Java::of(&instance) else { return };
    let configuration = java.configuration(ATTRIBUTES);
    java.make_keys(&configuration);
    java.make_outside_key();
    java.goes_through(&configuration, &[&THEMES[..], &["gcm"]].concat());
    let leaving = java.configuration(&format!("{ATTRIBUTES}{LEAVING}"));
    java.goes_through(&leaving, &["wrap", "agree"]);
}

#[test]
fn an_application_works_on_a_fips_group() {
    let instance = Instance::fips_group();
    let Some(java) = Java::of(&instance) else { return };
    let configuration = java.configuration(ATTRIBUTES);
    java.make_keys(&configuration);
    java.make_outside_key();
    java.goes_through(&configuration, &THEMES);
    // Java insists on an IV of its own, and in FIPS mode the HSM makes it (Documented).
    java.is_refused(&configuration, "gcm", "CKR_MECHANISM_PARAM_INVALID");
}

/// Without `attributes`, Java leaves the usages of keys to the token, whose defaults are none (Documented): what
/// needs no key works, `keytool` stores what it made itself, and no key of the token can be used.
#[test]
fn bare_java_meets_the_vendors_defaults() {
    let instance = Instance::up(&["--partition", "app"]);
    let Some(java) = Java::of(&instance) else { return };
    let configuration = java.configuration("");
    for key in KEYS {
        let refused = output(&instance, &java.keytool, &Java::generate(&configuration, key));
        assert!(!refused.status.success(), "{key:?}");
    }
    run(
        &instance,
        &java.keytool,
        &Java::keytool(&configuration, &[&["-genkeypair", "-dname", "CN=test"], KEYS[0]].concat()),
    );
    let listed = run(&instance, &java.keytool, &Java::keytool(&configuration, &["-list"]));
    assert!(listed.contains("rsa, PrivateKeyEntry"), "{listed}");
    java.goes_through(&configuration, &["digest", "random"]);
    for theme in ["rsa", "cbc", "mac", "entries"] {
        java.is_refused(&configuration, theme, "CKR_KEY_FUNCTION_NOT_PERMITTED");
    }
}
