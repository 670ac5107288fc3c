//! `cmu`: keys made, listed, changed, exported; certificates requested, made, imported.

use std::path::Path;
use std::process::Command;

use luna_tests::{Instance, scratch};

use crate::{Run, done, openssl, refused, succeeds, tool};

const PASSWORD: &str = "-password=crypto-officer";

fn cmu(instance: &Instance, words: &[&str]) -> Run {
    let words: Vec<&str> = words.iter().copied().chain([PASSWORD]).collect();
    tool(instance, "cmu", &words)
}

/// Public and private handle of a label.
fn handles(instance: &Instance, label: &str) -> (String, String) {
    let of = |class: &str| {
        let out = succeeds(cmu(
            instance,
            &["list", &format!("-class={class}"), &format!("-label={label}")],
        ));
        let row = out.lines().next().unwrap().to_owned();
        row.strip_prefix("handle=").unwrap().split('\t').next().unwrap().to_owned()
    };
    (of("public"), of("private"))
}

#[test]
fn keys_are_made_listed_changed_and_destroyed() {
    let instance = Instance::up(&["--partition", "one"]);
    succeeds(cmu(
        &instance,
        &[
            "generatekeypair",
            "-keyType=RSA",
            "-modulusBits=2048",
            "-publicExponent=65537",
            "-sign=1",
            "-verify=T",
            "-labelpublic=pub",
            "-labelprivate=prv",
            "-id=a001",
            "-mech=pkcs",
        ],
    ));
    let out = succeeds(cmu(&instance, &["list"]));
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.lines().all(|line| line.starts_with("handle=")), "{out}");
    assert!(out.contains("\tlabel=pub\n") && out.contains("\tlabel=prv\n"), "{out}");
    let shown = ["list", "-class", "private", "-display=label,class,keytype,id"];
    let out = succeeds(cmu(&instance, &shown));
    assert_eq!(out, "label=prv\tclass=CKO_PRIVATE_KEY\tkeytype=CKK_RSA\tid=a001\n");
    let private = {
        let out = succeeds(cmu(&instance, &["list", "-class=private", "-display=handle"]));
        out.trim().strip_prefix("handle=").unwrap().to_owned()
    };
    let handle = format!("-handle={private}");
    let wanted = "-attributes=label,sign,decrypt,modulusbits,sensitive";
    let out = succeeds(cmu(&instance, &["getAttribute", &handle, wanted]));
    assert!(out.starts_with("label=prv\nsign=1\ndecrypt=0\n"), "{out}");
    succeeds(cmu(&instance, &["setAttribute", &handle, "-label", "renamed", "-decrypt=1"]));
    let out = succeeds(cmu(&instance, &["getAttribute", &handle, "-attributes=label,decrypt"]));
    assert_eq!(out, "label=renamed\ndecrypt=1\n");
    refused(&cmu(&instance, &["delete", &handle]), 2, "-force is needed");
    succeeds(cmu(&instance, &["delete", &handle, "-force"]));
    assert_eq!(succeeds(cmu(&instance, &["list"])).lines().count(), 1);
    refused(&cmu(&instance, &["delete", &handle, "-force"]), 1, "CKR_OBJECT_HANDLE_INVALID");
}

#[test]
fn what_is_missing_or_wrong_is_told() {
    let instance = Instance::up(&["--partition", "one", "--partition", "two"]);
    let run = cmu(&instance, &["list"]);
    refused(&run, 2, "-slot is needed");
    assert!(run.errors.contains("slot 1: two"), "{}", run.errors);
    for (words, code, text) in [
        (&["list", "-slot", "9"][..], 1, "there is no slot 9"),
        (&["list", "-slot", "x"], 2, "'x' is no number"),
        (&["list", "-slot=0", "-class=none"], 2, "'none' is none of data, certificate"),
        (&["generatekeypair", "-slot=0"], 2, "-modulusbits is needed"),
        (
            &["generatekeypair", "-slot=0", "-keytype=EC", "-curvetype=9"],
            2,
            "no number from 1 to 5",
        ),
        (&["generatekeypair", "-keytype=XYZ"], 2, "neither RSA nor ECDSA"),
        (&["export", "-slot=0", "-outputfile=x"], 1, "there is no such object"),
        (&["requestcertificate", "-cn=x", "-c=CAN", "-outputfile=x"], 2, "cannot stand in a name"),
        (&["requestcertificate", "-outputfile=x"], 2, "a name is needed"),
        (&["nothing"], 2, "there is no command 'nothing'"),
    ] {
        refused(&cmu(&instance, words), code, text);
    }
    refused(&tool(&instance, "cmu", &["list", "-slot=0"]), 2, "-password is needed");
    let wrong = tool(&instance, "cmu", &["list", "-slot=0", "-password=nobody-knows"]);
    refused(&wrong, 1, "CKR_PIN_INCORRECT");
}

/// A key pair of each kind, and what OpenSSL calls the signature.
const KINDS: [(&str, &[&str], &str, &str); 4] = [
    ("rsa", &["-keytype=RSA", "-modulusbits=2048"], "-sha384withrsa", "sha384WithRSAEncryption"),
    ("p256", &["-keytype=ECDSA", "-curvetype=3"], "-sha256withecdsa", "ecdsa-with-SHA256"),
    ("p384", &["-keytype=EC", "-curvetype=NISTP384"], "-sha384withecdsa", "ecdsa-with-SHA384"),
    ("p521", &["-keytype=EC", "-curvetype=5"], "-sha512withecdsa", "ecdsa-with-SHA512"),
];

