//! Where secrets come from: a variable of the environment, the terminal, or a line of standard input.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, Result, bail};
use okv_sim::Secret;

pub(super) fn ask(variable: Option<&str>, prompt: &str) -> Result<Secret> {
    if let Some(variable) = variable {
        return from_environment(variable);
    }
    if io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password(prompt)?.into());
    }
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        bail!("{prompt}nothing was given; name a variable or write a line to standard input");
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line.into())
}

/// One that is being chosen: a terminal is asked twice.
pub(super) fn new_one(variable: Option<&str>, prompt: &str) -> Result<Secret> {
    let first = ask(variable, prompt)?;
    if variable.is_none() && io::stdin().is_terminal() {
        let again = ask(None, &format!("Once more, {prompt}"))?;
        if first.expose() != again.expose() {
            bail!("the two are not the same; enter the same one twice");
        }
    }
    Ok(first)
}

pub(super) fn from_environment(variable: &str) -> Result<Secret> {
    use std::os::unix::ffi::OsStringExt as _;

    let value = std::env::var_os(variable).map(OsString::into_vec);
    value.map(Secret::new).with_context(|| format!("the environment has no variable {variable}"))
}
