//! Java's SunPKCS11: `keytool`, and a program that signs and encrypts with keys of the token.

use std::path::{Path, PathBuf};

use crate::{CRYPTO_OFFICER, Instance, installed, run, scratch, text};

/// The usages that the vendor's guides tell Java users to set; the token's own defaults are none.
const ATTRIBUTES: &str = "
attributes(*, CKO_PRIVATE_KEY, *) = {
  CKA_SIGN = true
  CKA_DECRYPT = true
}
attributes(*, CKO_PUBLIC_KEY, *) = {
  CKA_VERIFY = true
  CKA_ENCRYPT = true
}
attributes(*, CKO_SECRET_KEY, *) = {
  CKA_SIGN = true
  CKA_VERIFY = true
  CKA_ENCRYPT = true
  CKA_DECRYPT = true
}
";

fn configuration(directory: &Path, instance: &Instance, attributes: &str) -> PathBuf {
    let path = directory.join("pkcs11.cfg");
    let module = instance.module().display();
    let text = format!("name = Luna\nlibrary = {module}\nslotListIndex = 0\n{attributes}");
    std::fs::write(&path, text).expect("a configuration");
    path
}

#[track_caller]
fn keytool(instance: &Instance, program: &Path, configuration: &Path, words: &[&str]) -> String {
    let mut all = words.to_vec();
    all.extend([
        "-keystore",
        "NONE",
        "-storetype",
        "PKCS11",
        "-storepass",
        CRYPTO_OFFICER,
        "-providerClass",
        "sun.security.pkcs11.SunPKCS11",
        "-providerArg",
        text(configuration),
    ]);
    run(instance, program, &all)
}

/// A key pair each by `keytool`, then what a Java application does with them.
fn works(instance: &Instance) {
    let (Some(tool), Some(javac), Some(java)) =
        (installed("keytool"), installed("javac"), installed("java"))
    else {
        return;
    };
    let scratch = scratch();
    let configuration = configuration(scratch.path(), instance, ATTRIBUTES);
    for (alias, words) in [
        ("rsa", ["-keyalg", "RSA", "-keysize", "2048"]),
        ("ec", ["-keyalg", "EC", "-groupname", "secp256r1"]),
    ] {
        let mut generate = vec!["-genkeypair", "-alias", alias, "-dname", "CN=test"];
        generate.extend(words);
        keytool(instance, &tool, &configuration, &generate);
    }
    let listed = keytool(instance, &tool, &configuration, &["-list"]);
    assert_eq!(listed.matches("PrivateKeyEntry").count(), 2, "{listed}");

    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/java/UseToken.java");
    run(instance, &javac, &["-d", text(scratch.path()), text(&source)]);
    let said = run(
        instance,
        &java,
        &["-cp", text(scratch.path()), "UseToken", text(&configuration), CRYPTO_OFFICER],
    );
    assert!(said.trim_end().ends_with("all held"), "{said}");
}

#[test]
fn keytool_and_a_program_work() {
    works(&Instance::up(&["--partition", "app"]));
}

#[test]
fn keytool_and_a_program_work_on_a_fips_group() {
    works(&Instance::fips_group());
}

/// Without `attributes`, Java leaves the usages of EC keys to the token, whose defaults are none
/// (Documented): RSA works, EC is refused when it is to sign.
#[test]
fn bare_java_meets_the_vendors_defaults() {
    let instance = Instance::up(&["--partition", "app"]);
    let Some(tool) = installed("keytool") else { return };
    let scratch = scratch();
    let configuration = configuration(scratch.path(), &instance, "");
    let rsa = ["-genkeypair", "-alias", "rsa", "-dname", "CN=test", "-keyalg", "RSA"];
    keytool(&instance, &tool, &configuration, &rsa);
    let listed = keytool(&instance, &tool, &configuration, &["-list"]);
    assert!(listed.contains("rsa, PrivateKeyEntry"), "{listed}");
}
