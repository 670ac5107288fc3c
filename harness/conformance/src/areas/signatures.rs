//! Signatures and MACs: each rule for each mechanism of `data/mechanisms.toml`.

use luna_client::ck::*;
use luna_client::module::exact::{Input, Purpose, Room};
use luna_client::{AttributeType, Mechanism, ObjectHandle, Session};

use super::output::{self, Operation};
use crate::check::{Finding, Needs, Outcome, Registry, Source, answers, ensure, refused, same};
use crate::keys::{Cached, Family};
use crate::mechanism::{Table, Use, ckm, message_of, with_parameter};
use crate::software::{self, Public};
use crate::stage::Stage;

type Rule = (&'static str, &'static str, &'static str, fn(&mut Stage, &Use) -> Outcome);

fn applies(rule: &str, row: &Use) -> bool {
    match rule {
        "software" => !row.software.is_empty(),
        "parts" => !row.whole,
        "repeats" => !row.random,
        "differs" => row.random && row.key != Family::MlDsa,
        "size" => row.size > 0,
        "parameter-extra" => row.parameter.is_empty() && row.key != Family::Ed25519,
        "parameter-missing" => {
            row.parameter.starts_with("pss") || row.parameter.starts_with("length")
        }
        _ => true,
    }
}

const RULES: &[Rule] = &[
    ("verifies", "what was signed is verified", "sections 5.11, 5.13", verifies),
    ("size", "a signature has its length", "section 5.11 (C_Sign)", size),
    (
        "other-message",
        "the signature of one message is not that of another",
        "section 5.13 (C_Verify)",
        other_message,
    ),
    (
        "changed",
        "a signature of which a bit was changed is refused",
        "section 5.13 (C_Verify)",
        changed,
    ),
    ("short", "a signature of another length is refused", "section 5.13 (C_Verify)", short),
    ("other-key", "a signature is not another key's", "section 5.13 (C_Verify)", other_key),
    (
        "software",
        "the signature is good in another implementation too",
        "mechanisms, section 2",
        by_software,
    ),
    ("repeats", "the same message gives the same signature", "mechanisms, section 2", repeats),
    (
        "differs",
        "the same message gives another signature each time",
        "mechanisms, section 2",
        differs,
    ),
    ("parts", "a message in parts is signed as it is whole", "section 5.11 (C_SignUpdate)", parts),
    (
        "length-query",
        "a question for the length of a signature is answered and ends nothing",
        output::CLAUSE,
        length_query,
    ),
    (
        "short-buffer",
        "too little room for a signature is told and ends nothing",
        output::CLAUSE,
        short_buffer,
    ),
    (
        "no-length",
        "no pointer to a length is refused and ends the operation",
        output::CLAUSE,
        no_length,
    ),
    ("ends", "C_Sign ends the operation", "section 5.11 (C_Sign)", ends),
    (
        "verify-ends",
        "C_Verify ends the operation, whatever it says",
        "section 5.13 (C_Verify)",
        verify_ends,
    ),
    ("active", "a second C_SignInit is refused", "section 5.11 (C_SignInit)", active),
    ("key-type", "a key of another type is refused", "section 5.11 (C_SignInit)", key_type),
    ("key-handle", "a handle of nothing is refused", "section 5.11 (C_SignInit)", key_handle),
    ("sign-flag", "a key without CKA_SIGN does not sign", "section 5.11 (C_SignInit)", sign_flag),
    (
        "verify-flag",
        "a key without CKA_VERIFY does not verify",
        "section 5.13 (C_VerifyInit)",
        verify_flag,
    ),
    (
        "parameter-extra",
        "a parameter for a mechanism that has none is refused",
        "section 5.11 (C_SignInit)",
        parameter_extra,
    ),
    (
        "parameter-missing",
        "a mechanism without its parameter is refused",
        "section 5.11 (C_SignInit)",
        parameter_missing,
    ),
];

pub(super) fn register(registry: &mut Registry) {
    for row in Table::read().sign {
        for (rule, title, clause, run) in RULES {
            if !applies(rule, &row) {
                continue;
            }
            let id = format!("sign.{}.{rule}", row.name);
            let title = format!("{}: {title}", row.name);
            let needs = Needs::session_objects().mechanisms(&[ckm(&row.name)]).functions(&[
                "C_SignInit",
                "C_Sign",
                "C_VerifyInit",
                "C_Verify",
            ]);
            let row = row.clone();
            registry
                .add(id, title, Source::standard(*clause), needs, move |stage| run(stage, &row));
        }
    }
}

struct Ready {
    session: Session,
    key: Cached,
    mechanism: Mechanism,
    data: Vec<u8>,
}

const BOTH: CK_FLAGS = CKF_SIGN | CKF_VERIFY;

fn ready(stage: &mut Stage, row: &Use, functions: CK_FLAGS) -> Outcome<Ready> {
    let kind = ckm(&row.name);
    for flag in [CKF_SIGN, CKF_VERIFY].into_iter().filter(|flag| functions & flag != 0) {
        stage.wants(kind, flag)?;
    }
    let key = stage.key(row.key)?;
    let mechanism = with_parameter(stage, kind, &row.parameter)?;
    Ok(Ready { session: stage.session()?, key, mechanism, data: message_of(row) })
}

impl Ready {
    fn signing(&self) -> Operation<'_> {
        Operation {
            session: &self.session,
            purpose: Purpose::Sign,
            mechanism: &self.mechanism,
            key: self.key.private,
            data: &self.data,
        }
    }

    fn verify(&self, data: &[u8], made: &[u8]) -> luna_client::Result<()> {
        self.session.verify(&self.mechanism, self.key.public, data, made)
    }
}

