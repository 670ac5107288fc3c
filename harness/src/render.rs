//! The transcript for people, as it happens: colours at a terminal, plain text in a pipe.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::transcript::{Record, Transcript, Verdict};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Who is told what happens.
pub trait Face {
    /// Something that takes a while is done before the run.
    fn remarks(&mut self, line: &str);
    /// The run begins.
    fn begins(&mut self, transcript: &Transcript, keep: bool);
    /// The library is loaded and the token found.
    fn meets(&mut self, transcript: &Transcript);
    /// A scenario begins.
    fn scenario(&mut self, name: &str, title: &str);
    /// A step has ended.
    fn step(&mut self, record: &Record, number: usize);
}

/// Standard output.
#[derive(Debug)]
pub struct Console;

/// Nobody: the result is printed as JSON in the end. Remarks go to standard error.
#[derive(Debug)]
pub struct Silence;

impl Face for Silence {
    fn remarks(&mut self, line: &str) {
        anstream::eprintln!("luna-harness: {line}");
    }
    fn begins(&mut self, _: &Transcript, _: bool) {}
    fn meets(&mut self, _: &Transcript) {}
    fn scenario(&mut self, _: &str, _: &str) {}
    fn step(&mut self, _: &Record, _: usize) {}
}

impl Face for Console {
    fn remarks(&mut self, line: &str) {
        anstream::eprintln!("luna-harness: {line}");
    }

    fn begins(&mut self, transcript: &Transcript, keep: bool) {
        show(&opening(transcript, keep));
    }

    fn meets(&mut self, transcript: &Transcript) {
        show(&meeting(transcript));
    }

    fn scenario(&mut self, name: &str, title: &str) {
        show(&format!("\n{BOLD}{name}{BOLD:#}  {title}\n"));
    }

    fn step(&mut self, record: &Record, number: usize) {
        show(&step(record, number));
    }
}

/// Prints. That nobody reads any more is no reason to leave things half done, so it is not told.
pub fn show(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The first line, and where the files are.
pub fn opening(transcript: &Transcript, keep: bool) -> String {
    let Transcript { program, verb, subject, started_at, .. } = transcript;
    let fate = if keep { "kept" } else { "removed in the end; --keep keeps it" };
    let mut out = format!(
        "{BOLD}{program} {verb}{BOLD:#}, module {}, directory {} ({fate})\n",
        subject.module, subject.directory
    );
    line(&mut out, "started", started_at);
    out
}

/// What was met, and for somebody's library what is going to be done to it.
pub fn meeting(transcript: &Transcript) -> String {
    let subject = &transcript.subject;
    let mut out = String::new();
    line(&mut out, "library", &subject.library);
    line(&mut out, "token", &subject.token);
    if subject.kind == "library" {
        let label = &subject.token_label;
        let announced = format!(
            "logs in to `{label}` as Crypto Officer, never again with a password that was refused; creates \
             one AES key and one data object; removes these two, and nothing else, in the end"
        );
        line(&mut out, "will do", &announced);
    } else {
        line(&mut out, "members", &subject.members.join(", "));
    }
    out
}

/// A step, with an empty line before it.
pub fn step(record: &Record, number: usize) -> String {
    let style = style(record.verdict);
    let mut out = String::new();
    let verdict = format!("{:<11}", record.verdict.name());
    let _ = write!(out, "\n{number:>2}  {style}{verdict}{style:#}  {BOLD}{}{BOLD:#}", record.title);
    if record.duration_ms > 0.0 {
        let _ = write!(out, "  {DIM}{}{DIM:#}", taken(record.duration()));
    }
    out.push('\n');
    if let Verdict::Skipped | Verdict::NotReached = record.verdict {
        line(&mut out, "reason", record.reason.as_deref().unwrap_or_default());
        return out;
    }
    line(&mut out, "source", &format!("{}: {}", record.mark.name(), record.source));
    line(&mut out, "expected", &record.expected);
    let mut name = "seen";
    for fact in &record.seen.facts {
        line(&mut out, name, fact);
        name = "";
    }
    if let Some(reason) = &record.reason {
        let _ = writeln!(out, "      {style}{:<10}{reason}{style:#}", "FAILED");
    }
    for exhibit in &record.seen.exhibits {
        line(&mut out, "output", &exhibit.title);
        for text in exhibit.text.lines() {
            let _ = writeln!(
                out,
                "      {DIM}|{DIM:#}{}{text}",
                if text.is_empty() { "" } else { " " }
            );
        }
    }
    out
}

/// Verdict, counts and time.
pub fn closing(transcript: &Transcript) -> String {
    let mut out = String::from("\n");
    for complaint in &transcript.complaints {
        let _ = writeln!(out, "{}complaint{:#}  {complaint}", RED, RED);
    }
    let counts = transcript.counts;
    let (style, verdict) = if transcript.held { (GREEN, "HELD") } else { (RED, "FAILED") };
    let mut parts = vec![format!("{} held", counts.held)];
    for (count, name) in [
        (counts.failed, "failed"),
        (counts.not_reached, "not reached"),
        (counts.skipped, "skipped"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {name}"));
        }
    }
    let total = Duration::try_from_secs_f64(transcript.duration_ms / 1000.0).unwrap_or_default();
    let steps = transcript.steps.len();
    let _ = writeln!(
        out,
        "{style}{verdict}{style:#}  {} of {steps} steps, {} in all",
        parts.join(", "),
        taken(total)
    );
    out
}

const GREEN: Style = AnsiColor::Green.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Held => GREEN,
        Verdict::Failed => RED,
        Verdict::Skipped | Verdict::NotReached => YELLOW,
    }
}

