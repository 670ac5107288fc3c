//! Known answers, running state, refusals.

use super::super::random;
use super::super::vectors::cases;
use super::*;

fn iv(bytes: &[u8]) -> [u8; 16] {
    bytes.try_into().unwrap()
}

#[test]
fn modes_give_the_known_answers_both_ways_whole_and_in_parts() {
    for case in cases(include_str!("../vectors/aes.txt")) {
        let key = AesKey::new(&case.bytes("key")).unwrap();
        let (plain, cipher) = (case.bytes("plain"), case.bytes("cipher"));
        for part_len in [16, 32, 64] {
            let (mut there, mut back) = (plain.clone(), cipher.clone());
            match case.text("mode") {
                "ECB" => {
                    there.chunks_mut(part_len).for_each(|part| key.ecb_encrypt(part).unwrap());
                    back.chunks_mut(part_len).for_each(|part| key.ecb_decrypt(part).unwrap());
                }
                "CBC" => {
                    let (mut to, mut from) = (iv(&case.bytes("iv")), iv(&case.bytes("iv")));
                    there.chunks_mut(part_len).for_each(|p| key.cbc_encrypt(&mut to, p).unwrap());
                    back.chunks_mut(part_len).for_each(|p| key.cbc_decrypt(&mut from, p).unwrap());
                    assert_eq!((to, from), (iv(&cipher[48..]), iv(&cipher[48..])));
                }
                "CTR" => {
                    // Parts that are not whole blocks.
                    let mut to = CtrState::new(iv(&case.bytes("iv")));
                    there.chunks_mut(part_len - 5).for_each(|p| key.ctr(&mut to, p).unwrap());
                    let mut from = CtrState::new(iv(&case.bytes("iv")));
                    back.chunks_mut(part_len + 3).for_each(|p| key.ctr(&mut from, p).unwrap());
                }
                other => panic!("unknown mode {other}"),
            }
            assert_eq!((there, back), (cipher.clone(), plain.clone()), "{}", case.text("mode"));
        }
    }
}

#[test]
fn a_counter_runs_over_the_end_of_its_block() {
    let key = AesKey::new(&[5; 16]).unwrap();
    let mut stream = [0; 48];
    key.ctr(&mut CtrState::new([0xff; 16]), &mut stream).unwrap();
    let mut blocks = [[0xff; 16], [0; 16], [0; 16]];
    blocks[2][15] = 1;
    let mut blocks = blocks.concat();
    key.ecb_encrypt(&mut blocks).unwrap();
    assert_eq!(stream.as_slice(), blocks);
}

#[test]
fn parts_of_blocks_and_other_key_lengths_are_refused() {
    let key = AesKey::new(&[1; 16]).unwrap();
    for len in [1, 15, 17, 31] {
        let mut data = vec![0; len];
        assert_eq!(key.ecb_encrypt(&mut data), Err(CryptoError::Length));
        assert_eq!(key.ecb_decrypt(&mut data), Err(CryptoError::Length));
        assert_eq!(key.cbc_encrypt(&mut [0; 16], &mut data), Err(CryptoError::Length));
        assert_eq!(key.cbc_decrypt(&mut [0; 16], &mut data), Err(CryptoError::Length));
    }
    let mut iv = [7; 16];
    assert_eq!(key.cbc_encrypt(&mut iv, &mut []), Ok(()));
    assert_eq!(iv, [7; 16], "nothing encrypted, nothing moved");
    for len in [0, 8, 15, 17, 31, 33, 64] {
        assert_eq!(AesKey::new(&vec![1; len]).unwrap_err(), CryptoError::Key);
    }
    assert_eq!(format!("{key:?}"), "AesKey(128 bits, ..)");
}