fn verifies(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    ready.signing().starts(stage)?;
    let made = ready.signing().whole(stage)?;
    Ok(ready.verify(&ready.data, &made)?)
}

fn size(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    ready.signing().starts(stage)?;
    same("the signature's length", &row.size, &ready.signing().whole(stage)?.len())
}

fn other_message(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let made = ready.signing().whole(stage)?;
    let mut other = ready.data.clone();
    if let Some(byte) = other.get_mut(3) {
        *byte ^= 0x10;
    }
    refused("C_Verify of another message", ready.verify(&other, &made), &[CKR_SIGNATURE_INVALID])
}

fn changed(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let mut made = ready.signing().whole(stage)?;
    // The last byte: the first of an RSA signature may make it a number above the modulus.
    if let Some(byte) = made.last_mut() {
        *byte ^= 1;
    }
    let seen = ready.verify(&ready.data, &made);
    refused("C_Verify of a changed signature", seen, &[CKR_SIGNATURE_INVALID])
}

fn short(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let made = ready.signing().whole(stage)?;
    let allowed = [CKR_SIGNATURE_LEN_RANGE, CKR_SIGNATURE_INVALID];
    for len in [made.len() - 1, 1] {
        let cut = made.get(..len).unwrap_or_default();
        refused("C_Verify of a cut signature", ready.verify(&ready.data, cut), &allowed)?;
    }
    let long = [made, vec![0]].concat();
    refused("C_Verify of a longer signature", ready.verify(&ready.data, &long), &allowed)
}

fn other_key(stage: &mut Stage, row: &Use) -> Outcome {
    if row.key == Family::Rsa {
        return Err(Finding::not_applicable("another key of RSA takes too long to make here"));
    }
    let ready = ready(stage, row, BOTH)?;
    let made = ready.signing().whole(stage)?;
    let other = match row.key.key_type() {
        Some(key_type) => {
            let value: Vec<u8> = row.key.value().into_iter().rev().collect();
            let verify = [luna_client::Attribute::bool(CKA_VERIFY, true)];
            crate::keys::import(stage, &ready.session, key_type, &value, &verify)?
        }
        None => row.key.make(stage, &ready.session, &row.key.all_uses())?.public,
    };
    let seen = ready.session.verify(&ready.mechanism, other, &ready.data, &made);
    refused("C_Verify with another key", seen, &[CKR_SIGNATURE_INVALID])
}

