//! Where the client writes what happened: the HA log and the call log.
//!
//! Source: ha.md section 3 and the CkLog2 part of chrystoki-conf.md of the fact pack (Documented but
//! where said).

use std::path::PathBuf;

use chrystoki_conf::{Conf, Error};

/// Where errors of HA groups go.
#[derive(Clone, Debug, Default)]
pub struct HaLog {
    /// `haErrorLog.txt` in `haLogPath`, when `haLogStatus` is enabled.
    pub file: Option<PathBuf>,
    /// To standard output too (`haLogToStdout`).
    pub to_stdout: bool,
    /// The file is put aside, with the time in its name, before it would grow beyond (`logLen`).
    pub rotate_bytes: u64,
}

const HA: &str = "HAConfiguration";

/// Bounds of `logLen`: the least is recalled, the most is ours.
const LOG_LEN: std::ops::RangeInclusive<i64> = 256_000..=1_000_000_000_000;

/// `logLen` without the key: that of the vendor's sample (Assumed).
const LOG_LEN_DEFAULT: i64 = 100_000_000;

impl HaLog {
    pub(super) fn of(conf: &Conf) -> Result<Self, Error> {
        let enabled = conf.flag(HA, "haLogStatus")?.unwrap_or(false);
        let directory = conf.value(HA, "haLogPath").filter(|path| !path.is_empty() && enabled);
        let length = conf.number(HA, "logLen", LOG_LEN)?.unwrap_or(LOG_LEN_DEFAULT);
        Ok(Self {
            file: directory.map(|path| PathBuf::from(path).join("haErrorLog.txt")),
            to_stdout: conf.flag(HA, "haLogToStdout")?.unwrap_or(false),
            rotate_bytes: u64::try_from(length).unwrap_or(u64::MAX),
        })
    }

    /// Whether anything is written.
    pub fn is_on(&self) -> bool {
        self.file.is_some() || self.to_stdout
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// As the vendor's cklog writes them.
    #[default]
    Text,
    /// A JSON object on each line, with the reason of each refusal.
    Json,
}

impl LogFormat {
    pub(super) fn of(conf: &Conf) -> Result<Self, Error> {
        let choice = conf.choice(super::EMULATOR, "LogFormat", &["text", "json"])?;
        Ok(if choice == Some(1) { Self::Json } else { Self::Text })
    }
}

/// The section `CkLog2`. The vendor logs by a library of its own that stands between; this module logs by
/// itself wherever the section is.
#[derive(Clone, Debug)]
pub struct CallLogEntry {
    /// Where calls are logged (`LoggingFile`, or `File` as older clients call it).
    pub file: Option<PathBuf>,
    /// Where calls are logged that failed because something is broken (`Error`).
    pub error_file: Option<PathBuf>,
    /// To standard output too (`LogToStreams`).
    pub to_stdout: bool,
    /// One line a call (`NewFormat`).
    pub compact: bool,
    /// Which functions (`LoggingMask`).
    pub mask: LoggingMask,
}

const CKLOG: &str = "CkLog2";

impl CallLogEntry {
    pub(super) fn of(conf: &Conf) -> Result<Option<Self>, Error> {
        let path = |key| conf.value(CKLOG, key).filter(|path| !path.is_empty()).map(PathBuf::from);
        let entry = Self {
            file: path("LoggingFile").or_else(|| path("File")),
            error_file: path("Error"),
            to_stdout: conf.flag(CKLOG, "LogToStreams")?.unwrap_or(false),
            compact: conf.flag(CKLOG, "NewFormat")?.unwrap_or(true),
            mask: LoggingMask::of(conf)?,
        };
        let enabled = conf.flag(CKLOG, "Enabled")?.unwrap_or(true);
        let somewhere = entry.file.is_some() || entry.error_file.is_some() || entry.to_stdout;
        Ok((enabled && somewhere).then_some(entry))
    }
}

/// Which functions are logged.
///
/// `ALL_FUNC` is the one word that a source has. Others of that form stand for groups that are not
/// published, and take everything (Assumed); names of functions, with a `*` at the end for all that
/// begin so, are ours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggingMask(Option<Vec<String>>);

impl LoggingMask {
    fn of(conf: &Conf) -> Result<Self, Error> {
        const KEY: &str = "LoggingMask";
        let mask = conf.value(CKLOG, KEY).unwrap_or_default();
        let words = mask.split(['|', ',', ' ']).filter(|word| !word.is_empty());
        let mut names = Vec::new();
        for word in words {
            if word.to_ascii_uppercase().ends_with("_FUNC") {
                return Ok(Self(None));
            }
            if !word.starts_with("C_") && !word.starts_with("CA_") {
                let expected = "ALL_FUNC, or names of functions such as C_Login or C_Sign*";
                return Err(conf.wrong(CKLOG, KEY, format!("`{word}`"), expected));
            }
            names.push(word.to_owned());
        }
        Ok(Self((!names.is_empty()).then_some(names)))
    }

    /// Whether calls of a function are logged.
    pub fn takes(&self, function: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => function.starts_with(start),
            None => function == pattern,
        };
        self.0.as_ref().is_none_or(|names| names.iter().any(fits))
    }
}
