//! What a derivation gives besides the handle of its key, written where its parameter points.
//!
//! All places are looked at before anything is derived, so that no key is made that nobody hears of.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, `CK_SSL3_MASTER_KEY_DERIVE_PARAMS` and
//! `CK_SSL3_KEY_MAT_OUT`; the vendor's sample of SLIP-10 for keys of BIP 32, whose handles come back in
//! the structures and for which the call has to have no place of its own (Documented).

use super::{invalid, structure};
use crate::abi::ptr::{self, Place};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{self, Params, Shape};

/// Where the results of a derivation go.
pub(in crate::abi) enum Results {
    /// The key's handle to the argument of the call.
    Key(Place<CK_OBJECT_HANDLE>),
    /// That, and the version found in the base key, unless its place is null (Assumed).
    KeyAndVersion(Place<CK_OBJECT_HANDLE>, Option<Place<CK_VERSION>>),
    /// Four handles into the structure, and two vectors where it points; nothing to the argument.
    KeyMaterial(Place<CK_SSL3_KEY_MAT_OUT>),
    /// The handles of the halves that were asked for into the structure.
    Bip32Master(Place<CK_BIP32_MASTER_DERIVE_PARAMS>),
    /// The same, and after a failure the number of the step that failed.
    Bip32Child(Place<CK_BIP32_CHILD_DERIVE_PARAMS>),
}

impl Results {
    /// The places of a mechanism whose parameter was read before; `key` is the call's argument.
    ///
    /// # Errors
    /// `ArgumentsBad` where the handle has no place, `MechanismParamInvalid` where another result
    /// that will come has none.
    ///
    /// # Safety
    /// As `params::read`; `key` and every place in the parameter is null or valid for writing, that
    /// of a vector for as many bytes as the parameter says.
    pub(in crate::abi) unsafe fn places(
        at: *const CK_MECHANISM,
        key: CK_OBJECT_HANDLE_PTR,
        no_place: &'static str,
    ) -> Result<Self> {
        // SAFETY: passed on.
        let given = unsafe { ptr::read(at, "the mechanism is null")? };
        match mechanisms::shape(mechanisms::current(given.mechanism)) {
            Some(Shape::Ssl3KeyMaterial) => {
                // SAFETY: passed on.
                let params: CK_SSL3_KEY_MAT_PARAMS = unsafe { structure(&given)? };
                // SAFETY: passed on.
                let out = unsafe { Place::new(params.pReturnedKeyMaterial, no_place) }
                    .map_err(|_| invalid("nowhere to put the keys"))?;
                let there = out.value();
                if params.ulIVSizeInBits != 0
                    && (there.pIVClient.is_null() || there.pIVServer.is_null())
                {
                    return Err(invalid("nowhere to put the vectors"));
                }
                Ok(Self::KeyMaterial(out))
            }
            Some(Shape::Bip32Master) => {
                no_argument(key)?;
                // SAFETY: passed on.
                unsafe { structure::<CK_BIP32_MASTER_DERIVE_PARAMS>(&given)? };
                // SAFETY: passed on; as long as the structure.
                unsafe { Place::new(given.pParameter.cast(), no_place) }.map(Self::Bip32Master)
            }
            Some(Shape::Bip32Child) => {
                no_argument(key)?;
                // SAFETY: passed on.
                unsafe { structure::<CK_BIP32_CHILD_DERIVE_PARAMS>(&given)? };
                // SAFETY: passed on; as long as the structure.
                unsafe { Place::new(given.pParameter.cast(), no_place) }.map(Self::Bip32Child)
            }
            shape => {
                // SAFETY: passed on.
                let key = unsafe { Place::new(key, no_place)? };
                if shape != Some(Shape::Ssl3Random) {
                    return Ok(Self::Key(key));
                }
                // SAFETY: passed on.
                let params: CK_SSL3_MASTER_KEY_DERIVE_PARAMS = unsafe { structure(&given)? };
                // SAFETY: passed on.
                let version = unsafe { Place::new(params.pVersion, no_place) };
                Ok(Self::KeyAndVersion(key, version.ok()))
            }
        }
    }

