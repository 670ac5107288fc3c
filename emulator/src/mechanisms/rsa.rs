//! RSA: key pairs, PKCS#1 v1.5, OAEP, PSS.
//!
//! Source: PKCS#11 v2.40 Current Mechanisms, section 2.1; exponents as clients send them from
//! pycryptoki's default templates and a vendor sample (Documented).

use crate::ck::*;
use crate::crypto::CryptoError;
use crate::crypto::hash::Hash;
use crate::crypto::hmac::same;
use crate::crypto::rsa::RsaPrivateKey;
use crate::error::{Cause, Error, Result};
use crate::mechanisms::stream::{Collect, Hashed};
use crate::mechanisms::{
    Cipher, Feed, Limits, NOTHING, Params, Row, Shape, Signature, Stream, Use, broken, current,
    keys, wrong_params,
};
use crate::object::{Attribute, Template};

/// "Allow RSA PKCS mechanism". Source: policies.md row 33 (recalled; Assumed).
const POLICY_RSA_PKCS: u32 = 33;

/// "Allow raw RSA operations". Source: policies.md row 18 (recalled; Assumed).
const POLICY_RAW_RSA: u32 = 18;

/// RSA without padding.
struct Raw;
struct Pkcs1(Option<Hash>);
struct Pkcs1Cipher;
struct Pss(Option<Hash>);
struct Oaep;

const fn pkcs1(kind: CK_MECHANISM_TYPE, signature: &'static Pkcs1) -> Row {
    Row { kind, key: Some(CKK_RSA), signature: Some(signature), ..NOTHING }
}

const fn pss(kind: CK_MECHANISM_TYPE, signature: &'static Pss) -> Row {
    Row { kind, key: Some(CKK_RSA), shape: Shape::Pss, signature: Some(signature), ..NOTHING }
}

const fn pair(kind: CK_MECHANISM_TYPE) -> Row {
    Row { kind, key: Some(CKK_RSA), generate_pair: Some(generate_pair), ..NOTHING }
}

/// Key pairs by their four names, and what is done with them.
pub static ROWS: &[Row] = &[
    pair(CKM_RSA_PKCS_KEY_PAIR_GEN),
    pair(CKM_RSA_X9_31_KEY_PAIR_GEN),
    pair(CKM_RSA_FIPS_186_3_AUX_PRIME_KEY_PAIR_GEN),
    pair(CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN),
    Row {
        cipher: Some(&Pkcs1Cipher),
        wrap: Some(&Pkcs1Cipher),
        policy: Some(POLICY_RSA_PKCS),
        ..pkcs1(CKM_RSA_PKCS, &Pkcs1(None))
    },
    Row {
        kind: CKM_RSA_X_509,
        key: Some(CKK_RSA),
        policy: Some(POLICY_RAW_RSA),
        cipher: Some(&Raw),
        wrap: Some(&Raw),
        signature: Some(&Raw),
        ..NOTHING
    },
    pkcs1(CKM_SHA1_RSA_PKCS, &Pkcs1(Some(Hash::Sha1))),
    pkcs1(CKM_SHA224_RSA_PKCS, &Pkcs1(Some(Hash::Sha224))),
    pkcs1(CKM_SHA256_RSA_PKCS, &Pkcs1(Some(Hash::Sha256))),
    pkcs1(CKM_SHA384_RSA_PKCS, &Pkcs1(Some(Hash::Sha384))),
    pkcs1(CKM_SHA512_RSA_PKCS, &Pkcs1(Some(Hash::Sha512))),
    pkcs1(CKM_SHA3_224_RSA_PKCS, &Pkcs1(Some(Hash::Sha3_224))),
    pkcs1(CKM_SHA3_256_RSA_PKCS, &Pkcs1(Some(Hash::Sha3_256))),
    pkcs1(CKM_SHA3_384_RSA_PKCS, &Pkcs1(Some(Hash::Sha3_384))),
    pkcs1(CKM_SHA3_512_RSA_PKCS, &Pkcs1(Some(Hash::Sha3_512))),
    Row {
        kind: CKM_RSA_PKCS_OAEP,
        key: Some(CKK_RSA),
        shape: Shape::Oaep,
        cipher: Some(&Oaep),
        wrap: Some(&Oaep),
        ..NOTHING
    },
    pss(CKM_RSA_PKCS_PSS, &Pss(None)),
    pss(CKM_SHA1_RSA_PKCS_PSS, &Pss(Some(Hash::Sha1))),
    pss(CKM_SHA224_RSA_PKCS_PSS, &Pss(Some(Hash::Sha224))),
    pss(CKM_SHA256_RSA_PKCS_PSS, &Pss(Some(Hash::Sha256))),
    pss(CKM_SHA384_RSA_PKCS_PSS, &Pss(Some(Hash::Sha384))),
    pss(CKM_SHA512_RSA_PKCS_PSS, &Pss(Some(Hash::Sha512))),
    pss(CKM_SHA3_224_RSA_PKCS_PSS, &Pss(Some(Hash::Sha3_224))),
    pss(CKM_SHA3_256_RSA_PKCS_PSS, &Pss(Some(Hash::Sha3_256))),
    pss(CKM_SHA3_384_RSA_PKCS_PSS, &Pss(Some(Hash::Sha3_384))),
    pss(CKM_SHA3_512_RSA_PKCS_PSS, &Pss(Some(Hash::Sha3_512))),
];

