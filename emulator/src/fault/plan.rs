//! The plan: a TOML file of faults.
//!
//! ```toml
//! seed = 7                          # of the chances below
//! latency = "a790"                  # as slow as that model
//!
//! [[fault]]
//! calls = ["C_GenerateKeyPair"]     # without: every call
//! skip = 2                          # the first two that match are left alone
//! times = 1                         # once; 0 is without end
//! moment = "after"                  # the key is made ...
//! effect = "lose-answer"            # ... and nobody hears of it
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::call;
use super::latency::Latency;
use crate::env::disk;
use crate::error::Cause;

/// The longest plan, in bytes.
pub(super) const PLAN_MAX: usize = 1 << 20;

/// The most faults of one plan. A bound of ours: each is looked at for each request.
pub const FAULTS_MAX: usize = 64;

/// How long an HSM hangs that is not told how long: the time-out of a silent appliance, so that a
/// client gives it up (chrystoki-conf.md, `ReceiveTimeout`: Documented).
const HANG: Duration = Duration::from_secs(20);

/// What is planned for one HSM.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// Of what is left to chance.
    pub seed: u64,
    /// The model whose times are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// In the order they are looked at.
    #[serde(rename = "fault")]
    pub faults: Vec<Fault>,
}

/// One thing that goes wrong.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which calls; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// The serial number of the partition it is about; none: every one of the HSM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// How many calls that match are left alone first.
    #[serde(default)]
    pub skip: u64,
    /// How often it happens; 0 is without end.
    #[serde(default = "once")]
    pub times: u64,
    /// How likely it is for each call that matches, from 0 to 1.
    #[serde(default = "surely")]
    pub chance: Chance,
    /// Before the call has its effect, or after.
    #[serde(default)]
    pub moment: Moment,
    /// What happens.
    pub effect: Effect,
    /// How long: of `delay`, `hang` and `cut`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// What `refuse` answers; `CKR_DEVICE_ERROR` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

fn once() -> u64 {
    1
}

fn surely() -> Chance {
    Chance(1.0)
}

/// See [`Fault::moment`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// The HSM has done nothing yet.
    #[default]
    Before,
    /// The HSM has done what was asked; what it did stays done.
    After,
}

/// What happens.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The answer is an error.
    Refuse,
    /// The answer takes longer.
    Delay,
    /// There is no answer, and the client waits for it.
    Hang,
    /// There is no answer: the connection ended.
    LoseAnswer,
    /// The HSM can be reached no more, by anybody; its sessions are lost.
    Cut,
    /// The HSM loses its sessions, as by a power cut, and is back at once.
    Restart,
    /// The process that runs the HSM ends on the spot, without cleaning up: the appliance, or the
    /// application that has it embedded.
    Kill,
    /// The disk is full for what the call wants to write.
    StoreFull,
    /// The disk fails at what the call wants to write.
    StoreError,
}

/// The name of a call, see [`call::ALL`].
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Call(String);

/// The name of a return code.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Code(String);

/// From 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Chance(f64);

impl Call {
    /// The name, when a plan may use it.
    ///
    /// # Errors
    /// What names there are.
    pub fn new(name: &str) -> Result<Self, String> {
        if call::ALL.contains(&name) {
            return Ok(Self(name.to_owned()));
        }
        Err(format!("no call is named `{name}`; there is {}", call::ALL.join(", ")))
    }
}

impl Code {
    /// The code, when the module ever answers it.
    ///
    /// # Errors
    /// That it does not.
    pub fn new(name: &str) -> Result<Self, String> {
        match call::cause(name) {
            Some(_) => Ok(Self(name.to_owned())),
            None => Err(format!("`{name}` is no code an HSM answers; try CKR_DEVICE_ERROR")),
        }
    }

    pub(super) fn cause(&self) -> Cause {
        call::cause(&self.0).unwrap_or(Cause::DeviceError)
    }
}

impl Chance {
    /// A likelihood.
    ///
    /// # Errors
    /// When it is not from 0 to 1.
    pub fn new(chance: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&chance) {
            return Ok(Self(chance));
        }
        Err(format!("a chance is from 0 to 1, not {chance}"))
    }

    pub(super) fn value(self) -> f64 {
        self.0
    }
}

impl Default for Chance {
    fn default() -> Self {
        surely()
    }
}

impl<'de> Deserialize<'de> for Call {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Chance {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "refuse",
            Self::Delay => "delay",
            Self::Hang => "hang",
            Self::LoseAnswer => "lose-answer",
            Self::Cut => "cut",
            Self::Restart => "restart",
            Self::Kill => "kill",
            Self::StoreFull => "store-full",
            Self::StoreError => "store-error",
        })
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Disk(#[from] disk::DiskError),
    /// It says something that makes no sense; with its line.
    #[error("{}: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        what: String,
    },
}

impl Fault {
    /// Something that goes wrong once, at the next call.
    pub fn new(effect: Effect) -> Self {
        Self {
            calls: Vec::new(),
            partition: None,
            skip: 0,
            times: once(),
            chance: surely(),
            moment: Moment::default(),
            effect,
            for_ms: None,
            code: None,
        }
    }

