//! OpenSSL with the engine of libp11: requests, signatures, decryption, and a TLS server.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::Server;
use crate::{CRYPTO_OFFICER, Instance, command, found, installed, run, said, scratch, text};

/// The key pairs of these tests: label, and what `pkcs11-tool` calls it.
const KEYS: [(&str, &str); 2] = [("rsa", "rsa:2048"), ("ec", "EC:prime256v1")];

struct OpenSsl<'a> {
    program: PathBuf,
    instance: &'a Instance,
    directory: &'a Path,
}

impl<'a> OpenSsl<'a> {
    /// With key pairs on the token, and a configuration that names the engine.
    fn of(instance: &'a Instance, directory: &'a Path) -> Option<Self> {
        let (program, opensc) = (installed("openssl")?, installed("pkcs11-tool")?);
        // It says ENGINESDIR: "/usr/lib/…".
        let engines = run(instance, &program, &["version", "-e"]);
        let engines = Path::new(engines.split('"').nth(1).expect("a directory in quotes"));
        found("libengine-pkcs11-openssl", std::iter::once(engines.join("pkcs11.so")))?;
        let module = text(instance.module());
        for (id, (label, key_type)) in ["01", "02"].into_iter().zip(KEYS) {
            let login = ["--module", module, "--login", "--pin", CRYPTO_OFFICER];
            let key = ["--keypairgen", "--key-type", key_type, "--id", id, "--label", label];
            run(instance, &opensc, &[&login[..], &key].concat());
        }
        let configuration = format!(
            "openssl_conf = start\n[start]\nengines = engines\n[engines]\npkcs11 = token\n\
             [token]\nengine_id = pkcs11\nMODULE_PATH = {module}\nPIN = {CRYPTO_OFFICER}\ninit = 1\n\
             [req]\ndistinguished_name = name\n[name]\n"
        );
        std::fs::write(directory.join("openssl.cnf"), configuration).expect("a configuration");
        Some(Self { program, instance, directory })
    }

    fn path(&self, name: &str) -> String {
        text(&self.directory.join(name)).to_owned()
    }

    /// OpenSSL with the engine, and the private key of this label under the option `key`.
    fn with_token(&self, words: &[&str], key: &str, label: &str) -> Command {
        let mut command = command(self.instance, &self.program);
        self.engine(&mut command, words, key, label);
        command
    }

    fn engine(&self, command: &mut Command, words: &[&str], key: &str, label: &str) {
        command
            .env("OPENSSL_CONF", self.directory.join("openssl.cnf"))
            .args(words)
            .args(["-engine", "pkcs11", "-keyform", "engine", key])
            .arg(format!("pkcs11:token=app;object={label};type=private"));
    }

    /// OpenSSL that knows nothing of the module.
    #[track_caller]
    fn plain(&self, words: &[&str]) -> (String, String) {
        said(command(self.instance, &self.program).args(words))
    }

    /// A certificate signed by its own key.
    #[track_caller]
    fn certificate(&self, label: &str) -> String {
        let path = self.path(&format!("{label}.pem"));
        let words = ["req", "-x509", "-new", "-subj", "/CN=localhost", "-out", &path];
        said(&mut self.with_token(&words, "-key", label));
        path
    }
}

#[test]
fn a_request_is_signed_and_verifies() {
    let (instance, scratch) = (Instance::up(&["--partition", "app"]), scratch());
    let Some(openssl) = OpenSsl::of(&instance, scratch.path()) else { return };
    for (label, _) in KEYS {
        let request = openssl.path("request.pem");
        let words = ["req", "-new", "-subj", "/CN=localhost", "-out", &request];
        said(&mut openssl.with_token(&words, "-key", label));
        let (_, told) = openssl.plain(&["req", "-in", &request, "-verify", "-noout"]);
        assert!(told.contains("verify OK"), "{label}: {told}");
        let certificate = openssl.certificate(label);
        let (told, _) = openssl.plain(&["verify", "-CAfile", &certificate, &certificate]);
        assert!(told.contains(": OK"), "{label}: {told}");
    }
}

#[test]
fn data_is_signed_and_decrypted() {
    let (instance, scratch) = (Instance::up(&["--partition", "app"]), scratch());
    let Some(openssl) = OpenSsl::of(&instance, scratch.path()) else { return };
    let [message, public, signature, sealed] =
        ["message", "public.pem", "signature", "sealed"].map(|name| openssl.path(name));
    std::fs::write(&message, "the quick brown fox").expect("a message");
    let pss = &["-sigopt", "rsa_padding_mode:pss"][..];
    for (label, options) in [("rsa", &[][..]), ("rsa", pss), ("ec", &[])] {
        let certificate = openssl.certificate(label);
        let (key, _) = openssl.plain(&["x509", "-in", &certificate, "-pubkey", "-noout"]);
        std::fs::write(&public, key).expect("a public key");
        let words = [&["dgst", "-sha256", "-out", &signature][..], options].concat();
        said(openssl.with_token(&words, "-sign", label).arg(&message));
        let words = ["dgst", "-sha256", "-verify", &public, "-signature", &signature];
        let (told, _) = openssl.plain(&[&words[..], options, &[&message]].concat());
        assert!(told.contains("Verified OK"), "{label}: {told}");
    }
    let certificate = openssl.certificate("rsa");
    for padding in ["oaep", "pkcs1"] {
        let padding = format!("rsa_padding_mode:{padding}");
        let words = ["-in", &message, "-out", &sealed, "-pkeyopt", &padding];
        let encrypt = ["pkeyutl", "-encrypt", "-certin", "-inkey", &certificate];
        openssl.plain(&[&encrypt[..], &words].concat());
        let words = ["pkeyutl", "-decrypt", "-in", &sealed, "-pkeyopt", &padding];
        let (opened, _) = said(&mut openssl.with_token(&words, "-inkey", "rsa"));
        assert_eq!(opened, "the quick brown fox", "{padding}");
    }
}

#[test]
fn a_tls_server_has_its_key_on_the_token() {
    let (instance, scratch) = (Instance::up(&["--partition", "app"]), scratch());
    let Some(openssl) = OpenSsl::of(&instance, scratch.path()) else { return };
    for (label, _) in KEYS {
        let certificate = openssl.certificate(label);
        let mut server = Command::new(&openssl.program);
        server.env("ChrystokiConfigurationPath", instance.directory());
        let words = ["s_server", "-accept", "127.0.0.1:0", "-cert", &certificate, "-www"];
        openssl.engine(&mut server, &words, "-key", label);
        let server = Server::start(&mut server);
        let accept = server.line("ACCEPT ");
        let address = accept.trim_start_matches("ACCEPT ");
        for version in ["-tls1_2", "-tls1_3"] {
            let request = openssl.path("request");
            std::fs::write(&request, "GET / HTTP/1.0\r\n\r\n").expect("a request");
            let mut client = command(&instance, &openssl.program);
            client
                .args(["s_client", "-connect", address, version, "-CAfile", &certificate])
                .args(["-verify_return_error", "-verify_hostname", "localhost", "-ign_eof"])
                .stdin(std::fs::File::open(&request).expect("a request"));
            let (told, errors) = said(&mut client);
            for wanted in
                ["Verify return code: 0 (ok)", "Verified peername: localhost", "HTTP/1.0 200"]
            {
                assert!(told.contains(wanted), "{label} {version}: {wanted} in {told}\n{errors}");
            }
        }
    }
}
