//! The device: zeroisation, tamper, secure transport, its state and its self-tests.
//!
//! Source: the calls from pycryptoki (Documented); policies.md section 4 on policies 40 and 48;
//! what stays and what goes as marked.

use std::collections::BTreeMap;

use crate::ck::*;
use crate::crypto::hash::{Hash, digest};
use crate::crypto::hmac::HmacKey;
use crate::crypto::random;
use crate::error::{Cause, Error, Result};
use crate::hsm::facts::{self, HsmFacts};
use crate::hsm::partition::{Partition, State};
use crate::hsm::ped::need_ped;
use crate::hsm::rights::{self, Right};
use crate::hsm::session::Session;
use crate::hsm::store::Step;
use crate::mechanisms::broken;
use crate::profile::Authentication;
use crate::wire::{DeviceState, TamperKey};

use super::need;

const CLONING: u32 = 7;
const REMOTE_PED: u32 = 25;
const SPLIT_OUTSIDE: u32 = 26;

/// Bits of `CA_GetTSV` and of `CA_MTKGetState`. Source: pycryptoki's `defines.py` (numbers
/// Documented; which of the vector's bytes a bit is in is not published: Assumed).
const TSV_FUNCTIONAL: u64 = 0x2;
const TSV_ERROR: u64 = 0x3;
const TSV_CLONING_ENABLED: u64 = 0x20;
const TSV_MISSING_MTK: u64 = 0x40;
const TSV_DOMESTIC: u64 = 0x80;
const MTK_SOFT_ZEROIZE: u64 = 0x4;

/// Self-tests by number: hardware, crypto, randomness, and the vendor's others up to the last.
/// Source: pycryptoki's `defines.py` and its functional tests, which run 1, 2 and 7 (Documented).
const LAST_SELF_TEST: u64 = 0x27;

/// Licences: their numbers and words. Source: recalled from appliances' `hsm showInfo`.
const LICENCES: &[(u64, &str)] = &[
    (621_000_068, "K7 base configuration"),
    (620_127, "Elliptic curve cryptography"),
    (620_114, "Key backup via cloning protocol"),
    (621_000_099, "Enable per-partition SO"),
];

impl Partition {
    /// Partitions, roles and keys go; policies and the Auditor stay.
    ///
    /// Source: roles.md section 4 for the HSM SO's third wrong credential, and the list of calls for
    /// `CA_Zeroize` (Documented: policies stay; the Auditor's stay Assumed).
    pub(in crate::hsm) fn zeroize_hsm(&self) -> Result<()> {
        self.zeroize_under(None)
    }

    /// The same, with HSM policies that hold from then on: a process that dies amid it leaves either
    /// the old HSM or the new one.
    pub(super) fn zeroize_under(&self, policies: Option<BTreeMap<u32, u64>>) -> Result<()> {
        let mut steps = self.removals()?;
        steps.push(Step::WipePartition(self.serial.clone()));
        steps.extend(self.auditor_kept()?);
        let mut hsm = self.store.hsm()?;
        let mut kept: HsmFacts = facts::read(&hsm.extra)?;
        kept.partitions.clear();
        hsm.extra = facts::write(&kept)?;
        if let Some(policies) = policies {
            hsm.policies = policies;
        }
        steps.push(Step::PutHsm(hsm));
        self.store.apply(&steps)?;
        self.refresh()
    }

    /// The step that lets the Auditor survive what wipes the admin partition.
    pub(in crate::hsm) fn auditor_kept(&self) -> Result<Option<Step>> {
        let auditor = self.store.role(&self.serial, Role::Auditor.code())?;
        Ok(auditor.map(|record| Step::PutRole(self.serial.clone(), record)))
    }

    /// `CA_FactoryReset`: policies too, the Auditor and his log (Assumed).
    pub(super) fn factory_reset(&self, state: &State) -> Result<()> {
        let mut steps = self.removals()?;
        steps.push(Step::WipePartition(self.serial.clone()));
        let mut hsm = self.store.hsm()?;
        hsm.policies.clear();
        hsm.extra = facts::write(&HsmFacts {
            authentication: state.hsm.authentication,
            ped_detached: state.hsm.ped_detached,
            long_outages: state.hsm.long_outages,
            ..HsmFacts::default()
        })?;
        steps.push(Step::PutHsm(hsm));
        self.store.apply(&steps)?;
        self.store.forget_records()?;
        self.refresh()
    }

    /// What the HSM is.
    pub(super) fn device(&self, state: &State) -> Result<DeviceState> {
        let broken = state.hsm.tampered || state.hsm.tamper_key_zeroized;
        let vector = [
            (broken, TSV_ERROR),
            (!broken && state.record.initialized, TSV_FUNCTIONAL),
            (state.hsm_policy(CLONING) != 0, TSV_CLONING_ENABLED),
            (state.hsm.tamper_key_zeroized, TSV_MISSING_MTK),
            (true, TSV_DOMESTIC),
        ];
        let up = self.clock.now().as_secs();
        Ok(DeviceState {
            state_vector: vector.iter().filter(|(set, _)| *set).fold(0, |all, (_, bit)| all | bit),
            tamper_key: if state.hsm.tamper_key_zeroized { MTK_SOFT_ZEROIZE } else { 0 },
            in_transport: state.hsm.in_transport,
            licences: LICENCES.iter().map(|(id, text)| (*id, (*text).to_owned())).collect(),
            remote_ped_vector: state.hsm.remote_ped_vector,
            has_ped: state.authentication == Authentication::Ped,
            up: (self.hsm_seconds(state).saturating_sub(up), up),
            commands: self.store.committed_generation()?,
            allowed_containers: self.allowed_containers(state),
            rollback_firmware: None,
        })
    }

