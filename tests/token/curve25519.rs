//! Ed25519 and X25519 as clients ask for them: names of the curve, points in both forms, old numbers,
//! keys from elsewhere, keys that travel.

use aws_lc_rs::agreement;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Session};

use crate::cross_checks::bare_point;
use crate::keys::{self, and, on};
use crate::token::{Kind, Token, hex, refused, refused_as};

const TEXT: &[u8] = b"sample";

/// RFC 8410, PrintableString, the vendor's identifier.
const ED25519_NAMES: [&str; 3] =
    [keys::ED25519, "130c656477617264733235353139", "06092b06010401da470f01"];
const X25519_NAMES: [&str; 3] =
    [keys::X25519, "130a63757276653235353139", "060a2b060104019755010501"];

/// The numbers of key types in the vendor's older headers.
const OLD_EDWARDS: CK_KEY_TYPE = 0x8000_0012;
const OLD_MONTGOMERY: CK_KEY_TYPE = 0x8000_0013;

fn x25519(session: &Session, curve: &str) -> (ObjectHandle, ObjectHandle) {
    let public = and(&on(&[CKA_DERIVE]), &[Attribute::bytes(CKA_EC_PARAMS, hex(curve))]);
    let mechanism = Mechanism::Plain(CKM_EC_MONTGOMERY_KEY_PAIR_GEN);
    session.generate_key_pair(&mechanism, &public, &on(&[CKA_DERIVE])).unwrap()
}

fn half(class: CK_OBJECT_CLASS, key_type: CK_KEY_TYPE, curve: &str) -> Vec<Attribute> {
    and(
        &on(&[CKA_SIGN, CKA_VERIFY, CKA_DERIVE]),
        &[
            Attribute::class(class),
            Attribute::key_type(key_type),
            Attribute::bytes(CKA_EC_PARAMS, hex(curve)),
        ],
    )
}

fn secret_with(session: &Session, private: ObjectHandle, public: &[u8], kdf: CK_ULONG) -> Vec<u8> {
    let template = [
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(CKK_GENERIC_SECRET),
        Attribute::bool(CKA_SENSITIVE, false),
        Attribute::bool(CKA_EXTRACTABLE, true),
    ];
    let mechanism = Mechanism::Ecdh1 {
        mechanism: CKM_ECDH1_DERIVE,
        kdf,
        shared: Vec::new(),
        public: public.to_vec(),
    };
    let key = session.derive(&mechanism, private, &template).unwrap();
    session.attribute(key, CKA_VALUE).unwrap().unwrap()
}

#[test]
fn another_library_verifies_what_ed25519_signs() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    for name in ED25519_NAMES {
        let (public, private) = keys::ed25519(session, name).unwrap();
        let signature = session.sign(&Mechanism::Plain(CKM_EDDSA), private, TEXT).unwrap();
        let theirs = UnparsedPublicKey::new(&ED25519, bare_point(session, public));
        theirs.verify(TEXT, &signature).unwrap();
        let print = |key| session.attribute(key, CKA_FINGERPRINT_SHA1).unwrap().unwrap();
        assert_eq!(print(public), print(private), "both halves have the same");
        for key in [public, private] {
            assert_eq!(session.attribute(key, CKA_EC_PARAMS).unwrap().unwrap(), hex(name));
            let key_type = session.attribute_ulong(key, CKA_KEY_TYPE).unwrap();
            assert_eq!(key_type, Some(CKK_EC_EDWARDS));
        }
    }
}

#[test]
fn eddsa_reads_its_parameter() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let (public, private) = keys::ed25519(session, keys::ED25519).unwrap();
    let with = |prehash, context: &[u8]| Mechanism::Eddsa { prehash, context: context.to_vec() };
    let schemes =
        [with(false, b""), with(false, b"context"), with(true, b""), with(true, b"context")];
    for (at, made) in schemes.iter().enumerate() {
        let signature = session.sign(made, private, TEXT).unwrap();
        for (other, asked) in schemes.iter().enumerate() {
            let answer = session.verify(asked, public, TEXT, &signature);
            if at == other {
                answer.unwrap();
            } else {
                refused_as(answer, CKR_SIGNATURE_INVALID, &(made, asked));
            }
        }
        let plain = session.verify(&Mechanism::Plain(CKM_EDDSA), public, TEXT, &signature);
        assert_eq!(plain.is_ok(), at == 0, "an empty structure is no parameter");
    }
    let long = session.sign_init(&with(false, &[0; 256]), private);
    refused(long, CKR_MECHANISM_PARAM_INVALID);
    let old = Mechanism::Plain(0x8000_0c03);
    let signature = session.sign(&old, private, TEXT).unwrap();
    session.verify(&old, public, TEXT, &signature).unwrap();
}

