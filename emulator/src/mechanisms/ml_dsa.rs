//! ML-DSA key pairs and signatures.
//!
//! Every mechanism signs the same 64 bytes, `mu`; they differ in who makes it and of what: the message,
//! a digest made here, a digest the caller made, or nothing here at all (`CKM_EXTMU_ML_DSA`).
//!
//! Source: PKCS#11 v3.2, ML-DSA; FIPS 204; `ThalesGroup/luna-samples:C_Samples/pqc` (Documented).

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::hash::Hash;
use crate::crypto::lattice::{MU_LEN, Mu, Shake256};
use crate::error::{Cause, Error, Result};
use crate::mechanisms::keys::ML_DSA as SETS;
use crate::mechanisms::stream::Hashed;
use crate::mechanisms::{
    Feed, Limits, NOTHING, Params, Row, Shape, Signature, Use, broken, keys, wrong_params,
};
use crate::object::Template;
use crate::object::held::Object;

const fn row(kind: CK_MECHANISM_TYPE, signature: &'static MlDsa) -> Row {
    Row {
        kind,
        key: Some(CKK_ML_DSA),
        shape: Shape::SignContext,
        signature: Some(signature),
        ..NOTHING
    }
}

/// Key pairs and signatures.
pub static ROWS: &[Row] = &[
    Row {
        kind: CKM_ML_DSA_KEY_PAIR_GEN,
        key: Some(CKK_ML_DSA),
        generate_pair: Some(generate_pair),
        ..NOTHING
    },
    row(CKM_ML_DSA, &MlDsa::Message),
    row(CKM_HASH_ML_DSA, &MlDsa::Digest),
    row(CKM_HASH_ML_DSA_SHA224, &MlDsa::Hashed(&HASHES[0])),
    row(CKM_HASH_ML_DSA_SHA256, &MlDsa::Hashed(&HASHES[1])),
    row(CKM_HASH_ML_DSA_SHA384, &MlDsa::Hashed(&HASHES[2])),
    row(CKM_HASH_ML_DSA_SHA512, &MlDsa::Hashed(&HASHES[3])),
    row(CKM_HASH_ML_DSA_SHA3_224, &MlDsa::Hashed(&HASHES[4])),
    row(CKM_HASH_ML_DSA_SHA3_256, &MlDsa::Hashed(&HASHES[5])),
    row(CKM_HASH_ML_DSA_SHA3_384, &MlDsa::Hashed(&HASHES[6])),
    row(CKM_HASH_ML_DSA_SHA3_512, &MlDsa::Hashed(&HASHES[7])),
    row(CKM_HASH_ML_DSA_SHAKE128, &MlDsa::Hashed(&HASHES[8])),
    row(CKM_HASH_ML_DSA_SHAKE256, &MlDsa::Hashed(&HASHES[9])),
    row(CKM_EXTMU_ML_DSA, &MlDsa::Mu),
];

/// What condenses a message before HashML-DSA.
#[derive(Clone, Copy)]
enum Condenser {
    Hash(Hash),
    Shake128,
    Shake256,
}

/// A condenser by its mechanism, with the last number of its object identifier
/// 2.16.840.1.101.3.4.2.x and the bytes it leaves (FIPS 204 section 5.4.1).
struct PreHash {
    kind: CK_MECHANISM_TYPE,
    condenser: Condenser,
    identifier: u8,
    len: usize,
}

const fn pre_hash(kind: CK_MECHANISM_TYPE, hash: Hash, identifier: u8, len: usize) -> PreHash {
    PreHash { kind, condenser: Condenser::Hash(hash), identifier, len }
}

static HASHES: [PreHash; 10] = [
    pre_hash(CKM_SHA224, Hash::Sha224, 4, 28),
    pre_hash(CKM_SHA256, Hash::Sha256, 1, 32),
    pre_hash(CKM_SHA384, Hash::Sha384, 2, 48),
    pre_hash(CKM_SHA512, Hash::Sha512, 3, 64),
    pre_hash(CKM_SHA3_224, Hash::Sha3_224, 7, 28),
    pre_hash(CKM_SHA3_256, Hash::Sha3_256, 8, 32),
    pre_hash(CKM_SHA3_384, Hash::Sha3_384, 9, 48),
    pre_hash(CKM_SHA3_512, Hash::Sha3_512, 10, 64),
    PreHash { kind: CKM_SHAKE_128, condenser: Condenser::Shake128, identifier: 11, len: 32 },
    PreHash { kind: CKM_SHAKE_256, condenser: Condenser::Shake256, identifier: 12, len: 64 },
];

impl PreHash {
    /// The object identifier in DER.
    fn identifier(&self) -> [u8; 11] {
        [0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, self.identifier]
    }
}

