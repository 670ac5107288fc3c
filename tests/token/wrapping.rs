//! Keys that leave wrapped and come back, and the ways around an attribute that must not be.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Rv, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::keys::{self, and, on};
use crate::raw;
use crate::token::{Kind, PARTITION_SO, Token, hex, refused, refused_as};

fn extractable() -> Attribute {
    Attribute::bool(CKA_EXTRACTABLE, true)
}

fn aes_template() -> Vec<Attribute> {
    and(
        &on(&[CKA_ENCRYPT, CKA_DECRYPT, CKA_EXTRACTABLE]),
        &[Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_AES)],
    )
}

fn check_value(session: &Session, key: ObjectHandle) -> Vec<u8> {
    session.encrypt(&Mechanism::aes_cbc([0; 16]), key, &[0; 16]).unwrap()
}

#[test]
fn secret_keys_go_and_come_back_by_every_mechanism() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let (public, private) = keys::rsa(session);
        let aes = keys::aes(session, &[3; 32]);
        let key = keys::generated_aes(session, &[extractable()]).unwrap();
        let mut walked = 0;
        for mechanism in [
            Mechanism::Plain(CKM_AES_ECB),
            Mechanism::aes_cbc([1; 16]),
            Mechanism::aes_cbc_pad([1; 16]),
            Mechanism::Plain(CKM_AES_KW),
            Mechanism::Plain(CKM_AES_KWP),
            Mechanism::aes_gcm(&[1; 12], b"", 128),
            Mechanism::Plain(CKM_RSA_PKCS),
            Mechanism::rsa_oaep(CKM_SHA256).unwrap(),
        ] {
            if kind.is_fips() && mechanism.kind() == CKM_AES_GCM {
                continue;
            }
            let by_rsa = matches!(mechanism.kind(), CKM_RSA_PKCS | CKM_RSA_PKCS_OAEP);
            let (out, back) = if by_rsa { (public, private) } else { (aes, aes) };
            let wrapped = session.wrap(&mechanism, out, key).unwrap();
            let again = session.unwrap(&mechanism, back, &wrapped, &aes_template()).unwrap();
            assert_eq!(check_value(session, again), check_value(session, key), "{mechanism:?}");
            let told = |what| session.attribute(again, what).unwrap().unwrap();
            assert_eq!(told(CKA_SENSITIVE), [1], "unwrapped: sensitive, as the vendor has it");
            assert_eq!((told(CKA_LOCAL), told(CKA_ALWAYS_SENSITIVE)), (vec![0], vec![0]));
            assert_eq!(told(CKA_NEVER_EXTRACTABLE), [0]);
            walked += 1;
        }
        assert!(walked >= 7);
    }
}

/// Partition policy 1 is off by default: private keys stay, in that mode, whatever their template says.
#[test]
fn private_keys_stay_unless_the_partition_exports_them() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let aes = keys::aes(session, &[3; 32]);
    let template =
        and(&keys::rsa_private(crate::rsa_key::RSA_N, crate::rsa_key::RSA_D), &keys::rsa_primes());
    let key = session.create_object(&and(&template, &[extractable()])).unwrap();
    refused(session.wrap(&Mechanism::aes_cbc_pad([0; 16]), aes, key), CKR_KEY_NOT_WRAPPABLE);

    let token = Token::nobody(&["--policy", "0=0", "--policy", "1=1"]);
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    let session = &token.session;
    let aes = keys::aes(session, &[3; 32]);
    let key = session.create_object(&and(&template, &[extractable()])).unwrap();
    let (_, ec) = keys::ec(session, keys::P256).unwrap();
    for mechanism in [Mechanism::aes_cbc_pad([0; 16]), Mechanism::Plain(CKM_AES_KWP)] {
        let wrapped = session.wrap(&mechanism, aes, key).unwrap();
        let template = and(
            &on(&[CKA_SIGN]),
            &[Attribute::class(CKO_PRIVATE_KEY), Attribute::key_type(CKK_RSA)],
        );
        let again = session.unwrap(&mechanism, aes, &wrapped, &template).unwrap();
        let pkcs = Mechanism::Plain(CKM_SHA256_RSA_PKCS);
        let signatures = [key, again].map(|key| session.sign(&pkcs, key, b"text").unwrap());
        assert_eq!(signatures[0], signatures[1]);
        // A blob that is another kind of key.
        let template = [Attribute::class(CKO_PRIVATE_KEY), Attribute::key_type(CKK_EC)];
        let answer = session.unwrap(&mechanism, aes, &wrapped, &template);
        refused(answer, CKR_WRAPPED_KEY_INVALID);
        refused(session.wrap(&mechanism, aes, ec), CKR_KEY_UNEXTRACTABLE);
    }
}

