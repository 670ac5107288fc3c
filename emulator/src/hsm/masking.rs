//! Masked objects: they leave under a masking key and come back (SIM, and scalable key storage).
//!
//! The functions, that secrets guard a blob as M of N, that 0 handles are all objects, that a size
//! asks for nothing else, and the order of the handles: the vendor's header and samples (Documented).
//! Partition policies 3 and 7 (out) and 31 and 32 (in): policies.md (Documented); their codes Assumed.
//! The blob's form is ours. A *portable* blob is under the cloning domain, any other under the
//! partition's masking key (Assumed from the names), which can itself be cloned and rolled over.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::seal::SealKey;
use crate::crypto::{kdf, random, shares};
use crate::error::{Cause, Error, Result};
use crate::hsm::extra::{self, Entry};
use crate::hsm::objects::Held;
use crate::hsm::partition::Partition;
use crate::hsm::records;
use crate::hsm::rights::{self, Right};
use crate::hsm::session::Session;
use crate::mechanisms::broken;
use crate::object::{Attribute, Template};
use crate::output::{Output, Room};
use crate::wire::{Cloning, Guard, Reply, Rollover, Unmasking};

use std::sync::Arc;

/// Partition policies for private and for secret keys.
const POLICY_MASKING: (u32, u32) = (3, 7);
const POLICY_UNMASKING: (u32, u32) = (31, 32);

/// HSM policy 22, "offboard storage", of SIM: nothing leaves masked while it is off. Source:
/// policies.md (number, text and "SIM" seen on devices; what it forbids Assumed, by its name).
const HSM_POLICY_OFFBOARD: u32 = 22;

/// How every blob begins, and the version of its form.
const MAGIC: &[u8; 4] = b"LSIM";
const VERSION: u8 = 1;

/// Forms of authorisation (Documented: `defines.py`). Challenges and the secure port want a PED.
const PORTABLE: CK_ULONG = 4;

/// Secrets a blob is guarded by at most; a bound of ours.
const SECRETS_MAX: usize = 64;

/// Iterations of the derivation from a secret, as from a PIN (`role`).
const ITERATIONS: u32 = 4096;

/// Objects in one blob: the vendor's `MAX_SIM_OBJECTS` (value Documented, meaning Assumed).
const OBJECTS_MAX: usize = 2048;

/// The masking keys of a partition, sealed under its own.
#[derive(Clone, Deserialize, Serialize)]
struct MaskingKeys {
    now: Vec<u8>,
    /// During a rollover, what masked before.
    before: Option<Vec<u8>>,
}

const KEY_SEAL: &[u8] = b"masking key";

#[derive(Deserialize, Serialize)]
struct Blob {
    form: CK_ULONG,
    /// Which key masks it.
    key_id: [u8; 8],
    salt: [u8; 16],
    /// How many secrets are wanted.
    subset: usize,
    /// Shares of the secret that the body is under too, each sealed under one of the caller's.
    shares: Vec<Vec<u8>>,
    /// The objects.
    body: Vec<u8>,
}

/// The name of a masking key, which tells nothing of it.
fn key_id(key: &SealKey) -> Result<[u8; 8]> {
    let long = kdf::hkdf_sha256(key.expose(), b"luna emulator", b"masking: name of the key")
        .map_err(broken)?;
    let mut id = [0; 8];
    for (to, from) in id.iter_mut().zip(long.iter()) {
        *to = *from;
    }
    Ok(id)
}

/// The key of one blob: the masking key, and what the secrets guard.
fn body_key(masking: &SealKey, guarded: &[u8]) -> Result<SealKey> {
    let both = Zeroizing::new([masking.expose().as_slice(), guarded].concat());
    kdf::hkdf_sha256(&both, b"luna emulator", b"masking: blob").map(SealKey::new).map_err(broken)
}

fn secret_key(secret: &[u8], salt: &[u8]) -> SealKey {
    let iterations = NonZeroU32::new(ITERATIONS).unwrap_or(NonZeroU32::MIN);
    SealKey::new(kdf::pbkdf2_sha256(secret, salt, iterations))
}

