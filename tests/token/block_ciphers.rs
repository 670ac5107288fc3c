//! Keys of the block ciphers beside AES, and what their mechanisms refuse.
//!
//! Source: the functional tests of the vendor's Python bindings for lengths, sizes and codes (Documented); PKCS#11
//! v2.40 for parity.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType, ObjectHandle, Session};

use crate::keys::{self, and, on};
use crate::samples::{self, Keys, odd};
use crate::token::{Kind, Token, hex, refused, refused_as};

/// What makes keys of which type; a length the bindings ask for, and one that is refused.
const KEY_GENS: &[(MechanismType, CK_KEY_TYPE, CK_ULONG, CK_ULONG)] = &[
    (CKM_DES_KEY_GEN, CKK_DES, 8, 7),
    (CKM_DES2_KEY_GEN, CKK_DES2, 16, 24),
    (CKM_DES3_KEY_GEN, CKK_DES3, 24, 16),
    (CKM_RC2_KEY_GEN, CKK_RC2, 64, 129),
    (CKM_RC4_KEY_GEN, CKK_RC4, 64, 257),
    (CKM_RC5_KEY_GEN, CKK_RC5, 16, 256),
    (CKM_CAST5_KEY_GEN, CKK_CAST5, 16, 17),
    (CKM_ARIA_KEY_GEN, CKK_ARIA, 24, 20),
    (CKM_SM4_KEY_GEN, CKK_SM4, 16, 8),
];

fn readable() -> [Attribute; 2] {
    [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, true)]
}

fn extractable(session: &Session, key_type: CK_KEY_TYPE, value: &[u8]) -> ObjectHandle {
    let template = and(&keys::secret(key_type, value), &readable());
    session.create_object(&template).unwrap()
}

fn value(session: &Session, key: ObjectHandle) -> Vec<u8> {
    session.attribute(key, CKA_VALUE).unwrap().unwrap()
}

fn has_odd_parity(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.count_ones() % 2 == 1)
}

#[test]
fn every_type_is_made_at_its_length_and_no_other() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    for (mechanism, key_type, len, wrong) in KEY_GENS {
        let name = names::ckm(*mechanism);
        let plain = Mechanism::Plain(*mechanism);
        let template = and(&readable(), &[Attribute::ulong(CKA_VALUE_LEN, *len)]);
        let key = session.generate_key(&plain, &template).unwrap();
        let told = |what| session.attribute_ulong(key, what).unwrap();
        assert_eq!(told(CKA_KEY_TYPE), Some(*key_type), "{name}");
        let made = value(session, key);
        assert_eq!(made.len() as CK_ULONG, *len, "{name}");
        let is_des = matches!(*key_type, CKK_DES | CKK_DES2 | CKK_DES3);
        if is_des {
            assert!(has_odd_parity(&made), "{name}");
        }
        for len in [*wrong, 0, CK_ULONG::MAX] {
            let template = [Attribute::ulong(CKA_VALUE_LEN, len)];
            refused_as(session.generate_key(&plain, &template), CKR_KEY_SIZE_RANGE, &name);
        }
        // Types of one length need not be told it.
        let made = session.generate_key(&plain, &[]);
        if is_des || *key_type == CKK_SM4 {
            made.unwrap();
        } else {
            refused_as(made, CKR_TEMPLATE_INCOMPLETE, &name);
        }
    }
}

#[test]
fn parity_is_wanted_of_keys_that_come_in() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let aes = keys::aes(session, &[3; 16]);
    let cbc = Mechanism::Bytes(CKM_AES_CBC_PAD, vec![0; 16]);
    for (key_type, len) in [(CKK_DES, 8), (CKK_DES2, 16), (CKK_DES3, 24)] {
        session.create_object(&keys::secret(key_type, &odd(len))).unwrap();
        let mut even = odd(len);
        even[len - 1] ^= 1;
        let made = session.create_object(&keys::secret(key_type, &even));
        refused_as(made, CKR_ATTRIBUTE_VALUE_INVALID, &key_type);
        let template = [Attribute::class(CKO_SECRET_KEY), Attribute::key_type(key_type)];
        let wrapped = session.encrypt(&cbc, aes, &even).unwrap();
        let made = session.unwrap(&cbc, aes, &wrapped, &template);
        refused_as(made, CKR_WRAPPED_KEY_INVALID, &key_type);
        let wrapped = session.encrypt(&cbc, aes, &odd(len)).unwrap();
        session.unwrap(&cbc, aes, &wrapped, &template).unwrap();
    }
}

