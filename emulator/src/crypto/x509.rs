//! Certificates of keys on Ed25519 (RFC 5280, RFC 8410), as an HSM has them of itself.
//!
//! The signature is the same each time, so a certificate needs not be kept to stay what it is.

use super::CryptoError;
use super::curve25519::{Ed25519PrivateKey, Ed25519PublicKey, Scheme};
use super::der::{BIT_STRING, INTEGER, OBJECT_IDENTIFIER, Reader, SEQUENCE, wrapped};

const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

/// 1.3.101.112 and 2.5.4.3.
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// From long ago until the date that says "for ever" (RFC 5280 section 4.1.2.5).
const FROM: &[u8] = b"20000101000000Z";
const UNTIL: &[u8] = b"99991231235959Z";

fn name(common: &str) -> Vec<u8> {
    let text = wrapped(UTF8_STRING, &[common.as_bytes()]);
    let kind = wrapped(OBJECT_IDENTIFIER, &[COMMON_NAME]);
    let pair = wrapped(SEQUENCE, &[&kind, &text]);
    wrapped(SEQUENCE, &[&wrapped(SET, &[&pair])]).to_vec()
}

fn algorithm() -> Vec<u8> {
    wrapped(SEQUENCE, &[&wrapped(OBJECT_IDENTIFIER, &[ED25519])]).to_vec()
}

/// The certificate of a key, DER. Both names are common names; the serial number is positive.
///
/// # Errors
///
/// When the library fails.
pub fn certificate(
    subject: (&str, &Ed25519PublicKey),
    issuer: (&str, &Ed25519PrivateKey),
    serial: u32,
) -> Result<Vec<u8>, CryptoError> {
    let mut digits = vec![0];
    digits.extend_from_slice(&serial.max(1).to_be_bytes());
    let skip = digits.windows(2).take_while(|it| matches!(it, [0, next] if *next < 0x80)).count();
    let digits = digits.get(skip..).unwrap_or_default();
    let validity = wrapped(
        SEQUENCE,
        &[&wrapped(GENERALIZED_TIME, &[FROM]), &wrapped(GENERALIZED_TIME, &[UNTIL])],
    );
    let key = wrapped(BIT_STRING, &[&[0], subject.1.bytes()]);
    let to_sign = wrapped(
        SEQUENCE,
        &[
            &wrapped(VERSION, &[&wrapped(INTEGER, &[&[2]])]),
            &wrapped(INTEGER, &[digits]),
            &algorithm(),
            &name(issuer.0),
            &validity,
            &name(subject.0),
            &wrapped(SEQUENCE, &[&algorithm(), &key]),
        ],
    );
    let signature = issuer.1.sign(Scheme::Pure, &to_sign)?;
    let signature = wrapped(BIT_STRING, &[&[0], &signature]);
    Ok(wrapped(SEQUENCE, &[&to_sign, &algorithm(), &signature]).to_vec())
}

/// Whether the certificate is signed by that key.
#[must_use]
pub fn is_signed_by(certificate: &[u8], issuer: &Ed25519PublicKey) -> bool {
    signed_part(certificate)
        .is_some_and(|(to_sign, signature)| issuer.verify(Scheme::Pure, to_sign, signature).is_ok())
}

/// Whether it is a certificate whose subject has that common name.
#[must_use]
pub fn names_subject(certificate: &[u8], common: &str) -> bool {
    let subject = || {
        let (to_sign, _) = signed_part(certificate)?;
        let mut fields = Reader::new(to_sign);
        let mut fields = Reader::new(fields.take(SEQUENCE)?);
        fields.take(VERSION)?;
        fields.take(INTEGER)?;
        for _algorithm_issuer_validity in 0..3 {
            fields.take(SEQUENCE)?;
        }
        fields.take(SEQUENCE).map(|inside| wrapped(SEQUENCE, &[inside]).to_vec())
    };
    subject().is_some_and(|subject| subject == name(common))
}

fn signed_part(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut outer = Reader::new(certificate);
    let inside = outer.take(SEQUENCE).filter(|_| outer.is_done())?;
    let mut inner = Reader::new(inside);
    inner.take(SEQUENCE)?;
    let to_sign = inside.get(..inside.len().checked_sub(inner.rest().len())?)?;
    inner.take(SEQUENCE)?;
    let signature = inner.take(BIT_STRING)?.strip_prefix(&[0])?;
    Some((to_sign, signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_verifies_by_its_issuer_alone_and_is_always_the_same() {
        let issuer = Ed25519PrivateKey::from_seed(&[1; 32]).unwrap();
        let other = Ed25519PrivateKey::from_seed(&[2; 32]).unwrap();
        let make = || certificate(("subject", &other.public()), ("issuer", &issuer), 0x80).unwrap();
        let made = make();
        assert_eq!(made, make());
        assert!(is_signed_by(&made, &issuer.public()));
        assert!(!is_signed_by(&made, &other.public()));
        for at in [10, 60, made.len() - 1] {
            let mut changed = made.clone();
            changed[at] ^= 1;
            assert!(!is_signed_by(&changed, &issuer.public()), "{at}");
        }
        assert!(!is_signed_by(b"", &issuer.public()));
        assert!(names_subject(&made, "subject") && !names_subject(&made, "issuer"));
        assert!(!names_subject(b"x", "subject"));
    }
}
