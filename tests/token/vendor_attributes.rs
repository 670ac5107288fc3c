//! Attributes the vendor added: how often a key was used, and what it looks like from outside.
//!
//! Source: pycryptoki's test_usage_limit_and_count.py and attributes.py, larskanis/pkcs11's tests for Luna
//! (Documented and Observed).

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Session, SlotId, UserType};
use luna_tests::{Instance, officer};

use crate::keys::{self, and, on};
use crate::token::{CRYPTO_USER, Kind, Token, refused, refused_as};

fn limit(uses: CK_ULONG) -> Attribute {
    Attribute::ulong(CKA_USAGE_LIMIT, uses)
}

fn count(session: &Session, key: ObjectHandle) -> Option<CK_ULONG> {
    session.attribute_ulong(key, CKA_USAGE_COUNT).unwrap()
}

fn cbc() -> Mechanism {
    Mechanism::aes_cbc([0; 16])
}

#[test]
fn a_key_with_a_limit_is_used_so_often() {
    for kind in Kind::ALL {
        for on_token in [true, false] {
            let token = Token::up(kind);
            let session = &token.session;
            let key = keys::generated_aes(session, &[Attribute::token(on_token)]).unwrap();
            session.encrypt(&cbc(), key, &[0; 16]).unwrap();
            assert_eq!(count(session, key), Some(0), "without a limit nothing is counted");
            session.set_attributes(key, &[limit(3)]).unwrap();
            for used in 0..3 {
                assert_eq!(count(session, key), Some(used), "{kind:?} {on_token}");
                session.encrypt(&cbc(), key, &[0; 16]).unwrap();
            }
            refused(session.encrypt(&cbc(), key, &[0; 16]), CKR_KEY_NOT_ACTIVE);
            // A new limit begins anew, the same one too.
            session.set_attributes(key, &[limit(3)]).unwrap();
            session.encrypt(&cbc(), key, &[0; 16]).unwrap();
            assert_eq!(count(session, key), Some(1));
        }
    }
}

/// As in the vendor's own test: given at creation, by a change, or both; the sixth signature is refused.
#[test]
fn the_sixth_signature_is_refused() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let pkcs = Mechanism::Plain(CKM_RSA_PKCS);
    for (at_creation, by_change) in [(true, false), (false, true), (true, true)] {
        let private = and(
            &keys::rsa_private(crate::rsa_key::RSA_N, crate::rsa_key::RSA_D),
            &keys::rsa_primes(),
        );
        let more = if at_creation { vec![limit(5)] } else { vec![] };
        let key = session.create_object(&and(&private, &more)).unwrap();
        if by_change {
            session.set_attributes(key, &[limit(5)]).unwrap();
        }
        assert_eq!(session.attribute_ulong(key, CKA_USAGE_LIMIT).unwrap(), Some(5));
        for _ in 0..5 {
            session.sign(&pkcs, key, b"text").unwrap();
        }
        assert_eq!(count(session, key), Some(5));
        refused(session.sign(&pkcs, key, b"text"), CKR_KEY_NOT_ACTIVE);
        assert_eq!(count(session, key), Some(5));
    }
}

/// Every use, and nothing that is none.
#[test]
fn what_counts() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let key = keys::generated_aes(session, &[limit(100), Attribute::token(true)]).unwrap();
    let other = keys::aes_extractable(session, &[9; 32]);
    let mut used = 0;
    let mut counted = |what: &str, uses: CK_ULONG| {
        used += uses;
        assert_eq!(count(session, key), Some(used), "{what}");
    };
    let sealed = session.encrypt(&cbc(), key, &[0; 16]).unwrap();
    counted("encrypt", 1);
    session.decrypt(&cbc(), key, &sealed).unwrap();
    counted("decrypt", 1);
    let cmac = Mechanism::Plain(CKM_AES_CMAC);
    let mac = session.sign(&cmac, key, b"text").unwrap();
    counted("sign", 1);
    session.verify(&cmac, key, b"text", &mac).unwrap();
    counted("verify", 1);
    let kw = Mechanism::Plain(CKM_AES_KW);
    let wrapped = session.wrap(&kw, key, other).unwrap();
    counted("wrap", 1);
    let template = [Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_AES)];
    session.unwrap(&kw, key, &wrapped, &template).unwrap();
    counted("unwrap", 1);
    session.derive(&Mechanism::Plain(CKM_SHA256_KEY_DERIVATION), key, &[]).unwrap();
    counted("derive", 1);
    session.encrypt_init(&cbc(), key).unwrap();
    session.encrypt_update(&[0; 16]).unwrap();
    session.encrypt_update(&[0; 16]).unwrap();
    session.encrypt_final().unwrap();
    counted("a message in parts is one use", 1);
    refused(session.encrypt(&cbc(), key, &[0; 15]), CKR_DATA_LEN_RANGE);
    refused(session.verify(&cmac, key, b"other", &mac), CKR_SIGNATURE_INVALID);
    session.encrypt_init(&cbc(), key).unwrap();
    counted("what was refused, or only initialised", 0);
}

