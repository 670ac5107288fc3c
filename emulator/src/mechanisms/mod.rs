//! The registry of mechanisms, one file a family.
//!
//! A row says what a mechanism does: the function is there or it is not, and the CKF_ flags follow.
//! What a firmware offers of it, from which size, and what FIPS mode leaves, is profile data
//! ([`offer`]). To add a mechanism: a row (or a file, and a line in `REGISTRY`) and a vector in
//! the tests; lists, info, policy filters and the README's table follow.
//!
//! Knows keys and parameters; nothing of sessions, partitions or clocks.

pub mod aes;
pub mod aes_gcm;
pub mod aes_gmac;
pub mod aes_mac;
pub mod aes_wrap;
pub mod aes_xts;
mod alias;
pub mod aria;
pub mod bip32;
mod block;
pub mod cast5;
pub mod combine;
pub mod derive;
pub mod des;
pub mod des3;
pub mod dh;
pub mod digest;
pub mod dsa;
pub mod dukpt;
pub mod ec;
pub mod ecdh;
pub mod ecies;
pub mod eddsa;
pub mod hmac;
pub mod keys;
#[cfg(test)]
mod known_answers;
pub mod limits;
pub mod md2;
pub mod md5;
pub mod milenage;
pub mod ml_dsa;
pub mod ml_kem;
pub mod offer;
#[cfg(test)]
mod pair_answers;
pub mod params;
pub mod pbe;
pub mod pbkdf2;
pub mod prf_kdf;
pub mod rc2;
pub mod rc4;
pub mod rc5;
pub mod rsa;
pub mod rsa_x931;
pub mod seen;
pub mod sha3;
pub mod sm2;
pub mod sm3;
pub mod sm4;
pub mod ssl3;
pub mod stream;
pub mod table;
pub mod translate;
pub mod x25519;

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use zeroize::Zeroizing;

pub use self::alias::current;
pub use self::derive::{Made, Yield, Yielded};
pub use self::digest::Digests;
pub use self::offer::{Functions, Offer};
pub use self::params::{Mechanism, Params, Shape};
pub use self::stream::{Feed, Stream};

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::error::{Cause, Error, Result};
use crate::object::Template;
use crate::object::held::Object;
use crate::object::rules::Class;

/// Every family this module serves.
static REGISTRY: &[&[Row]] = &[
    rsa::ROWS,
    rsa_x931::ROWS,
    digest::ROWS,
    hmac::ROWS,
    md5::ROWS,
    md2::ROWS,
    sha3::ROWS,
    sm2::ROWS,
    sm3::ROWS,
    ec::ROWS,
    ecdh::ROWS,
    ecies::ROWS,
    dsa::ROWS,
    dh::ROWS,
    bip32::ROWS,
    eddsa::ROWS,
    x25519::ROWS,
    milenage::ROWS,
    ml_dsa::ROWS,
    ml_kem::ROWS,
    aes::ROWS,
    aes_gcm::ROWS,
    aes_wrap::ROWS,
    aes_xts::ROWS,
    aes_mac::ROWS,
    aes_gmac::ROWS,
    des::ROWS,
    des3::ROWS,
    rc2::ROWS,
    rc4::ROWS,
    rc5::ROWS,
    cast5::ROWS,
    aria::ROWS,
    sm4::ROWS,
    derive::ROWS,
    combine::ROWS,
    prf_kdf::ROWS,
    pbkdf2::ROWS,
    pbe::ROWS,
    dukpt::ROWS,
    ssl3::ROWS,
    translate::ROWS,
];

/// What a mechanism does, and with which keys.
pub struct Row {
    /// `CKM_` number.
    pub kind: CK_MECHANISM_TYPE,
    /// The key it wants, or makes; none for a digest, and where any secret key will do.
    pub key: Option<CK_KEY_TYPE>,
    /// Key types it takes besides.
    pub also: &'static [CK_KEY_TYPE],
    /// How its parameter lies in memory.
    pub shape: Shape,
    /// The partition policy that can switch it off.
    pub policy: Option<u32>,
    /// `C_Encrypt`, `C_Decrypt`.
    pub cipher: Option<&'static dyn Cipher>,
    /// `C_Sign`, `C_Verify`.
    pub signature: Option<&'static dyn Signature>,
    /// `C_Digest`.
    pub digest: Option<Digests>,
    /// `C_WrapKey`, `C_UnwrapKey`: the key's bytes as the message.
    pub wrap: Option<&'static dyn Cipher>,
    /// `C_WrapKey` of what another key wrapped, by mechanisms in the parameter.
    pub translates: bool,
    /// `C_DeriveKey`.
    pub derive: Option<Derive>,
    /// `C_DeriveKey` of mechanisms that decide on more than a key's bytes, in place of `derive`.
    pub derives: Option<Derives>,
    /// `C_DeriveKey` takes public keys too.
    pub from_public: bool,
    /// A derived key is sensitive and unextractable if its base is, whatever the template says.
    pub keeps_guard: bool,
    /// `CA_EncapsulateKey`, `CA_DecapsulateKey`.
    pub kem: Option<&'static dyn Kem>,
    /// `C_GenerateKey`.
    pub generate: Option<GenerateKey>,
    /// What that makes: secret keys, or domain parameters.
    pub product: CK_OBJECT_CLASS,
    /// `C_GenerateKeyPair`.
    pub generate_pair: Option<GeneratePair>,
}

