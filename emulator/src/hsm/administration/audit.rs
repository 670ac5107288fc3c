//! The audit log as the Auditor sees it: its secret, its configuration, its records.
//!
//! A record is a line of text: number, time, HSM, partition, role, category, what, key, outcome, the
//! HMAC of the record before it, and its own HMAC over all of that. So whoever has the secret sees
//! what was changed and what is missing. Records leave for the files of the configured directory as
//! they are made; where they cannot, they stay in the HSM until it is full, and then it refuses what
//! it could not log.
//!
//! Source: roles.md section 8 (Documented: what is in a record, that it is chained by HMACs, the
//! categories, that a full log blocks); the shape of a line, the names of files and the room in the
//! HSM are Assumed.

use std::path::{Path, PathBuf};

use data::{Line, mac_of};
use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::hash::Hash;
use crate::crypto::hmac::HmacKey;
use crate::crypto::seal::SealKey;
use crate::crypto::{kdf, random};
use crate::env::disk;
use crate::error::{Cause, Error, Result};
use crate::hsm::facts::AuditFacts;
use crate::hsm::partition::{DEFAULT_DOMAIN, Partition, State};
use crate::hsm::role::new_record;
use crate::hsm::session::Session;
use crate::hsm::store::Step;
use crate::mechanisms::broken;
use crate::wire::{LogConfiguration, LogStatus, Pin, log_events};

/// Records the HSM holds that have not left it.
pub(in crate::hsm) const MOST_RECORDS: u64 = 1024;

/// The longest line of an application's, and the longest path, in bytes.
const MOST_EXTERNAL: usize = 512;
const MOST_PATH: usize = 255;

/// Seconds since 1970 of the year 2200: no clock of an HSM shows more.
const LATEST_SECONDS: u64 = 7_258_118_400;

/// Rotation intervals in seconds, by number: never, hourly, daily, weekly, monthly.
const ROTATIONS: [u64; 5] = [0, 3600, 86_400, 604_800, 2_592_000];

const SECRET: &[u8] = b"audit log secret";
const DOMAIN: &[u8] = b"audit log domain";

/// What is logged.
pub(in crate::hsm) struct Event<'a> {
    pub(in crate::hsm) category: u64,
    pub(in crate::hsm) what: &'a str,
    pub(in crate::hsm) role: Option<Role>,
    pub(in crate::hsm) key: Option<ObjectHandle>,
    pub(in crate::hsm) outcome: CK_RV,
}

fn log(state: &State) -> Result<&AuditFacts> {
    state.hsm.audit.as_ref().ok_or_else(|| {
        Error::new(Cause::LogAuditNotInitialized, "the Auditor is not initialised: CA_InitAudit")
    })
}

/// What the log keeps.
pub(super) fn configuration(state: &State) -> Result<LogConfiguration> {
    Ok(log(state)?.configuration.clone())
}

