//! Wrapping and unwrapping: each rule for each mechanism of `data/mechanisms.toml`, and what guards keys.

use luna_client::ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Session};

use crate::check::{Finding, Mark, Needs, Outcome, Registry, Row, Source, ensure, refused, same};
use crate::keys::{Cached, Family};
use crate::mechanism::{Table, Wrapping, ckm, with_parameter};
use crate::stage::Stage;

const UNWRAP: &str = "section 5.14 (C_UnwrapKey)";

type Rule = (&'static str, &'static str, &'static str, fn(&mut Stage, &Wrapping) -> Outcome);

const RULES: &[Rule] = &[
    ("round-trip", "what was wrapped is unwrapped to the same key", UNWRAP, round_trip),
    (
        "history",
        "an unwrapped key is not local, was not always sensitive, not never extractable",
        "section 4.7.2, 4.10.2",
        history,
    ),
    (
        "unextractable",
        "a key with CKA_EXTRACTABLE false is not wrapped",
        "section 5.14 (C_WrapKey), CKR_KEY_UNEXTRACTABLE",
        unextractable,
    ),
    (
        "no-key",
        "a handle of nothing is not wrapped",
        "section 5.14 (C_WrapKey), CKR_KEY_HANDLE_INVALID",
        no_key,
    ),
    (
        "no-wrapping-key",
        "a handle of nothing does not wrap",
        "section 5.14 (C_WrapKey), CKR_WRAPPING_KEY_HANDLE_INVALID",
        no_wrapping_key,
    ),
    (
        "no-unwrapping-key",
        "a handle of nothing does not unwrap",
        "section 5.14 (C_UnwrapKey), CKR_UNWRAPPING_KEY_HANDLE_INVALID",
        no_unwrapping_key,
    ),
    (
        "wrap-flag",
        "a key without CKA_WRAP does not wrap",
        "section 5.14 (C_WrapKey), CKR_KEY_FUNCTION_NOT_PERMITTED",
        wrap_flag,
    ),
    (
        "unwrap-flag",
        "a key without CKA_UNWRAP does not unwrap",
        "section 5.14 (C_UnwrapKey), CKR_KEY_FUNCTION_NOT_PERMITTED",
        unwrap_flag,
    ),
    (
        "trusted",
        "a key that wants a trusted key is not wrapped by another",
        "section 4.10.2 (CKA_WRAP_WITH_TRUSTED), CKR_KEY_NOT_WRAPPABLE",
        trusted,
    ),
    (
        "length",
        "a wrapped key of a length that cannot be is refused",
        "section 5.14 (C_UnwrapKey), CKR_WRAPPED_KEY_LEN_RANGE",
        length,
    ),
    (
        "incomplete",
        "a template without a class is refused",
        "section 4.1.1 (CKR_TEMPLATE_INCOMPLETE)",
        incomplete,
    ),
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("wrapping", ROWS);
    for row in Table::read().wrap {
        for (rule, title, clause, run) in RULES {
            let id = format!("wrapping.{}.{rule}", row.name);
            let title = format!("{}: {title}", row.name);
            let needs = Needs::session_objects()
                .mechanisms(&[ckm(&row.name)])
                .functions(&["C_WrapKey", "C_UnwrapKey"]);
            let row = row.clone();
            registry
                .add(id, title, Source::standard(*clause), needs, move |stage| run(stage, &row));
        }
    }
}

struct Ready {
    session: Session,
    by: Cached,
    mechanism: Mechanism,
    /// A key of 32 known bytes, 24 where the wrapping key is no longer.
    key: ObjectHandle,
}

const VALUE: [u8; 32] = [0x6b; 32];

fn target(stage: &Stage, session: &Session, more: &[Attribute]) -> Outcome<ObjectHandle> {
    let all = [&[Attribute::bool(CKA_SIGN, true), Attribute::bool(CKA_SENSITIVE, true)], more];
    let given = |kind| more.iter().any(|it| it.kind() == kind);
    let mut attributes = all.concat();
    if !given(CKA_EXTRACTABLE) {
        attributes.push(Attribute::bool(CKA_EXTRACTABLE, true));
    }
    crate::keys::import(stage, session, CKK_GENERIC_SECRET, &VALUE, &attributes)
}

fn ready(stage: &mut Stage, row: &Wrapping, functions: CK_FLAGS) -> Outcome<Ready> {
    let kind = ckm(&row.name);
    for flag in [CKF_WRAP, CKF_UNWRAP].into_iter().filter(|flag| functions & flag != 0) {
        stage.wants(kind, flag)?;
    }
    let by = stage.key(row.key)?;
    let mechanism = with_parameter(stage, kind, &row.parameter)?;
    let session = stage.session()?;
    let key = target(stage, &session, &[])?;
    Ok(Ready { session, by, mechanism, key })
}

const BOTH: CK_FLAGS = CKF_WRAP | CKF_UNWRAP;

fn template(stage: &Stage) -> Vec<Attribute> {
    let mut template = stage.own(false);
    template.extend([
        Attribute::class(CKO_SECRET_KEY),
        Attribute::key_type(CKK_GENERIC_SECRET),
        Attribute::bool(CKA_SIGN, true),
    ]);
    template
}

/// Two secrets are the same when they make the same MAC.
fn mac(session: &Session, key: ObjectHandle) -> Outcome<Vec<u8>> {
    Ok(session.sign(&Mechanism::Plain(CKM_SHA256_HMAC), key, b"which key")?)
}

fn round_trip(stage: &mut Stage, row: &Wrapping) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let Ready { session, by, mechanism, key } = &ready;
    let wrapped = session.wrap(mechanism, by.public, *key)?;
    let found = wrapped.windows(8).any(|window| VALUE.get(..8) == Some(window));
    ensure(!found, "a wrapped key unlike the key", "the key itself in it")?;
    let back = session.unwrap(mechanism, by.private, &wrapped, &template(stage))?;
    same("the MAC under the unwrapped key", &mac(session, *key)?, &mac(session, back)?)
}

