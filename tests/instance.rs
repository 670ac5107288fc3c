//! An HSM, or a group of them, that one test has to itself.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use luna_client::{Access, Context, InitArgs, Module, Pin, Session, SlotId, UserType};
use parking_lot::Mutex;
use serde::Deserialize;
use tempfile::TempDir;

use crate::appliance::Appliance;
use crate::artefacts;

/// The Crypto Officer's password where none was given.
pub const CRYPTO_OFFICER: &str = "crypto-officer";

/// A directory that is removed with everything in it when it is dropped.
pub fn scratch() -> TempDir {
    tempfile::Builder::new().prefix("luna-tests-").tempdir().expect("a scratch directory")
}

/// A partition, as `luna-emulator up --json` tells of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Partition {
    /// Decimal digits.
    pub serial: String,
    /// Its label.
    pub label: String,
    /// The directory of its HSM, below the state directory.
    pub hsm: String,
}

#[derive(Deserialize)]
struct Report {
    configuration: PathBuf,
    module: PathBuf,
    partitions: Vec<Partition>,
}

/// A client directory made by `luna-emulator up`, removed when dropped. Its module is a copy of its own, so
/// several instances live in one process.
#[derive(Debug)]
pub struct Instance {
    /// In the order of their slots.
    pub partitions: Vec<Partition>,
    directory: PathBuf,
    module: PathBuf,
    /// What serves the HSMs, in the order of the partitions; nothing where they are embedded.
    appliances: Mutex<Vec<Appliance>>,
    /// Last, so that it goes last.
    _scratch: TempDir,
}

impl Instance {
    /// `luna-emulator up` with these options.
    #[track_caller]
    pub fn up(options: &[&str]) -> Self {
        let scratch = scratch();
        let directory = scratch.path().join("client");
        let report = up(&directory, options);
        let mut instance = Self {
            partitions: report.partitions,
            directory: report.configuration,
            module: report.module,
            appliances: Mutex::default(),
            _scratch: scratch,
        };
        if is_networked() {
            instance.serve();
        }
        instance
    }

