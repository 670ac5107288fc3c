//! The vendor's functions an administrator's tools need, one method each.

use luna_ck::*;

use super::Library;
use super::calls::answer;
use super::marshal::ulong;
use crate::{Error, Result};

/// Room for a challenge that the HSM makes: it prints 16 characters (Documented, roles.md section 3).
const CHALLENGE_ROOM: usize = 256;

/// Entries a policy list may have before it is not believed.
const MOST_POLICIES: usize = 4096;

macro_rules! call {
    ($library:expr, $name:ident($($argument:expr),* $(,)?)) => {
        match $library.vendor.$name {
            // SAFETY: the type is that of the vendor's published bindings; each pointer is made here from a
            // value that outlives the call and is as large as the function fills.
            Some(function) => answer(stringify!($name), unsafe { function($($argument),*) }),
            None => Err(Error::Missing { function: stringify!($name) }),
        }
    };
}

/// A set of two arrays with a count each, in two passes.
type Set = unsafe extern "C" fn(
    CK_SLOT_ID,
    *mut CK_ULONG,
    *mut CK_ULONG,
    *mut CK_ULONG,
    *mut CK_ULONG,
) -> CK_RV;

impl Library {
    pub(crate) fn restart(&self, slot: CK_SLOT_ID) -> Result<()> {
        call!(self, CA_Restart(slot))
    }

    pub(crate) fn set_application_id(&self, major: CK_ULONG, minor: CK_ULONG) -> Result<()> {
        call!(self, CA_SetApplicationID(major, minor))
    }

    pub(crate) fn open_application_id(
        &self,
        slot: CK_SLOT_ID,
        major: CK_ULONG,
        minor: CK_ULONG,
    ) -> Result<()> {
        call!(self, CA_OpenApplicationID(slot, major, minor))
    }

    pub(crate) fn close_application_id(
        &self,
        slot: CK_SLOT_ID,
        major: CK_ULONG,
        minor: CK_ULONG,
    ) -> Result<()> {
        call!(self, CA_CloseApplicationID(slot, major, minor))
    }

    pub(crate) fn application_id(&self) -> Result<[u8; 16]> {
        let mut id = [0; 16];
        call!(self, CA_GetApplicationID(id.as_mut_ptr()))?;
        Ok(id)
    }

    pub(crate) fn set_container_name(&self, slot: CK_SLOT_ID, name: &[u8]) -> Result<()> {
        call!(self, CA_SetUserContainerName(slot, name.as_ptr().cast_mut(), ulong(name.len())))
    }

    pub(crate) fn create_login_challenge(
        &self,
        session: CK_SESSION_HANDLE,
        role: CK_USER_TYPE,
    ) -> Result<Vec<u8>> {
        let mut challenge = vec![0; CHALLENGE_ROOM];
        let mut len = ulong(challenge.len());
        let at = challenge.as_mut_ptr();
        let null = std::ptr::null_mut();
        call!(self, CA_CreateLoginChallenge(session, role, 0, null, &raw mut len, at))?;
        challenge.truncate(usize::try_from(len).unwrap_or(0));
        Ok(challenge)
    }

    pub(crate) fn deactivate(&self, slot: CK_SLOT_ID, role: CK_USER_TYPE) -> Result<()> {
        call!(self, CA_Deactivate(slot, role))
    }

