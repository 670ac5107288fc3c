//! `vtl`: the client's identity, the appliances, what is reached.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use luna_tests::{Instance, scratch};

use crate::{done, openssl, refused, succeeds, tool};

#[test]
fn partitions_and_slots_are_found() {
    let instance = Instance::up(&["--ha", "grp=one,two", "--ha-only"]);
    let out = succeeds(tool(&instance, "vtl", &["verify"]));
    assert!(out.starts_with("vtl (64-bit) v10.2.0-111"), "{out}");
    assert!(out.contains("The following Luna SA Slots/Partitions were found:\n\nSlot    Serial #"));
    for (slot, partition) in instance.partitions.iter().enumerate() {
        let row = format!("{slot:>4}    {:>16}        {}\n", partition.serial, partition.label);
        assert!(out.contains(&row), "{row} is not in\n{out}");
    }
    let out = succeeds(tool(&instance, "vtl", &["listSlots"]));
    assert!(out.contains("Number of slots: 3\n"), "{out}");
    assert!(out.contains("LunaNet Slot") && out.contains("HA Virtual Card Slot"), "{out}");
    let empty = instance.seen_otherwise("empty", |text| {
        let module = text.lines().take(3).collect::<Vec<_>>().join("\n");
        module + "\n"
    });
    let run = done(instance.program("vtl").arg("verify").env("ChrystokiConfigurationPath", empty));
    refused(&run, 1, "no partition can be reached");
}

#[test]
fn a_clients_certificate_is_made_once() {
    let instance = Instance::up(&["--partition", "one"]);
    let out = succeeds(tool(&instance, "vtl", &["createCert", "-n", "client.example", "-c", "CA"]));
    let place = instance.directory().join("cert/client");
    let (key, certificate) =
        (place.join("client.exampleKey.pem"), place.join("client.example.pem"));
    assert!(out.contains(&format!("Private Key created and written to: {}\n", key.display())));
    assert!(
        out.contains(&format!("Certificate created and written to: {}\n", certificate.display()))
    );
    let text = std::fs::read_to_string(&key).unwrap();
    assert!(text.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"), "the vendor's client wants it");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let conf = std::fs::read_to_string(instance.configuration()).unwrap();
    assert!(conf.contains(&format!("ClientCertFile = {};", certificate.display())), "{conf}");
    let again = tool(&instance, "vtl", &["createCert", "-n", "client.example"]);
    refused(&again, 1, "is there already; -f writes over it");
    succeeds(tool(&instance, "vtl", &["createCert", "-n", "client.example", "-f"]));
    refused(&tool(&instance, "vtl", &["createCert", "-n", "../up"]), 2, "no name or address");
    if !openssl() {
        return;
    }
    let shown = done(
        Command::new("openssl")
            .args(["x509", "-noout", "-subject", "-ext", "subjectAltName", "-in"])
            .arg(&certificate),
    );
    assert!(shown.out.contains("CN = client.example"), "{}", shown.out);
    assert!(shown.out.contains("DNS:client.example"), "{}", shown.out);
    let verified = done(
        Command::new("openssl").arg("verify").arg("-CAfile").arg(&certificate).arg(&certificate),
    );
    assert_eq!(verified.code, Some(0), "{}{}", verified.out, verified.errors);
    // The key is the certificate's.
    let public = |words: &[&str], file| {
        succeeds(done(Command::new("openssl").args(words).arg("-in").arg(file)))
    };
    assert_eq!(
        public(&["x509", "-noout", "-pubkey"], &certificate),
        public(&["pkey", "-pubout"], &key)
    );
}

#[test]
fn appliances_come_and_go_with_their_certificates() {
    let instance = Instance::up(&["--partition", "one"]);
    let scratch = scratch();
    // Any certificate will do for an appliance's; it is not talked to.
    for name in ["hsm1", "hsm2"] {
        succeeds(tool(&instance, "vtl", &["createCert", "-n", name]));
        let made = instance.directory().join(format!("cert/client/{name}.pem"));
        std::fs::rename(made, scratch.path().join(format!("{name}.pem"))).unwrap();
    }
    let add = |name: &str| {
        let file = scratch.path().join(format!("{name}.pem"));
        tool(&instance, "vtl", &["addServer", "-n", name, "-c", file.to_str().unwrap()])
    };
    let out = succeeds(add("hsm1"));
    assert!(out.contains("New server hsm1 successfully added to server list."), "{out}");
    succeeds(add("hsm2"));
    refused(&add("hsm2"), 1, "server hsm2 is in the list already");
    refused(
        &tool(&instance, "vtl", &["addServer", "-n", "x", "-c", "/etc/hostname"]),
        2,
        "no certificate",
    );
    let out = succeeds(tool(&instance, "vtl", &["listServers"]));
    assert!(out.contains("Server: hsm1") && out.contains("Server: hsm2"), "{out}");
    let all = instance.directory().join("cert/server/CAFile.pem");
    let certificates =
        || std::fs::read_to_string(&all).unwrap().matches("BEGIN CERTIFICATE").count();
    assert_eq!(certificates(), 2);
    // The module says on standard error that it reaches neither.
    let listed = tool(&instance, "lunacm", &["-c", "clientconfig listservers"]);
    assert_eq!(listed.code, Some(0), "{}", listed.errors);
    let listed = listed.out;
    assert!(listed.contains("0           hsm1") && listed.contains("1           hsm2"), "{listed}");
    succeeds(tool(&instance, "vtl", &["deleteServer", "-n", "hsm1"]));
    assert_eq!(certificates(), 1);
    refused(&tool(&instance, "vtl", &["deleteServer", "-n", "hsm1"]), 1, "is not in the list");
    let run = tool(&instance, "lunacm", &["-c", "clientconfig deleteserver -server hsm3 -force"]);
    assert!(run.out.contains("there is no appliance 'hsm3'; there are: hsm2"), "{}", run.out);
    let run = tool(&instance, "lunacm", &["-c", "clientconfig deleteserver -server hsm2 -force"]);
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.errors);
    let conf = std::fs::read_to_string(instance.configuration()).unwrap();
    assert!(!conf.contains("ServerName"), "{conf}");
}
