//! ML-DSA and ML-KEM on a token of firmware 7.9.0, as the vendor's samples use them.
//!
//! Source: `ThalesGroup/luna-samples`, `C_Samples/pqc` and `Node-PKCS11_Samples` (Documented).

use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType, ObjectHandle, Result, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::keys::{self, and, on};
use crate::token::{Kind, Token, refused, refused_as};

const TEXT: &[u8] = b"Hello World, I've been waiting for the chance to see your face.";

const PLAIN: &[&str] = &["--profile", "luna-7.9.0"];
const FIPS: &[&str] = &["--profile", "luna-7.9.0", "--fips", "on"];
const GROUP: &[&str] = &["--profile", "luna-7.9.0", "--ha", "HA=par1,par2", "--ha-only"];

fn token(options: &[&str]) -> Token {
    let token = Token::nobody(options);
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    token
}

pub(crate) fn pair(
    session: &Session,
    mechanism: MechanismType,
    set: CK_ULONG,
) -> Result<(ObjectHandle, ObjectHandle)> {
    let set = [Attribute::ulong(CKA_PARAMETER_SET, set)];
    let public = and(&on(&[CKA_VERIFY]), &set);
    if mechanism == CKM_ML_DSA_KEY_PAIR_GEN {
        return session.generate_key_pair(&Mechanism::Plain(mechanism), &public, &on(&[CKA_SIGN]));
    }
    let public = and(&on(&[CKA_ENCAPSULATE]), &set);
    let private = and(&on(&[CKA_DECAPSULATE]), &set);
    session.generate_key_pair(&Mechanism::Plain(mechanism), &public, &private)
}

pub(crate) fn with(
    mechanism: MechanismType,
    hedge: CK_ULONG,
    hash: Option<MechanismType>,
) -> Mechanism {
    Mechanism::SignContext { mechanism, hedge, context: Vec::new(), hash }
}

#[test]
fn signatures_of_every_mechanism_and_set() {
    for options in [PLAIN, FIPS, GROUP] {
        let token = token(options);
        let session = &token.session;
        for (set, public_len, signature_len) in
            [(CKP_ML_DSA_44, 1312, 2420), (CKP_ML_DSA_65, 1952, 3309), (CKP_ML_DSA_87, 2592, 4627)]
        {
            let (public, private) = pair(session, CKM_ML_DSA_KEY_PAIR_GEN, set).unwrap();
            let value = session.attribute(public, CKA_VALUE).unwrap().unwrap();
            assert_eq!(value.len(), public_len);
            assert_eq!(session.attribute_ulong(private, CKA_PARAMETER_SET).unwrap(), Some(set));
            let print = |key| session.attribute(key, CKA_FINGERPRINT_SHA256).unwrap().unwrap();
            assert_eq!(print(public), print(private), "both halves have the same");
            let digest = session.digest(&Mechanism::Plain(CKM_SHA256), TEXT).unwrap();
            let mu = [0x2b; 64];
            // The samples give the longer structure to all of these.
            for (kind, data, hash) in [
                (CKM_ML_DSA, TEXT, None),
                (CKM_HASH_ML_DSA, &digest[..], Some(CKM_SHA256)),
                (CKM_HASH_ML_DSA_SHA3_512, TEXT, Some(0)),
                (CKM_HASH_ML_DSA_SHAKE128, TEXT, None),
                (CKM_EXTMU_ML_DSA, &mu[..], Some(0)),
            ] {
                let name = names::ckm(kind);
                let mechanism = with(kind, CKH_DETERMINISTIC_REQUIRED, hash);
                let signature = session.sign(&mechanism, private, data).unwrap();
                assert_eq!(signature.len(), signature_len, "{name}");
                assert_eq!(session.sign(&mechanism, private, data).unwrap(), signature, "{name}");
                session.verify(&mechanism, public, data, &signature).unwrap();
                let hedged = with(kind, CKH_HEDGE_REQUIRED, hash);
                let other = session.sign(&hedged, private, data).unwrap();
                assert_ne!(other, signature, "{name}");
                session.verify(&mechanism, public, data, &other).unwrap();
                let mut bent = signature.clone();
                bent[7] ^= 1;
                let answer = session.verify(&mechanism, public, data, &bent);
                refused_as(answer, CKR_SIGNATURE_INVALID, &name);
                let answer = session.verify(&mechanism, public, data, &signature[1..]);
                refused_as(answer, CKR_SIGNATURE_LEN_RANGE, &name);
            }
            // In parts, and without a parameter.
            let plain = Mechanism::Plain(CKM_ML_DSA);
            session.sign_init(&plain, private).unwrap();
            TEXT.chunks(10).for_each(|part| session.sign_update(part).unwrap());
            let signature = session.sign_final().unwrap();
            session.verify(&plain, public, TEXT, &signature).unwrap();
        }
    }
}