impl Partition {
    fn opened(&self, sealed: &[u8], aad: &[u8]) -> Result<SealKey> {
        let bytes = self.device_key.open(aad, sealed).ok();
        let key: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.as_slice().try_into().ok());
        key.map(|key| SealKey::new(Zeroizing::new(key)))
            .ok_or_else(|| Error::new(Cause::DeviceError, "the store holds a damaged log secret"))
    }

    /// `CA_InitAudit`: the Auditor, a fresh secret, nothing logged yet. Once there is one it is he
    /// who changes his credential.
    ///
    /// # Errors
    /// `UserNotAuthorized` where there is one (Assumed), those of the credential.
    pub(super) fn init_audit(&self, state: &State, pin: &Pin, domain: Option<&Pin>) -> Result<()> {
        if state.role(Role::Auditor).is_ok() {
            return Err(Error::new(Cause::UserNotAuthorized, "there is an Auditor already"));
        }
        let pin = self.new_credential(state, Role::Auditor, pin)?;
        let domain = domain.map_or(DEFAULT_DOMAIN, Pin::as_bytes);
        let domain = kdf::hkdf_sha256(domain, b"luna emulator", DOMAIN).map_err(broken)?;
        let secret = random::bytes(32).map_err(broken)?;
        let seal = |aad, plain: &[u8]| self.device_key.seal(aad, plain).map_err(broken);
        let fresh = AuditFacts {
            secret: seal(SECRET, &secret)?,
            domain: seal(DOMAIN, &*domain)?,
            ..AuditFacts::default()
        };
        let record =
            new_record(Role::Auditor, &pin, &SealKey::generate().map_err(broken)?, false, 1)?;
        self.change_hsm_facts(&mut |kept| kept.audit = Some(fresh.clone()))?;
        self.store.forget_records()?;
        self.store.apply(&[Step::PutRole(self.serial.clone(), record)])?;
        self.refresh()
    }

    /// `CA_TimeSync`.
    ///
    /// # Errors
    /// `LogBadTime` for one that no clock shows (circumstances Assumed).
    pub(super) fn set_time(&self, seconds: u64) -> Result<()> {
        let machine = self.machine_seconds();
        if seconds == 0 || seconds > LATEST_SECONDS {
            return Err(Error::new(Cause::LogBadTime, format!("{seconds} is no time of an HSM")));
        }
        let offset = seconds.cast_signed().saturating_sub(machine.cast_signed());
        self.change_hsm_facts(&mut |kept| kept.clock_offset = offset)
    }

    /// `CA_LogSetConfig`.
    ///
    /// # Errors
    /// `LogAuditNotInitialized`, `LogBadFileName`, `ArgumentsBad`.
    pub(super) fn configure_log(&self, wanted: &LogConfiguration) -> Result<()> {
        let bad = |what| Err(Error::new(Cause::ArgumentsBad, what));
        if wanted.events & !log_events::ALL != 0 {
            return bad("no such category");
        }
        let hours = |interval: u64| if interval == 1 { 60 } else { 1440 };
        if wanted.rotation_interval >= ROTATIONS.len() as u64
            || wanted.rotation_offset_minutes >= hours(wanted.rotation_interval)
        {
            return bad("a rotation is never (0), hourly, daily, weekly or monthly (4)");
        }
        if wanted.rotation_kibibytes > u64::from(u32::MAX) {
            return bad("a file has at most 4 TiB");
        }
        let path = &wanted.path;
        let strange = path.len() > MOST_PATH || path.chars().any(char::is_control);
        if strange || (!path.is_empty() && !Path::new(path).is_absolute()) {
            return Err(Error::new(
                Cause::LogBadFileName,
                format!("the log goes to a directory: an absolute path of {MOST_PATH} bytes"),
            ));
        }
        log(&*self.current()?)?;
        self.change_hsm_facts(&mut |kept| {
            if let Some(audit) = &mut kept.audit {
                audit.configuration = wanted.clone();
            }
        })
    }

    /// `CA_LogGetStatus`.
    pub(super) fn log_status(&self, state: &State) -> Result<LogStatus> {
        let (records, last) = self.store.record_counts()?;
        Ok(LogStatus {
            initialized: state.hsm.audit.is_some(),
            records,
            most: MOST_RECORDS,
            last,
            events: state.hsm.audit.as_ref().map_or(0, |audit| audit.configuration.events),
        })
    }

    /// Whether the log takes another record.
    ///
    /// # Errors
    /// `LogFull` (Documented: it blocks).
    pub(in crate::hsm) fn need_log_room(&self) -> Result<()> {
        if self.store.record_counts()?.0 < MOST_RECORDS || self.try_export()? {
            return Ok(());
        }
        Err(full())
    }

    /// Whether records can leave again, the directory being writable once more.
    fn try_export(&self) -> Result<bool> {
        let state = self.current()?;
        let Some(audit) = &state.hsm.audit else { return Ok(true) };
        let Some(directory) = export_directory(&state) else { return Ok(false) };
        let serial = self.store.hsm()?.serial;
        let name = file_name(&audit.configuration, &serial, self.hsm_seconds(&state));
        Ok(disk::append_text(&directory.join(name), "", 0o600).is_ok())
    }

    /// Appends a record.
    ///
    /// # Errors
    /// `LogFull`.
    pub(in crate::hsm) fn log(&self, state: &State, event: &Event<'_>) -> Result<()> {
        let Some(audit) = &state.hsm.audit else { return Ok(()) };
        let secret = self.opened(&audit.secret, SECRET)?;
        let key = HmacKey::new(Hash::Sha256, secret.expose()).map_err(broken)?;
        let serial = self.store.hsm()?.serial;
        let seconds = self.hsm_seconds(state);
        let mut failed = None;
        let kept = self.store.append_record(
            MOST_RECORDS,
            &mut |number, before| {
                let body = Line {
                    number,
                    seconds,
                    hsm: &serial,
                    partition: &self.serial,
                    role: event.role.map_or("nobody", Role::name),
                    category: event.category,
                    what: event.what,
                    key: event.key.map_or(0, |key| key.0),
                    outcome: event.outcome,
                    previous: before.and_then(mac_of).unwrap_or_default(),
                }
                .body();
                match key.sign(body.as_bytes()) {
                    Ok(mac) => format!("{body}|{}", data::hex(&mac)),
                    Err(error) => {
                        failed = Some(broken(error));
                        body
                    }
                }
            },
            &mut |lines| {
                let Some(directory) = export_directory(state) else { return false };
                let file = directory.join(file_name(&audit.configuration, &serial, seconds));
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                disk::append_text(&file, &text, 0o600).is_ok()
            },
        )?;
        match failed {
            Some(error) => Err(error),
            None if kept => Ok(()),
            None => Err(full()),
        }
    }

    /// `CA_LogExternal`.
    pub(super) fn log_external(&self, session: &Session, state: &State, text: &[u8]) -> Result<()> {
        let audit = log(state)?;
        if text.is_empty() || text.len() > MOST_EXTERNAL {
            return Err(Error::new(
                Cause::DataLenRange,
                format!("a line has 1 to {MOST_EXTERNAL} bytes"),
            ));
        }
        if audit.configuration.events & log_events::EXTERNAL == 0 {
            return Ok(());
        }
        self.need_log_room()?;
        let what = data::printable(text);
        let event = Event {
            category: log_events::EXTERNAL,
            what: &what,
            role: session.application.role(),
            key: None,
            outcome: CKR_OK,
        };
        self.log(state, &event)
    }

    /// `CA_LogVerify`: told how many lines there are.
    ///
    /// # Errors
    /// `LogBadRecordHmac` naming the line.
    pub(super) fn verify_log(&self, state: &State, lines: &[u8], chained: bool) -> Result<u64> {
        let audit = log(state)?;
        let mut keys = Vec::new();
        for sealed in std::iter::once(&audit.secret).chain(&audit.imported) {
            let secret = self.opened(sealed, SECRET)?;
            keys.push(HmacKey::new(Hash::Sha256, secret.expose()).map_err(broken)?);
        }
        let wrong = |at: u64, what: &str| {
            Err(Error::new(Cause::LogBadRecordHmac, format!("record {at} {what}")))
        };
        let text = String::from_utf8_lossy(lines);
        let (mut count, mut before) = (0_u64, None::<String>);
        for line in text.lines().filter(|line| !line.is_empty()) {
            count += 1;
            let Some((body, mac)) = line.rsplit_once('|') else {
                return wrong(count, "is no record");
            };
            let mac = data::from_hex(mac).unwrap_or_default();
            if !keys.iter().any(|key| key.verify(body.as_bytes(), &mac).is_ok()) {
                return wrong(count, "was changed, or belongs to another HSM");
            }
            let previous = body.rsplit_once('|').map(|(_, previous)| previous.to_owned());
            if chained && before.is_some() && before != previous {
                return wrong(count, "does not follow the one before it");
            }
            before = Some(data::hex(&mac));
        }
        Ok(count)
    }

    fn log_domain(&self, audit: &AuditFacts) -> Result<SealKey> {
        self.opened(&audit.domain, DOMAIN)
    }

    /// `CA_LogExportSecret`.
    pub(super) fn export_log_secret(&self, state: &State) -> Result<Vec<u8>> {
        let audit = log(state)?;
        let secret = self.opened(&audit.secret, SECRET)?;
        // No fresh nonce between a question for the length and the answer: the length is the same.
        self.log_domain(audit)?.seal(SECRET, secret.expose()).map_err(broken)
    }

    /// `CA_LogImportSecret`: of another HSM whose log has the same domain.
    ///
    /// # Errors
    /// `LogNoKcv` for a secret of another domain (circumstances Assumed).
    pub(super) fn import_log_secret(&self, state: &State, blob: &[u8]) -> Result<()> {
        let opened = self.log_domain(log(state)?)?.open(SECRET, blob).map_err(|_| {
            Error::new(Cause::LogNoKcv, "the secret belongs to a log of another domain")
        })?;
        let sealed = self.device_key.seal(SECRET, &opened).map_err(broken)?;
        self.change_hsm_facts(&mut |kept| {
            if let Some(audit) = &mut kept.audit {
                audit.imported.push(sealed.clone());
            }
        })
    }
}

