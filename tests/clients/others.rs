//! GnuTLS `p11tool`.

use crate::{CRYPTO_OFFICER, Instance, installed, run, text};

#[test]
fn gnutls_lists_and_signs() {
    let instance = Instance::up(&["--partition", "app"]);
    let (Some(p11tool), Some(opensc)) = (installed("p11tool"), installed("pkcs11-tool")) else {
        return;
    };
    let module = text(instance.module());
    run(
        &instance,
        &opensc,
        &[
            "--module",
            module,
            "--login",
            "--pin",
            CRYPTO_OFFICER,
            "--keypairgen",
            "--key-type",
            "rsa:2048",
            "--id",
            "01",
            "--label",
            "mine",
        ],
    );
    let tokens = run(&instance, &p11tool, &["--provider", module, "--list-tokens"]);
    assert!(tokens.contains("token=app"), "{tokens}");
    let pin = ["--login", "--set-pin", CRYPTO_OFFICER];
    let mut list = vec!["--provider", module];
    list.extend(pin);
    list.extend(["--list-all", "pkcs11:token=app"]);
    let listed = run(&instance, &p11tool, &list);
    assert!(listed.contains("Label: mine") && listed.contains("Private key"), "{listed}");
    let mut sign = vec!["--provider", module];
    sign.extend(pin);
    sign.extend(["--test-sign", "pkcs11:token=app;object=mine;type=private"]);
    // Its exit status is the answer: it signs, and verifies with the public half.
    run(&instance, &p11tool, &sign);
}
