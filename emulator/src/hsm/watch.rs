//! What is noticed of requests: by the audit log and by the utilisation metrics. Both are off unless
//! somebody switches them on, and then each request that they keep costs a write.
//!
//! Source: roles.md section 8 for the categories, policies.md section 4 for HSM policy 49, pycryptoki
//! for the bins (Documented); which request belongs to which: Assumed from their names.

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::hsm::administration::audit::Event;
use crate::hsm::partition::{Partition, State};
use crate::hsm::rights::{self, Right};
use crate::hsm::session::Session;
use crate::wire::{Administration, Reply, Request, UtilizationCount, log_events};

/// HSM policy 49, "partition utilization metrics" (Documented).
const HSM_POLICY_METRICS: u32 = 49;

const METERED: u8 = 1;
const AUDITED: u8 = 2;

/// What of a partition's requests is noticed.
pub(super) fn of(state: &State) -> u8 {
    let metered = state.hsm_policy(HSM_POLICY_METRICS) != 0;
    let audited = state.hsm.audit.as_ref().is_some_and(|audit| audit.configuration.events != 0);
    (if metered { METERED } else { 0 }) | (if audited { AUDITED } else { 0 })
}

/// What a request is to the log and to the metrics.
struct Noticed {
    category: u64,
    what: &'static str,
    bin: Option<u8>,
}

fn noticed(request: &Request<'_>) -> Option<Noticed> {
    use log_events::{ACCESS, KEY_MANAGE, KEY_USE, LOG_MANAGE, MANAGE};
    let (category, what, bin) = match request {
        Request::OpenSession { .. } => (ACCESS, "open session", None),
        Request::CloseSession(_) => (ACCESS, "close session", None),
        Request::Login(..) => (ACCESS, "login", None),
        Request::Logout(_) => (ACCESS, "logout", None),
        Request::InitToken { .. } => (MANAGE, "initialise partition", None),
        Request::InitPin(..) => (MANAGE, "initialise role", None),
        Request::SetPin { .. } => (MANAGE, "change credential", None),
        Request::SetPolicies(..) => (MANAGE, "change partition policies", None),
        Request::Administer(_, what) if what.is_question() => return None,
        // It writes its own line.
        Request::Administer(_, what) if matches!(**what, Administration::LogExternal(_)) => {
            return None;
        }
        Request::Administer(_, what) => match **what {
            Administration::ConfigureLog(_)
            | Administration::SetTime(_)
            | Administration::ImportLogSecret(_)
            | Administration::InitAudit { .. } => (LOG_MANAGE, "administer the log", None),
            _ => (MANAGE, "administer the HSM", None),
        },
        Request::Create(..) => (KEY_MANAGE, "create object", None),
        Request::Copy(..) => (KEY_MANAGE, "copy object", None),
        Request::Destroy(..) => (KEY_MANAGE, "destroy object", None),
        Request::SetAttributes(..) => (KEY_MANAGE, "change object", None),
        Request::GenerateKey(..) => (KEY_MANAGE, "generate key", Some(4)),
        Request::GenerateKeyPair(..) => (KEY_MANAGE, "generate key pair", Some(4)),
        Request::Unwrap(..) => (KEY_MANAGE, "unwrap key", None),
        Request::Derive(..) => (KEY_MANAGE, "derive key", Some(5)),
        Request::Encapsulate(..) => (KEY_MANAGE, "encapsulate key", None),
        Request::Decapsulate(..) => (KEY_MANAGE, "decapsulate key", None),
        Request::Insert(..) => (KEY_MANAGE, "insert object", None),
        Request::Extract(..) => (KEY_MANAGE, "extract object", None),
        Request::Wrap(..) => (KEY_USE, "wrap key", None),
        Request::Perform { operation, .. } | Request::Begin(operation) => match operation.purpose {
            Purpose::Sign => (KEY_USE, "sign", Some(0)),
            Purpose::Verify => (KEY_USE, "verify", Some(1)),
            Purpose::Encrypt => (KEY_USE, "encrypt", Some(2)),
            Purpose::Decrypt => (KEY_USE, "decrypt", Some(3)),
            Purpose::Digest => return None,
        },
        _ => return None,
    };
    Some(Noticed { category, what, bin })
}

/// Whether a reply is of a key that ran: a length that was asked for is not.
fn ran(reply: &Result<Reply>) -> bool {
    use crate::output::Output;
    match reply {
        Ok(Reply::Output(Output::Size(_) | Output::TooSmall(_))) => false,
        Ok(Reply::Counted(inner)) => {
            !matches!(**inner, Reply::Output(Output::Size(_) | Output::TooSmall(_)))
        }
        _ => true,
    }
}

