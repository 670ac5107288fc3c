//! Roles: their credentials, the counters of wrong ones, lock-out, and what each may do.
//!
//! Source: roles.md of the fact pack; its marks are repeated where they matter.

use std::num::NonZeroU32;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::seal::SealKey;
use crate::crypto::{kdf, random};
use crate::error::{Cause, Error, Result};
use crate::hsm::partition::{Partition, State};
use crate::hsm::session::{Login, Session};
use crate::hsm::store::{RoleRecord, Step};
use crate::mechanisms::broken;
use crate::wire::{Pin, RoleState};

/// Iterations of the PIN derivation: some two milliseconds, since every CI job logs in often. An
/// emulator's keys are worth no more (Assumed).
const ITERATIONS: u32 = 4096;

/// Partition policies of PINs and lock-out. Source: policies.md (20, 25 Documented; 26 recalled).
const POLICY_MAX_FAILED: u32 = 20;
const POLICY_MIN_PIN: u32 = 25;
const POLICY_MAX_PIN: u32 = 26;

/// HSM policies. Source: policies.md (Documented).
const HSM_POLICY_RESET_PIN: u32 = 15;
const HSM_POLICY_FORCE_CHANGE: u32 = 21;

/// What is asked of a role before it touches an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Right {
    /// Make, change or destroy.
    Manage {
        /// The object is private, or a key with something to guard.
        guarded: bool,
    },
    /// Use a private key.
    UsePrivate,
}

/// Whether a role has a right. Source: roles.md section 2 (Documented but for the rows it marks).
///
/// # Errors
/// `UserNotLoggedIn` without a role, `UserNotAuthorized` for one that lacks the right.
pub(super) fn check(role: Option<Role>, right: Right) -> Result<()> {
    let allowed = match (right, role) {
        (_, Some(Role::CryptoOfficer | Role::LimitedCryptoOfficer)) => true,
        (_, Some(Role::PartitionSo)) => false,
        (Right::Manage { guarded }, Some(Role::CryptoUser)) => !guarded,
        (Right::UsePrivate, Some(Role::CryptoUser)) => true,
        (Right::Manage { guarded: false }, None) => true,
        (Right::Manage { guarded: true } | Right::UsePrivate, None) => {
            return Err(Error::new(Cause::UserNotLoggedIn, "a private object wants a login"));
        }
    };
    if allowed {
        return Ok(());
    }
    let name = role.map_or("nobody", Role::name);
    Err(Error::new(Cause::UserNotAuthorized, format!("the {name} may not ({right:?})")))
}

/// A fresh record whose PIN opens `key`.
pub(super) fn new_record(
    role: Role,
    pin: &Pin,
    key: &SealKey,
    must_change: bool,
    version: u64,
) -> Result<RoleRecord> {
    let salt = random::bytes(16).map_err(broken)?.to_vec();
    let wrapped_key =
        derived(pin, &salt, ITERATIONS)?.seal(aad(role), key.expose()).map_err(broken)?;
    Ok(RoleRecord {
        role: role.code(),
        salt,
        iterations: ITERATIONS,
        wrapped_key,
        failed: 0,
        must_change,
        version,
        locked: false,
    })
}

fn aad(role: Role) -> &'static [u8] {
    role.name().as_bytes()
}

fn derived(pin: &Pin, salt: &[u8], iterations: u32) -> Result<SealKey> {
    let iterations = NonZeroU32::new(iterations)
        .ok_or_else(|| Error::new(Cause::DeviceError, "the store holds a role without salt"))?;
    Ok(SealKey::new(kdf::pbkdf2_sha256(pin.as_bytes(), salt, iterations)))
}

/// The partition's key, when the PIN is right.
fn open(record: &RoleRecord, role: Role, pin: &Pin) -> Result<Option<SealKey>> {
    let sealer = derived(pin, &record.salt, record.iterations)?;
    let Ok(opened) = sealer.open(aad(role), &record.wrapped_key) else { return Ok(None) };
    let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(
        opened
            .as_slice()
            .try_into()
            .map_err(|_| Error::new(Cause::DeviceError, "the store holds a damaged role"))?,
    );
    Ok(Some(SealKey::new(bytes)))
}

impl Partition {
    /// Wrong credentials after which the role is locked, or the partition zeroised.
    fn most_failures(&self, state: &State, role: Role) -> u32 {
        match role {
            Role::PartitionSo => self.profile.limits.partition_so_attempts,
            _ => u32::try_from(state.policy(POLICY_MAX_FAILED)).unwrap_or(10).clamp(1, 10),
        }
    }

