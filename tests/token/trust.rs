//! Attacks by means of the API: each thing a key imposes on others is imposed, and stays.
//!
//! Source: PKCS#11 v2.40 sections 4.2 (table 10), 4.7 to 4.10, `C_WrapKey` and `C_UnwrapKey`; partition
//! policies as the vendor names them, their codes Assumed.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::keys::{self, and, on};
use crate::token::{Kind, PARTITION_SO, Token, refused, refused_as};

fn pad() -> Mechanism {
    Mechanism::aes_cbc_pad([0; 16])
}

fn flag(session: &Session, object: ObjectHandle, kind: CK_ATTRIBUTE_TYPE) -> bool {
    session.attribute(object, kind).unwrap().unwrap() == [1]
}

fn aes_template() -> Vec<Attribute> {
    vec![Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_AES)]
}

/// The Partition SO calls a public wrapping key trusted, and changes nothing else of anything.
#[test]
fn trust_is_the_partition_sos_to_give() {
    let token = Token::up(Kind::Plain);
    let careful = and(
        &on(&[CKA_WRAP_WITH_TRUSTED, CKA_TOKEN, CKA_EXTRACTABLE]),
        &[Attribute::label("careful")],
    );
    let key = keys::generated_aes(&token.session, &careful).unwrap();
    let open = [Attribute::token(true), Attribute::private(false)];
    let by = keys::generated_aes(&token.session, &open).unwrap();
    let hidden = keys::generated_aes(&token.session, &[Attribute::token(true)]).unwrap();
    refused(token.session.wrap(&pad(), by, key), CKR_KEY_NOT_WRAPPABLE);

    token.change_role(UserType::PARTITION_SO, PARTITION_SO);
    let trusted = [Attribute::bool(CKA_TRUSTED, true)];
    let more = and(&trusted, &[Attribute::label("mine")]);
    refused_as(token.session.set_attributes(by, &more), CKR_USER_NOT_AUTHORIZED, &"a label too");
    let label = [Attribute::label("mine")];
    refused_as(token.session.set_attributes(by, &label), CKR_USER_NOT_AUTHORIZED, &"a label");
    refused(token.session.set_attributes(hidden, &trusted), CKR_OBJECT_HANDLE_INVALID);
    token.session.set_attributes(by, &trusted).unwrap();

    token.change_role(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER);
    let session = &token.session;
    assert!(flag(session, by, CKA_TRUSTED));
    let wrapped = session.wrap(&pad(), by, key).unwrap();
    session.unwrap(&pad(), by, &wrapped, &aes_template()).unwrap();
    refused(session.wrap(&pad(), hidden, key), CKR_KEY_NOT_WRAPPABLE);
    // Trust can be taken away by whoever may change the key, and not be given back by him.
    session.set_attributes(by, &[Attribute::bool(CKA_TRUSTED, false)]).unwrap();
    refused(session.wrap(&pad(), by, key), CKR_KEY_NOT_WRAPPABLE);
    refused(session.set_attributes(by, &trusted), CKR_ATTRIBUTE_READ_ONLY);
}

/// A wrapping key that wraps some keys only.
#[test]
fn a_wrapping_key_chooses_what_it_wraps() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let wanted = vec![Attribute::label("payments"), Attribute::bool(CKA_DECRYPT, true)];
        let choosy = [Attribute::template(CKA_WRAP_TEMPLATE, wanted)];
        let by = keys::generated_aes(session, &choosy).unwrap();
        let labelled = |label| {
            let more = and(&on(&[CKA_EXTRACTABLE]), &[Attribute::label(label)]);
            keys::generated_aes(session, &more).unwrap()
        };
        session.wrap(&pad(), by, labelled("payments")).unwrap();
        refused_as(session.wrap(&pad(), by, labelled("logs")), CKR_KEY_HANDLE_INVALID, &kind);
        let none = [Attribute::template(CKA_WRAP_TEMPLATE, vec![])];
        refused(session.set_attributes(by, &none), CKR_ATTRIBUTE_READ_ONLY);
        refused(session.copy(by, &none), CKR_ATTRIBUTE_READ_ONLY);
    }
}

