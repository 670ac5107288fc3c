//! Known answers, round trips, refusals.

use super::super::hash::digest;
use super::super::vectors::{Case, cases};
use super::*;

fn by_name(name: &str) -> Hash {
    *Hash::ALL.iter().find(|hash| hash.name() == name).unwrap()
}

fn all() -> Vec<Case> {
    cases(include_str!("../vectors/rsa.txt"))
}

fn numbers(case: &Case) -> RsaComponents {
    let secret = |name| Zeroizing::new(case.bytes(name));
    RsaComponents {
        n: case.bytes("n"),
        e: case.bytes("e"),
        d: secret("d"),
        p: Some(secret("p")),
        q: Some(secret("q")),
        dp: Some(secret("dp")),
        dq: Some(secret("dq")),
        qinv: Some(secret("qinv")),
    }
}

fn key(case: &Case) -> RsaPrivateKey {
    RsaPrivateKey::from_components(&numbers(case)).unwrap()
}

/// The key of 1024 bits with the usual exponent.
fn usual() -> Case {
    all().into_iter().find(|case| case.text("bits") == "1024").unwrap()
}

/// Without primes: the same key, worked with the long way.
fn bare(of: &RsaComponents) -> RsaComponents {
    RsaComponents { p: None, q: None, dp: None, dq: None, qinv: None, ..of.clone() }
}

#[test]
fn everything_the_other_library_made_is_understood() {
    let (mut pkcs1, mut pss, mut oaep) = (0, 0, 0);
    for case in all() {
        let key = key(&case);
        let public = RsaPublicKey::new(&case.bytes("n"), &case.bytes("e")).unwrap();
        assert_eq!(key.bits().to_string(), case.text("bits"));
        for name in case.names() {
            let value = || case.bytes(name);
            match name.split(' ').collect::<Vec<_>>()[..] {
                ["pkcs1", "bare"] => {
                    assert_eq!(public.verify_pkcs1(None, b"sample", &value()), Ok(()));
                    assert_eq!(public.recover_pkcs1(&value()).unwrap(), b"sample");
                    assert_eq!(key.sign_pkcs1(None, b"sample").unwrap(), value());
                }
                ["pkcs1", hash] => {
                    let hash = by_name(hash);
                    let digest = digest(hash, b"sample").unwrap();
                    assert_eq!(public.verify_pkcs1(Some(hash), &digest, &value()), Ok(()));
                    assert_eq!(key.sign_pkcs1(Some(hash), &digest).unwrap(), value());
                    pkcs1 += 1;
                }
                ["pss", hash, mgf, salt_len] => {
                    let (hash, mgf) = (by_name(hash), by_name(mgf));
                    let salt_len = salt_len.parse().unwrap();
                    let digest = digest(hash, b"sample").unwrap();
                    let verify = |salt_len, digest: &[u8], signature: &[u8]| {
                        public.verify_pss(hash, mgf, salt_len, digest, signature)
                    };
                    assert_eq!(verify(salt_len, &digest, &value()), Ok(()), "{name}");
                    let made = key.sign_pss(hash, mgf, salt_len, &digest).unwrap();
                    assert_eq!(verify(salt_len, &digest, &made), Ok(()), "{name}");
                    assert_eq!(verify(salt_len + 1, &digest, &made), Err(CryptoError::Failed));
                    assert_eq!(salt_len == 0, made == value(), "random only by its salt");
                    pss += 1;
                }
                ["encrypted", "pkcs1"] => {
                    assert_eq!(*key.decrypt_pkcs1(&value()).unwrap(), b"sample");
                    let made = public.encrypt_pkcs1(b"sample").unwrap();
                    assert_ne!(made, value());
                    assert_eq!(*key.decrypt_pkcs1(&made).unwrap(), b"sample");
                }
                ["oaep", hash, mgf, ref label @ ..] => {
                    let (hash, mgf) = (by_name(hash), by_name(mgf));
                    let label = super::super::vectors::hex(&label.concat());
                    let opened = key.decrypt_oaep(hash, mgf, &label, &value()).unwrap();
                    assert_eq!(*opened, b"sample", "{name}");
                    let made = public.encrypt_oaep(hash, mgf, &label, b"sample").unwrap();
                    assert_eq!(*key.decrypt_oaep(hash, mgf, &label, &made).unwrap(), b"sample");
                    let other = key.decrypt_oaep(hash, mgf, b"another label", &made);
                    assert_eq!(other.unwrap_err(), CryptoError::Failed);
                    oaep += 1;
                }
                ["raw", "input"] => {
                    let output = case.bytes("raw output");
                    assert_eq!(*key.private_raw(&value()).unwrap(), output);
                    assert_eq!(public.public_raw(&output).unwrap(), value());
                }
                _ => {}
            }
        }
    }
    assert!(pkcs1 >= 30 && pss >= 20 && oaep >= 20, "{pkcs1} {pss} {oaep}");
}

