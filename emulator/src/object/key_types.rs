//! Types of keys: which attributes each adds to those every key has.
//!
//! To add a type: its tables and a row of `KEY_TYPES` here, its file or line in
//! `mechanisms::keys`. Source: the tables of each key type in PKCS#11 v2.40 Current Mechanisms and
//! Historical Mechanisms.

use crate::ck::*;
use crate::object::rules::Change::{Free, Never as Fixed};
#[cfg(test)]
use crate::object::rules::Class;
use crate::object::rules::Default::{Absent, Computed, Is, Off};
use crate::object::rules::Form::{Bytes, Flag, Number};
use crate::object::rules::Given::{Echo, May, Must, Never};
use crate::object::rules::{KEY, PRIVATE, PUBLIC, Rule, SECRET, STORAGE, row, secret};

const RSA_PUBLIC: &[Rule] = &[
    row(CKA_MODULUS, Bytes, (Must, Never), Fixed, Computed),
    row(CKA_MODULUS_BITS, Number, (Echo, Must), Fixed, Computed),
    row(CKA_PUBLIC_EXPONENT, Bytes, (Must, May), Fixed, Computed),
    // Worked out when it is asked for, here and below: `mechanisms::seen`.
    row(CKA_X9_31_GENERATED, Flag, (Echo, Echo), Fixed, Absent),
];

const RSA_PRIVATE: &[Rule] = &[
    row(CKA_MODULUS, Bytes, (Must, Never), Fixed, Computed),
    row(CKA_PUBLIC_EXPONENT, Bytes, (Must, Never), Fixed, Computed),
    secret(CKA_PRIVATE_EXPONENT, Must, Never),
    secret(CKA_PRIME_1, May, Never),
    secret(CKA_PRIME_2, May, Never),
    secret(CKA_EXPONENT_1, May, Never),
    secret(CKA_EXPONENT_2, May, Never),
    secret(CKA_COEFFICIENT, May, Never),
    row(CKA_MODULUS_BITS, Number, (Echo, Echo), Fixed, Absent),
    row(CKA_X9_31_GENERATED, Flag, (Echo, Echo), Fixed, Absent),
];

const EC_PUBLIC: &[Rule] = &[
    row(CKA_EC_PARAMS, Bytes, (Must, Must), Fixed, Computed),
    row(CKA_EC_POINT, Bytes, (Must, Never), Fixed, Computed),
];

const EC_PRIVATE: &[Rule] =
    &[row(CKA_EC_PARAMS, Bytes, (Must, Echo), Fixed, Computed), secret(CKA_VALUE, Must, Never)];

const GROUP_PUBLIC: &[Rule] = &[
    row(CKA_PRIME, Bytes, (Must, Must), Fixed, Absent),
    row(CKA_BASE, Bytes, (Must, Must), Fixed, Absent),
    row(CKA_VALUE, Bytes, (Must, Never), Fixed, Computed),
];

/// Every key of BIP 32, whichever half. `CKA_EC_PARAMS` is the mechanism's to judge. Version bytes
/// are told as they were given (Assumed: callers send four bytes or a number); that a key can be
/// created with its chain code is Assumed too.
const BIP32: &[Rule] = &[
    row(CKA_EC_PARAMS, Bytes, (Must, Echo), Fixed, Computed),
    row(CKA_BIP32_CHAIN_CODE, Bytes, (Must, Never), Fixed, Computed),
    row(CKA_BIP32_VERSION_BYTES, Bytes, (May, May), Fixed, Computed),
    row(CKA_BIP32_CHILD_INDEX, Number, (May, Never), Fixed, Is(0)),
    row(CKA_BIP32_CHILD_DEPTH, Number, (May, Never), Fixed, Is(0)),
    row(CKA_BIP32_ID, Bytes, (Never, Never), Fixed, Computed),
    row(CKA_BIP32_FINGERPRINT, Bytes, (Never, Never), Fixed, Computed),
    row(CKA_BIP32_PARENT_FINGERPRINT, Bytes, (May, Never), Fixed, Computed),
];

const BIP32_PUBLIC: &[Rule] = &[row(CKA_EC_POINT, Bytes, (Must, Never), Fixed, Computed)];

const BIP32_PRIVATE: &[Rule] = &[secret(CKA_VALUE, Must, Never)];

/// Parameters come from the public template when a pair is made.
const GROUP_PRIVATE: &[Rule] = &[
    row(CKA_PRIME, Bytes, (Must, Echo), Fixed, Computed),
    row(CKA_BASE, Bytes, (Must, Echo), Fixed, Computed),
    secret(CKA_VALUE, Must, Never),
];

const ORDER_PUBLIC: &[Rule] = &[row(CKA_SUBPRIME, Bytes, (Must, Must), Fixed, Absent)];