fn history(stage: &mut Stage, row: &Wrapping) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let wrapped = ready.session.wrap(&ready.mechanism, ready.by.public, ready.key)?;
    let session = &ready.session;
    let back = session.unwrap(&ready.mechanism, ready.by.private, &wrapped, &template(stage))?;
    for kind in [CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE] {
        same(&names::cka(kind), &Some(vec![0]), &session.attribute(back, kind)?)?;
    }
    Ok(())
}

fn unextractable(stage: &mut Stage, row: &Wrapping) -> Outcome {
    let ready = ready(stage, row, CKF_WRAP)?;
    let key = target(stage, &ready.session, &[Attribute::bool(CKA_EXTRACTABLE, false)])?;
    let seen = ready.session.wrap(&ready.mechanism, ready.by.public, key);
    refused("C_WrapKey", seen, &[CKR_KEY_UNEXTRACTABLE])
}

fn no_key(stage: &mut Stage, row: &Wrapping) -> Outcome {
    let ready = ready(stage, row, CKF_WRAP)?;
    let seen = ready.session.wrap(&ready.mechanism, ready.by.public, ObjectHandle(0x7fff_fff0));
    refused("C_WrapKey", seen, &[CKR_KEY_HANDLE_INVALID])
}

fn no_wrapping_key(stage: &mut Stage, row: &Wrapping) -> Outcome {
    let ready = ready(stage, row, CKF_WRAP)?;
    let seen = ready.session.wrap(&ready.mechanism, ObjectHandle(0x7fff_fff0), ready.key);
    refused("C_WrapKey", seen, &[CKR_WRAPPING_KEY_HANDLE_INVALID])
}

fn no_unwrapping_key(stage: &mut Stage, row: &Wrapping) -> Outcome {
    let ready = ready(stage, row, CKF_UNWRAP)?;
    let nothing = ObjectHandle(0x7fff_fff0);
    let seen = ready.session.unwrap(&ready.mechanism, nothing, &[7; 40], &template(stage));
    refused("C_UnwrapKey", seen, &[CKR_UNWRAPPING_KEY_HANDLE_INVALID])
}

fn without(stage: &Stage, row: &Wrapping, session: &Session, flag: u64) -> Outcome<Cached> {
    if row.key == Family::Rsa {
        return Err(Finding::not_applicable("another key of RSA takes too long to make here"));
    }
    let uses: Vec<_> = row.key.all_uses().into_iter().filter(|it| *it != flag).collect();
    row.key.make(stage, session, &uses)
}