/// Eleven bytes, and 65520: what the bindings send to every mechanism.
#[test]
fn odd_data_is_for_mechanisms_that_pad_or_stream() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let keys = Keys::of(session);
    let mut refusals = 0;
    for (mechanism, _) in samples::listed(&token, CKF_ENCRYPT) {
        let name = names::ckm(mechanism);
        let Some(sample) = samples::block_cipher(mechanism, &keys) else { continue };
        let whole_blocks = name.ends_with("_ECB") || name.ends_with("_CBC");
        let (by, with) = (&sample.mechanism, sample.public);
        let odd = session.encrypt(by, with, b"abcdefghijk");
        if whole_blocks {
            refused_as(odd, CKR_DATA_LEN_RANGE, &name);
            session.encrypt_init(by, with).unwrap();
            session.encrypt_update(b"abcdefghijk").unwrap();
            refused_as(session.encrypt_final(), CKR_DATA_LEN_RANGE, &name);
            let opened = session.decrypt(by, with, &[1; 11]);
            refused_as(opened, CKR_ENCRYPTED_DATA_LEN_RANGE, &name);
            refusals += 1;
        } else {
            let opened = session.decrypt(by, with, &odd.unwrap());
            assert_eq!(opened.unwrap(), b"abcdefghijk", "{name}");
        }
        let sealed = session.encrypt(by, with, &[0x61; 0xfff0]).unwrap();
        assert_eq!(session.decrypt(by, with, &sealed).unwrap(), [0x61; 0xfff0], "{name}");
    }
    assert!(refusals >= 16, "{refusals}");
}

/// Keys of three lengths, filled up with zeros where the mechanism does not pad.
#[test]
fn keys_go_and_come_back_by_every_block_cipher() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let keys = Keys::of(session);
    let carried = [
        (CKK_DES3, extractable(session, CKK_DES3, &odd(24))),
        (CKK_GENERIC_SECRET, extractable(session, CKK_GENERIC_SECRET, &[9; 13])),
        (CKK_CAST5, extractable(session, CKK_CAST5, &[7; 5])),
    ];
    let mut walked = 0;
    for (mechanism, _) in samples::listed(&token, CKF_WRAP) {
        let Some(sample) = samples::block_cipher(mechanism, &keys) else { continue };
        let name = names::ckm(mechanism);
        for (key_type, key) in carried {
            let bytes = value(session, key);
            let wrapped = session.wrap(&sample.mechanism, sample.public, key).unwrap();
            let len = Attribute::ulong(CKA_VALUE_LEN, bytes.len() as CK_ULONG);
            let template = [Attribute::class(CKO_SECRET_KEY), Attribute::key_type(key_type), len];
            let template = and(&template, &readable());
            let again = session.unwrap(&sample.mechanism, sample.public, &wrapped, &template);
            let again = again.unwrap_or_else(|error| panic!("{name} {key_type}: {error}"));
            assert_eq!(value(session, again), bytes, "{name} {key_type}");
        }
        walked += 1;
    }
    assert!(walked >= 24, "{walked}");
}

/// Digests of keys of every type, cut to the type that is wanted.
#[test]
fn keys_are_derived_by_digest_from_any_secret_key() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    for (key_type, len) in [(CKK_DES, 8), (CKK_DES2, 16), (CKK_GENERIC_SECRET, 16), (CKK_CAST5, 16)]
    {
        let base = session.create_object(&keys::secret(key_type, &odd(len))).unwrap();
        for mechanism in [
            CKM_SHA1_KEY_DERIVATION,
            CKM_SHA224_KEY_DERIVATION,
            CKM_SHA256_KEY_DERIVATION,
            CKM_SHA384_KEY_DERIVATION,
            CKM_SHA512_KEY_DERIVATION,
        ] {
            let mechanism = Mechanism::Plain(mechanism);
            let wanted = |key_type| {
                and(&[Attribute::class(CKO_SECRET_KEY), Attribute::key_type(key_type)], &readable())
            };
            let derived = session.derive(&mechanism, base, &wanted(CKK_DES2)).unwrap();
            let made = value(session, derived);
            assert!(made.len() == 16 && has_odd_parity(&made), "{mechanism:?}");
            let derived = session.derive(&mechanism, base, &wanted(CKK_DES3));
            if mechanism.kind() == CKM_SHA1_KEY_DERIVATION {
                refused_as(derived, CKR_KEY_SIZE_RANGE, &key_type);
            } else {
                assert!(has_odd_parity(&value(session, derived.unwrap())), "{mechanism:?}");
            }
            let aria = and(&wanted(CKK_ARIA), &[Attribute::ulong(CKA_VALUE_LEN, 24)]);
            let derived = session.derive(&mechanism, base, &aria);
            assert_eq!(derived.is_ok(), mechanism.kind() != CKM_SHA1_KEY_DERIVATION);
        }
    }
}

