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
use crate::hsm::lock_out::locked;
use crate::hsm::partition::{Partition, State};
use crate::hsm::ped::{CHALLENGE, as_challenge};
use crate::hsm::rights::{self, Right};
use crate::hsm::session::{Login, Session};
use crate::hsm::store::{RoleRecord, Step};
use crate::mechanisms::broken;
use crate::profile::Authentication;
use crate::wire::{Pin, RoleState};

/// Iterations of the PIN derivation: some two milliseconds, since every CI job logs in often. An
/// emulator's keys are worth no more (Assumed).
const ITERATIONS: u32 = 4096;

/// Partition policies of PINs. Source: policies.md (25 Documented; 26 recalled).
const POLICY_MIN_PIN: u32 = 25;
const POLICY_MAX_PIN: u32 = 26;

/// Whether wrong challenges are passed over. Source: policies.md (recalled).
const POLICY_IGNORE_CHALLENGES: u32 = 15;

/// HSM policies. Source: policies.md (Documented).
const HSM_POLICY_RESET_PIN: u32 = 15;
const HSM_POLICY_FORCE_CHANGE: u32 = 21;

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
    /// The key behind a credential. A wrong one is counted, where every process sees it, before
    /// anybody hears of it.
    ///
    /// # Errors
    /// `PinIncorrect`, `ChallengeIncorrect`, `PinLocked`, `SoLoginFailureThreshold`,
    /// `UserPinNotInitialized`; `PedUnplugged` where a PED that is not attached is to ask;
    /// `ArgumentsBad` for a PIN where a PED asks, and the other way round: neither is counted.
    pub(super) fn authenticate(
        &self,
        state: &State,
        role: Role,
        pin: &Pin,
    ) -> Result<(SealKey, RoleRecord)> {
        if self.finish_lock_outs(state, role)? {
            return self.authenticate(&*self.current()?, role, pin);
        }
        if state.authentication == Authentication::Password {
            if pin.is_from_ped() {
                return Err(Error::new(Cause::ArgumentsBad, "a PIN is wanted: the HSM has no PED"));
            }
            return self.try_credential(state, state.role(role)?, role, pin);
        }
        let primary = state.role(role)?;
        match (state.challenge(role), pin.is_from_ped()) {
            (None, true) => {
                let key = self.ask_ped(state, role)?;
                self.try_credential(state, primary, role, &key)
            }
            (None, false) => Err(Error::new(
                Cause::ArgumentsBad,
                "the PED asks: the role has no challenge that could be given",
            )),
            (Some(_), true) => Err(Error::new(
                Cause::ArgumentsBad,
                "the role's challenge is wanted, beside its PED key or its activation",
            )),
            (Some(challenge), false) => {
                if !self.is_activated(state, role) {
                    let key = self.ask_ped(state, role)?;
                    self.try_credential(state, primary, role, &key)?;
                }
                let proved = self.try_credential(state, challenge, role, pin)?;
                self.activate(state, role)?;
                Ok(proved)
            }
        }
    }

    /// Tries one credential, the first of a role or its challenge.
    fn try_credential(
        &self,
        state: &State,
        record: &RoleRecord,
        role: Role,
        pin: &Pin,
    ) -> Result<(SealKey, RoleRecord)> {
        let record = record.clone();
        if record.locked || state.role(role)?.locked {
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
        let is_challenge = record.role & CHALLENGE != 0;
        if key.is_none() && is_challenge && state.allows(POLICY_IGNORE_CHALLENGES) {
            return Err(Error::new(Cause::ChallengeIncorrect, "it is not counted")
                .by_policy(POLICY_IGNORE_CHALLENGES));
        }
        let most = self.most_failures(state, role);
        let right = key.is_some();
        let mut after = record.clone();
        let mut heard = false;
        self.store.change_role(&self.serial, record.role, &mut |now| {
            // Another process may have changed the PIN or locked the role meanwhile.
            let same_pin = now.version == record.version;
            heard = !now.locked;
            if heard && same_pin {
                now.failed = if right { 0 } else { now.failed.saturating_add(1) };
                now.locked = now.failed >= most;
            }
            after = now.clone();
        })?;
        match key {
            Some(key) if !after.locked => Ok((key, after)),
            Some(_) => Err(locked(role)),
            // Others have locked it meanwhile: this one was not counted.
            None if !heard => Err(locked(role)),
            None => Err(self.wrong_pin(role, &after, most, is_challenge)?),
        }
    }

    /// `C_Login`.
    pub(super) fn login(&self, session: &Session, role: Role, pin: &Pin) -> Result<()> {
        let state = self.current()?;
        let role = state.own_role(role)?;
        if let Some(other) = session.application.role() {
            return Err(logged_in(role, other));
        }
        if role.is_security_officer() && self.sessions.has_read_only(session.application.id) {
            return Err(Error::new(
                Cause::SessionReadOnlyExists,
                format!("the {} logs in when no read-only session is open", role.name()),
            ));
        }
        // The HSM SO has to get in to clear what keeps the others out.
        if role != Role::HsmSo {
            state.need_operational()?;
        }
        // A Crypto User is locked out with his Crypto Officer (Documented).
        if role == Role::CryptoUser && state.role(Role::CryptoOfficer).is_ok_and(|co| co.locked) {
            return Err(locked(Role::CryptoOfficer));
        }
        let (key, record) = self.authenticate(&state, role, pin)?;
        let login = Arc::new(Login { role, key, must_change: record.must_change });
        // Two threads may have come so far at once; one of them logs in.
        if let Some(other) = session.application.take_login(Arc::clone(&login)) {
            return Err(logged_in(role, other));
        }
        self.share(session.application.id, Some(&login))
            .inspect_err(|_| session.application.set_login(None))?;
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

    /// `C_InitPIN` and `CA_InitRolePIN`: the security officer makes the Crypto Officer's or the
    /// Administrator's credential, the Crypto Officer those of his users.
    pub(super) fn init_pin(&self, session: &Session, role: Role, pin: &Pin) -> Result<()> {
        let state = self.current()?;
        let role = state.own_role(role)?;
        let right = match role {
            Role::CryptoOfficer => Right::AdministerPartition,
            Role::LimitedCryptoOfficer | Role::CryptoUser => Right::MakeUsers,
            Role::Administrator => Right::AdministerHsm,
            Role::PartitionSo | Role::HsmSo => {
                return Err(Error::new(
                    Cause::UserTypeInvalid,
                    "C_InitToken makes the security officer",
                ));
            }
            Role::Auditor => {
                return Err(Error::new(Cause::UserTypeInvalid, "CA_InitAudit makes the Auditor"));
            }
        };
        let login = session
            .application
            .login()
            .ok_or_else(|| Error::new(Cause::UserNotLoggedIn, "the owner of the role logs in"))?;
        rights::check(Some(login.role), right)?;
        let pin = self.new_credential(&state, role, pin)?;
        let old = self.store.role(&self.serial, role.code())?;
        if old.is_some()
            && role == Role::CryptoOfficer
            && state.hsm_policy(HSM_POLICY_RESET_PIN) == 0
        {
            let rule = "HSM policy 15 lets the Partition SO reset a Crypto Officer; it is off";
            return Err(state.codes.reset_off.error(rule));
        }
        let version = old.map_or(1, |record| record.version + 1);
        // A PED key is nobody's to choose, so that there is nothing to change.
        let must_change = state.authentication == Authentication::Password
            && state.hsm_policy(HSM_POLICY_FORCE_CHANGE) != 0;
        let record = new_record(role, &pin, &login.key, must_change, version)?;
        self.store.apply(&[Step::PutRole(self.serial.clone(), record)])?;
        Ok(())
    }

    /// `C_SetPIN`: of the role that is logged in, or of the Crypto Officer when nobody is; on a PED
    /// partition the role's challenge, or its key where the PED asks.
    pub(super) fn set_pin(&self, session: &Session, old: &Pin, new: &Pin) -> Result<()> {
        if !session.read_write {
            return Err(Error::new(
                Cause::SessionReadOnly,
                "a PIN changes in a read-write session",
            ));
        }
        let state = self.current()?;
        let role = match session.application.role() {
            Some(role) => role,
            None => state.own_role(Role::CryptoOfficer)?,
        };
        let (key, record) = self.authenticate(&state, role, old)?;
        let fresh = if record.role & CHALLENGE == 0 {
            let new = self.new_credential(&state, role, new)?;
            new_record(role, &new, &key, false, record.version + 1)?
        } else {
            check_pin(&state, new)?;
            as_challenge(new_record(role, new, &key, false, record.version + 1)?)
        };
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
        let role = state.own_role(role)?;
        let most = self.most_failures(&state, role);
        let record = self.store.role(&self.serial, role.code())?;
        let challenge = self.store.role(&self.serial, role.code() | CHALLENGE)?;
        let failed = |it: &RoleRecord| it.failed;
        let failures = record.as_ref().map_or(0, failed).max(challenge.as_ref().map_or(0, failed));
        let method = match state.authentication {
            _ if record.is_none() => 0,
            Authentication::Password => 1,
            Authentication::Ped => 2,
        };
        let is =
            |flag: fn(&RoleRecord) -> bool, it: &Option<RoleRecord>| it.as_ref().is_some_and(flag);
        Ok(RoleState {
            initialized: record.is_some(),
            locked: is(|it| it.locked, &record) || is(|it| it.locked, &challenge),
            activated: self.is_activated(&state, role),
            must_change: is(|it| it.must_change, &record),
            challenge_must_change: is(|it| it.must_change, &challenge),
            authentication: (method, u8::from(challenge.is_some())),
            attempts_left: u64::from(most.saturating_sub(failures)),
        })
    }

    /// A credential a role is to have from now on: the caller's PIN, or what the PED has for it.
    ///
    /// # Errors
    /// `PinLenRange`; `PedUnplugged`; `ArgumentsBad` for a PIN where a PED asks, and the other way
    /// round.
    pub(super) fn new_credential(&self, state: &State, role: Role, pin: &Pin) -> Result<Pin> {
        match (state.authentication, pin.is_from_ped()) {
            (Authentication::Password, false) => {
                check_pin(state, pin)?;
                Ok(pin.clone())
            }
            (Authentication::Ped, true) => self.ask_ped(state, role),
            (Authentication::Password, true) => {
                Err(Error::new(Cause::ArgumentsBad, "a PIN is wanted: the HSM has no PED"))
            }
            (Authentication::Ped, false) => {
                Err(Error::new(Cause::ArgumentsBad, "the PED asks for its key: no PIN is wanted"))
            }
        }
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

/// What a login says where `other` is logged in.
fn logged_in(role: Role, other: Role) -> Error {
    let same = other == role;
    let cause = if same { Cause::UserAlreadyLoggedIn } else { Cause::UserAnotherAlreadyLoggedIn };
    Error::new(cause, other.name())
}
