//! Keys that come in by C_CreateObject do what generated ones do, and are told apart from them.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, Session};

use crate::keys::{self, and};
use crate::rsa_key::*;
use crate::token::{Kind, Token, hex, refused_as};

fn rsa_template() -> Vec<Attribute> {
    keys::rsa_private(RSA_N, RSA_D)
}

#[test]
fn rsa_with_and_without_its_primes() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let public = session.create_object(&keys::rsa_public(RSA_N)).unwrap();
        let bare = session.create_object(&rsa_template()).unwrap();
        let whole = session.create_object(&and(&rsa_template(), &keys::rsa_primes())).unwrap();
        let oaep = Mechanism::rsa_oaep(CKM_SHA256).unwrap();
        let pkcs = Mechanism::Plain(CKM_SHA256_RSA_PKCS);
        let sealed = session.encrypt(&oaep, public, b"text").unwrap();
        for private in [bare, whole] {
            assert_eq!(session.sign(&pkcs, private, b"sample").unwrap(), hex(RSA_PKCS_SHA256));
            assert_eq!(session.decrypt(&oaep, private, &sealed).unwrap(), b"text");
        }
    }
}

/// The public exponent of a private key may be left out when the primes are there to tell it.
#[test]
fn rsa_without_its_public_exponent() {
    let token = Token::up(Kind::Plain);
    let mut template = and(&rsa_template(), &keys::rsa_primes());
    template.retain(|attribute| attribute.kind() != CKA_PUBLIC_EXPONENT);
    let key = match token.session.create_object(&template) {
        Ok(key) => key,
        // Where it cannot be told the template is incomplete, and nothing else.
        Err(error) => return assert!(error.is(CKR_TEMPLATE_INCOMPLETE), "{error}"),
    };
    let pkcs = Mechanism::Plain(CKM_SHA256_RSA_PKCS);
    assert_eq!(token.session.sign(&pkcs, key, b"sample").unwrap(), hex(RSA_PKCS_SHA256));
    let exponent = token.session.attribute(key, CKA_PUBLIC_EXPONENT).unwrap();
    assert_eq!(exponent.unwrap(), [1, 0, 1]);
}

/// Leading zeros, as Java's BigInteger writes them.
#[test]
fn numbers_with_leading_zeros() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let zeroed = |template: Vec<Attribute>| -> Vec<Attribute> {
        let numbers = [CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_PRIME_1];
        let padded = |attribute: Attribute| {
            if !numbers.contains(&attribute.kind()) {
                return attribute;
            }
            Attribute::bytes(attribute.kind(), [&[0], attribute.value().unwrap()].concat())
        };
        template.into_iter().map(padded).collect()
    };
    let private = zeroed(and(&rsa_template(), &keys::rsa_primes()));
    let private = session.create_object(&private).unwrap();
    let public = session.create_object(&zeroed(keys::rsa_public(RSA_N))).unwrap();
    let pkcs = Mechanism::Plain(CKM_SHA256_RSA_PKCS);
    let made = session.sign(&pkcs, private, b"sample").unwrap();
    assert_eq!(made, hex(RSA_PKCS_SHA256));
    session.verify(&pkcs, public, b"sample", &made).unwrap();
    assert_eq!(session.attribute_ulong(public, CKA_MODULUS_BITS).unwrap(), Some(2048));
}

#[test]
fn numbers_that_make_no_key() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let whole = || and(&rsa_template(), &keys::rsa_primes());
    let with = |kind, value: Vec<u8>| -> Vec<Attribute> {
        let mut template = whole();
        template.retain(|attribute| attribute.kind() != kind);
        template.push(Attribute::bytes(kind, value));
        template
    };
    let bent = |digits| {
        let mut number = hex(digits);
        number[20] ^= 1;
        number
    };
    for (case, template) in [
        ("another prime", with(CKA_PRIME_1, bent(RSA_P))),
        ("another coefficient", with(CKA_COEFFICIENT, bent(RSA_QINV))),
        ("another exponent", with(CKA_PRIVATE_EXPONENT, bent(RSA_D))),
        ("no modulus", with(CKA_MODULUS, vec![])),
        ("a modulus of zero", with(CKA_MODULUS, vec![0; 256])),
        ("a prime of zero", with(CKA_PRIME_2, vec![0])),
        ("an exponent of zero", with(CKA_PRIVATE_EXPONENT, vec![0])),
        ("swapped primes", {
            let mut template = with(CKA_PRIME_1, hex(RSA_Q));
            template.retain(|attribute| attribute.kind() != CKA_PRIME_2);
            and(&template, &[Attribute::bytes(CKA_PRIME_2, hex(RSA_P))])
        }),
    ] {
        refused_as(session.create_object(&template), CKR_ATTRIBUTE_VALUE_INVALID, &case);
    }
    let mut even = hex(RSA_N);
    *even.last_mut().unwrap() = 0;
    for (case, modulus) in [("even", even), ("empty", vec![]), ("small", vec![15])] {
        let mut template = keys::rsa_public(RSA_N);
        template.retain(|attribute| attribute.kind() != CKA_MODULUS);
        template.push(Attribute::bytes(CKA_MODULUS, modulus));
        refused_as(session.create_object(&template), CKR_ATTRIBUTE_VALUE_INVALID, &case);
    }
    assert!(session.find(&[]).unwrap().is_empty());
}

