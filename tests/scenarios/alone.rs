//! A key vault in a process of its own, on an emulated HSM.
//!
//! The module finds its configuration in the environment, which belongs to the whole process: so a test that is a key
//! vault starts this binary again for itself.

use std::fs;
use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use luna_tests::{CRYPTO_OFFICER, Instance, scratch};
use okv_sim::{HsmSettings, InitializeRequest, InstallRequest, Vault};

pub(crate) const LABEL: &str = "OKV";
pub(crate) const PASSPHRASE: &str = "recovery-passphrase-1";
pub(crate) const OBJECT: &[u8] = b"a customer's key";

/// Names the scratch directory to the test's own process.
const CHILD: &str = "LUNA_TEST_OKV_CHILD";

/// The module, and a directory to work in.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) module: PathBuf,
}

/// Runs `body` in a process of its own, with an HSM whose partition is labelled [`LABEL`]. `name` is the test's own;
/// `before` is done first, in the process that waits, and what it makes lives as long as the other.
pub(crate) fn alone<T>(
    name: &str,
    before: impl FnOnce(&mut Command) -> T,
    body: impl FnOnce(&Place),
) {
    if let Some(directory) = std::env::var_os(CHILD) {
        let directory = PathBuf::from(directory);
        let module = std::env::var_os("LUNA_MODULE").unwrap().into();
        return body(&Place { directory, module });
    }
    let instance = Instance::up(&["--partition", LABEL]);
    let scratch = scratch();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", name, "--nocapture"])
        .env("ChrystokiConfigurationPath", instance.directory())
        .env("LUNA_MODULE", instance.module())
        .env(CHILD, scratch.path())
        .stdin(Stdio::null());
    let made = before(&mut command);
    let child = command.output().unwrap();
    drop(made);
    let text = String::from_utf8_lossy(&child.stdout).into_owned();
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{text}\n{errors}");
    assert!(text.contains("1 passed"), "the name {name} is not a test's:\n{text}");
    // What it found is shown also when it passed.
    let said = errors.lines().filter(|line| line.starts_with("okv: "));
    said.for_each(|line| drop(writeln!(std::io::stderr(), "{line}")));
}

impl Place {
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn settings(&self) -> HsmSettings {
        HsmSettings::luna(&self.module, Some(LABEL))
    }

    pub(crate) fn install(&self, name: &str) -> Vault {
        let request = InstallRequest {
            passphrase_iterations: NonZeroU32::new(10).unwrap(),
            // Not the newest, so that there is one to upgrade to.
            release: "21.1".into(),
            ..InstallRequest::new(PASSPHRASE.into())
        };
        let mut vault = Vault::install(&self.data(name), &request).unwrap();
        vault.store_object("key", OBJECT).unwrap();
        vault
    }

    pub(crate) fn initialize(&self, vault: &mut Vault) {
        let request = InitializeRequest {
            hsm: self.settings(),
            credential: CRYPTO_OFFICER.into(),
            passphrase: PASSPHRASE.into(),
        };
        vault.initialize(&request).unwrap();
    }
}

/// Copies a server's directory.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), target).unwrap();
        } else if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}
