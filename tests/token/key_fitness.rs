//! A key used for what it is not: class, type, usage flag, handle.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Rv, Session};

use crate::keys::{self, and, on};
use crate::samples::Keys;
use crate::token::{Kind, Token, code, refused, refused_as};

#[derive(Clone, Copy, Debug)]
enum Use {
    Encrypt,
    Decrypt,
    Sign,
    Verify,
    Wrap,
    Unwrap,
    Derive,
}

impl Use {
    const ALL: [Self; 7] = [
        Self::Encrypt,
        Self::Decrypt,
        Self::Sign,
        Self::Verify,
        Self::Wrap,
        Self::Unwrap,
        Self::Derive,
    ];

    fn begin(
        self,
        session: &Session,
        mechanism: &Mechanism,
        key: ObjectHandle,
        other: ObjectHandle,
    ) -> Rv {
        match self {
            Self::Encrypt => code(session.encrypt_init(mechanism, key)),
            Self::Decrypt => code(session.decrypt_init(mechanism, key)),
            Self::Sign => code(session.sign_init(mechanism, key)),
            Self::Verify => code(session.verify_init(mechanism, key)),
            Self::Wrap => code(session.wrap(mechanism, key, other)),
            Self::Unwrap => {
                let template = [Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_AES)];
                code(session.unwrap(mechanism, key, &[0; 32], &template))
            }
            Self::Derive => {
                code(session.derive(mechanism, key, &[Attribute::ulong(CKA_VALUE_LEN, 16)]))
            }
        }
    }

    /// A mechanism for an AES key used so.
    fn mechanism(self) -> Mechanism {
        match self {
            Self::Sign | Self::Verify => Mechanism::Plain(CKM_AES_CMAC),
            Self::Derive => Mechanism::Plain(CKM_SHA256_KEY_DERIVATION),
            _ => Mechanism::aes_cbc([0; 16]),
        }
    }

    fn flag(self) -> CK_ATTRIBUTE_TYPE {
        match self {
            Self::Encrypt => CKA_ENCRYPT,
            Self::Decrypt => CKA_DECRYPT,
            Self::Sign => CKA_SIGN,
            Self::Verify => CKA_VERIFY,
            Self::Wrap => CKA_WRAP,
            Self::Unwrap => CKA_UNWRAP,
            Self::Derive => CKA_DERIVE,
        }
    }

    fn handle_invalid(self) -> Rv {
        Rv(match self {
            Self::Wrap => CKR_WRAPPING_KEY_HANDLE_INVALID,
            Self::Unwrap => CKR_UNWRAPPING_KEY_HANDLE_INVALID,
            _ => CKR_KEY_HANDLE_INVALID,
        })
    }

    fn type_inconsistent(self) -> Rv {
        Rv(match self {
            Self::Wrap => CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
            Self::Unwrap => CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
            _ => CKR_KEY_TYPE_INCONSISTENT,
        })
    }
}

/// No usage flag stands in for another, and a key made without any does nothing (the vendor's default).
#[test]
fn each_use_wants_its_own_flag() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let extractable = [Attribute::bool(CKA_EXTRACTABLE, true)];
    let other = keys::generated_aes(session, &extractable).unwrap();
    for flag in [None].into_iter().chain(Use::ALL.map(Some)) {
        let own = flag.map(|flag: Use| Attribute::bool(flag.flag(), true));
        let template = and(own.as_slice(), &[Attribute::ulong(CKA_VALUE_LEN, 32)]);
        let key = session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template).unwrap();
        for usage in Use::ALL {
            let answer = usage.begin(session, &usage.mechanism(), key, other);
            if own.as_ref().is_some_and(|own| own.kind() == usage.flag()) {
                assert_ne!(answer, Rv(CKR_KEY_FUNCTION_NOT_PERMITTED), "{usage:?}");
                finish(session, usage);
            } else {
                assert_eq!(
                    answer,
                    Rv(CKR_KEY_FUNCTION_NOT_PERMITTED),
                    "{flag:?}, used to {usage:?}"
                );
            }
        }
    }
}