#[test]
fn gcm_gives_the_known_answers_with_every_tag_length() {
    for case in cases(include_str!("../vectors/gcm.txt")) {
        let key = AesKey::new(&case.bytes("key")).unwrap();
        let (iv, aad, plain) = (case.bytes("iv"), case.bytes("aad"), case.bytes("plain"));
        for tag_len in 4..=16 {
            let expected = [&case.bytes("cipher")[..], &case.bytes("tag")[..tag_len]].concat();
            assert_eq!(key.gcm_seal(&iv, &aad, &plain, tag_len).unwrap(), expected);
            assert_eq!(*key.gcm_open(&iv, &aad, &expected, tag_len).unwrap(), plain);
        }
    }
}

#[test]
fn gcm_refuses_any_change() {
    let key = AesKey::new(&[2; 32]).unwrap();
    for tag_len in [4, 12, 16] {
        let sealed = key.gcm_seal(b"iv", b"aad", b"plain text", tag_len).unwrap();
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 0x10;
            let opened = key.gcm_open(b"iv", b"aad", &changed, tag_len);
            assert_eq!(opened.unwrap_err(), CryptoError::Failed);
        }
        for (iv, aad) in [(&b"iw"[..], &b"aad"[..]), (b"iv", b"aae"), (b"iv", b""), (b"i", b"aad")]
        {
            let opened = key.gcm_open(iv, aad, &sealed, tag_len);
            assert_eq!(opened.unwrap_err(), CryptoError::Failed);
        }
        let short = key.gcm_open(b"iv", b"aad", &sealed[..tag_len - 1], tag_len);
        assert_eq!(short.unwrap_err(), CryptoError::Length);
    }
}

#[test]
fn gcm_refuses_what_the_standard_does_not_know() {
    let key = AesKey::new(&[2; 24]).unwrap();
    for tag_len in [0, 1, 3, 17, 128, usize::MAX] {
        assert_eq!(key.gcm_seal(b"iv", b"", b"", tag_len).unwrap_err(), CryptoError::Parameter);
        assert_eq!(
            key.gcm_open(b"iv", b"", &[0; 32], tag_len).unwrap_err(),
            CryptoError::Parameter
        );
    }
    assert_eq!(key.gcm_seal(b"", b"", b"", 16).unwrap_err(), CryptoError::Parameter);
    assert_eq!(key.gcm_open(b"", b"", &[0; 16], 16).unwrap_err(), CryptoError::Parameter);
}

#[test]
fn gcm_into_a_buffer_wants_the_exact_length_and_clears_what_it_refuses() {
    let key = AesKey::new(&[2; 16]).unwrap();
    let sealed = key.gcm_seal(b"iv", b"aad", b"plain text", 12).unwrap();
    let mut out = [0; 22];
    assert_eq!(key.gcm_seal_into(b"iv", b"aad", b"plain text", 12, &mut out), Ok(()));
    assert_eq!(out.as_slice(), sealed);
    for len in [0, 9, 10, 21, 23] {
        let answer = key.gcm_seal_into(b"iv", b"aad", b"plain text", 12, &mut vec![0; len]);
        assert_eq!(answer, Err(CryptoError::Length), "{len}");
    }
    let mut out = [9; 10];
    assert_eq!(key.gcm_open_into(b"iv", b"aad", &sealed, 12, &mut out), Ok(()));
    assert_eq!(&out, b"plain text");
    let answer = key.gcm_open_into(b"iv", b"", &sealed, 12, &mut out);
    assert_eq!((answer, out), (Err(CryptoError::Failed), [0; 10]));
    for len in [0, 9, 11, 22] {
        let answer = key.gcm_open_into(b"iv", b"aad", &sealed, 12, &mut vec![0; len]);
        assert_eq!(answer, Err(CryptoError::Length), "{len}");
    }
}