/// RFC 8032, section 7.1, test 2, in every wrapping of the point and under the old key type.
#[test]
fn ed25519_keys_made_elsewhere() {
    let seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let point = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let signature = hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let eddsa = Mechanism::Plain(CKM_EDDSA);
    for key_type in [CKK_EC_EDWARDS, OLD_EDWARDS] {
        for name in ED25519_NAMES {
            let value = [Attribute::bytes(CKA_VALUE, &seed[..])];
            let private = and(&half(CKO_PRIVATE_KEY, key_type, name), &value);
            let private = session.create_object(&private).unwrap();
            assert_eq!(session.sign(&eddsa, private, &[0x72]).unwrap(), signature);
            let bits = [&[3, 33, 0][..], &point].concat();
            for point in [point.clone(), keys::octets(&point), bits] {
                let point = [Attribute::bytes(CKA_EC_POINT, point)];
                let public = and(&half(CKO_PUBLIC_KEY, key_type, name), &point);
                let public = session.create_object(&public).unwrap();
                session.verify(&eddsa, public, &[0x72], &signature).unwrap();
            }
        }
        let found = session.find(&[Attribute::key_type(key_type)]).unwrap();
        assert!(!found.is_empty(), "found by either number");
    }
}

#[test]
fn keys_that_are_none_do_not_come_in() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    for (key_type, name) in [(CKK_EC_EDWARDS, keys::ED25519), (CKK_EC_MONTGOMERY, keys::X25519)] {
        for len in [0, 31, 33, 64] {
            let value = [Attribute::bytes(CKA_VALUE, vec![7; len])];
            let made = session.create_object(&and(&half(CKO_PRIVATE_KEY, key_type, name), &value));
            refused_as(made, CKR_ATTRIBUTE_VALUE_INVALID, &len);
            let point = [Attribute::bytes(CKA_EC_POINT, vec![7; len])];
            let made = session.create_object(&and(&half(CKO_PUBLIC_KEY, key_type, name), &point));
            refused_as(made, CKR_ATTRIBUTE_VALUE_INVALID, &len);
        }
        for other in [keys::P256, ED25519_NAMES[1], X25519_NAMES[1]] {
            let value = [Attribute::bytes(CKA_VALUE, vec![7; 32])];
            let made = session.create_object(&and(&half(CKO_PRIVATE_KEY, key_type, other), &value));
            let same = (key_type == CKK_EC_EDWARDS && other == ED25519_NAMES[1])
                || (key_type == CKK_EC_MONTGOMERY && other == X25519_NAMES[1]);
            if same {
                made.unwrap();
            } else {
                refused_as(made, CKR_CURVE_NOT_SUPPORTED, &other);
            }
        }
    }
    // Nor does a curve of this kind make a key of another.
    refused(keys::ec(session, keys::ED25519), CKR_CURVE_NOT_SUPPORTED);
}

#[test]
fn x25519_agrees_with_another_library() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    for name in X25519_NAMES {
        let (public, private) = x25519(session, name);
        let there = agreement::PrivateKey::generate(&agreement::X25519).unwrap();
        let point = there.compute_public_key().unwrap().as_ref().to_vec();
        let ours =
            agreement::UnparsedPublicKey::new(&agreement::X25519, bare_point(session, public));
        let shared = agreement::agree(&there, ours, (), |secret| Ok(secret.to_vec())).unwrap();
        for public in [point.clone(), keys::octets(&point)] {
            assert_eq!(secret_with(session, private, &public, CKD_NULL), shared, "{name}");
        }
        let stretched = secret_with(session, private, &point, CKD_SHA256_KDF);
        let hashed = [&shared[..], &[0, 0, 0, 1]].concat();
        let wanted = session.digest(&Mechanism::Plain(CKM_SHA256), &hashed).unwrap();
        assert_eq!(stretched, wanted);
    }
}