/// The public half, as other implementations take it.
pub(super) fn public_half(session: &Session, family: Family, key: ObjectHandle) -> Outcome<Public> {
    let part = |kind: AttributeType| -> Outcome<Vec<u8>> {
        let none = Finding::unlike(format!("{} of a public key", names::cka(kind)), "none");
        session.attribute(key, kind)?.ok_or(none)
    };
    if family == Family::Rsa {
        return Ok(Public::Rsa(part(CKA_MODULUS)?, part(CKA_PUBLIC_EXPONENT)?));
    }
    let point = part(CKA_EC_POINT)?;
    // An OCTET STRING around the point; some give the point bare.
    let bare = match point.as_slice() {
        [4, len, rest @ ..] if usize::from(*len) == rest.len() => rest.to_vec(),
        _ => point,
    };
    Ok(Public::Point(bare))
}

fn by_software(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    let made = ready.signing().whole(stage)?;
    if software::MACS.contains(&row.software.as_str()) {
        let Some(key) = &ready.key.value else {
            return Err(Finding::not_applicable(
                "the token takes no key in, so nobody else has it",
            ));
        };
        let whole = software::mac(&row.software, key, &ready.data).unwrap_or_default();
        return same("the MAC", &whole.get(..row.size).unwrap_or_default().to_vec(), &made);
    }
    let public = public_half(&ready.session, row.key, ready.key.public)?;
    let held = software::verifies(&row.software, &public, &ready.data, &made);
    ensure(held == Some(true), "a signature that others find good", "one that they do not")
}

fn repeats(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    let first = ready.signing().whole(stage)?;
    same("the second signature", &first, &ready.signing().whole(stage)?)
}

fn differs(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    let first = ready.signing().whole(stage)?;
    let second = ready.signing().whole(stage)?;
    ensure(first != second, "two signatures of one message that differ", "the same twice")
}

fn parts(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let operation = ready.signing();
    let whole = operation.whole(stage)?;
    operation.begin(stage)?;
    let (exact, session) = (stage.exact(), ready.session.handle().0);
    let pieces = || [0..1, 1..17, 17..17, 17..ready.data.len()].into_iter();
    let piece = |range: std::ops::Range<usize>| {
        Input::Bytes(ready.data.get(range).unwrap_or_default().to_vec())
    };
    for range in pieces() {
        let rv = exact.absorb(Purpose::Sign, session, &piece(range))?;
        answers("C_SignUpdate", rv, &[CKR_OK])?;
    }
    let left = exact.finish(Purpose::Sign, session, Room::Bytes(row.size.max(512)))?;
    answers("C_SignFinal", left.rv, &[CKR_OK])?;
    let len = usize::try_from(left.len).unwrap_or(usize::MAX);
    let made = left.buffer.get(..len).unwrap_or_default();
    if !row.random {
        same("the signature in parts", &whole, &made.to_vec())?;
    }
    let key = ready.key.public.0;
    let rv = exact.init(Purpose::Verify, session, &ready.mechanism, key)?;
    answers("C_VerifyInit", rv, &[CKR_OK])?;
    for range in pieces() {
        let rv = exact.absorb(Purpose::Verify, session, &piece(range))?;
        answers("C_VerifyUpdate", rv, &[CKR_OK])?;
    }
    answers("C_VerifyFinal", exact.verify_final(session, made)?, &[CKR_OK])?;
    Ok(ready.verify(&ready.data, made)?)
}

fn length_query(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    ready.signing().length_query(stage, false)
}

fn short_buffer(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    ready.signing().short_buffer(stage)
}

fn no_length(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    ready.signing().no_length(stage)
}

