//! One wrong argument at a time: handles of nothing, slots that are not there, null pointers.
//!
//! The functions' parameters are data (`luna_client::module::words::SIGNATURES`); a check here is a function and a
//! place. What is not under test is as right as it can be without an operation.

use luna_client::ck::*;
use luna_client::module::words::{Place, SIGNATURES, Word, places};
use luna_client::{Attribute, Mechanism};

use crate::check::{Allow, Finding, Needs, Outcome, Registry, Source, answers, ensure};
use crate::stage::Stage;

/// Functions that must not be called here with a slot or session that is there: they change who is logged in,
/// or initialise. Functions that are called have no effect with the argument that is wrong.
const NEVER: &[&str] = &["C_Initialize", "C_Finalize", "C_GetFunctionList", "C_WaitForSlotEvent"];

/// Functions of sessions that answer something else first, always.
const PARALLEL: &[&str] = &["C_GetFunctionStatus", "C_CancelFunction"];

/// A handle no module gives out: they count upwards.
const NOTHING: CK_ULONG = 0x7fff_fff0;

pub(super) fn register(registry: &mut Registry) {
    for (function, _) in SIGNATURES.iter().filter(|row| !NEVER.contains(&row.0)) {
        let places = places(function).unwrap_or_default();
        if places.first() == Some(&Place::Session) {
            session(registry, function);
        }
        if places.first() == Some(&Place::Slot) {
            slot(registry, function);
        }
        for (at, place) in places.iter().enumerate() {
            if matches!(place, Place::Output | Place::OutputLen | Place::Cell | Place::Structure)
                || matches!(place, Place::Mechanism)
                || (matches!(place, Place::Input | Place::Template)
                    && places.get(at + 1) == Some(&Place::Count))
            {
                null(registry, function, at, *place);
            }
        }
    }
}

/// What the function may do to the token, were it to succeed against all rules.
fn allowance(needs: Needs, function: &str) -> Needs {
    match function {
        "C_InitToken" => needs.allow(Allow::Destructive),
        "C_InitPIN" | "C_SetPIN" | "C_Login" => needs.allow(Allow::Roles),
        "C_CreateObject"
        | "C_CopyObject"
        | "C_GenerateKey"
        | "C_GenerateKeyPair"
        | "C_UnwrapKey"
        | "C_DeriveKey"
        | "C_SetAttributeValue"
        | "C_DestroyObject" => needs.allow(Allow::Create),
        _ => needs,
    }
}

fn session(registry: &mut Registry, function: &'static str) {
    let title = format!("{function} with a session's handle of nothing is refused");
    let source = Source::standard("section 5.1.2 (CKR_SESSION_HANDLE_INVALID)");
    let needs = allowance(Needs::public(), function);
    registry.add(format!("arguments.session.{function}"), title, source, needs, move |stage| {
        has(stage, function)?;
        for handle in [0, NOTHING] {
            let mut words = good(function, handle, 0);
            if let Some(first) = words.first_mut() {
                *first = Word::Number(handle);
            }
            let (rv, _) = stage.words().call(function, &words)?;
            let mut allowed = vec![CKR_SESSION_HANDLE_INVALID];
            if PARALLEL.contains(&function) {
                allowed.push(CKR_FUNCTION_NOT_PARALLEL);
            }
            if OPTIONAL.contains(&function) {
                allowed.push(CKR_FUNCTION_NOT_SUPPORTED);
            }
            answers(&format!("{function} with session {handle:#x}"), rv, &allowed)?;
        }
        Ok(())
    });
    let title = format!("{function} with a session that was closed is refused");
    let source = Source::standard("section 5.1.2 (CKR_SESSION_HANDLE_INVALID); section 5.6");
    let needs = allowance(Needs::public(), function);
    registry.add(format!("arguments.closed.{function}"), title, source, needs, move |stage| {
        has(stage, function)?;
        let session = stage.session()?;
        let handle = session.handle().0;
        session.close()?;
        let (rv, _) = stage.words().call(function, &good(function, handle, 0))?;
        let mut allowed = vec![CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED];
        if PARALLEL.contains(&function) {
            allowed.push(CKR_FUNCTION_NOT_PARALLEL);
        }
        if OPTIONAL.contains(&function) {
            allowed.push(CKR_FUNCTION_NOT_SUPPORTED);
        }
        answers(&format!("{function} with a closed session"), rv, &allowed)
    });
}