#[test]
fn contexts_of_signatures() {
    let token = token(PLAIN);
    let session = &token.session;
    let (public, private) = pair(session, CKM_ML_DSA_KEY_PAIR_GEN, CKP_ML_DSA_44).unwrap();
    let with = |context: &[u8]| Mechanism::SignContext {
        mechanism: CKM_ML_DSA,
        hedge: CKH_HEDGE_PREFERRED,
        context: context.to_vec(),
        hash: None,
    };
    let signature = session.sign(&with(b"one"), private, TEXT).unwrap();
    session.verify(&with(b"one"), public, TEXT, &signature).unwrap();
    for other in [&b""[..], b"two"] {
        let answer = session.verify(&with(other), public, TEXT, &signature);
        refused_as(answer, CKR_SIGNATURE_INVALID, &other);
    }
    refused(session.sign_init(&with(&[0; 256]), private), CKR_MECHANISM_PARAM_INVALID);
    let short = session.sign(&Mechanism::Plain(CKM_EXTMU_ML_DSA), private, &[0; 63]);
    refused(short, CKR_DATA_LEN_RANGE);
}

fn aes() -> Vec<Attribute> {
    and(
        &on(&[CKA_ENCRYPT, CKA_DECRYPT]),
        &[
            Attribute::class(CKO_SECRET_KEY),
            Attribute::key_type(CKK_AES),
            Attribute::ulong(CKA_VALUE_LEN, 32),
        ],
    )
}

#[test]
fn an_aes_key_travels_encapsulated() {
    let kem = Mechanism::Plain(CKM_ML_KEM);
    for options in [PLAIN, FIPS, GROUP] {
        let token = token(options);
        let session = &token.session;
        for (set, len) in [(CKP_ML_KEM_512, 768), (CKP_ML_KEM_768, 1088), (CKP_ML_KEM_1024, 1568)] {
            let (public, private) = pair(session, CKM_ML_KEM_KEY_PAIR_GEN, set).unwrap();
            let before = session.find(&[]).unwrap().len();
            let (ciphertext, sent) = session.encapsulate(&kem, public, &aes()).unwrap();
            assert_eq!(ciphertext.len(), len);
            assert_eq!(session.find(&[]).unwrap().len(), before + 1, "a question makes no key");
            let received = session.decapsulate(&kem, private, &aes(), &ciphertext).unwrap();
            let cbc = Mechanism::aes_cbc_pad([1; 16]);
            let sealed = session.encrypt(&cbc, sent, TEXT).unwrap();
            assert_eq!(session.decrypt(&cbc, received, &sealed).unwrap(), TEXT);
            for key in [sent, received] {
                for kind in [CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE] {
                    assert_eq!(session.attribute(key, kind).unwrap().unwrap(), [0]);
                }
            }
            let mut bent = ciphertext.clone();
            bent[0] ^= 1;
            let other = session.decapsulate(&kem, private, &aes(), &bent).unwrap();
            assert_ne!(
                session.encrypt(&cbc, other, TEXT).unwrap(),
                sealed,
                "FIPS 203, section 7.3"
            );
            let short = session.decapsulate(&kem, private, &aes(), &ciphertext[1..]);
            refused(short, CKR_WRAPPED_KEY_LEN_RANGE);
        }
    }
}

