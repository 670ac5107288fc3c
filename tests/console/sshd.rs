//! A real SSH server for backups: OpenSSH on a free port, with a user of its own whom `libnss-wrapper` lets it see, so
//! that nothing of the machine is changed.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use luna_tests::scratch;
use tempfile::TempDir;

use crate::installed;
use crate::server::Server;

pub(crate) const USER: &str = "okvbackup";
pub(crate) const PASSWORD: &str = "backup-password-1";

pub(crate) struct Sshd {
    pub(crate) port: u16,
    /// Where backups go.
    pub(crate) destination: PathBuf,
    directory: TempDir,
    _server: Server,
}

fn wrapper() -> Option<PathBuf> {
    let places = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];
    let found = places
        .iter()
        .map(|place| Path::new(place).join("libnss_wrapper.so"))
        .find(|file| file.is_file());
    let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
    assert!(found.is_some() || !required, "libnss-wrapper is not installed");
    if found.is_none() {
        eprintln!("skipped: libnss-wrapper is not installed");
    }
    found
}

impl Sshd {
    pub(crate) fn start() -> Option<Self> {
        let (daemon, keygen, openssl) =
            (installed("sshd")?, installed("ssh-keygen")?, installed("openssl")?);
        let wrapper = wrapper()?;
        let directory = scratch();
        let path = |name: &str| directory.path().join(name);
        let destination = path("destination");
        std::fs::create_dir(&destination).unwrap();
        let made = Command::new(keygen)
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(path("host"))
            .status();
        assert!(made.unwrap().success());
        let hashed = Command::new(openssl).args(["passwd", "-6", PASSWORD]).output().unwrap();
        let hash = String::from_utf8(hashed.stdout).unwrap();
        let own = std::fs::metadata("/proc/self").unwrap();
        let (uid, gid) = (own.uid(), own.gid());
        let home = destination.display();
        let passwd = format!(
            "{USER}:x:{uid}:{gid}:backup:{home}:/bin/sh\nroot:x:0:0:root:/root:/bin/sh\n\
             sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n"
        );
        std::fs::write(path("passwd"), passwd).unwrap();
        std::fs::write(path("group"), format!("{USER}:x:{gid}:\n")).unwrap();
        std::fs::write(path("shadow"), format!("{USER}:{}:19000:0:99999:7:::\n", hash.trim()))
            .unwrap();
        std::fs::write(path("authorized"), "").unwrap();
        if uid == 0 {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let (server, port) = Server::on_free_port(|port| {
            let configuration = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
                 UsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication yes\n\
                 KbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\n",
                path("host").display(),
                path("authorized").display()
            );
            std::fs::write(path("sshd_config"), configuration).unwrap();
            let mut command = Command::new(&daemon);
            command.args(["-D", "-e", "-f"]).arg(path("sshd_config"));
            command.env("LD_PRELOAD", &wrapper);
            for (variable, file) in [("PASSWD", "passwd"), ("GROUP", "group"), ("SHADOW", "shadow")]
            {
                command.env(format!("NSS_WRAPPER_{variable}"), path(file));
            }
            command
        });
        Some(Self { port, destination, directory, _server: server })
    }

    /// Lets a key in.
    pub(crate) fn authorize(&self, line: &str) {
        std::fs::write(self.directory.path().join("authorized"), format!("{line}\n")).unwrap();
    }

    /// Names of the files that lie there, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.destination).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}
