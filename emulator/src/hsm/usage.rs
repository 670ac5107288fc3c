//! What a key asks of each use beyond its usage flags: uses left, a date, the PIN once more, a secret
//! of its own (`authorization`).
//!
//! Sources: `CKA_USAGE_LIMIT` and `CKA_USAGE_COUNT` from the vendor's functional tests
//! (test_usage_limit_and_count.py; Documented) and larskanis/pkcs11 on a device (Observed);
//! partition policy 39 from policies.md (its code recalled); `CKA_ALWAYS_AUTHENTICATE` from
//! PKCS#11 v2.40 section 4.9.
//!
//! What counts as a use is published for encryption and signing alone. Here every encryption,
//! decryption, signature, verification, wrapping, unwrapping and derivation is one (Assumed): a
//! whole message when its output is given, a message in parts when its first part arrives. A count
//! that cannot be written withholds the output, so no use goes uncounted; keys without a limit
//! never come here.

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::hsm::objects::Held;
use crate::hsm::partition::Partition;
use crate::hsm::session::{Application, Session};
use crate::object::rules::Class;
use crate::object::{Attribute, Template};
use crate::output::Output;
use crate::wire::{Counting, Pin, Reply};

/// Partition policy 39, "start/end date attributes" (number Documented).
const POLICY_DATES: u32 = 39;

/// Worked out once, when the object is loaded, so that the many keys that ask nothing pay nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Asks {
    limited: bool,
    dated: bool,
    pin: bool,
    secret: bool,
}

impl Asks {
    pub(super) fn of(class: Class, attributes: &Template) -> Self {
        if !class.is_key() {
            return Self::default();
        }
        let filled = |kind| attributes.bytes(kind).is_some_and(|bytes| !bytes.is_empty());
        Self {
            limited: attributes.find(CKA_USAGE_LIMIT).is_some(),
            dated: filled(CKA_START_DATE) || filled(CKA_END_DATE),
            pin: attributes.flag(CKA_ALWAYS_AUTHENTICATE) == Some(true),
            secret: attributes.find(CKA_AUTH_DATA).is_some(),
        }
    }

    /// The PIN is wanted for each use.
    pub(super) fn pin(self) -> bool {
        self.pin
    }

    /// Each use is counted.
    pub(super) fn counting(self) -> bool {
        self.limited
    }

    fn nothing(self) -> bool {
        self == Self::default()
    }
}

/// How far a use has come.
#[derive(Clone, Copy)]
pub(super) enum Stage<'a> {
    /// Only initialised: the PIN may follow.
    Init,
    /// The key is about to run, with the PIN that was given.
    Run(Option<&'a Pin>),
}

impl Partition {
    /// Whether the key may be used now.
    ///
    /// # Errors
    /// `KeyNotActive` when its uses are used up or the day is not in its time; `UserNotLoggedIn`
    /// when it asks for a PIN that was not given; those of the PIN.
    pub(super) fn may_use(&self, session: &Session, held: &Held, stage: Stage<'_>) -> Result<()> {
        if held.asks.nothing() {
            return Ok(());
        }
        let attributes = held.object.attributes();
        if held.asks.limited {
            self.left(attributes)?;
        }
        if held.asks.secret {
            self.need_authorized(session, held)?;
        }
        if held.asks.dated && self.current()?.policy(POLICY_DATES) != 0 {
            self.check_dates(attributes)?;
        }
        match stage {
            Stage::Run(pin) if held.asks.pin => {
                let pin = pin.ok_or_else(|| {
                    Error::new(Cause::UserNotLoggedIn, "the key asks for the PIN at each use")
                        .about(CKA_ALWAYS_AUTHENTICATE)
                })?;
                self.reauthenticate(session, pin)
            }
            _ => Ok(()),
        }
    }

    /// Whether this is the PIN of the role that is logged in; a wrong one counts against it.
    ///
    /// # Errors
    /// `PinIncorrect`, `PinLocked`; `UserNotLoggedIn` when nobody is.
    pub(super) fn reauthenticate(&self, session: &Session, pin: &Pin) -> Result<()> {
        let role = session.application.role().ok_or_else(|| {
            Error::new(Cause::UserNotLoggedIn, "whoever gives the PIN again is logged in")
        })?;
        let state = self.current()?;
        self.authenticate(&state, role, pin).map(drop)
    }