#[test]
fn components_come_back_as_they_went_in_and_may_be_missing() {
    for case in all() {
        let given = numbers(&case);
        let only_primes = RsaComponents { dp: None, dq: None, qinv: None, ..given.clone() };
        let empty_parts = RsaComponents {
            dp: Some(Zeroizing::default()),
            qinv: Some(Zeroizing::default()),
            ..given.clone()
        };
        let mut zeros = given.clone();
        zeros.n.insert(0, 0);
        zeros.d.insert(0, 0);
        for from in [&given, &only_primes, &empty_parts, &zeros] {
            let back = RsaPrivateKey::from_components(from).unwrap().components().unwrap();
            assert_eq!((&back.n, &back.e, &back.d), (&given.n, &given.e, &given.d));
            assert_eq!((&back.p, &back.q), (&given.p, &given.q));
            assert_eq!((&back.dp, &back.dq, &back.qinv), (&given.dp, &given.dq, &given.qinv));
        }
    }
}

#[test]
fn a_key_without_primes_gives_the_same_answers() {
    for case in all() {
        let without = RsaPrivateKey::from_components(&bare(&numbers(&case)));
        if case.bytes("e").len() > 4 {
            assert_eq!(without.unwrap_err(), CryptoError::Key, "the documented limit");
            continue;
        }
        let without = without.unwrap();
        assert_eq!(without.sign_pkcs1(None, b"sample").unwrap(), case.bytes("pkcs1 bare"));
        assert_eq!(*without.decrypt_pkcs1(&case.bytes("encrypted pkcs1")).unwrap(), b"sample");
        let back = without.components().unwrap();
        assert!(back.p.is_none() && back.q.is_none() && back.qinv.is_none());
    }
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    let good = numbers(&usual());
    let change = |bytes: &Zeroizing<Vec<u8>>| {
        let mut changed = bytes.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 4;
        changed
    };
    let changed = |part: &Option<Zeroizing<Vec<u8>>>| part.as_ref().map(change);
    let mut other_n = good.clone();
    other_n.n[20] ^= 1;
    for wrong in [
        other_n,
        RsaComponents { d: change(&good.d), ..good.clone() },
        RsaComponents { p: changed(&good.p), ..good.clone() },
        RsaComponents { q: changed(&good.q), ..good.clone() },
        RsaComponents { dp: changed(&good.dp), ..good.clone() },
        RsaComponents { dq: changed(&good.dq), ..good.clone() },
        RsaComponents { qinv: changed(&good.qinv), ..good.clone() },
        RsaComponents { e: vec![3], ..good.clone() },
        bare(&RsaComponents { d: change(&good.d), ..good.clone() }),
        bare(&RsaComponents { e: vec![3], ..good.clone() }),
        bare(&RsaComponents { d: Zeroizing::new(vec![0]), ..good.clone() }),
        bare(&RsaComponents { d: Zeroizing::new(vec![]), ..good.clone() }),
        bare(&RsaComponents { n: vec![], ..good.clone() }),
        RsaComponents { p: Some(Zeroizing::new(vec![1])), ..good.clone() },
        RsaComponents { p: Some(Zeroizing::new(vec![0])), dp: None, qinv: None, ..good.clone() },
    ] {
        assert_eq!(RsaPrivateKey::from_components(&wrong).unwrap_err(), CryptoError::Key);
    }
}

