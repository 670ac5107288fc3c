//! A length query and a short buffer leave an operation active, and what comes then is right.
//!
//! PKCS#11 v2.40 section 5.2.

use luna_ck::*;
use luna_client::{Rv, Session};

use crate::raw::{self, Given, Room};
use crate::samples::{self, Keys};
use crate::token::{Kind, Token};

/// Asks for the length, gives too little room twice, then enough; gives the bytes. The operation is over
/// afterwards.
#[track_caller]
fn short_of_room(name: &str, call: impl Fn(Room) -> Given) -> Vec<u8> {
    let asked = call(None);
    assert_eq!(asked.rv, Rv(CKR_OK), "{name}: a length query");
    assert_eq!(call(None), asked, "{name}: a second length query");
    if asked.len > 0 {
        for _ in 0..2 {
            let short = call(Some(0));
            assert_eq!(short.rv, Rv(CKR_BUFFER_TOO_SMALL), "{name}: no room at all");
            assert!(short.len > 0 && short.len <= asked.len, "{name}: {short:?} of {asked:?}");
        }
    }
    let given = call(Some(asked.len + 8));
    assert_eq!(given.rv, Rv(CKR_OK), "{name}: enough room");
    assert!(given.len <= asked.len, "{name}: {} bytes of {}", given.len, asked.len);
    assert_eq!(call(Some(1024)).rv, Rv(CKR_OPERATION_NOT_INITIALIZED), "{name}: it is over");
    given.bytes
}

/// With exactly one byte too little, and then with exactly enough.
#[track_caller]
fn one_byte_short(name: &str, wanted: usize, call: impl Fn(Room) -> Given) -> Vec<u8> {
    let short = call(Some(wanted - 1));
    assert_eq!(short.rv, Rv(CKR_BUFFER_TOO_SMALL), "{name}: one byte short");
    assert!(short.len >= wanted, "{name}: {} of {wanted}", short.len);
    let given = call(Some(wanted));
    assert_eq!((given.rv, given.len), (Rv(CKR_OK), wanted), "{name}: exactly enough");
    given.bytes
}

fn ciphers(kind: Kind) {
    let token = Token::up(kind);
    let session = &token.session;
    let keys = Keys::of(session);
    for (mechanism, _) in samples::listed(&token, CKF_ENCRYPT) {
        let name = format!("{kind:?} {}", names::ckm(mechanism));
        let sample = samples::cipher(mechanism, kind, &keys);
        let encrypt = || session.encrypt_init(&sample.mechanism, sample.public).unwrap();
        encrypt();
        let sealed = short_of_room(&name, |room| raw::encrypt(session, &sample.data, room));
        if sample.repeats {
            let whole = session.encrypt(&sample.mechanism, sample.public, &sample.data).unwrap();
            assert_eq!(sealed, whole, "{name}");
        }
        encrypt();
        let again =
            one_byte_short(&name, sealed.len(), |room| raw::encrypt(session, &sample.data, room));
        assert_eq!(again == sealed, sample.repeats, "{name}");
        let (with, sealed) = sample.to_decrypt(&sealed);
        let decrypt = || session.decrypt_init(&with, sample.private).unwrap();
        decrypt();
        let opened = short_of_room(&name, |room| raw::decrypt(session, &sealed, room));
        assert_eq!(opened, sample.data, "{name}");
        decrypt();
        let opened =
            one_byte_short(&name, opened.len(), |room| raw::decrypt(session, &sealed, room));
        assert_eq!(opened, sample.data, "{name}");
        decrypt();
        let opened = in_parts_short_of_room(session, &sealed, &name);
        assert_eq!(opened, sample.data, "{name}");
    }
}

/// Decrypts in two parts: each Update and the Final first asked for the length, then with too little room.
fn in_parts_short_of_room(session: &Session, sealed: &[u8], name: &str) -> Vec<u8> {
    let mut opened = Vec::new();
    let (first, second) = sealed.split_at(sealed.len() / 2);
    for part in [first, second] {
        let asked = raw::decrypt_update(session, part, None);
        assert_eq!(asked.rv, Rv(CKR_OK), "{name}: {asked:?}");
        if asked.len > 0 {
            let short = raw::decrypt_update(session, part, Some(asked.len - 1));
            assert_eq!(short.rv, Rv(CKR_BUFFER_TOO_SMALL), "{name}: {short:?}");
        }
        let given = raw::decrypt_update(session, part, Some(asked.len));
        assert_eq!(
            (given.rv, given.len),
            (Rv(CKR_OK), asked.len),
            "{name}: an Update tells exactly"
        );
        opened.extend(given.bytes);
    }
    opened.extend(short_of_room(name, |room| raw::decrypt_final(session, room)));
    opened
}