/// Bytes of the modulus.
pub(super) fn modulus_len(using: &Use) -> Result<usize> {
    let bits = keys::bits(&using.key)?;
    usize::try_from(bits.div_ceil(8))
        .map_err(|_| Error::new(Cause::KeySizeRange, "the modulus is too long"))
}

pub(super) fn check_size(using: &Use) -> Result<()> {
    using.limits.check(keys::bits(&using.key)?)
}

pub(super) fn check_signature_len(using: &Use, signature: &[u8]) -> Result<()> {
    let len = modulus_len(using)?;
    if signature.len() == len {
        return Ok(());
    }
    Err(Error::new(Cause::SignatureLenRange, format!("this key signs in {len} bytes")))
}

pub(super) fn unverified(error: CryptoError) -> Error {
    match error {
        CryptoError::Internal => broken(error),
        _ => Error::new(Cause::SignatureInvalid, "RSA does not verify"),
    }
}

/// All failures of decryption are one, so that padding cannot be probed.
fn undecrypted(error: CryptoError) -> Error {
    match error {
        CryptoError::Internal => broken(error),
        _ => Error::new(Cause::EncryptedDataInvalid, "RSA does not decrypt"),
    }
}

pub(super) fn data_too_long(most: usize) -> Error {
    Error::new(Cause::DataLenRange, format!("this key takes {most} bytes at most"))
}

/// Bytes PKCS#1 v1.5 padding takes at least.
const PKCS1_PADDING: usize = 11;

impl Signature for Pkcs1 {
    fn prepare(&self, using: &Use) -> Result<()> {
        check_size(using)
    }

    fn len(&self, using: &Use) -> Result<usize> {
        modulus_len(using)
    }

    fn feed(&self, _using: &Use) -> Result<Box<dyn Feed>> {
        Hashed::or_raw(self.0)
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        let most = modulus_len(using)?.saturating_sub(PKCS1_PADDING);
        if self.0.is_none() && fed.len() > most {
            return Err(data_too_long(most));
        }
        keys::rsa_private(&using.key)?.sign_pkcs1(self.0, fed).map_err(|error| match error {
            CryptoError::Length => data_too_long(most),
            _ => broken(error),
        })
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        check_signature_len(using, signature)?;
        let most = modulus_len(using)?.saturating_sub(PKCS1_PADDING);
        if self.0.is_none() && fed.len() > most {
            return Err(data_too_long(most));
        }
        keys::rsa_public(&using.key)?.verify_pkcs1(self.0, fed, signature).map_err(unverified)
    }
}

impl Cipher for Pkcs1Cipher {
    fn prepare(&self, using: &Use) -> Result<()> {
        check_size(using)
    }