fn full() -> Error {
    Error::new(
        Cause::LogFull,
        format!("{MOST_RECORDS} records wait in the HSM: the log's directory has to take them"),
    )
}

fn export_directory(state: &State) -> Option<PathBuf> {
    let path = &state.hsm.audit.as_ref()?.configuration.path;
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// The file of a moment: one for each period of the rotation.
fn file_name(wanted: &LogConfiguration, serial: &str, seconds: u64) -> String {
    let length = usize::try_from(wanted.rotation_interval)
        .ok()
        .and_then(|interval| ROTATIONS.get(interval).copied())
        .unwrap_or(0);
    let begun = seconds.saturating_sub(wanted.rotation_offset_minutes.saturating_mul(60));
    match begun.checked_div(length) {
        Some(period) => format!("hsm_{serial}_{period:08}.log"),
        None => format!("hsm_{serial}.log"),
    }
}

/// The text of a record.
mod data {
    use std::fmt::Write;

    use crate::ck::{CK_RV, names};

    pub(super) struct Line<'a> {
        pub(super) number: u64,
        pub(super) seconds: u64,
        pub(super) hsm: &'a str,
        pub(super) partition: &'a str,
        pub(super) role: &'a str,
        pub(super) category: u64,
        pub(super) what: &'a str,
        pub(super) key: u64,
        pub(super) outcome: CK_RV,
        pub(super) previous: &'a str,
    }

    impl Line<'_> {
        /// Everything but the HMAC.
        pub(super) fn body(&self) -> String {
            format!(
                "{}|{}|{}|{}|{}|{:#x}|{}|{}|{}|{}",
                self.number,
                self.seconds,
                self.hsm,
                self.partition,
                self.role,
                self.category,
                self.what,
                self.key,
                names::ckr(self.outcome),
                self.previous
            )
        }
    }

    /// The HMAC of a record.
    pub(super) fn mac_of(line: &str) -> Option<&str> {
        line.rsplit_once('|').map(|(_, mac)| mac)
    }

    pub(super) fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        rest.is_empty()
            .then(|| pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)))?
            .collect()
    }

    /// A text that cannot be taken for a record or a part of one.
    pub(super) fn printable(text: &[u8]) -> String {
        let kept = |letter: char| letter.is_control() || letter == '|';
        String::from_utf8_lossy(text).chars().map(|it| if kept(it) { '.' } else { it }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_as_digits() {
        assert_eq!(data::from_hex(&data::hex(&[0, 15, 255])), Some(vec![0, 15, 255]));
        assert!(data::from_hex("0").is_none() && data::from_hex("zz").is_none());
    }

    #[test]
    fn an_application_cannot_write_records() {
        assert_eq!(data::printable(b"a|b\nc"), "a.b.c");
    }

    #[test]
    fn each_period_has_its_file() {
        let daily = LogConfiguration { rotation_interval: 2, ..LogConfiguration::default() };
        assert_eq!(file_name(&daily, "7", 86_399), "hsm_7_00000000.log");
        assert_eq!(file_name(&daily, "7", 86_400), "hsm_7_00000001.log");
        assert_eq!(file_name(&LogConfiguration::default(), "7", 86_400), "hsm_7.log");
    }
}
