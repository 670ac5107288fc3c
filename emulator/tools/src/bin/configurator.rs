//! `configurator`: arguments, environment and streams in, exit code out. All else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    luna_tools::program(luna_tools::Shown::ToApplications, luna_tools::configurator::run)
}
