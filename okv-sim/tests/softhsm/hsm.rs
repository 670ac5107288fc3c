//! A SoftHSM token in a directory of its own, and what an administrator of it can do.
//!
//! SoftHSM reads `SOFTHSM2_CONF` from the environment and the environment belongs to the whole process, so each
//! test runs in a process of its own: [`alone`] starts this test binary again for the one test.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use luna_client::ck::*;
use luna_client::{
    Access, Attribute, InitArgs, Mechanism, Module, ObjectHandle, Pin, Session, UserType,
};
use okv_sim::{HsmSettings, ROOT_KEY_LABEL};

pub(crate) const LABEL: &str = "OKV";
pub(crate) const CREDENTIAL: &str = "partition-password-1";
const SO_PIN: &str = "so-password-1";
const CHILD: &str = "OKV_SIM_TEST_CHILD";
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

pub(crate) struct Hsm {
    pub(crate) directory: PathBuf,
    pub(crate) module: PathBuf,
}

/// Runs `body` in a process of its own with a fresh token. `name` is the test's own name.
pub(crate) fn alone(name: &str, body: impl FnOnce(&Hsm)) {
    if let Some(directory) = std::env::var_os(CHILD) {
        let directory = PathBuf::from(directory);
        let module = directory.join("libsofthsm2.so");
        return body(&Hsm { directory, module });
    }
    if !Path::new(MODULE).exists() {
        let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
        assert!(!required, "{MODULE} is not installed");
        // Written, not printed: the test runner keeps what passing tests print to itself.
        let _ = writeln!(std::io::stderr(), "{name} skipped: {MODULE} is not installed");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("tokens")).unwrap();
    // A copy, so that it can be taken away.
    fs::copy(MODULE, directory.path().join("libsofthsm2.so")).unwrap();
    let conf = directory.path().join("softhsm2.conf");
    let tokens = directory.path().join("tokens");
    fs::write(&conf, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()))
        .unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", LABEL, "--so-pin", SO_PIN, "--pin", CREDENTIAL])
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("SOFTHSM2_CONF", &conf)
        .env(CHILD, directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{text}\n{errors}");
    assert!(text.contains("1 passed"), "the name {name} is not a test's:\n{text}");
}

impl Hsm {
    pub(crate) fn settings(&self) -> HsmSettings {
        HsmSettings::luna(&self.module, Some(LABEL))
    }

    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// One administrator's session, over before this returns.
    pub(crate) fn session<T>(&self, pin: &str, work: impl FnOnce(&Session) -> T) -> T {
        let module = Module::load(&self.module).unwrap();
        let context = module.initialize(InitArgs::OsLocking).unwrap();
        let slot = context.slot_by_label(LABEL).unwrap().unwrap();
        let session = context.open_session(slot, Access::ReadWrite).unwrap();
        session.login(UserType::CRYPTO_OFFICER, &Pin::from(pin)).unwrap();
        work(&session)
    }

    /// Labels and classes of all objects.
    pub(crate) fn objects(&self) -> Vec<(String, u64)> {
        self.session(CREDENTIAL, |session| {
            let objects = session.find(&[]).unwrap();
            let mut found: Vec<_> = objects
                .into_iter()
                .map(|object| {
                    let label = session.attribute_text(object, CKA_LABEL).unwrap().unwrap();
                    (label, session.attribute_ulong(object, CKA_CLASS).unwrap().unwrap())
                })
                .collect();
            found.sort();
            found
        })
    }

    pub(crate) fn root_keys(&self) -> Vec<Vec<u8>> {
        self.session(CREDENTIAL, |session| {
            let keys = session.find(&[Attribute::label(ROOT_KEY_LABEL)]).unwrap();
            keys.into_iter().map(|key| session.attribute(key, CKA_ID).unwrap().unwrap()).collect()
        })
    }

    pub(crate) fn delete_root_key(&self, id: &[u8]) {
        self.session(CREDENTIAL, |session| {
            let keys = session.find(&root_key(id)).unwrap();
            assert_eq!(keys.len(), 1);
            session.destroy(keys[0]).unwrap();
        });
    }

    /// Another key with the root key's label and this ID.
    pub(crate) fn add_root_key(&self, id: &[u8]) {
        self.session(CREDENTIAL, |session| {
            let mut template = root_key(id);
            template.push(Attribute::token(true));
            template.push(Attribute::ulong(CKA_VALUE_LEN, 32));
            session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template).unwrap();
        });
    }

    /// A key of this value, on the token with the root key's label and this ID, or for the session only.
    pub(crate) fn import(session: &Session, id: Option<&[u8]>, value: &[u8]) -> ObjectHandle {
        let mut template = id.map(root_key).unwrap_or_default();
        template.extend([
            Attribute::class(CKO_SECRET_KEY),
            Attribute::key_type(CKK_AES),
            Attribute::token(id.is_some()),
            Attribute::bool(CKA_DECRYPT, true),
            Attribute::bytes(CKA_VALUE, value),
        ]);
        session.create_object(&template).unwrap()
    }

    /// What the root key makes of a blob: the wallet password.
    pub(crate) fn decrypt(&self, blob: &[u8]) -> Vec<u8> {
        self.session(CREDENTIAL, |session| {
            let key = session.find(&root_key(&blob[4..8])).unwrap()[0];
            let mechanism = Mechanism::aes_cbc_pad(blob[16..32].try_into().unwrap());
            session.decrypt(&mechanism, key, &blob[32..]).unwrap()
        })
    }

    pub(crate) fn change_pin(&self, old: &str, new: &str) {
        self.session(old, |session| session.set_pin(&old.into(), &new.into()).unwrap());
    }

    /// The token is gone, as when the network is.
    pub(crate) fn take_away(&self) {
        fs::rename(self.directory.join("tokens"), self.directory.join("away")).unwrap();
        fs::create_dir(self.directory.join("tokens")).unwrap();
    }

    pub(crate) fn bring_back(&self) {
        fs::remove_dir_all(self.directory.join("tokens")).unwrap();
        fs::rename(self.directory.join("away"), self.directory.join("tokens")).unwrap();
    }
}

fn root_key(id: &[u8]) -> Vec<Attribute> {
    vec![Attribute::label(ROOT_KEY_LABEL), Attribute::bytes(CKA_ID, id)]
}
