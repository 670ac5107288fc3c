//! SM2 signatures (GB/T 32918.2), through the crate `sm2`.
//!
//! A signature is of a number `e`, which [`digest_prefix`] begins to condense from the signer and the
//! message: see there. Nonces are deterministic (RFC 6979, over SM3), which no verifier sees.

use super::CryptoError;
use super::hash::{Hash, digest};
use sm2::dsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};
use sm2::elliptic_curve::Generate;
use sm2::elliptic_curve::bigint::{ArrayEncoding, U256};
use sm2::elliptic_curve::ops::Reduce;
use sm2::elliptic_curve::sec1::ToSec1Point;
use sm2::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use sm2::{PublicKey, Scalar, SecretKey};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of a private key, of a coordinate, of half a signature.
pub const FIELD_LEN: usize = 32;

/// Bytes of a signature: `r || s`.
pub const SIGNATURE_LEN: usize = 2 * FIELD_LEN;

/// Who signs, where nobody says otherwise: GM/T 0009-2012 section 7.
pub const DEFAULT_ID: &str = "1234567812345678";

/// `a`, `b` and the base point of the recommended curve, as they are condensed: GB/T 32918.5 section 2.
#[rustfmt::skip]
const CURVE: [u8; 4 * FIELD_LEN] = [
    0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc,
    0x28, 0xe9, 0xfa, 0x9e, 0x9d, 0x9f, 0x5e, 0x34, 0x4d, 0x5a, 0x9e, 0x4b, 0xcf, 0x65, 0x09, 0xa7,
    0xf3, 0x97, 0x89, 0xf5, 0x15, 0xab, 0x8f, 0x92, 0xdd, 0xbc, 0xbd, 0x41, 0x4d, 0x94, 0x0e, 0x93,
    0x32, 0xc4, 0xae, 0x2c, 0x1f, 0x19, 0x81, 0x19, 0x5f, 0x99, 0x04, 0x46, 0x6a, 0x39, 0xc9, 0x94,
    0x8f, 0xe3, 0x0b, 0xbf, 0xf2, 0x66, 0x0b, 0xe1, 0x71, 0x5a, 0x45, 0x89, 0x33, 0x4c, 0x74, 0xc7,
    0xbc, 0x37, 0x36, 0xa2, 0xf4, 0xf6, 0x77, 0x9c, 0x59, 0xbd, 0xce, 0xe3, 0x6b, 0x69, 0x21, 0x53,
    0xd0, 0xa9, 0x87, 0x7c, 0xc6, 0x2a, 0x47, 0x40, 0x02, 0xdf, 0x32, 0xe5, 0x21, 0x39, 0xf0, 0xa0,
];

/// A private key.
pub struct Sm2PrivateKey {
    key: SecretKey,
    signer: SigningKey,
}

/// A public key: a point that is on the curve.
#[derive(Clone, Debug)]
pub struct Sm2PublicKey {
    key: PublicKey,
    verifier: VerifyingKey,
}

impl fmt::Debug for Sm2PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sm2PrivateKey(..)")
    }
}

impl Sm2PrivateKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when there is no randomness.
    pub fn generate() -> Result<Self, CryptoError> {
        Self::of(SecretKey::try_generate().map_err(|_| CryptoError::Internal)?)
    }

    /// The key of a scalar, big-endian; zeros before it may be missing.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for zero, a number from the order on, or too many bytes.
    pub fn from_scalar(scalar: &[u8]) -> Result<Self, CryptoError> {
        let bytes = padded(scalar).ok_or(CryptoError::Key)?;
        Self::of(SecretKey::from_slice(bytes.as_slice()).map_err(|_| CryptoError::Key)?)
    }

    /// The key in a `PrivateKeyInfo`.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] when the bytes are no private key of this curve.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, CryptoError> {
        Self::of(SecretKey::from_pkcs8_der(der).map_err(|_| CryptoError::Key)?)
    }

    fn of(key: SecretKey) -> Result<Self, CryptoError> {
        let signer = SigningKey::new(DEFAULT_ID, &key).map_err(|_| CryptoError::Internal)?;
        Ok(Self { key, signer })
    }

    /// The key as a `PrivateKeyInfo`.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when the library fails.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let der = self.key.to_pkcs8_der().map_err(|_| CryptoError::Internal)?;
        Ok(Zeroizing::new(der.as_bytes().to_vec()))
    }

    /// The scalar, [`FIELD_LEN`] bytes.
    #[must_use]
    pub fn scalar(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.key.to_bytes().to_vec())
    }

    /// The public half.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when the library fails.
    pub fn public(&self) -> Result<Sm2PublicKey, CryptoError> {
        Sm2PublicKey::of(self.key.public_key())
    }

    /// A signature of `e`, a digest of at most 64 bytes.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] for more bytes or none, [`CryptoError::Internal`] when the library fails.
    pub fn sign(&self, e: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let signature: Signature =
            self.signer.sign_prehash(&*reduced(e)?).map_err(|_| CryptoError::Internal)?;
        Ok(signature.to_bytes().to_vec())
    }
}

impl Sm2PublicKey {
    /// The key of a point as SEC 1 writes it.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for bytes that are no point of the curve.
    pub fn from_point(point: &[u8]) -> Result<Self, CryptoError> {
        Self::of(PublicKey::from_sec1_bytes(point).map_err(|_| CryptoError::Key)?)
    }

    fn of(key: PublicKey) -> Result<Self, CryptoError> {
        let verifier = VerifyingKey::new(DEFAULT_ID, key).map_err(|_| CryptoError::Internal)?;
        Ok(Self { key, verifier })
    }