/// A row that does nothing yet: families fill in what they serve.
pub const NOTHING: Row = Row {
    kind: 0,
    key: None,
    also: &[],
    shape: Shape::None,
    policy: None,
    cipher: None,
    signature: None,
    digest: None,
    wrap: None,
    translates: false,
    derive: None,
    derives: None,
    from_public: false,
    keeps_guard: false,
    kem: None,
    generate: None,
    product: CKO_SECRET_KEY,
    generate_pair: None,
};

/// Derives the bytes of a key: as many as are wanted, or as many as the mechanism gives.
pub type Derive = fn(&Use, Option<usize>) -> Result<Zeroizing<Vec<u8>>>;

/// Derives keys under the caller's template, and what is told beside them.
pub type Derives = fn(&Use, &Template) -> Result<Yield>;

/// Makes a secret key or domain parameters: from a template to the attributes the token adds.
pub type GenerateKey = fn(&Template, &Params, Limits) -> Result<Template>;

/// Makes a key pair: what the token adds to the public and to the private template.
pub type GeneratePair = fn(&Template, &Template, &Params, Limits) -> Result<(Template, Template)>;

/// Sizes a key must have here and now, in bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Smallest.
    pub min_bits: u64,
    /// Largest.
    pub max_bits: u64,
    /// The partition is in FIPS mode.
    pub fips: bool,
    /// The firmware is one from before a change of the mechanism; its file says which change.
    pub former: bool,
}

impl Limits {
    /// # Errors
    /// `KeySizeRange`, saying the bounds.
    pub fn check(self, bits: u64) -> Result<()> {
        if (self.min_bits..=self.max_bits).contains(&bits) {
            return Ok(());
        }
        Err(Error::new(
            Cause::KeySizeRange,
            format!("{bits} bits; from {} to {} are allowed", self.min_bits, self.max_bits),
        ))
    }
}

/// One use of a key.
#[derive(Clone)]
pub struct Use {
    /// The key.
    pub key: Arc<Object>,
    /// Keys that the parameter names besides ([`Params::others`]), in its order.
    pub others: Vec<Arc<Object>>,
    /// The parameter.
    pub params: Params,
    /// Sizes allowed for this use.
    pub limits: Limits,
    /// Encrypting or signing, as against decrypting or verifying.
    pub forward: bool,
}

/// Encryption and decryption.
pub trait Cipher: Sync {
    /// Checks parameter and key before anything is fed.
    ///
    /// # Errors
    /// `MechanismParamInvalid`, `KeySizeRange`.
    fn prepare(&self, using: &Use) -> Result<()>;

    /// How many bytes will certainly come of `input` bytes, and at most.
    ///
    /// # Errors
    /// `KeySizeRange` where the key's size decides and cannot be read.
    fn bounds(&self, using: &Use, input: usize) -> Result<(usize, usize)>;

    /// The whole message at once.
    ///
    /// # Errors
    /// `DataLenRange`, `EncryptedDataLenRange`, `EncryptedDataInvalid`.
    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>>;

    /// As [`Cipher::once`], into memory of the upper bound, which overlaps nothing; the bytes that
    /// came. None for a mechanism that has no such way. After an error `out` holds nothing that the
    /// error keeps from the caller.
    ///
    /// # Errors
    /// As [`Cipher::once`].
    fn once_into(&self, _using: &Use, _input: &[u8], _out: &mut [u8]) -> Result<Option<usize>> {
        Ok(None)
    }

    /// The bytes of a key as this mechanism can take them.
    ///
    /// # Errors
    /// `KeySizeRange` for a key it cannot carry.
    fn padded_for_wrapping(
        &self,
        _using: &Use,
        plain: &[u8],
        _class: CK_OBJECT_CLASS,
    ) -> Result<Zeroizing<Vec<u8>>> {
        Ok(Zeroizing::new(plain.to_vec()))
    }

    /// Whether an unwrapped key may be `len` bytes long: the length it came with, unless the
    /// mechanism filled it up with zeros.
    ///
    /// # Errors
    /// Where the key cannot be read.
    fn fills_up(&self, _using: &Use, plain: &[u8], len: usize) -> Result<bool> {
        Ok(plain.len() == len)
    }

    /// Begins a message in parts. Mechanisms that see the whole message first collect it.
    ///
    /// # Errors
    /// As [`Cipher::prepare`].
    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>>;
}

/// Making a secret that travels to the holder of a private key.
pub trait Kem: Sync {
    /// Checks parameter and key.
    ///
    /// # Errors
    /// `MechanismParamInvalid`.
    fn prepare(&self, using: &Use) -> Result<()>;