fn openssl_on(words: &[&str], file: &Path) -> Run {
    done(Command::new("openssl").args(words).arg("-in").arg(file))
}

#[test]
fn requests_and_certificates_are_signed_by_the_partition() {
    if !openssl() {
        return;
    }
    let instance = Instance::up(&["--partition", "one", "--fips", "on"]);
    let scratch = scratch();
    for (label, kind, algorithm, called) in KINDS {
        let own = format!("-label={label}");
        let words = [&["generatekeypair", "-sign=1", "-verify=1", &own][..], kind].concat();
        succeeds(cmu(&instance, &words));
        let (public, private) = handles(&instance, label);
        let keys = [format!("-publichandle={public}"), format!("-privatehandle={private}")];
        let request = scratch.path().join(format!("{label}.csr"));
        let out = succeeds(cmu(
            &instance,
            &[
                "requestCertificate",
                "-c=US",
                "-o=Example, Inc.",
                "-cn=hsm.example",
                "-s=California",
                "-e=a@example.com",
                &keys[0],
                &keys[1],
                &format!("-outputfile={}", request.display()),
                algorithm,
            ],
        ));
        assert!(out.starts_with("Using \"CKM_"), "{out}");
        let seen = openssl_on(&["req", "-noout", "-verify", "-subject", "-text"], &request);
        let told = format!("{}{}", seen.out, seen.errors);
        assert!(seen.code == Some(0) && told.contains("verify OK"), "{label}: {told}");
        assert!(
            told.contains("O = \"Example, Inc.\"") && told.contains("CN = hsm.example"),
            "{told}"
        );
        assert!(told.contains(called), "{told}");
        let file = scratch.path().join(format!("{label}.pem"));
        succeeds(cmu(
            &instance,
            &[
                "selfSignCertificate",
                "-CN=hsm.example",
                &keys[0],
                &keys[1],
                "-startDate=20240101",
                "-endDate=20990101",
                "-serialNumber=0aabbccdd0",
                "-keyusage=digitalsignature,keycertsign",
                &format!("-label={label}-cert"),
                &format!("-outputfile={}", file.display()),
                algorithm,
            ],
        ));
        let verified =
            done(Command::new("openssl").arg("verify").arg("-CAfile").arg(&file).arg(&file));
        assert_eq!(verified.code, Some(0), "{label}: {}{}", verified.out, verified.errors);
        let dates = ["x509", "-noout", "-serial", "-dates", "-ext", "keyUsage"];
        let told = openssl_on(&dates, &file).out;
        assert!(told.contains("serial=0AABBCCDD0"), "{told}");
        assert!(told.contains("notAfter=Jan  1 00:00:00 2099 GMT"), "{told}");
        assert!(told.contains("Digital Signature, Certificate Sign"), "{told}");
        // From the partition it comes back as it was written, and so does the public key.
        let again = scratch.path().join(format!("{label}-again.pem"));
        let output = format!("-outputfile={}", again.display());
        succeeds(cmu(&instance, &["export", &format!("-label={label}-cert"), &output]));
        let text = |file: &Path| std::fs::read_to_string(file).unwrap();
        assert_eq!(text(&again), text(&file));
        let key = scratch.path().join(format!("{label}.pub"));
        let output = format!("-outputfile={}", key.display());
        succeeds(cmu(&instance, &["export", "-key", &format!("-handle={public}"), &output]));
        let of_certificate = openssl_on(&["x509", "-noout", "-pubkey"], &file).out;
        assert_eq!(text(&key), of_certificate, "{label}");
    }
    // What another authority made.
    let imported = scratch.path().join("rsa.pem");
    let input = format!("-inputfile={}", imported.display());
    succeeds(cmu(&instance, &["import", &input, "-label=other", "-id=01"]));
    let out = succeeds(cmu(&instance, &["list", "-class=certificate", "-label=other", "-id=01"]));
    assert_eq!(out.lines().count(), 1, "{out}");
    let wrong = cmu(&instance, &["import", "-inputfile=/etc/hostname"]);
    refused(&wrong, 2, "/etc/hostname: no certificate");
    let (public, private) = handles(&instance, "rsa");
    let run = cmu(
        &instance,
        &[
            "requestcertificate",
            "-cn=x",
            "-sha256withecdsa",
            "-publichandle",
            &public,
            "-privatehandle",
            &private,
            "-outputfile=/nowhere/x",
        ],
    );
    refused(&run, 2, "-sha256withecdsa: the key is of type CKK_RSA");
}

#[test]
fn only_one_key_pair_needs_no_naming() {
    let instance = Instance::up(&["--partition", "one"]);
    let scratch = scratch();
    let kind = ["generatekeypair", "-keytype=EC", "-curvetype=3", "-sign=1", "-verify=1"];
    succeeds(cmu(&instance, &kind));
    let file = scratch.path().join("x.csr");
    let output = format!("-outputfile={}", file.display());
    let out = succeeds(cmu(&instance, &["requestcertificate", "-cn=x", &output]));
    assert_eq!(out, "Using \"CKM_ECDSA_SHA256\" Mechanism\n");
    succeeds(cmu(&instance, &kind));
    let run = cmu(&instance, &["requestcertificate", "-cn=x", "-outputfile=y"]);
    refused(&run, 2, "-publichandle is needed: there are ");
    let run = cmu(
        &instance,
        &["requestcertificate", "-cn=x", "-publichandle=1", "-privatehandle=1", &output],
    );
    assert_ne!(run.code, Some(0));
}
