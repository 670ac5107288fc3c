//! `okv-sim`: one verb an operation, each over a data directory.
//!
//! A face of the library and no more: it turns arguments into a request, calls the operation and prints what it
//! gave. Passwords come from an environment variable named on the line, from the terminal or, in a pipe, from
//! standard input, a line each; never from the line itself. Exit codes: 0 done, 1 refused or a check failed, 2
//! misuse or a broken set-up.
//!
//! A process that ends is a server that stops. Verbs that need the opened wallet open it for their own time, as
//! a boot would.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};
use okv_sim::{
    Cause, Error, HsmSettings, InitializeRequest, InstallRequest, OpenWith, Operation,
    ReverseMigrateRequest, Secret, SetCredentialRequest, State, Vault,
};
use serde::Serialize;
use serde_json::json;

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
        passphrase: Passphrase,
        /// PBKDF2 iterations that protect the passphrase.
        #[arg(long)]
        passphrase_iterations: Option<NonZeroU32>,
    },
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
        hsm: StoredHsm,
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
    /// The PKCS#11 library.
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// Take the token with this label; without it the first slot.
    #[arg(long, value_name = "LABEL")]
    token_label: Option<String>,
}

#[derive(Args)]
struct StoredHsm {
    /// The PKCS#11 library; without it the one that is set.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Take the token with this label; without it, and with a library given, the first slot.
    #[arg(long, value_name = "LABEL")]
    token_label: Option<String>,
}

/// What a verb gave: for a program, for a reader, and whether all is well.
struct Answer {
    value: serde_json::Value,
    text: String,
    well: bool,
}

impl Answer {
    fn new(value: &impl Serialize, text: impl Into<String>) -> Result<Self> {
        Ok(Self { value: serde_json::to_value(value)?, text: text.into(), well: true })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(answer) => match print(&answer, arguments.json) {
            Ok(()) if answer.well => ExitCode::SUCCESS,
            Ok(()) => ExitCode::from(1),
            Err(_) => ExitCode::from(2),
        },
        Err(error) => {
            report(&error, arguments.json);
            ExitCode::from(exit_code(&error))
        }
    }
}

fn print(answer: &Answer, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let result = if answer.well { "Success" } else { "Failure" };
        writeln!(out, "{}", json!({ "result": result, "value": answer.value }))
    } else if answer.text.is_empty() {
        Ok(())
    } else {
        writeln!(out, "{}", answer.text)
    }
}

