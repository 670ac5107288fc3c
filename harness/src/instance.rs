//! A private emulator: made, looked at and broken by `luna-emulator`, another process, as the issue of killing a
//! member wants it. Nothing here knows how the emulator keeps its state.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::step::On;

/// Names the client's configuration directory to module and tools.
pub const CONFIGURATION: &str = "ChrystokiConfigurationPath";

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// As what.
    pub on: On,
    /// Label of the HA group.
    pub group: &'a str,
    /// Label of each member's partition.
    pub partition: &'a str,
    /// How many members a group has.
    pub members: usize,
    /// Labels of further partitions, each on an HSM of its own; they are listed before the others.
    pub further: &'a [String],
    /// Whether a group is listed alone (HAOnly).
    pub ha_only: bool,
    /// The Crypto Officer's password, the same on all of them.
    pub password: &'a str,
}

/// The built-in profile of a Cloud HSM service.
const CLOUD: &str = "luna-cloud";

impl Plan<'_> {
    /// Options of `luna-emulator up`.
    fn options(&self) -> Vec<String> {
        let mut options: Vec<String> = vec!["--fips".into(), "on".into()];
        let mut option = |words: &[&str]| options.extend(words.iter().map(|it| (*it).to_owned()));
        for label in self.further {
            option(&["--partition", label]);
        }
        match self.on {
            On::One => option(&["--partition", self.partition]),
            On::Cloud => option(&["--profile", CLOUD, "--partition", self.partition]),
            On::Group => {
                let labels = vec![self.partition; self.members].join(",");
                option(&["--ha", &format!("{}={labels}", self.group)]);
                if self.ha_only {
                    option(&["--ha-only"]);
                }
            }
        }
        options
    }

    /// The token's label.
    pub const fn label(&self) -> &str {
        match self.on {
            On::Group => self.group,
            On::One | On::Cloud => self.partition,
        }
    }
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
    /// Serial numbers of the members, the primary first; of the one partition where there is no group.
    pub members: Vec<String>,
}

/// What `luna-emulator up --json` prints, as far as it matters here.
#[derive(Deserialize)]
struct Up {
    configuration: PathBuf,
    module: PathBuf,
    groups: Vec<Group>,
    partitions: Vec<Partition>,
}

#[derive(Deserialize)]
struct Partition {
    label: String,
    serial: String,
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
    /// Makes what is planned, in FIPS mode.
    ///
    /// # Errors
    /// What `luna-emulator` complained of.
    pub fn up(program: &Path, module: &Path, directory: &Path, plan: Plan<'_>) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("up").arg(directory).arg("--json").args(plan.options());
        command.arg("--module").arg(module);
        // On a command line every user of the machine could read it.
        command.env("LUNA_CO_PASSWORD", plan.password);
        let up: Up = serde_json::from_str(&answer(&mut command)?)
            .context("luna-emulator up printed what is not understood")?;
        let (members, wanted): (Vec<String>, _) = match plan.on {
            On::Group => {
                let group = up.groups.into_iter().find(|group| group.label == plan.group);
                (group.map(|group| group.members).unwrap_or_default(), plan.members)
            }
            On::One | On::Cloud => {
                let ours = up.partitions.into_iter().filter(|it| it.label == plan.partition);
                (ours.map(|it| it.serial).collect(), 1)
            }
        };
        if members.len() != wanted {
            bail!("luna-emulator made {} members, not {wanted}", members.len());
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
        self.tell(&["member", verb, member])
    }

    /// `luna-emulator` with these words, on this instance.
    ///
    /// # Errors
    /// What `luna-emulator` complained of.
    pub fn tell(&self, words: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(words).arg("--json").env(CONFIGURATION, &self.directory);
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

    const PLAN: Plan<'_> = Plan {
        on: On::Group,
        group: "LUNAHA",
        partition: "OKV",
        members: 2,
        further: &[],
        ha_only: true,
        password: "not on the line",
    };

    #[test]
    fn a_plan_becomes_options_without_the_password() {
        let other = ["OTHER".to_owned()];
        let options = Plan { further: &other, ha_only: false, ..PLAN }.options().join(" ");
        assert_eq!(options, "--fips on --partition OTHER --ha LUNAHA=OKV,OKV");
        let cloud = Plan { on: On::Cloud, ..PLAN };
        assert_eq!(cloud.options().join(" "), "--fips on --profile luna-cloud --partition OKV");
        assert_eq!((cloud.label(), PLAN.label()), ("OKV", "LUNAHA"));
    }

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