#[test]
fn gcm_agrees_with_the_other_library() {
    use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    for (algorithm, key_len) in [(&AES_128_GCM, 16), (&AES_256_GCM, 32)] {
        let key = random::bytes(key_len).unwrap();
        let theirs = LessSafeKey::new(UnboundKey::new(algorithm, &key).unwrap());
        for len in [0, 1, 15, 16, 17, 100, 1024, 5000] {
            let plain = random::bytes(len).unwrap();
            let mut sealed = plain.to_vec();
            theirs
                .seal_in_place_append_tag(
                    Nonce::assume_unique_for_key([6; 12]),
                    Aad::from(b"aad"),
                    &mut sealed,
                )
                .unwrap();
            let ours = AesKey::new(&key).unwrap().gcm_seal(&[6; 12], b"aad", &plain, 16);
            assert_eq!(ours.unwrap(), sealed, "{len} bytes");
        }
    }
}

#[test]
fn one_key_serves_many_threads_from_its_first_use() {
    let key = AesKey::new(&[3; 32]).unwrap();
    let expected = AesKey::new(&[3; 32]).unwrap().gcm_seal(&[1; 12], b"", &[9; 100], 16).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert_eq!(key.gcm_seal(&[1; 12], b"", &[9; 100], 16).unwrap(), expected);
                    let (mut iv, mut data) = ([0; 16], [8; 32]);
                    key.cbc_encrypt(&mut iv, &mut data).unwrap();
                    key.cbc_decrypt(&mut [0; 16], &mut data).unwrap();
                    assert_eq!(data, [8; 32]);
                }
            });
        }
    });
}

#[test]
fn key_wrap_gives_the_known_answers_both_ways() {
    for case in cases(include_str!("../vectors/wrap.txt")) {
        let key = AesKey::new(&case.bytes("key")).unwrap();
        let (plain, wrapped) = (case.bytes("plain"), case.bytes("wrapped"));
        let (there, back) = match case.text("kind") {
            "KW" => (key.kw_wrap(None, &plain), key.kw_unwrap(None, &wrapped)),
            "KWP" => (key.kwp_wrap(&plain), key.kwp_unwrap(&wrapped)),
            other => panic!("unknown kind {other}"),
        };
        assert_eq!((there.unwrap(), back.unwrap().to_vec()), (wrapped, plain));
    }
}

#[test]
fn key_wrap_refuses_changes_other_ivs_and_other_lengths() {
    let key = AesKey::new(&[4; 32]).unwrap();
    let wrapped = key.kw_wrap(None, &[1; 24]).unwrap();
    let padded = key.kwp_wrap(&[1; 21]).unwrap();
    for position in 0..wrapped.len() {
        let (mut one, mut two) = (wrapped.clone(), padded.clone());
        one[position] ^= 1;
        two[position] ^= 1;
        assert_eq!(key.kw_unwrap(None, &one).unwrap_err(), CryptoError::Failed);
        assert_eq!(key.kwp_unwrap(&two).unwrap_err(), CryptoError::Failed);
    }
    assert_eq!(key.kwp_unwrap(&wrapped).unwrap_err(), CryptoError::Failed);
    assert_eq!(key.kw_unwrap(None, &padded).unwrap_err(), CryptoError::Failed);
    let other = key.kw_wrap(Some(b"other iv"), &[1; 24]).unwrap();
    assert_ne!(other, wrapped);
    assert_eq!(*key.kw_unwrap(Some(b"other iv"), &other).unwrap(), [1; 24]);
    assert_eq!(key.kw_unwrap(None, &other).unwrap_err(), CryptoError::Failed);
    for len in [0, 8, 15, 17, 20] {
        assert_eq!(key.kw_wrap(None, &vec![0; len]).unwrap_err(), CryptoError::Length);
        assert_eq!(key.kw_unwrap(None, &vec![0; len]).unwrap_err(), CryptoError::Length);
    }
    assert_eq!(key.kwp_wrap(&[]).unwrap_err(), CryptoError::Length);
    for len in [0, 8, 15, 17] {
        assert_eq!(key.kwp_unwrap(&vec![0; len]).unwrap_err(), CryptoError::Length);
    }
}
