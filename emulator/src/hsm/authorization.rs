//! Keys with a secret of their own (per-key authorisation), on partitions of version 1.
//!
//! Whoever uses such a key has given its secret in that session. An *assigned* key is its user's alone:
//! the Crypto Officer can reset its secret no longer, nor change it. Sources: the attributes, functions
//! and codes from pycryptoki and the vendor's `Per_Key_Authorization_demo.c`, partition policies 40 and 41
//! (Documented); an assigned key is private, not modifiable and not extractable, and a secret has at
//! least 7 bytes (vendor's JCPROV `CloningSample`, Documented). Assumed: which code answers what where
//! only its name is published; ten wrong secrets lock a key until its secret is reset, and a right one
//! clears the count, as with roles; at most 255 bytes.
//!
//! The secret itself is kept nowhere: an object holds a salt and what PBKDF2 makes of both, sealed with
//! the key. A wrong secret is counted in the store before anybody hears that it was wrong.

use std::num::NonZeroU32;

use crate::ck::*;
use crate::crypto::{kdf, random};
use crate::error::{Cause, Error, Result};
use crate::hsm::objects::Held;
use crate::hsm::partition::Partition;
use crate::hsm::session::Session;
use crate::mechanisms::broken;
use crate::object::held::Object;
use crate::object::rules::Class;
use crate::object::{Attribute, Template, Value};
use crate::wire::{KeyAuthorization, Pin};

/// Partition policies (Documented).
const POLICY_COMPULSORY: u32 = 40;
const POLICY_VERSION: u32 = 41;

/// Bytes of a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 7..=255;

/// Wrong secrets after which a key is locked.
const FAILURES_MAX: u8 = 10;

/// Iterations of the derivation, as from a PIN (`role`).
const ITERATIONS: u32 = 4096;

const SALT_BYTES: usize = 16;

/// What is kept of a secret: salt, then what is derived.
fn kept(secret: &Pin) -> Result<Vec<u8>> {
    check_len(secret)?;
    let salt = random::bytes(SALT_BYTES).map_err(broken)?;
    Ok([salt.as_slice(), derived(secret, &salt).as_slice()].concat())
}

fn derived(secret: &Pin, salt: &[u8]) -> zeroize::Zeroizing<[u8; 32]> {
    let iterations = NonZeroU32::new(ITERATIONS).unwrap_or(NonZeroU32::MIN);
    kdf::pbkdf2_sha256(secret.as_bytes(), salt, iterations)
}

fn check_len(secret: &Pin) -> Result<()> {
    let len = secret.as_bytes().len();
    if SECRET_BYTES.contains(&len) {
        return Ok(());
    }
    let (cause, bound) = if len < *SECRET_BYTES.start() {
        (Cause::AuthDataTooSmall, SECRET_BYTES.start())
    } else {
        (Cause::AuthDataTooLarge, SECRET_BYTES.end())
    };
    Err(Error::new(cause, format!("authorisation data of {len} bytes; the bound is {bound}"))
        .about(CKA_AUTH_DATA))
}

/// Whether the secret is the one that was kept. The comparison's time tells nothing of use: what is
/// compared is derived with a salt that the caller does not know.
fn is_right(kept: &[u8], secret: &Pin) -> bool {
    kept.split_at_checked(SALT_BYTES)
        .is_some_and(|(salt, made)| derived(secret, salt).as_slice() == made)
}

fn failures(attributes: &Template) -> CK_ULONG {
    attributes.number(CKA_FAILED_KEY_AUTH_COUNT).unwrap_or(0)
}

fn is_locked(attributes: &Template) -> bool {
    failures(attributes) >= CK_ULONG::from(FAILURES_MAX)
}

fn is_assigned(attributes: &Template) -> bool {
    attributes.flag(CKA_ASSIGNED) == Some(true)
}

