//! A login by another HSM: who is logged in there brings a partition here back without its PIN.
//!
//! The functions and their order, who calls what in which session, that the key is an RSA key of 4096
//! bits that is good for nothing else, and that the login that comes of it is the Crypto Officer's on a
//! user partition: the vendor's JCPROV sample of HA login (Documented). Partition policy 21: policies.md.
//! What is in the messages is not published: here the partition's key is sealed to the public half of
//! the login key when that is installed; the other HSM, which has the private half, opens it and seals
//! it under a key that this session made for one login.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::hash::Hash;
use crate::crypto::seal::SealKey;
use crate::error::{Cause, Error, Result};
use crate::hsm::certificates;
use crate::hsm::extra::{self, Entry};
use crate::hsm::objects::Held;
use crate::hsm::partition::Partition;
use crate::hsm::session::{Login, Session};
use crate::mechanisms::{broken, keys};
use crate::wire::{RecoveryLogin, Reply};

use std::sync::Arc;

const POLICY_RECOVERY: u32 = 21;

/// Bits of a login key (Documented: the vendor's sample).
const LEAST_BITS: usize = 4096;

/// Usages a login key must not have.
const USAGES: &[CK_ATTRIBUTE_TYPE] =
    &[CKA_SIGN, CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE, CKA_SIGN_RECOVER];

/// What is kept of a login key.
#[derive(Deserialize, Serialize)]
struct Installed {
    /// Who may be logged in by it.
    roles: Vec<Role>,
    /// The partition's key under the public half.
    sealed: Vec<u8>,
    /// The public half: modulus and exponent.
    public: (Vec<u8>, Vec<u8>),
}

/// What the other HSM is asked.
#[derive(Deserialize, Serialize)]
struct Challenge {
    sealed: Vec<u8>,
    /// The key of this one login, under the public half.
    once: Vec<u8>,
}

/// A login that a session has asked for.
pub(super) struct Asked {
    role: Role,
    once: SealKey,
}

const LABEL: &[u8] = b"recovery login";

fn unfit(rule: &'static str) -> Error {
    Error::new(Cause::KeyInvalidForHaLogin, rule)
}

impl Partition {
    /// # Errors
    /// `OperationNotAllowed` while policy 21 is off (code Assumed), and those of each step.
    pub(super) fn handle_recovery(
        &self,
        session: SessionHandle,
        seat: Option<&Session>,
        step: &RecoveryLogin<'_>,
    ) -> Result<Reply> {
        if let RecoveryLogin::Certificate = step {
            return self.certificate(CKHSC_CERT_TYPE_ECC_TWC).map(Reply::Bytes);
        }
        let session = self.sessions.present(seat, session)?;
        if !self.current()?.allows(POLICY_RECOVERY) {
            return Err(Error::new(Cause::OperationNotAllowed, "no recovery by another HSM")
                .by_policy(POLICY_RECOVERY));
        }
        match step {
            RecoveryLogin::Install(key, roles) => {
                self.install(&session, *key, roles).map(|()| Reply::Done)
            }
            RecoveryLogin::Certificate => Ok(Reply::Done),
            RecoveryLogin::Challenge(role, certificate) => {
                self.challenge(&session, *role, certificate).map(Reply::Bytes)
            }
            RecoveryLogin::Answer(key, challenge) => {
                self.answer_challenge(&session, *key, challenge).map(Reply::Bytes)
            }
            RecoveryLogin::Login(answer) => {
                self.recovery_login(&session, answer).map(|()| Reply::Done)
            }
        }
    }

    /// The Partition SO installs any RSA key, the Crypto Officer one that is good for nothing else: so
    /// both the vendor's sample and pycryptoki's test hold (which of the two asks for what: Assumed).
    fn install(&self, session: &Session, key: ObjectHandle, roles: &[Role]) -> Result<()> {
        let login = session.application.login().ok_or_else(|| {
            Error::new(Cause::UserNotLoggedIn, "the role that is to be logged in installs the key")
        })?;
        let held = match login.role {
            Role::PartitionSo => self.held(&session.application, key),
            Role::CryptoOfficer => self.seen_by(&session.application, key),
            other => {
                return Err(Error::new(
                    Cause::UserNotAuthorized,
                    format!("the {} installs no login key", other.name()),
                ));
            }
        }
        .map_err(|error| error.recast(Cause::ObjectHandleInvalid, Cause::KeyHandleInvalid))?;
        check_key(&held, login.role)?;
        let private = keys::rsa_private(&held.object)?;
        let sealed = private
            .public()
            .encrypt_oaep(Hash::Sha256, Hash::Sha256, LABEL, login.key.expose())
            .map_err(|_| unfit("the key is too short"))?;
        let public = private.public();
        let public = (public.modulus().map_err(broken)?, public.exponent().map_err(broken)?);
        let roles = if roles.is_empty() { vec![login.role] } else { roles.to_vec() };
        self.change_extra(Entry::RecoveryLogin, &mut |_: Option<Installed>, _| {
            let (roles, sealed, public) = (roles.clone(), sealed.clone(), public.clone());
            Ok((Some(Installed { roles, sealed, public }), ()))
        })
    }