#[test]
fn keys_and_mechanisms_that_do_not_encapsulate() {
    let token = token(PLAIN);
    let session = &token.session;
    let kem = Mechanism::Plain(CKM_ML_KEM);
    let (public, private) = pair(session, CKM_ML_KEM_KEY_PAIR_GEN, CKP_ML_KEM_512).unwrap();
    let (signs, _) = pair(session, CKM_ML_DSA_KEY_PAIR_GEN, CKP_ML_DSA_44).unwrap();
    for key in [private, signs] {
        let answer = session.encapsulate(&kem, key, &aes());
        refused_as(answer, CKR_KEY_TYPE_INCONSISTENT, &key);
    }
    let answer = session.decapsulate(&kem, public, &aes(), &[0; 768]);
    refused(answer, CKR_KEY_TYPE_INCONSISTENT);
    refused(session.derive(&kem, private, &aes()), CKR_MECHANISM_INVALID);
    let answer = session.encapsulate(&Mechanism::Plain(CKM_ECDSA), public, &aes());
    refused(answer, CKR_MECHANISM_INVALID);
    let set = [Attribute::ulong(CKA_PARAMETER_SET, CKP_ML_KEM_512)];
    let mechanism = Mechanism::Plain(CKM_ML_KEM_KEY_PAIR_GEN);
    let (unfit, _) = session.generate_key_pair(&mechanism, &set, &[]).unwrap();
    refused(session.encapsulate(&kem, unfit, &aes()), CKR_KEY_FUNCTION_NOT_PERMITTED);
    let long = and(&on(&[]), &[Attribute::ulong(CKA_VALUE_LEN, 33)]);
    refused(session.encapsulate(&kem, public, &long), CKR_KEY_SIZE_RANGE);
    for (mechanism, set) in [(CKM_ML_KEM_KEY_PAIR_GEN, 4), (CKM_ML_DSA_KEY_PAIR_GEN, 0)] {
        refused_as(pair(session, mechanism, set), CKR_ATTRIBUTE_VALUE_INVALID, &set);
    }
    let none = session.generate_key_pair(&mechanism, &[], &[]);
    refused(none, CKR_TEMPLATE_INCOMPLETE);
}

/// Out as PKCS#8 under a key, and back without a parameter set in the template.
#[test]
fn private_keys_travel() {
    let token = token(&["--profile", "luna-7.9.0", "--policy", "1=1"]);
    let session = &token.session;
    let by = keys::aes(session, &[9; 32]);
    let pad = Mechanism::aes_cbc_pad([0; 16]);
    let set = [Attribute::ulong(CKA_PARAMETER_SET, CKP_ML_DSA_65)];
    let (public, private) = session
        .generate_key_pair(
            &Mechanism::Plain(CKM_ML_DSA_KEY_PAIR_GEN),
            &and(&on(&[CKA_VERIFY]), &set),
            &on(&[CKA_SIGN, CKA_EXTRACTABLE]),
        )
        .unwrap();
    let wrapped = session.wrap(&pad, by, private).unwrap();
    let template = and(
        &on(&[CKA_SIGN]),
        &[Attribute::class(CKO_PRIVATE_KEY), Attribute::key_type(CKK_ML_DSA)],
    );
    let back = session.unwrap(&pad, by, &wrapped, &template).unwrap();
    assert_eq!(session.attribute_ulong(back, CKA_PARAMETER_SET).unwrap(), Some(CKP_ML_DSA_65));
    let signature = session.sign(&Mechanism::Plain(CKM_ML_DSA), back, TEXT).unwrap();
    session.verify(&Mechanism::Plain(CKM_ML_DSA), public, TEXT, &signature).unwrap();
}

#[test]
fn older_firmware_has_none_of_it() {
    let token = Token::up(Kind::Plain);
    for mechanism in [CKM_ML_KEM_KEY_PAIR_GEN, CKM_ML_DSA_KEY_PAIR_GEN] {
        refused(pair(&token.session, mechanism, 1), CKR_MECHANISM_INVALID);
    }
}