/// SP 800-38A F.1.1 and F.2.1, and NIST's variable plaintext of DES: the key is the ciphertext.
#[test]
fn keys_are_derived_by_encrypting_data() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let template = and(
        &[Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_GENERIC_SECRET)],
        &readable(),
    );
    let aes = keys::aes(session, &hex("2b7e151628aed2a6abf7158809cf4f3c"));
    let des = session.create_object(&keys::secret(CKK_DES, &[1; 8])).unwrap();
    let triple = session.create_object(&keys::secret(CKK_DES3, &[1; 24])).unwrap();
    let blocks = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51";
    for (mechanism, base, iv, data, derived) in [
        (
            CKM_AES_ECB_ENCRYPT_DATA,
            aes,
            "",
            blocks,
            "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf",
        ),
        (
            CKM_AES_CBC_ENCRYPT_DATA,
            aes,
            "000102030405060708090a0b0c0d0e0f",
            blocks,
            "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2",
        ),
        (CKM_DES_ECB_ENCRYPT_DATA, des, "", "8000000000000000", "95f8a5e5dd31d900"),
        (CKM_DES_CBC_ENCRYPT_DATA, des, "8000000000000000", "0000000000000000", "95f8a5e5dd31d900"),
        (CKM_DES3_ECB_ENCRYPT_DATA, triple, "", "8000000000000000", "95f8a5e5dd31d900"),
        (
            CKM_DES3_CBC_ENCRYPT_DATA,
            triple,
            "0000000000000000",
            "8000000000000000",
            "95f8a5e5dd31d900",
        ),
    ] {
        let by = |data: &str| match hex(iv) {
            iv if iv.is_empty() => Mechanism::StringData { mechanism, data: hex(data) },
            iv => Mechanism::CbcEncryptData { mechanism, iv, data: hex(data) },
        };
        let key = session.derive(&by(data), base, &template).unwrap();
        assert_eq!(value(session, key), hex(derived), "{}", names::ckm(mechanism));
        for odd in ["", &data[2..]] {
            let refusal = session.derive(&by(odd), base, &template);
            refused_as(refusal, CKR_MECHANISM_PARAM_INVALID, &names::ckm(mechanism));
        }
    }
}

/// Both sides of an agreement make one DES key, with its parity.
#[test]
fn keys_are_agreed_on_as_des_keys() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let pairs = [0, 1].map(|_| keys::ec(session, keys::P256).unwrap());
    let template = and(
        &on(&[CKA_ENCRYPT, CKA_DECRYPT]),
        &[
            Attribute::class(CKO_SECRET_KEY),
            Attribute::key_type(CKK_DES),
            Attribute::ulong(CKA_VALUE_LEN, 8),
        ],
    );
    let [one, other] = [(0, 1), (1, 0)].map(|(own, theirs)| {
        let public = session.attribute(pairs[theirs].0, CKA_EC_POINT).unwrap().unwrap();
        let mechanism = Mechanism::Ecdh1 {
            mechanism: CKM_ECDH1_DERIVE,
            kdf: CKD_NULL,
            shared: Vec::new(),
            public,
        };
        session.derive(&mechanism, pairs[own].1, &template).unwrap()
    });
    let cbc = Mechanism::Bytes(CKM_DES_CBC_PAD, vec![1; 8]);
    let sealed = session.encrypt(&cbc, one, b"a message").unwrap();
    assert_eq!(session.decrypt(&cbc, other, &sealed).unwrap(), b"a message");
}

/// Two keys are one too few in FIPS mode for what is new, not for what is old.
#[test]
fn double_length_keys_look_back_only_in_fips_mode() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let short = session.create_object(&keys::secret(CKK_DES2, &odd(16))).unwrap();
    let long = session.create_object(&keys::secret(CKK_DES3, &odd(24))).unwrap();
    let cbc = Mechanism::Bytes(CKM_DES3_CBC, vec![1; 8]);
    refused(session.encrypt_init(&cbc, short), CKR_KEY_SIZE_RANGE);
    session.decrypt(&cbc, short, &[0; 16]).unwrap();
    session.encrypt(&cbc, long, &[0; 16]).unwrap();
    let mac = Mechanism::Plain(CKM_DES3_CMAC);
    refused(session.sign_init(&mac, short), CKR_KEY_SIZE_RANGE);
    refused(session.verify(&mac, short, b"text", &[0; 8]), CKR_SIGNATURE_INVALID);
    let key = keys::generated_aes(session, &[Attribute::bool(CKA_EXTRACTABLE, true)]).unwrap();
    refused(session.wrap(&cbc, short, key), CKR_WRAPPING_KEY_SIZE_RANGE);
    session.wrap(&cbc, long, key).unwrap();
}

