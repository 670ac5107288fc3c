//! The call log: what an application calls, with which arguments, what it is answered, and why.
//!
//! Two forms. `Text` is that of the vendor's cklog: `0x<process> : 0x<thread> :`, the words Calling, Input,
//! Output and Returning, and a line with the time between (Observed in logs that users published; the
//! layout between the words is Assumed). `Json` is a JSON object on each line, with the rule, attribute,
//! policy and source of each refusal.
//!
//! Neither holds anything secret: no PIN nor its length, no data, no attribute but flags, kinds and
//! sizes. What an argument may show is decided in `abi::trace`, which reads it.

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::Serialize;

use crate::ck::{CK_RV, CKR_OK, names};
use crate::env::{Clock, process};
use crate::error::{Class, Error};
use crate::luna::config::{CallLogEntry, LogFormat, LoggingMask};
use crate::luna::log::{Target, date};

/// Where and how calls are logged.
pub struct CallLog {
    calls: Vec<Target>,
    /// Functions whose calls go there.
    mask: Option<LoggingMask>,
    /// Where calls go that failed because something is broken.
    broken: Vec<Target>,
    /// Where refused calls go, as JSON.
    failures: Vec<Target>,
    format: LogFormat,
    compact: bool,
    clock: Arc<dyn Clock>,
    /// The second that the last line with the time told.
    last_second: Mutex<u64>,
}

/// A value of an argument, as far as it may be shown.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Told {
    /// A number.
    Number(u64),
    /// Words.
    Text(String),
    /// Of each attribute of a template its name, and its value where that is harmless.
    Template(Vec<(String, Option<u64>)>),
}

/// Arguments by their names.
pub type Arguments = Vec<(&'static str, Told)>;

/// A call that has ended.
pub struct Call<'a> {
    /// Its function.
    pub function: &'static str,
    /// The session it named.
    pub session: Option<u64>,
    /// The slot it named, or its session's.
    pub slot: Option<u64>,
    /// What went in.
    pub input: &'a Arguments,
    /// What came out; empty for a call that was refused.
    pub output: Arguments,
    /// How it ended.
    pub outcome: Result<(), &'a Error>,
    /// How long it took.
    pub took: Duration,
}

impl Call<'_> {
    fn rv(&self) -> CK_RV {
        self.outcome.map_or_else(|error| error.ck_rv(), |()| CKR_OK)
    }
}

impl CallLog {
    /// The log that a configuration asks for; none where it asks for nothing that needs one. `failures` is
    /// where refused calls go, which as text is another log's.
    pub fn of(
        entry: Option<&CallLogEntry>,
        failures: Option<&PathBuf>,
        format: LogFormat,
        clock: Arc<dyn Clock>,
    ) -> Option<Self> {
        let file = |path: &PathBuf| Target::named(path);
        let failures: Vec<Target> =
            failures.filter(|_| format == LogFormat::Json).and_then(file).into_iter().collect();
        let mut calls = Vec::new();
        let mut broken = Vec::new();
        if let Some(entry) = entry {
            calls.extend(entry.file.as_ref().and_then(file));
            calls.extend(entry.to_stdout.then_some(Target::Stdout));
            broken.extend(entry.error_file.as_ref().and_then(file));
        }
        let wanted = !(calls.is_empty() && broken.is_empty() && failures.is_empty());
        wanted.then(|| Self {
            calls,
            mask: entry.map(|entry| entry.mask.clone()),
            broken,
            failures,
            format,
            compact: entry.is_none_or(|entry| entry.compact),
            clock,
            last_second: Mutex::new(0),
        })
    }