    /// The key behind a PIN. A wrong one is counted, where every process sees it, before anybody
    /// hears of it.
    ///
    /// # Errors
    /// `PinIncorrect`, `PinLocked`, `SoLoginFailureThreshold`, `UserPinNotInitialized`.
    pub(super) fn authenticate(
        &self,
        state: &State,
        role: Role,
        pin: &Pin,
    ) -> Result<(SealKey, RoleRecord)> {
        let record = state.role(role)?.clone();
        if record.locked {
            return Err(locked(role));
        }
        let remembered = self.verified.recall(role, &record, pin);
        let key = match remembered {
            Some(key) => Some(key),
            None => open(&record, role, pin)?
                .inspect(|key| self.verified.remember(role, &record, pin, key)),
        };
        let key = match key {
            Some(key) if record.failed == 0 => return Ok((key, record)),
            key => key,
        };
        let most = self.most_failures(state, role);
        let right = key.is_some();
        let mut after = record.clone();
        self.store.change_role(&self.serial, role.code(), &mut |record| {
            // Another process may have changed the PIN or locked the role meanwhile.
            let same_pin = record.version == after.version;
            if !record.locked && same_pin {
                record.failed = if right { 0 } else { record.failed.saturating_add(1) };
                record.locked = record.failed >= most;
            }
            after = record.clone();
        })?;
        match key {
            Some(key) if !after.locked => Ok((key, after)),
            Some(_) => Err(locked(role)),
            None => Err(self.wrong_pin(role, &after, most)?),
        }
    }

    /// What a wrong PIN leads to. Source: roles.md section 4 (Documented).
    fn wrong_pin(&self, role: Role, after: &RoleRecord, most: u32) -> Result<Error> {
        if after.locked && role == Role::PartitionSo {
            self.store.apply(&[Step::WipePartition(self.serial.clone())])?;
            return Ok(Error::new(
                Cause::SoLoginFailureThreshold,
                format!("{most} wrong Partition SO credentials: the partition is zeroised"),
            ));
        }
        let left = most.saturating_sub(after.failed);
        Ok(Error::new(Cause::PinIncorrect, format!("{}: {left} attempts are left", role.name())))
    }

    /// `C_Login`.
    pub(super) fn login(&self, session: &Session, role: Role, pin: &Pin) -> Result<()> {
        let state = self.current()?;
        if role == Role::LimitedCryptoOfficer {
            return Err(Error::new(
                Cause::UserTypeInvalid,
                "the Limited Crypto Officer exists from firmware 7.7, on V1 partitions",
            ));
        }
        match session.application.role() {
            Some(same) if same == role => {
                return Err(Error::new(Cause::UserAlreadyLoggedIn, role.name()));
            }
            Some(other) => {
                return Err(Error::new(Cause::UserAnotherAlreadyLoggedIn, other.name()));
            }
            None => {}
        }
        if role == Role::PartitionSo && self.sessions.has_read_only(session.application.id) {
            return Err(Error::new(
                Cause::SessionReadOnlyExists,
                "the Partition SO logs in when no read-only session is open",
            ));
        }
        // A Crypto User is locked out with his Crypto Officer (Documented).
        if role == Role::CryptoUser && state.role(Role::CryptoOfficer).is_ok_and(|co| co.locked) {
            return Err(locked(Role::CryptoOfficer));
        }
        let (key, record) = self.authenticate(&state, role, pin)?;
        let login = Login { role, key, must_change: record.must_change };
        self.share(session.application.id, Some(&login))?;
        session.application.set_login(Some(Arc::new(login)));
        self.touch();
        Ok(())
    }

    /// `C_Logout`: for every session of the application. Private session objects go with it, and
    /// operations that hold private keys end.
    pub(super) fn logout(&self, session: &Session) -> Result<()> {
        if session.application.role().is_none() {
            return Err(Error::new(Cause::UserNotLoggedIn, "nobody is logged in"));
        }
        self.share(session.application.id, None)?;
        self.end_login(&session.application);
        Ok(())
    }

