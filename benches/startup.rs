//! A process that does nothing but load the module and log in.
//!
//! The module stays mapped once loaded, so each loading wants a process of its own: this program again, told so by its
//! first argument.

use std::ffi::CString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use luna_client::{Access, InitArgs, Module, Pin, UserType};

use crate::instance::CRYPTO_OFFICER;

/// The first argument of the process that loads.
pub const ARGUMENT: &str = "--load-and-log-in";

/// In place of a directory: the module finds its configuration by the environment.
pub const BY_ENVIRONMENT: &str = "-";

/// What one process took.
#[derive(Debug, Clone, Copy)]
pub struct Startup {
    /// From before `dlopen` to after `C_Login`.
    pub time: Duration,
    /// The most memory it ever held, in KiB, its program included.
    pub peak_kib: u64,
}

/// Runs such a process.
///
/// # Errors
/// When it does not start or does not do its work.
pub fn measure(module: &Path, directory: &Path, token: &str) -> Result<Startup> {
    let program = std::env::current_exe()?;
    let output =
        Command::new(&program).arg(ARGUMENT).arg(module).arg(directory).arg(token).output()?;
    let words = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut numbers = words.split_whitespace().map(str::parse::<u64>);
    let mut next = || numbers.next().context("the process told nothing")?.context("no number");
    Ok(Startup { time: Duration::from_nanos(next()?), peak_kib: next()? })
}

/// What that process does; it prints nanoseconds and KiB.
///
/// # Errors
/// The module's.
pub fn run(module: &Path, directory: &str, token: &str) -> Result<()> {
    let start = Instant::now();
    let module = Module::load(module)?;
    let arguments = match directory {
        BY_ENVIRONMENT => InitArgs::OsLocking,
        directory => InitArgs::Reserved(CString::new(directory)?),
    };
    let context = module.initialize(arguments)?;
    let slot = context.slot_by_label(token)?.context("no such token")?;
    let session = context.open_session(slot, Access::ReadWrite)?;
    session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER))?;
    let time = start.elapsed();
    anstream::println!("{} {}", time.as_nanos(), peak_kib()?);
    Ok(())
}

/// `VmHWM` of this process. Source: proc(5).
fn peak_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no VmHWM in /proc/self/status")?.parse()?)
}
