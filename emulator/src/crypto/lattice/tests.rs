//! Known answers, round trips of every set, refusals.

use super::super::vectors::cases;
use super::*;

fn by_name(name: &str) -> Set {
    Set::ALL.into_iter().find(|set| format!("{set:?}") == name).unwrap()
}

#[test]
fn seeds_signatures_and_secrets_give_the_known_answers() {
    let mut seen = Vec::new();
    for case in cases(include_str!("../vectors/lattice.txt")) {
        let set = by_name(case.text("set"));
        seen.push(set);
        let key = LatticePrivateKey::from_seed(set, &case.bytes("seed")).unwrap();
        let public = case.bytes("public");
        assert_eq!(key.public().unwrap(), public);
        assert_eq!(key.seed().unwrap(), case.bytes("seed"));
        let expanded = LatticePrivateKey::from_expanded(set, &key.expanded().unwrap()).unwrap();
        assert_eq!(expanded.public().unwrap(), public);
        assert_eq!(expanded.seed(), None);
        if set.is_kem() {
            for key in [key, expanded] {
                let secret = key.decapsulate(&case.bytes("ciphertext")).unwrap();
                assert_eq!(*secret, case.bytes("secret"));
            }
            continue;
        }
        let mut mu = Mu::new(&public, false, &case.bytes("context")).unwrap();
        case.bytes("message").chunks(3).for_each(|part| mu.update(part).unwrap());
        let mu = mu.finish().unwrap();
        assert_eq!(mu, case.bytes("mu"));
        let signature = case.bytes("signature");
        assert_eq!(key.sign_deterministic(&mu).unwrap(), signature);
        assert_eq!(expanded.sign_deterministic(&mu).unwrap_err(), CryptoError::Key);
        let theirs = LatticePublicKey::from_bytes(set, &public).unwrap();
        assert_eq!(theirs.verify(&mu, &signature), Ok(()));
        assert_eq!(theirs.verify(&mu, &expanded.sign(&mu).unwrap()), Ok(()));
    }
    assert!(Set::ALL.iter().all(|set| seen.contains(set)));
}

#[test]
fn every_set_works_and_refuses_what_is_not_its_own() {
    for set in Set::ALL {
        let (one, two) =
            (LatticePrivateKey::generate(set).unwrap(), LatticePrivateKey::generate(set).unwrap());
        let public = one.public().unwrap();
        let theirs = LatticePublicKey::from_bytes(set, &public).unwrap();
        assert_eq!(theirs.bytes().unwrap(), public);
        assert_eq!(public.len(), set.public_len());
        let again = LatticePrivateKey::from_seed(set, one.seed().unwrap()).unwrap();
        assert_eq!(*again.expanded().unwrap(), *one.expanded().unwrap());
        for wrong in [&public[1..], &[], &[0; 10]] {
            assert!(LatticePublicKey::from_bytes(set, wrong).is_err());
            assert!(LatticePrivateKey::from_seed(set, wrong).is_err());
            assert!(LatticePrivateKey::from_expanded(set, wrong).is_err());
        }
        let mu = [7; MU_LEN];
        if set.is_kem() {
            let (ciphertext, secret) = theirs.encapsulate().unwrap();
            assert_eq!(*one.decapsulate(&ciphertext).unwrap(), *secret);
            assert_ne!(*two.decapsulate(&ciphertext).unwrap(), *secret);
            assert_eq!(one.decapsulate(&ciphertext[1..]).unwrap_err(), CryptoError::Length);
            assert_eq!(one.sign(&mu).unwrap_err(), CryptoError::Parameter);
            assert_eq!(theirs.verify(&mu, &[]).unwrap_err(), CryptoError::Parameter);
        } else {
            let signature = one.sign(&mu).unwrap();
            assert_eq!(theirs.verify(&mu, &signature), Ok(()));
            assert_ne!(one.sign(&mu).unwrap(), signature, "hedged");
            assert_eq!(theirs.verify(&[8; MU_LEN], &signature), Err(CryptoError::Failed));
            assert_eq!(theirs.verify(&mu, &signature[1..]), Err(CryptoError::Length));
            assert_eq!(one.sign(&mu[1..]).unwrap_err(), CryptoError::Length);
            assert_eq!(theirs.encapsulate().unwrap_err(), CryptoError::Parameter);
            assert_eq!(one.decapsulate(&signature).unwrap_err(), CryptoError::Parameter);
        }
    }
}

#[test]
fn a_decapsulation_key_that_does_not_fit_together_is_refused() {
    let key = LatticePrivateKey::generate(Set::MlKem512).unwrap();
    let mut bytes = key.expanded().unwrap();
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    assert!(LatticePrivateKey::from_expanded(Set::MlKem512, &bytes).is_err());
    // Twelve bits that are no number below 3329.
    let public = [vec![0xff; 3], key.public().unwrap()[3..].to_vec()].concat();
    assert!(LatticePublicKey::from_bytes(Set::MlKem512, &public).is_err());
}