fn finish(session: &Session, usage: Use) {
    let _ = match usage {
        Use::Encrypt => session.encrypt_final().map(drop),
        Use::Decrypt => session.decrypt_final().map(drop),
        Use::Sign => session.sign_final().map(drop),
        Use::Verify => session.verify_final(&[0; 16]),
        _ => Ok(()),
    };
}

#[test]
fn keys_of_another_kind() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let keys = Keys::of(session);
    let (pkcs, ecdsa) = (Mechanism::Plain(CKM_SHA256_RSA_PKCS), Mechanism::Plain(CKM_ECDSA));
    let (rsa, gcm) = (Mechanism::Plain(CKM_RSA_PKCS), Mechanism::aes_gcm(&[1; 12], b"", 128));
    let hmac = Mechanism::Plain(CKM_SHA256_HMAC);
    let ecdh = agreement();
    for (usage, mechanism, key) in [
        (Use::Sign, &pkcs, keys.rsa.0),
        (Use::Sign, &pkcs, keys.ec.1),
        (Use::Sign, &pkcs, keys.aes),
        (Use::Sign, &ecdsa, keys.rsa.1),
        (Use::Sign, &ecdsa, keys.ec.0),
        (Use::Sign, &hmac, keys.rsa.1),
        (Use::Sign, &hmac, keys.aes),
        (Use::Verify, &pkcs, keys.rsa.1),
        (Use::Verify, &ecdsa, keys.ec.1),
        (Use::Verify, &ecdsa, keys.generic),
        (Use::Encrypt, &rsa, keys.rsa.1),
        (Use::Encrypt, &rsa, keys.aes),
        (Use::Encrypt, &gcm, keys.generic),
        (Use::Encrypt, &gcm, keys.rsa.0),
        (Use::Decrypt, &rsa, keys.rsa.0),
        (Use::Decrypt, &gcm, keys.ec.1),
        (Use::Wrap, &gcm, keys.generic),
        (Use::Wrap, &rsa, keys.rsa.1),
        (Use::Unwrap, &rsa, keys.rsa.0),
        (Use::Unwrap, &gcm, keys.rsa.1),
        (Use::Derive, &ecdh, keys.rsa.1),
        (Use::Derive, &ecdh, keys.ec.0),
        (Use::Derive, &ecdh, keys.aes),
    ] {
        let answer = usage.begin(session, mechanism, key, keys.aes);
        assert_eq!(answer, usage.type_inconsistent(), "{usage:?} {mechanism:?} {key:?}");
    }
}

/// Data objects and certificates are no keys.
#[test]
fn objects_that_are_no_keys() {
    let token = Token::up(Kind::Plain);
    let data = token.session.create_object(&Attribute::data_object("data")).unwrap();
    let aes = keys::aes(&token.session, &[1; 32]);
    for usage in Use::ALL {
        let answer = usage.begin(&token.session, &usage.mechanism(), data, aes);
        let refusals = [usage.handle_invalid(), usage.type_inconsistent()];
        assert!(refusals.contains(&answer), "{usage:?}: {answer:?}");
    }
}

