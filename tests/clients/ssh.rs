//! OpenSSH: keys of the token log in, by `PKCS11Provider` and by an agent, to a server of the test's own.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::Server;
use crate::{CRYPTO_OFFICER, Instance, command, installed, run, said, scratch, text};

struct Ssh<'a> {
    instance: &'a Instance,
    directory: &'a Path,
    keygen: PathBuf,
    client: PathBuf,
    daemon: PathBuf,
}

impl<'a> Ssh<'a> {
    /// Key pairs on the token, and what client and server read.
    fn of(instance: &'a Instance, directory: &'a Path) -> Option<Self> {
        let opensc = installed("pkcs11-tool")?;
        let ssh = Self {
            instance,
            directory,
            keygen: installed("ssh-keygen")?,
            client: installed("ssh")?,
            daemon: installed("sshd")?,
        };
        let module = text(instance.module());
        for (id, label, key_type) in [("01", "rsa", "rsa:2048"), ("02", "ec", "EC:prime256v1")] {
            let login = ["--module", module, "--login", "--pin", CRYPTO_OFFICER];
            let key = ["--keypairgen", "--key-type", key_type, "--id", id, "--label", label];
            run(instance, &opensc, &[&login[..], &key].concat());
        }
        let host = directory.join("host");
        run(instance, &ssh.keygen, &["-q", "-t", "ed25519", "-N", "", "-f", text(&host)]);
        let ask = directory.join("ask");
        std::fs::write(&ask, format!("#!/bin/sh\necho {CRYPTO_OFFICER}\n")).expect("a script");
        std::fs::set_permissions(&ask, PermissionsExt::from_mode(0o700)).expect("our own file");
        Some(ssh)
    }

    /// What `ssh-keygen -D` says of the token, without a PIN: one line a key.
    #[track_caller]
    fn public_keys(&self) -> Vec<String> {
        let listed = run(self.instance, &self.keygen, &["-D", text(self.instance.module())]);
        listed.lines().map(str::to_owned).collect()
    }

    /// A server that lets these keys in.
    #[track_caller]
    fn serve(&self, authorized: &str) -> (Server, u16) {
        let path = |name: &str| self.directory.join(name);
        std::fs::write(path("authorized"), authorized).expect("authorised keys");
        if is_root() {
            // Where the service was never started, nobody has made what a root's server locks itself into.
            std::fs::create_dir_all("/run/sshd").expect("root may");
        }
        let (server, port) = Server::on_free_port(|port| {
            let configuration = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\n\
                 PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\n",
                text(&path("host")),
                text(&path("authorized"))
            );
            std::fs::write(path("sshd_config"), configuration).expect("a configuration");
            let mut daemon = Command::new(&self.daemon);
            daemon.args(["-D", "-e", "-f"]).arg(path("sshd_config"));
            daemon
        });
        let host = std::fs::read_to_string(path("host.pub")).expect("a host key");
        let known = format!("[127.0.0.1]:{port} {host}");
        std::fs::write(path("known"), known).expect("a known host");
        (server, port)
    }

    /// A program that asks our script for the PIN.
    fn asking(&self, program: &Path) -> Command {
        let mut command = command(self.instance, program);
        command.env("SSH_ASKPASS", self.directory.join("ask")).env("SSH_ASKPASS_REQUIRE", "force");
        command
    }

    /// A login that says a word from the other side.
    fn login(&self, port: u16) -> Command {
        let mut login = self.asking(&self.client);
        let known = format!("UserKnownHostsFile={}", text(&self.directory.join("known")));
        login.args(["-F", "none", "-p", &port.to_string(), "-o", &known]);
        for option in [
            "StrictHostKeyChecking=yes",
            "PreferredAuthentications=publickey",
            // No key of the user who runs the tests.
            "IdentityFile=none",
        ] {
            login.args(["-o", option]);
        }
        login
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").expect("our own process").uid() == 0
}

#[track_caller]
fn gets_in(login: &mut Command) {
    let (told, errors) = said(login.args(["127.0.0.1", "echo inside"]));
    assert_eq!(told.trim(), "inside", "{errors}");
}

#[test]
fn a_key_of_the_token_logs_in() {
    let (instance, scratch) = (Instance::up(&["--partition", "app"]), scratch());
    let Some(ssh) = Ssh::of(&instance, scratch.path()) else { return };
    let keys = ssh.public_keys();
    assert_eq!(keys.len(), 2, "{keys:?}");
    let provider = format!("PKCS11Provider={}", text(instance.module()));
    for kind in ["ssh-rsa ", "ecdsa-sha2-nistp256 "] {
        let key = keys.iter().find(|key| key.starts_with(kind)).expect("a key of each kind");
        // This one alone opens the door, so it is the one that signed.
        let (_server, port) = ssh.serve(key);
        gets_in(ssh.login(port).args(["-o", &provider]));
    }
    let (_server, port) = ssh.serve("");
    let refused = ssh.login(port).args(["-o", &provider, "127.0.0.1", "true"]).output();
    assert!(!refused.expect("ssh starts").status.success(), "a key that nobody authorised");
}

#[test]
fn an_agent_keeps_the_token_open() {
    let (instance, scratch) = (Instance::up(&["--partition", "app"]), scratch());
    let Some(ssh) = Ssh::of(&instance, scratch.path()) else { return };
    let (Some(agent), Some(add)) = (installed("ssh-agent"), installed("ssh-add")) else { return };
    let (module, socket) = (text(instance.module()), scratch.path().join("agent"));
    let mut command = Command::new(&agent);
    command.env("ChrystokiConfigurationPath", instance.directory()).args([
        "-D",
        "-P",
        module,
        "-a",
        text(&socket),
    ]);
    let mut agent = Server::start(&mut command);
    agent.wait_for_file(&socket);
    let add = |words: &[&str]| said(ssh.asking(&add).env("SSH_AUTH_SOCK", &socket).args(words)).0;
    add(&["-s", module]);
    let listed = add(&["-l"]);
    assert!(listed.contains("(RSA)") && listed.contains("(ECDSA)"), "{listed}");
    // It signs with each, and verifies.
    let public = scratch.path().join("public");
    std::fs::write(&public, ssh.public_keys().join("\n")).expect("public keys");
    add(&["-T", text(&public)]);
    let (_server, port) = ssh.serve(&ssh.public_keys().join("\n"));
    // The agent has the PIN: whoever logs in is not asked.
    gets_in(ssh.login(port).env("SSH_AUTH_SOCK", &socket).env("SSH_ASKPASS", "/bin/false"));
    add(&["-e", module]);
}
