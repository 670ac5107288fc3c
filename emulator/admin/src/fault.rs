//! `fault`: what shall go wrong, put in force while applications run, and what it did.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Table;
use emulator::env::ControlPage;
use emulator::fault::plan::{Call, Chance, Code};
use emulator::fault::{self, Effect, Fault as Planned, Moment, Plan, TRACE_FILE};
use emulator::hsm::store::CONTROL_FILE;
use serde_json::{Value, json};

use crate::Refused;
use crate::instance::Instance;

/// Options of `fault`.
#[derive(Args)]
pub(crate) struct Fault {
    #[command(subcommand)]
    verb: Verb,
    /// The client directory.
    #[arg(long, global = true, env = "ChrystokiConfigurationPath")]
    directory: Option<PathBuf>,
    /// Only the HSM of the partition with this serial number or label; every HSM without it.
    #[arg(long, global = true, value_name = "PARTITION")]
    member: Option<String>,
}

#[derive(Subcommand)]
enum Verb {
    /// Put the plan in a file in force, in place of the one before; counts begin again.
    Load {
        /// A TOML file, or `-` for standard input.
        plan: PathBuf,
    },
    /// Add a fault to the plan in force; counts go on.
    Add(Box<Add>),
    /// Show the plans in force.
    Show,
    /// Show what they did, a line of JSON for each time.
    Log,
    /// End them; counts begin again.
    Clear,
}

#[derive(Args)]
struct Add {
    /// What happens.
    #[arg(value_enum)]
    effect: Named,
    /// The call it happens to; repeatable; without it every call.
    #[arg(long = "call", value_name = "C_NAME", value_parser = Call::new)]
    calls: Vec<Call>,
    /// How many calls that match are left alone first.
    #[arg(long, default_value_t = 0)]
    skip: u64,
    /// How often it happens; 0 is without end.
    #[arg(long, default_value_t = 1)]
    times: u64,
    /// How likely it is for each call that matches.
    #[arg(long, value_name = "0..1", value_parser = chance)]
    chance: Option<Chance>,
    /// After the call had its effect; before it without this.
    #[arg(long)]
    after: bool,
    /// How long a delay, a hang or a cut lasts, in milliseconds.
    #[arg(long, value_name = "MS")]
    for_ms: Option<u64>,
    /// What is answered: of `refuse`.
    #[arg(long, value_name = "CKR_NAME", value_parser = Code::new)]
    code: Option<Code>,
}

fn chance(text: &str) -> Result<Chance, String> {
    Chance::new(text.parse().map_err(|_| format!("`{text}` is not a number"))?)
}

/// An effect by the name it has in plans.
#[derive(Clone, Copy, ValueEnum)]
enum Named {
    Refuse,
    Delay,
    Hang,
    LoseAnswer,
    Cut,
    Restart,
    Kill,
    StoreFull,
    StoreError,
}

impl From<Named> for Effect {
    fn from(named: Named) -> Self {
        match named {
            Named::Refuse => Self::Refuse,
            Named::Delay => Self::Delay,
            Named::Hang => Self::Hang,
            Named::LoseAnswer => Self::LoseAnswer,
            Named::Cut => Self::Cut,
            Named::Restart => Self::Restart,
            Named::Kill => Self::Kill,
            Named::StoreFull => Self::StoreFull,
            Named::StoreError => Self::StoreError,
        }
    }
}

impl Add {
    fn planned(&self) -> Planned {
        Planned {
            calls: self.calls.clone(),
            skip: self.skip,
            times: self.times,
            chance: self.chance.unwrap_or_default(),
            moment: if self.after { Moment::After } else { Moment::Before },
            for_ms: self.for_ms,
            code: self.code.clone(),
            ..Planned::new(self.effect.into())
        }
    }
}

/// An HSM of a client directory.
struct Hsm {
    name: String,
    directory: PathBuf,
}

impl Hsm {
    /// # Errors
    /// When what is wanted makes no sense, or the HSM's directory cannot be written.
    fn force(&self, plan: &Plan, anew: bool) -> Result<()> {
        plan.check().map_err(Refused)?;
        let page = ControlPage::open(&self.directory.join(CONTROL_FILE))?;
        Ok(fault::force(&self.directory, &page, plan, anew)?)
    }

    fn plan(&self) -> Result<Plan> {
        Ok(fault::gate::read(&self.directory)?)
    }