    /// `C_InitPIN` and `CA_InitRolePIN`: the Partition SO makes the Crypto Officer's credential,
    /// he the Crypto User's.
    pub(super) fn init_pin(&self, session: &Session, role: Role, pin: &Pin) -> Result<()> {
        let state = self.current()?;
        let login = session
            .application
            .login()
            .ok_or_else(|| Error::new(Cause::UserNotLoggedIn, "the owner of the role logs in"))?;
        let owner = match role {
            Role::CryptoOfficer => Role::PartitionSo,
            Role::LimitedCryptoOfficer | Role::CryptoUser => Role::CryptoOfficer,
            Role::PartitionSo => {
                return Err(Error::new(
                    Cause::UserTypeInvalid,
                    "C_InitToken makes the Partition SO",
                ));
            }
        };
        if login.role != owner {
            return Err(Error::new(
                Cause::UserNotAuthorized,
                format!("the {} makes the {}", owner.name(), role.name()),
            ));
        }
        check_pin(&state, pin)?;
        let old = self.store.role(&self.serial, role.code())?;
        if old.is_some()
            && role == Role::CryptoOfficer
            && self.hsm_policy(HSM_POLICY_RESET_PIN)? == 0
        {
            return Err(Error::new(
                Cause::OperationNotAllowed,
                "HSM policy 15 lets the Partition SO reset a Crypto Officer; it is off",
            ));
        }
        let version = old.map_or(1, |record| record.version + 1);
        let must_change = self.hsm_policy(HSM_POLICY_FORCE_CHANGE)? != 0;
        let record = new_record(role, pin, &login.key, must_change, version)?;
        self.store.apply(&[Step::PutRole(self.serial.clone(), record)])?;
        Ok(())
    }

    /// `C_SetPIN`: of the role that is logged in, or of the Crypto Officer when nobody is.
    pub(super) fn set_pin(&self, session: &Session, old: &Pin, new: &Pin) -> Result<()> {
        if !session.read_write {
            return Err(Error::new(
                Cause::SessionReadOnly,
                "a PIN changes in a read-write session",
            ));
        }
        let state = self.current()?;
        let role = session.application.role().unwrap_or(Role::CryptoOfficer);
        let (key, record) = self.authenticate(&state, role, old)?;
        check_pin(&state, new)?;
        let fresh = new_record(role, new, &key, false, record.version + 1)?;
        self.store.apply(&[Step::PutRole(self.serial.clone(), fresh)])?;
        if session.application.role() == Some(role) {
            let login = Login { role, key, must_change: false };
            self.share(session.application.id, Some(&login))?;
            session.application.set_login(Some(Arc::new(login)));
            self.touch();
        }
        Ok(())
    }

    /// What is to be said of a role.
    pub(super) fn role_state(&self, role: Role) -> Result<RoleState> {
        let state = self.current()?;
        let most = self.most_failures(&state, role);
        let record = self.store.role(&self.serial, role.code())?;
        Ok(record.map_or(
            RoleState {
                initialized: false,
                locked: false,
                must_change: false,
                attempts_left: u64::from(most),
            },
            |record| RoleState {
                initialized: true,
                locked: record.locked,
                must_change: record.must_change,
                attempts_left: u64::from(most.saturating_sub(record.failed)),
            },
        ))
    }
}

/// # Errors
/// `PinLenRange`, saying the bounds of policies 25 and 26.
pub(super) fn check_pin(state: &State, pin: &Pin) -> Result<()> {
    let (least, most) = pin_len(state);
    let len = pin.as_bytes().len() as u64;
    if (least..=most).contains(&len) {
        return Ok(());
    }
    Err(Error::new(Cause::PinLenRange, format!("a PIN has {least} to {most} bytes"))
        .by_policy(if len < least { POLICY_MIN_PIN } else { POLICY_MAX_PIN }))
}

/// Shortest and longest PIN in bytes; policy 25 holds 255 minus the shortest.
pub(super) fn pin_len(state: &State) -> (u64, u64) {
    (255_u64.saturating_sub(state.policy(POLICY_MIN_PIN)), state.policy(POLICY_MAX_PIN))
}

/// Which of the two codes a version answers is not documented; the standard's is (Assumed).
fn locked(role: Role) -> Error {
    Error::new(Cause::PinLocked, format!("the {} is locked out", role.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_of_rights() {
        use Role::{CryptoOfficer, CryptoUser, PartitionSo};
        let manage = |guarded| Right::Manage { guarded };
        for (role, right, answer) in [
            (Some(CryptoOfficer), manage(true), None),
            (Some(CryptoOfficer), Right::UsePrivate, None),
            (Some(CryptoUser), Right::UsePrivate, None),
            (Some(CryptoUser), manage(false), None),
            (Some(CryptoUser), manage(true), Some(Cause::UserNotAuthorized)),
            (Some(PartitionSo), manage(false), Some(Cause::UserNotAuthorized)),
            (Some(PartitionSo), Right::UsePrivate, Some(Cause::UserNotAuthorized)),
            (None, manage(false), None),
            (None, manage(true), Some(Cause::UserNotLoggedIn)),
            (None, Right::UsePrivate, Some(Cause::UserNotLoggedIn)),
        ] {
            let got = check(role, right).err().map(|error| error.cause());
            assert_eq!(got, answer, "{role:?} {right:?}");
        }
    }
}