    /// Time passed, to tell how long a call took.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Writes a call where it belongs. What cannot be written is nobody's reason to fail.
    pub fn write(&self, call: &Call<'_>) {
        let calls = self.mask.as_ref().is_some_and(|mask| mask.takes(call.function));
        let is_broken = call.outcome.is_err_and(|error| error.class() != Class::Caller);
        let mut targets: Vec<&Target> = Vec::new();
        targets.extend(self.calls.iter().filter(|_| calls));
        targets.extend(self.broken.iter().filter(|_| is_broken));
        let refused = call.outcome.is_err();
        let failures = self.failures.iter().filter(|_| refused);
        // The same file twice, as with stderr for both, is meant once.
        for target in failures {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        if targets.is_empty() {
            return;
        }
        let lines = match self.format {
            LogFormat::Json => self.json(call),
            LogFormat::Text => self.text(call),
        };
        for target in targets {
            drop(target.write(&lines));
        }
    }

    fn json(&self, call: &Call<'_>) -> String {
        let error = call.outcome.err();
        let line = JsonLine {
            time: date(self.clock.wall(), "%Y-%m-%dT%H:%M:%S.%6fZ"),
            pid: process::pid(),
            tid: thread_number(),
            function: call.function,
            session: call.session,
            slot: call.slot,
            input: call.input.iter().map(|(name, told)| (*name, told)).collect(),
            output: call.output.iter().map(|(name, told)| (*name, told)).collect(),
            rv: call.rv(),
            code: names::ckr(call.rv()),
            rule: error.map(Error::rule),
            attribute: error.and_then(Error::attribute).map(names::cka),
            policy: error.and_then(Error::policy),
            source: error.and_then(Error::source).map(|source| source.word()),
            duration_us: call.took.as_micros(),
        };
        let mut text = serde_json::to_string(&line).unwrap_or_default();
        text.push('\n');
        text
    }

    fn text(&self, call: &Call<'_>) -> String {
        let mut lines = self.time_line();
        let (input, output) = (words(call.input), words(&call.output));
        let prefix = format!("0x{:08x} : 0x{:08x} :", process::pid(), thread_number());
        let ending = format!(
            "Returning {} ({})",
            match call.rv() {
                CKR_OK => "0".to_owned(),
                rv => format!("0x{rv:x}"),
            },
            names::ckr(call.rv())
        );
        let function = call.function;
        // Writing to a string cannot fail.
        let _ = if self.compact {
            writeln!(lines, "{prefix} Calling {function} Input: {input} Output: {output} {ending}")
        } else {
            writeln!(
                lines,
                "{prefix} Calling {function}\n{prefix} Input: {input}\n{prefix} Output: {output}\n\
                 {prefix} {ending}"
            )
        };
        lines
    }

    /// The line with the time, when the second is another than the last line's.
    fn time_line(&self) -> String {
        let now: SystemTime = self.clock.wall();
        let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut last = self.last_second.lock();
        if *last == second {
            return String::new();
        }
        *last = second;
        format!("---------- {} ----------\n", date(now, "%Y-%m-%d %H:%M:%S UTC"))
    }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    pid: u32,
    tid: u64,
    function: &'a str,
    session: Option<u64>,
    slot: Option<u64>,
    input: std::collections::BTreeMap<&'a str, &'a Told>,
    output: std::collections::BTreeMap<&'a str, &'a Told>,
    rv: CK_RV,
    code: String,
    rule: Option<&'a str>,
    attribute: Option<String>,
    policy: Option<u32>,
    source: Option<&'a str>,
    duration_us: u128,
}

fn words(arguments: &Arguments) -> String {
    let mut text = String::new();
    for (name, told) in arguments {
        let gap = if text.is_empty() { "" } else { " " };
        let _ = match told {
            Told::Number(number) => write!(text, "{gap}{name}=0x{number:x}"),
            Told::Text(words) => write!(text, "{gap}{name}={words}"),
            Told::Template(attributes) => {
                let each = attributes.iter().map(|(kind, value)| match value {
                    Some(value) => format!("{kind}=0x{value:x}"),
                    None => kind.clone(),
                });
                write!(text, "{gap}{name}={{{}}}", each.collect::<Vec<_>>().join(","))
            }
        };
    }
    text
}

thread_local! {
    /// This thread's number and the process it was asked in: a child's is another.
    static THREAD: Cell<(u32, u64)> = const { Cell::new((0, 0)) };
}

fn thread_number() -> u64 {
    let pid = process::pid();
    THREAD.with(|known| match known.get() {
        (of, number) if of == pid => number,
        _ => {
            let number = process::thread_number().unwrap_or_else(|| u64::from(pid));
            known.set((pid, number));
            number
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ck::CKA_LABEL;
    use crate::env::ManualClock;
    use crate::error::{Cause, Provenance};

    fn log(format: LogFormat, compact: bool) -> CallLog {
        let clock = ManualClock::starting_at(UNIX_EPOCH + Duration::from_secs(1_583_317_267));
        CallLog {
            calls: Vec::new(),
            mask: None,
            broken: Vec::new(),
            failures: Vec::new(),
            format,
            compact,
            clock: Arc::new(clock),
            last_second: Mutex::new(0),
        }
    }

    fn refused<'a>(input: &'a Arguments, error: &'a Error) -> Call<'a> {
        Call {
            function: "C_Login",
            session: Some(1),
            slot: Some(0),
            input,
            output: Vec::new(),
            outcome: Err(error),
            took: Duration::from_micros(1500),
        }
    }

    #[test]
    fn a_refusal_in_both_forms() {
        let input: Arguments = vec![
            ("session", Told::Number(1)),
            ("pin", Told::Text("(hidden)".into())),
            (
                "template",
                Told::Template(vec![("CKA_CLASS".into(), Some(3)), ("CKA_ID".into(), None)]),
            ),
        ];
        let error = Error::new(Cause::PinLocked, "the role is \"locked\"")
            .about(CKA_LABEL)
            .by_policy(20)
            .from_source(Provenance::Assumed);
        let call = refused(&input, &error);
        let text = log(LogFormat::Text, true).text(&call);
        let (time, line) = text.split_once('\n').unwrap();
        assert_eq!(time, "---------- 2020-03-04 10:21:07 UTC ----------");
        assert!(line.starts_with(&format!("0x{:08x} : 0x", process::pid())), "{line}");
        assert!(line.ends_with(
            " : Calling C_Login Input: session=0x1 pin=(hidden) template={CKA_CLASS=0x3,CKA_ID} \
             Output:  Returning 0xa4 (CKR_PIN_LOCKED)\n"
        ), "{line}");
        assert_eq!(log(LogFormat::Text, false).text(&call).lines().count(), 5);
        let json = log(LogFormat::Json, true).json(&call);
        let line: serde_json::Value = serde_json::from_str(&json).unwrap();
        for (key, value) in [
            ("time", serde_json::json!("2020-03-04T10:21:07.000000Z")),
            ("function", serde_json::json!("C_Login")),
            ("session", serde_json::json!(1)),
            ("slot", serde_json::json!(0)),
            ("code", serde_json::json!("CKR_PIN_LOCKED")),
            ("rv", serde_json::json!(0xa4)),
            ("rule", serde_json::json!("the role is \"locked\"")),
            ("attribute", serde_json::json!("CKA_LABEL")),
            ("policy", serde_json::json!(20)),
            ("source", serde_json::json!("assumed")),
            ("duration_us", serde_json::json!(1500)),
        ] {
            assert_eq!(line[key], value, "{key}");
        }
        assert_eq!(json.lines().count(), 1);
    }
}