    /// Writes the results.
    ///
    /// # Errors
    /// `GeneralError` when they are others than the mechanism gives.
    pub(in crate::abi) fn put(self, keys: &[ObjectHandle], told: &[Vec<u8>]) -> Result<()> {
        match (self, keys, told) {
            (Self::Key(place), [key], []) => place.put(key.0),
            (Self::KeyAndVersion(place, version), [key], [found]) => {
                place.put(key.0);
                if let (Some(version), [major, minor]) = (version, found.as_slice()) {
                    version.put(CK_VERSION { major: *major, minor: *minor });
                }
            }
            (Self::KeyMaterial(place), [client_mac, server_mac, client, server], vectors) => {
                let mut out = place.value();
                out.hClientMacSecret = client_mac.0;
                out.hServerMacSecret = server_mac.0;
                out.hClientKey = client.0;
                out.hServerKey = server.0;
                let places = [out.pIVClient, out.pIVServer].into_iter().zip(vectors);
                for (at, vector) in places.filter(|(_, vector)| !vector.is_empty()) {
                    // SAFETY: there are vectors only where the parameter asks for them, and then
                    // `places` found both places; each is valid for as many bytes as it asks for.
                    unsafe { at.copy_from_nonoverlapping(vector.as_ptr(), vector.len()) };
                }
                place.put(out);
            }
            (Self::Bip32Master(place), keys, []) => {
                let mut out = place.value();
                let (public, private) = asked(
                    (out.pPublicKeyTemplate, out.ulPublicKeyAttributeCount),
                    (out.pPrivateKeyTemplate, out.ulPrivateKeyAttributeCount),
                );
                (out.hPublicKey, out.hPrivateKey) = in_order(keys, public, private)?;
                place.put(out);
            }
            (Self::Bip32Child(place), keys, []) => {
                let mut out = place.value();
                let (public, private) = asked(
                    (out.pPublicKeyTemplate, out.ulPublicKeyAttributeCount),
                    (out.pPrivateKeyTemplate, out.ulPrivateKeyAttributeCount),
                );
                (out.hPublicKey, out.hPrivateKey) = in_order(keys, public, private)?;
                place.put(out);
            }
            _ => {
                return Err(Error::new(Cause::GeneralError, "the derivation gave other results"));
            }
        }
        Ok(())
    }

    /// Writes where a path failed: the first step that its code is about, counted from 0 (Assumed).
    /// A step that by chance gives no key is told as the first.
    pub(in crate::abi) fn failed(&self, error: &Error, read: &Params) {
        let (Self::Bip32Child(place), Params::Bip32 { path, .. }) = (self, read) else { return };
        let at_fault = |step: &CK_ULONG| match error.cause() {
            Cause::Bip32InvalidHardenedDerivation => step & CKF_BIP32_HARDENED != 0,
            _ => *step > CK_ULONG::from(u32::MAX),
        };
        if !matches!(
            error.cause(),
            Cause::Bip32InvalidHardenedDerivation | Cause::Bip32ChildIndexInvalid
        ) {
            return;
        }
        let mut out = place.value();
        out.ulPathErrorIndex = path.iter().position(at_fault).unwrap_or(0) as CK_ULONG;
        place.put(out);
    }
}

/// # Errors
/// `ArgumentsBad` where the call has a place for a handle that stands in the structure.
fn no_argument(key: CK_OBJECT_HANDLE_PTR) -> Result<()> {
    if key.is_null() {
        return Ok(());
    }
    Err(Error::new(Cause::ArgumentsBad, "the keys' handles come back in the parameter"))
}

/// Whether a structure asks for the public half, and for the private one.
fn asked(
    public: (*mut CK_ATTRIBUTE, CK_ULONG),
    private: (*mut CK_ATTRIBUTE, CK_ULONG),
) -> (bool, bool) {
    let given = |(at, count): (*mut CK_ATTRIBUTE, CK_ULONG)| !at.is_null() && count != 0;
    (given(public), given(private))
}

/// The handles of the halves that were asked for; 0 for one that was not.
fn in_order(
    keys: &[ObjectHandle],
    public: bool,
    private: bool,
) -> Result<(CK_OBJECT_HANDLE, CK_OBJECT_HANDLE)> {
    match (keys, public, private) {
        ([public, private], true, true) => Ok((public.0, private.0)),
        ([public], true, false) => Ok((public.0, CK_INVALID_HANDLE)),
        ([private], false, true) => Ok((CK_INVALID_HANDLE, private.0)),
        _ => Err(Error::new(Cause::GeneralError, "the derivation gave other keys")),
    }
}