#[test]
fn what_must_not_leave_does_not() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let by = keys::aes(session, &[3; 32]);
    let mechanism = Mechanism::aes_cbc_pad([0; 16]);
    let stays = keys::generated_aes(session, &[]).unwrap();
    refused(session.wrap(&mechanism, by, stays), CKR_KEY_UNEXTRACTABLE);
    let public = session.create_object(&keys::rsa_public(crate::rsa_key::RSA_N)).unwrap();
    refused(session.wrap(&mechanism, by, public), CKR_KEY_NOT_WRAPPABLE);
    let data = session.create_object(&Attribute::data_object("data")).unwrap();
    let answer = session.wrap(&mechanism, by, data).unwrap_err();
    assert!(answer.is(CKR_KEY_NOT_WRAPPABLE) || answer.is(CKR_KEY_HANDLE_INVALID), "{answer}");
}

/// Only a key that the Partition SO called trusted wraps one that asks for that.
#[test]
fn wrap_with_trusted() {
    let token = Token::up(Kind::Plain);
    let mechanism = Mechanism::aes_cbc_pad([0; 16]);
    let cautious =
        and(&on(&[CKA_WRAP_WITH_TRUSTED, CKA_TOKEN]), &[extractable(), Attribute::label("k")]);
    let key = keys::generated_aes(&token.session, &cautious).unwrap();
    let by =
        keys::generated_aes(&token.session, &[Attribute::token(true), Attribute::private(false)]);
    let by = by.unwrap();
    let session = &token.session;
    refused(session.wrap(&mechanism, by, key), CKR_KEY_NOT_WRAPPABLE);
    let trusted = [Attribute::bool(CKA_TRUSTED, true)];
    refused(session.set_attributes(by, &trusted), CKR_ATTRIBUTE_READ_ONLY);
    refused_as(keys::generated_aes(session, &trusted), CKR_ATTRIBUTE_READ_ONLY, &"generated");
    let template = and(&keys::secret(CKK_AES, &[1; 32]), &trusted);
    refused_as(session.create_object(&template), CKR_ATTRIBUTE_READ_ONLY, &"created");
    refused_as(session.copy(by, &trusted), CKR_ATTRIBUTE_READ_ONLY, &"copied");
    let off = [Attribute::bool(CKA_WRAP_WITH_TRUSTED, false)];
    refused(session.set_attributes(key, &off), CKR_ATTRIBUTE_READ_ONLY);
    refused_as(session.copy(key, &off), CKR_ATTRIBUTE_READ_ONLY, &"a copy is no way around it");
    // And the Partition SO is nobody who reads it.
    token.change_role(UserType::PARTITION_SO, PARTITION_SO);
    assert!(token.session.wrap(&mechanism, by, key).is_err());
}

