//! Templates and keys the tests use.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Result, Session};

use crate::groups::Group;
use crate::rsa_key;
use crate::token::hex;

/// Object identifiers of curves in DER.
pub(crate) const P224: &str = "06052b81040021";
pub(crate) const P256: &str = "06082a8648ce3d030107";
pub(crate) const P384: &str = "06052b81040022";
pub(crate) const P521: &str = "06052b81040023";
pub(crate) const SECP256K1: &str = "06052b8104000a";
pub(crate) const BRAINPOOL_P256R1: &str = "06092b2403030208010107";

/// SM2's, by GM/T 0006.
pub(crate) const SM2: &str = "06082a811ccf5501822d";

/// Ed25519 and X25519 as RFC 8410 names them.
pub(crate) const ED25519: &str = "06032b6570";
pub(crate) const X25519: &str = "06032b656e";

/// Flags that are on.
pub(crate) fn on(kinds: &[CK_ATTRIBUTE_TYPE]) -> Vec<Attribute> {
    kinds.iter().map(|kind| Attribute::bool(*kind, true)).collect()
}

/// `template` and then `more`.
pub(crate) fn and(template: &[Attribute], more: &[Attribute]) -> Vec<Attribute> {
    template.iter().chain(more).cloned().collect()
}

const EVERY_USE: [CK_ATTRIBUTE_TYPE; 7] =
    [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE];

/// A secret key for C_CreateObject, good for everything.
pub(crate) fn secret(key_type: CK_KEY_TYPE, value: &[u8]) -> Vec<Attribute> {
    let mut template = on(&EVERY_USE);
    template.extend([
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(key_type),
        Attribute::bytes(CKA_VALUE, value),
    ]);
    template
}

pub(crate) fn aes(session: &Session, value: &[u8]) -> ObjectHandle {
    session.create_object(&secret(CKK_AES, value)).unwrap()
}

pub(crate) fn generic(session: &Session, value: &[u8]) -> ObjectHandle {
    session.create_object(&secret(CKK_GENERIC_SECRET, value)).unwrap()
}

/// A fresh AES key of 256 bits, good for everything, with `more` in its template.
pub(crate) fn generated_aes(session: &Session, more: &[Attribute]) -> Result<ObjectHandle> {
    let template = and(&on(&EVERY_USE), &[Attribute::ulong(CKA_VALUE_LEN, 32)]);
    session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &and(&template, more))
}

/// Modulus and exponent as a public key for C_CreateObject, good for everything.
pub(crate) fn rsa_public(modulus: &str) -> Vec<Attribute> {
    let mut template = on(&[CKA_ENCRYPT, CKA_VERIFY, CKA_WRAP]);
    template.extend([
        Attribute::class(CKO_PUBLIC_KEY),
        Attribute::key_type(CKK_RSA),
        Attribute::bytes(CKA_MODULUS, hex(modulus)),
        Attribute::bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
    ]);
    template
}

/// A private key for C_CreateObject without its primes, good for everything.
pub(crate) fn rsa_private(modulus: &str, exponent: &str) -> Vec<Attribute> {
    let mut template = on(&[CKA_DECRYPT, CKA_SIGN, CKA_UNWRAP]);
    template.extend([
        Attribute::class(CKO_PRIVATE_KEY),
        Attribute::key_type(CKK_RSA),
        Attribute::bytes(CKA_MODULUS, hex(modulus)),
        Attribute::bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
        Attribute::bytes(CKA_PRIVATE_EXPONENT, hex(exponent)),
    ]);
    template
}

/// The five numbers that make the private operation fast.
pub(crate) fn rsa_primes() -> Vec<Attribute> {
    [
        (CKA_PRIME_1, rsa_key::RSA_P),
        (CKA_PRIME_2, rsa_key::RSA_Q),
        (CKA_EXPONENT_1, rsa_key::RSA_DP),
        (CKA_EXPONENT_2, rsa_key::RSA_DQ),
        (CKA_COEFFICIENT, rsa_key::RSA_QINV),
    ]
    .map(|(kind, digits)| Attribute::bytes(kind, hex(digits)))
    .to_vec()
}

