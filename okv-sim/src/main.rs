//! `okv-sim`: the server, and a verb for each operation on it.
//!
//! A face of the library and no more: it turns arguments into a service's options, has the running server carry it
//! out, or does so itself on the data directory when none runs, and prints what that gave. Passwords come from an
//! environment variable named on the line, from the terminal or, in a pipe, from standard input, a line each; never
//! from the line itself. Exit codes: 0 done, 1 refused or a check failed, 2 misuse or a broken set-up.
//!
//! Without a server, a process that ends is a server that stops. Verbs that need the opened wallet open it for their
//! own time then, as a boot would.

mod command;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::main()
}