#[test]
fn public_keys_that_are_none_are_refused() {
    let n = usual().bytes("n");
    let mut even = n.clone();
    *even.last_mut().unwrap() &= 0xfe;
    for (n, e) in [
        (&even[..], &[3][..]),
        (&n, &[]),
        (&n, &[0]),
        (&n, &[1]),
        (&n, &[1, 0]),
        (&n, &n),
        (&[0xff; 31], &[3]),
        (&[0xff; 1025], &[3]),
        (&[], &[3]),
    ] {
        assert_eq!(RsaPublicKey::new(n, e).unwrap_err(), CryptoError::Key);
    }
    assert_eq!(RsaPublicKey::new(&[0xff; 1024], &[3]).unwrap().bits(), MAX_BITS);
    assert_eq!(RsaPublicKey::new(&[0xff; 32], &[3]).unwrap().bits(), MIN_BITS);
    assert!(RsaPublicKey::new(&n, &[1, 0, 0, 0, 0, 0, 0, 1]).is_ok(), "a long exponent");
}

#[test]
fn generated_keys_have_the_size_and_exponent_asked_for_and_work() {
    for (bits, e) in [(512, &[1, 0, 1][..]), (1024, &[3]), (1152, &[0, 1, 0, 1]), (2048, &[17])] {
        let key = RsaPrivateKey::generate(bits, e).unwrap();
        assert_eq!((key.bits(), key.modulus_len()), (bits, bits / 8));
        let parts = key.components().unwrap();
        assert_eq!(parts.e, e.strip_prefix(&[0]).unwrap_or(e));
        assert_eq!(key.public().modulus().unwrap(), parts.n);
        let again = RsaPrivateKey::from_components(&parts).unwrap();
        let signature = again.sign_pkcs1(Some(Hash::Sha256), &[7; 32]).unwrap();
        assert_eq!(key.public().verify_pkcs1(Some(Hash::Sha256), &[7; 32], &signature), Ok(()));
    }
    let (one, two) =
        (RsaPrivateKey::generate(512, &[3]).unwrap(), RsaPrivateKey::generate(512, &[3]).unwrap());
    assert_ne!(one.public().modulus().unwrap(), two.public().modulus().unwrap());
}

#[test]
fn sizes_and_exponents_that_cannot_be_generated_are_refused() {
    for bits in [0, 128, 255, 257, 1000, 1025, 2050, 8320, usize::MAX] {
        let answer = RsaPrivateKey::generate(bits, &[1, 0, 1]);
        assert_eq!(answer.unwrap_err(), CryptoError::Parameter, "{bits}");
    }
    for e in [&[][..], &[0], &[1], &[2], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        assert_eq!(RsaPrivateKey::generate(512, e).unwrap_err(), CryptoError::Parameter, "{e:?}");
    }
}

#[test]
fn changed_signatures_and_other_messages_are_refused() {
    let key = key(&usual());
    let public = key.public();
    let signature = key.sign_pkcs1(Some(Hash::Sha256), &[1; 32]).unwrap();
    let pss = key.sign_pss(Hash::Sha256, Hash::Sha256, 32, &[1; 32]).unwrap();
    for position in [0, 1, 64, 127] {
        let (mut one, mut two) = (signature.clone(), pss.clone());
        one[position] ^= 1;
        two[position] ^= 1;
        let failed = Err(CryptoError::Failed);
        assert_eq!(public.verify_pkcs1(Some(Hash::Sha256), &[1; 32], &one), failed);
        assert_eq!(public.verify_pkcs1(None, &[1; 32], &one), failed);
        assert_eq!(public.verify_pss(Hash::Sha256, Hash::Sha256, 32, &[1; 32], &two), failed);
    }
    let failed = Err(CryptoError::Failed);
    assert_eq!(public.verify_pkcs1(Some(Hash::Sha256), &[2; 32], &signature), failed);
    assert_eq!(public.verify_pkcs1(Some(Hash::Sha3_256), &[1; 32], &signature), failed);
    assert_eq!(public.verify_pkcs1(None, &[1; 32], &signature), failed, "signed as a digest");
    assert_eq!(public.verify_pss(Hash::Sha256, Hash::Sha1, 32, &[1; 32], &pss), failed);
    assert_eq!(public.verify_pss(Hash::Sha256, Hash::Sha256, 32, &[1; 32], &signature), failed);
    assert_eq!(public.recover_pkcs1(&pss), Err(CryptoError::Failed));
}