/// The pair of 2048 bits of `rsa_key`: public, private.
pub(crate) fn rsa(session: &Session) -> (ObjectHandle, ObjectHandle) {
    let private = and(&rsa_private(rsa_key::RSA_N, rsa_key::RSA_D), &rsa_primes());
    (
        session.create_object(&rsa_public(rsa_key::RSA_N)).unwrap(),
        session.create_object(&private).unwrap(),
    )
}

/// A fresh EC pair for signatures and agreement: public, private.
pub(crate) fn ec(session: &Session, curve: &str) -> Result<(ObjectHandle, ObjectHandle)> {
    let public =
        and(&on(&[CKA_VERIFY, CKA_DERIVE]), &[Attribute::bytes(CKA_EC_PARAMS, hex(curve))]);
    let private = on(&[CKA_SIGN, CKA_DERIVE]);
    session.generate_key_pair(&Mechanism::Plain(CKM_EC_KEY_PAIR_GEN), &public, &private)
}

/// A fresh pair on a curve that encrypts: public, private.
pub(crate) fn ecies(
    session: &Session,
    mechanism: CK_MECHANISM_TYPE,
    curve: &str,
) -> Result<(ObjectHandle, ObjectHandle)> {
    let public = and(&on(&[CKA_ENCRYPT]), &[Attribute::bytes(CKA_EC_PARAMS, hex(curve))]);
    session.generate_key_pair(&Mechanism::Plain(mechanism), &public, &on(&[CKA_DECRYPT]))
}

/// A fresh pair in a group of numbers: public, private.
pub(crate) fn in_group(
    session: &Session,
    mechanism: CK_MECHANISM_TYPE,
    group: &Group,
    more: &[Attribute],
) -> Result<(ObjectHandle, ObjectHandle)> {
    let mut public = on(&[CKA_VERIFY]);
    public.extend([
        Attribute::bytes(CKA_PRIME, hex(group.p)),
        Attribute::bytes(CKA_BASE, hex(group.g)),
    ]);
    if mechanism != CKM_DH_PKCS_KEY_PAIR_GEN {
        public.push(Attribute::bytes(CKA_SUBPRIME, hex(group.q)));
    }
    let private = and(&on(&[CKA_SIGN, CKA_DERIVE]), more);
    session.generate_key_pair(&Mechanism::Plain(mechanism), &public, &private)
}

/// A fresh Ed25519 pair: public, private. The curve in one of the forms clients send.
pub(crate) fn ed25519(session: &Session, curve: &str) -> Result<(ObjectHandle, ObjectHandle)> {
    let public = and(&on(&[CKA_VERIFY]), &[Attribute::bytes(CKA_EC_PARAMS, hex(curve))]);
    let mechanism = Mechanism::Plain(CKM_EC_EDWARDS_KEY_PAIR_GEN);
    session.generate_key_pair(&mechanism, &public, &on(&[CKA_SIGN]))
}

/// A fresh SM2 pair: public, private.
pub(crate) fn sm2(session: &Session) -> Result<(ObjectHandle, ObjectHandle)> {
    let public = and(&on(&[CKA_VERIFY]), &[Attribute::bytes(CKA_EC_PARAMS, hex(SM2))]);
    let mechanism = Mechanism::Plain(CKM_SM2_KEY_PAIR_GEN);
    session.generate_key_pair(&mechanism, &public, &on(&[CKA_SIGN]))
}

/// A DER OCTET STRING around bytes.
pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u8;
    let head = if len < 0x80 { vec![4, len] } else { vec![4, 0x81, len] };
    [head, bytes.to_vec()].concat()
}

pub(crate) fn gcm_made_by_hsm(aad: &[u8]) -> Mechanism {
    Mechanism::AesGcm { iv: Vec::new(), iv_bits: 0, aad: aad.to_vec(), tag_bits: 128 }
}

/// An AES key that may leave wrapped.
pub(crate) fn aes_extractable(session: &Session, value: &[u8]) -> ObjectHandle {
    let template = and(&secret(CKK_AES, value), &[Attribute::bool(CKA_EXTRACTABLE, true)]);
    session.create_object(&template).unwrap()
}