    /// Bytes of a ciphertext.
    ///
    /// # Errors
    /// Where the key's size decides and cannot be read.
    fn len(&self, using: &Use) -> Result<usize>;

    /// A ciphertext, and the secret in it.
    ///
    /// # Errors
    /// Those of the key.
    fn encapsulate(&self, using: &Use) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>)>;

    /// The secret in a ciphertext.
    ///
    /// # Errors
    /// `WrappedKeyLenRange` for a ciphertext of another length.
    fn decapsulate(&self, using: &Use, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>>;
}

/// Signing and verifying: a feed condenses the message, the key seals or opens what is left.
pub trait Signature: Sync {
    /// Checks parameter and key before anything is fed.
    ///
    /// # Errors
    /// `MechanismParamInvalid`, `KeySizeRange`.
    fn prepare(&self, using: &Use) -> Result<()>;

    /// Bytes of a signature.
    ///
    /// # Errors
    /// Where the key's size decides and cannot be read.
    fn len(&self, using: &Use) -> Result<usize>;

    /// Takes the message in.
    ///
    /// # Errors
    /// Where the key cannot be read.
    fn feed(&self, using: &Use) -> Result<Box<dyn Feed>>;

    /// What a feed leaves of a message that is there as a whole.
    ///
    /// # Errors
    /// Those of the feed.
    fn condense(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let mut feed = self.feed(using)?;
        feed.update(input)?;
        feed.finish()
    }

    /// Signs what the feed left.
    ///
    /// # Errors
    /// `DataLenRange` for a message the key cannot hold.
    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>>;

    /// Verifies against what the feed left.
    ///
    /// # Errors
    /// `SignatureInvalid`, `SignatureLenRange`.
    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()>;
}

impl Row {
    /// What the row serves, before profile and policy have their say.
    pub fn functions(&self) -> Functions {
        let mut served = Functions::empty();
        served.set(Functions::ENCRYPT | Functions::DECRYPT, self.cipher.is_some());
        served.set(Functions::SIGN | Functions::VERIFY, self.signature.is_some());
        served.set(Functions::DIGEST, self.digest.is_some());
        served.set(Functions::UNWRAP, self.wrap.is_some());
        served.set(Functions::WRAP, self.wrap.is_some() || self.translates);
        served.set(Functions::DERIVE, self.derive.is_some() || self.derives.is_some());
        served.set(Functions::ENCAPSULATE | Functions::DECAPSULATE, self.kem.is_some());
        served.set(Functions::GENERATE, self.generate.is_some());
        served.set(Functions::GENERATE_PAIR, self.generate_pair.is_some());
        served
    }

    /// Whether one secret key does both directions.
    pub fn is_symmetric(&self) -> bool {
        self.key.is_none_or(is_secret)
    }

    /// Whether it takes keys of that type.
    pub fn takes(&self, key_type: Option<CK_KEY_TYPE>) -> bool {
        self.key == key_type || key_type.is_some_and(|given| self.also.contains(&given))
    }

    /// The classes a key pair or key made by this row has.
    pub fn makes(&self, class: CK_OBJECT_CLASS) -> Class {
        Class { class, key_type: self.key }
    }
}

/// Whether keys of a type are secret keys, as against pairs.
pub fn is_secret(key_type: CK_KEY_TYPE) -> bool {
    let class = Class { class: CKO_SECRET_KEY, key_type: Some(key_type) };
    class.tables().is_some()
}

/// The row of a mechanism.
pub fn find(kind: CK_MECHANISM_TYPE) -> Option<&'static Row> {
    if let Some(known) = BY_KIND.get() {
        return known.get(&kind).copied();
    }
    // Whoever comes second has made it in vain; nobody waits, since a forked child could wait for a
    // thread that is not there.
    let _ = BY_KIND.set(rows().map(|row| (row.kind, row)).collect());
    rows().find(|row| row.kind == kind)
}

static BY_KIND: OnceLock<FxHashMap<CK_MECHANISM_TYPE, &'static Row>> = OnceLock::new();

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    REGISTRY.iter().flat_map(|family| family.iter())
}

/// How a mechanism's parameter lies in memory, none when nobody knows the mechanism.
pub fn shape(kind: CK_MECHANISM_TYPE) -> Option<Shape> {
    find(kind).map(|row| row.shape)
}

/// A crypto failure that is nobody's fault but the library's.
pub(crate) fn broken(error: CryptoError) -> Error {
    Error::new(Cause::FunctionFailed, format!("the crypto library failed: {error}"))
}

pub(crate) fn wrong_params(rule: &'static str) -> Error {
    Error::new(Cause::MechanismParamInvalid, rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_named_once_and_does_something() {
        let mut seen = std::collections::HashSet::new();
        for row in rows() {
            assert!(seen.insert(row.kind), "{} twice", names::ckm(row.kind));
            assert!(!row.functions().is_empty(), "{} does nothing", names::ckm(row.kind));
            assert!(names::ckm(row.kind).starts_with("CKM_"));
        }
    }
}