#[test]
fn wrong_lengths_are_refused_as_such() {
    let key = key(&usual());
    let public = key.public();
    let length = CryptoError::Length;
    for len in [0, 1, 127, 129] {
        let wrong = vec![1; len];
        assert_eq!(public.verify_pkcs1(None, b"x", &wrong), Err(length));
        assert_eq!(public.verify_pkcs1(Some(Hash::Sha1), &[0; 20], &wrong), Err(length));
        assert_eq!(public.verify_pss(Hash::Sha1, Hash::Sha1, 20, &[0; 20], &wrong), Err(length));
        assert_eq!(public.recover_pkcs1(&wrong), Err(length));
        assert_eq!(key.decrypt_pkcs1(&wrong).unwrap_err(), length);
        assert_eq!(key.decrypt_oaep(Hash::Sha1, Hash::Sha1, b"", &wrong).unwrap_err(), length);
    }
    for len in [0, 19, 21, 32] {
        let wrong = vec![1; len];
        assert_eq!(key.sign_pkcs1(Some(Hash::Sha1), &wrong).unwrap_err(), length);
        assert_eq!(key.sign_pss(Hash::Sha1, Hash::Sha1, 20, &wrong).unwrap_err(), length);
        assert_eq!(public.verify_pkcs1(Some(Hash::Sha1), &wrong, &[0; 128]), Err(length));
    }
    // 1024 bits: 117 bytes by PKCS#1 v1.5, 86 by OAEP with SHA-1.
    assert!(key.sign_pkcs1(None, &[1; 117]).is_ok() && public.encrypt_pkcs1(&[1; 117]).is_ok());
    assert_eq!(key.sign_pkcs1(None, &[1; 118]).unwrap_err(), length);
    assert_eq!(public.encrypt_pkcs1(&[1; 118]).unwrap_err(), length);
    let oaep = |len| public.encrypt_oaep(Hash::Sha1, Hash::Sha1, b"", &vec![1; len]);
    assert!(oaep(86).is_ok() && oaep(0).is_ok());
    assert_eq!(oaep(87).unwrap_err(), length);
}

#[test]
fn hashes_and_salts_that_do_not_fit_are_refused() {
    let small = key(&all()[0]);
    assert_eq!(small.bits(), 512);
    // 64 bytes: SHA-512 leaves none for the salt nor for its DigestInfo.
    let answer = small.sign_pkcs1(Some(Hash::Sha512), &[0; 64]);
    assert_eq!(answer.unwrap_err(), CryptoError::Length);
    let parameter = CryptoError::Parameter;
    let sha256 = Hash::Sha256;
    assert_eq!(small.sign_pss(Hash::Sha512, sha256, 0, &[0; 64]).unwrap_err(), parameter);
    assert!(small.sign_pss(sha256, sha256, 30, &[0; 32]).is_ok(), "the longest salt");
    for salt_len in [31, 1000, usize::MAX] {
        let answer = small.sign_pss(sha256, sha256, salt_len, &[0; 32]);
        assert_eq!(answer.unwrap_err(), parameter);
        let answer = small.public().verify_pss(sha256, sha256, salt_len, &[0; 32], &[0; 64]);
        assert_eq!(answer.unwrap_err(), parameter);
    }
    assert_eq!(small.public().encrypt_oaep(sha256, sha256, b"", b"").unwrap_err(), parameter);
    assert_eq!(small.decrypt_oaep(sha256, sha256, b"", &[0; 64]).unwrap_err(), parameter);
}