fn report(error: &anyhow::Error, json: bool) {
    let known = error.downcast_ref::<Error>();
    if json {
        let message = format!("{error:#}");
        println!("{}", json!({ "result": "Failure", "message": message, "error": known }));
        return;
    }
    eprintln!("okv-sim: {error:#}");
    if let Some(step) = known.and_then(|error| error.step) {
        eprintln!("  at {step}");
    }
    if let Some(step) = known.and_then(|error| error.verification_step) {
        eprintln!("  in {step}");
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Error>().map(|error| error.cause) {
        Some(
            Cause::NotInstalled
            | Cause::DataDirectoryInUse
            | Cause::DiskFailed
            | Cause::StoreFailed
            | Cause::CryptoFailed,
        )
        | None => 2,
        Some(_) => 1,
    }
}

fn run(arguments: &Arguments) -> Result<Answer> {
    let data = arguments.data.as_path();
    match &arguments.verb {
        Verb::Install { passphrase, passphrase_iterations } => {
            let mut request = InstallRequest::new(passphrase.new_one()?);
            if let Some(iterations) = passphrase_iterations {
                request.passphrase_iterations = *iterations;
            }
            let vault = Vault::install(data, &request)?;
            Answer::new(&vault.status()?, format!("Installed in {}", data.display()))
        }
        Verb::Initialize { hsm, pin, passphrase } => {
            let mut vault = Vault::open(data)?;
            let request = InitializeRequest {
                hsm: settings(&hsm.module, hsm.token_label.as_deref())?,
                credential: pin.ask(Operation::Initialize)?,
                passphrase: passphrase.ask()?,
            };
            let done = vault.initialize(&request)?;
            let text = format!(
                "{}\nToken {}, slot {}, key number {}",
                done.message, done.details.token_label, done.details.slot, done.key_number
            );
            Answer::new(&done, text)
        }
        Verb::SetCredential { hsm, pin } => {
            let mut vault = Vault::open(data)?;
            let hsm = hsm.settings(&vault)?;
            let credential = pin.ask(Operation::SetCredential)?;
            let done = vault.set_credential(&SetCredentialRequest { hsm, credential })?;
            let text = format!("The credential is set. State {}", done.state);
            Answer::new(&done, text)
        }
        Verb::Verify => {
            let done = Vault::open(data)?.verify()?;
            let text = format!("{}. Key number {}", okv_sim::texts::VERIFIED, done.key_number);
            Answer::new(&done, text)
        }
        Verb::Check => {
            let done = Vault::open(data)?.check()?;
            let well = done.failure.is_none();
            let text = match &done.failure {
                Some(error) => format!("State {}: {error}", done.state),
                None if done.ran => format!("State {}: the check passed", done.state),
                None => format!("State {}: no HSM is enabled, nothing to check", done.state),
            };
            Ok(Answer { well, ..Answer::new(&done, text)? })
        }
        Verb::Status => status(&Vault::open(data)?),
        Verb::Restart => {
            let (_vault, done) = Vault::start(data)?;
            let well = done.state != State::Sealed;
            let text = match &done.failure {
                Some(error) => format!("State {}: {error}", done.state),
                None => format!("State {}", done.state),
            };
            Ok(Answer { well, ..Answer::new(&done, text)? })
        }
        Verb::OpenWallet { passphrase } => {
            let mut vault = Vault::open(data)?;
            let state = match vault.state() {
                State::NotEnabled | State::CredentialSet => {
                    vault.open_wallet(OpenWith::Passphrase(&passphrase.ask()?))?
                }
                _ => vault.open_wallet(OpenWith::Hsm)?,
            };
            Answer::new(&vault.status()?, format!("The wallet opens. State {state}"))
        }
        Verb::ReverseMigrate { pin, passphrase, new_passphrase_env } => {
            let mut vault = Vault::open(data)?;
            let state = vault.reverse_migrate(&ReverseMigrateRequest {
                credential: pin.ask(Operation::ReverseMigrate)?,
                passphrase: passphrase.ask()?,
                new_passphrase: new_passphrase_env.as_deref().map(from_environment).transpose()?,
            })?;
            let text = format!("The recovery passphrase protects the wallet again. State {state}");
            Answer::new(&vault.status()?, text)
        }
        Verb::Store { name, file, passphrase } => {
            let mut vault = started(data, passphrase, file.is_some())?;
            let bytes = match file {
                Some(file) => std::fs::read(file)
                    .with_context(|| format!("{} cannot be read", file.display()))?,
                None => standard_input()?,
            };
            let bytes = Secret::new(bytes);
            vault.store_object(name, bytes.expose())?;
            let text = format!("Stored {name}, {} bytes", bytes.len());
            Answer::new(&json!({ "name": name, "bytes": bytes.len() }), text)
        }
        Verb::Read { name, passphrase } => {
            let bytes = started(data, passphrase, true)?.read_object(name)?;
            if !arguments.json {
                io::stdout().lock().write_all(bytes.expose())?;
                return Answer::new(&json!({}), "");
            }
            let mut digits = String::with_capacity(2 * bytes.len());
            for byte in bytes.expose() {
                write!(digits, "{byte:02x}")?;
            }
            Answer::new(&json!({ "name": name, "hex": digits }), "")
        }
        Verb::List { passphrase } => {
            let objects = started(data, passphrase, true)?.list_objects()?;
            let lines = objects.iter().map(|object| {
                format!("{}  {:>8}  {}", object.stored_at, object.bytes, object.name)
            });
            let text = lines.collect::<Vec<_>>().join("\n");
            Answer::new(&objects, text)
        }
    }
}

fn status(vault: &Vault) -> Result<Answer> {
    let status = vault.status()?;
    let arrow = if status.green { "green, up" } else { "red, down" };
    let mut text = format!("State   {}\nArrow   {arrow}", status.state);
    if let Some(hsm) = &status.hsm {
        let label = hsm.token_label.as_deref().unwrap_or("(first slot)");
        write!(text, "\nHSM     {}, {}, token {label}", hsm.vendor, hsm.module.display())?;
    }
    if let Some(details) = &status.details {
        write!(
            text,
            "\nToken   {}, slot {}, serial {}, firmware {}",
            details.token_label, details.slot, details.serial_number, details.firmware_version
        )?;
    }
    if let Some(number) = status.key_number {
        write!(text, "\nKey     number {number}")?;
    }
    if let Some(rv) = status.credential_refused {
        write!(text, "\nPIN     refused with {rv}; not tried again until it is set")?;
    }
    if let Some(alert) = &status.alert {
        write!(text, "\nAlert   {} since {}", alert.text, alert.raised_at)?;
    }
    Answer::new(&status, text)
}

/// A started vault with its wallet open.
fn started(data: &Path, passphrase: &Passphrase, input_is_free: bool) -> Result<Vault> {
    let (mut vault, started) = Vault::start(data)?;
    if let Some(error) = started.failure {
        return Err(error.into());
    }
    if !vault.is_wallet_open() {
        if passphrase.passphrase_env.is_none() && !input_is_free && !io::stdin().is_terminal() {
            bail!(
                "standard input cannot give both the object and the passphrase; \
                 use --passphrase-env or --file"
            );
        }
        vault.open_wallet(OpenWith::Passphrase(&passphrase.ask()?))?;
    }
    Ok(vault)
}

/// The path is kept for later runs, which may be made from another directory.
fn settings(module: &Path, token_label: Option<&str>) -> Result<HsmSettings> {
    Ok(HsmSettings::luna(std::path::absolute(module)?, token_label))
}

impl StoredHsm {
    fn settings(&self, vault: &Vault) -> Result<HsmSettings> {
        if let Some(module) = &self.module {
            return settings(module, self.token_label.as_deref());
        }
        let Some(mut stored) = vault.status()?.hsm else {
            bail!("no HSM is set yet; name its library with --module");
        };
        if self.token_label.is_some() {
            stored.token_label.clone_from(&self.token_label);
        }
        Ok(stored)
    }
}

impl Passphrase {
    fn ask(&self) -> Result<Secret> {
        secret(self.passphrase_env.as_deref(), "Recovery passphrase: ")
    }

    fn new_one(&self) -> Result<Secret> {
        let first = self.ask()?;
        if self.passphrase_env.is_none() && io::stdin().is_terminal() {
            let again = secret(None, "Reenter recovery passphrase: ")?;
            if first.expose() != again.expose() {
                bail!("the two passphrases are not the same; enter the same one twice");
            }
        }
        Ok(first)
    }
}

impl Pin {
    fn ask(&self, operation: Operation) -> Result<Secret> {
        let first = secret(self.pin_env.as_deref(), "Enter HSM credential: ")?;
        if self.pin_env.is_none() && io::stdin().is_terminal() {
            let again = secret(None, "Reenter HSM credential: ")?;
            return Ok(Secret::confirmed(first, &again, operation)?);
        }
        Ok(first)
    }
}

fn secret(variable: Option<&str>, prompt: &str) -> Result<Secret> {
    if let Some(variable) = variable {
        return from_environment(variable);
    }
    if io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password(prompt)?.into());
    }
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        bail!("{}nothing was given; name a variable or write a line to standard input", prompt);
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line.into())
}

fn from_environment(variable: &str) -> Result<Secret> {
    use std::os::unix::ffi::OsStringExt as _;

    let value = std::env::var_os(variable).map(OsString::into_vec);
    value.map(Secret::new).with_context(|| format!("the environment has no variable {variable}"))
}

fn standard_input() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