    /// Lines of the trace.
    fn trace(&self) -> Result<Vec<Value>> {
        let path = self.directory.join(TRACE_FILE);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let lines = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        lines.with_context(|| path.display().to_string())
    }
}

impl Fault {
    /// # Errors
    /// A wrong plan, with its line; a member that is not there.
    pub(crate) fn run(&self, as_json: bool) -> Result<()> {
        let directory = self
            .directory
            .as_deref()
            .context("--directory, or ChrystokiConfigurationPath, names the client directory")?;
        let hsms = self.hsms(directory)?;
        match &self.verb {
            Verb::Load { plan } => {
                let plan = read(plan)?;
                for hsm in &hsms {
                    hsm.force(&plan, true)?;
                }
                tell(as_json, &hsms, plan.faults.len());
            }
            Verb::Add(add) => {
                for hsm in &hsms {
                    let mut plan = hsm.plan()?;
                    plan.faults.push(add.planned());
                    hsm.force(&plan, false)?;
                }
                tell(as_json, &hsms, 1);
            }
            Verb::Clear => {
                for hsm in &hsms {
                    hsm.force(&Plan::default(), true)?;
                }
                tell(as_json, &hsms, 0);
            }
            Verb::Show => show(as_json, &hsms)?,
            Verb::Log => log(as_json, &hsms)?,
        }
        Ok(())
    }

    /// The HSMs that are meant, each once.
    fn hsms(&self, directory: &Path) -> Result<Vec<Hsm>> {
        let instance = Instance::open(directory)?;
        let (config, state) = (instance.config()?, instance.state()?);
        let mut names = Vec::new();
        for entry in &config.partitions {
            let meant = match &self.member {
                None => true,
                Some(member) => {
                    entry.serial == *member
                        || instance.look_at(entry).is_ok_and(|(label, _)| label == *member)
                }
            };
            if meant && !names.contains(&entry.hsm) {
                names.push(entry.hsm.clone());
            }
        }
        if names.is_empty() {
            let known: Vec<_> = config.partitions.iter().map(|it| it.serial.as_str()).collect();
            let member = self.member.as_deref().unwrap_or("at all");
            bail!(Refused(format!("no partition {member}; there is {}", known.join(", "))));
        }
        Ok(names.into_iter().map(|name| Hsm { directory: state.join(&name), name }).collect())
    }
}

fn read(path: &Path) -> Result<Plan> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
        return Ok(Plan::parse(Path::new("standard input"), &text)?);
    }
    Ok(Plan::read(path)?)
}

fn tell(as_json: bool, hsms: &[Hsm], faults: usize) {
    if as_json {
        let names: Vec<_> = hsms.iter().map(|hsm| hsm.name.as_str()).collect();
        anstream::println!("{:#}", json!({ "hsms": names, "faults": faults }));
    }
}

fn show(as_json: bool, hsms: &[Hsm]) -> Result<()> {
    if as_json {
        let plans = hsms
            .iter()
            .map(|hsm| Ok((hsm.name.clone(), serde_json::to_value(hsm.plan()?)?)))
            .collect::<Result<serde_json::Map<_, _>>>()?;
        anstream::println!("{:#}", Value::Object(plans));
        return Ok(());
    }
    for hsm in hsms {
        let plan = hsm.plan()?;
        match plan.is_empty() {
            true => anstream::println!("# HSM {}: no plan is in force", hsm.name),
            false => anstream::println!("# HSM {}\n{}", hsm.name, plan.to_text()),
        }
    }
    Ok(())
}

fn log(as_json: bool, hsms: &[Hsm]) -> Result<()> {
    if as_json {
        let traces = hsms
            .iter()
            .map(|hsm| Ok((hsm.name.clone(), Value::Array(hsm.trace()?))))
            .collect::<Result<serde_json::Map<_, _>>>()?;
        anstream::println!("{:#}", Value::Object(traces));
        return Ok(());
    }
    let mut table = Table::new();
    table.set_header(["HSM", "FAULT", "OCCURRENCE", "CALL", "PARTITION", "EFFECT"]);
    for hsm in hsms {
        for line in hsm.trace()? {
            let cell = |key: &str| match line.get(key) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => "-".to_owned(),
            };
            table.add_row([
                hsm.name.clone(),
                cell("fault"),
                cell("occurrence"),
                cell("call"),
                cell("partition"),
                cell("effect"),
            ]);
        }
    }
    anstream::println!("{table}");
    Ok(())
}