fn wrap_flag(stage: &mut Stage, row: &Wrapping) -> Outcome {
    let ready = ready(stage, row, CKF_WRAP)?;
    let by = without(stage, row, &ready.session, CKA_WRAP)?;
    let seen = ready.session.wrap(&ready.mechanism, by.public, ready.key);
    refused("C_WrapKey", seen, &[CKR_KEY_FUNCTION_NOT_PERMITTED])
}

fn unwrap_flag(stage: &mut Stage, row: &Wrapping) -> Outcome {
    let ready = ready(stage, row, CKF_UNWRAP)?;
    let by = without(stage, row, &ready.session, CKA_UNWRAP)?;
    let seen = ready.session.unwrap(&ready.mechanism, by.private, &[7; 40], &template(stage));
    refused("C_UnwrapKey", seen, &[CKR_KEY_FUNCTION_NOT_PERMITTED])
}

fn trusted(stage: &mut Stage, row: &Wrapping) -> Outcome {
    let ready = ready(stage, row, CKF_WRAP)?;
    let key = target(stage, &ready.session, &[Attribute::bool(CKA_WRAP_WITH_TRUSTED, true)])?;
    let seen = ready.session.wrap(&ready.mechanism, ready.by.public, key);
    refused("C_WrapKey", seen, &[CKR_KEY_NOT_WRAPPABLE])
}

fn length(stage: &mut Stage, row: &Wrapping) -> Outcome {
    let ready = ready(stage, row, CKF_UNWRAP)?;
    let seen = ready.session.unwrap(&ready.mechanism, ready.by.private, &[7; 13], &template(stage));
    let codes = [CKR_WRAPPED_KEY_LEN_RANGE, CKR_WRAPPED_KEY_INVALID];
    refused("C_UnwrapKey of 13 bytes", seen, &codes)
}

fn incomplete(stage: &mut Stage, row: &Wrapping) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let wrapped = ready.session.wrap(&ready.mechanism, ready.by.public, ready.key)?;
    let seen =
        ready.session.unwrap(&ready.mechanism, ready.by.private, &wrapped, &stage.own(false));
    refused("C_UnwrapKey", seen, &[CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT])
}

