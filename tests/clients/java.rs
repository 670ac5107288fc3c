//! Java's SunPKCS11: `keytool` makes keys in the token, and a program goes through what applications do.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{CRYPTO_OFFICER, Instance, installed, output, run, scratch, text};

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

    /// The program, in one JVM; `THEME=CODE` is a theme that the token is to refuse.
    #[track_caller]
    fn goes_through(&self, configuration: &Path, themes: &[&str]) {
        let outside = self.scratch.path().join("outside.p12");
        let words = ["-cp", text(self.scratch.path()), "UseToken"];
        let token = [text(configuration), CRYPTO_OFFICER, text(&outside)];
        let told = run(self.instance, &self.java, &[&words[..], &token, themes].concat());
        assert!(told.trim_end().ends_with("all held"), "{told}");
        assert_eq!(told.matches("theme: ").count(), themes.len(), "{told}");
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

/// What every application does, and AES-GCM as it is there.
fn works(instance: &Instance, gcm: &str) {
    let Some(java) = Java::of(instance) else { return };
    let configuration = java.configuration(ATTRIBUTES);
    java.make_keys(&configuration);
    java.make_outside_key();
    java.goes_through(&configuration, &[&THEMES[..], &[gcm]].concat());
    let leaving = java.configuration(&format!("{ATTRIBUTES}{LEAVING}"));
    java.goes_through(&leaving, &["wrap", "agree"]);
}

#[test]
fn an_application_works() {
    works(&Instance::up(&["--partition", "app"]), "gcm");
}

/// Java insists on an IV of its own, and in FIPS mode the HSM makes it (Documented).
#[test]
fn an_application_works_on_a_fips_group() {
    works(&Instance::fips_group(), "gcm=CKR_MECHANISM_PARAM_INVALID");
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
        // All that it says of the refused C_SignInit.
        let told = String::from_utf8_lossy(&refused.stdout);
        assert!(!refused.status.success() && told.contains("Initialization failed"), "{told}");
    }
    let own = [&["-genkeypair", "-dname", "CN=test"], KEYS[0]].concat();
    run(&instance, &java.keytool, &Java::keytool(&configuration, &own));
    let listed = run(&instance, &java.keytool, &Java::keytool(&configuration, &["-list"]));
    assert!(listed.contains("rsa, PrivateKeyEntry"), "{listed}");
    let refused = ["rsa", "cbc", "mac", "entries"];
    let refused = refused.map(|theme| format!("{theme}=CKR_KEY_FUNCTION_NOT_PERMITTED"));
    let refused = refused.each_ref().map(String::as_str);
    // Digests last: Java closes the session of each, with any token, and after the last session nobody is
    // logged in.
    java.goes_through(&configuration, &[&refused[..], &["random", "digest"]].concat());
}