/// A handle of nothing, of what was there, and of another application's making: each call's own code.
#[test]
fn stale_handles() {
    let mut wrong = Vec::new();
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let aes = keys::aes(session, &[1; 32]);
        let on_token = [Attribute::token(true)];
        let gone = keys::generated_aes(session, &on_token).unwrap();
        session.destroy(gone).unwrap();
        let gone_too = keys::aes(session, &[2; 32]);
        session.destroy(gone_too).unwrap();
        let never = [0, CK_ULONG::MAX, 1 << 32].map(ObjectHandle);
        for key in [gone, gone_too].into_iter().chain(never) {
            let mut answers = Vec::new();
            for usage in Use::ALL {
                // The derivation of the others is not for FIPS mode.
                let mechanism =
                    if matches!(usage, Use::Derive) { agreement() } else { usage.mechanism() };
                let answer = usage.begin(session, &mechanism, key, aes);
                answers.push((format!("{usage:?}"), answer, usage.handle_invalid()));
            }
            let wrapped = code(session.wrap(&Mechanism::aes_cbc([0; 16]), aes, key));
            answers.push(("Wrap it".into(), wrapped, Rv(CKR_KEY_HANDLE_INVALID)));
            for (name, answer) in [
                ("Destroy", code(session.destroy(key))),
                ("Ask", code(session.attribute(key, CKA_LABEL))),
                ("Change", code(session.set_attributes(key, &[Attribute::label("x")]))),
                ("Copy", code(session.copy(key, &[]))),
                ("Measure", code(session.object_size(key))),
            ] {
                answers.push((name.into(), answer, Rv(CKR_OBJECT_HANDLE_INVALID)));
            }
            answers.retain(|(_, answer, wanted)| answer != wanted);
            wrong.extend(answers.into_iter().map(|answer| (kind, key, answer)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn agreement() -> Mechanism {
    Mechanism::Ecdh1 {
        mechanism: CKM_ECDH1_DERIVE,
        kdf: CKD_NULL,
        shared: Vec::new(),
        public: Vec::new(),
    }
}

#[test]
fn allowed_mechanisms_bind() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let allowed = |kinds: &[CK_MECHANISM_TYPE]| {
        let bytes: Vec<u8> = kinds.iter().flat_map(|kind| kind.to_ne_bytes()).collect();
        [Attribute::bytes(CKA_ALLOWED_MECHANISMS, bytes)]
    };
    let key = keys::generated_aes(session, &allowed(&[CKM_AES_CBC])).unwrap();
    session.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap();
    refused(session.encrypt_init(&Mechanism::aes_cbc_pad([0; 16]), key), CKR_MECHANISM_INVALID);
    refused(session.sign_init(&Mechanism::Plain(CKM_AES_CMAC), key), CKR_MECHANISM_INVALID);
    let any = keys::generated_aes(session, &allowed(&[])).unwrap();
    session.encrypt(&Mechanism::aes_cbc_pad([0; 16]), any, &[0; 16]).unwrap();
    let wraps = keys::generated_aes(session, &allowed(&[CKM_AES_KW])).unwrap();
    let extractable = [Attribute::bool(CKA_EXTRACTABLE, true)];
    let other = keys::generated_aes(session, &extractable).unwrap();
    session.wrap(&Mechanism::Plain(CKM_AES_KW), wraps, other).unwrap();
    let answer = session.wrap(&Mechanism::aes_cbc_pad([0; 16]), wraps, other);
    refused_as(answer, CKR_MECHANISM_INVALID, &"a wrapping key allows what it allows, too");
}

/// Dates are told and not enforced while partition policy 39 is off, its default.
#[test]
fn dates_bind_nobody_by_default() {
    let token = Token::up(Kind::Plain);
    let dates = [
        Attribute::bytes(CKA_START_DATE, *b"20010101"),
        Attribute::bytes(CKA_END_DATE, *b"20020101"),
    ];
    let key = keys::generated_aes(&token.session, &dates).unwrap();
    token.session.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap();
    let end = token.session.attribute(key, CKA_END_DATE).unwrap().unwrap();
    assert_eq!(end, b"20020101");
}

/// The public half of a pair signs nothing even if a client asks that of it.
#[test]
fn usages_on_the_wrong_half_mean_nothing() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let public = and(
        &on(&[CKA_VERIFY, CKA_SIGN, CKA_DECRYPT]),
        &[Attribute::bytes(CKA_EC_PARAMS, crate::token::hex(keys::P256))],
    );
    let private = on(&[CKA_SIGN, CKA_VERIFY, CKA_ENCRYPT]);
    let mechanism = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
    let (public, private) = session.generate_key_pair(&mechanism, &public, &private).unwrap();
    let ecdsa = Mechanism::Plain(CKM_ECDSA_SHA256);
    let signature = session.sign(&ecdsa, private, b"text").unwrap();
    session.verify(&ecdsa, public, b"text", &signature).unwrap();
    refused(session.sign_init(&ecdsa, public), CKR_KEY_TYPE_INCONSISTENT);
}