    /// Days are those of UTC, and both ends belong to the time (Assumed).
    fn check_dates(&self, attributes: &Template) -> Result<()> {
        let today = self.today()?;
        let outside = |kind, early: bool| match attributes.bytes(kind) {
            Some(day) if !day.is_empty() => {
                if early {
                    today.as_bytes() < day
                } else {
                    today.as_bytes() > day
                }
            }
            _ => false,
        };
        for (kind, early, rule) in [
            (CKA_START_DATE, true, "the key's time has not begun"),
            (CKA_END_DATE, false, "the key's time is over"),
        ] {
            if outside(kind, early) {
                let code = self.profile.codes.dates_outside;
                return Err(code.error(rule).about(kind).by_policy(POLICY_DATES));
            }
        }
        Ok(())
    }

    /// The day in the eight digits of a `CK_DATE`.
    fn today(&self) -> Result<String> {
        let seconds = i64::try_from(self.hsm_seconds(&*self.current()?)).ok();
        let now = seconds
            .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
            .ok_or_else(|| Error::new(Cause::DeviceError, "the clock shows no date"))?;
        let date = jiff::tz::Offset::UTC.to_datetime(now).date();
        Ok(format!("{:04}{:02}{:02}", date.year(), date.month(), date.day()))
    }

    /// Counts a use of a key that has a limit.
    ///
    /// # Errors
    /// `KeyNotActive` when others used it up meanwhile; the store's.
    pub(super) fn count(&self, application: &Application, held: &Held) -> Result<()> {
        if !held.asks.limited {
            return Ok(());
        }
        self.rewrite(application, held.handle, &|held| {
            let attributes = held.object.attributes();
            let used = self.left(attributes)?;
            Ok(with_count(attributes, used.saturating_add(1)))
        })
    }

    /// The uses so far, if one more is left. A limit of 0 leaves none (Assumed).
    fn left(&self, attributes: &Template) -> Result<CK_ULONG> {
        let used = attributes.number(CKA_USAGE_COUNT).unwrap_or(0);
        let limit = attributes.number(CKA_USAGE_LIMIT).unwrap_or(CK_ULONG::MAX);
        if used < limit {
            return Ok(used);
        }
        let what = format!("the key may be used {limit} times and was");
        Err(self.profile.codes.usage_limit_reached.error(what).about(CKA_USAGE_LIMIT))
    }

    /// As [`Partition::count`], once an output is given; a length or a short buffer is no use.
    pub(super) fn count_output(
        &self,
        application: &Application,
        held: &Held,
        output: Output,
    ) -> Result<Reply> {
        if output.is_final() {
            self.count(application, held)?;
            return Ok(told(held, Reply::Output(output)));
        }
        Ok(Reply::Output(output))
    }

    /// `CA_ModifyUsageCount`, and uses that another member of a group counted.
    ///
    /// # Errors
    /// `KeyHandleInvalid` for an object that is used by nobody (Assumed), those of a change.
    pub(super) fn modify_count(
        &self,
        session: &Session,
        object: ObjectHandle,
        counting: Counting,
    ) -> Result<()> {
        self.rewrite(&session.application, object, &|held| {
            if !held.object.class().is_key() {
                return Err(Error::new(Cause::KeyHandleInvalid, "only keys count their uses"));
            }
            // Whoever may use a key makes it count; to set the count is to change the key.
            if !matches!(counting, Counting::Used(_)) {
                self.may_change(session, held)?;
            }
            let attributes = held.object.attributes();
            let used = attributes.number(CKA_USAGE_COUNT).unwrap_or(0);
            Ok(with_count(
                attributes,
                match counting {
                    Counting::Used(more) | Counting::Add(more) => used.saturating_add(more),
                    Counting::Set(count) => count,
                },
            ))
        })
    }
}

/// The reply to a use, marked where the other members of a group must count it too.
pub(super) fn told(held: &Held, reply: Reply) -> Reply {
    if held.asks.limited { Reply::Counted(Box::new(reply)) } else { reply }
}

fn with_count(attributes: &Template, count: CK_ULONG) -> Template {
    let mut changed = attributes.clone();
    changed.set(Attribute::number(CKA_USAGE_COUNT, count));
    changed
}