/// # Errors
/// `SimAuthformInvalid` for a form that wants a PED, or that the number of secrets does not fit.
fn check_form(guard: &Guard) -> Result<()> {
    let secrets = guard.secrets.len();
    match guard.form {
        CKA_SIM_NO_AUTHORIZATION | CKA_SIM_PORTABLE_NO_AUTHORIZATION if secrets == 0 => Ok(()),
        CKA_SIM_PASSWORD | CKA_SIM_PORTABLE_PASSWORD if (1..=SECRETS_MAX).contains(&secrets) => {
            Ok(())
        }
        CKA_SIM_CHALLENGE
        | CKA_SIM_SECURE_PORT
        | CKA_SIM_PORTABLE_CHALLENGE
        | CKA_SIM_PORTABLE_SECURE_PORT => {
            Err(Error::new(Cause::SimAuthformInvalid, "the form wants a PED, and there is none"))
        }
        _ => Err(Error::new(
            Cause::SimAuthformInvalid,
            "no such form, or another number of secrets than it takes",
        )),
    }
}

fn corrupt() -> Error {
    Error::new(Cause::SimCorruptData, "the blob is damaged, or none")
}

fn unauthorized() -> Error {
    Error::new(Cause::SimAuthorizationFailed, "too few of the secrets are right")
}

/// Whether a blob that travels holds the masking key and no object.
pub(super) fn is_masking_key(blob: &[u8]) -> bool {
    blob.first() == Some(&TRAVELLING)
}

/// The first byte of a masking key that travels; objects have others (`clone`).
const TRAVELLING: u8 = 2;

impl Partition {
    pub(super) fn handle_masking(&self, session: &Session, step: &Cloning<'_>) -> Result<Reply> {
        match step {
            Cloning::Mask { objects, guard, delete, room } => {
                self.mask(session, objects, guard, *delete, *room)
            }
            Cloning::Unmask { guard, blob, purpose } => self.unmask(session, guard, blob, *purpose),
            Cloning::Rollover(rollover) => self.roll_over(session, *rollover),
            _ => Err(Error::new(Cause::GeneralError, "a request went to the wrong room")),
        }
    }

    /// # Errors
    /// `OperationNotAllowed` by policies 3 and 7 and by HSM policy 22 (code Assumed);
    /// `UserNotLoggedIn`, `UserNotAuthorized`.
    fn mask(
        &self,
        session: &Session,
        handles: &[ObjectHandle],
        guard: &Guard,
        delete: bool,
        room: Room,
    ) -> Result<Reply> {
        rights::check(session.application.role(), Right::Make)?;
        check_form(guard)?;
        if !self.current()?.hsm_allows(HSM_POLICY_OFFBOARD) {
            return Err(Error::new(
                Cause::OperationNotAllowed,
                "HSM policy 22 is off: nothing is stored off the board",
            ));
        }
        let held: Vec<Arc<Held>> = if handles.is_empty() {
            self.search(&session.application, &Template::new())?
        } else {
            handles
                .iter()
                .map(|handle| self.seen_by(&session.application, *handle))
                .collect::<Result<_>>()?
        };
        if held.len() > OBJECTS_MAX {
            return Err(Error::new(
                Cause::DataLenRange,
                format!("one blob holds {OBJECTS_MAX} objects at most"),
            ));
        }
        for object in &held {
            self.check_masking(object.object.class().class, POLICY_MASKING)?;
            if delete {
                self.may_change(session, object)?;
            }
        }
        let blob = self.masked(session, &held, guard)?;
        let output = match room.refuse(blob.len(), blob.len()) {
            Some(refused) => refused,
            None => Output::Data(blob),
        };
        if delete && output.is_final() {
            for object in &held {
                self.destroy(session, object.handle)?;
            }
        }
        Ok(Reply::Output(output))
    }

    fn masked(&self, session: &Session, held: &[Arc<Held>], guard: &Guard) -> Result<Vec<u8>> {
        let mut objects = Vec::with_capacity(held.len());
        for object in held {
            objects.push(records::encode(object.object.attributes())?.to_vec());
        }
        let plain = Zeroizing::new(
            postcard::to_allocvec(&objects)
                .map_err(|_| Error::new(Cause::FunctionFailed, "objects do not encode"))?,
        );
        let masking = if guard.form >= PORTABLE {
            self.domain(session)?
        } else {
            self.masking_keys(session)?.swap_remove(0)
        };
        let mut salt = [0; 16];
        random::fill(&mut salt).map_err(broken)?;
        let (mut guarded, mut sealed) = (Zeroizing::new(Vec::new()), Vec::new());
        if !guard.secrets.is_empty() {
            guarded = random::bytes(32).map_err(broken)?;
            let parts = shares::split(&guarded, guard.subset, guard.secrets.len())
                .map_err(|_| Error::new(Cause::ArgumentsBad, "M of N with 1 <= M <= N"))?;
            for (part, secret) in parts.iter().zip(&guard.secrets) {
                let by = secret_key(secret.as_bytes(), &salt);
                sealed.push(by.seal(b"share", part).map_err(broken)?);
            }
        }
        let blob = Blob {
            form: guard.form,
            key_id: key_id(&masking)?,
            salt,
            subset: guard.subset,
            shares: sealed,
            body: body_key(&masking, &guarded)?.seal(MAGIC, &plain).map_err(broken)?,
        };
        let mut bytes = [MAGIC.as_slice(), &[VERSION]].concat();
        bytes.extend(
            postcard::to_allocvec(&blob)
                .map_err(|_| Error::new(Cause::FunctionFailed, "a blob does not encode"))?,
        );
        Ok(bytes)
    }

