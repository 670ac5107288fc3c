//! Private keys as PKCS#8 (RFC 5208, RFC 5958, RFC 8410), the form in which keys are wrapped; through
//! aws-lc.
//!
//! Keys only, in DER, unencrypted; whoever wraps encrypts.
#![allow(unsafe_code, reason = "aws-lc-rs writes and parses only the keys it can use itself")]

use super::CryptoError;
use super::curve25519::{Ed25519PrivateKey, KEY_LEN, X25519PrivateKey};
use super::der::{self, Reader};
use super::dsa::DsaPrivateKey;
use super::ec::{Curve, EcPrivateKey};
use super::foreign::{Dsa, EcKey, Pkey, Rsa, check, refused};
use super::lattice::LatticePrivateKey;
use super::rsa::RsaPrivateKey;
use aws_lc_sys as sys;
use std::mem::MaybeUninit;
use zeroize::Zeroizing;

/// A private key out of PKCS#8.
#[derive(Debug)]
pub enum PrivateKey {
    /// An RSA key.
    Rsa(RsaPrivateKey),
    /// A key of an elliptic curve.
    Ec(EcPrivateKey),
    /// A DSA key.
    Dsa(DsaPrivateKey),
    /// A key for Ed25519 signatures.
    Ed25519(Ed25519PrivateKey),
    /// A key for X25519 agreement.
    X25519(X25519PrivateKey),
    /// A key of ML-DSA or ML-KEM.
    Lattice(LatticePrivateKey),
}

/// Parses a `PrivateKeyInfo`.
///
/// # Errors
///
/// [`CryptoError::Key`] when the bytes are not exactly one well-formed private key,
/// [`CryptoError::Parameter`] for a kind of key or a curve that is not served.
pub fn parse(der: &[u8]) -> Result<PrivateKey, CryptoError> {
    if let Some((curve, key)) = of_unnamed_curve(der) {
        return parse_unnamed(curve, key).map(PrivateKey::Ec);
    }
    let mut reader = MaybeUninit::uninit();
    // SAFETY: the reader borrows `der` for this function only. The parsed key is ours; the `get1`
    // functions add a reference that is ours too, or answer null for another kind of key.
    unsafe {
        sys::CBS_init(reader.as_mut_ptr(), der.as_ptr(), der.len());
        let mut reader = reader.assume_init();
        let parsed = Pkey::adopt(sys::EVP_parse_private_key(&raw mut reader), CryptoError::Key)?;
        if sys::CBS_len(&raw const reader) != 0 {
            return Err(CryptoError::Key);
        }
        match sys::EVP_PKEY_id(parsed.as_ptr()) {
            sys::EVP_PKEY_RSA => {
                let rsa = Rsa::adopt(sys::EVP_PKEY_get1_RSA(parsed.as_ptr()), CryptoError::Key)?;
                RsaPrivateKey::adopt(rsa).map(PrivateKey::Rsa)
            }
            sys::EVP_PKEY_EC => {
                let made = sys::EVP_PKEY_get1_EC_KEY(parsed.as_ptr());
                EcPrivateKey::adopt(EcKey::adopt(made, CryptoError::Key)?).map(PrivateKey::Ec)
            }
            sys::EVP_PKEY_DSA => {
                let dsa = Dsa::adopt(sys::EVP_PKEY_get1_DSA(parsed.as_ptr()), CryptoError::Key)?;
                DsaPrivateKey::adopt(&dsa).map(PrivateKey::Dsa)
            }
            sys::EVP_PKEY_ED25519 => {
                Ed25519PrivateKey::from_seed(&raw(&parsed)?).map(PrivateKey::Ed25519)
            }
            sys::EVP_PKEY_X25519 => {
                X25519PrivateKey::from_bytes(&raw(&parsed)?).map(PrivateKey::X25519)
            }
            sys::EVP_PKEY_PQDSA | sys::EVP_PKEY_KEM => {
                LatticePrivateKey::adopt(parsed).map(PrivateKey::Lattice)
            }
            _ => Err(CryptoError::Parameter),
        }
    }
}

/// `id-ecPublicKey`, RFC 5480.
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// The curve and `ECPrivateKey` of a `PrivateKeyInfo` that aws-lc cannot parse because it was told
/// the curve by numbers.
fn of_unnamed_curve(der: &[u8]) -> Option<(Curve, &[u8])> {
    let mut outer = Reader::new(der);
    let mut info = Reader::new(outer.take(der::SEQUENCE)?);
    info.take(der::INTEGER).filter(|version| *version == [0])?;
    let mut algorithm = Reader::new(info.take(der::SEQUENCE)?);
    algorithm.take(der::OBJECT_IDENTIFIER).filter(|kind| *kind == EC_PUBLIC_KEY)?;
    let curve = Curve::from_params_der(algorithm.rest()).filter(|curve| !curve.is_named())?;
    let key = info.take(der::OCTET_STRING)?;
    outer.is_done().then_some((curve, key))
}