    pub(crate) fn ha_init(&self, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> Result<()> {
        call!(self, CA_HAInit(session, key))
    }

    pub(crate) fn ha_master_public(&self, slot: CK_SLOT_ID) -> Result<Vec<u8>> {
        two_passes(|at, len| call!(self, CA_HAGetMasterPublic(slot, at, len)))
    }

    pub(crate) fn ha_login_challenge(
        &self,
        session: CK_SESSION_HANDLE,
        role: CK_USER_TYPE,
        certificate: &[u8],
    ) -> Result<Vec<u8>> {
        let (given, given_len) = (certificate.as_ptr().cast_mut(), ulong(certificate.len()));
        two_passes(|at, len| {
            call!(self, CA_HAGetLoginChallenge(session, role, given, given_len, at, len))
        })
    }

    pub(crate) fn ha_answer_challenge(
        &self,
        session: CK_SESSION_HANDLE,
        key: CK_OBJECT_HANDLE,
        challenge: &[u8],
    ) -> Result<Vec<u8>> {
        let (given, given_len) = (challenge.as_ptr().cast_mut(), ulong(challenge.len()));
        two_passes(|at, len| {
            call!(self, CA_HAAnswerLoginChallenge(session, key, given, given_len, at, len))
        })
    }

    /// What is answered is for the M of N leg; without one it is empty.
    pub(crate) fn ha_login(&self, session: CK_SESSION_HANDLE, answer: &[u8]) -> Result<Vec<u8>> {
        let (given, given_len) = (answer.as_ptr().cast_mut(), ulong(answer.len()));
        let mut mofn = vec![0; CHALLENGE_ROOM];
        let mut len = ulong(mofn.len());
        let at = mofn.as_mut_ptr();
        call!(self, CA_HALogin(session, given, given_len, at, &raw mut len))?;
        mofn.truncate(usize::try_from(len).unwrap_or(0));
        Ok(mofn)
    }

    pub(crate) fn factory_reset(&self, slot: CK_SLOT_ID) -> Result<()> {
        call!(self, CA_FactoryReset(slot, 0))
    }

    pub(crate) fn hsm_storage(&self, slot: CK_SLOT_ID) -> Result<[CK_ULONG; 4]> {
        let (mut overhead, mut total, mut used, mut free) = (0, 0, 0, 0);
        call!(
            self,
            CA_GetHSMStorageInformation(
                slot,
                &raw mut overhead,
                &raw mut total,
                &raw mut used,
                &raw mut free
            )
        )?;
        Ok([overhead, total, used, free])
    }

    pub(crate) fn hsm_capabilities(&self, slot: CK_SLOT_ID) -> Result<Vec<(CK_ULONG, CK_ULONG)>> {
        set("CA_GetHSMCapabilitySet", self.vendor.CA_GetHSMCapabilitySet, slot)
    }

    pub(crate) fn hsm_policies(&self, slot: CK_SLOT_ID) -> Result<Vec<(CK_ULONG, CK_ULONG)>> {
        set("CA_GetHSMPolicySet", self.vendor.CA_GetHSMPolicySet, slot)
    }

    pub(crate) fn set_hsm_policies(
        &self,
        session: CK_SESSION_HANDLE,
        policies: &[(CK_ULONG, CK_ULONG)],
        destructive: bool,
    ) -> Result<()> {
        let (mut ids, mut values): (Vec<_>, Vec<_>) = policies.iter().copied().unzip();
        let (count, ids, values) = (ulong(policies.len()), ids.as_mut_ptr(), values.as_mut_ptr());
        if destructive {
            call!(self, CA_SetDestructiveHSMPolicies(session, count, ids, values))
        } else {
            call!(self, CA_SetHSMPolicies(session, count, ids, values))
        }
    }
}

/// Asks for the length, then for the bytes.
fn two_passes(mut call: impl FnMut(*mut CK_BYTE, *mut CK_ULONG) -> Result<()>) -> Result<Vec<u8>> {
    let mut len = 0;
    call(std::ptr::null_mut(), &raw mut len)?;
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0).min(1 << 20)];
    len = ulong(bytes.len());
    call(bytes.as_mut_ptr(), &raw mut len)?;
    bytes.truncate(usize::try_from(len).unwrap_or(0));
    Ok(bytes)
}

fn set(
    name: &'static str,
    function: Option<Set>,
    slot: CK_SLOT_ID,
) -> Result<Vec<(CK_ULONG, CK_ULONG)>> {
    let function = function.ok_or(Error::Missing { function: name })?;
    let (mut n_ids, mut n_values) = (0, 0);
    let null = std::ptr::null_mut;
    // SAFETY: the type is that of the vendor's published bindings; null arrays ask for the counts.
    answer(name, unsafe { function(slot, null(), &raw mut n_ids, null(), &raw mut n_values) })?;
    let room = |count: CK_ULONG| {
        let what = "with a count no HSM has";
        let count = usize::try_from(count).ok().filter(|count| *count <= MOST_POLICIES);
        Ok(vec![0; count.ok_or(Error::Malformed { function: name, what })?.max(1)])
    };
    let (mut ids, mut values): (Vec<CK_ULONG>, Vec<CK_ULONG>) = (room(n_ids)?, room(n_values)?);
    // SAFETY: as above; each array is as long as its count says.
    answer(name, unsafe {
        function(slot, ids.as_mut_ptr(), &raw mut n_ids, values.as_mut_ptr(), &raw mut n_values)
    })?;
    if n_ids != n_values || n_ids > ulong(ids.len()) || n_values > ulong(values.len()) {
        let what = "numbers and values that do not match";
        return Err(Error::Malformed { function: name, what });
    }
    let count = usize::try_from(n_ids).unwrap_or(0);
    Ok(ids.into_iter().zip(values).take(count).collect())
}