    fn bounds(&self, using: &Use, _input: usize) -> Result<(usize, usize)> {
        let len = modulus_len(using)?;
        Ok(if using.forward { (len, len) } else { (0, len.saturating_sub(PKCS1_PADDING)) })
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let len = modulus_len(using)?;
        if using.forward {
            let most = len.saturating_sub(PKCS1_PADDING);
            if input.len() > most {
                return Err(data_too_long(most));
            }
            return keys::rsa_public(&using.key)?.encrypt_pkcs1(input).map_err(broken);
        }
        check_ciphertext_len(input, len)?;
        let plain = keys::rsa_private(&using.key)?.decrypt_pkcs1(input).map_err(undecrypted)?;
        Ok(plain.to_vec())
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Collect::stream(self, using))
    }
}

/// A number below the modulus, from bytes that may be fewer than it has.
fn raw_input_error(error: CryptoError, len: usize) -> Error {
    match error {
        CryptoError::Internal => broken(error),
        CryptoError::Length => data_too_long(len),
        _ => Error::new(Cause::DataInvalid, "the number is not below the modulus"),
    }
}

impl Cipher for Raw {
    fn prepare(&self, using: &Use) -> Result<()> {
        check_size(using)
    }

    fn bounds(&self, using: &Use, _input: usize) -> Result<(usize, usize)> {
        let len = modulus_len(using)?;
        Ok((len, len))
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let len = modulus_len(using)?;
        if using.forward {
            let key = keys::rsa_public(&using.key)?;
            return key.public_raw(input).map_err(|error| raw_input_error(error, len));
        }
        check_ciphertext_len(input, len)?;
        let plain = keys::rsa_private(&using.key)?.private_raw(input).map_err(undecrypted)?;
        Ok(plain.to_vec())
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Collect::stream(self, using))
    }
}

impl Signature for Raw {
    fn prepare(&self, using: &Use) -> Result<()> {
        check_size(using)
    }

    fn len(&self, using: &Use) -> Result<usize> {
        modulus_len(using)
    }

    fn feed(&self, _using: &Use) -> Result<Box<dyn Feed>> {
        Hashed::or_raw(None)
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        let len = modulus_len(using)?;
        let key = keys::rsa_private(&using.key)?;
        let signature = key.private_raw(fed).map_err(|error| raw_input_error(error, len))?;
        Ok(signature.to_vec())
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        check_signature_len(using, signature)?;
        let recovered = keys::rsa_public(&using.key)?.public_raw(signature).map_err(unverified)?;
        let padding =
            recovered.len().checked_sub(fed.len()).ok_or_else(|| data_too_long(recovered.len()))?;
        let (zeros, number) = recovered.split_at(padding);
        if zeros.iter().all(|byte| *byte == 0) && same(number, fed) {
            return Ok(());
        }
        Err(Error::new(Cause::SignatureInvalid, "RSA does not verify"))
    }
}

fn check_ciphertext_len(input: &[u8], len: usize) -> Result<()> {
    if input.len() == len {
        return Ok(());
    }
    Err(Error::new(Cause::EncryptedDataLenRange, format!("this key decrypts {len} bytes")))
}

/// Hashes that parameters of PSS and OAEP may name: for the message, and for the mask.
///
/// Source: PKCS#11 v3.0 Current Mechanisms, table of `CK_RSA_PKCS_MGF_TYPE`.
static HASHES: &[(CK_MECHANISM_TYPE, CK_RSA_PKCS_MGF_TYPE, Hash)] = &[
    (CKM_SHA_1, CKG_MGF1_SHA1, Hash::Sha1),
    (CKM_SHA224, CKG_MGF1_SHA224, Hash::Sha224),
    (CKM_SHA256, CKG_MGF1_SHA256, Hash::Sha256),
    (CKM_SHA384, CKG_MGF1_SHA384, Hash::Sha384),
    (CKM_SHA512, CKG_MGF1_SHA512, Hash::Sha512),
    (CKM_SHA3_224, CKG_MGF1_SHA3_224, Hash::Sha3_224),
    (CKM_SHA3_256, CKG_MGF1_SHA3_256, Hash::Sha3_256),
    (CKM_SHA3_384, CKG_MGF1_SHA3_384, Hash::Sha3_384),
    (CKM_SHA3_512, CKG_MGF1_SHA3_512, Hash::Sha3_512),
];