/// A wrapping key that does not decrypt, and one that decrypts and does not wrap.
#[test]
fn a_wrapping_key_is_not_a_key_to_decrypt_with() {
    let token = Token::up(Kind::Fips);
    let session = &token.session;
    let mechanism = Mechanism::aes_cbc_pad([0; 16]);
    let key = keys::generated_aes(session, &[extractable()]).unwrap();
    let template = and(&on(&[CKA_WRAP, CKA_UNWRAP]), &[Attribute::ulong(CKA_VALUE_LEN, 32)]);
    let by = session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template).unwrap();
    let wrapped = session.wrap(&mechanism, by, key).unwrap();
    refused(session.decrypt(&mechanism, by, &wrapped), CKR_KEY_FUNCTION_NOT_PERMITTED);
    // A usage can be added by whoever may change the key; a copy and a changed key keep what sticks.
    let loose = [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, true)];
    for attribute in loose {
        refused(
            session.set_attributes(by, std::slice::from_ref(&attribute)),
            CKR_ATTRIBUTE_READ_ONLY,
        );
        refused(session.copy(by, &[attribute]), CKR_ATTRIBUTE_READ_ONLY);
    }
}

#[test]
fn blobs_that_are_no_such_key() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let by = keys::aes(session, &[3; 32]);
    let kw = Mechanism::Plain(CKM_AES_KW);
    let wrapped = session.wrap(&kw, by, keys::aes_extractable(session, &[9; 32])).unwrap();
    let mut bent = wrapped.clone();
    bent[7] ^= 1;
    for (case, blob, code) in [
        ("bent", &bent[..], CKR_WRAPPED_KEY_INVALID),
        ("cut", &wrapped[..39], CKR_WRAPPED_KEY_LEN_RANGE),
        ("empty", &[], CKR_WRAPPED_KEY_LEN_RANGE),
    ] {
        refused_as(session.unwrap(&kw, by, blob, &aes_template()), code, &case);
    }
    // A generic secret of 20 bytes is no AES key.
    let odd = and(&keys::secret(CKK_GENERIC_SECRET, &[1; 20]), &[extractable()]);
    let odd = session.create_object(&odd).unwrap();
    let pad = Mechanism::aes_cbc_pad([0; 16]);
    let wrapped = session.wrap(&pad, by, odd).unwrap();
    let answer = session.unwrap(&pad, by, &wrapped, &aes_template()).unwrap_err();
    let refusals =
        [CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE, CKR_ATTRIBUTE_VALUE_INVALID];
    assert!(refusals.iter().any(|code| answer.is(*code)), "{answer}");
    // DES3 is not served: whatever the blob, no such key comes of it.
    let des3 = [Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_DES3)];
    assert!(session.unwrap(&pad, by, &wrapped, &des3).is_err());
}

/// A mechanism that tells the length of what it carries leaves no room for another: a key cut to its first
/// bytes could be searched for piece by piece.
#[test]
fn a_wrapped_key_is_not_cut_on_its_way_in() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let by = keys::aes(session, &[3; 32]);
    let key = keys::aes_extractable(session, &[9; 32]);
    for mechanism in [
        Mechanism::aes_cbc_pad([0; 16]),
        Mechanism::Plain(CKM_AES_KW),
        Mechanism::Plain(CKM_AES_KWP),
    ] {
        let wrapped = session.wrap(&mechanism, by, key).unwrap();
        let with = |len| and(&aes_template(), &[Attribute::ulong(CKA_VALUE_LEN, len)]);
        session.unwrap(&mechanism, by, &wrapped, &with(32)).unwrap();
        for len in [16, 24, 31, 48] {
            let made = session.unwrap(&mechanism, by, &wrapped, &with(len));
            assert!(made.is_err(), "{mechanism:?}: 32 bytes came in as {len}");
        }
    }
}

#[test]
fn policies_that_keep_secret_keys_in() {
    let token = Token::nobody(&["--policy", "5=0", "--policy", "6=0"]);
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    let session = &token.session;
    let by = keys::aes(session, &[3; 32]);
    let key = keys::aes_extractable(session, &[9; 32]);
    let mechanism = Mechanism::Plain(CKM_AES_KW);
    refused(session.wrap(&mechanism, by, key), CKR_KEY_NOT_WRAPPABLE);
    let wrapped = session.encrypt(&mechanism, by, &[9; 32]).unwrap();
    let answer = session.unwrap(&mechanism, by, &wrapped, &aes_template());
    refused(answer, CKR_KEY_FUNCTION_NOT_PERMITTED);
}