const ROWS: &[Row] = &[
    Row {
        id: "guard.tampered",
        title: "a key wrapped by AES-KW of which a bit was changed is refused",
        source: (Mark::Standard, "section 5.14 (C_UnwrapKey), CKR_WRAPPED_KEY_INVALID"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_KW]),
        run: |stage| {
            let row =
                Wrapping { name: "CKM_AES_KW".into(), key: Family::Aes, parameter: String::new() };
            let ready = ready(stage, &row, BOTH)?;
            let mut wrapped = ready.session.wrap(&ready.mechanism, ready.by.public, ready.key)?;
            if let Some(byte) = wrapped.get_mut(9) {
                *byte ^= 1;
            }
            let session = &ready.session;
            let seen =
                session.unwrap(&ready.mechanism, ready.by.private, &wrapped, &template(stage));
            refused("C_UnwrapKey", seen, &[CKR_WRAPPED_KEY_INVALID])
        },
    },
    Row {
        id: "guard.unwrap-template",
        title: "a key is not unwrapped against the unwrapping key's template",
        source: (Mark::Standard, "section 4.10.2 (CKA_UNWRAP_TEMPLATE), CKR_TEMPLATE_INCONSISTENT"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_KW]),
        run: |stage| {
            stage.wants(CKM_AES_KW, CKF_UNWRAP)?;
            let session = stage.session()?;
            let inner = vec![Attribute::bool(CKA_EXTRACTABLE, false)];
            let uses = [
                Attribute::bool(CKA_WRAP, true),
                Attribute::bool(CKA_UNWRAP, true),
                Attribute::template(CKA_UNWRAP_TEMPLATE, inner),
            ];
            let by = crate::keys::import(stage, &session, CKK_AES, &[7; 32], &uses)?;
            let key = target(stage, &session, &[])?;
            let mechanism = Mechanism::Plain(CKM_AES_KW);
            let wrapped = session.wrap(&mechanism, by, key)?;
            let mut template = template(stage);
            template.push(Attribute::bool(CKA_EXTRACTABLE, true));
            let seen = session.unwrap(&mechanism, by, &wrapped, &template);
            refused("C_UnwrapKey", seen, &[CKR_TEMPLATE_INCONSISTENT])
        },
    },
    Row {
        id: "guard.other-type",
        title: "a wrapped key of 32 bytes is not unwrapped as triple DES",
        source: (Mark::Standard, "section 5.14 (C_UnwrapKey), CKR_WRAPPED_KEY_LEN_RANGE"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_KW]),
        run: |stage| {
            let row =
                Wrapping { name: "CKM_AES_KW".into(), key: Family::Aes, parameter: String::new() };
            let ready = ready(stage, &row, BOTH)?;
            let wrapped = ready.session.wrap(&ready.mechanism, ready.by.public, ready.key)?;
            let mut template = stage.own(false);
            template.push(Attribute::class(CKO_SECRET_KEY));
            template.push(Attribute::key_type(CKK_DES3));
            let seen =
                ready.session.unwrap(&ready.mechanism, ready.by.private, &wrapped, &template);
            let codes = [
                CKR_WRAPPED_KEY_LEN_RANGE,
                CKR_WRAPPED_KEY_INVALID,
                CKR_TEMPLATE_INCONSISTENT,
                CKR_ATTRIBUTE_VALUE_INVALID,
                CKR_KEY_SIZE_RANGE,
            ];
            refused("C_UnwrapKey", seen, &codes)
        },
    },
    Row {
        id: "guard.decrypt-with-wrap-key",
        title: "a key that only unwraps does not decrypt what it wrapped",
        source: (Mark::Standard, "section 5.9 (C_DecryptInit), CKR_KEY_FUNCTION_NOT_PERMITTED"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_KW]),
        run: |stage| {
            stage.wants(CKM_AES_KW, CKF_WRAP)?;
            let session = stage.session()?;
            let by = Family::Aes.make(stage, &session, &[CKA_WRAP, CKA_UNWRAP])?;
            let key = target(stage, &session, &[])?;
            let mechanism = Mechanism::Plain(CKM_AES_KW);
            session.wrap(&mechanism, by.public, key)?;
            let seen = session.decrypt_init(&mechanism, by.public);
            refused("C_DecryptInit", seen, &[CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_MECHANISM_INVALID])
        },
    },
    Row {
        id: "guard.private-key",
        title: "a private key is wrapped only where policy 1 allows it",
        source: (
            Mark::Documented,
            "Partition Capabilities and Policies, policy 1 (private key wrapping)",
        ),
        needs: || Needs::session_objects().subject(crate::check::Subject::Luna),
        run: |stage| {
            let policies = stage.context()?.token_policies(stage.slot()?)?;
            let allowed = policies.iter().any(|policy| policy.id == 1 && policy.value == 1);
            stage.wants(CKM_AES_KWP, CKF_WRAP)?;
            let (by, pair) = (stage.key(Family::Aes)?, stage.key(Family::Ec)?);
            let session = stage.session()?;
            let seen = session.wrap(&Mechanism::Plain(CKM_AES_KWP), by.public, pair.private);
            if allowed {
                return seen.map(drop).map_err(Finding::from);
            }
            refused("C_WrapKey", seen, &[CKR_KEY_NOT_WRAPPABLE])
        },
    },
    Row {
        id: "guard.secret-key",
        title: "a secret key is wrapped only where policy 5 allows it",
        source: (
            Mark::Documented,
            "Partition Capabilities and Policies, policy 5 (secret key wrapping)",
        ),
        needs: || Needs::session_objects().subject(crate::check::Subject::Luna),
        run: |stage| {
            let policies = stage.context()?.token_policies(stage.slot()?)?;
            let allowed = policies.iter().any(|policy| policy.id == 5 && policy.value == 1);
            let row =
                Wrapping { name: "CKM_AES_KW".into(), key: Family::Aes, parameter: String::new() };
            let ready = ready(stage, &row, CKF_WRAP)?;
            let seen = ready.session.wrap(&ready.mechanism, ready.by.public, ready.key);
            if allowed {
                return seen.map(drop).map_err(Finding::from);
            }
            refused("C_WrapKey", seen, &[CKR_KEY_NOT_WRAPPABLE])
        },
    },
];
