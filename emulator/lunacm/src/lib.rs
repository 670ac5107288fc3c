//! `lunacm`, the tool a Luna administrator works with, for any PKCS#11 module.
//!
//! It knows a module by its `C_` and `CA_` functions and the client configuration file by its text, nothing
//! else: what it shows of the emulator it would show of the vendor's library, and of a module without the
//! vendor's functions it shows what the standard's tell.
//!
//! Rooms: [`run`] is the program; `arguments` what it is started with; `grammar` a line of input as a request;
//! `table` the commands, `registry` how a line finds its row; `commands` what they do; `shell` what stays from one
//! command to the next; `present` the shapes of slots and flags; `console` where lines come from and go to;
//! `view` how slots are seen that `HAOnly` hides from applications.
//!
//! Shapes of output follow the vendor's pages and transcripts made public (Documented and Observed; each
//! place says which). Output is text in the vendor's shape only; there is no `--json`, as there is none there.

mod arguments;
mod commands;
mod console;
mod failure;
mod grammar;
mod present;
mod registry;
mod shell;
mod table;
mod view;

use std::ffi::OsString;
use std::io::Write;

use chrystoki_conf::Conf;
use clap::Parser;
use luna_client::{InitArgs, Module, SlotId};

use self::arguments::{Arguments, Source};
use self::console::Console;
pub use self::console::Input;
use self::failure::Failure;
pub use self::present::banner;
use self::shell::{Configuration, Shell};
pub use self::view::{Told, View, enter};

/// All commands worked.
const DONE: u8 = 0;
/// A command failed or was refused.
const FAILED: u8 = 1;
/// A command that does not exist or lacks what it needs; no module, no configuration.
const MISUSE: u8 = 2;

/// What the program meets outside of itself.
pub struct Surroundings<'a> {
    /// The value of `ChrystokiConfigurationPath`, if it is set.
    pub configuration_directory: Option<OsString>,
    /// The copy of the configuration that the module reads, when there is one.
    pub view: Option<View>,
    /// Where commands and answers to questions come from.
    pub input: Input<'a>,
    /// Where output goes.
    pub out: &'a mut dyn Write,
    /// Where complaints go that belong to no command.
    pub errors: &'a mut dyn Write,
}

/// Runs the program with its arguments, the program's name first, and gives its exit code: 0 done, 1 a
/// command failed or was refused, 2 misuse or broken set-up. At a terminal, leaving is always 0.
pub fn run<I, A>(arguments: I, surroundings: Surroundings<'_>) -> u8
where
    I: IntoIterator<Item = A>,
    A: Into<OsString> + Clone,
{
    let Surroundings { configuration_directory, view, input, out, errors } = surroundings;
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let stream = if error.use_stderr() { errors } else { out };
            // Nobody is left to hear that this failed too.
            let _ = write!(stream, "{}", error.render());
            return if error.use_stderr() { MISUSE } else { DONE };
        }
    };
    let mut console = Console::new(input, out);
    let outcome = start(&arguments, configuration_directory, view)
        .and_then(|mut shell| work(&arguments, &mut shell, &mut console));
    match outcome {
        Ok(code) => code,
        Err(Broken::Output) => FAILED,
        Err(Broken::SetUp(complaint)) => {
            let _ = writeln!(errors, "lunacm: {complaint}");
            MISUSE
        }
    }
}

/// Why the program ends before its time.
enum Broken {
    /// There is nothing to work on; in words.
    SetUp(String),
    /// Nobody reads what is written, or nothing can be read.
    Output,
}

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Broken::Output
    }
}