    /// Whether it is about that call.
    pub(super) fn matches(&self, partition: &str, call: &str) -> bool {
        self.partition.as_ref().is_none_or(|it| it == partition)
            && (self.calls.is_empty() || self.calls.iter().any(|it| it.0 == call))
    }

    /// How long it lasts; none: until it is ended by hand.
    pub(super) fn lasts(&self) -> Option<Duration> {
        match (self.for_ms, self.effect) {
            (Some(for_ms), _) => Some(Duration::from_millis(for_ms)),
            (None, Effect::Hang) => Some(HANG),
            (None, _) => None,
        }
    }

    /// What of it makes no sense together.
    fn complaint(&self) -> Option<&'static str> {
        let timed = matches!(self.effect, Effect::Delay | Effect::Hang | Effect::Cut);
        let stored = matches!(self.effect, Effect::StoreFull | Effect::StoreError);
        if self.effect == Effect::Delay && self.for_ms.is_none() {
            return Some("`delay` wants `for_ms`");
        }
        if self.for_ms.is_some() && !timed {
            return Some("`for_ms` is for `delay`, `hang` and `cut`");
        }
        if self.code.is_some() && self.effect != Effect::Refuse {
            return Some("`code` is for `refuse`");
        }
        if stored && self.moment == Moment::After {
            return Some("the store fails while a call has its effect: without `moment`");
        }
        None
    }
}

impl Plan {
    /// Reads a plan; `path` is for messages.
    ///
    /// # Errors
    /// [`PlanError::Wrong`], with the line where the text itself is at fault.
    pub fn parse(path: &Path, text: &str) -> Result<Self, PlanError> {
        let wrong = |what| PlanError::Wrong { path: path.to_path_buf(), what };
        let plan: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        plan.check().map_err(wrong)?;
        Ok(plan)
    }

    /// What of it makes no sense.
    ///
    /// # Errors
    /// The fault, counted from 1, and why.
    pub fn check(&self) -> Result<(), String> {
        if self.faults.len() > FAULTS_MAX {
            return Err(format!("{} faults; {FAULTS_MAX} are the most", self.faults.len()));
        }
        for (number, fault) in (1..).zip(&self.faults) {
            if let Some(complaint) = fault.complaint() {
                return Err(format!("fault {number}: {complaint}"));
            }
        }
        Ok(())
    }

    /// Reads the plan in a file.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        Self::parse(path, &disk::read_text(path, PLAN_MAX)?)
    }

    /// The plan as its file.
    pub fn to_text(&self) -> String {
        // A plan that was read or checked has nothing that TOML cannot say.
        toml::to_string(self).unwrap_or_default()
    }

    /// Whether it does anything.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty() && self.latency.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Plan, PlanError> {
        Plan::parse(Path::new("plan.toml"), text)
    }

    #[test]
    fn a_plan_is_read_and_written() {
        let plan = parse(
            "seed = 7\nlatency = 'a790'\n[[fault]]\ncalls = ['C_Sign', 'C_Login']\n\
             partition = '123'\nskip = 2\ntimes = 0\nchance = 0.5\nmoment = 'after'\n\
             effect = 'refuse'\ncode = 'CKR_DEVICE_MEMORY'\n[[fault]]\neffect = 'cut'\nfor_ms = 5\n",
        )
        .unwrap();
        assert_eq!(plan.seed, 7);
        let [first, second] = plan.faults.as_slice() else { panic!("two faults") };
        assert!(first.matches("123", "C_Sign") && !first.matches("123", "C_Verify"));
        assert!(!first.matches("124", "C_Sign"));
        assert_eq!(first.code.as_ref().unwrap().cause(), Cause::DeviceMemory);
        assert!(second.matches("124", "C_Verify") && second.times == 1);
        assert_eq!(second.lasts(), Some(Duration::from_millis(5)));
        assert_eq!(parse(&plan.to_text()).unwrap(), plan);
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_file_and_line() {
        for (text, line, about) in [
            ("seed = 1\nsed = 2\n", "line 2", "sed"),
            ("[[fault]]\neffect = 'explode'\n", "line 2", "explode"),
            ("[[fault]]\neffect = 'cut'\ncalls = ['C_Sing']\n", "line 3", "C_Sing"),
            ("[[fault]]\neffect = 'refuse'\ncode = 'CKR_NONE'\n", "line 3", "CKR_NONE"),
            ("[[fault]]\neffect = 'cut'\nchance = 2.0\n", "line 3", "from 0 to 1"),
            ("latency = 'a1'\n", "line 1", "a790"),
            ("[[fault]]\neffect = 'delay'\n", "fault 1", "for_ms"),
            ("[[fault]]\neffect = 'lose-answer'\nfor_ms = 1\n", "fault 1", "for_ms"),
            ("[[fault]]\neffect = 'cut'\ncode = 'CKR_DEVICE_ERROR'\n", "fault 1", "code"),
            ("[[fault]]\neffect = 'store-full'\nmoment = 'after'\n", "fault 1", "moment"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            for word in ["plan.toml", line, about] {
                assert!(error.contains(word), "{word}: {error}");
            }
        }
        let many = "[[fault]]\neffect = 'cut'\n".repeat(FAULTS_MAX + 1);
        assert!(parse(&many).unwrap_err().to_string().contains("64 are the most"));
    }
}