/// `ECPrivateKey` of RFC 5915; its optional parts are only the curve and the point again.
fn parse_unnamed(curve: Curve, der: &[u8]) -> Result<EcPrivateKey, CryptoError> {
    let scalar = || {
        let mut outer = Reader::new(der);
        let mut key = Reader::new(outer.take(der::SEQUENCE)?);
        key.take(der::INTEGER).filter(|version| *version == [1])?;
        let scalar = key.take(der::OCTET_STRING)?;
        outer.is_done().then_some(scalar)
    };
    EcPrivateKey::from_scalar(curve, scalar().ok_or(CryptoError::Key)?)
}

/// As aws-lc writes keys of the curves it has names for: with the point, without the curve inside.
fn write_unnamed(key: &EcPrivateKey) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let point = [&[0][..], &key.public()?.point()?].concat();
    let inner = der::wrapped(
        der::SEQUENCE,
        &[
            &der::wrapped(der::INTEGER, &[&[1]]),
            &der::wrapped(der::OCTET_STRING, &[&key.scalar()?]),
            &der::wrapped(der::CONTEXT_1, &[&der::wrapped(der::BIT_STRING, &[&point])]),
        ],
    );
    let kind = der::wrapped(der::OBJECT_IDENTIFIER, &[EC_PUBLIC_KEY]);
    Ok(der::wrapped(
        der::SEQUENCE,
        &[
            &der::wrapped(der::INTEGER, &[&[0]]),
            &der::wrapped(der::SEQUENCE, &[&kind, key.curve().params_der()]),
            &der::wrapped(der::OCTET_STRING, &[&inner]),
        ],
    ))
}

/// The bytes of a private key of Curve25519.
fn raw(key: &Pkey) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut out = Zeroizing::new(vec![0; KEY_LEN]);
    let mut len = out.len();
    // SAFETY: writes at most `len` bytes and says how many.
    let returned =
        unsafe { sys::EVP_PKEY_get_raw_private_key(key.as_ptr(), out.as_mut_ptr(), &raw mut len) };
    check(i32::from(returned == 1 && len == KEY_LEN), CryptoError::Key)?;
    Ok(out)
}

/// `PrivateKeyInfo` around the bytes of a private key of Curve25519.
fn written_raw(kind: i32, key: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    // SAFETY: reads the key at its length; the wrapper is ours.
    let wrapper = unsafe {
        let made =
            sys::EVP_PKEY_new_raw_private_key(kind, std::ptr::null_mut(), key.as_ptr(), key.len());
        Pkey::adopt(made, CryptoError::Key)?
    };
    written(&wrapper)
}

impl Ed25519PrivateKey {
    /// The key as `PrivateKeyInfo`, without its public half.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when aws-lc has no memory.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        written_raw(sys::EVP_PKEY_ED25519, self.seed())
    }
}

impl LatticePrivateKey {
    /// The key as `PrivateKeyInfo`: its seed where it is known (RFC 9881, RFC 9935).
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] for a key of ML-DSA whose seed is not known: aws-lc writes no other form.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        written(self.foreign())
    }
}

impl X25519PrivateKey {
    /// The key as `PrivateKeyInfo`, without its public half.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when aws-lc has no memory.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        written_raw(sys::EVP_PKEY_X25519, self.bytes())
    }
}

impl RsaPrivateKey {
    /// The key as `PrivateKeyInfo`.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Key`] when the key was imported without its primes: the form has no place
    /// for such a key.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        // SAFETY: a new wrapper, ours, which shares the key by its count of references.
        let wrapper = unsafe {
            let wrapper = Pkey::adopt(sys::EVP_PKEY_new(), CryptoError::Internal)?;
            check(
                sys::EVP_PKEY_set1_RSA(wrapper.as_ptr(), self.foreign().as_ptr()),
                CryptoError::Internal,
            )?;
            wrapper
        };
        written(&wrapper)
    }
}

impl EcPrivateKey {
    /// The key as `PrivateKeyInfo`, its curve by name, its public point included.
    ///
    /// # Errors
    ///
    /// [`CryptoError::Internal`] when aws-lc has no memory.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        if !self.curve().is_named() {
            return write_unnamed(self);
        }
        // SAFETY: as for the RSA key.
        let wrapper = unsafe {
            let wrapper = Pkey::adopt(sys::EVP_PKEY_new(), CryptoError::Internal)?;
            check(
                sys::EVP_PKEY_set1_EC_KEY(wrapper.as_ptr(), self.foreign().as_ptr()),
                CryptoError::Internal,
            )?;
            wrapper
        };
        written(&wrapper)
    }
}

