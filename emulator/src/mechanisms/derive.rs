//! Derivations from a secret key alone: by digest, and by encrypting data.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, sections 2.15 and 2.20.6; lengths refused from
//! pycryptoki's functional tests (Documented: SHA-1 to a 24-byte key is `CKR_KEY_SIZE_RANGE`).

use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::hash::{self, Hash};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::aes::BLOCK;
use crate::mechanisms::{Derive, NOTHING, Params, Row, Shape, Use, broken, keys, wrong_params};

pub(super) const fn digest(kind: CK_MECHANISM_TYPE, derive: Derive) -> Row {
    Row { kind, derive: Some(derive), ..NOTHING }
}

const fn encrypt(kind: CK_MECHANISM_TYPE, shape: Shape) -> Row {
    Row { kind, key: Some(CKK_AES), shape, derive: Some(by_encrypting), ..NOTHING }
}

/// Digests of any secret key; data encrypted by an AES key.
pub static ROWS: &[Row] = &[
    digest(CKM_SHA1_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha1)),
    digest(CKM_SHA224_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha224)),
    digest(CKM_SHA256_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha256)),
    digest(CKM_SHA384_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha384)),
    digest(CKM_SHA512_KEY_DERIVATION, |using, _| by_digest(using, Hash::Sha512)),
    encrypt(CKM_AES_ECB_ENCRYPT_DATA, Shape::Data),
    encrypt(CKM_AES_CBC_ENCRYPT_DATA, Shape::IvAndData(BLOCK)),
];

pub(super) fn by_digest(using: &Use, hash: Hash) -> Result<Zeroizing<Vec<u8>>> {
    let value = keys::to_bytes(&using.key)?;
    hash::digest(hash, &value).map(Zeroizing::new).map_err(broken)
}

fn by_encrypting(using: &Use, _wanted: Option<usize>) -> Result<Zeroizing<Vec<u8>>> {
    let Params::Data { iv, data } = &using.params else {
        return Err(wrong_params("the data to encrypt is wanted"));
    };
    if data.is_empty() || !data.len().is_multiple_of(BLOCK) {
        return Err(Error::new(Cause::MechanismParamInvalid, "whole blocks of data are wanted"));
    }
    let key = keys::aes(&using.key)?;
    let mut value = Zeroizing::new(data.clone());
    if iv.is_empty() {
        key.ecb_encrypt(&mut value).map_err(broken)?;
    } else {
        let mut iv = iv.as_slice().try_into().map_err(|_| wrong_params("an IV has 16 bytes"))?;
        key.cbc_encrypt(&mut iv, &mut value).map_err(broken)?;
    }
    Ok(value)
}