impl Partition {
    /// As [`Partition::answer`], with what is to be noticed of the request.
    #[cold]
    pub(super) fn answer_watched(
        &self,
        watched: u8,
        request: &Request<'_>,
        seat: Option<&Session>,
        out: Option<&mut [u8]>,
    ) -> Result<Reply> {
        let Some(noticed) = noticed(request) else { return self.answer(request, seat, out) };
        let state = self.current()?;
        let category = match watched & AUDITED {
            0 => None,
            _ => self.kept_category(&state, noticed.category, request.key()),
        };
        // Who administers a full log has to get in to do so.
        let blocks = !matches!(noticed.category, log_events::ACCESS | log_events::LOG_MANAGE);
        if category.is_some() && blocks {
            self.need_log_room()?;
        }
        // Who asked is known before: a logout forgets him, a login names him only after it.
        let before = seat.and_then(|session| session.application.role());
        let reply = self.answer(request, seat, out);
        if !ran(&reply) {
            return reply;
        }
        if watched & METERED != 0
            && reply.is_ok()
            && let Some(bin) = noticed.bin
        {
            self.store.count_operation(&self.serial, bin)?;
        }
        if let Some(category) = category {
            if category == log_events::KEY_FIRST_USE {
                self.used.lock().extend(request.key());
            }
            let after = seat.and_then(|session| session.application.role());
            let outcome = reply.as_ref().map_or_else(Error::ck_rv, |_| CKR_OK);
            let events = state.hsm.audit.as_ref().map_or(0, |it| it.configuration.events);
            if wants(events, outcome) {
                let (what, key) = (noticed.what, request.key());
                let event = Event { category, what, role: before.or(after), key, outcome };
                match self.log(&state, &event) {
                    Err(error) if !blocks && error.cause() == Cause::LogFull => {}
                    outcome => outcome?,
                }
            }
        }
        reply
    }

    /// The category under which a request is kept, if it is.
    fn kept_category(
        &self,
        state: &State,
        category: u64,
        key: Option<ObjectHandle>,
    ) -> Option<u64> {
        let events = state.hsm.audit.as_ref()?.configuration.events;
        if events & category != 0 {
            return Some(category);
        }
        let first = category == log_events::KEY_USE && events & log_events::KEY_FIRST_USE != 0;
        (first && !self.used.lock().contains(&key?)).then_some(log_events::KEY_FIRST_USE)
    }

    /// `CA_ReadUtilizationMetrics`, `CA_ReadAndResetUtilizationMetrics`: the security officer's
    /// (Assumed).
    ///
    /// # Errors
    /// `InvalidUtilizationMetrics` while HSM policy 49 is off (code Assumed).
    pub(super) fn snapshot_utilization(
        &self,
        session: &Session,
        state: &State,
        reset: bool,
    ) -> Result<()> {
        need_metrics(state)?;
        let right = if self.is_admin() { Right::AdministerHsm } else { Right::AdministerPartition };
        rights::check(session.application.role(), right)?;
        Ok(self.store.snapshot_counts(reset)?)
    }

    /// `CA_ReadAllUtilizationCounters`: of every partition from the admin one, else its own.
    pub(super) fn utilization(&self, state: &State) -> Result<Vec<UtilizationCount>> {
        need_metrics(state)?;
        let partitions = self.store.partitions()?;
        let mut all = Vec::new();
        for (serial, bin, count) in self.store.kept_counts()? {
            if !self.is_admin() && serial != self.serial {
                continue;
            }
            let Some(record) = partitions.iter().find(|record| record.serial == serial) else {
                continue;
            };
            all.push(UtilizationCount {
                serial: serial.parse().unwrap_or(0),
                label: record.label.clone(),
                bin: u64::from(bin),
                count,
            });
        }
        Ok(all)
    }
}

fn need_metrics(state: &State) -> Result<()> {
    if state.hsm_policy(HSM_POLICY_METRICS) != 0 {
        return Ok(());
    }
    Err(Error::new(Cause::InvalidUtilizationMetrics, "HSM policy 49 is off: nothing is counted"))
}

/// Whether an outcome is kept: with neither of the two filters both are (Assumed).
fn wants(events: u64, outcome: CK_RV) -> bool {
    let both = log_events::SUCCESS | log_events::FAILURE;
    let own = if outcome == CKR_OK { log_events::SUCCESS } else { log_events::FAILURE };
    events & both == 0 || events & own != 0
}