/// Vendor defaults of derived keys: not sensitive; what the base always was is handed on.
#[test]
fn derived_keys_inherit_their_history() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let mechanism = Mechanism::Plain(CKM_SHA256_KEY_DERIVATION);
    let told = |key, what| session.attribute(key, what).unwrap().unwrap() == [1];
    let strict = on(&[CKA_SENSITIVE]);
    let base = keys::generated_aes(session, &strict).unwrap();
    let derived = session.derive(&mechanism, base, &strict).unwrap();
    assert!(told(derived, CKA_ALWAYS_SENSITIVE) && told(derived, CKA_NEVER_EXTRACTABLE));
    assert!(!told(derived, CKA_LOCAL));
    let from_outside = keys::aes(session, &[1; 32]);
    let derived = session.derive(&mechanism, from_outside, &strict).unwrap();
    assert!(!told(derived, CKA_ALWAYS_SENSITIVE) && !told(derived, CKA_NEVER_EXTRACTABLE));
    let derived = session.derive(&mechanism, base, &[]).unwrap();
    assert!(!told(derived, CKA_SENSITIVE) && !told(derived, CKA_ALWAYS_SENSITIVE));
    let sha1 = Mechanism::Plain(CKM_SHA1_KEY_DERIVATION);
    let long = [Attribute::key_type(CKK_AES), Attribute::ulong(CKA_VALUE_LEN, 24)];
    refused(session.derive(&sha1, base, &long), CKR_KEY_SIZE_RANGE);
}

/// NIST CAVP, SP 800-108, CMAC over AES-128, 32-bit counter first: 320 bits.
#[test]
fn keys_are_derived_in_counter_mode() {
    let label = hex("41f2d2a7b509b46ccfa22698accc29d610ec393c");
    let context =
        hex("fa3063ef46e3ad35b8d92adbae0216656925acfc7d1743747835ac1c01629f714042330b63dfc5e7");
    for kind in [Kind::Fips, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let base = keys::aes(session, &hex("2429b3366dd76baba440f2b2df365a12"));
        let how = (CK_NIST_PRF_KDF_AES_CMAC, LUNA_PRF_KDF_ENCODING_SCHEME_4);
        let derive =
            |how, len| raw::derive_in_counter_mode(session, base, how, (&label, &context), len);
        let (rv, key) = derive(how, 40);
        assert_eq!(rv, Rv(CKR_OK), "{kind:?}");
        let value = session.attribute(key, CKA_VALUE).unwrap().unwrap();
        let wanted =
            "26908cb0e98cfea4588e24fe71bdb4b81cebc4e9763150fb36195ae00d37c8a44760d9646e8ec671";
        assert_eq!(value, hex(wanted), "{kind:?}");
        assert_eq!(derive((0, how.1), 16).0, Rv(CKR_MECHANISM_PARAM_INVALID));
        assert_eq!(derive((how.0, 6), 16).0, Rv(CKR_MECHANISM_PARAM_INVALID));
    }
}

/// pycryptoki's expectation: a digest shorter than the key is no key, whichever hash it is.
#[test]
fn a_digest_too_short_for_the_key_is_refused() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let base = keys::generic(session, &[9; 16]);
    let long = [Attribute::key_type(CKK_AES), Attribute::ulong(CKA_VALUE_LEN, 24)];
    let short = [Attribute::key_type(CKK_AES), Attribute::ulong(CKA_VALUE_LEN, 16)];
    for kind in [CKM_SHA1_KEY_DERIVATION, CKM_MD2_KEY_DERIVATION, CKM_MD5_KEY_DERIVATION] {
        let mechanism = Mechanism::Plain(kind);
        refused(session.derive(&mechanism, base, &long), CKR_KEY_SIZE_RANGE);
        session.derive(&mechanism, base, &short).unwrap();
    }
}
