//! Searches.

use luna_client::ck::*;
use luna_client::{Attribute, ObjectHandle, Session};

use crate::check::{Mark, Needs, Outcome, Registry, Row, answers, ensure, refused, same};

const SECTION: &str = "section 5.7 (C_FindObjectsInit, C_FindObjects)";

const ROWS: &[Row] = &[
    Row {
        id: "find.label",
        title: "what has the label is found, and nothing else",
        source: (Mark::Standard, SECTION),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let (a, _) =
                (object(&session, "luna-harness a", 1)?, object(&session, "luna-harness b", 2)?);
            let found =
                session.find(&[Attribute::label("luna-harness a"), Attribute::token(false)])?;
            same("what is found", &vec![a], &found)
        },
    },
    Row {
        id: "find.all-attributes",
        title: "every attribute of the template must match",
        source: (Mark::Standard, SECTION),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            object(&session, "luna-harness c", 1)?;
            let b = object(&session, "luna-harness c", 2)?;
            let template =
                [Attribute::label("luna-harness c"), Attribute::bytes(CKA_VALUE, [2; 4])];
            same("what is found", &vec![b], &session.find(&template)?)
        },
    },
    Row {
        id: "find.prefix",
        title: "the beginning of a label is another label",
        source: (Mark::Standard, "section 5.7 (C_FindObjectsInit): exact match, byte for byte"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            object(&session, "luna-harness prefix", 1)?;
            let found = session.find(&[Attribute::label("luna-harness pre")])?;
            same("objects found", &0, &found.len())
        },
    },
    Row {
        id: "find.nothing",
        title: "a search that finds nothing is answered with none",
        source: (Mark::Standard, SECTION),
        needs: Needs::officer,
        run: |stage| {
            let found =
                stage.session()?.find(&[Attribute::label("luna-harness no such object")])?;
            same("objects found", &0, &found.len())
        },
    },
    Row {
        id: "find.unique",
        title: "no object is found twice",
        source: (Mark::Standard, SECTION),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            for n in 0..30 {
                object(&session, "luna-harness many", n)?;
            }
            let mut found = session.find(&[Attribute::label("luna-harness many")])?;
            same("objects found", &30, &found.len())?;
            found.sort_unstable();
            found.dedup();
            same("different objects", &30, &found.len())
        },
    },
    Row {
        id: "find.pieces",
        title: "a search is worked off in pieces, each at most as long as asked",
        source: (Mark::Standard, "section 5.7 (C_FindObjects)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let mut made = Vec::new();
            for n in 0..7 {
                made.push(object(&session, "luna-harness pieces", n)?.0);
            }
            let (exact, handle) = (stage.exact(), session.handle().0);
            let rv = exact.find_init(handle, &[Attribute::label("luna-harness pieces")])?;
            answers("C_FindObjectsInit", rv, &[CKR_OK])?;
            let mut found = Vec::new();
            for _ in 0..20 {
                let (rv, count, some) = exact.find_next(handle, 3)?;
                answers("C_FindObjects", rv, &[CKR_OK])?;
                ensure(count <= 3, "at most 3 handles", format!("{count}"))?;
                if count == 0 {
                    break;
                }
                found.extend(some);
            }
            answers("C_FindObjectsFinal", exact.find_final(handle)?, &[CKR_OK])?;
            found.sort_unstable();
            made.sort_unstable();
            same("what is found", &made, &found)
        },
    },
    Row {
        id: "find.active",
        title: "a second search beside the first is refused",
        source: (Mark::Standard, "section 5.7 (C_FindObjectsInit), CKR_OPERATION_ACTIVE"),
        needs: Needs::officer,
        run: |stage| {
            let session = stage.session()?;
            let (exact, handle) = (stage.exact(), session.handle().0);
            answers("C_FindObjectsInit", exact.find_init(handle, &[])?, &[CKR_OK])?;
            let rv = exact.find_init(handle, &[])?;
            answers("a second C_FindObjectsInit", rv, &[CKR_OPERATION_ACTIVE])
        },
    },
    Row {
        id: "find.not-begun",
        title: "C_FindObjects without a search is refused",
        source: (Mark::Standard, "section 5.7 (C_FindObjects), CKR_OPERATION_NOT_INITIALIZED"),
        needs: Needs::officer,
        run: |stage| {
            let session = stage.session()?;
            let (rv, ..) = stage.exact().find_next(session.handle().0, 3)?;
            answers("C_FindObjects", rv, &[CKR_OPERATION_NOT_INITIALIZED])
        },
    },
    Row {
        id: "find.final-not-begun",
        title: "C_FindObjectsFinal without a search is refused",
        source: (Mark::Standard, "section 5.7 (C_FindObjectsFinal), CKR_OPERATION_NOT_INITIALIZED"),
        needs: Needs::officer,
        run: |stage| {
            let session = stage.session()?;
            let rv = stage.exact().find_final(session.handle().0)?;
            answers("C_FindObjectsFinal", rv, &[CKR_OPERATION_NOT_INITIALIZED])
        },
    },
    Row {
        id: "find.final-ends",
        title: "C_FindObjectsFinal ends the search",
        source: (Mark::Standard, "section 5.7 (C_FindObjectsFinal)"),
        needs: Needs::officer,
        run: |stage| {
            let session = stage.session()?;
            let (exact, handle) = (stage.exact(), session.handle().0);
            answers("C_FindObjectsInit", exact.find_init(handle, &[])?, &[CKR_OK])?;
            answers("C_FindObjectsFinal", exact.find_final(handle)?, &[CKR_OK])?;
            let (rv, ..) = exact.find_next(handle, 3)?;
            answers("C_FindObjects", rv, &[CKR_OPERATION_NOT_INITIALIZED])
        },
    },
    Row {
        id: "find.session-objects",
        title: "a session object is found from another session of the application",
        source: (Mark::Standard, "section 2 (session objects)"),
        needs: Needs::session_objects,
        run: |stage| {
            let (one, other) = (stage.session()?, stage.session()?);
            let made = object(&one, "luna-harness seen by others", 1)?;
            let found = other.find(&[Attribute::label("luna-harness seen by others")])?;
            same("what is found", &vec![made], &found)
        },
    },
    Row {
        id: "find.changed",
        title: "an object is found by its new label and not by its old one",
        source: (Mark::Standard, SECTION),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let made = object(&session, "luna-harness old", 1)?;
            session.set_attributes(made, &[Attribute::label("luna-harness new")])?;
            let old = session.find(&[Attribute::label("luna-harness old")])?;
            same("objects of the old label", &0, &old.len())?;
            let new = session.find(&[Attribute::label("luna-harness new")])?;
            same("objects of the new label", &vec![made], &new)
        },
    },
    Row {
        id: "find.sensitive",
        title: "a sensitive value is not guessed by searching for it",
        source: (Mark::Standard, "section 5.7 (C_FindObjectsInit); section 4.10.2 (CKA_SENSITIVE)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let sensitive = [Attribute::bool(CKA_SENSITIVE, true)];
            crate::keys::import(stage, &session, CKK_AES, &[0x5a; 16], &sensitive)?;
            match session.find(&[Attribute::bytes(CKA_VALUE, [0x5a; 16]), Attribute::token(false)])
            {
                Ok(found) => same("objects found", &0, &found.len()),
                Err(error) => refused::<()>(
                    "C_FindObjectsInit",
                    Err(error),
                    &[
                        CKR_ATTRIBUTE_SENSITIVE,
                        CKR_ATTRIBUTE_TYPE_INVALID,
                        CKR_TEMPLATE_INCONSISTENT,
                    ],
                ),
            }
        },
    },
    Row {
        id: "find.class",
        title: "objects are found by their class",
        source: (Mark::Standard, SECTION),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let made = object(&session, "luna-harness class", 1)?;
            let label = Attribute::label("luna-harness class");
            let found = session.find(&[Attribute::class(CKO_DATA), label.clone()])?;
            same("data objects", &vec![made], &found)?;
            let found = session.find(&[Attribute::class(CKO_SECRET_KEY), label])?;
            same("secret keys", &0, &found.len())
        },
    },
    Row {
        id: "find.token",
        title: "token objects and session objects are told apart",
        source: (Mark::Standard, "section 4.4 (CKA_TOKEN)"),
        needs: Needs::token_objects,
        run: |stage| {
            let session = stage.session()?;
            let template = [vec![Attribute::class(CKO_DATA)], stage.own(true)].concat();
            let made = session.create_object(&template)?;
            let label = Attribute::label(&stage.label());
            let found = session.find(&[label.clone(), Attribute::token(true)])?;
            let others = session.find(&[label, Attribute::token(false)])?;
            session.destroy(made)?;
            same("token objects", &vec![made], &found)?;
            same("session objects", &0, &others.len())
        },
    },
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("search", ROWS);
}

fn object(session: &Session, label: &str, value: u8) -> Outcome<ObjectHandle> {
    Ok(session.create_object(&[
        Attribute::class(CKO_DATA),
        Attribute::token(false),
        Attribute::label(label),
        Attribute::bytes(CKA_VALUE, [value; 4]),
    ])?)
}
