//! The token under test: a private emulator, made for the run, or a module of yours.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use luna_conformance::profile::BUILT_IN;
use luna_conformance::run::{Provider, Seat};
use luna_conformance::stage::{ProfileChoice, Secrets, Target};

use crate::instance::{CONFIGURATION, Instance};
use crate::locate::{self, Cargo, Tool};

/// Options that say which token.
#[derive(Args, Clone, Default)]
pub(crate) struct Subject {
    /// Ask this library instead of a private emulator.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// The token's slot.
    #[arg(long, value_name = "N", requires = "module", conflicts_with = "token_label")]
    slot: Option<u64>,
    /// The token's label; the first token without either.
    #[arg(long, value_name = "LABEL", requires = "module")]
    token_label: Option<String>,
    /// Environment variable with the Crypto Officer's password.
    #[arg(long, value_name = "VAR", requires = "module")]
    pin_env: Option<String>,
    /// Environment variable with the Partition SO's password, for checks that initialise.
    #[arg(long, value_name = "VAR", requires = "module")]
    so_pin_env: Option<String>,
    /// A string for pReserved of C_Initialize, for modules that take their configuration there.
    #[arg(long, value_name = "TEXT", requires = "module")]
    reserved: Option<String>,
    /// Profile of the private emulator; with --module, the profile to compare with: a name, a file, or `none`.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// FIPS mode of the private emulator.
    #[arg(long, value_name = "on|off", default_value = "off", conflicts_with = "module")]
    fips: Switch,
    /// Ask an HA group of two members.
    #[arg(long, conflicts_with = "module")]
    ha: bool,
    /// Load this library in place of the emulator's, with the emulator behind it.
    #[arg(long, value_name = "FILE", hide = true, conflicts_with = "module")]
    shim: Option<PathBuf>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    #[default]
    Off,
}

impl Subject {
    /// `PROFILE` or `PROFILE:fips`.
    pub(crate) fn emulator(words: &str) -> Self {
        let (profile, mode) = words.split_once(':').unwrap_or((words, ""));
        let fips = if mode == "fips" { Switch::On } else { Switch::Off };
        Self { profile: Some(profile.to_owned()), fips, ..Self::default() }
    }

    /// The same, with the environment variable that has the Crypto Officer's password.
    pub(crate) fn with_pin_env(mut self, variable: Option<String>) -> Self {
        self.pin_env = variable;
        self
    }

    /// Whether a private emulator's HA group is asked for.
    pub(crate) fn is_group(&self) -> bool {
        self.ha
    }

    /// The library, where it is somebody's.
    pub(crate) fn module(&self) -> Option<&Path> {
        self.module.as_deref()
    }

    /// A library, or `emulator[:PROFILE[:fips]]` for a private one.
    pub(crate) fn named(named: &str, token_label: Option<String>) -> Self {
        match named.strip_prefix("emulator") {
            Some("") => Self::default(),
            Some(rest) if rest.starts_with(':') => Self::emulator(rest.trim_start_matches(':')),
            _ => Self::library(Path::new(named), token_label),
        }
    }

    /// A library, and one of its tokens.
    pub(crate) fn library(module: &Path, token_label: Option<String>) -> Self {
        Self { module: Some(module.to_owned()), token_label, ..Self::default() }
    }
}

/// The environment variable that names to a shim what is behind it.
pub(crate) const BEHIND: &str = "LUNA_SHIM_MODULE";

/// Who has the token.
#[allow(clippy::large_enum_variant, reason = "one value a run")]
pub(crate) enum Owner {
    Guest { target: Target, secrets: Secrets, _scratch: tempfile::TempDir },
    Emulator(Box<Emulator>),
}

/// A private emulator a job, and one for each check that wants its own.
pub(crate) struct Emulator {
    tool: PathBuf,
    module: PathBuf,
    options: Vec<String>,
    profile: ProfileChoice,
    shim: Option<PathBuf>,
    extra: Vec<(String, PathBuf)>,
    number: AtomicUsize,
}

/// Passwords of a private emulator.
const OFFICER: &str = "crypto-officer-of-the-harness";
const PARTITION_SO: &str = "partition-so-of-the-harness";
/// Without a word said otherwise.
const CRYPTO_USER: &str = "crypto-user";
const LABEL: &str = "conformance";

impl Owner {
    pub(crate) fn of(subject: &Subject) -> Result<Self> {
        match &subject.module {
            Some(module) => Self::guest(subject, module),
            None => Emulator::of(subject).map(|emulator| Self::Emulator(Box::new(emulator))),
        }
    }

    fn guest(subject: &Subject, module: &Path) -> Result<Self> {
        let secret = |variable: &Option<String>| -> Result<Option<String>> {
            let Some(variable) = variable else { return Ok(None) };
            match std::env::var(variable) {
                Ok(value) => Ok(Some(value)),
                Err(error) => bail!("${variable}: {error}"),
            }
        };
        let scratch = scratch()?;
        let secrets = Secrets {
            officer: secret(&subject.pin_env)?,
            security_officer: secret(&subject.so_pin_env)?,
        };
        let target = Target {
            module: module.to_owned(),
            slot: subject.slot,
            token_label: subject.token_label.clone(),
            reserved: subject.reserved.clone(),
            scratch: scratch.path().to_owned(),
            run: run_label(),
            profile: profile(subject.profile.as_deref())?,
        };
        Ok(Self::Guest { target, secrets, _scratch: scratch })
    }

