//! A private emulator: made, looked at and broken by `luna-emulator`, another process, as the issue of killing a
//! member wants it. Nothing here knows how the emulator keeps its state.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// Names the client's configuration directory to module and tools.
pub const CONFIGURATION: &str = "ChrystokiConfigurationPath";

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Label of the HA group.
    pub group: &'a str,
    /// Label of each member's partition.
    pub partition: &'a str,
    /// How many members.
    pub members: usize,
    /// The Crypto Officer's password, the same on all members.
    pub password: &'a str,
}

/// A client directory with its HSMs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `luna-emulator`.
    pub program: PathBuf,
    /// What `ChrystokiConfigurationPath` must be.
    pub directory: PathBuf,
    /// The module.
    pub module: PathBuf,
    /// Serial numbers of the members, the primary first.
    pub members: Vec<String>,
}

/// What `luna-emulator up --json` prints, as far as it matters here.
#[derive(Deserialize)]
struct Up {
    configuration: PathBuf,
    module: PathBuf,
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    label: String,
    members: Vec<String>,
}

/// A change to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Its link is cut and its sessions are lost.
    Down,
    /// It can be reached again.
    Up,
}

impl Instance {
    /// Makes an HA group in FIPS mode that an application sees alone (HAOnly).
    ///
    /// # Errors
    /// What `luna-emulator` complained of.
    pub fn up(program: &Path, module: &Path, directory: &Path, plan: Plan<'_>) -> Result<Self> {
        let labels = vec![plan.partition; plan.members].join(",");
        let mut command = Command::new(program);
        command.arg("up").arg(directory).arg("--json").args(["--fips", "on", "--ha-only"]);
        command.arg("--ha").arg(format!("{}={labels}", plan.group));
        command.arg("--module").arg(module);
        // On a command line every user of the machine could read it.
        command.env("LUNA_CO_PASSWORD", plan.password);
        let up: Up = serde_json::from_str(&answer(&mut command)?)
            .context("luna-emulator up printed what is not understood")?;
        let group = up.groups.into_iter().find(|group| group.label == plan.group);
        let members = group.map(|group| group.members).unwrap_or_default();
        if members.len() != plan.members {
            bail!("luna-emulator made {} members, not {}", members.len(), plan.members);
        }
        Ok(Self {
            program: program.to_owned(),
            directory: up.configuration,
            module: up.module,
            members,
        })
    }

    /// Makes a client directory with these options of `luna-emulator up`: the directory for
    /// [`CONFIGURATION`], and the module in it. The password is the Crypto Officer's.
    ///
    /// # Errors
    /// What `luna-emulator` complained of.
    pub fn plain(
        program: &Path,
        module: &Path,
        directory: &Path,
        options: &[String],
        password: &str,
    ) -> Result<(PathBuf, PathBuf)> {
        let mut command = Command::new(program);
        command.arg("up").arg(directory).arg("--json").args(options);
        command.arg("--module").arg(module).env("LUNA_CO_PASSWORD", password);
        command.env_remove(CONFIGURATION);
        let up: Up = serde_json::from_str(&answer(&mut command)?)
            .context("luna-emulator up printed what is not understood")?;
        Ok((up.configuration, up.module))
    }

    /// Cuts a member off or lets it back.
    ///
    /// # Errors
    /// What `luna-emulator` complained of.
    pub fn change(&self, member: &str, change: Change) -> Result<()> {
        let verb = match change {
            Change::Down => "down",
            Change::Up => "up",
        };
        let mut command = Command::new(&self.program);
        command.args(["member", verb, member, "--json"]).env(CONFIGURATION, &self.directory);
        answer(&mut command).map(drop)
    }
}

fn answer(command: &mut Command) -> Result<String> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.output().with_context(|| program.clone())?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{program} ended with {}: {}", output.status, complaint.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan<'_> =
        Plan { group: "LUNAHA", partition: "OKV", members: 2, password: "not on the line" };

    #[test]
    fn a_tool_that_fails_is_quoted() {
        let there = Path::new("/nowhere");
        let error = Instance::up(Path::new("/bin/false"), there, there, PLAN).unwrap_err();
        assert!(error.to_string().starts_with("/bin/false ended with exit status: 1"), "{error}");
        let error = Instance::up(Path::new("/nowhere/tool"), there, there, PLAN).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/tool");
        let error = Instance::up(Path::new("/bin/true"), there, there, PLAN).unwrap_err();
        assert!(error.to_string().contains("not understood"), "{error}");
    }
}