/// `CKA_KEY_STATUS` of a key of a version 1 partition: flags, the limit of wrong secrets, two bytes of
/// zero (Documented).
pub(super) fn status(object: &Object) -> Option<Value> {
    let attributes = object.attributes();
    attributes.find(CKA_FAILED_KEY_AUTH_COUNT)?;
    let used_up = attributes
        .number(CKA_USAGE_LIMIT)
        .is_some_and(|limit| attributes.number(CKA_USAGE_COUNT).unwrap_or(0) >= limit);
    let mut flags = 0;
    for (set, flag) in [
        (attributes.find(CKA_AUTH_DATA).is_some(), CK_KEY_STATUS_F_AUTH_DATA_SET),
        (is_locked(attributes), CK_KEY_STATUS_F_LOCKED_DUE_TO_FAILED_AUTH),
        (used_up, CK_KEY_STATUS_F_LOCKED_DUE_TO_USAGE_COUNTER),
    ] {
        if set {
            flags |= flag;
        }
    }
    let flags = u8::try_from(flags).unwrap_or(u8::MAX);
    Some(Value::Bytes(zeroize::Zeroizing::new(vec![flags, FAILURES_MAX, 0, 0])))
}

fn not_on_version_0(cause: Cause) -> Error {
    Error::new(cause, "keys have secrets of their own on partitions of version 1")
        .by_policy(POLICY_VERSION)
}

/// # Errors
/// `AssignedKeyFailedAttributeDependencies` for a key that cannot be its user's alone.
fn check_assignable(attributes: &Template) -> Result<()> {
    for (kind, wanted) in [(CKA_PRIVATE, true), (CKA_MODIFIABLE, false), (CKA_EXTRACTABLE, false)] {
        if attributes.flag(kind) != Some(wanted) {
            return Err(Error::new(
                Cause::AssignedKeyFailedAttributeDependencies,
                "an assigned key is private, not modifiable and not extractable",
            )
            .about(kind));
        }
    }
    Ok(())
}

impl Partition {
    /// Before a key is added that nobody had yet: what its template said of a secret becomes what is
    /// kept of it.
    ///
    /// # Errors
    /// `AuthDataNotAllowed` and `AssignedKeyNotAllowed` on version 0; `OhAuthDataNotProvided` where
    /// policy 40 makes secrets compulsory; `AssignedKeyRequiresAuthData`,
    /// `RoleCannotMakeKeysAssigned`, and those of the secret.
    pub(super) fn guard_key(
        &self,
        session: &Session,
        class: Class,
        attributes: &mut Template,
    ) -> Result<()> {
        if !class.is_guarded() {
            return Ok(());
        }
        let state = self.current()?;
        let assigned = is_assigned(attributes);
        let secret = attributes.bytes(CKA_AUTH_DATA).map(Pin::new);
        if state.policy(POLICY_VERSION) == 0 {
            attributes.remove(CKA_ASSIGNED);
            return match (secret, assigned) {
                (Some(_), _) => Err(not_on_version_0(Cause::AuthDataNotAllowed)),
                (None, true) => Err(not_on_version_0(Cause::AssignedKeyNotAllowed)),
                (None, false) => Ok(()),
            };
        }
        match &secret {
            Some(secret) => attributes.set(Attribute::bytes(CKA_AUTH_DATA, kept(secret)?)),
            None if assigned => return Err(no_secret()),
            None if state.policy(POLICY_COMPULSORY) != 0 => {
                return Err(Error::new(Cause::OhAuthDataNotProvided, "every key has a secret")
                    .about(CKA_AUTH_DATA)
                    .by_policy(POLICY_COMPULSORY));
            }
            None => {}
        }
        if assigned {
            may_assign(session)?;
            check_assignable(attributes)?;
        }
        attributes.set(Attribute::flag(CKA_ASSIGNED, assigned));
        attributes.set(Attribute::number(CKA_FAILED_KEY_AUTH_COUNT, 0));
        Ok(())
    }

    /// Whether the key may be used in this session.
    ///
    /// # Errors
    /// `KeyNotAuthorized` where its secret was not given, or has changed since.
    pub(super) fn need_authorized(&self, session: &Session, held: &Held) -> Result<()> {
        let Some(wanted) = held.object.attributes().bytes(CKA_AUTH_DATA) else { return Ok(()) };
        let extras = session.extras.lock();
        if extras.authorized.get(&held.ouid).is_some_and(|given| given == wanted) {
            return Ok(());
        }
        Err(Error::new(Cause::KeyNotAuthorized, "the key's secret was not given in this session")
            .about(CKA_AUTH_DATA))
    }

