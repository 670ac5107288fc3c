//! What wrong credentials lead to: how many there may be, and what then becomes of the role and of what it guards.
//!
//! A count is written where every process sees it before anybody hears of it. What follows a lock-out is
//! a second step, and a process may die between the two: whoever comes next takes it. So a security
//! officer who is locked out means a zeroisation that is owed, and an Auditor who is, a wait.
//!
//! Source: roles.md section 4 of the fact pack (Documented, but for the length of the Auditor's wait).

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::hsm::partition::{Partition, State};
use crate::hsm::store::{RoleRecord, Step};

/// The partition policy of lock-outs. Source: policies.md (Documented).
const POLICY_MAX_FAILED: u32 = 20;

/// Wrong credentials of the HSM SO before the HSM is zeroised, and of the Auditor before he waits.
/// Source: roles.md section 4 (Documented).
const HSM_SO_ATTEMPTS: u32 = 3;
const AUDITOR_ATTEMPTS: u32 = 3;

/// How long the Auditor waits. Source: roles.md section 4 (recalled).
const AUDITOR_WAITS_SECONDS: u64 = 600;

impl Partition {
    /// Wrong credentials after which the role is locked, or what it guards zeroised.
    pub(super) fn most_failures(&self, state: &State, role: Role) -> u32 {
        match role {
            Role::PartitionSo => self.profile.limits.partition_so_attempts,
            Role::HsmSo => HSM_SO_ATTEMPTS,
            Role::Auditor => AUDITOR_ATTEMPTS,
            _ => u32::try_from(state.policy(POLICY_MAX_FAILED)).unwrap_or(10).clamp(1, 10),
        }
    }

    /// Before any credential is tried: takes the step after a lock-out that a process which died did
    /// not take, and lets an Auditor in again who has waited. Whether anything has changed by that.
    ///
    /// # Errors
    /// `AuditLoginTimeoutInProgress`.
    pub(super) fn finish_lock_outs(&self, state: &State, role: Role) -> Result<bool> {
        for so in [Role::PartitionSo, Role::HsmSo] {
            let own = state.own_role(so).is_ok_and(|own| own == so);
            // As the store has it now: another process may be done with it.
            if own
                && state.role(so).is_ok_and(|record| record.locked)
                && self.store.role(&self.serial, so.code())?.is_some_and(|record| record.locked)
            {
                self.zeroize_after(so, self.most_failures(state, so))?;
                self.refresh()?;
                return Ok(true);
            }
        }
        if role != Role::Auditor {
            return Ok(false);
        }
        let until = state.hsm.audit.as_ref().map_or(0, |audit| audit.locked_until);
        let is_locked = state.role(Role::Auditor).is_ok_and(|record| record.locked);
        match until.saturating_sub(self.machine_seconds()) {
            0 if is_locked && until == 0 => {
                self.begin_waiting()?;
                Err(Error::new(
                    Cause::AuditLoginTimeoutInProgress,
                    "the Auditor waits from now on: nobody was left to begin it",
                ))
            }
            // The wait is forgotten first: were it the count, the next wait could be taken for this one.
            0 if is_locked => {
                self.set_auditor_waits_until(0)?;
                self.store.change_role(&self.serial, Role::Auditor.code(), &mut |record| {
                    (record.failed, record.locked) = (0, false);
                })?;
                self.refresh()?;
                Ok(true)
            }
            0 => Ok(false),
            left => Err(Error::new(
                Cause::AuditLoginTimeoutInProgress,
                format!("the Auditor waits {left} more seconds"),
            )),
        }
    }

    /// What a wrong credential leads to.
    pub(super) fn wrong_pin(
        &self,
        role: Role,
        after: &RoleRecord,
        most: u32,
        is_challenge: bool,
    ) -> Result<Error> {
        match role {
            Role::PartitionSo | Role::HsmSo if after.locked => self.zeroize_after(role, most),
            Role::Auditor if after.locked => self.begin_waiting(),
            _ => {
                let left = most.saturating_sub(after.failed);
                let cause =
                    if is_challenge { Cause::ChallengeIncorrect } else { Cause::PinIncorrect };
                Ok(Error::new(cause, format!("{}: {left} attempts are left", role.name())))
            }
        }
    }

    /// A security officer's last attempt was wrong.
    fn zeroize_after(&self, so: Role, most: u32) -> Result<Error> {
        let (what, done) = if so == Role::HsmSo {
            ("HSM", self.zeroize_hsm().map(drop))
        } else {
            let wipe = [Step::WipePartition(self.serial.clone())];
            ("partition", self.store.apply(&wipe).map(drop).map_err(Error::from))
        };
        // Another process may have come first: it is done all the same, and who guessed last hears of it.
        if let Err(error) = done
            && self
                .store
                .role(&self.serial, so.code())
                .is_ok_and(|it| it.is_some_and(|it| it.locked))
        {
            return Err(error);
        }
        Ok(Error::new(
            Cause::SoLoginFailureThreshold,
            format!("{most} wrong credentials of the {}: the {what} is zeroised", so.name()),
        ))
    }

    /// The Auditor waits after his last attempt, by the machine's clock: the HSM's own is his to
    /// set.
    fn begin_waiting(&self) -> Result<Error> {
        self.set_auditor_waits_until(self.machine_seconds().saturating_add(AUDITOR_WAITS_SECONDS))?;
        Ok(Error::new(
            Cause::AuditLoginFailureThreshold,
            format!("the Auditor waits {AUDITOR_WAITS_SECONDS} seconds"),
        ))
    }