    /// The point, uncompressed.
    #[must_use]
    pub fn point(&self) -> Vec<u8> {
        self.key.to_sec1_point(false).as_bytes().to_vec()
    }

    /// Checks a signature of `e`.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Length`] for a digest of no bytes or more than 64, [`CryptoError::Failed`] for a
    /// signature that is none of it.
    pub fn verify(&self, e: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let e = reduced(e)?;
        let signature = Signature::from_slice(signature).map_err(|_| CryptoError::Failed)?;
        self.verifier.verify_prehash(&*e, &signature).map_err(|_| CryptoError::Failed)
    }
}

fn padded(number: &[u8]) -> Option<Zeroizing<[u8; FIELD_LEN]>> {
    let mut bytes = Zeroizing::new([0; FIELD_LEN]);
    let at = FIELD_LEN.checked_sub(number.len())?;
    bytes.get_mut(at..)?.copy_from_slice(number);
    Some(bytes)
}

/// A digest as a number below the order, which is all a signature depends on.
fn reduced(e: &[u8]) -> Result<Zeroizing<[u8; FIELD_LEN]>, CryptoError> {
    if e.is_empty() || e.len() > 2 * FIELD_LEN {
        return Err(CryptoError::Length);
    }
    let scalar = |part: &[u8]| {
        let bytes = padded(part).ok_or(CryptoError::Length)?;
        Ok(<Scalar as Reduce<U256>>::reduce(&U256::from_be_slice(bytes.as_slice())))
    };
    let (high, low) = e.split_at(e.len().saturating_sub(FIELD_LEN));
    // 2^256, as the largest number of 256 bits and one.
    let shift = <Scalar as Reduce<U256>>::reduce(&U256::MAX) + Scalar::ONE;
    let reduced = scalar(high)? * shift + scalar(low)?;
    let bytes: [u8; FIELD_LEN] = U256::from(&reduced).to_be_byte_array().into();
    Ok(Zeroizing::new(bytes))
}

/// What is hashed before the message: the digest of the signer's id, the curve and the key
/// (`Z`, GB/T 32918.2 section 5.5), by the same hash as the message; the standard knows SM3 alone.
///
/// # Errors
///
/// [`CryptoError::Length`] for an id of 8 KiB and more, [`CryptoError::Internal`] when the library
/// fails.
pub fn digest_prefix(hash: Hash, id: &[u8], key: &Sm2PublicKey) -> Result<Vec<u8>, CryptoError> {
    let bits = u16::try_from(id.len() * 8).map_err(|_| CryptoError::Length)?;
    let mut told = bits.to_be_bytes().to_vec();
    told.extend_from_slice(id);
    told.extend_from_slice(&CURVE);
    told.extend(key.point().iter().skip(1));
    digest(hash, &told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors::hex;

    fn bytes(text: &str) -> Vec<u8> {
        hex(&text.replace(' ', ""))
    }

    /// GB/T 32918.5-2017 annex A.2.
    #[test]
    fn the_standards_example() {
        let key = Sm2PrivateKey::from_scalar(&bytes(
            "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8",
        ))
        .unwrap();
        let public = key.public().unwrap();
        assert_eq!(
            public.point(),
            bytes(
                "04 09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020 \
                 CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
            )
        );
        let z = digest_prefix(Hash::Sm3, DEFAULT_ID.as_bytes(), &public).unwrap();
        assert_eq!(z, bytes("B2E14C5C79C6DF5B85F4FE7ED8DB7A262B9DA7E07CCB0EA9F4747B8CCDA8A4F3"));
        let e = digest(Hash::Sm3, &[z.as_slice(), b"message digest"].concat()).unwrap();
        assert_eq!(e, bytes("F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640"));
        let signature = bytes(
            "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3 \
             B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA",
        );
        public.verify(&e, &signature).unwrap();
        let own = key.sign(&e).unwrap();
        public.verify(&e, &own).unwrap();
        for at in [0, 31, 32, 63] {
            let mut wrong = signature.clone();
            wrong[at] ^= 1;
            assert_eq!(public.verify(&e, &wrong), Err(CryptoError::Failed), "{at}");
        }
        assert_eq!(public.verify(&e, &signature[1..]), Err(CryptoError::Failed));
        let mut other = e;
        other[5] ^= 1;
        assert_eq!(public.verify(&other, &signature), Err(CryptoError::Failed));
    }

    #[test]
    fn digests_are_numbers() {
        let short = reduced(&[5; 20]).unwrap();
        assert_eq!(short[..12], [0; 12]);
        assert_eq!(short[12..], [5; 20]);
        // 2^256 less the order of the curve.
        let mut beyond = vec![0; 33];
        beyond[0] = 1;
        assert_eq!(reduced(&beyond).unwrap()[..4], [0, 0, 0, 1]);
        assert_eq!(reduced(&[0; 33]).unwrap()[..], [0; 32]);
        assert_eq!(reduced(&[]), Err(CryptoError::Length));
        assert_eq!(reduced(&[1; 65]), Err(CryptoError::Length));
    }

    #[test]
    fn keys_come_and_go() {
        let key = Sm2PrivateKey::generate().unwrap();
        let back = Sm2PrivateKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(back.scalar(), key.scalar());
        assert!(Sm2PrivateKey::from_scalar(&[0; 32]).is_err());
        assert!(Sm2PrivateKey::from_scalar(&[0xff; 32]).is_err());
        assert!(Sm2PrivateKey::from_scalar(&[1; 33]).is_err());
        let point = key.public().unwrap().point();
        assert_eq!(Sm2PublicKey::from_point(&point).unwrap().point(), point);
        let mut off = point;
        off[64] ^= 1;
        assert!(Sm2PublicKey::from_point(&off).is_err());
    }
}