    /// The master tamper key. From the slot as pycryptoki does it; splits outside want HSM policy 26
    /// and an HSM SO.
    ///
    /// # Errors
    /// `MtkStateInvalid` (Assumed), `MtkZeroized`.
    pub(super) fn change_tamper_key(
        &self,
        session: Option<&Session>,
        state: &State,
        change: TamperKey,
    ) -> Result<()> {
        match change {
            TamperKey::Resplit if state.hsm.tamper_key_zeroized => {
                Err(Error::new(Cause::MtkZeroized, "there is no master tamper key to split"))
            }
            TamperKey::Resplit => Ok(()),
            TamperKey::Restore => {
                self.change_hsm_facts(&mut |kept| kept.tamper_key_zeroized = false)
            }
            TamperKey::Zeroize => {
                self.change_hsm_facts(&mut |kept| kept.tamper_key_zeroized = true)?;
                // Whoever was logged in used keys under it.
                Ok(self.store.restart()?)
            }
            TamperKey::Store(place) => {
                need(session, Right::AdministerHsm)?;
                if place > 1 || (place == 1 && state.hsm_policy(SPLIT_OUTSIDE) == 0) {
                    return Err(Error::new(
                        Cause::MtkStateInvalid,
                        "a split lies inside (0), or outside (1) where HSM policy 26 lets it",
                    ));
                }
                self.change_hsm_facts(&mut |kept| kept.tamper_key_storage = place)
            }
        }
    }

    /// `CA_STMToggle`: the verification string comes of the HSM's key and the user's string, so that
    /// the same string at both ends says that it is the same HSM.
    ///
    /// # Errors
    /// `ConfigIllegal` for an HSM that is there already (code Assumed).
    pub(super) fn change_transport(
        &self,
        state: &State,
        enter: bool,
        user: &[u8],
    ) -> Result<Vec<u8>> {
        if state.hsm.in_transport == enter {
            let word = if enter { "in" } else { "not in" };
            return Err(Error::new(
                Cause::ConfigIllegal,
                format!("the HSM is {word} secure transport mode"),
            ));
        }
        let key = HmacKey::new(Hash::Sha256, self.device_key.expose()).map_err(broken)?;
        let verification = key.sign(user).map_err(broken)?;
        self.change_hsm_facts(&mut |kept| kept.in_transport = enter)?;
        let text: Vec<String> =
            verification.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(text.concat().into_bytes())
    }

    /// `CA_TamperClear`.
    ///
    /// # Errors
    /// `OperationNotAllowed` where there is nothing to clear (code Assumed).
    pub(super) fn clear_tamper(&self, state: &State) -> Result<()> {
        if !state.hsm.tampered {
            return Err(Error::new(Cause::OperationNotAllowed, "the HSM was not tampered with"));
        }
        self.change_hsm_facts(&mut |kept| kept.tampered = false)
    }

    /// The remote PED vector: HSM SO, PED HSMs, HSM policy 25.
    ///
    /// # Errors
    /// `UserNotAuthorized` from a user partition (Documented: pycryptoki's functional tests);
    /// `FunctionNotSupported` on a password HSM, `PedUnsupported` with the policy off (Assumed).
    pub(super) fn change_remote_ped_vector(
        &self,
        session: Option<&Session>,
        state: &State,
        make: bool,
    ) -> Result<()> {
        need_ped(state)?;
        rights::check(
            session.and_then(|session| session.application.role()),
            Right::AdministerHsm,
        )?;
        if state.hsm_policy(REMOTE_PED) == 0 {
            return Err(Error::new(Cause::PedUnsupported, "HSM policy 25 is off"));
        }
        self.change_hsm_facts(&mut |kept| kept.remote_ped_vector = make)
    }
}

/// `CA_PerformSelfTest`: what is tested for real is a known digest, and that randomness comes.
///
/// # Errors
/// `ArgumentsBad` for a test nobody knows (Assumed).
pub(super) fn self_test(number: u64) -> Result<()> {
    if number > LAST_SELF_TEST {
        return Err(Error::new(Cause::ArgumentsBad, format!("there is no self-test {number}")));
    }
    let seen = digest(Hash::Sha256, b"abc").map_err(broken)?;
    let random = random::bytes(32).map_err(broken)?;
    // FIPS 180-4, appendix B.1, and one chance in 2^256.
    if seen.get(..4) != Some(&[0xba, 0x78, 0x16, 0xbf]) || random.iter().all(|byte| *byte == 0) {
        return Err(Error::new(Cause::DeviceError, "a self-test failed"));
    }
    Ok(())
}