#[test]
fn secret_keys_of_every_length() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    for len in [16, 24, 32] {
        let key = keys::aes(session, &vec![5; len]);
        assert_eq!(session.attribute_ulong(key, CKA_VALUE_LEN).unwrap(), Some(len as CK_ULONG));
        session.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap();
    }
    for len in [0, 1, 15, 17, 33, 64] {
        let made = session.create_object(&keys::secret(CKK_AES, &vec![5; len]));
        refused_as(made, CKR_ATTRIBUTE_VALUE_INVALID, &len);
    }
    for len in [1, 20, 64, 200, 512] {
        let key = keys::generic(session, &vec![5; len]);
        let mac = session.sign(&Mechanism::Plain(CKM_SHA256_HMAC), key, b"text").unwrap();
        let there = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &vec![5; len]);
        assert!(ring::hmac::verify(&there, b"text", &mac).is_ok(), "{len}");
    }
    let made = session.create_object(&keys::secret(CKK_GENERIC_SECRET, &[]));
    refused_as(made, CKR_ATTRIBUTE_VALUE_INVALID, &"empty");
}

/// A length that is not the value's.
#[test]
fn a_length_that_is_not_the_values() {
    let token = Token::up(Kind::Plain);
    let right = and(&keys::secret(CKK_AES, &[5; 32]), &[Attribute::ulong(CKA_VALUE_LEN, 32)]);
    token.session.create_object(&right).unwrap();
    let wrong = and(&keys::secret(CKK_AES, &[5; 32]), &[Attribute::ulong(CKA_VALUE_LEN, 16)]);
    let answer = token.session.create_object(&wrong).unwrap_err().rv().unwrap().0;
    let refusals =
        [CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_READ_ONLY];
    assert!(refusals.contains(&answer), "{}", names::ckr(answer));
}

fn history(session: &Session, key: luna_client::ObjectHandle) -> [bool; 3] {
    [CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE]
        .map(|kind| session.attribute(key, kind).unwrap().unwrap() == [1])
}

/// What came from outside was never a secret of this token's alone.
#[test]
fn a_key_from_outside_says_so() {
    let token = Token::up(Kind::Group);
    let session = &token.session;
    let strict = [Attribute::bool(CKA_SENSITIVE, true), Attribute::bool(CKA_EXTRACTABLE, false)];
    let key = session.create_object(&and(&keys::secret(CKK_AES, &[1; 32]), &strict)).unwrap();
    assert_eq!(history(session, key), [false, false, false]);
    let made_by = session.attribute_ulong(key, CKA_KEY_GEN_MECHANISM).unwrap();
    assert_eq!(made_by, Some(CK_UNAVAILABLE_INFORMATION));
    let key = keys::generated_aes(session, &strict).unwrap();
    assert_eq!(history(session, key), [true, true, true]);
}

/// As token objects of both members of a group: used there, and there again after a restart.
#[test]
fn imported_keys_stay() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let stays = [Attribute::token(true), Attribute::label("stays")];
        let rsa = and(&and(&rsa_template(), &keys::rsa_primes()), &stays);
        token.session.create_object(&rsa).unwrap();
        token.session.create_object(&and(&keys::secret(CKK_AES, &[1; 32]), &stays)).unwrap();
        let token = token.restart();
        let session = &token.session;
        let found = |class| session.find(&[Attribute::class(class), stays[1].clone()]).unwrap();
        let pkcs = Mechanism::Plain(CKM_SHA256_RSA_PKCS);
        let made = session.sign(&pkcs, found(CKO_PRIVATE_KEY)[0], b"sample").unwrap();
        assert_eq!(made, hex(RSA_PKCS_SHA256));
        let mac = session.sign(&Mechanism::Plain(CKM_AES_CMAC), found(CKO_SECRET_KEY)[0], b"");
        assert_eq!(mac.unwrap().len(), 16);
    }
}
