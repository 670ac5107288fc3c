//! What a derivation gives besides the handle of its key, written where its parameter points.
//!
//! All places are looked at before anything is derived, so that no key is made that nobody hears of.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, `CK_SSL3_MASTER_KEY_DERIVE_PARAMS` and
//! `CK_SSL3_KEY_MAT_OUT`.

use super::{invalid, structure};
use crate::abi::ptr::{self, Place};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::{self, Shape};

/// Where the results of a derivation go.
pub(in crate::abi) enum Results {
    /// The key's handle to the argument of the call.
    Key(Place<CK_OBJECT_HANDLE>),
    /// That, and the version found in the base key, unless its place is null (Assumed).
    KeyAndVersion(Place<CK_OBJECT_HANDLE>, Option<Place<CK_VERSION>>),
    /// Four handles into the structure, and two vectors where it points; nothing to the argument.
    KeyMaterial(Place<CK_SSL3_KEY_MAT_OUT>),
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
            _ => {
                return Err(Error::new(Cause::GeneralError, "the derivation gave other results"));
            }
        }
        Ok(())
    }
}
