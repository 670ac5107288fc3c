//! Input that no careful caller gives: impossible lengths and counts, unaligned pointers, values of a wrong size.
//!
//! Whatever a module answers, it must answer, and must not do what was not asked for.

use luna_client::ck::*;
use luna_client::module::words::{Place, SIGNATURES, Word, places};
use luna_client::{Attribute, Mechanism};

use super::arguments::good;
use crate::check::{Allow, Finding, Mark, Needs, Outcome, Registry, Row, Source, ensure, refused};
use crate::stage::Stage;

/// Functions that are left alone: with a right PIN or slot they would do what they say.
const NEVER: &[&str] = &[
    "C_Initialize",
    "C_Finalize",
    "C_GetFunctionList",
    "C_WaitForSlotEvent",
    "C_InitToken",
    "C_InitPIN",
    "C_SetPIN",
    "C_Login",
];

const ROWS: &[Row] = &[
    Row {
        id: "attribute.long-bool",
        title: "a CK_BBOOL of eight bytes is refused",
        source: (Mark::Standard, "section 4.1.1 (CKR_ATTRIBUTE_VALUE_INVALID)"),
        needs: Needs::session_objects,
        run: |stage| wrong_value(stage, Attribute::bytes(CKA_PRIVATE, [0, 1, 0, 0, 0, 0, 0, 0])),
    },
    Row {
        id: "attribute.empty-bool",
        title: "a CK_BBOOL of no bytes is refused",
        source: (Mark::Standard, "section 4.1.1 (CKR_ATTRIBUTE_VALUE_INVALID)"),
        needs: Needs::session_objects,
        run: |stage| wrong_value(stage, Attribute::bytes(CKA_PRIVATE, [])),
    },
    Row {
        id: "attribute.odd-bool",
        title: "a CK_BBOOL that is neither true nor false is true, or refused",
        source: (Mark::Standard, "section 2 (CK_BBOOL)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let mut template = data(stage);
            template.push(Attribute::bytes(CKA_MODIFIABLE, [7]));
            match session.create_object(&template) {
                Ok(object) => {
                    let seen = session.attribute(object, CKA_MODIFIABLE)?;
                    let held = seen.as_deref().is_some_and(|value| value == [1] || value == [7]);
                    ensure(held, "true", format!("{seen:?}"))
                }
                Err(error) => refused::<()>("C_CreateObject", Err(error), VALUE),
            }
        },
    },
    Row {
        id: "attribute.short-ulong",
        title: "a CK_ULONG of four bytes is refused",
        source: (Mark::Standard, "section 4.1.1 (CKR_ATTRIBUTE_VALUE_INVALID)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let template = [vec![Attribute::bytes(CKA_CLASS, [0; 4])], stage.own(false)];
            refused("C_CreateObject", session.create_object(&template.concat()), VALUE)
        },
    },
    Row {
        id: "attribute.unknown",
        title: "an attribute nobody knows is refused",
        source: (Mark::Standard, "section 4.1.1 (CKR_ATTRIBUTE_TYPE_INVALID)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let mut template = data(stage);
            template.push(Attribute::ulong(0x0baf_baf0, 1));
            let seen = session.create_object(&template);
            let codes = [CKR_ATTRIBUTE_TYPE_INVALID, CKR_TEMPLATE_INCONSISTENT];
            refused("C_CreateObject", seen, &codes)
        },
    },
    Row {
        id: "attribute.twice",
        title: "an attribute given twice with two values is refused",
        source: (Mark::Standard, "section 4.1.1 (CKR_TEMPLATE_INCONSISTENT)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let mut template = data(stage);
            template.push(Attribute::bytes(CKA_VALUE, b"one".as_slice()));
            template.push(Attribute::bytes(CKA_VALUE, b"two".as_slice()));
            let codes = [CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_VALUE_INVALID];
            refused("C_CreateObject", session.create_object(&template), &codes)
        },
    },
    Row {
        id: "label.utf8",
        title: "a label of characters beyond ASCII comes back as it went",
        source: (Mark::Standard, "section 4.4 (CKA_LABEL)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let label = "luna-harness schlüssel 鍵";
            let template =
                [Attribute::class(CKO_DATA), Attribute::token(false), Attribute::label(label)];
            let object = session.create_object(&template)?;
            let seen = session.attribute_text(object, CKA_LABEL)?;
            ensure(seen.as_deref() == Some(label), label, format!("{seen:?}"))
        },
    },
    Row {
        id: "gcm.empty-iv",
        title: "AES-GCM with an empty vector is refused outside of FIPS mode",
        source: (Mark::Standard, "mechanisms, section 2.12.3 (CK_GCM_PARAMS)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_GCM]),
        run: |stage| {
            if stage.fips()? {
                return Err(Finding::not_applicable("in FIPS mode the HSM makes the vector"));
            }
            parameter(stage, &Mechanism::aes_gcm(&[], b"", 128))
        },
    },
    Row {
        id: "gcm.no-tag",
        title: "AES-GCM with a tag of no bits is refused",
        source: (Mark::Standard, "mechanisms, section 2.12.3 (CK_GCM_PARAMS)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_GCM]),
        run: |stage| parameter(stage, &Mechanism::aes_gcm(&[1; 12], b"", 0)),
    },
    Row {
        id: "gcm.long-tag",
        title: "AES-GCM with a tag of more than 128 bits is refused",
        source: (Mark::Standard, "mechanisms, section 2.12.3 (CK_GCM_PARAMS)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_GCM]),
        run: |stage| parameter(stage, &Mechanism::aes_gcm(&[1; 12], b"", 136)),
    },
    Row {
        id: "ctr.no-counter",
        title: "AES-CTR with a counter of no bits is refused",
        source: (Mark::Standard, "mechanisms, section 2.10.3 (CK_AES_CTR_PARAMS)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_CTR]),
        run: |stage| parameter(stage, &Mechanism::AesCtr { counter_bits: 0, block: [1; 16] }),
    },
    Row {
        id: "ctr.long-counter",
        title: "AES-CTR with a counter of more than 128 bits is refused",
        source: (Mark::Standard, "mechanisms, section 2.10.3 (CK_AES_CTR_PARAMS)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_CTR]),
        run: |stage| parameter(stage, &Mechanism::AesCtr { counter_bits: 129, block: [1; 16] }),
    },
    Row {
        id: "curve.unknown",
        title: "a curve that nobody knows is refused",
        source: (Mark::Standard, "mechanisms, section 2.3 (CKR_CURVE_NOT_SUPPORTED)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_EC_KEY_PAIR_GEN]),
        run: |stage| curve(stage, &[0x06, 0x03, 0x2a, 0x03, 0x04]),
    },
    Row {
        id: "curve.garbage",
        title: "parameters of a curve that are no DER are refused",
        source: (Mark::Standard, "mechanisms, section 2.3 (CKA_EC_PARAMS)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_EC_KEY_PAIR_GEN]),
        run: |stage| curve(stage, &[0xff; 20]),
    },
    Row {
        id: "curve.truncated",
        title: "an OID that says it is longer than it is is refused",
        source: (Mark::Standard, "mechanisms, section 2.3 (CKA_EC_PARAMS)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_EC_KEY_PAIR_GEN]),
        run: |stage| curve(stage, &[0x06, 0x7f, 0x2a, 0x86]),
    },
    Row {
        id: "point.off-the-curve",
        title: "a public key off its curve is refused, at the latest when it is used",
        source: (Mark::Standard, "mechanisms, section 2.3 (CKA_EC_POINT)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_ECDSA]),
        run: |stage| {
            let session = stage.session()?;
            let mut point = vec![0x04, 65, 0x04];
            point.extend([0x11; 64]);
            let template = [
                vec![
                    Attribute::class(CKO_PUBLIC_KEY),
                    Attribute::key_type(CKK_EC),
                    Attribute::bytes(CKA_EC_PARAMS, crate::keys::P256),
                    Attribute::bytes(CKA_EC_POINT, point),
                    Attribute::bool(CKA_VERIFY, true),
                ],
                stage.own(false),
            ];
            let Ok(key) = session.create_object(&template.concat()) else { return Ok(()) };
            let seen = session.verify(&Mechanism::Plain(CKM_ECDSA), key, &[1; 32], &[1; 64]);
            ensure(seen.is_err(), "a refusal", "a signature that is good under no key")
        },
    },
    Row {
        id: "random.nothing",
        title: "random of no bytes is given or refused, and does no harm",
        source: (Mark::Standard, "section 5.15 (C_GenerateRandom)"),
        needs: Needs::public,
        run: |stage| {
            let session = stage.session()?;
            let seen = session.random(0);
            match seen {
                Ok(_) => Ok(()),
                Err(error) => refused::<()>("C_GenerateRandom", Err(error), &[CKR_ARGUMENTS_BAD]),
            }
        },
    },
];

const VALUE: &[CK_RV] = &[CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT];

fn data(stage: &Stage) -> Vec<Attribute> {
    [vec![Attribute::class(CKO_DATA)], stage.own(false)].concat()
}

fn wrong_value(stage: &mut Stage, attribute: Attribute) -> Outcome {
    let session = stage.session()?;
    let mut template = data(stage);
    template.push(attribute);
    refused("C_CreateObject", session.create_object(&template), VALUE)
}

fn parameter(stage: &mut Stage, mechanism: &Mechanism) -> Outcome {
    let key = stage.key(crate::keys::Family::Aes)?.public;
    let seen = stage.session()?.encrypt(mechanism, key, b"text");
    refused("C_EncryptInit", seen, &[CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD])
}

fn curve(stage: &mut Stage, parameters: &[u8]) -> Outcome {
    let session = stage.session()?;
    let public = [vec![Attribute::bytes(CKA_EC_PARAMS, parameters)], stage.own(false)].concat();
    let mechanism = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
    refused(
        "C_GenerateKeyPair",
        session.generate_key_pair(&mechanism, &public, &stage.own(false)),
        &[
            CKR_CURVE_NOT_SUPPORTED,
            CKR_DOMAIN_PARAMS_INVALID,
            CKR_ATTRIBUTE_VALUE_INVALID,
            CKR_TEMPLATE_INCONSISTENT,
            CKR_ECC_UNKNOWN_CURVE,
        ],
    )
}

/// Lengths that are none: beyond what memory holds, and just beyond 32 bits.
const IMPOSSIBLE: &[(&str, CK_ULONG)] = &[("max", CK_ULONG::MAX), ("4g", (1 << 32) + 8)];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("hostile", ROWS);
    for (function, _) in SIGNATURES.iter().filter(|row| !NEVER.contains(&row.0)) {
        let places = places(function).unwrap_or_default();
        for (at, place) in places.iter().enumerate() {
            let after_pointer = at.checked_sub(1).and_then(|before| places.get(before));
            if *place == Place::Count && after_pointer.is_some() {
                null_with_length(registry, function, at);
            }
        }
    }
}

/// A null pointer that is said to have a length: nothing may be read, and the call fails.
fn null_with_length(registry: &mut Registry, function: &'static str, at: usize) {
    for (name, len) in IMPOSSIBLE {
        let title =
            format!("{function} with a null pointer of {len:#x} as argument {at} is refused");
        let source = Source::standard("section 5.1.5 (CKR_ARGUMENTS_BAD)");
        let needs = Needs::public().allow(Allow::Create);
        let id = format!("hostile.null-{name}.{function}.{at}");
        registry.add(id, title, source, needs, move |stage| {
            if !stage.words().has(function) {
                return Err(Finding::not_applicable(format!(
                    "the module does not have {function}"
                )));
            }
            let session = stage.session()?;
            let slot = stage.slot()?.0;
            let mut words = good(function, session.handle().0, slot);
            if let Some(word) = words.get_mut(at - 1) {
                *word = Word::Null;
            }
            if let Some(word) = words.get_mut(at) {
                *word = Word::Number(*len);
            }
            let (rv, _) = stage.words().call(function, &words)?;
            ensure(
                rv != CKR_OK,
                format!("{function} refuses a pointer to nothing"),
                format!("{function} answered CKR_OK"),
            )
        });
    }
}
