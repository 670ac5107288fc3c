//! p11-kit: the module as a registered one, behind its proxy, and served to another process by its server.
//!
//! p11-kit reads no user's configuration for root, so that root runs these as a user without rights.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::Server;
use crate::{CRYPTO_OFFICER, Instance, command, found, installed, run, said, text};

/// Debian's nobody; any user that owns nothing does.
const NOBODY: &str = "65534";

/// An instance with a key pair, owned by the user who runs the programs.
struct Kit {
    instance: Instance,
    /// `setpriv` for root, and `None` for anybody else.
    step_down: Option<PathBuf>,
}

impl Kit {
    fn up() -> Option<Self> {
        let instance = Instance::up(&["--partition", "app"]);
        let opensc = installed("pkcs11-tool")?;
        let module = text(instance.module());
        let login = ["--module", module, "--login", "--pin", CRYPTO_OFFICER];
        let key = ["--keypairgen", "--key-type", "rsa:2048", "--id", "01", "--label", "mine"];
        run(&instance, &opensc, &[&login[..], &key].concat());

        let modules = home(&instance).join("pkcs11/modules");
        std::fs::create_dir_all(&modules).expect("a directory of our own");
        let registration = format!("module: {module}\ncritical: yes\n");
        std::fs::write(modules.join("luna.module"), registration).expect("a registration");
        let step_down = if std::fs::metadata("/proc/self").expect("ours").uid() == 0 {
            let owner = format!("{NOBODY}:{NOBODY}");
            let all = home(&instance);
            run(&instance, &installed("chown")?, &["-R", &owner, text(all)]);
            Some(installed("setpriv")?)
        } else {
            None
        };
        Some(Self { instance, step_down })
    }

    /// The program, without `timeout` before it, as the user who has the configuration.
    fn bare(&self, program: &Path) -> Command {
        let Some(setpriv) = &self.step_down else { return Command::new(program) };
        let mut command = Command::new(setpriv);
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(program);
        command
    }

    fn command(&self, program: &Path) -> Command {
        let bare = self.bare(program);
        let mut command = command(&self.instance, Path::new(bare.get_program()));
        command.args(bare.get_args()).env("XDG_CONFIG_HOME", home(&self.instance));
        command
    }
}

/// The directory that is the instance's own, the client directory in it.
fn home(instance: &Instance) -> &Path {
    instance.directory().parent().expect("the client directory lies in another")
}

/// A library of p11-kit.
fn library(name: &str) -> Option<PathBuf> {
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    let directories =
        [PathBuf::from("/usr/lib").join(multiarch), "/usr/lib64".into(), "/usr/lib".into()];
    found(name, directories.into_iter().map(|directory| directory.join(name)))
}

#[test]
fn the_module_is_registered() {
    let Some(kit) = Kit::up() else { return };
    let (Some(p11_kit), Some(p11tool), Some(opensc), Some(proxy)) = (
        installed("p11-kit"),
        installed("p11tool"),
        installed("pkcs11-tool"),
        library("p11-kit-proxy.so"),
    ) else {
        return;
    };
    let (listed, _) = said(kit.command(&p11_kit).arg("list-modules"));
    assert!(listed.contains("luna: ") && listed.contains("token: app"), "{listed}");
    // Named by no path: GnuTLS asks p11-kit.
    let key = "pkcs11:token=app;object=mine;type=private";
    let login = ["--login", "--set-pin", CRYPTO_OFFICER];
    let (_, signed) = said(kit.command(&p11tool).args(login).args(["--test-sign", key]));
    assert_eq!(signed.matches("... ok").count(), 3, "{signed}");
    signs(&kit, &mut kit.command(&opensc), &proxy);
}

#[test]
fn the_module_is_served_to_others() {
    let Some(kit) = Kit::up() else { return };
    let (Some(p11_kit), Some(opensc), Some(client)) =
        (installed("p11-kit"), installed("pkcs11-tool"), library("pkcs11/p11-kit-client.so"))
    else {
        return;
    };
    let socket = home(&kit.instance).join("socket");
    let mut command = kit.bare(&p11_kit);
    command
        .env("ChrystokiConfigurationPath", kit.instance.directory())
        .args(["server", "--foreground", "--name", text(&socket), "--provider"])
        .args([text(kit.instance.module()), "pkcs11:token=app"]);
    let mut server = Server::start(&mut command);
    server.wait_for_file(&socket);
    let mut tool = kit.command(&opensc);
    // Whoever asks has no configuration of ours: what answers is at the other end of the socket.
    tool.env_remove("ChrystokiConfigurationPath")
        .env("P11_KIT_SERVER_ADDRESS", format!("unix:path={}", text(&socket)));
    signs(&kit, &mut tool, &client);
}

/// `pkcs11-tool` over another library, and OpenSSL to verify what it signed.
#[track_caller]
fn signs(kit: &Kit, tool: &mut Command, library: &Path) {
    let Some(openssl) = installed("openssl") else { return };
    let home = home(&kit.instance);
    let path = |name: &str| text(&home.join(name)).to_owned();
    let [message, signature, public] = ["message", "signature", "public.der"].map(path);
    std::fs::write(&message, "the quick brown fox").expect("a message");
    said(
        tool.args(["--module", text(library), "--token-label", "app", "--login", "--pin"])
            .args([CRYPTO_OFFICER, "--sign", "--mechanism", "SHA256-RSA-PKCS", "--label", "mine"])
            .args(["--input-file", &message, "--output-file", &signature]),
    );
    let Some(opensc) = installed("pkcs11-tool") else { return };
    let module = text(kit.instance.module());
    let read = ["--module", module, "--read-object", "--type", "pubkey", "--label", "mine"];
    run(&kit.instance, &opensc, &[&read[..], &["--output-file", &public]].concat());
    let verify = ["dgst", "-sha256", "-keyform", "DER", "-verify", &public, "-signature"];
    let told = run(&kit.instance, &openssl, &[&verify[..], &[&signature, &message]].concat());
    assert!(told.contains("Verified OK"), "{told}");
}