fn mask_hash(mgf: CK_RSA_PKCS_MGF_TYPE) -> Result<Hash> {
    HASHES
        .iter()
        .find(|(_, mask, _)| *mask == mgf)
        .map(|(.., hash)| *hash)
        .ok_or_else(|| wrong_params("no such mask generation function"))
}

fn param_hash(kind: CK_MECHANISM_TYPE) -> Result<Hash> {
    let kind = current(kind);
    HASHES
        .iter()
        .find(|(named, ..)| *named == kind)
        .map(|(.., hash)| *hash)
        .ok_or_else(|| wrong_params("the parameter names no hash of this module"))
}

/// Hash, mask hash and salt length in bytes.
struct PssParams {
    hash: Hash,
    mask: Hash,
    salt_len: usize,
}

impl Pss {
    fn params(&self, using: &Use) -> Result<PssParams> {
        let Params::Pss { hash, mgf, salt_len } = using.params else {
            return Err(wrong_params("PSS wants its parameter"));
        };
        let hash = param_hash(hash)?;
        if self.0.is_some_and(|own| own != hash) {
            return Err(wrong_params("the parameter names another hash than the mechanism"));
        }
        let most = modulus_len(using)?.saturating_sub(hash.len() + 2);
        let salt_len = usize::try_from(salt_len)
            .ok()
            .filter(|len| *len <= most)
            .ok_or_else(|| wrong_params("the salt is longer than the key leaves room for"))?;
        Ok(PssParams { hash, mask: mask_hash(mgf)?, salt_len })
    }
}

impl Signature for Pss {
    fn prepare(&self, using: &Use) -> Result<()> {
        check_size(using)?;
        self.params(using).map(drop)
    }

    fn len(&self, using: &Use) -> Result<usize> {
        modulus_len(using)
    }

    fn feed(&self, _using: &Use) -> Result<Box<dyn Feed>> {
        Hashed::or_raw(self.0)
    }

    fn sign(&self, using: &Use, fed: &[u8]) -> Result<Vec<u8>> {
        let params = self.params(using)?;
        check_digest_len(fed, params.hash)?;
        keys::rsa_private(&using.key)?
            .sign_pss(params.hash, params.mask, params.salt_len, fed)
            .map_err(broken)
    }

    fn verify(&self, using: &Use, fed: &[u8], signature: &[u8]) -> Result<()> {
        check_signature_len(using, signature)?;
        let params = self.params(using)?;
        check_digest_len(fed, params.hash)?;
        keys::rsa_public(&using.key)?
            .verify_pss(params.hash, params.mask, params.salt_len, fed, signature)
            .map_err(unverified)
    }
}

fn check_digest_len(fed: &[u8], hash: Hash) -> Result<()> {
    if fed.len() == hash.len() {
        return Ok(());
    }
    Err(Error::new(Cause::DataLenRange, format!("PSS signs a digest of {} bytes", hash.len())))
}

impl Oaep {
    fn params(using: &Use) -> Result<(Hash, Hash, &[u8])> {
        let Params::Oaep { hash, mgf, source } = &using.params else {
            return Err(wrong_params("OAEP wants its parameter"));
        };
        Ok((param_hash(*hash)?, mask_hash(*mgf)?, source))
    }

    fn most(using: &Use) -> Result<usize> {
        let (hash, _, _) = Self::params(using)?;
        modulus_len(using)?
            .checked_sub(2 * hash.len() + 2)
            .ok_or_else(|| Error::new(Cause::KeySizeRange, "the key is too short for that hash"))
    }
}

impl Cipher for Oaep {
    fn prepare(&self, using: &Use) -> Result<()> {
        check_size(using)?;
        Self::most(using).map(drop)
    }

    fn bounds(&self, using: &Use, _input: usize) -> Result<(usize, usize)> {
        let len = modulus_len(using)?;
        Ok(if using.forward { (len, len) } else { (0, Self::most(using)?) })
    }

