//! What a tool is started with: arguments, environment, streams; and the module the configuration names.

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrystoki_conf::Conf;
use luna_client::{Context, InitArgs, Module, Pin, SlotId};
use lunacm::{Told, View, enter};

use crate::failure::Failure;

/// What a tool meets outside of itself.
pub struct Surroundings<'a> {
    /// Arguments without the program's name.
    pub arguments: Vec<String>,
    /// The value of `ChrystokiConfigurationPath`, if it is set.
    pub configuration_directory: Option<OsString>,
    /// Someone is there to be asked.
    pub terminal: bool,
    /// Answers to questions.
    pub input: &'a mut dyn BufRead,
    /// Where output goes.
    pub out: &'a mut dyn Write,
    /// Where complaints go.
    pub errors: &'a mut dyn Write,
    /// The copy of the configuration in which nothing is hidden; removed when dropped.
    pub view: Option<View>,
}

/// Which slots a tool is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Those an application sees: with `HAOnly` the groups alone.
    ToApplications,
    /// All, as an administrator wants it.
    All,
}

/// `main` of a tool: takes what the process has, gives what the tool answers.
pub fn program(shown: Shown, run: impl FnOnce(Surroundings<'_>) -> u8) -> ExitCode {
    #[allow(clippy::disallowed_methods, reason = "the edge where the environment comes in")]
    let variable = |name: &str| std::env::var_os(name);
    let Told { configuration_directory, view } = match shown {
        Shown::All => enter(variable),
        Shown::ToApplications => Told {
            configuration_directory: variable(chrystoki_conf::DIRECTORY_VARIABLE),
            view: None,
        },
    };
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let (mut input, mut out, mut errors) =
        (io::stdin().lock(), io::stdout().lock(), io::stderr().lock());
    ExitCode::from(run(Surroundings {
        arguments,
        configuration_directory,
        terminal: io::stdin().is_terminal(),
        input: &mut input,
        out: &mut out,
        errors: &mut errors,
        view,
    }))
}

impl Surroundings<'_> {
    /// The configuration file.
    pub(crate) fn file(&self) -> PathBuf {
        Conf::locate(self.configuration_directory.clone())
    }

    /// The module that the file names, initialised.
    ///
    /// # Errors
    ///
    /// The file cannot be read or names no module; the module cannot be loaded or does not start.
    pub(crate) fn module(&self) -> Result<Context, Failure> {
        let conf = Conf::read(&self.file())?;
        let path = conf.value("Chrystoki2", "LibUNIX64").filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| {
            conf.wrong("Chrystoki2", "LibUNIX64", "is missing", "the library's path")
        })?;
        let module = Module::load(path)?;
        module
            .initialize(InitArgs::OsLocking)
            .map_err(|error| Failure::misuse(format!("{}: {error}", module.path().display())))
    }

    /// Asks for something that was not given with `option`.
    ///
    /// # Errors
    ///
    /// `Misuse` when nobody is there to be asked, or nothing is answered.
    pub(crate) fn ask(&mut self, question: &str, option: &str) -> Result<String, Failure> {
        if !self.terminal {
            return Err(Failure::misuse(format!("-{option} is needed")));
        }
        write!(self.out, "{question} : ")?;
        self.out.flush()?;
        let mut line = String::new();
        self.input.read_line(&mut line)?;
        match line.trim() {
            "" => Err(Failure::misuse(format!("-{option} is needed"))),
            answer => Ok(answer.to_owned()),
        }
    }

    /// The password of a partition, given or asked for (the question is Observed).
    ///
    /// # Errors
    ///
    /// As [`Surroundings::ask`].
    pub(crate) fn password(&mut self, given: Option<&str>, slot: SlotId) -> Result<Pin, Failure> {
        if let Some(password) = given {
            return Ok(Pin::from(password));
        }
        if !self.terminal {
            return Err(Failure::misuse("-password is needed: nobody can be asked for it"));
        }
        self.out.flush()?;
        let question = format!("Please enter password for token in slot {slot} : ");
        Ok(Pin::from(rpassword::prompt_password(question)?))
    }
}

/// The directory of the client's files: that of `bin`, as the file tells it, or else that of the file.
pub(crate) fn client_directory(conf: &Conf) -> PathBuf {
    let tools = conf.value("Misc", "ToolsDir").filter(|path| !path.is_empty()).map(Path::new);
    let beside = tools.and_then(Path::parent).or_else(|| conf.file().parent());
    beside.unwrap_or_else(|| Path::new(".")).to_owned()
}