    fn set_auditor_waits_until(&self, until: u64) -> Result<()> {
        self.change_hsm_facts(&mut |facts| {
            if let Some(audit) = &mut facts.audit {
                audit.locked_until = until;
            }
        })
    }
}

/// Which of two codes a version answers is not documented; the standard's is (Assumed).
pub(super) fn locked(role: Role) -> Error {
    Error::new(Cause::PinLocked, format!("the {} is locked out", role.name()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use zeroize::Zeroizing;

    use super::*;
    use crate::crypto::seal::SealKey;
    use crate::env::ManualClock;
    use crate::hsm::store::{HsmRecord, PartitionRecord, SqliteStore, Store};
    use crate::profile::{self, Profile};
    use crate::wire::{Administration, ApplicationId, Pin, Reply, Request};

    const HSM: &str = "100001";

    /// The admin partition of an HSM in memory, with a clock that is moved by hand.
    fn admin_partition(clock: Arc<ManualClock>) -> Partition {
        let record = HsmRecord {
            serial: HSM.into(),
            profile: profile::DEFAULT.into(),
            policies: BTreeMap::new(),
            device_key: vec![7; 32],
            created: 0,
            extra: Vec::new(),
        };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory(&record).unwrap());
        let own = PartitionRecord {
            serial: HSM.into(),
            label: String::new(),
            initialized: false,
            policies: BTreeMap::new(),
            domain: Vec::new(),
            object_counter: 0,
            created: 0,
            extra: Vec::new(),
        };
        store.apply(&[Step::PutPartition(own)]).unwrap();
        let profile = Arc::new(Profile::built_in(profile::DEFAULT).unwrap());
        let key = Arc::new(SealKey::new(Zeroizing::new([7; 32])));
        let mut partition = Partition::open(HSM, profile, store, key).unwrap();
        partition.clock = clock;
        partition
    }

    /// Ten minutes by the machine's clock, which the Auditor does not set.
    #[test]
    fn the_auditor_is_let_in_again_after_his_time() {
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_secs(1_700_000_000));
        let partition = admin_partition(Arc::clone(&clock));
        let right = Pin::new(b"the-auditor");
        let make = Administration::InitAudit { pin: right.clone(), domain: None };
        partition.administer(SessionHandle(0), None, &make).unwrap();
        let application = ApplicationId { major: 0, minor: 1, named: false };
        let open = Request::OpenSession { application, read_write: true };
        let Reply::Session(session) = partition.handle(&open).unwrap() else { panic!() };
        let login = |pin: &Pin| {
            let request = Request::Login(session, Role::Auditor, pin.clone());
            partition.handle(&request).map(drop).map_err(|error| error.cause())
        };
        let wrong = Pin::new(b"wrong-password");
        for _ in 0..2 {
            assert_eq!(login(&wrong), Err(Cause::PinIncorrect));
        }
        assert_eq!(login(&wrong), Err(Cause::AuditLoginFailureThreshold));
        clock.advance(Duration::from_secs(599));
        assert_eq!(login(&right), Err(Cause::AuditLoginTimeoutInProgress));
        clock.advance(Duration::from_secs(1));
        // The count begins anew, and a wrong one is one again.
        assert_eq!(login(&wrong), Err(Cause::PinIncorrect));
        assert_eq!(login(&right), Ok(()));
    }

    /// A process that dies between a lock and what follows it leaves that to whoever comes next.
    #[test]
    fn what_a_dead_process_owes_is_done_by_the_next() {
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_secs(1_700_000_000));
        let partition = admin_partition(Arc::clone(&clock));
        let right = Pin::new(b"the-auditor");
        let make = Administration::InitAudit { pin: right.clone(), domain: None };
        partition.administer(SessionHandle(0), None, &make).unwrap();
        let init = Request::InitToken { pin: right.clone(), label: "HSM".into(), domain: None };
        partition.handle(&init).unwrap();
        let application = ApplicationId { major: 0, minor: 1, named: false };
        let open = Request::OpenSession { application, read_write: true };
        let login = |role: Role| {
            let Reply::Session(session) = partition.handle(&open).unwrap() else { panic!() };
            let request = Request::Login(session, role, right.clone());
            partition.handle(&request).map(drop).map_err(|error| error.cause())
        };
        for role in [Role::Auditor, Role::HsmSo] {
            let locked = &mut |record: &mut RoleRecord| {
                (record.failed, record.locked) = (AUDITOR_ATTEMPTS, true);
            };
            partition.store.change_role(HSM, role.code(), locked).unwrap();
        }
        // Whoever logs in, the zeroisation that is owed comes first; the Auditor outlives it.
        assert_eq!(login(Role::Auditor), Err(Cause::AuditLoginTimeoutInProgress));
        assert_eq!(login(Role::HsmSo), Err(Cause::UserPinNotInitialized));
        let Reply::Description(told) = partition.handle(&Request::Describe).unwrap() else {
            panic!()
        };
        assert_eq!(told.flags & CKF_TOKEN_INITIALIZED, 0);
        clock.advance(Duration::from_secs(AUDITOR_WAITS_SECONDS));
        assert_eq!(login(Role::Auditor), Ok(()));
    }
}