/// A restart, a role that may only use keys: one count.
#[test]
fn the_count_is_kept_and_shared() {
    let token = Token::up(Kind::Plain);
    let template = [limit(4), Attribute::token(true), Attribute::label("counted")];
    let key = keys::generated_aes(&token.session, &template).unwrap();
    token.session.encrypt(&cbc(), key, &[0; 16]).unwrap();
    let token = token.restart();
    let find = |session: &Session| session.find(&[Attribute::label("counted")]).unwrap()[0];
    let key = find(&token.session);
    assert_eq!(count(&token.session, key), Some(1));
    token.session.encrypt(&cbc(), key, &[0; 16]).unwrap();
    token.change_role(UserType::CRYPTO_USER, CRYPTO_USER);
    for _ in 0..2 {
        token.session.encrypt(&cbc(), key, &[0; 16]).unwrap();
    }
    refused(token.session.encrypt(&cbc(), key, &[0; 16]), CKR_KEY_NOT_ACTIVE);
    refused_as(token.session.set_attributes(key, &[limit(4)]), CKR_USER_NOT_AUTHORIZED, &"limit");
    let set = token.session.modify_usage_count(key, CK_MODIFY_USAGE_COUNT_COMMAND_TYPE_SET, 0);
    refused_as(set, CKR_USER_NOT_AUTHORIZED, &"count");
}

/// Threads that race for the last uses get no more than there are.
#[test]
fn a_race_for_the_last_uses() {
    let token = Token::up(Kind::Plain);
    let key = keys::generated_aes(&token.session, &[limit(20), Attribute::token(true)]).unwrap();
    let served: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..4)
            .map(|_| {
                let session = token.open();
                scope.spawn(move || {
                    (0..10).filter(|_| session.encrypt(&cbc(), key, &[0; 16]).is_ok()).count()
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(served, 20);
    assert_eq!(count(&token.session, key), Some(20));
}

#[test]
fn the_count_can_be_added_to_and_set() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        let session = &token.session;
        let key = keys::generated_aes(session, &[limit(10), Attribute::token(true)]).unwrap();
        let (add, set) =
            (CK_MODIFY_USAGE_COUNT_COMMAND_TYPE_INCREMENT, CK_MODIFY_USAGE_COUNT_COMMAND_TYPE_SET);
        session.modify_usage_count(key, add, 4).unwrap();
        session.modify_usage_count(key, add, 4).unwrap();
        assert_eq!(count(session, key), Some(8), "{kind:?}");
        session.modify_usage_count(key, add, CK_ULONG::MAX).unwrap();
        refused(session.encrypt(&cbc(), key, &[0; 16]), CKR_KEY_NOT_ACTIVE);
        session.modify_usage_count(key, set, 9).unwrap();
        session.encrypt(&cbc(), key, &[0; 16]).unwrap();
        refused(session.encrypt(&cbc(), key, &[0; 16]), CKR_KEY_NOT_ACTIVE);
        refused(session.modify_usage_count(key, 3, 0), CKR_ARGUMENTS_BAD);
        let data = session.create_object(&Attribute::data_object("data")).unwrap();
        refused(session.modify_usage_count(data, set, 0), CKR_KEY_HANDLE_INVALID);
        refused(session.modify_usage_count(ObjectHandle(99_999), set, 0), CKR_KEY_HANDLE_INVALID);
        let plain = keys::generated_aes(session, &[]).unwrap();
        for command in [add, set] {
            session.modify_usage_count(plain, command, 0).unwrap();
        }
    }
}

/// Every member of a group has the count, whoever served the use, and one that was away when it is back.
#[test]
fn members_of_a_group_count_together() {
    let instance = Instance::up(&["--ha", "LUNAHA=OKV,OKV"]);
    let token = Token::of(instance);
    let context = &token.context;
    let slots: Vec<SlotId> = context.slots(true).unwrap();
    let group = slots
        .iter()
        .copied()
        .find(|slot| context.token_info(*slot).unwrap().label == "LUNAHA")
        .unwrap();
    let session = officer(context, group);
    let template = [limit(6), Attribute::token(true), Attribute::label("counted")];
    let key = keys::generated_aes(&session, &template).unwrap();
    let each = || -> Vec<_> {
        slots
            .iter()
            .filter(|slot| **slot != group)
            .map(|slot| {
                let member = officer(context, *slot);
                let key = member.find(&[Attribute::label("counted")]).unwrap()[0];
                count(&member, key)
            })
            .collect()
    };

    for _ in 0..2 {
        session.encrypt(&cbc(), key, &[0; 16]).unwrap();
    }
    session
        .derive(&Mechanism::Plain(CKM_SHA256_KEY_DERIVATION), key, &on(&[CKA_SENSITIVE]))
        .unwrap();
    assert_eq!(each(), [Some(3), Some(3)]);
    token.instance.member("down", 0);
    for _ in 0..3 {
        session.encrypt(&cbc(), key, &[0; 16]).unwrap();
    }
    refused(session.encrypt(&cbc(), key, &[0; 16]), CKR_KEY_NOT_ACTIVE);
    token.instance.member("up", 0);
    // The next call brings it back; over a network, the first one after the way there was found.
    let patience = if luna_tests::is_networked() { 60 } else { 0 };
    let until = std::time::Instant::now() + std::time::Duration::from_secs(patience);
    loop {
        assert_eq!(count(&session, key), Some(6));
        if each() == [Some(6), Some(6)] {
            break;
        }
        assert!(std::time::Instant::now() < until, "{:?}", each());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Of 20 and of 32 bytes, over the key: equal keys have equal ones, and they tell no other key.
#[test]
fn fingerprints_tell_keys_apart() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let same = [keys::aes(session, &[1; 32]), keys::aes(session, &[1; 32])];
    let other = keys::aes(session, &[2; 32]);
    let (rsa, ec) = (keys::rsa(session), keys::ec(session, keys::P256).unwrap());
    for (kind, len) in [(CKA_FINGERPRINT_SHA1, 20), (CKA_FINGERPRINT_SHA256, 32)] {
        let of = |key| session.attribute(key, kind).unwrap();
        let prints = same.map(of);
        assert_eq!(prints[0].as_ref().map(Vec::len), Some(len), "{}", names::cka(kind));
        assert_eq!(prints[0], prints[1]);
        assert_ne!(prints[0], of(other));
        for (public, private) in [rsa, ec] {
            assert_eq!(of(public).map(|print| print.len()), Some(len));
            assert_eq!(of(public), of(private), "both halves are one key");
        }
        let found = session.find(&[Attribute::bytes(kind, prints[0].clone().unwrap())]).unwrap();
        assert_eq!(found.len(), 2, "and it is found by it");
        let given = Attribute::bytes(kind, vec![0; len]);
        refused(keys::generated_aes(session, &[given]), CKR_ATTRIBUTE_READ_ONLY);
    }
}

/// PKCS#11 v2.40 section 4.10: three bytes of an encrypted block of zeros; refused where it is another key's.
#[test]
fn check_values() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let key = keys::aes(session, &[0; 16]);
    assert_eq!(session.attribute(key, CKA_CHECK_VALUE).unwrap().unwrap(), [0x66, 0xe9, 0x4b]);
    let with = |check: &[u8]| {
        let check = Attribute::bytes(CKA_CHECK_VALUE, check);
        session.create_object(&and(&keys::secret(CKK_AES, &[0; 16]), &[check]))
    };
    with(&[0x66, 0xe9, 0x4b]).unwrap();
    with(&[]).unwrap();
    refused(with(&[0x66, 0xe9, 0x4c]), CKR_ATTRIBUTE_VALUE_INVALID);
}

#[test]
fn a_key_tells_whether_it_is_a_ccm_key() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let (_, private) = keys::ec(session, keys::P256).unwrap();
    assert_eq!(session.attribute(private, CKA_CCM_PRIVATE).unwrap(), Some(vec![0]));
    let key = keys::generated_aes(session, &[Attribute::bool(CKA_CCM_PRIVATE, true)]).unwrap();
    assert_eq!(session.attribute(key, CKA_CCM_PRIVATE).unwrap(), Some(vec![1]));
}

