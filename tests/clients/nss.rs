//! NSS: its database takes the module, makes keys on the token and signs certificates and messages with them.

use std::path::{Path, PathBuf};

use crate::{CRYPTO_OFFICER, Instance, installed, run, scratch, text};

/// A database of certificates that the module was added to, in a directory of its own.
struct Database<'a> {
    instance: &'a Instance,
    certutil: PathBuf,
    name: String,
    pin: String,
}

impl<'a> Database<'a> {
    fn of(instance: &'a Instance, directory: &Path) -> Option<Self> {
        let (modutil, certutil) = (installed("modutil")?, installed("certutil")?);
        let name = format!("sql:{}", text(directory));
        let pin = directory.join("pin");
        std::fs::write(&pin, CRYPTO_OFFICER).expect("a PIN file");
        run(instance, &modutil, &["-dbdir", &name, "-create", "-force"]);
        let module = text(instance.module());
        let add = ["-dbdir", &name, "-add", "luna", "-libfile", module, "-force"];
        run(instance, &modutil, &add);
        let listed = run(instance, &modutil, &["-dbdir", &name, "-list"]);
        assert!(listed.contains("token: app") && listed.contains("status: loaded"), "{listed}");
        Some(Self { instance, certutil, name, pin: text(&pin).to_owned() })
    }

    /// `certutil` on the token.
    #[track_caller]
    fn run(&self, words: &[&str]) -> String {
        let token = ["-d", &self.name, "-h", "app", "-f", &self.pin];
        run(self.instance, &self.certutil, &[words, &token].concat())
    }
}

#[test]
fn certificates_and_messages_are_signed_on_the_token() {
    let (instance, scratch) = (Instance::up(&["--partition", "app"]), scratch());
    let (Some(cmsutil), Some(openssl)) = (installed("cmsutil"), installed("openssl")) else {
        return;
    };
    let Some(database) = Database::of(&instance, scratch.path()) else { return };
    let path = |name: &str| text(&scratch.path().join(name)).to_owned();
    let [noise, message, certificate, signed] =
        ["noise", "message", "certificate.pem", "signed"].map(path);
    // What certutil would have somebody type; the key comes from the token.
    std::fs::write(&noise, [7; 64]).expect("noise");
    std::fs::write(&message, "the quick brown fox\n").expect("a message");
    for (nick, key) in
        [("rsa", ["-k", "rsa", "-g", "2048"]), ("ec", ["-k", "ec", "-q", "nistp256"])]
    {
        let name = format!("CN={nick}");
        let make = ["-S", "-x", "-n", nick, "-s", &name, "-t", "CTu,CTu,CTu", "-z", &noise];
        database.run(&[&make[..], &key].concat());
        let nick = format!("app:{nick}");
        std::fs::write(&certificate, database.run(&["-L", "-a", "-n", &nick])).expect("written");
        let told = run(&instance, &openssl, &["verify", "-CAfile", &certificate, &certificate]);
        assert!(told.contains(": OK"), "{nick}: {told}");

        let sign = ["-S", "-d", &database.name, "-f", &database.pin, "-N", &nick, "-H", "SHA256"];
        run(&instance, &cmsutil, &[&sign[..], &["-i", &message, "-o", &signed]].concat());
        let verify = ["cms", "-verify", "-inform", "DER", "-in", &signed, "-purpose", "any"];
        let told = run(&instance, &openssl, &[&verify[..], &["-CAfile", &certificate]].concat());
        assert_eq!(told.replace('\r', ""), "the quick brown fox\n", "{nick}");
    }
    let listed = database.run(&["-L"]);
    let keys = database.run(&["-K"]);
    for nick in ["app:rsa", "app:ec"] {
        assert!(
            listed.lines().any(|it| it.starts_with(nick) && it.ends_with("CTu,Cu,Cu")),
            "{listed}"
        );
        assert!(keys.contains(nick), "{keys}");
    }
    database.run(&["-F", "-n", "app:rsa"]);
    let left = database.run(&["-K"]);
    assert!(!left.contains("app:rsa") && left.contains("app:ec"), "{left}");
}