    /// Whether a login key is installed (`LUNA_CF_HA_INITIALIZED`).
    ///
    /// # Errors
    /// The store's.
    pub fn is_recoverable(&self) -> Result<bool> {
        let state = self.current()?;
        Ok(extra::read::<Installed>(&state.record, Entry::RecoveryLogin)?.is_some())
    }

    fn challenge(&self, session: &Session, role: Role, certificate: &[u8]) -> Result<Vec<u8>> {
        certificates::check_form(certificate)?;
        let state = self.current()?;
        let installed =
            extra::read::<Installed>(&state.record, Entry::RecoveryLogin)?.ok_or_else(|| {
                Error::new(Cause::OperationNotAllowed, "no login key was installed: CA_HAInit")
            })?;
        if !installed.roles.contains(&role) {
            return Err(Error::new(
                Cause::UserNotAuthorized,
                format!("the login key is not for the {}", role.name()),
            ));
        }
        state.role(role)?;
        let once = SealKey::generate().map_err(broken)?;
        let (modulus, exponent) = &installed.public;
        let public = crate::crypto::rsa::RsaPublicKey::new(modulus, exponent).map_err(broken)?;
        let under = public
            .encrypt_oaep(Hash::Sha256, Hash::Sha256, LABEL, once.expose())
            .map_err(broken)?;
        session.extras.lock().asked = Some(Asked { role, once });
        postcard::to_allocvec(&Challenge { sealed: installed.sealed, once: under })
            .map_err(|_| Error::new(Cause::FunctionFailed, "a challenge does not encode"))
    }

    fn answer_challenge(
        &self,
        session: &Session,
        key: ObjectHandle,
        challenge: &[u8],
    ) -> Result<Vec<u8>> {
        let login = session.application.login().ok_or_else(|| {
            Error::new(Cause::UserNotLoggedIn, "who answers for another HSM is logged in")
        })?;
        let held = match login.role {
            Role::PartitionSo => self.held(&session.application, key),
            _ => self.seen_by(&session.application, key),
        }
        .map_err(|error| error.recast(Cause::ObjectHandleInvalid, Cause::KeyHandleInvalid))?;
        let private = keys::rsa_private(&held.object)
            .map_err(|_| unfit("a login key is an RSA private key"))?;
        let challenge: Challenge = postcard::from_bytes(challenge).map_err(|_| not_ours())?;
        let opened = |sealed: &[u8]| {
            private.decrypt_oaep(Hash::Sha256, Hash::Sha256, LABEL, sealed).map_err(|_| not_ours())
        };
        let (partition, once) = (opened(&challenge.sealed)?, opened(&challenge.once)?);
        let once: [u8; 32] = once.as_slice().try_into().map_err(|_| not_ours())?;
        SealKey::new(Zeroizing::new(once)).seal(LABEL, &partition).map_err(broken)
    }

    /// One challenge is good for one login.
    fn recovery_login(&self, session: &Session, answer: &[u8]) -> Result<()> {
        let asked = session.extras.lock().asked.take().ok_or_else(|| {
            Error::new(Cause::OperationNotInitialized, "this session has made no challenge")
        })?;
        let wrong = || Error::new(Cause::ChallengeIncorrect, "this answers another challenge");
        let opened = asked.once.open(LABEL, answer).map_err(|_| wrong())?;
        let key: [u8; 32] = opened.as_slice().try_into().map_err(|_| wrong())?;
        let key = SealKey::new(Zeroizing::new(key));
        // The partition may have had another life since the key was installed.
        self.domain_key(&key).map_err(|_| wrong())?;
        let state = self.current()?;
        let record = state.role(asked.role)?;
        match session.application.role() {
            Some(same) if same == asked.role => {
                return Err(Error::new(Cause::UserAlreadyLoggedIn, same.name()));
            }
            Some(other) => {
                return Err(Error::new(Cause::UserAnotherAlreadyLoggedIn, other.name()));
            }
            None => {}
        }
        if record.locked {
            return Err(Error::new(
                Cause::PinLocked,
                format!("the {} is locked out", asked.role.name()),
            ));
        }
        let login = Login { role: asked.role, key, must_change: record.must_change };
        self.share(session.application.id, Some(&login))?;
        session.application.set_login(Some(Arc::new(login)));
        self.touch();
        Ok(())
    }
}

fn not_ours() -> Error {
    Error::new(Cause::ChallengeIncorrect, "the challenge is for another key, or damaged")
}

/// # Errors
/// `KeyInvalidForHaLogin`; `KeyExtractable`.
fn check_key(held: &Held, role: Role) -> Result<()> {
    let key = &held.object;
    let class = key.class();
    if class.class != CKO_PRIVATE_KEY || class.key_type != Some(CKK_RSA) {
        return Err(unfit("a login key is an RSA private key"));
    }
    if role == Role::PartitionSo {
        return Ok(());
    }
    if keys::bits(key)? < LEAST_BITS as u64 {
        return Err(unfit("a login key has 4096 bits"));
    }
    if let Some(usage) = USAGES.iter().find(|usage| key.is(**usage)) {
        return Err(unfit("a login key is for nothing else").about(*usage));
    }
    if key.is(CKA_EXTRACTABLE) {
        return Err(
            Error::new(Cause::KeyExtractable, "a login key does not leave").about(CKA_EXTRACTABLE)
        );
    }
    Ok(())
}
