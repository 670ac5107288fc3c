//! A provider of Luna Cloud HSM services, what it gives away, and shells that use it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use luna_client::{Context, Module};
use luna_tests::{Appliance, HANG, artefacts, init_args, scratch};
use tempfile::TempDir;

/// The server of the services, in a directory of its own.
pub(crate) struct Provider {
    pub(crate) server: Appliance,
    scratch: TempDir,
}

impl Provider {
    #[track_caller]
    pub(crate) fn new(options: &[&str]) -> Self {
        let scratch = scratch();
        let options = [&["--profile", "luna-cloud"], options].concat();
        let server = Appliance::serve(&scratch.path().join("cloud"), &options);
        Self { server, scratch }
    }

    /// A directory or file of that name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// What a client of that name downloads; the serial number of its service.
    #[track_caller]
    pub(crate) fn bundle(&self, client: &str, words: &[&str]) -> (PathBuf, String) {
        let file = self.path(&format!("setup-{client}.zip"));
        let module = artefacts::module();
        let mut all = vec!["bundle", text(&file), "--client", client, "--module", text(&module)];
        all.extend(words);
        let made = self.server.order(&all).unwrap_or_else(|error| panic!("{error}"));
        (file, made["partition"].as_str().unwrap().to_owned())
    }

    /// A directory with an unpacked minimum client, its paths set.
    #[track_caller]
    pub(crate) fn minimum_client(&self, name: &str) -> PathBuf {
        let (bundle, _) = self.bundle(name, &[]);
        self.unpacked(&bundle, name)
    }

    /// The same from a bundle that is there.
    #[track_caller]
    pub(crate) fn unpacked(&self, bundle: &Path, name: &str) -> PathBuf {
        let directory = self.path(name);
        std::fs::create_dir(&directory).unwrap();
        shell(&directory, &[("BUNDLE", text(bundle))], UNPACK);
        directory
    }
}

/// Steps 3 to 5 of the guide's page 7.
pub(crate) const UNPACK: &str = "unzip -q $BUNDLE\ntar -xf cvclient-min.tar\nsource ./setenv\n";

/// Roles of a new partition, on the slot that `$SLOT` names: "follow the Luna Cloud HSM documentation".
pub(crate) const INITIALIZE: &str = "$LUNACM -q -s $SLOT <<END
partition init -label OKV -password partition-so -domain cloning-domain -force
role login -name po -password partition-so
role init -name co -password first-password
role logout
role changepw -name co -oldpw first-password -newpw crypto-officer
END
";

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("our own paths are text")
}

/// The module of a client directory, initialised.
#[track_caller]
pub(crate) fn context(client: &Path) -> Context {
    let module = Module::load(client.join("libs/64/libCryptoki2.so")).unwrap();
    module.initialize(init_args(client)).unwrap()
}

fn run(directory: &Path, variables: &[(&str, &str)], script: &str) -> Output {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", &HANG.as_secs().to_string()]);
    command.args(["bash", "-euo", "pipefail", "-c", script]).current_dir(directory);
    command.env_remove("ChrystokiConfigurationPath").env_remove("LUNA_EMULATOR_LOG");
    command.envs(variables.iter().copied());
    command.output().expect("bash runs")
}

/// What a script prints, which must end well.
#[track_caller]
pub(crate) fn shell(directory: &Path, variables: &[(&str, &str)], script: &str) -> String {
    let done = run(directory, variables, script);
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    let err = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{script}\n{}\n{out}\n{err}", done.status);
    out
}

/// Whether programs of others are there; without them a test is not run, unless that is asked for.
pub(crate) fn installed(programs: &[&str]) -> bool {
    programs.iter().all(|name| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
        let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
        assert!(found || !required, "{name} is missing, and LUNA_REQUIRE_CLIENTS=1 asks for it");
        if !found {
            eprintln!("skipped: {name} is not installed");
        }
        found
    })
}
