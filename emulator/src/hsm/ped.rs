//! PED partitions: keys of a PED, challenges beside them, and activation.
//!
//! The PED is simulated with the right keys in it: whoever may be asked by it holds the right one.
//! What an application can get wrong is the challenge, and that no PED is attached. The challenge of
//! a role is a record of its own, beside the role's.
//!
//! Source: roles.md section 7 (Documented); where the challenge goes on logging in: Assumed.

use crate::ck::*;
use crate::crypto::seal::SealKey;
use crate::crypto::{kdf, random};
use crate::error::{Cause, Error, Result};
use crate::hsm::facts::Activation;
use crate::hsm::partition::{Partition, State};
use crate::hsm::rights::{self, Right};
use crate::hsm::role::{check_pin, new_record};
use crate::hsm::session::Session;
use crate::hsm::store::{RoleRecord, Step};
use crate::mechanisms::broken;
use crate::profile::Authentication;
use crate::wire::Pin;

/// Beside the number of a role: the record is its challenge.
pub(super) const CHALLENGE: u8 = 0x80;

/// Partition policies. Source: roles.md section 7 (Documented).
const POLICY_ACTIVATION: u32 = 22;
const POLICY_AUTO_ACTIVATION: u32 = 23;

/// Letters of a challenge that the HSM chooses, and how many. Source: the vendor's 7 to 16
/// (Documented: roles.md section 3); which letters: Assumed, those that are not mistaken.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPRSTWXYZabcdehkmn34";
const CHALLENGE_LEN: usize = 16;

/// A role's record as that of its challenge.
pub(super) fn as_challenge(record: RoleRecord) -> RoleRecord {
    RoleRecord { role: record.role | CHALLENGE, ..record }
}

/// What the PED's key of a role holds.
///
/// # Errors
/// When the crypto library fails.
pub(super) fn ped_key(device_key: &SealKey, serial: &str, role: Role) -> Result<Pin> {
    let name = format!("PED key of the {} of {serial}", role.name());
    let key =
        kdf::hkdf_sha256(device_key.expose(), b"luna emulator", name.as_bytes()).map_err(broken)?;
    Ok(Pin::new(&*key))
}

impl Partition {
    /// The key that the PED reads for a role.
    ///
    /// # Errors
    /// `PedUnplugged`.
    pub(super) fn ask_ped(&self, state: &State, role: Role) -> Result<Pin> {
        if state.hsm.ped_detached {
            return Err(Error::new(Cause::PedUnplugged, "no PED is attached to the HSM"));
        }
        ped_key(&self.device_key, &self.serial, role)
    }

    /// Whether the key of a role is cached: policy 22 lets it live until the power goes, policy 23
    /// through outages of up to two hours.
    pub(super) fn is_activated(&self, state: &State, role: Role) -> bool {
        let Some(cached) = state.facts.activated.get(&role.code().to_string()) else {
            return false;
        };
        if state.policy(POLICY_ACTIVATION) == 0 {
            return false;
        }
        cached.restarts == self.store.restarts()
            || (state.policy(POLICY_AUTO_ACTIVATION) != 0
                && cached.long_outages == state.hsm.long_outages)
    }

    /// Caches the key of a role that has just proved itself, where policy 22 lets it.
    pub(super) fn activate(&self, state: &State, role: Role) -> Result<()> {
        if state.policy(POLICY_ACTIVATION) == 0 || self.is_activated(state, role) {
            return Ok(());
        }
        let activation =
            Activation { restarts: self.store.restarts(), long_outages: state.hsm.long_outages };
        self.change_facts(&mut |facts| {
            facts.activated.insert(role.code().to_string(), activation);
        })
    }

    /// `CA_Deactivate`.
    ///
    /// # Errors
    /// `FunctionNotSupported` on a password HSM (Assumed).
    pub(super) fn deactivate(&self, role: Role) -> Result<()> {
        let state = self.current()?;
        let role = state.own_role(role)?;
        need_ped(&state)?;
        self.change_facts(&mut |facts| {
            facts.activated.remove(&role.code().to_string());
        })
    }

    /// `CA_CreateLoginChallenge`: the owner of a role makes its challenge; told where the HSM chose
    /// it. The role must change it at its first login.
    ///
    /// # Errors
    /// `FunctionNotSupported` on a password HSM (Assumed), `UserPinNotInitialized` for a role that
    /// has no key yet, those of the right.
    pub(super) fn create_challenge(
        &self,
        session: &Session,
        role: Role,
        chosen: Option<&Pin>,
    ) -> Result<Vec<u8>> {
        let state = self.current()?;
        let role = state.own_role(role)?;
        need_ped(&state)?;
        let right = match role {
            Role::CryptoOfficer => Right::AdministerPartition,
            Role::LimitedCryptoOfficer | Role::CryptoUser => Right::MakeUsers,
            _ => {
                return Err(Error::new(
                    Cause::UserTypeInvalid,
                    format!("the {} logs in by the PED alone", role.name()),
                ));
            }
        };
        let login = session
            .application
            .login()
            .ok_or_else(|| Error::new(Cause::UserNotLoggedIn, "the owner of the role logs in"))?;
        rights::check(Some(login.role), right)?;
        state.role(role)?;
        let challenge = match chosen {
            Some(chosen) => chosen.clone(),
            None => Pin::new(&letters()?),
        };
        check_pin(&state, &challenge)?;
        let version = state.challenge(role).map_or(1, |record| record.version + 1);
        let record = as_challenge(new_record(role, &challenge, &login.key, true, version)?);
        self.store.apply(&[Step::PutRole(self.serial.clone(), record)])?;
        Ok(challenge.as_bytes().to_vec())
    }
}

/// # Errors
/// `FunctionNotSupported` on a password HSM (Assumed).
pub(super) fn need_ped(state: &State) -> Result<()> {
    match state.authentication {
        Authentication::Ped => Ok(()),
        Authentication::Password => {
            Err(Error::new(Cause::FunctionNotSupported, "the HSM has no PED"))
        }
    }
}

fn letters() -> Result<Vec<u8>> {
    let bytes = random::bytes(CHALLENGE_LEN).map_err(broken)?;
    let letter = |byte: &u8| LETTERS.get(usize::from(*byte) % LETTERS.len()).copied();
    Ok(bytes.iter().filter_map(letter).collect())
}