/// Finds the module and the slot to begin with.
fn start(
    arguments: &Arguments,
    directory: Option<OsString>,
    view: Option<View>,
) -> Result<Shell, Broken> {
    let set_up = |error: &dyn std::fmt::Display| Broken::SetUp(error.to_string());
    let file = Conf::locate(directory);
    let (path, conf) = match &arguments.module {
        // The file is of use to some commands even then, but a module can do without.
        Some(path) => (path.clone(), Conf::read(&file).ok()),
        None => {
            let conf = Conf::read(&file).map_err(|error| set_up(&error))?;
            let path = conf.value("Chrystoki2", "LibUNIX64").filter(|path| !path.is_empty());
            let path = path.ok_or_else(|| {
                set_up(&conf.wrong("Chrystoki2", "LibUNIX64", "is missing", "the library's path"))
            })?;
            (path.into(), Some(conf))
        }
    };
    let module = Module::load(path).map_err(|error| set_up(&error))?;
    let context = module
        .initialize(InitArgs::OsLocking)
        .map_err(|error| Broken::SetUp(format!("{}: {error}", module.path().display())))?;
    let slots = context.slots(true).map_err(|error| set_up(&error))?;
    let current = match arguments.slot.map(SlotId) {
        Some(slot) if !slots.contains(&slot) => {
            return Err(Broken::SetUp(format!("there is no slot {slot}")));
        }
        Some(slot) => Some(slot),
        None => slots.first().copied(),
    };
    Ok(Shell::new(context, Configuration { file, conf, view }, current))
}

/// Works off the commands, wherever they come from.
fn work(arguments: &Arguments, shell: &mut Shell, console: &mut Console<'_>) -> Result<u8, Broken> {
    if arguments.wants_banner() {
        writeln!(console.out, "{}\n", banner("lunacm"))?;
        commands::slot::overview(shell, console)?;
    }
    match arguments.source().map_err(|error| Broken::SetUp(error.to_string()))? {
        Source::Words(words) => execute(&words, shell, console).map(|done| done.code),
        Source::Lines(lines) => {
            for line in lines {
                let done = line_of_input(&line, shell, console)?;
                if done.code != DONE || done.leave {
                    // What follows was written for the state this command did not bring about.
                    return Ok(done.code);
                }
            }
            Ok(DONE)
        }
        Source::Console => {
            let mut worst = DONE;
            while let Some(line) = console.command()? {
                let done = line_of_input(&line, shell, console)?;
                worst = worst.max(done.code);
                if done.leave {
                    break;
                }
            }
            Ok(if console.is_terminal() { DONE } else { worst })
        }
    }
}

struct Done {
    code: u8,
    leave: bool,
}

fn line_of_input(line: &str, shell: &mut Shell, console: &mut Console<'_>) -> Result<Done, Broken> {
    match grammar::words(line) {
        Ok(words) => execute(&words, shell, console),
        Err(failure) => conclude(Err(failure), console),
    }
}

fn execute(words: &[String], shell: &mut Shell, console: &mut Console<'_>) -> Result<Done, Broken> {
    if words.is_empty() {
        return Ok(Done { code: DONE, leave: false });
    }
    match registry::request(words) {
        Ok(registry::Wish::Leave) => Ok(Done { code: DONE, leave: true }),
        Ok(registry::Wish::Help(text)) => {
            writeln!(console.out, "{text}")?;
            conclude(Ok(()), console)
        }
        Ok(registry::Wish::Run(request)) => {
            writeln!(console.out)?;
            conclude((request.command.run)(shell, &request, console), console)
        }
        Err(failure) => conclude(Err(failure), console),
    }
}

/// The line every command ends with.
fn conclude(outcome: Result<(), Failure>, console: &mut Console<'_>) -> Result<Done, Broken> {
    let code = match outcome {
        Ok(()) => {
            writeln!(console.out, "Command Result : No Error\n")?;
            DONE
        }
        Err(Failure::Stream(_)) => return Err(Broken::Output),
        Err(failure) => {
            writeln!(console.out, "Error: {failure}\n")?;
            writeln!(console.out, "Command Result : {}\n", failure.rv())?;
            let misuse = matches!(failure, Failure::Misuse(_) | Failure::Configuration(_));
            if misuse { MISUSE } else { FAILED }
        }
    };
    console.out.flush()?;
    Ok(Done { code, leave: false })
}