/// Functions a module may not have.
const OPTIONAL: &[&str] = &[
    "C_DigestEncryptUpdate",
    "C_DecryptDigestUpdate",
    "C_SignEncryptUpdate",
    "C_DecryptVerifyUpdate",
    "C_SignRecoverInit",
    "C_SignRecover",
    "C_VerifyRecoverInit",
    "C_VerifyRecover",
    "C_GetOperationState",
    "C_SetOperationState",
    "C_SeedRandom",
    "C_InitPIN",
    "C_SetPIN",
    "C_InitToken",
    "C_DigestKey",
];

fn slot(registry: &mut Registry, function: &'static str) {
    let title = format!("{function} with a slot that is not there is refused");
    let source = Source::standard("section 5.1.1 (CKR_SLOT_ID_INVALID)");
    let needs = allowance(Needs::public(), function);
    registry.add(format!("arguments.slot.{function}"), title, source, needs, move |stage| {
        has(stage, function)?;
        for slot in [NOTHING, CK_ULONG::MAX] {
            let (rv, _) = stage.words().call(function, &good(function, 0, slot))?;
            let mut allowed = vec![CKR_SLOT_ID_INVALID];
            if OPTIONAL.contains(&function) {
                allowed.push(CKR_FUNCTION_NOT_SUPPORTED);
            }
            answers(&format!("{function} with slot {slot:#x}"), rv, &allowed)?;
        }
        Ok(())
    });
}

fn null(registry: &mut Registry, function: &'static str, at: usize, place: Place) {
    let title = format!("{function} with a null pointer as argument {} is refused", at + 1);
    let source = Source::standard("section 5.1.5 (CKR_ARGUMENTS_BAD)");
    let needs = allowance(Needs::public(), function);
    let id = format!("arguments.null.{function}.{}", at + 1);
    registry.add(id, title, source, needs, move |stage| {
        has(stage, function)?;
        let session = stage.session()?;
        let slot = stage.slot()?.0;
        let mut words = good(function, session.handle().0, slot);
        // Nothing to be written to: with room, a null would be a question for the length.
        if place == Place::Output && function != "C_GenerateRandom" && function != "C_FindObjects" {
            return Err(Finding::not_applicable("a null buffer is a question for the length"));
        }
        if let Some(word) = words.get_mut(at) {
            *word = Word::Null;
        }
        let (rv, _) = stage.words().call(function, &words)?;
        ensure(
            rv != CKR_OK && !matches!(rv, CKR_GENERAL_ERROR | CKR_DEVICE_ERROR),
            format!("{function} refuses it with a reason"),
            format!("{function} answered {}", names::ckr(rv)),
        )
    });
}

fn has(stage: &Stage, function: &'static str) -> Outcome {
    if stage.words().has(function) {
        return Ok(());
    }
    Err(Finding::not_applicable(format!("the module does not have {function}")))
}

/// Arguments with nothing wrong but, perhaps, the session, the slot or the missing operation.
pub(super) fn good(function: &str, session: CK_ULONG, slot: CK_ULONG) -> Vec<Word> {
    let places = places(function).unwrap_or_default();
    let mut words: Vec<Word> = Vec::new();
    for place in places {
        words.push(match place {
            Place::Session => Word::Number(session),
            Place::Slot => Word::Number(slot),
            Place::Key | Place::Object => Word::Number(NOTHING),
            Place::Bool => Word::Number(1),
            Place::Number if function == "C_OpenSession" => Word::Number(CKF_SERIAL_SESSION),
            Place::Number if function == "C_Login" => Word::Number(CKU_USER),
            Place::Number => Word::Number(8),
            // A null with a length is what is asked about elsewhere; this one counts what stands before it.
            Place::Count => Word::Number(match words.last() {
                Some(Word::Bytes(bytes)) => bytes.len() as CK_ULONG,
                Some(Word::Template(template)) => template.len() as CK_ULONG,
                _ => 0,
            }),
            Place::Mechanism => Word::Mechanism(Mechanism::Plain(match function {
                "C_DigestInit" => CKM_SHA256,
                "C_GenerateKey" => CKM_AES_KEY_GEN,
                "C_GenerateKeyPair" => CKM_EC_KEY_PAIR_GEN,
                _ => CKM_AES_ECB,
            })),
            Place::Template => Word::Template(vec![
                Attribute::class(CKO_DATA),
                Attribute::token(false),
                Attribute::label("luna-harness argument"),
            ]),
            // 32 bytes: a label where one is wanted, and no PIN of anybody.
            Place::Input => Word::Bytes(b"luna-harness argument           ".to_vec()),
            Place::Output => Word::Room(64),
            Place::OutputLen => Word::Cell(8),
            Place::Cell => Word::Cell(0),
            Place::Structure => Word::structure(),
            Place::Optional | Place::Callback => Word::Null,
        });
    }
    words
}