#[test]
fn fips_mode_leaves_triple_des_and_aes() {
    let token = Token::up(Kind::Fips);
    let listed = token.context.mechanisms(token.slot).unwrap();
    let of = |name: &str| -> Vec<_> {
        let names = listed.iter().map(|kind| names::ckm(*kind));
        names.filter(|own| own.starts_with(name)).collect()
    };
    for gone in ["CKM_DES_", "CKM_DES2_", "CKM_RC", "CKM_CAST", "CKM_ARIA", "CKM_SM4"] {
        assert_eq!(of(gone), Vec::<String>::new());
    }
    assert_eq!(of("CKM_DES3_").len(), 12);
    assert!(!of("CKM_DES3_").iter().any(|name| name == "CKM_DES3_X919_MAC"));
    assert!(of("CKM_AES_").len() >= 17);
}

#[test]
fn parameters_that_tune_a_cipher_are_checked_at_once() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let keys = Keys::of(session);
    let key = |key_type| keys.block.iter().find(|(own, _)| *own == key_type).unwrap().1;
    for (bits, code) in
        [(0, CKR_KEY_SIZE_RANGE), (8, CKR_KEY_SIZE_RANGE), (1025, CKR_KEY_SIZE_RANGE)]
    {
        let mechanism = Mechanism::ulong(CKM_RC2_ECB, bits);
        refused_as(session.encrypt_init(&mechanism, key(CKK_RC2)), code, &bits);
    }
    let rc5 = |word_bytes, rounds, iv: usize| {
        let mechanism = CKM_RC5_CBC;
        let mechanism = Mechanism::Rc5Cbc { mechanism, word_bytes, rounds, iv: vec![0; iv] };
        session.encrypt(&mechanism, key(CKK_RC5), &[0; 32])
    };
    rc5(4, 12, 8).unwrap();
    rc5(8, 24, 16).unwrap();
    for (word, rounds, iv) in
        [(4, 12, 16), (8, 12, 8), (4, 12, 0), (2, 12, 4), (4, 13, 8), (16, 20, 32)]
    {
        refused_as(rc5(word, rounds, iv), CKR_MECHANISM_PARAM_INVALID, &(word, rounds, iv));
    }
    let long = session.create_object(&keys::secret(CKK_RC5, &[5; 33])).unwrap();
    let mechanism =
        Mechanism::Rc5Cbc { mechanism: CKM_RC5_CBC, word_bytes: 4, rounds: 12, iv: vec![0; 8] };
    refused(session.encrypt_init(&mechanism, long), CKR_KEY_SIZE_RANGE);
}

/// A counter that would come round, and padding that is none.
#[test]
fn what_cannot_be_decrypted_is_refused() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let des3 = session.create_object(&keys::secret(CKK_DES3, &odd(24))).unwrap();
    let bits: CK_ULONG = 8;
    let ctr = [&bits.to_ne_bytes()[..], &[0xff; 8]].concat();
    let ctr = Mechanism::Bytes(CKM_DES3_CTR, ctr);
    assert_eq!(session.encrypt(&ctr, des3, &[0; 8]).unwrap().len(), 8);
    refused(session.encrypt(&ctr, des3, &[0; 9]), CKR_DATA_LEN_RANGE);
    refused(session.decrypt(&ctr, des3, &[0; 9]), CKR_ENCRYPTED_DATA_LEN_RANGE);
    let iv = vec![0; 8];
    let sealed = session.encrypt(&Mechanism::Bytes(CKM_DES3_CBC, iv.clone()), des3, &[9; 8]);
    let sealed = sealed.unwrap();
    for kind in [CKM_DES3_CBC_PAD, CKM_DES3_CBC_PAD_IPSEC] {
        let opened = session.decrypt(&Mechanism::Bytes(kind, iv.clone()), des3, &sealed);
        refused_as(opened, CKR_ENCRYPTED_DATA_INVALID, &names::ckm(kind));
    }
}
