//! `lunacm`: arguments, environment and streams in, exit code out. All else is in the library.

use std::io::{IsTerminal, stderr, stdin, stdout};
use std::process::ExitCode;

use lunacm::{Input, Surroundings, Told, enter, run};

fn main() -> ExitCode {
    #[allow(clippy::disallowed_methods, reason = "the edge where the environment comes in")]
    let Told { configuration_directory, view } = enter(|name| std::env::var_os(name));
    let mut lines = stdin().lock();
    let input = if stdin().is_terminal() { Input::Terminal } else { Input::Lines(&mut lines) };
    let (mut out, mut errors) = (stdout().lock(), stderr().lock());
    let surroundings =
        Surroundings { configuration_directory, view, input, out: &mut out, errors: &mut errors };
    ExitCode::from(run(std::env::args_os(), surroundings))
}