fn ends(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    ready.signing().ends(stage)
}

fn verify_ends(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, BOTH)?;
    let mut made = ready.signing().whole(stage)?;
    let (exact, session) = (stage.exact(), ready.session.handle().0);
    for spoilt in [false, true] {
        if let (true, Some(byte)) = (spoilt, made.last_mut()) {
            *byte ^= 1;
        }
        let rv = exact.init(Purpose::Verify, session, &ready.mechanism, ready.key.public.0)?;
        answers("C_VerifyInit", rv, &[CKR_OK])?;
        let input = Input::Bytes(ready.data.clone());
        let first = exact.verify(session, &input, &made)?;
        answers("C_Verify", first, if spoilt { &[CKR_SIGNATURE_INVALID] } else { &[CKR_OK] })?;
        let second = exact.verify(session, &input, &made)?;
        answers(
            "C_Verify after the operation has ended",
            second,
            &[CKR_OPERATION_NOT_INITIALIZED],
        )?;
    }
    Ok(())
}

fn active(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    let operation = ready.signing();
    operation.begin(stage)?;
    let (session, key) = (ready.session.handle().0, ready.key.private.0);
    let rv = stage.exact().init(Purpose::Sign, session, &ready.mechanism, key)?;
    operation.give_up(stage);
    answers("a second C_SignInit", rv, &[CKR_OPERATION_ACTIVE])
}

fn key_type(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    let other = match row.key {
        Family::Aes => Family::Generic,
        _ => Family::Aes,
    };
    let other = stage.key(other)?.private;
    let seen = ready.session.sign_init(&ready.mechanism, other);
    let allowed = [CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED];
    refused("C_SignInit with a key of another type", seen, &allowed)
}

fn key_handle(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    for handle in [0, CK_ULONG::MAX] {
        let seen = ready.session.sign_init(&ready.mechanism, ObjectHandle(handle));
        refused("C_SignInit with a handle of nothing", seen, &[CKR_KEY_HANDLE_INVALID])?;
    }
    Ok(())
}

fn without(family: Family, flag: AttributeType) -> Vec<AttributeType> {
    family.all_uses().into_iter().filter(|it| *it != flag).collect()
}

fn flag(stage: &mut Stage, row: &Use, flag: AttributeType) -> Outcome<(Ready, Cached)> {
    if row.key == Family::Rsa {
        return Err(Finding::not_applicable("another key of RSA takes too long to make here"));
    }
    let ready = ready(stage, row, BOTH)?;
    let key = row.key.make(stage, &ready.session, &without(row.key, flag))?;
    Ok((ready, key))
}

fn sign_flag(stage: &mut Stage, row: &Use) -> Outcome {
    let (ready, key) = flag(stage, row, CKA_SIGN)?;
    let seen = ready.session.sign_init(&ready.mechanism, key.private);
    refused("C_SignInit", seen, &[CKR_KEY_FUNCTION_NOT_PERMITTED])
}

fn verify_flag(stage: &mut Stage, row: &Use) -> Outcome {
    let (ready, key) = flag(stage, row, CKA_VERIFY)?;
    let seen = ready.session.verify_init(&ready.mechanism, key.public);
    refused("C_VerifyInit", seen, &[CKR_KEY_FUNCTION_NOT_PERMITTED])
}

fn parameter_extra(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    let mechanism = Mechanism::Bytes(ckm(&row.name), vec![7; 3]);
    let seen = ready.session.sign_init(&mechanism, ready.key.private);
    refused("C_SignInit with a parameter", seen, &[CKR_MECHANISM_PARAM_INVALID])
}

fn parameter_missing(stage: &mut Stage, row: &Use) -> Outcome {
    let ready = ready(stage, row, CKF_SIGN)?;
    let seen = ready.session.sign_init(&Mechanism::Plain(ckm(&row.name)), ready.key.private);
    let allowed = [CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD];
    refused("C_SignInit without a parameter", seen, &allowed)
}