/// Whether a wrapping key wraps is no way to guess at the bytes of a key.
#[test]
fn a_wrap_template_does_not_compare_secrets() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let secret = and(&keys::secret(CKK_AES, &[9; 32]), &on(&[CKA_SENSITIVE, CKA_EXTRACTABLE]));
    let key = session.create_object(&secret).unwrap();
    let guess = vec![Attribute::bytes(CKA_VALUE, [9; 32])];
    let by = [Attribute::template(CKA_WRAP_TEMPLATE, guess)];
    let by = session.create_object(&and(&keys::secret(CKK_AES, &[3; 32]), &by)).unwrap();
    refused(session.wrap(&pad(), by, key), CKR_KEY_HANDLE_INVALID);
}

/// A blob re-imported with looser attributes: the unwrapping key has the last word.
#[test]
fn an_unwrapping_key_imposes_attributes() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let strict =
            vec![Attribute::bool(CKA_SENSITIVE, true), Attribute::bool(CKA_EXTRACTABLE, false)];
        let strict = [Attribute::template(CKA_UNWRAP_TEMPLATE, strict)];
        let by = keys::generated_aes(session, &strict).unwrap();
        let key = keys::generated_aes(session, &on(&[CKA_EXTRACTABLE])).unwrap();
        let wrapped = session.wrap(&pad(), by, key).unwrap();
        for loose in [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, true)]
        {
            let template = and(&aes_template(), &[loose]);
            let answer = session.unwrap(&pad(), by, &wrapped, &template);
            refused_as(answer, CKR_TEMPLATE_INCONSISTENT, &kind);
        }
        let again = session.unwrap(&pad(), by, &wrapped, &aes_template()).unwrap();
        assert!(flag(session, again, CKA_SENSITIVE) && !flag(session, again, CKA_EXTRACTABLE));
        refused(session.wrap(&pad(), by, again), CKR_KEY_UNEXTRACTABLE);
        let none = [Attribute::template(CKA_UNWRAP_TEMPLATE, vec![])];
        refused(session.set_attributes(by, &none), CKR_ATTRIBUTE_READ_ONLY);
        refused(session.copy(by, &none), CKR_ATTRIBUTE_READ_ONLY);
    }
}

#[test]
fn a_base_key_imposes_attributes() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let derivation = Mechanism::Plain(CKM_SHA256_KEY_DERIVATION);
    let strict = vec![Attribute::bool(CKA_SENSITIVE, true), Attribute::bool(CKA_SIGN, true)];
    let strict = [Attribute::template(CKA_DERIVE_TEMPLATE, strict)];
    let base = keys::generated_aes(session, &strict).unwrap();
    for loose in [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_SIGN, false)] {
        let answer = session.derive(&derivation, base, &[loose]);
        refused(answer, CKR_TEMPLATE_INCONSISTENT);
    }
    let derived = session.derive(&derivation, base, &[]).unwrap();
    assert!(flag(session, derived, CKA_SENSITIVE) && flag(session, derived, CKA_SIGN));
    assert_eq!(session.attribute(derived, CKA_VALUE).unwrap(), None);
    let none = [Attribute::template(CKA_DERIVE_TEMPLATE, vec![])];
    refused(session.set_attributes(base, &none), CKR_ATTRIBUTE_READ_ONLY);
}

/// A key for one mechanism stays one: no change and no copy adds another.
#[test]
fn allowed_mechanisms_stick() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let list = |kinds: &[CK_MECHANISM_TYPE]| {
            let bytes: Vec<u8> = kinds.iter().flat_map(|kind| kind.to_ne_bytes()).collect();
            Attribute::bytes(CKA_ALLOWED_MECHANISMS, bytes)
        };
        let key = keys::generated_aes(session, &[list(&[CKM_AES_CMAC])]).unwrap();
        session.sign(&Mechanism::Plain(CKM_AES_CMAC), key, b"text").unwrap();
        let cbc = Mechanism::aes_cbc([0; 16]);
        for wider in [list(&[]), list(&[CKM_AES_CMAC, CKM_AES_CBC])] {
            let wider = std::slice::from_ref(&wider);
            refused(session.set_attributes(key, wider), CKR_ATTRIBUTE_READ_ONLY);
            refused(session.copy(key, wider), CKR_ATTRIBUTE_READ_ONLY);
        }
        let copy = session.copy(key, &[]).unwrap();
        for key in [key, copy] {
            refused_as(session.encrypt(&cbc, key, &[0; 16]), CKR_MECHANISM_INVALID, &kind);
        }
    }
}

