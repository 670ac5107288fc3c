//! A server in the background: this program once more, without `--detach`, in a session of its own.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Starts it and waits until it can be reached. What it says afterwards goes to `console.log` in the data directory.
pub(super) fn start(data: &Path) -> Result<Value> {
    let own = std::env::current_exe().context("this program cannot be found")?;
    let words: Vec<_> = std::env::args_os().skip(1).filter(|word| word != "--detach").collect();
    let json = words.iter().any(|word| word == "--json");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("{} cannot be made", data.display()))?;
    let log = data.join("console.log");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&log)
        .with_context(|| format!("{} cannot be written", log.display()))?;
    let mut command = Command::new(own);
    command.args(&words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
    if !json {
        command.arg("--json");
    }
    // Not ended by what the terminal sends to everything in front.
    let mut child = command.process_group(0).spawn().context("the server cannot be started")?;
    let out = child.stdout.take().context("the server has no output")?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    if line.is_empty() {
        let status = child.wait()?;
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        bail!("{}\nthe server ended with {status}", said.lines().last().unwrap_or_default());
    }
    let mut told: Value = serde_json::from_str(&line).context("the server said no JSON")?;
    let value = told.get("value").cloned();
    if let (Some(value), Some(told)) = (value, told.as_object_mut()) {
        let word = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let text = format!(
            "Console      {}\nKMIP         {}\nCertificate  {}\nState        {}",
            word("url"),
            word("kmip"),
            word("certificate"),
            word("state")
        );
        told.insert("text".to_owned(), Value::String(text));
    }
    Ok(told)
}

/// Marks a process that has its variables, so that it does not start itself for ever.
const HAS_VARIABLES: &str = "OKV_SIM_HAS_VARIABLES";

/// Starts this program again in its own place with these variables; comes back when it has them.
pub(super) fn with_variables(variables: Vec<(String, String)>) -> Result<()> {
    if variables.is_empty() || std::env::var_os(HAS_VARIABLES).is_some() {
        return Ok(());
    }
    let own = std::env::current_exe().context("this program cannot be found")?;
    let mut command = Command::new(own);
    command.args(std::env::args_os().skip(1)).envs(variables).env(HAS_VARIABLES, "1");
    Err(command.exec().into())
}