    /// # Errors
    /// See the module's documentation for what each code means.
    pub(super) fn authorize_key(
        &self,
        session: &Session,
        handle: ObjectHandle,
        said: &KeyAuthorization,
    ) -> Result<()> {
        let held = self
            .seen_by(&session.application, handle)
            .map_err(|error| error.recast(Cause::ObjectHandleInvalid, Cause::KeyHandleInvalid))?;
        if !held.object.class().is_guarded() {
            return Err(Error::new(
                Cause::KeyHandleInvalid,
                "private and secret keys have secrets",
            ));
        }
        if held.object.attributes().find(CKA_FAILED_KEY_AUTH_COUNT).is_none() {
            return Err(not_on_version_0(match said {
                KeyAuthorization::Assign => Cause::AssignedKeyNotAllowed,
                KeyAuthorization::Change(..) | KeyAuthorization::Reset(_) => {
                    Cause::AuthDataNotAllowed
                }
                KeyAuthorization::Authorize(_) | KeyAuthorization::CountFailure => {
                    Cause::KeyCannotBeAuthorized
                }
            }));
        }
        match said {
            KeyAuthorization::Authorize(None) => {
                session.extras.lock().authorized.remove(&held.ouid);
                Ok(())
            }
            KeyAuthorization::Authorize(Some(secret)) => {
                let kept = self.check_secret(session, handle, secret)?;
                session.extras.lock().authorized.insert(held.ouid, kept);
                Ok(())
            }
            KeyAuthorization::CountFailure => self.count_failure(session, handle).map(drop),
            KeyAuthorization::Change(old, new) => self.change_secret(session, &held, old, new),
            KeyAuthorization::Reset(new) => {
                need_officer(session)?;
                let fresh = kept(new)?;
                self.change_key(session, handle, &|attributes| {
                    if is_assigned(attributes) {
                        return Err(Error::new(
                            Cause::AssignedKeyCannotBeReset,
                            "the secret of an assigned key is its user's",
                        ));
                    }
                    Ok(with_secret(attributes, &fresh))
                })
            }
            KeyAuthorization::Assign => {
                may_assign(session)?;
                self.change_key(session, handle, &|attributes| {
                    if is_assigned(attributes) {
                        return Err(cannot_be_modified());
                    }
                    attributes.find(CKA_AUTH_DATA).ok_or_else(no_secret)?;
                    check_assignable(attributes)?;
                    let mut assigned = attributes.clone();
                    assigned.set(Attribute::flag(CKA_ASSIGNED, true));
                    Ok(assigned)
                })
            }
        }
    }

    /// The first secret of a key needs no old one.
    fn change_secret(
        &self,
        session: &Session,
        held: &Held,
        old: &Option<Pin>,
        new: &Pin,
    ) -> Result<()> {
        let fresh = kept(new)?;
        if held.object.attributes().find(CKA_AUTH_DATA).is_some() {
            let old = old.as_ref().ok_or_else(|| {
                Error::new(Cause::AuthDataIncorrect, "the old authorisation data is wanted")
            })?;
            self.check_secret(session, held.handle, old)?;
        }
        self.change_key(session, held.handle, &|attributes| Ok(with_secret(attributes, &fresh)))
    }

    /// Changes a key as only these functions do: `CKA_MODIFIABLE` is about others.
    fn change_key(
        &self,
        session: &Session,
        handle: ObjectHandle,
        change: &dyn Fn(&Template) -> Result<Template>,
    ) -> Result<()> {
        self.rewrite(&session.application, handle, &|held| {
            self.may_change(session, held)?;
            change(held.object.attributes())
        })
    }

