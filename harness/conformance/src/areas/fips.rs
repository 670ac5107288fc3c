//! What FIPS mode takes away.

use luna_client::ck::*;
use luna_client::{Attribute, Mechanism};

use crate::check::{
    Finding, Mark, Needs, Outcome, Registry, Row, Source, Subject, ensure, refused, same,
};
use crate::keys::{Family, RSA_PAIRS, first_listed, rsa_public};
use crate::stage::Stage;

const PAGE: &str = "FIPS compliance; Supported Mechanisms";

/// Mechanisms that no firmware lists in FIPS mode.
const BARRED: &[(&str, CK_MECHANISM_TYPE)] = &[
    ("CKM_DES_ECB", CKM_DES_ECB),
    ("CKM_DES_CBC", CKM_DES_CBC),
    ("CKM_DES_KEY_GEN", CKM_DES_KEY_GEN),
    ("CKM_RC2_CBC", CKM_RC2_CBC),
    ("CKM_RC4", CKM_RC4),
    ("CKM_RC5_CBC", CKM_RC5_CBC),
    ("CKM_CAST5_CBC", CKM_CAST5_CBC),
    ("CKM_ARIA_CBC", CKM_ARIA_CBC),
    ("CKM_SM4_CBC", CKM_SM4_CBC),
    ("CKM_MD2", CKM_MD2),
    ("CKM_MD5", CKM_MD5),
    ("CKM_MD5_HMAC", CKM_MD5_HMAC),
    ("CKM_SM3", CKM_SM3),
    ("CKM_SM2DSA", CKM_SM2DSA),
    ("CKM_RSA_X_509", CKM_RSA_X_509),
    ("CKM_EDDSA", CKM_EDDSA),
    ("CKM_SHA1_KEY_DERIVATION", CKM_SHA1_KEY_DERIVATION),
    ("CKM_SSL3_MD5_MAC", CKM_SSL3_MD5_MAC),
];

const ROWS: &[Row] = &[
    Row {
        id: "gcm.own-iv",
        title: "AES-GCM makes its vector itself and appends it",
        source: (Mark::Sample, "ThalesGroup/luna-samples, CKM_AES_GCM_FIPS_demo.c"),
        needs: || luna().mechanisms(&[CKM_AES_GCM]),
        run: |stage| {
            in_fips(stage)?;
            let key = stage.key(Family::Aes)?;
            let session = stage.session()?;
            let own = Mechanism::AesGcm { iv: vec![], iv_bits: 0, aad: vec![], tag_bits: 128 };
            let sealed = session.encrypt(&own, key.public, b"text")?;
            same("the length", &(4 + 16 + 16), &sealed.len())
        },
    },
    Row {
        id: "gcm.caller-iv",
        title: "AES-GCM with a vector of the caller's does not encrypt",
        source: (Mark::Documented, "CKM_AES_GCM"),
        needs: || luna().mechanisms(&[CKM_AES_GCM]),
        run: |stage| {
            in_fips(stage)?;
            let key = stage.key(Family::Aes)?;
            let seen =
                stage.session()?.encrypt(&Mechanism::aes_gcm(&[1; 12], b"", 128), key.public, b"x");
            refused("C_EncryptInit", seen, &[CKR_MECHANISM_PARAM_INVALID])
        },
    },
    Row {
        id: "rsa.small",
        title: "an RSA pair of 1024 bits is refused",
        source: (Mark::Documented, PAGE),
        needs: luna,
        run: |stage| {
            in_fips(stage)?;
            let mechanism = Mechanism::Plain(first_listed(stage, RSA_PAIRS)?);
            let public = [rsa_public(1024), stage.own(false)].concat();
            let seen = stage.session()?.generate_key_pair(&mechanism, &public, &stage.own(false));
            refused("C_GenerateKeyPair", seen, &[CKR_KEY_SIZE_RANGE, CKR_ATTRIBUTE_VALUE_INVALID])
        },
    },
    Row {
        id: "rsa.exponent-3",
        title: "an RSA pair with the exponent 3 is refused",
        source: (Mark::Documented, PAGE),
        needs: luna,
        run: |stage| {
            in_fips(stage)?;
            let mechanism = Mechanism::Plain(first_listed(stage, RSA_PAIRS)?);
            let public = [
                vec![
                    Attribute::ulong(CKA_MODULUS_BITS, 2048),
                    Attribute::bytes(CKA_PUBLIC_EXPONENT, [3]),
                ],
                stage.own(false),
            ];
            let session = stage.session()?;
            let seen = session.generate_key_pair(&mechanism, &public.concat(), &stage.own(false));
            ensure(seen.is_err(), "a refusal", "a pair")
        },
    },
    Row {
        id: "sha1.sign",
        title: "SHA-1 with RSA verifies and does not sign",
        source: (Mark::Documented, "CKM_SHA1_RSA_PKCS"),
        needs: || luna().mechanisms(&[CKM_SHA1_RSA_PKCS]),
        run: |stage| {
            in_fips(stage)?;
            let flags = stage.mechanism_info(CKM_SHA1_RSA_PKCS)?.flags;
            same("its use", &CKF_VERIFY, &(flags & (CKF_SIGN | CKF_VERIFY)))?;
            let pair = stage.key(Family::Rsa)?;
            let seen =
                stage.session()?.sign_init(&Mechanism::Plain(CKM_SHA1_RSA_PKCS), pair.private);
            refused("C_SignInit", seen, &[CKR_MECHANISM_INVALID])
        },
    },
    Row {
        id: "hmac.short-key",
        title: "an HMAC under a key of 8 bytes is refused",
        source: (Mark::Documented, PAGE),
        needs: || luna().mechanisms(&[CKM_SHA256_HMAC]),
        run: |stage| {
            in_fips(stage)?;
            let session = stage.session()?;
            let sign = [Attribute::bool(CKA_SIGN, true)];
            let key = crate::keys::import(stage, &session, CKK_GENERIC_SECRET, &[7; 8], &sign)?;
            let seen = session.sign(&Mechanism::Plain(CKM_SHA256_HMAC), key, b"x");
            refused("C_SignInit", seen, &[CKR_KEY_SIZE_RANGE])
        },
    },
];

fn luna() -> Needs {
    Needs::session_objects().subject(Subject::Luna)
}

fn in_fips(stage: &Stage) -> Outcome {
    if stage.fips()? { Ok(()) } else { Err(Finding::not_applicable("not in FIPS mode")) }
}

pub(super) fn register(registry: &mut Registry) {
    registry.rows("fips", ROWS);
    for (name, kind) in BARRED {
        let source = Source::vendor(Mark::Documented, PAGE);
        let title = format!("{name} is not listed in FIPS mode");
        let needs = Needs::officer().subject(Subject::Luna);
        registry.add(format!("fips.barred.{name}"), title, source, needs, move |stage| {
            in_fips(stage)?;
            ensure(!stage.lists(*kind)?, "not in the list", "in the list")?;
            let seen = stage.context()?.mechanism_info(stage.slot()?, *kind);
            refused("C_GetMechanismInfo", seen, &[CKR_MECHANISM_INVALID])
        });
    }
}