const ORDER_PRIVATE: &[Rule] = &[row(CKA_SUBPRIME, Bytes, (Must, Echo), Fixed, Computed)];

/// How long a private value is wanted; pycryptoki sends it (Documented).
const VALUE_BITS: &[Rule] = &[row(CKA_VALUE_BITS, Number, (Echo, May), Fixed, Computed)];

/// Every domain parameter object. Source: PKCS#11 v2.40 section 4.11.
const DOMAIN: &[Rule] = &[
    row(CKA_KEY_TYPE, Number, (Must, May), Fixed, Computed),
    row(CKA_LOCAL, Flag, (Never, Never), Fixed, Computed),
];

/// Source: PKCS#11 v2.40 Current Mechanisms, section 2.2.4.
const DSA_DOMAIN: &[Rule] = &[
    row(CKA_PRIME, Bytes, (Must, Never), Fixed, Absent),
    row(CKA_SUBPRIME, Bytes, (Must, Never), Fixed, Absent),
    row(CKA_BASE, Bytes, (Must, Never), Fixed, Absent),
    row(CKA_PRIME_BITS, Number, (Never, Must), Fixed, Computed),
    row(CKA_SUBPRIME_BITS, Number, (Never, May), Fixed, Computed),
];

/// Source: PKCS#11 v2.40 Current Mechanisms, section 2.4.4.
const DH_DOMAIN: &[Rule] = &[
    row(CKA_PRIME, Bytes, (Must, Never), Fixed, Absent),
    row(CKA_BASE, Bytes, (Must, Never), Fixed, Absent),
    row(CKA_PRIME_BITS, Number, (Never, Must), Fixed, Computed),
];

/// Source: PKCS#11 v2.40 Current Mechanisms, section 2.4.9.
const X9_42_DH_DOMAIN: &[Rule] = &[
    row(CKA_PRIME, Bytes, (Must, Never), Fixed, Absent),
    row(CKA_BASE, Bytes, (Must, Never), Fixed, Absent),
    row(CKA_SUBPRIME, Bytes, (Must, Never), Fixed, Absent),
    row(CKA_PRIME_BITS, Number, (Never, Must), Fixed, Computed),
    row(CKA_SUBPRIME_BITS, Number, (Never, May), Fixed, Computed),
];

/// PKCS#11 v3.2, ML-DSA and ML-KEM. A private key comes as its value, as its seed, or as both.
const LATTICE_PUBLIC: &[Rule] = &[
    row(CKA_PARAMETER_SET, Number, (Must, Must), Fixed, Computed),
    row(CKA_VALUE, Bytes, (Must, Never), Fixed, Computed),
];

const LATTICE_PRIVATE: &[Rule] = &[
    row(CKA_PARAMETER_SET, Number, (Must, Echo), Fixed, Computed),
    secret(CKA_VALUE, May, Never),
    secret(CKA_SEED, May, Never),
];

const ENCAPSULATES: &[Rule] = &[row(CKA_ENCAPSULATE, Flag, (May, May), Free, Off)];

const DECAPSULATES: &[Rule] = &[row(CKA_DECAPSULATE, Flag, (May, May), Free, Off)];

/// A class of keys, or of their domain parameters, of one type, and its tables.
type KeyType = (CK_KEY_TYPE, CK_OBJECT_CLASS, &'static [&'static [Rule]]);