/// Sensitive and unextractable: no change, no copy, no derived history makes less of it.
#[test]
fn what_sticks_to_a_key_sticks_to_its_copies() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let key = keys::generated_aes(session, &on(&[CKA_WRAP_WITH_TRUSTED])).unwrap();
    for (kind, loose) in
        [(CKA_SENSITIVE, false), (CKA_EXTRACTABLE, true), (CKA_WRAP_WITH_TRUSTED, false)]
    {
        let change = [Attribute::bool(kind, loose)];
        refused_as(session.set_attributes(key, &change), CKR_ATTRIBUTE_READ_ONLY, &kind);
        refused_as(session.copy(key, &change), CKR_ATTRIBUTE_READ_ONLY, &kind);
    }
    let copy = session.copy(key, &on(&[CKA_TOKEN])).unwrap();
    for kind in [CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE, CKA_WRAP_WITH_TRUSTED]
    {
        assert!(flag(session, copy, kind), "{}", names::cka(kind));
    }
    // Stricter than its original, and its history says that it was not always so.
    let loose = [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, true)];
    let loose = keys::generated_aes(session, &loose).unwrap();
    let strict = [Attribute::bool(CKA_SENSITIVE, true), Attribute::bool(CKA_EXTRACTABLE, false)];
    let strict = session.copy(loose, &strict).unwrap();
    assert!(flag(session, strict, CKA_SENSITIVE) && !flag(session, strict, CKA_EXTRACTABLE));
    assert!(!flag(session, strict, CKA_ALWAYS_SENSITIVE));
    assert!(!flag(session, strict, CKA_NEVER_EXTRACTABLE));
}

/// Policies 10, 11 and 17 off: one purpose a key, usages that stay, and no signature of a key from outside.
#[test]
fn what_a_partition_imposes_on_its_keys() {
    let with = |policy| {
        let token = Token::nobody(&["--policy", policy]);
        token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
        token
    };
    let generate = Mechanism::Plain(CKM_AES_KEY_GEN);
    let of =
        |usages: &[CK_ATTRIBUTE_TYPE]| and(&on(usages), &[Attribute::ulong(CKA_VALUE_LEN, 32)]);

    let token = with("10=0");
    let key = token.session.generate_key(&generate, &of(&[CKA_ENCRYPT, CKA_DECRYPT])).unwrap();
    let made = token.session.generate_key(&generate, &of(&[CKA_ENCRYPT, CKA_WRAP]));
    refused_as(made, CKR_TEMPLATE_INCONSISTENT, &"policy 10");
    let added = token.session.set_attributes(key, &on(&[CKA_SIGN]));
    refused_as(added, CKR_TEMPLATE_INCONSISTENT, &"policy 10, later");
    refused_as(token.session.copy(key, &on(&[CKA_SIGN])), CKR_TEMPLATE_INCONSISTENT, &"in a copy");

    let token = with("11=0");
    let key = token.session.generate_key(&generate, &of(&[CKA_ENCRYPT])).unwrap();
    for usage in [CKA_DECRYPT, CKA_WRAP, CKA_SENSITIVE] {
        let change = on(&[usage]);
        refused_as(token.session.set_attributes(key, &change), CKR_ATTRIBUTE_READ_ONLY, &usage);
        refused_as(token.session.copy(key, &change), CKR_ATTRIBUTE_READ_ONLY, &usage);
    }
    token.session.set_attributes(key, &[Attribute::label("renamed")]).unwrap();

    let token = with("17=0");
    let cmac = Mechanism::Plain(CKM_AES_CMAC);
    let outside = keys::aes(&token.session, &[1; 32]);
    refused(token.session.sign(&cmac, outside, b"text"), CKR_KEY_FUNCTION_NOT_PERMITTED);
    token.session.encrypt(&Mechanism::aes_cbc([0; 16]), outside, &[0; 16]).unwrap();
    let here = keys::generated_aes(&token.session, &[]).unwrap();
    let mac = token.session.sign(&cmac, here, b"text").unwrap();
    token.session.verify(&cmac, here, b"text", &mac).unwrap();
}
