//! Appliances and a client of them, in a directory of their own.

use std::path::{Path, PathBuf};

use luna_client::{Context, Module};
use luna_tests::{Appliance, artefacts, init_args, scratch};
use serde_json::Value;
use tempfile::TempDir;

/// Some appliances, each with one partition, and a client directory that sees them all.
pub(crate) struct Field {
    pub(crate) appliances: Vec<Appliance>,
    /// Serial numbers of their partitions.
    pub(crate) serials: Vec<String>,
    pub(crate) client: PathBuf,
    scratch: TempDir,
}

impl Field {
    /// So many appliances with a partition each, and the client registered and assigned everywhere.
    #[track_caller]
    pub(crate) fn of(count: usize) -> Self {
        let field = Self::unassigned(count);
        for appliance in &field.appliances {
            appliance.deploy(&field.client, &[]);
        }
        field
    }

    /// The same, and nobody has told the appliances of a client.
    #[track_caller]
    pub(crate) fn unassigned(count: usize) -> Self {
        let scratch = scratch();
        let (mut appliances, mut serials) = (Vec::new(), Vec::new());
        for number in 0..count {
            let appliance = Appliance::serve(&scratch.path().join(format!("hsm{number}")), &[]);
            let made =
                appliance.order(&["partition", "create", "--label", &format!("par{number}")]);
            serials.push(text(&made.unwrap()["serial"]));
            appliances.push(appliance);
        }
        let client = scratch.path().join("client");
        Self { appliances, serials, client, scratch }
    }

    /// Puts the partitions into the group `LUNAHA`.
    #[track_caller]
    pub(crate) fn group(&self) {
        let done = std::process::Command::new(artefacts::program("luna-emulator"))
            .arg("up")
            .arg(&self.client)
            .arg("--ha")
            .arg(format!("LUNAHA={}", self.serials.join(",")))
            .arg("--module")
            .arg(artefacts::module())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        self.set("Emulator", "RecoverAtOnce", "1");
    }

    /// Sets a key of the client's configuration.
    pub(crate) fn set(&self, section: &str, key: &str, value: &str) {
        set(&self.client, section, key, value);
    }

    /// A scratch path of that name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The module, in a copy of its own, initialised as this client.
    #[track_caller]
    pub(crate) fn context(&self) -> Context {
        context(&self.client)
    }
}

/// The module of a client directory, initialised.
#[track_caller]
pub(crate) fn context(client: &Path) -> Context {
    let module = Module::load(client.join("lib/libCryptoki2_64.so")).unwrap();
    module.initialize(init_args(client)).unwrap()
}

/// Sets a key in the configuration of a client directory, in a section of its own: sections of a name are one.
pub(crate) fn set(client: &Path, section: &str, key: &str, value: &str) {
    let file = client.join("Chrystoki.conf");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut kept: String = text
        .lines()
        .filter(|line| line.split('=').next().is_none_or(|name| name.trim() != key))
        .map(|line| format!("{line}\n"))
        .collect();
    kept.push_str(&format!("{section} = {{\n   {key} = {value};\n}}\n"));
    std::fs::write(file, kept).unwrap();
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