/// Every type of key this module has, a row a class.
static KEY_TYPES: &[KeyType] = &[
    (CKK_RSA, CKO_PUBLIC_KEY, &[STORAGE, KEY, PUBLIC, RSA_PUBLIC]),
    (CKK_RSA, CKO_PRIVATE_KEY, &[STORAGE, KEY, PRIVATE, RSA_PRIVATE]),
    (CKK_EC, CKO_PUBLIC_KEY, &[STORAGE, KEY, PUBLIC, EC_PUBLIC]),
    (CKK_EC, CKO_PRIVATE_KEY, &[STORAGE, KEY, PRIVATE, EC_PRIVATE]),
    (CKK_DSA, CKO_PUBLIC_KEY, &[STORAGE, KEY, PUBLIC, GROUP_PUBLIC, ORDER_PUBLIC]),
    (CKK_DSA, CKO_PRIVATE_KEY, &[STORAGE, KEY, PRIVATE, GROUP_PRIVATE, ORDER_PRIVATE]),
    (CKK_DH, CKO_PUBLIC_KEY, &[STORAGE, KEY, PUBLIC, GROUP_PUBLIC]),
    (CKK_DH, CKO_PRIVATE_KEY, &[STORAGE, KEY, PRIVATE, GROUP_PRIVATE, VALUE_BITS]),
    (CKK_X9_42_DH, CKO_PUBLIC_KEY, &[STORAGE, KEY, PUBLIC, GROUP_PUBLIC, ORDER_PUBLIC]),
    (CKK_X9_42_DH, CKO_PRIVATE_KEY, &[STORAGE, KEY, PRIVATE, GROUP_PRIVATE, ORDER_PRIVATE]),
    (CKK_EC_EDWARDS, CKO_PUBLIC_KEY, &[STORAGE, KEY, PUBLIC, EC_PUBLIC]),
    (CKK_EC_EDWARDS, CKO_PRIVATE_KEY, &[STORAGE, KEY, PRIVATE, EC_PRIVATE]),
    (CKK_EC_MONTGOMERY, CKO_PUBLIC_KEY, &[STORAGE, KEY, PUBLIC, EC_PUBLIC]),
    (CKK_EC_MONTGOMERY, CKO_PRIVATE_KEY, &[STORAGE, KEY, PRIVATE, EC_PRIVATE]),
    (CKK_SM2, CKO_PUBLIC_KEY, &[STORAGE, KEY, PUBLIC, EC_PUBLIC]),
    (CKK_SM2, CKO_PRIVATE_KEY, &[STORAGE, KEY, PRIVATE, EC_PRIVATE]),
    (CKK_BIP32, CKO_PUBLIC_KEY, &[STORAGE, KEY, PUBLIC, BIP32, BIP32_PUBLIC]),
    (CKK_BIP32, CKO_PRIVATE_KEY, &[STORAGE, KEY, PRIVATE, BIP32, BIP32_PRIVATE]),
    (CKK_ML_DSA, CKO_PUBLIC_KEY, &[STORAGE, KEY, PUBLIC, LATTICE_PUBLIC]),
    (CKK_ML_DSA, CKO_PRIVATE_KEY, &[STORAGE, KEY, PRIVATE, LATTICE_PRIVATE]),
    (CKK_ML_KEM, CKO_PUBLIC_KEY, &[STORAGE, KEY, PUBLIC, LATTICE_PUBLIC, ENCAPSULATES]),
    (CKK_ML_KEM, CKO_PRIVATE_KEY, &[STORAGE, KEY, PRIVATE, LATTICE_PRIVATE, DECAPSULATES]),
    secret_key(CKK_AES),
    secret_key(CKK_DES),
    secret_key(CKK_DES2),
    secret_key(CKK_DES3),
    secret_key(CKK_RC2),
    secret_key(CKK_RC4),
    secret_key(CKK_RC5),
    secret_key(CKK_CAST5),
    secret_key(CKK_ARIA),
    secret_key(CKK_SM4),
    secret_key(CKK_GENERIC_SECRET),
    (CKK_DSA, CKO_DOMAIN_PARAMETERS, &[STORAGE, DOMAIN, DSA_DOMAIN]),
    (CKK_DH, CKO_DOMAIN_PARAMETERS, &[STORAGE, DOMAIN, DH_DOMAIN]),
    (CKK_X9_42_DH, CKO_DOMAIN_PARAMETERS, &[STORAGE, DOMAIN, X9_42_DH_DOMAIN]),
];

/// Secret keys differ in the lengths they may have, not in their attributes.
const fn secret_key(key_type: CK_KEY_TYPE) -> KeyType {
    (key_type, CKO_SECRET_KEY, &[STORAGE, KEY, SECRET])
}

/// Key types by which older clients call one that the standard has numbered since, with the present
/// number. A template is renamed at the boundary; what a client reads back is the present number.
///
/// Source: the vendor's own client library for Python (Documented); that a token with the present
/// numbers still takes the old ones, and which it tells, is Assumed.
static RENAMED: &[(CK_KEY_TYPE, CK_KEY_TYPE)] =
    &[(0x8000_0012, CKK_EC_EDWARDS), (0x8000_0013, CKK_EC_MONTGOMERY)];

/// The number a key type has today; a number nobody renamed is itself.
pub(crate) fn current(key_type: CK_KEY_TYPE) -> CK_KEY_TYPE {
    RENAMED.iter().find(|(old, _)| *old == key_type).map_or(key_type, |(_, now)| *now)
}

/// The tables of a class of keys.
pub(super) fn tables(
    class: CK_OBJECT_CLASS,
    key_type: CK_KEY_TYPE,
) -> Option<&'static [&'static [Rule]]> {
    let found = KEY_TYPES.iter().find(|(kind, of, _)| (*kind, *of) == (key_type, class));
    found.map(|(_, _, tables)| *tables)
}

/// Every table of every type, many of them more than once.
pub(super) fn all() -> impl Iterator<Item = &'static [Rule]> {
    KEY_TYPES.iter().flat_map(|(_, _, tables)| tables.iter().copied())
}

/// Every class of keys.
#[cfg(test)]
pub(super) fn classes() -> impl Iterator<Item = Class> {
    KEY_TYPES.iter().map(|(kind, class, _)| Class { class: *class, key_type: Some(*kind) })
}