#[test]
fn ciphers_of_a_plain_token() {
    ciphers(Kind::Plain);
}

#[test]
fn ciphers_of_a_fips_token() {
    ciphers(Kind::Fips);
}

#[test]
fn ciphers_of_a_group() {
    ciphers(Kind::Group);
}

#[test]
fn signatures() {
    for kind in [Kind::Newest, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let keys = Keys::of(session);
        for mechanism in samples::signing(&token) {
            let name = format!("{kind:?} {}", names::ckm(mechanism));
            let sample = samples::signature(mechanism, &keys);
            let begin = || session.sign_init(&sample.mechanism, sample.private).unwrap();
            begin();
            let whole = short_of_room(&name, |room| raw::sign(session, &sample.data, room));
            begin();
            session.sign_update(&sample.data).unwrap();
            let parts = short_of_room(&name, |room| raw::sign_final(session, room));
            begin();
            let exact =
                one_byte_short(&name, whole.len(), |room| raw::sign(session, &sample.data, room));
            for signature in [whole, parts, exact] {
                session
                    .verify(&sample.mechanism, sample.public, &sample.data, &signature)
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
    }
}

#[test]
fn digests() {
    for kind in [Kind::Newest, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        for (mechanism, _) in samples::listed(&token, CKF_DIGEST) {
            let name = names::ckm(mechanism);
            let mechanism = samples::digest(mechanism);
            let text = samples::text();
            session.digest_init(&mechanism).unwrap();
            let whole = short_of_room(&name, |room| raw::digest(session, &text, room));
            session.digest_init(&mechanism).unwrap();
            session.digest_update(&text).unwrap();
            let parts = short_of_room(&name, |room| raw::digest_final(session, room));
            session.digest_init(&mechanism).unwrap();
            let exact =
                one_byte_short(&name, whole.len(), |room| raw::digest(session, &text, room));
            assert_eq!((&whole, &whole), (&parts, &exact), "{name}");
        }
    }
}

/// A part that found too little room was not taken in: given again, it counts once.
#[test]
fn a_part_without_room_is_not_taken_in() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let key = crate::keys::aes(session, &[9; 32]);
    let text = samples::text();
    for mechanism in [
        luna_client::Mechanism::aes_cbc_pad([1; 16]),
        luna_client::Mechanism::AesCtr { counter_bits: 128, block: [1; 16] },
        luna_client::Mechanism::aes_gcm(&[1; 12], b"", 128),
    ] {
        let whole = session.encrypt(&mechanism, key, &text).unwrap();
        session.encrypt_init(&mechanism, key).unwrap();
        let mut parts = Vec::new();
        for part in text.chunks(40) {
            let asked = raw::encrypt_update(session, part, None);
            for _ in 0..3 {
                if asked.len > 0 {
                    let short = raw::encrypt_update(session, part, Some(asked.len - 1));
                    assert_eq!(short.rv, Rv(CKR_BUFFER_TOO_SMALL), "{mechanism:?}");
                }
            }
            parts.extend(raw::encrypt_update(session, part, Some(asked.len)).bytes);
        }
        parts.extend(short_of_room("final", |room| raw::encrypt_final(session, room)));
        assert_eq!(parts, whole, "{mechanism:?}");
    }
}

#[test]
fn wrapping() {
    for kind in [Kind::Plain, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let extractable = luna_client::Attribute::bool(CKA_EXTRACTABLE, true);
        let key = crate::keys::generated_aes(session, &[extractable]).unwrap();
        let wrapping = crate::keys::aes(session, &[9; 32]);
        let asked = raw::wrap(session, wrapping, key, None);
        assert_eq!((asked.rv, asked.len), (Rv(CKR_OK), 48), "{kind:?}");
        let short = raw::wrap(session, wrapping, key, Some(47));
        assert_eq!((short.rv, short.len), (Rv(CKR_BUFFER_TOO_SMALL), 48), "{kind:?}");
        let given = raw::wrap(session, wrapping, key, Some(48));
        assert_eq!((given.rv, given.len), (Rv(CKR_OK), 48), "{kind:?}");
    }
}