    /// Puts an appliance before each HSM: the same partitions in the same slots, by the network.
    #[track_caller]
    fn serve(&mut self) {
        let text = std::fs::read_to_string(self.configuration()).expect("a configuration");
        std::fs::write(self.directory.join(EMBEDDED), &text)
            .expect("a file in our scratch directory");
        let mut appliances = self.appliances.lock();
        for partition in self.partitions.iter().skip(appliances.len()) {
            let hsm = self.directory.join("state").join(&partition.hsm);
            appliances.push(Appliance::serve(&hsm, &[]));
        }
        for appliance in appliances.iter() {
            appliance.deploy(&self.directory, &[]);
        }
        let text = std::fs::read_to_string(self.configuration()).expect("a configuration");
        let mut kept: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("Partition"))
            .map(|line| format!("{line}\n"))
            .collect();
        // A test cannot wait for the minute that a group takes between two looks at a member.
        kept.push_str("Emulator = {\n   RecoverAtOnce = 1;\n}\n");
        std::fs::write(self.configuration(), kept).expect("a configuration");
    }

    /// Two partitions on HSMs of their own behind the group `LUNAHA`, in FIPS mode, listed alone: what an
    /// Oracle Key Vault is given.
    #[track_caller]
    pub fn fips_group() -> Self {
        Self::up(&["--fips", "on", "--ha", "LUNAHA=OKV,OKV", "--ha-only"])
    }

    /// `luna-emulator up` again, with other options.
    #[track_caller]
    pub fn up_again(&mut self, options: &[&str]) {
        if is_networked() {
            std::fs::copy(self.directory.join(EMBEDDED), self.configuration())
                .expect("it was kept");
        }
        self.partitions = up(&self.directory, options).partitions;
        if is_networked() {
            self.serve();
        }
    }

    /// The directory of `Chrystoki.conf`.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file `Chrystoki.conf`.
    pub fn configuration(&self) -> PathBuf {
        self.directory.join("Chrystoki.conf")
    }

    /// This instance's copy of the module.
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// The directory of the HSM of a partition.
    pub fn hsm(&self, partition: usize) -> PathBuf {
        let partition = self.partitions.get(partition).expect("a partition of the instance");
        self.directory.join("state").join(&partition.hsm)
    }

    /// The database of the HSM of a partition.
    pub fn database(&self, partition: usize) -> PathBuf {
        self.hsm(partition).join("hsm.sqlite")
    }

    /// Arguments of `C_Initialize` that name the configuration, since the environment is the whole process's.
    pub fn init_args(&self) -> InitArgs {
        init_args(&self.directory)
    }

    /// The module, loaded and initialised.
    #[track_caller]
    pub fn context(&self) -> Context {
        let module = Module::load(&self.module).unwrap_or_else(|error| panic!("{error}"));
        module.initialize(self.init_args()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A program, with the environment that `up` prints.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(artefacts::program(name));
        command
            .env("ChrystokiConfigurationPath", &self.directory)
            .env("LUNA_MODULE", &self.module)
            .env_remove("LUNA_EMULATOR_LOG");
        command
    }

    /// `luna-emulator member down` or `up`, in another process.
    #[track_caller]
    pub fn member(&self, change: &str, partition: usize) {
        if is_networked() {
            let mut appliances = self.appliances.lock();
            let appliance = appliances.get_mut(partition).expect("a partition of the instance");
            return if change == "down" { appliance.kill() } else { appliance.restart() };
        }
        let partition = self.partitions.get(partition).expect("a partition of the instance");
        let done =
            self.program("luna-emulator").args(["member", change, &partition.serial]).output();
        let done = done.expect("luna-emulator runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Another client directory that names the same HSMs, its configuration edited: the view another
    /// application has of them.
    pub fn seen_otherwise(&self, name: &str, edit: impl FnOnce(String) -> String) -> PathBuf {
        let directory = self.directory.join(name);
        std::fs::create_dir_all(&directory).expect("a directory in our scratch directory");
        let text = std::fs::read_to_string(self.configuration()).expect("a configuration");
        std::fs::write(directory.join("Chrystoki.conf"), edit(text)).expect("a configuration");
        directory
    }
}

/// The configuration of an instance as `up` made it, before appliances came between.
const EMBEDDED: &str = "embedded.conf";

/// Whether instances are reached by the network.
pub fn is_networked() -> bool {
    std::env::var("LUNA_TEST_MODE").is_ok_and(|mode| mode == "network")
}

/// `pReserved` as the directory of a configuration.
pub fn init_args(directory: &Path) -> InitArgs {
    let text = CString::new(directory.as_os_str().as_bytes()).expect("a path without NUL");
    InitArgs::Reserved(text)
}

#[track_caller]
fn up(directory: &Path, options: &[&str]) -> Report {
    let done = Command::new(artefacts::program("luna-emulator"))
        .arg("up")
        .arg(directory)
        .args(options)
        .arg("--json")
        .arg("--module")
        .arg(artefacts::module())
        .env_remove("LUNA_CO_PASSWORD")
        .env_remove("ChrystokiConfigurationPath")
        .output()
        .expect("luna-emulator runs");
    assert!(
        done.status.success(),
        "luna-emulator up {options:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    serde_json::from_slice(&done.stdout).expect("luna-emulator up --json prints JSON")
}

/// The first slot that has a token.
#[track_caller]
pub fn first_slot(context: &Context) -> SlotId {
    let slots = context.slots(true).unwrap_or_else(|error| panic!("{error}"));
    *slots.first().expect("a slot with a token")
}

/// A session of the Crypto Officer on a slot.
#[track_caller]
pub fn officer(context: &Context, slot: SlotId) -> Session {
    let session = context.open_session(slot, Access::ReadWrite).unwrap_or_else(|e| panic!("{e}"));
    match session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER)) {
        Ok(()) => session,
        // Another session of this process has logged in for all of them.
        Err(error) if error.is(luna_ck::CKR_USER_ALREADY_LOGGED_IN) => session,
        Err(error) => panic!("{error}"),
    }
}
