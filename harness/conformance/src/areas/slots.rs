//! Slots, tokens and lists of mechanisms.

use luna_client::ck::*;
use luna_client::module::words::Word;

use crate::check::{
    Finding, Mark, Needs, Outcome, Registry, Row, Source, agree, answers, ensure, refused, same,
};
use crate::mechanism::{Table, ckm};
use crate::stage::Stage;

const INFO: &str = "section 3.2 (CK_TOKEN_INFO); section 5.5 (C_GetTokenInfo)";
const LIST: &str = "section 5.5 (C_GetMechanismList)";

const ROWS: &[Row] = &[
    Row {
        id: "list.present",
        title: "slots with a token are among all slots",
        source: (Mark::Standard, "section 5.5 (C_GetSlotList)"),
        needs: Needs::public,
        run: |stage| {
            let (all, present) = (stage.context()?.slots(false)?, stage.context()?.slots(true)?);
            let held = present.iter().all(|slot| all.contains(slot));
            agree(held, format!("all slots are {all:?}"), format!("with a token {present:?}"))
        },
    },
    Row {
        id: "list.unique",
        title: "no slot is listed twice",
        source: (Mark::Standard, "section 5.5 (C_GetSlotList)"),
        needs: Needs::public,
        run: |stage| {
            let mut slots = stage.context()?.slots(false)?;
            let listed = slots.len();
            slots.sort_unstable();
            slots.dedup();
            same("slots listed", &slots.len(), &listed)
        },
    },
    Row {
        id: "list.short",
        title: "a list that is too short is refused and told how long it should be",
        source: (Mark::Standard, "section 5.5 (C_GetSlotList), CKR_BUFFER_TOO_SMALL"),
        needs: Needs::public,
        run: |stage| {
            let count = stage.context()?.slots(true)?.len() as CK_ULONG;
            let words = [Word::Number(1), Word::Room(0), Word::Cell(0)];
            let (rv, left) = stage.words().call("C_GetSlotList", &words)?;
            answers("C_GetSlotList with room for none", rv, &[CKR_BUFFER_TOO_SMALL])?;
            same("the count", &count, &left.last().map_or(0, |left| left.len))
        },
    },
    Row {
        id: "list.stays",
        title: "the list is the same when it is asked for again",
        source: (Mark::Standard, "section 5.5 (C_GetSlotList)"),
        needs: Needs::public,
        run: |stage| {
            let one = stage.context()?.slots(true)?;
            let other = stage.context()?.slots(true)?;
            agree(one == other, format!("{one:?}"), format!("{other:?}"))
        },
    },
    Row {
        id: "info.present",
        title: "a slot that is listed with a token says so itself",
        source: (Mark::Standard, "section 5.5 (C_GetSlotInfo)"),
        needs: Needs::public,
        run: |stage| {
            let (context, slot) = (stage.context()?, stage.slot()?);
            let present = context.slot_info(slot)?.token_present();
            agree(present, "C_GetSlotList lists a token", "CKF_TOKEN_PRESENT is not set")
        },
    },
    Row {
        id: "info.padding",
        title: "the texts of CK_TOKEN_INFO are padded with blanks",
        source: (Mark::Standard, INFO),
        needs: Needs::public,
        run: |stage| padding(stage, "C_GetTokenInfo", &[0..32, 32..64, 64..80, 80..96]),
    },
    Row {
        id: "info.slot-padding",
        title: "the texts of CK_SLOT_INFO are padded with blanks",
        source: (Mark::Standard, "section 3.2 (CK_SLOT_INFO)"),
        needs: Needs::public,
        run: |stage| padding(stage, "C_GetSlotInfo", &[0..64, 64..96]),
    },
    Row {
        id: "info.stays",
        title: "a token is the same when it is asked again",
        source: (Mark::Standard, INFO),
        needs: Needs::public,
        run: |stage| {
            let (context, slot) = (stage.context()?, stage.slot()?);
            let (one, other) = (context.token_info(slot)?, context.token_info(slot)?);
            let held = one.label == other.label && one.serial_number == other.serial_number;
            agree(held, format!("{} {}", one.label, one.serial_number), other.label)
        },
    },
    Row {
        id: "info.pin-lengths",
        title: "the shortest PIN is no longer than the longest",
        source: (Mark::Standard, INFO),
        needs: Needs::public,
        run: |stage| {
            let token = stage.token()?;
            let (min, max) = (token.min_pin_len, token.max_pin_len);
            agree(min <= max, format!("a PIN has {min} bytes or more"), format!("{max} or less"))
        },
    },
    Row {
        id: "info.initialized",
        title: "a token with a user that logs in is initialised and wants a login",
        source: (Mark::Standard, INFO),
        needs: Needs::officer,
        run: |stage| {
            let flags = stage.token()?.flags;
            let wanted = CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED | CKF_LOGIN_REQUIRED;
            let missing = wanted & !flags;
            ensure(missing == 0, format!("flags {wanted:#x}"), format!("flags {flags:#x}"))
        },
    },
    Row {
        id: "info.sessions",
        title: "an open session is counted, a closed one is not",
        source: (Mark::Standard, INFO),
        needs: Needs::public,
        run: |stage| {
            let (context, slot) = (stage.context()?, stage.slot()?);
            let count = || context.token_info(slot).map(|token| token.session_count);
            let before = count()?;
            if before == CK_UNAVAILABLE_INFORMATION {
                return Err(Finding::not_applicable("the token does not count its sessions"));
            }
            let session = stage.session()?;
            same("sessions with one more", &(before + 1), &count()?)?;
            session.close()?;
            same("sessions with it closed", &before, &count()?)
        },
    },
    Row {
        id: "info.rw-sessions",
        title: "a read-write session is counted as such, a read-only one is not",
        source: (Mark::Standard, INFO),
        needs: Needs::public,
        run: |stage| {
            let (context, slot) = (stage.context()?, stage.slot()?);
            let count = || context.token_info(slot).map(|token| token.rw_session_count);
            let before = count()?;
            if before == CK_UNAVAILABLE_INFORMATION {
                return Err(Finding::not_applicable("the token does not count its sessions"));
            }
            let _reader = stage.read_only_session()?;
            same("read-write sessions after a read-only one", &before, &count()?)?;
            let _writer = stage.session()?;
            same("read-write sessions after one", &(before + 1), &count()?)
        },
    },
    Row {
        id: "mechanisms.unique",
        title: "no mechanism is listed twice",
        source: (Mark::Standard, LIST),
        needs: Needs::public,
        run: |stage| {
            let mut list = stage.mechanisms()?.to_vec();
            let listed = list.len();
            list.sort_unstable();
            list.dedup();
            same("mechanisms listed", &list.len(), &listed)
        },
    },
    Row {
        id: "mechanisms.short",
        title: "a list of mechanisms that is too short is refused and told how long it should be",
        source: (Mark::Standard, "section 5.5 (C_GetMechanismList), CKR_BUFFER_TOO_SMALL"),
        needs: Needs::public,
        run: |stage| {
            let (slot, count) = (stage.slot()?.0, stage.mechanisms()?.len() as CK_ULONG);
            let words = [Word::Number(slot), Word::Room(8), Word::Cell(1)];
            let (rv, left) = stage.words().call("C_GetMechanismList", &words)?;
            answers("C_GetMechanismList with room for one", rv, &[CKR_BUFFER_TOO_SMALL])?;
            same("the count", &count, &left.last().map_or(0, |left| left.len))
        },
    },
    Row {
        id: "mechanisms.info",
        title: "every mechanism that is listed has information: a use, and sizes in order",
        source: (Mark::Standard, "section 5.5 (C_GetMechanismInfo)"),
        needs: Needs::public,
        run: |stage| {
            for kind in stage.mechanisms()?.to_vec() {
                let info = stage.mechanism_info(kind)?;
                let name = names::ckm(kind);
                let sizes = info.min_key_size <= info.max_key_size;
                let (min, max) = (info.min_key_size, info.max_key_size);
                ensure(sizes, format!("sizes of {name} in order"), format!("{min} to {max}"))?;
                let used = info.flags & !CKF_HW != 0;
                ensure(used, format!("a use of {name}"), "no flag but CKF_HW")?;
            }
            Ok(())
        },
    },
    Row {
        id: "mechanisms.unknown",
        title: "a mechanism nobody knows has no information",
        source: (Mark::Standard, "section 5.5 (C_GetMechanismInfo), CKR_MECHANISM_INVALID"),
        needs: Needs::public,
        run: |stage| {
            let seen = stage.context()?.mechanism_info(stage.slot()?, 0x7fff_0000);
            refused("C_GetMechanismInfo", seen, &[CKR_MECHANISM_INVALID])
        },
    },
    Row {
        id: "event.none",
        title: "without an event C_WaitForSlotEvent says so and does not wait",
        source: (Mark::Standard, "section 5.5 (C_WaitForSlotEvent), CKR_NO_EVENT"),
        needs: Needs::public,
        run: |stage| {
            let words = [Word::Number(CKF_DONT_BLOCK), Word::Cell(0), Word::Null];
            let mut seen = CKR_OK;
            // Events from before this run are used up first.
            for _ in 0..100 {
                seen = stage.words().call("C_WaitForSlotEvent", &words)?.0;
                if seen != CKR_OK {
                    break;
                }
            }
            // The last is what a Luna says: `larskanis/pkcs11`, pkcs11_luna/test.
            let codes = [CKR_NO_EVENT, CKR_FUNCTION_NOT_SUPPORTED, CKR_OPERATION_NOT_ALLOWED];
            answers("C_WaitForSlotEvent", seen, &codes)
        },
    },
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("slots", ROWS);
    let table = Table::read();
    let mut seen = std::collections::HashSet::new();
    let ciphers = table.cipher.iter().map(|row| (&row.name, CKF_ENCRYPT | CKF_DECRYPT));
    let signatures = table.sign.iter().map(|row| (&row.name, CKF_SIGN | CKF_VERIFY));
    let digests = table.digest.iter().map(|row| (&row.name, CKF_DIGEST));
    let all: Vec<_> = ciphers.chain(signatures).chain(digests).collect();
    for (name, wanted) in all.iter().copied() {
        let uses = all.iter().filter(|row| row.0 == name).fold(0, |uses, row| uses | row.1);
        if !seen.insert((name.clone(), wanted)) {
            continue;
        }
        let kind = ckm(name);
        let word = match wanted {
            CKF_DIGEST => "digest",
            flags if flags & CKF_SIGN != 0 => "sign",
            _ => "encrypt",
        };
        let id = format!("slots.flags.{name}.{word}");
        let title = format!("{name}: what it is for stands in its flags, if it is listed");
        let source =
            Source::standard("section 5.5 (C_GetMechanismInfo), section 3.4 (CK_MECHANISM_INFO)");
        registry.add(id, title, source, Needs::public(), move |stage| {
            if !stage.lists(kind)? {
                return Err(Finding::not_applicable("the token does not list it"));
            }
            let flags = stage.mechanism_info(kind)?.flags;
            // A token may leave out some of what a mechanism is for.
            let one_of = if word == "digest" { CKF_DIGEST } else { uses | CKF_WRAP | CKF_UNWRAP };
            ensure(flags & one_of != 0, format!("a flag of {one_of:#x}"), format!("{flags:#x}"))
        });
    }
}

fn padding(stage: &mut Stage, function: &'static str, texts: &[std::ops::Range<usize>]) -> Outcome {
    let words = [Word::Number(stage.slot()?.0), Word::structure()];
    let (rv, left) = stage.words().call(function, &words)?;
    answers(function, rv, &[CKR_OK])?;
    let bytes = left.first().map(|left| left.buffer.clone()).unwrap_or_default();
    for range in texts {
        let text = bytes.get(range.clone()).unwrap_or_default();
        ensure(!text.contains(&0), "texts padded with blanks", "a text with a NUL in it")?;
    }
    Ok(())
}