    /// What is kept of the secret, when it is right. A wrong one is counted.
    ///
    /// # Errors
    /// `KeyCannotBeAuthorized` for a key that has none or is locked; `AuthDataIncorrect`;
    /// `AuthDataIncorrectAndLimitReached` for the one that locks it.
    fn check_secret(
        &self,
        session: &Session,
        handle: ObjectHandle,
        secret: &Pin,
    ) -> Result<Vec<u8>> {
        let held = self.seen_by(&session.application, handle)?;
        let attributes = held.object.attributes();
        let kept = attributes.bytes(CKA_AUTH_DATA).ok_or_else(|| {
            Error::new(Cause::KeyCannotBeAuthorized, "the key has no authorisation data")
                .about(CKA_AUTH_DATA)
        })?;
        if is_locked(attributes) {
            return Err(Error::new(
                Cause::KeyCannotBeAuthorized,
                format!("the key is locked: {FAILURES_MAX} wrong secrets were given"),
            )
            .about(CKA_FAILED_KEY_AUTH_COUNT));
        }
        if !is_right(kept, secret) {
            let failed = self.count_failure(session, handle)?;
            return Err(if failed >= CK_ULONG::from(FAILURES_MAX) {
                Error::new(Cause::AuthDataIncorrectAndLimitReached, "the key is locked now")
            } else {
                let left = CK_ULONG::from(FAILURES_MAX) - failed;
                Error::new(Cause::AuthDataIncorrect, format!("{left} attempts are left"))
            });
        }
        if failures(attributes) != 0 {
            self.rewrite(&session.application, handle, &|held| {
                if is_locked(held.object.attributes()) {
                    return Err(Error::new(Cause::KeyCannotBeAuthorized, "the key is locked"));
                }
                Ok(with_failures(held.object.attributes(), 0))
            })?;
        }
        Ok(kept.to_vec())
    }

    /// One more, whoever counts at the same time; how many they are then.
    fn count_failure(&self, session: &Session, handle: ObjectHandle) -> Result<CK_ULONG> {
        self.rewrite(&session.application, handle, &|held| {
            let attributes = held.object.attributes();
            let failed = failures(attributes).saturating_add(1).min(FAILURES_MAX.into());
            Ok(with_failures(attributes, failed))
        })?;
        let held = self.seen_by(&session.application, handle)?;
        Ok(failures(held.object.attributes()))
    }
}

/// # Errors
/// `AssignedKeyCannotBeModified`.
pub(super) fn check_modifiable(held: &Held) -> Result<()> {
    if is_assigned(held.object.attributes()) {
        return Err(cannot_be_modified());
    }
    Ok(())
}

fn cannot_be_modified() -> Error {
    Error::new(Cause::AssignedKeyCannotBeModified, "an assigned key stays as it is")
        .about(CKA_ASSIGNED)
}

fn no_secret() -> Error {
    Error::new(Cause::AssignedKeyRequiresAuthData, "an assigned key has a secret")
        .about(CKA_AUTH_DATA)
}

/// The Crypto Officer assigns keys (roles.md: the Limited Crypto Officer has fewer rights on them).
fn may_assign(session: &Session) -> Result<()> {
    match session.application.role() {
        Some(Role::CryptoOfficer) => Ok(()),
        _ => Err(Error::new(Cause::RoleCannotMakeKeysAssigned, "the Crypto Officer assigns keys")),
    }
}

fn need_officer(session: &Session) -> Result<()> {
    match session.application.role() {
        Some(Role::CryptoOfficer) => Ok(()),
        None => Err(Error::new(Cause::UserNotLoggedIn, "the Crypto Officer resets secrets")),
        Some(_) => Err(Error::new(Cause::UserNotAuthorized, "the Crypto Officer resets secrets")),
    }
}

fn with_secret(attributes: &Template, kept: &[u8]) -> Template {
    let mut changed = with_failures(attributes, 0);
    changed.set(Attribute::bytes(CKA_AUTH_DATA, kept));
    changed
}

fn with_failures(attributes: &Template, failed: CK_ULONG) -> Template {
    let mut changed = attributes.clone();
    changed.set(Attribute::number(CKA_FAILED_KEY_AUTH_COUNT, failed));
    changed
}
