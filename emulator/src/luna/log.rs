//! The logs of the client that people read: failed calls with their reasons, and what happened to HA
//! members. The call log, which a configuration asks for, is in `call_log`.
//!
//! A log that cannot be written is nobody's reason to fail. Neither holds PINs, keys or data.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::env::{Clock, process};
use crate::luna::config::HaLog;

/// Lines with a time and a process before them.
#[derive(Clone)]
pub struct Log {
    targets: Arc<[Target]>,
    stamp: Stamp,
    /// A file is put aside before it would grow beyond.
    rotate_bytes: Option<u64>,
    clock: Arc<dyn Clock>,
}

/// Where lines go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Target {
    Stderr,
    Stdout,
    File(PathBuf),
}

/// How a line begins.
#[derive(Clone, Copy)]
enum Stamp {
    /// Seconds since 1970.
    Seconds,
    /// As in `Wed Mar  4 10:21:07 2020`, which is how the vendor's HA log has it (recalled), in UTC.
    Date,
}

impl Target {
    /// The file at a path, or standard error for the word `stderr`; none for `off`.
    pub(super) fn named(path: &Path) -> Option<Self> {
        match path.to_str() {
            Some("stderr") => Some(Self::Stderr),
            Some("off") => None,
            _ => Some(Self::File(path.to_owned())),
        }
    }

    /// Appends a line, in one write so that processes do not mix theirs.
    pub(super) fn write(&self, line: &str) -> std::io::Result<()> {
        match self {
            Self::Stderr => std::io::stderr().write_all(line.as_bytes()),
            Self::Stdout => std::io::stdout().write_all(line.as_bytes()),
            Self::File(path) => OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(line.as_bytes())),
        }
    }
}

impl Log {
    /// Nobody listens.
    pub fn none(clock: Arc<dyn Clock>) -> Self {
        Self { targets: Arc::new([]), stamp: Stamp::Seconds, rotate_bytes: None, clock }
    }

    /// The file at `path`, or standard error for the word `stderr`; none for `off`.
    pub fn to(path: &Path, clock: Arc<dyn Clock>) -> Self {
        let targets = Target::named(path).into_iter().collect();
        Self { targets, ..Self::none(clock) }
    }

    /// The log of HA groups.
    pub fn of_groups(config: &HaLog, clock: Arc<dyn Clock>) -> Self {
        let file = config.file.clone().map(Target::File);
        let stdout = config.to_stdout.then_some(Target::Stdout);
        Self {
            targets: file.into_iter().chain(stdout).collect(),
            stamp: Stamp::Date,
            rotate_bytes: Some(config.rotate_bytes),
            clock,
        }
    }

    /// Whether a line would reach anybody.
    pub fn is_on(&self) -> bool {
        !self.targets.is_empty()
    }

    /// Appends a line.
    pub fn line(&self, text: &str) {
        if !self.is_on() {
            return;
        }
        let now = self.clock.wall();
        let line = format!("{} : [{}] {text}\n", self.stamp.of(now), process::pid());
        for target in &*self.targets {
            if let (Target::File(path), Some(most)) = (target, self.rotate_bytes) {
                put_aside(path, most.saturating_sub(line.len() as u64), now);
            }
            // The call being logged has its own answer, which a full disk here must not change.
            drop(target.write(&line));
        }
    }
}

impl Stamp {
    fn of(self, time: SystemTime) -> String {
        match self {
            Self::Seconds => {
                let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                format!("{}.{:03}", since.as_secs(), since.subsec_millis())
            }
            Self::Date => date(time, "%a %b %e %H:%M:%S %Y"),
        }
    }
}

/// A time in UTC as `strftime` would have it; empty for one that no calendar has.
pub(super) fn date(time: SystemTime, form: &str) -> String {
    jiff::Timestamp::try_from(time)
        .map_or_else(|_| String::new(), |time| time.strftime(form).to_string())
}

/// Gives a file that is longer than `most` bytes a name with the time in it, as in
/// `haErrorLog_2026-03-04_10-21-07.txt` (that it is renamed so: Documented; the form: Assumed). When two
/// processes do it at once, one of them may put aside what is short; no line is lost.
fn put_aside(path: &Path, most: u64, now: SystemTime) {
    if path.metadata().is_ok_and(|file| file.len() > most) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{stem}_{}", date(now, "%Y-%m-%d_%H-%M-%S"));
        let names = (0..100).map(|turn| match turn {
            0 => format!("{name}.txt"),
            turn => format!("{name}_{turn}.txt"),
        });
        if let Some(aside) = names.map(|name| path.with_file_name(name)).find(|it| !it.exists()) {
            // Where it cannot be renamed it grows on.
            drop(std::fs::rename(path, aside));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::env::ManualClock;

    #[test]
    fn the_log_of_groups_is_put_aside_when_it_is_long() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("haErrorLog.txt");
        let config = HaLog { file: Some(file.clone()), to_stdout: false, rotate_bytes: 120 };
        let start = UNIX_EPOCH + Duration::from_secs(1_583_317_267);
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::starting_at(start));
        let log = Log::of_groups(&config, clock);
        for number in 0..7 {
            log.line(&format!("line {number}"));
        }
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names[..2], ["haErrorLog.txt", "haErrorLog_2020-03-04_10-21-07.txt"]);
        let mut lines = Vec::new();
        for name in &names {
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(text.len() <= 120, "{name}: {text}");
            lines.extend(text.lines().map(str::to_owned));
        }
        lines.sort();
        assert_eq!(lines.len(), 7, "no line is lost");
        assert!(lines[0].starts_with("Wed Mar  4 10:21:07 2020 : ["), "{}", lines[0]);
        assert!(lines.iter().enumerate().all(|(at, line)| line.ends_with(&format!("line {at}"))));
    }
}