#[test]
fn points_of_low_order_are_not_agreed_with() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let (_, private) = x25519(session, keys::X25519);
    let one = [vec![1], vec![0; 31]].concat();
    for point in [vec![0; 32], one, vec![], vec![9; 31], vec![9; 33]] {
        let mechanism = Mechanism::Ecdh1 {
            mechanism: CKM_ECDH1_DERIVE,
            kdf: CKD_NULL,
            shared: Vec::new(),
            public: point.clone(),
        };
        let template = [Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_GENERIC_SECRET)];
        refused_as(session.derive(&mechanism, private, &template), CKR_ECC_POINT_INVALID, &point);
    }
}

/// Wrapped as PKCS#8 and unwrapped under the present or the old number, it signs as before.
#[test]
fn keys_of_curve25519_travel() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    // A partition does not wrap private keys by default, so the key comes from outside.
    let aes = keys::aes(session, &[3; 32]);
    let pkcs8 = hex("302e020100300506032b6570042204204ccd089b28ff96da9db6c346ec114e0f\
                     5b8a319f35aba624da8cf6ed4fb8a6fb");
    let pad = Mechanism::aes_cbc_pad([0; 16]);
    let wrapped = session.encrypt(&pad, aes, &pkcs8).unwrap();
    for key_type in [CKK_EC_EDWARDS, OLD_EDWARDS] {
        let template = and(
            &on(&[CKA_SIGN]),
            &[Attribute::class(CKO_PRIVATE_KEY), Attribute::key_type(key_type)],
        );
        let key = session.unwrap(&pad, aes, &wrapped, &template).unwrap();
        let signature = session.sign(&Mechanism::Plain(CKM_EDDSA), key, &[0x72]).unwrap();
        assert_eq!(signature[..8], hex("92a009a9f0d4cab8"));
    }
    for key_type in [CKK_EC_MONTGOMERY, OLD_MONTGOMERY, CKK_EC] {
        let template = [Attribute::class(CKO_PRIVATE_KEY), Attribute::key_type(key_type)];
        let made = session.unwrap(&pad, aes, &wrapped, &template);
        refused_as(made, CKR_WRAPPED_KEY_INVALID, &key_type);
    }
}

#[test]
fn fips_mode_has_no_ed25519() {
    let token = Token::up(Kind::Fips);
    refused(keys::ed25519(&token.session, keys::ED25519), CKR_MECHANISM_INVALID);
}

/// What the vendor's hashed names compute is our reading of them (Assumed).
#[test]
fn hashed_names_sign_the_digest() {
    let token = Token::up(Kind::Newest);
    let session = &token.session;
    let (public, private) = keys::ed25519(session, keys::ED25519).unwrap();
    for (kind, hash) in [
        (CKM_SHA1_EDDSA, CKM_SHA_1),
        (CKM_SHA224_EDDSA, CKM_SHA224),
        (CKM_SHA256_EDDSA, CKM_SHA256),
        (CKM_SHA384_EDDSA, CKM_SHA384),
        (CKM_SHA512_EDDSA, CKM_SHA512),
        (CKM_SHA3_224_EDDSA, CKM_SHA3_224),
        (CKM_SHA3_256_EDDSA, CKM_SHA3_256),
        (CKM_SHA3_384_EDDSA, CKM_SHA3_384),
        (CKM_SHA3_512_EDDSA, CKM_SHA3_512),
    ] {
        let digest = session.digest(&Mechanism::Plain(hash), TEXT).unwrap();
        let signature = session.sign(&Mechanism::Plain(kind), private, TEXT).unwrap();
        let plain = Mechanism::Plain(CKM_EDDSA);
        assert_eq!(session.sign(&plain, private, &digest).unwrap(), signature);
        session.verify(&plain, public, &digest, &signature).unwrap();
        session.verify(&Mechanism::Plain(kind), public, TEXT, &signature).unwrap();
        let other = session.verify(&plain, public, TEXT, &signature);
        refused(other, CKR_SIGNATURE_INVALID);
    }
}
