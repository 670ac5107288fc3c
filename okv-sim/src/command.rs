//! The command line: verbs and what they print.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};
use data_encoding::HEXLOWER;
use okv_sim::server::{ServeRequest, serve};
use okv_sim::{Cause, Error, InstallRequest, Operation, Role, Secret, State, Vault, release};
use serde_json::{Value, json};

mod call;
mod cluster;
mod detach;
mod enroll;
mod okv;
mod secrets;

use self::call::{Asked, Opening};

/// A simulated Oracle Key Vault whose root of trust lives in the HSM it is given.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Directory of the server: everything it keeps.
    #[arg(long, global = true, env = "OKV_SIM_DATA", default_value = "okv-data")]
    data: PathBuf,
    /// Print the result as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Set a new server up.
    Install {
        #[command(flatten)]
        installation: Installation,
    },
    /// Run the server: console and JSON API over HTTPS. A data directory that is empty is set up first.
    Serve {
        /// Where the console listens; port 0 takes a free one.
        #[arg(
            long,
            value_name = "ADDRESS:PORT",
            env = "OKV_SIM_LISTEN",
            default_value = "127.0.0.1:8443"
        )]
        listen: SocketAddr,
        /// Where endpoints reach the server over KMIP; port 5696 of the console's address unless said, and any free
        /// one where the console takes any.
        #[arg(long, value_name = "ADDRESS:PORT", env = "OKV_SIM_KMIP_LISTEN")]
        kmip_listen: Option<SocketAddr>,
        /// Go on in the background once it can be reached; okv-sim stop ends it.
        #[arg(long)]
        detach: bool,
        /// The PKCS#11 library of the console's dialogs; remembered.
        #[arg(long, value_name = "FILE")]
        module: Option<PathBuf>,
        /// Where other nodes of a cluster reach this server; remembered.
        #[arg(long, value_name = "ADDRESS:PORT")]
        node_listen: Option<SocketAddr>,
        /// A name of this machine, for the certificate that is made at the first start. May be repeated.
        #[arg(long, value_name = "NAME")]
        host_name: Vec<String>,
        #[command(flatten)]
        installation: Installation,
    },
    /// End the running server.
    Stop,
    /// Make the HSM the root of trust.
    Initialize {
        #[command(flatten)]
        hsm: Hsm,
        #[command(flatten)]
        pin: Pin,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Store an HSM credential: a changed one, or one for a coming restore.
    SetCredential {
        #[command(flatten)]
        hsm: Hsm,
        #[command(flatten)]
        pin: Pin,
    },
    /// Verify everything between the HSM and the wallet.
    Verify,
    /// Do what the timer does every five minutes: verify, raise or clear the alert.
    Check,
    /// Show where the server stands; the HSM is not asked.
    Status,
    /// Start the server anew and show whether its wallet opens.
    Restart,
    /// Open the wallet by hand: through the HSM, or with the passphrase while none is enabled.
    OpenWallet {
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Go back from the HSM to the recovery passphrase.
    ReverseMigrate {
        #[command(flatten)]
        pin: Pin,
        #[command(flatten)]
        passphrase: Passphrase,
        /// Environment variable with a new recovery passphrase; without it the present one stays.
        #[arg(long, value_name = "VAR")]
        new_passphrase_env: Option<String>,
    },
    /// Go to a later release.
    Upgrade {
        /// As in 21.3.
        release: String,
    },
    /// Store an object.
    Store {
        /// Its name.
        name: String,
        /// Take its bytes from this file instead of standard input.
        #[arg(long)]
        file: Option<PathBuf>,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Read an object: its bytes go to standard output, with --json as hexadecimal digits.
    Read {
        /// Its name.
        name: String,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// List all objects.
    List {
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Make a backup now.
    Backup {
        /// Its name.
        name: String,
        /// Where it goes: a destination, or LOCAL.
        #[arg(long, default_value = "LOCAL")]
        destination: String,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Restore a backup and restart.
    Restore {
        /// Where it lies: a destination, or LOCAL.
        source: String,
        /// Name of the file there.
        file: String,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Make this running server a node of a cluster, add others, see and change them.
    Cluster {
        #[command(subcommand)]
        verb: cluster::Cluster,
    },
    /// Make the bundle that every other node of the cluster must apply.
    CreateBundle {
        #[command(flatten)]
        pin: Pin,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Apply the bundle that was brought to hsm/hsmbundle in the data directory.
    ApplyBundle {
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Redeem an endpoint's enrollment token: its certificate, key and okvclient.ora are written to a directory.
    Enroll {
        /// Where they go; made if need be.
        directory: PathBuf,
        /// Environment variable with the token; without it a line of standard input.
        #[arg(long, value_name = "VAR")]
        token_env: Option<String>,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Any service, in the style of the real command line: okv CATEGORY RESOURCE ACTION --option VALUE …
    Okv {
        /// Without any: the list of services.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
        words: Vec<String>,
    },
}

#[derive(Args)]
struct Installation {
    /// Release of the product, as in 18.5; the newest unless said.
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    /// Make an account of this name with all three roles.
    #[arg(long, value_name = "NAME")]
    administrator: Option<String>,
    /// Environment variable with the account's password.
    #[arg(long, value_name = "VAR")]
    administrator_password_env: Option<String>,
    #[command(flatten)]
    passphrase: Passphrase,
    /// PBKDF2 iterations that protect the passphrase.
    #[arg(long)]
    passphrase_iterations: Option<NonZeroU32>,
}

#[derive(Args)]
struct Passphrase {
    /// Environment variable with the recovery passphrase.
    #[arg(long, value_name = "VAR")]
    passphrase_env: Option<String>,
}

#[derive(Args)]
struct Pin {
    /// Environment variable with the HSM credential, the partition's Crypto Officer password.
    #[arg(long, value_name = "VAR")]
    pin_env: Option<String>,
}

#[derive(Args)]
struct Hsm {
    /// The PKCS#11 library; without it the one that is set.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Take the token with this label; without it, and with a library given, the first slot.
    #[arg(long, value_name = "LABEL")]
    token_label: Option<String>,
}

pub(crate) fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if let Verb::Okv { words } = &arguments.verb {
        arguments.json |= okv::is_json(words);
    }
    if let Err(error) = detach::with_variables(okv_sim::environment::variables(&arguments.data)) {
        let message = format!("started anew with the variables of okv_hsm_env: {error}");
        return print(
            &arguments,
            &json!({ "result": "Failure", "message": message, "error": null }),
        );
    }
    match run(&arguments) {
        Ok(Some(answer)) => print(&arguments, &answer),
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            let told = match error.downcast_ref::<Error>() {
                Some(known) => call::failure(&arguments.data, known),
                None => {
                    json!({ "result": "Failure", "message": format!("{error:#}"), "error": null })
                }
            };
            print(&arguments, &told)
        }
    }
}

/// Prints an answer of the JSON API for a program or a reader; the exit code that belongs to it.
fn print(arguments: &Arguments, answer: &Value) -> ExitCode {
    let failed = answer.get("value").is_none();
    let written = if arguments.json {
        let mut shown = answer.clone();
        if let Some(shown) = shown.as_object_mut() {
            shown.remove("text");
        }
        writeln!(io::stdout().lock(), "{shown}")
    } else if failed {
        let mut err = io::stderr().lock();
        let step = |name: &str, word: &str| {
            let step = answer.pointer(&format!("/error/{name}"))?;
            let (name, sequence) = (at(step, "/name")?, at(step, "/sequence")?);
            Some(format!("\n  {word} {sequence} step {}: {name}", step.get("number")?))
        };
        let failed_at = step("step", "at").unwrap_or_default();
        let within = step("verification_step", "in").unwrap_or_default();
        writeln!(err, "okv-sim: {}{failed_at}{within}", at(answer, "/message").unwrap_or_default())
    } else {
        match at(answer, "/text") {
            Some(text) if !text.is_empty() => writeln!(io::stdout().lock(), "{text}"),
            _ => Ok(()),
        }
    };
    if written.is_err() {
        return ExitCode::from(2);
    }
    match (failed, at(answer, "/result") == Some("Success")) {
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(1),
        (true, _) => ExitCode::from(exit_code(at(answer, "/error/cause"))),
    }
}

/// A text within an answer.
fn at<'a>(answer: &'a Value, pointer: &str) -> Option<&'a str> {
    answer.pointer(pointer)?.as_str()
}

/// What a broken set-up is, and what a refusal.
fn exit_code(cause: Option<&str>) -> u8 {
    let broken = [
        Cause::NotInstalled,
        Cause::DataDirectoryInUse,
        Cause::DiskFailed,
        Cause::StoreFailed,
        Cause::CryptoFailed,
        Cause::ServerFailed,
        Cause::ServerSilent,
        Cause::ReleaseUnknown,
        Cause::ActionUnknown,
        Cause::OptionMissing,
        Cause::OptionUnknown,
        Cause::OptionUnusable,
    ];
    match cause {
        Some(cause) if !broken.iter().any(|it| it.name() == cause) => 1,
        _ => 2,
    }
}

fn text(value: impl Into<String>) -> Secret {
    Secret::from(value.into())
}

fn run(arguments: &Arguments) -> Result<Option<Value>> {
    let data = arguments.data.as_path();
    let plain = |words: [&str; 3]| Asked::new(words, Vec::new());
    let answer = match &arguments.verb {
        Verb::Install { installation } => installation.install(data)?,
        Verb::Serve { detach: true, .. } => detach::start(data)?,
        Verb::Stop => {
            if okv_sim::server::running(data).is_none() {
                bail!("no server runs in {}; start one with okv-sim serve", data.display());
            }
            plain(["server", "power", "off"]).answer(data, &Opening::Never)?
        }
        Verb::Serve {
            listen,
            kmip_listen,
            module,
            node_listen,
            host_name,
            installation,
            detach: _,
        } => {
            let request = ServeRequest {
                data: data.to_owned(),
                listen: *listen,
                kmip_listen: *kmip_listen,
                library: module.clone(),
                node_listen: *node_listen,
                host_names: host_name.clone(),
                passphrase: None,
            };
            return run_server(arguments, &request, installation).map(|()| None);
        }
        Verb::Initialize { hsm, pin, passphrase } => {
            let mut options = hsm.options()?;
            options.push(("hsmCredential", pin.ask(Operation::Initialize)?));
            options.push(("recoveryPassphrase", passphrase.ask()?));
            Asked::new(["hsm", "config", "initialize"], options).answer(data, &Opening::Never)?
        }
        Verb::SetCredential { hsm, pin } => {
            let mut options = hsm.options()?;
            options.push(("hsmCredential", pin.ask(Operation::SetCredential)?));
            Asked::new(["hsm", "credential", "set"], options).answer(data, &Opening::Never)?
        }
        Verb::Verify => plain(["hsm", "config", "verify"]).answer(data, &Opening::Never)?,
        Verb::Check => plain(["hsm", "check", "run"]).answer(data, &Opening::Never)?,
        Verb::Status => plain(["hsm", "config", "get"]).answer(data, &Opening::Never)?,
        Verb::Restart => plain(["server", "power", "restart"]).answer(data, &Opening::Never)?,
        Verb::OpenWallet { passphrase } => {
            let status = plain(["hsm", "config", "get"]).answer(data, &Opening::Never)?;
            let without_hsm =
                matches!(at(&status, "/value/state"), Some("NOT_ENABLED" | "CRED_SET"));
            let mut options = Vec::new();
            if without_hsm {
                options.push(("recoveryPassphrase", passphrase.ask()?));
            }
            Asked::new(["server", "wallet", "open"], options).answer(data, &Opening::Never)?
        }
        Verb::ReverseMigrate { pin, passphrase, new_passphrase_env } => {
            let mut options = vec![
                ("hsmCredential", pin.ask(Operation::ReverseMigrate)?),
                ("recoveryPassphrase", passphrase.ask()?),
            ];
            if let Some(variable) = new_passphrase_env {
                options.push(("newRecoveryPassphrase", secrets::from_environment(variable)?));
            }
            Asked::new(["hsm", "config", "reverse-migrate"], options)
                .answer(data, &Opening::Never)?
        }
        Verb::Upgrade { release } => {
            let options = vec![("release", text(release))];
            Asked::new(["server", "release", "upgrade"], options).answer(data, &Opening::Never)?
        }
        Verb::Store { name, file, passphrase } => store(data, name, file.as_deref(), passphrase)?,
        Verb::Read { name, passphrase } => {
            let options = vec![("name", text(name))];
            let answer = Asked::new(["managed-object", "object", "get"], options)
                .answer(data, &passphrase.opening(true))?;
            match at(&answer, "/value/hex") {
                Some(digits) if !arguments.json => {
                    let bytes = Secret::new(HEXLOWER.decode(digits.as_bytes())?);
                    io::stdout().lock().write_all(bytes.expose())?;
                    return Ok(None);
                }
                _ => answer,
            }
        }
        Verb::List { passphrase } => {
            plain(["managed-object", "object", "list"]).answer(data, &passphrase.opening(true))?
        }
        Verb::Backup { name, destination, passphrase } => {
            let options = vec![("name", text(name)), ("destination", text(destination))];
            Asked::new(["backup", "once", "run"], options)
                .answer(data, &passphrase.opening(true))?
        }
        Verb::Restore { source, file, passphrase } => {
            let passphrase = passphrase.ask()?;
            let options = vec![
                ("source", text(source)),
                ("file", text(file)),
                ("recoveryPassphrase", passphrase.clone()),
            ];
            // The destination's password lies under this server's wallet; the passphrase may be another one's.
            let opening =
                if source == "LOCAL" { Opening::Never } else { Opening::With(passphrase) };
            Asked::new(["backup", "restore", "start"], options).answer(data, &opening)?
        }
        Verb::Cluster { verb } => verb.asked()?.answer(data, &Opening::Never)?,
        Verb::CreateBundle { pin, passphrase } => {
            let options = vec![
                ("hsmCredential", pin.ask(Operation::CreateBundle)?),
                ("recoveryPassphrase", passphrase.ask()?),
            ];
            Asked::new(["hsm", "bundle", "create"], options).answer(data, &Opening::Never)?
        }
        Verb::ApplyBundle { passphrase } => {
            let options = vec![("recoveryPassphrase", passphrase.ask()?)];
            Asked::new(["hsm", "bundle", "apply"], options).answer(data, &Opening::Never)?
        }
        Verb::Enroll { directory, token_env, passphrase } => {
            let token = secrets::ask(token_env.as_deref(), "Enrollment token: ")?;
            let opening = passphrase.opening(token_env.is_some());
            enroll::run(data, directory, token, &opening)?
        }
        Verb::Okv { words } => return okv::run(data, words),
    };
    Ok(Some(answer))
}

fn store(data: &Path, name: &str, file: Option<&Path>, passphrase: &Passphrase) -> Result<Value> {
    let bytes = match file {
        Some(file) => {
            std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?
        }
        None => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes)?;
            bytes
        }
    };
    let bytes = Secret::new(bytes);
    let options = vec![("name", text(name)), ("hex", text(HEXLOWER.encode(bytes.expose())))];
    Asked::new(["managed-object", "object", "register"], options)
        .answer(data, &passphrase.opening(file.is_some()))
}

fn run_server(
    arguments: &Arguments,
    request: &ServeRequest,
    installation: &Installation,
) -> Result<()> {
    let data = arguments.data.as_path();
    if okv_sim::is_installed(data) {
        if let Some(wanted) = &installation.release {
            let wanted = okv_sim::Release::named(wanted)?;
            let installed = Vault::open(data)?.view().release()?;
            if installed.name != wanted.name {
                bail!(
                    "release {} is installed here, not {}; go to a later one with okv-sim upgrade",
                    installed.name,
                    wanted.name
                );
            }
        }
    } else {
        installation.install(data)?;
    }
    let mut vault = Vault::open(data)?;
    let nobody = !vault.has_accounts()?;
    if nobody && installation.administrator.is_some() {
        installation.make_administrator(&mut vault)?;
    }
    // A server without HSM waits for the passphrase at every start; here it is named, so it need not.
    let without_hsm = matches!(vault.state(), State::NotEnabled | State::CredentialSet);
    let variable = installation.passphrase.passphrase_env.as_deref();
    let passphrase = match variable {
        Some(variable) if without_hsm => Some(secrets::from_environment(variable)?),
        _ => None,
    };
    drop(vault);
    serve(&ServeRequest { passphrase, ..request.clone() }, |running| {
        let told = if arguments.json {
            json!({ "result": "Success", "value": running }).to_string()
        } else {
            let mut lines = vec![
                format!("Console      {}", running.url),
                format!("KMIP         {}", running.kmip),
                format!("Certificate  {}", running.certificate.display()),
                format!("SHA-256      {}", running.fingerprint),
                format!("State        {}", running.state),
            ];
            if running.state == State::Sealed {
                lines.push(
                    "Sealed: the console is not there until the HSM can be reached and \
                     okv-sim open-wallet was run."
                        .to_owned(),
                );
            }
            if nobody && installation.administrator.is_none() {
                lines.push(
                    "There is no account yet: okv-sim okv admin account create --name NAME \
                     --password-env VAR --system-administrator true"
                        .to_owned(),
                );
            }
            lines.join("\n")
        };
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{told}").and_then(|()| out.flush());
    })?;
    Ok(())
}

impl Installation {
    fn install(&self, data: &Path) -> Result<Value> {
        // Before anything is asked for.
        let name = self.release.as_deref().unwrap_or(release::NEWEST);
        let release = okv_sim::Release::named(name)?;
        let mut request = InstallRequest::new(self.passphrase.new_one()?);
        request.release = release.name;
        if let Some(iterations) = self.passphrase_iterations {
            request.passphrase_iterations = iterations;
        }
        let mut vault = Vault::install(data, &request)?;
        if self.administrator.is_some() {
            self.make_administrator(&mut vault)?;
        }
        let text = format!("Installed release {} in {}", request.release, data.display());
        Ok(json!({ "result": "Success", "value": vault.status()?, "text": text }))
    }

    fn make_administrator(&self, vault: &mut Vault) -> Result<()> {
        if let Some(name) = &self.administrator {
            let variable = self.administrator_password_env.as_deref();
            let prompt = format!("Password of {name}: ");
            let password = secrets::new_one(variable, &prompt)?;
            vault.create_account(name, &password, &Role::ALL)?;
        }
        Ok(())
    }
}

impl Hsm {
    fn options(&self) -> Result<Vec<(&'static str, Secret)>> {
        let mut options = Vec::new();
        if let Some(module) = &self.module {
            // The path is kept for later runs, which may be made from another directory.
            let path = std::path::absolute(module)?;
            options.push(("module", text(path.to_string_lossy())));
        }
        if let Some(label) = &self.token_label {
            options.push(("useTokenLabel", text("true")));
            options.push(("tokenLabel", text(label)));
        }
        Ok(options)
    }
}

impl Passphrase {
    fn ask(&self) -> Result<Secret> {
        secrets::ask(self.passphrase_env.as_deref(), "Recovery passphrase: ")
    }

    fn new_one(&self) -> Result<Secret> {
        secrets::new_one(self.passphrase_env.as_deref(), "Recovery passphrase: ")
    }

    /// How to open the wallet when no server runs.
    fn opening(&self, input_is_free: bool) -> Opening {
        if self.passphrase_env.is_none() && !input_is_free && !io::stdin().is_terminal() {
            return Opening::Impossible(
                "standard input cannot give both the object and the passphrase; \
                 use --passphrase-env or --file",
            );
        }
        Opening::Ask(self.passphrase_env.clone())
    }
}

impl Pin {
    fn ask(&self, operation: Operation) -> Result<Secret> {
        let first = secrets::ask(self.pin_env.as_deref(), "Enter HSM credential: ")?;
        if self.pin_env.is_none() && io::stdin().is_terminal() {
            let again = secrets::ask(None, "Reenter HSM credential: ")?;
            return Ok(Secret::confirmed(first, &again, operation)?);
        }
        Ok(first)
    }
}
