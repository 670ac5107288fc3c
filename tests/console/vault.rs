//! A key vault's server of a test's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use luna_tests::Instance;
use serde_json::Value;

use crate::server::Server;

pub(crate) const ADMINISTRATOR: &str = "admin";

/// What a server is made of. The process ends when it is dropped.
pub(crate) struct Vault<'a> {
    instance: &'a Instance,
    data: PathBuf,
    pub(crate) passphrase: String,
    pub(crate) password: String,
    pub(crate) url: String,
    /// Where endpoints reach it: `host:port`.
    #[allow(dead_code, reason = "the console's tests have no endpoints")]
    pub(crate) kmip: String,
    server: Option<Server>,
}

impl<'a> Vault<'a> {
    /// Installs a server of this release and starts it, with its wallet open.
    #[track_caller]
    pub(crate) fn start(instance: &'a Instance, data: &Path, release: &str) -> Self {
        let name = data.file_name().unwrap().to_string_lossy().into_owned();
        Self::start_with_passphrase(instance, data, release, &format!("recovery of {name}"))
    }

    /// The same with a passphrase that others have too.
    #[track_caller]
    pub(crate) fn start_with_passphrase(
        instance: &'a Instance,
        data: &Path,
        release: &str,
        passphrase: &str,
    ) -> Self {
        let name = data.file_name().unwrap().to_string_lossy().into_owned();
        let mut vault = Self {
            instance,
            data: data.to_owned(),
            passphrase: passphrase.to_owned(),
            password: format!("password of {name}"),
            url: String::new(),
            kmip: String::new(),
            server: None,
        };
        vault.serve(release);
        vault
    }

    #[track_caller]
    fn serve(&mut self, release: &str) {
        let mut command = self.command();
        command.args(["--json", "serve", "--listen", "127.0.0.1:0", "--release", release]);
        command.args(["--passphrase-iterations", "1000", "--passphrase-env", "THE_PASSPHRASE"]);
        command.args(["--administrator", ADMINISTRATOR]);
        command.args(["--administrator-password-env", "THE_PASSWORD"]);
        command.arg("--module").arg(self.instance.module());
        let server = Server::start(&mut command);
        let told: Value = serde_json::from_str(&server.line("\"url\"")).unwrap();
        told["value"]["url"].as_str().unwrap().clone_into(&mut self.url);
        told["value"]["kmip"].as_str().unwrap().clone_into(&mut self.kmip);
        self.server = Some(server);
    }

    /// The process is killed, without a word before, and started again.
    #[allow(dead_code, reason = "the console's tests end with their server")]
    #[track_caller]
    pub(crate) fn killed_and_started(&mut self, release: &str) {
        self.server = None;
        self.serve(release);
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = self.instance.program("okv-sim");
        command.arg("--data").arg(&self.data);
        command
            .env("THE_PASSPHRASE", &self.passphrase)
            .env("THE_PASSWORD", &self.password)
            .env("THE_PIN", luna_tests::CRYPTO_OFFICER)
            .env("BACKUP_PASSWORD", crate::sshd::PASSWORD)
            .env("WRONG", "something-wrong");
        command
    }

    /// A command beside the running server.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command();
        command.args(arguments).stdin(std::process::Stdio::null()).output().unwrap()
    }

    /// A command that must succeed; what it prints.
    #[track_caller]
    pub(crate) fn tells(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {said}{errors}");
        said
    }

    /// A command that must be refused; what it says.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{arguments:?}: {said}");
        said
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.data.join("console/certificate.pem")
    }

    /// Everything the console's port says to somebody who knocks: nothing, if nobody listens.
    pub(crate) fn answers(&self) -> bool {
        let address = self.url.strip_prefix("https://").unwrap();
        std::net::TcpStream::connect(address).is_ok()
    }
}