    fn unmasked(&self, session: &Session, guard: &Guard, bytes: &[u8]) -> Result<Vec<Template>> {
        check_form(guard)?;
        let blob: Blob = match bytes.strip_prefix(MAGIC).and_then(<[u8]>::split_first) {
            Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| corrupt())?,
            Some(_) => {
                return Err(Error::new(Cause::SimVersionUnsupported, "a blob of another release"));
            }
            None => return Err(corrupt()),
        };
        if blob.form != guard.form {
            return Err(Error::new(Cause::SimAuthformInvalid, "the blob has another form"));
        }
        let candidates = if blob.form >= PORTABLE {
            self.domains(session)?
        } else {
            self.masking_keys(session)?
        };
        let mut masking = None;
        for key in candidates {
            if key_id(&key)? == blob.key_id {
                masking = Some(key);
                break;
            }
        }
        let masking = masking.ok_or_else(|| {
            Error::new(Cause::SmkIdNotFound, "the blob was masked by a key that is not here")
        })?;
        let guarded = if blob.shares.is_empty() {
            Zeroizing::new(Vec::new())
        } else {
            let found = recovered(&blob, guard);
            shares::join(&found, blob.subset).map_err(|_| unauthorized())?
        };
        let plain = body_key(&masking, &guarded)?.open(MAGIC, &blob.body).map_err(|_| corrupt())?;
        let objects: Vec<Vec<u8>> = postcard::from_bytes(&plain).map_err(|_| corrupt())?;
        objects.into_iter().map(|bytes| records::decode(&Zeroizing::new(bytes))).collect()
    }

    /// # Errors
    /// The `Sim` ones and `SmkIdNotFound`; `OperationNotAllowed` by policies 31 and 32 (code Assumed).
    fn unmask(
        &self,
        session: &Session,
        guard: &Guard,
        blob: &[u8],
        purpose: Unmasking,
    ) -> Result<Reply> {
        rights::check(session.application.role(), Right::Make)?;
        let objects = self.unmasked(session, guard, blob)?;
        if purpose == Unmasking::Count {
            return Ok(Reply::Size(objects.len() as u64));
        }
        for object in &objects {
            self.check_masking(records::class_of(object)?.class, POLICY_UNMASKING)?;
        }
        let mut found = Vec::with_capacity(objects.len());
        if purpose == Unmasking::Borrow {
            let [object] = objects.as_slice() else {
                return Err(Error::new(Cause::ArgumentsBad, "a blob of one key is wanted"));
            };
            let mut object = object.clone();
            object.remove(CKA_OUID);
            object.set(Attribute::flag(CKA_TOKEN, false));
            let class = records::class_of(&object)?;
            found.push(self.add_copy(session, class, object, None)?);
        } else {
            for object in objects {
                found.push(self.settle_in(session, object, None)?);
            }
        }
        Ok(Reply::Objects(found))
    }

    fn check_masking(&self, class: CK_OBJECT_CLASS, policies: (u32, u32)) -> Result<()> {
        let policy = match class {
            CKO_PRIVATE_KEY => policies.0,
            CKO_SECRET_KEY => policies.1,
            _ => return Ok(()),
        };
        // A policy that does not show is off: these came with a firmware.
        if self.current()?.policy(policy) != 0 {
            return Ok(());
        }
        Err(Error::new(Cause::OperationNotAllowed, "the partition forbids it").by_policy(policy))
    }

    /// The masking key, made when it is first asked for, and during a rollover the one before it.
    fn masking_keys(&self, session: &Session) -> Result<Vec<SealKey>> {
        let own = self.own_key(session)?;
        let kept = extra::read::<MaskingKeys>(&self.current()?.record, Entry::MaskingKey)?;
        let kept = match kept {
            Some(kept) => kept,
            None => {
                let fresh = fresh_key(&own)?;
                self.change_extra(Entry::MaskingKey, &mut |now: Option<MaskingKeys>, _| {
                    let keys =
                        now.unwrap_or_else(|| MaskingKeys { now: fresh.clone(), before: None });
                    Ok((Some(keys.clone()), keys))
                })?
            }
        };
        std::iter::once(&kept.now)
            .chain(&kept.before)
            .map(|sealed| {
                let opened = own.open(KEY_SEAL, sealed).ok();
                let key = opened.and_then(|bytes| bytes.as_slice().try_into().ok());
                key.map(|key| SealKey::new(Zeroizing::new(key))).ok_or_else(|| {
                    Error::new(Cause::DeviceError, "the store holds a damaged masking key")
                })
            })
            .collect()
    }

    /// # Errors
    /// `OperationActive` for a rollover in a rollover, `OperationNotInitialized` for the end or the
    /// state of none (codes Assumed).
    fn roll_over(&self, session: &Session, rollover: Rollover) -> Result<Reply> {
        rights::check(session.application.role(), Right::Make)?;
        self.masking_keys(session)?;
        let fresh = fresh_key(&self.own_key(session)?)?;
        self.change_extra(Entry::MaskingKey, &mut |now: Option<MaskingKeys>, _| {
            let keys = now
                .ok_or_else(|| Error::new(Cause::DeviceError, "the store lost the masking key"))?;
            let keys = match (rollover, keys.before.is_some()) {
                (Rollover::Start, false) => {
                    MaskingKeys { now: fresh.clone(), before: Some(keys.now) }
                }
                (Rollover::End, true) => MaskingKeys { now: keys.now, before: None },
                (Rollover::Query, true) => keys,
                (Rollover::Start, true) => {
                    return Err(Error::new(Cause::OperationActive, "a rollover is under way"));
                }
                (Rollover::End | Rollover::Query, false) => {
                    return Err(Error::new(
                        Cause::OperationNotInitialized,
                        "no rollover is under way",
                    ));
                }
            };
            Ok((Some(keys), ()))
        })?;
        Ok(Reply::Done)
    }

    /// The masking key under the domain.
    pub(super) fn pack_masking_key(&self, session: &Session) -> Result<Vec<u8>> {
        let key = self.masking_keys(session)?.swap_remove(0);
        let sealed = self.domain(session)?.seal(KEY_SEAL, key.expose()).map_err(broken)?;
        Ok([&[TRAVELLING], sealed.as_slice()].concat())
    }

    /// Takes another partition's masking key in place of the own (Assumed: the sample names no other
    /// effect); what the old one masked comes in no longer.
    ///
    /// # Errors
    /// `CloneFailed` for one of another domain.
    pub(super) fn unpack_masking_key(&self, session: &Session, blob: &[u8]) -> Result<()> {
        rights::check(session.application.role(), Right::Make)?;
        let sealed = blob.strip_prefix(&[TRAVELLING]).unwrap_or_default();
        let opened = self.domain(session)?.open(KEY_SEAL, sealed).map_err(|_| {
            Error::new(Cause::CloneFailed, "the masking key comes from another cloning domain")
        })?;
        let own = self.own_key(session)?.seal(KEY_SEAL, &opened).map_err(broken)?;
        self.change_extra(Entry::MaskingKey, &mut |_: Option<MaskingKeys>, _| {
            Ok((Some(MaskingKeys { now: own.clone(), before: None }), ()))
        })
    }
}

fn fresh_key(own: &SealKey) -> Result<Vec<u8>> {
    let key = SealKey::generate().map_err(broken)?;
    own.seal(KEY_SEAL, key.expose()).map_err(broken)
}

/// The shares that the caller's secrets open, each once.
fn recovered(blob: &Blob, guard: &Guard) -> Vec<Zeroizing<Vec<u8>>> {
    let keys: Vec<SealKey> =
        guard.secrets.iter().map(|secret| secret_key(secret.as_bytes(), &blob.salt)).collect();
    blob.shares
        .iter()
        .filter_map(|share| keys.iter().find_map(|key| key.open(b"share", share).ok()))
        .collect()
}