/// Who makes `mu`, and of what.
enum MlDsa {
    Message,
    Hashed(&'static PreHash),
    Digest,
    Mu,
}

/// Hedge and context of a parameter.
fn context(params: &Params) -> Result<(CK_ULONG, &[u8])> {
    let (hedge, context) = match params {
        Params::None => (CKH_HEDGE_PREFERRED, &[][..]),
        Params::SignContext { hedge, context, .. } => (*hedge, context.as_slice()),
        _ => return Err(wrong_params("ML-DSA takes its own parameter or none")),
    };
    if hedge > CKH_DETERMINISTIC_REQUIRED {
        return Err(wrong_params("no such variant of signing"));
    }
    if context.len() > 255 {
        return Err(wrong_params("a context has 255 bytes at most"));
    }
    Ok((hedge, context))
}

/// The hash of a digest that the caller made.
fn made_by(params: &Params) -> Result<&'static PreHash> {
    let Params::SignContext { hash: Some(hash), .. } = params else {
        return Err(wrong_params("the hash that made the digest is wanted"));
    };
    HASHES
        .iter()
        .find(|own| own.kind == *hash)
        .ok_or_else(|| wrong_params("no hash of that number goes with ML-DSA"))
}

fn public_bytes(key: &Object) -> Result<Vec<u8>> {
    if key.class().class == CKO_PRIVATE_KEY {
        return keys::lattice_private(key, SETS)?.public().map_err(broken);
    }
    keys::lattice_public(key, SETS)?.bytes().map_err(broken)
}

impl MlDsa {
    /// What is signed, from what the feed left.
    fn mu(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        let hash = match self {
            Self::Message => return Ok(fed.to_vec()),
            Self::Mu if fed.len() != MU_LEN => {
                return Err(Error::new(Cause::DataLenRange, format!("mu has {MU_LEN} bytes")));
            }
            Self::Mu => return Ok(fed.to_vec()),
            Self::Hashed(hash) => hash,
            Self::Digest => made_by(&using.params)?,
        };
        if fed.len() != hash.len {
            return Err(Error::new(
                Cause::DataLenRange,
                format!("a digest of that hash has {} bytes", hash.len),
            ));
        }
        let (_, context) = context(&using.params)?;
        let mut mu = Mu::new(&public_bytes(&using.key)?, true, context).map_err(broken)?;
        mu.update(&hash.identifier()).map_err(broken)?;
        mu.update(fed).map_err(broken)?;
        mu.finish().map_err(broken)
    }
}

impl Signature for MlDsa {
    fn prepare(&self, using: &Use) -> Result<()> {
        let (_, context) = context(&using.params)?;
        match self {
            Self::Digest => made_by(&using.params).map(drop),
            Self::Mu if !context.is_empty() => Err(wrong_params("the context is in mu already")),
            _ => Ok(()),
        }
    }

    fn len(&self, using: &Use) -> Result<usize> {
        Ok(keys::set_of(using.key.attributes(), SETS)?.output_len())
    }

    fn feed(&self, using: &Use) -> Result<Box<dyn Feed>> {
        Ok(match self {
            Self::Message => {
                let (_, context) = context(&using.params)?;
                let public = public_bytes(&using.key)?;
                Box::new(MuFeed(Mu::new(&public, false, context).map_err(broken)?))
            }
            Self::Hashed(PreHash { condenser: Condenser::Hash(hash), .. }) => {
                return Hashed::or_raw(Some(*hash));
            }
            Self::Hashed(PreHash { condenser: Condenser::Shake128, len, .. }) => {
                Box::new(ShakeFeed(Shake256::smaller().map_err(broken)?, *len))
            }
            Self::Hashed(PreHash { condenser: Condenser::Shake256, len, .. }) => {
                Box::new(ShakeFeed(Shake256::new().map_err(broken)?, *len))
            }
            Self::Digest | Self::Mu => return Hashed::or_raw(None),
        })
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        let mu = self.mu(using, fed)?;
        let key = keys::lattice_private(&using.key, SETS)?;
        if context(&using.params)?.0 != CKH_DETERMINISTIC_REQUIRED {
            return key.sign(&mu).map_err(broken);
        }
        key.sign_deterministic(&mu).map_err(|error| match error {
            CryptoError::Key => {
                wrong_params("the deterministic variant wants a key whose seed is known")
            }
            other => broken(other),
        })
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        let key = keys::lattice_public(&using.key, SETS)?;
        key.verify(&self.mu(using, fed)?, signature).map_err(|error| match error {
            CryptoError::Length => {
                Error::new(Cause::SignatureLenRange, format!("{} bytes", key.set().output_len()))
            }
            CryptoError::Failed => Error::new(Cause::SignatureInvalid, "ML-DSA does not verify"),
            other => broken(other),
        })
    }
}

struct MuFeed(Mu);

impl Feed for MuFeed {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.0.update(input).map_err(broken)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        self.0.finish().map_err(broken)
    }
}

struct ShakeFeed(Shake256, usize);

impl Feed for ShakeFeed {
    fn update(&mut self, input: &[u8]) -> Result<()> {
        self.0.update(input).map_err(broken)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>> {
        self.0.finish(self.1).map_err(broken)
    }
}

fn generate_pair(
    public: &Template,
    private: &Template,
    _params: &Params,
    limits: Limits,
) -> Result<(Template, Template)> {
    keys::lattice_pair((public, private), SETS, limits)
}

#[cfg(test)]
mod tests;