pub(super) fn written(key: &Pkey) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut writer = MaybeUninit::uninit();
    let (mut der, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: the writer is initialised before anything else sees it and its memory is either
    // handed to us by `finish`, copied and freed (and thereby wiped), or freed by `cleanup`.
    unsafe {
        check(sys::CBB_init(writer.as_mut_ptr(), 2048), CryptoError::Internal)?;
        let writer = writer.as_mut_ptr();
        if sys::EVP_marshal_private_key(writer, key.as_ptr()) != 1
            || sys::CBB_finish(writer, &raw mut der, &raw mut len) != 1
        {
            sys::CBB_cleanup(writer);
            return Err(refused(CryptoError::Key));
        }
        let out = Zeroizing::new(std::slice::from_raw_parts(der, len).to_vec());
        sys::OPENSSL_free(der.cast());
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lattice::Set;
    use super::super::rsa::RsaComponents;
    use super::super::vectors::{cases, hex};
    use super::*;

    #[test]
    fn rsa_keys_are_written_as_the_other_library_writes_them() {
        for case in cases(include_str!("vectors/rsa.txt")) {
            let der = case.bytes("pkcs8");
            if case.bytes("e").len() > 4 {
                // aws-lc's parser stops at 33 bits of public exponent.
                assert_eq!(parse(&der).unwrap_err(), CryptoError::Key);
                continue;
            }
            let Ok(PrivateKey::Rsa(key)) = parse(&der) else { panic!("an RSA key") };
            assert_eq!(key.components().unwrap().d.to_vec(), case.bytes("d"));
            assert_eq!(*key.to_pkcs8().unwrap(), der);
        }
    }

    #[test]
    fn keys_of_every_curve_come_back() {
        for curve in Curve::all() {
            let key = EcPrivateKey::generate(curve).unwrap();
            let der = key.to_pkcs8().unwrap();
            let Ok(PrivateKey::Ec(back)) = parse(&der) else { panic!("a key of a curve") };
            assert_eq!(back.curve(), curve);
            assert_eq!(*back.scalar().unwrap(), *key.scalar().unwrap());
            let points = (back.public().unwrap().point(), key.public().unwrap().point());
            assert_eq!(points.0.unwrap(), points.1.unwrap());
        }
    }

    /// RFC 8410 section 10.3: the key alone, and with its public half and an attribute.
    #[test]
    fn keys_of_curve25519_come_back() {
        let seed = hex("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842");
        let alone = [hex("302e020100300506032b657004220420"), seed.clone()].concat();
        let with_public = [
            hex("3072020101300506032b657004220420"),
            seed.clone(),
            hex("a01f301d060a2a864886f70d01090914310f0c0d437572646c6520436861697273812100"),
            hex("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"),
        ]
        .concat();
        for der in [&alone, &with_public] {
            let Ok(PrivateKey::Ed25519(key)) = parse(der) else { panic!("an Ed25519 key") };
            assert_eq!(key.seed(), seed);
            assert_eq!(*key.to_pkcs8().unwrap(), alone);
        }
        let key = X25519PrivateKey::generate().unwrap();
        let der = key.to_pkcs8().unwrap();
        let Ok(PrivateKey::X25519(back)) = parse(&der) else { panic!("an X25519 key") };
        assert_eq!(back.bytes(), key.bytes());
    }

    #[test]
    fn keys_of_every_lattice_come_back() {
        for set in Set::ALL {
            let key = LatticePrivateKey::generate(set).unwrap();
            let der = key.to_pkcs8().unwrap();
            let Ok(PrivateKey::Lattice(back)) = parse(&der) else { panic!("a key of a lattice") };
            assert_eq!(back.set(), set);
            assert_eq!(back.seed(), key.seed());
            let expanded = LatticePrivateKey::from_expanded(set, &key.expanded().unwrap()).unwrap();
            assert_eq!(expanded.to_pkcs8().is_ok(), set.is_kem());
        }
    }

    #[test]
    fn keys_of_told_curves_are_written_as_those_of_known_ones() {
        let mut known = EcPrivateKey::generate(Curve::P256).unwrap();
        while known.scalar().unwrap()[0] == 0 {
            known = EcPrivateKey::generate(Curve::P256).unwrap();
        }
        assert_eq!(write_unnamed(&known).unwrap(), known.to_pkcs8().unwrap());
    }

    #[test]
    fn anything_but_exactly_one_key_is_refused() {
        for curve in [Curve::P256, Curve::BrainpoolP512t1] {
            let der = EcPrivateKey::generate(curve).unwrap().to_pkcs8().unwrap();
            for len in 0..der.len() {
                assert!(parse(&der[..len]).is_err(), "{len} bytes of it");
            }
            assert!(parse(&[&der[..], &[0]].concat()).is_err());
        }
        assert_eq!(parse(&[0; 100]).unwrap_err(), CryptoError::Key);
    }

    #[test]
    fn a_key_without_primes_has_no_such_form() {
        let case = &cases(include_str!("vectors/rsa.txt"))[0];
        let key = RsaPrivateKey::from_components(&RsaComponents {
            n: case.bytes("n"),
            e: case.bytes("e"),
            d: Zeroizing::new(case.bytes("d")),
            p: None,
            q: None,
            dp: None,
            dq: None,
            qinv: None,
        });
        assert_eq!(key.unwrap().to_pkcs8().unwrap_err(), CryptoError::Key);
    }
}