/// From a handle to the 12 bytes and back, on a partition and on a group, for token and session objects.
#[test]
fn an_object_is_found_by_its_ouid() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        for on_token in [true, false] {
            let key = keys::generated_aes(&token.session, &[Attribute::token(on_token)]).unwrap();
            let uid = token.context.token_object_uid(token.slot, key).unwrap();
            assert_eq!(token.session.attribute(key, CKA_OUID).unwrap().unwrap(), uid);
            assert_eq!(
                token.context.token_object_handle(token.slot, uid).unwrap(),
                key,
                "{kind:?}"
            );
            token.session.destroy(key).unwrap();
            let gone = token.context.token_object_handle(token.slot, uid);
            refused(gone, CKR_OBJECT_HANDLE_INVALID);
        }
    }
}

#[test]
fn a_session_tells_what_it_is_doing() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let active = || [0, 1, 2, 3, 4].map(|it| session.is_operation_active(it).unwrap());
    assert_eq!(active(), [false; 5]);
    let key = keys::aes(session, &[1; 32]);
    session.encrypt_init(&cbc(), key).unwrap();
    session.sign_init(&Mechanism::Plain(CKM_AES_CMAC), key).unwrap();
    session.digest_init(&Mechanism::Plain(CKM_SHA256)).unwrap();
    assert_eq!(active(), [true, false, true, false, true]);
    session.digest_update(b"text").unwrap();
    session.digest_final().unwrap();
    assert_eq!(active(), [true, false, true, false, false]);
    refused(session.is_operation_active(5), CKR_ARGUMENTS_BAD);
}