    /// A private emulator of the default profile, with a library in place of its module and the module behind it.
    pub(crate) fn behind(shim: PathBuf) -> Result<Self> {
        let subject = Subject { shim: Some(shim), ..Subject::default() };
        Self::of(&subject)
    }

    /// Sets up what takes time, once the arguments are known to be right.
    pub(crate) fn prepare(&mut self) -> Result<()> {
        match self {
            Self::Guest { target, .. } if !target.module.exists() => {
                // A name without a slash is looked for by the system's loader.
                if target.module.components().count() > 1 {
                    bail!("{}: no such file", target.module.display());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn secrets(&self) -> Secrets {
        match self {
            Self::Guest { secrets, .. } => secrets.clone(),
            Self::Emulator(_) => Secrets {
                officer: Some(OFFICER.into()),
                security_officer: Some(PARTITION_SO.into()),
            },
        }
    }

    /// The Crypto User's password, where it is known.
    pub(crate) fn crypto_user(&self) -> Option<String> {
        matches!(self, Self::Emulator(_)).then(|| CRYPTO_USER.to_owned())
    }

    pub(crate) fn jobs(&self) -> usize {
        match self {
            Self::Guest { .. } => 1,
            Self::Emulator(_) => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Adds to the environment of every child.
    pub(crate) fn with(&mut self, name: &str, value: &str) {
        if let Self::Emulator(emulator) = self {
            emulator.extra.retain(|(known, _)| known != name);
            emulator.extra.push((name.to_owned(), value.into()));
        }
    }
}

impl Provider for Owner {
    fn target(&self, _job: usize) -> Result<Seat> {
        match self {
            Self::Guest { target, .. } => {
                Ok(Seat { target: target.clone(), environment: Vec::new(), keep: None })
            }
            Self::Emulator(emulator) => emulator.seat(),
        }
    }

    fn fresh(&self) -> Result<Seat> {
        self.target(0)
    }

    fn is_guest(&self) -> bool {
        matches!(self, Self::Guest { .. })
    }
}

impl Emulator {
    fn of(subject: &Subject) -> Result<Self> {
        let program = std::env::current_exe().context("this program's own path")?;
        let cargo = std::env::var_os("CARGO").zip(std::env::var_os("CARGO_MANIFEST_DIR"));
        let cargo = cargo
            .map(|(program, directory)| Cargo { program, manifest_directory: directory.into() });
        locate::build(&program, cargo.as_ref(), &[Tool::Emulator], &mut |line| {
            anstream::eprintln!("{line}");
        })?;
        let mut options = vec!["--po-password".to_owned(), PARTITION_SO.to_owned()];
        if let Some(profile) = &subject.profile {
            options.extend(["--profile".to_owned(), profile.clone()]);
        }
        // Said either way, since profiles differ in what they are without a word.
        let fips = if subject.fips == Switch::On { "on" } else { "off" };
        options.extend(["--fips".to_owned(), fips.to_owned()]);
        if subject.ha {
            options.extend([
                "--ha".to_owned(),
                format!("{LABEL}=member,member"),
                "--ha-only".to_owned(),
            ]);
        } else {
            options.extend(["--partition".to_owned(), LABEL.to_owned()]);
        }
        Ok(Self {
            tool: locate::tool(&program, Tool::Emulator)?,
            module: locate::module(&program)?,
            options,
            profile: profile(subject.profile.as_deref())?,
            shim: subject.shim.clone(),
            extra: Vec::new(),
            number: AtomicUsize::new(0),
        })
    }

    fn seat(&self) -> Result<Seat> {
        let scratch = scratch()?;
        let directory = scratch.path().join("client");
        let (configuration, module) =
            Instance::plain(&self.tool, &self.module, &directory, &self.options, OFFICER)?;
        let mut environment = vec![(CONFIGURATION.to_owned(), configuration)];
        environment.extend(self.extra.iter().cloned());
        let mut loaded = module.clone();
        if let Some(shim) = &self.shim {
            environment.push((BEHIND.to_owned(), module));
            loaded.clone_from(shim);
        }
        let target = Target {
            module: loaded,
            slot: None,
            token_label: Some(LABEL.into()),
            reserved: None,
            scratch: scratch.path().to_owned(),
            run: format!("{} {}", run_label(), self.number.fetch_add(1, Ordering::Relaxed)),
            profile: self.profile.clone(),
        };
        Ok(Seat { target, environment, keep: Some(scratch) })
    }
}

fn scratch() -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("luna-harness-").tempdir().context("a scratch directory")
}

/// Tells the objects of this run from those of others: when it began, and which process it was.
fn run_label() -> String {
    format!("{}-{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S"), std::process::id())
}

fn profile(named: Option<&str>) -> Result<ProfileChoice> {
    let Some(named) = named else { return Ok(ProfileChoice::ByFirmware) };
    if named == "none" {
        return Ok(ProfileChoice::None);
    }
    if let Some((_, text)) = BUILT_IN.iter().find(|row| row.0 == named) {
        return Ok(ProfileChoice::Text((*text).to_owned()));
    }
    let text = std::fs::read_to_string(named).with_context(|| format!("profile {named}"))?;
    Ok(ProfileChoice::Text(text))
}