fn line(out: &mut String, name: &str, text: &str) {
    let _ = writeln!(out, "      {DIM}{name:<10}{DIM:#}{text}");
}

/// A duration with three digits at most behind the point.
fn taken(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 1.0 { format!("{seconds:.2} s") } else { format!("{:.1} ms", seconds * 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::{Subject, record};

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_step_shows_what_was_expected_and_seen_and_how_long_it_took() {
        let mut held = record("initialize", Verdict::Held);
        held.seen.fact("the arrow is green");
        held.seen.fact("the key is there");
        held.seen.exhibit("lunacm", "\nlunacm:>exit\n");
        assert_eq!(
            plain(&step(&held, 3)),
            "\n 3  held         The step initialize  12.5 ms\n      source    Documented: a guide\n      \
             expected  what was promised\n      seen      the arrow is green\n                the key is \
             there\n      output    lunacm\n      | lunacm:>exit\n"
        );
        let mut failed = record("initialize", Verdict::Failed);
        failed.duration_ms = 2_345.6;
        let text = plain(&step(&failed, 12));
        assert!(text.starts_with("\n12  FAILED       The step initialize  2.35 s\n"), "{text}");
        assert!(text.ends_with("      FAILED    it was not\n"), "{text}");
        let mut skipped = record("initialize", Verdict::Skipped);
        skipped.duration_ms = 0.0;
        assert_eq!(
            plain(&step(&skipped, 1)),
            "\n 1  skipped      The step initialize\n      reason    it was not\n"
        );
    }

    #[test]
    fn the_last_line_is_the_verdict() {
        let mut transcript = Transcript::begin("okv", Subject::default());
        transcript.steps = [Verdict::Held, Verdict::Failed, Verdict::NotReached]
            .map(|it| record("x", it))
            .to_vec();
        transcript.conclude(Duration::from_millis(1234));
        let text = plain(&closing(&transcript));
        assert_eq!(text, "\nFAILED  1 held, 1 failed, 1 not reached of 3 steps, 1.23 s in all\n");
        transcript.steps.truncate(1);
        transcript.conclude(Duration::from_millis(999));
        assert_eq!(plain(&closing(&transcript)), "\nHELD  1 held of 1 steps, 999.0 ms in all\n");
    }

    #[test]
    fn what_will_be_done_to_somebodys_library_is_announced() {
        let mut transcript = Transcript::begin("okv", Subject::default());
        transcript.subject.kind = "library".into();
        assert!(plain(&meeting(&transcript)).contains("creates one AES key and one data object"));
        transcript.subject.kind = "emulator".into();
        assert!(!plain(&meeting(&transcript)).contains("creates"));
    }
}