    fn once(&self, using: &Use, input: &[u8]) -> Result<Vec<u8>> {
        let (hash, mask, label) = Self::params(using)?;
        if using.forward {
            let most = Self::most(using)?;
            if input.len() > most {
                return Err(data_too_long(most));
            }
            return keys::rsa_public(&using.key)?
                .encrypt_oaep(hash, mask, label, input)
                .map_err(broken);
        }
        check_ciphertext_len(input, modulus_len(using)?)?;
        let key = keys::rsa_private(&using.key)?;
        let plain = key.decrypt_oaep(hash, mask, label, input).map_err(undecrypted)?;
        Ok(plain.to_vec())
    }

    fn start(&'static self, using: Use) -> Result<Box<dyn Stream>> {
        Ok(Collect::stream(self, using))
    }
}

/// The exponent of a template: 65537 where clients send a zero byte or the text `10001`.
fn exponent(public: &Template, fips: bool) -> Result<Vec<u8>> {
    let sent = public.bytes(CKA_PUBLIC_EXPONENT).unwrap_or_default();
    let digits: Vec<u8> = sent.iter().copied().skip_while(|byte| *byte == 0).collect();
    let exponent = match digits.as_slice() {
        [] | b"10001" => vec![1, 0, 1],
        _ => digits,
    };
    let odd = exponent.last().is_some_and(|byte| byte % 2 == 1);
    let small = matches!(exponent.as_slice(), [] | [1]);
    if !odd || small {
        return Err(bad_exponent("the public exponent is odd and above 1"));
    }
    // FIPS 186-4 section B.3.1: above 2^16.
    if fips && exponent.len() < 3 {
        return Err(bad_exponent("FIPS mode wants a public exponent above 65536"));
    }
    Ok(exponent)
}

fn bad_exponent(rule: &'static str) -> Error {
    Error::new(Cause::AttributeValueInvalid, rule).about(CKA_PUBLIC_EXPONENT)
}

fn generate_pair(
    public: &Template,
    _private: &Template,
    _params: &Params,
    limits: Limits,
) -> Result<(Template, Template)> {
    let bits = public.number(CKA_MODULUS_BITS).ok_or_else(|| {
        Error::new(Cause::TemplateIncomplete, "the size of the modulus is wanted")
            .about(CKA_MODULUS_BITS)
    })?;
    limits.check(bits)?;
    let exponent = exponent(public, limits.fips)?;
    let size = usize::try_from(bits)
        .map_err(|_| Error::new(Cause::KeySizeRange, "the modulus is too long"))?;
    let key = RsaPrivateKey::generate(size, &exponent).map_err(|error| match error {
        CryptoError::Length | CryptoError::Parameter | CryptoError::Key => Error::new(
            Cause::KeySizeRange,
            format!("the crypto library makes no RSA key of {bits} bits with that exponent"),
        ),
        _ => broken(error),
    })?;
    let private = keys::rsa_private_attributes(&key).map_err(broken)?;
    let part = |kind| Attribute::bytes(kind, private.bytes(kind).unwrap_or_default().to_vec());
    let public = Template::from_iter([
        part(CKA_MODULUS),
        part(CKA_PUBLIC_EXPONENT),
        Attribute::number(CKA_MODULUS_BITS, bits),
    ]);
    Ok((public, private))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_taken_as_clients_send_them() {
        let of = |bytes: &[u8]| {
            let template = Template::from_iter([Attribute::bytes(CKA_PUBLIC_EXPONENT, bytes)]);
            exponent(&template, false)
        };
        assert_eq!(of(&[0]).unwrap(), [1, 0, 1]);
        assert_eq!(of(b"10001").unwrap(), [1, 0, 1]);
        assert_eq!(of(&[0, 1, 0, 1]).unwrap(), [1, 0, 1]);
        assert_eq!(of(&[3]).unwrap(), [3]);
        assert!(of(&[2]).is_err());
        assert!(of(&[1]).is_err());
        let three = Template::from_iter([Attribute::bytes(CKA_PUBLIC_EXPONENT, [3])]);
        assert!(exponent(&three, true).is_err());
    }
}