#[test]
fn ciphertexts_with_any_fault_are_one_failure() {
    let key = key(&usual());
    let public = key.public();
    // Blocks that are not 00 02 (8 or more, none zero) 00 message.
    let block = |first: [u8; 2], nonzero: usize, zero_after: bool| {
        let mut block = vec![0xa5; 128];
        block[..2].copy_from_slice(&first);
        if zero_after {
            block[2 + nonzero] = 0;
        }
        public.public_raw(&block).unwrap()
    };
    assert_eq!(key.decrypt_pkcs1(&block([0, 2], 8, true)).unwrap().len(), 117);
    for wrong in [
        block([0, 2], 7, true),
        block([0, 2], 0, true),
        block([0, 2], 0, false),
        block([0, 1], 20, true),
        block([0, 0], 20, true),
        vec![0; 128],
        vec![0xff; 128],
    ] {
        assert_eq!(key.decrypt_pkcs1(&wrong).unwrap_err(), CryptoError::Failed);
        let oaep = key.decrypt_oaep(Hash::Sha256, Hash::Sha256, b"", &wrong);
        assert_eq!(oaep.unwrap_err(), CryptoError::Failed);
    }
    let mut oaep = public.encrypt_oaep(Hash::Sha256, Hash::Sha256, b"", b"text").unwrap();
    oaep[100] ^= 1;
    let answer = key.decrypt_oaep(Hash::Sha256, Hash::Sha256, b"", &oaep);
    assert_eq!(answer.unwrap_err(), CryptoError::Failed);
    assert_eq!(*key.decrypt_pkcs1(&public.encrypt_pkcs1(b"").unwrap()).unwrap(), b"");
}

#[test]
fn the_bare_operation_takes_every_number_below_the_modulus() {
    let case = usual();
    let key = key(&case);
    let n = case.bytes("n");
    let mut one_less = n.clone();
    *one_less.last_mut().unwrap() -= 1;
    for input in [&[][..], &[0], &[1], &[2], &[0; 128], &one_less] {
        let output = key.private_raw(input).unwrap();
        assert_eq!(output.len(), 128);
        let back = key.public().public_raw(&output).unwrap();
        assert!(back.ends_with(input) && back[..128 - input.len()].iter().all(|&byte| byte == 0));
    }
    assert_eq!(key.private_raw(&n).unwrap_err(), CryptoError::Parameter);
    assert_eq!(key.private_raw(&[0xff; 128]).unwrap_err(), CryptoError::Parameter);
    assert_eq!(key.public().public_raw(&n).unwrap_err(), CryptoError::Parameter);
    assert_eq!(key.private_raw(&[0; 129]).unwrap_err(), CryptoError::Length);
    assert_eq!(key.public().public_raw(&[0; 129]).unwrap_err(), CryptoError::Length);
}

#[test]
fn the_other_library_verifies_what_we_sign() {
    use ring::signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    };
    let case = all().into_iter().find(|case| case.text("bits") == "2048").unwrap();
    let key = key(&case);
    let theirs = RsaPublicKeyComponents { n: case.bytes("n"), e: case.bytes("e") };
    let digest = digest(Hash::Sha256, b"text").unwrap();
    let signature = key.sign_pkcs1(Some(Hash::Sha256), &digest).unwrap();
    assert!(theirs.verify(&RSA_PKCS1_2048_8192_SHA256, b"text", &signature).is_ok());
    let signature = key.sign_pss(Hash::Sha256, Hash::Sha256, 32, &digest).unwrap();
    assert!(theirs.verify(&RSA_PSS_2048_8192_SHA256, b"text", &signature).is_ok());
}

#[test]
fn one_key_serves_many_threads_from_its_first_use() {
    let case = usual();
    let key = key(&case);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let signature = key.sign_pkcs1(None, b"sample").unwrap();
                    assert_eq!(signature, case.bytes("pkcs1 bare"));
                }
            });
        }
    });
}

#[test]
fn private_keys_and_their_numbers_are_not_printed() {
    let case = usual();
    assert_eq!(format!("{:?}", key(&case)), "RsaPrivateKey(1024 bits, ..)");
    assert_eq!(format!("{:?}", numbers(&case)), "RsaComponents(128 bytes, ..)");
}
