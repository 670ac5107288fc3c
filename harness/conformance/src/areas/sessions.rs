//! Sessions.

use luna_client::ck::*;

use crate::check::{Allow, Mark, Needs, Registry, Row, agree, answers, ensure, refused, same};

const SECTION: &str = "section 5.6 (C_OpenSession)";

const ROWS: &[Row] = &[
    Row {
        id: "open.serial",
        title: "a session that is not serial is refused",
        source: (Mark::Standard, "section 5.6 (C_OpenSession), CKR_SESSION_PARALLEL_NOT_SUPPORTED"),
        needs: Needs::public,
        run: |stage| {
            let seen = stage.context()?.open_session_with(stage.slot()?, CKF_RW_SESSION);
            refused("C_OpenSession", seen, &[CKR_SESSION_PARALLEL_NOT_SUPPORTED])
        },
    },
    Row {
        id: "open.handles",
        title: "sessions have handles of their own, none of them 0",
        source: (Mark::Standard, SECTION),
        needs: Needs::public,
        run: |stage| {
            let (one, other) = (stage.session()?, stage.session()?);
            let (one, other) = (one.handle().0, other.handle().0);
            ensure(one != 0 && other != 0, "handles that are not 0", "a handle of 0")?;
            agree(one != other, format!("a session {one}"), "another of the same handle")
        },
    },
    Row {
        id: "info.read-write",
        title: "a read-write session says so",
        source: (Mark::Standard, "section 3.3 (CK_SESSION_INFO)"),
        needs: Needs::public,
        run: |stage| {
            let info = stage.session()?.info()?;
            same("the state", &CKS_RW_PUBLIC_SESSION, &info.state)?;
            same("the flags", &(CKF_SERIAL_SESSION | CKF_RW_SESSION), &info.flags)
        },
    },
    Row {
        id: "info.read-only",
        title: "a read-only session says so",
        source: (Mark::Standard, "section 3.3 (CK_SESSION_INFO)"),
        needs: Needs::public,
        run: |stage| {
            let info = stage.read_only_session()?.info()?;
            same("the state", &CKS_RO_PUBLIC_SESSION, &info.state)?;
            same("the flags", &CKF_SERIAL_SESSION, &info.flags)
        },
    },
    Row {
        id: "info.slot",
        title: "a session knows its slot",
        source: (Mark::Standard, "section 3.3 (CK_SESSION_INFO)"),
        needs: Needs::public,
        run: |stage| same("the slot", &stage.slot()?, &stage.session()?.info()?.slot),
    },
    Row {
        id: "info.officer",
        title: "with the user logged in sessions are the user's, read-only ones too",
        source: (Mark::Standard, "section 3.3 (CK_SESSION_INFO); section 5.6 (C_Login)"),
        needs: Needs::officer,
        run: |stage| {
            let states = (stage.session()?.info()?.state, stage.read_only_session()?.info()?.state);
            same("the states", &(CKS_RW_USER_FUNCTIONS, CKS_RO_USER_FUNCTIONS), &states)
        },
    },
    Row {
        id: "close.twice",
        title: "a session is closed once",
        source: (Mark::Standard, "section 5.6 (C_CloseSession)"),
        needs: Needs::public,
        run: |stage| {
            let session = stage.session()?;
            let handle = session.handle().0;
            session.close()?;
            let rv = stage.exact().close_session(handle)?;
            answers("C_CloseSession again", rv, &[CKR_SESSION_HANDLE_INVALID])
        },
    },
    Row {
        id: "close.others",
        title: "closing one session leaves the others",
        source: (Mark::Standard, "section 5.6 (C_CloseSession)"),
        needs: Needs::public,
        run: |stage| {
            let (one, other) = (stage.session()?, stage.session()?);
            one.close()?;
            other.info()?;
            Ok(())
        },
    },
    Row {
        id: "close.all",
        title: "C_CloseAllSessions closes all",
        source: (Mark::Standard, "section 5.6 (C_CloseAllSessions)"),
        needs: Needs::public,
        run: |stage| {
            let (one, other) = (stage.session()?, stage.read_only_session()?);
            let handles = [one.handle().0, other.handle().0];
            stage.context()?.close_all_sessions(stage.slot()?)?;
            for handle in handles {
                let (rv, _) = stage.exact().session_info(handle)?;
                let codes = [CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED];
                answers("C_GetSessionInfo of a closed session", rv, &codes)?;
            }
            Ok(())
        },
    },
    Row {
        id: "close.all-logout",
        title: "C_CloseAllSessions logs out",
        source: (Mark::Standard, "section 5.6 (C_CloseAllSessions)"),
        needs: Needs::officer,
        run: |stage| {
            stage.context()?.close_all_sessions(stage.slot()?)?;
            same("the state", &CKS_RW_PUBLIC_SESSION, &stage.session()?.info()?.state)
        },
    },
    Row {
        id: "close.session-objects",
        title: "session objects end with their session",
        source: (Mark::Standard, "section 5.6 (C_CloseSession)"),
        needs: Needs::session_objects,
        run: |stage| {
            use luna_client::Attribute;
            let (one, other) = (stage.session()?, stage.session()?);
            let template = [
                Attribute::class(CKO_DATA),
                Attribute::token(false),
                Attribute::label("luna-harness short lived"),
            ];
            let object = one.create_object(&template)?;
            same("objects before", &1, &other.find(&template)?.len())?;
            one.close()?;
            same("objects after", &0, &other.find(&template)?.len())?;
            let seen = other.attribute(object, CKA_LABEL);
            refused("C_GetAttributeValue", seen, &[CKR_OBJECT_HANDLE_INVALID])
        },
    },
    Row {
        id: "read-only.create",
        title: "a read-only session makes no object on the token",
        source: (Mark::Standard, "section 5.7 (C_CreateObject), CKR_SESSION_READ_ONLY"),
        needs: Needs::token_objects,
        run: |stage| {
            use luna_client::Attribute;
            let template = [vec![Attribute::class(CKO_DATA)], stage.own(true)].concat();
            let seen = stage.read_only_session()?.create_object(&template);
            refused("C_CreateObject", seen, &[CKR_SESSION_READ_ONLY])
        },
    },
    Row {
        id: "read-only.generate",
        title: "a read-only session generates no key on the token",
        source: (Mark::Standard, "section 5.14 (C_GenerateKey), CKR_SESSION_READ_ONLY"),
        needs: || Needs::token_objects().mechanisms(&[CKM_AES_KEY_GEN]),
        run: |stage| {
            use luna_client::{Attribute, Mechanism};
            let template = [vec![Attribute::ulong(CKA_VALUE_LEN, 16)], stage.own(true)].concat();
            let mechanism = Mechanism::Plain(CKM_AES_KEY_GEN);
            let seen = stage.read_only_session()?.generate_key(&mechanism, &template);
            refused("C_GenerateKey", seen, &[CKR_SESSION_READ_ONLY])
        },
    },
    Row {
        id: "read-only.destroy",
        title: "a read-only session destroys no object on the token",
        source: (Mark::Standard, "section 5.7 (C_DestroyObject), CKR_SESSION_READ_ONLY"),
        needs: Needs::token_objects,
        run: |stage| {
            use luna_client::Attribute;
            let template = [vec![Attribute::class(CKO_DATA)], stage.own(true)].concat();
            let writer = stage.session()?;
            let object = writer.create_object(&template)?;
            let seen = stage.read_only_session()?.destroy(object);
            writer.destroy(object)?;
            refused("C_DestroyObject", seen, &[CKR_SESSION_READ_ONLY])
        },
    },
    Row {
        id: "read-only.session-object",
        title: "a read-only session makes session objects",
        source: (Mark::Standard, "section 5.7 (C_CreateObject)"),
        needs: || Needs::officer().allow(Allow::Create),
        run: |stage| {
            use luna_client::Attribute;
            let template = [vec![Attribute::class(CKO_DATA)], stage.own(false)].concat();
            stage.read_only_session()?.create_object(&template)?;
            Ok(())
        },
    },
    Row {
        id: "parallel.status",
        title: "C_GetFunctionStatus answers as a serial session must",
        source: (Mark::Standard, "section 5.16 (C_GetFunctionStatus)"),
        needs: Needs::public,
        run: |stage| parallel(stage, "C_GetFunctionStatus"),
    },
    Row {
        id: "parallel.cancel",
        title: "C_CancelFunction answers as a serial session must",
        source: (Mark::Standard, "section 5.16 (C_CancelFunction)"),
        needs: Needs::public,
        run: |stage| parallel(stage, "C_CancelFunction"),
    },
    Row {
        id: "many.open",
        title: "a hundred sessions are opened and closed",
        source: (Mark::Standard, SECTION),
        needs: Needs::public,
        run: |stage| {
            let max = stage.token()?.max_session_count;
            let room =
                max == CK_EFFECTIVELY_INFINITE || max == CK_UNAVAILABLE_INFORMATION || max > 110;
            if !room {
                let reason = format!("the token allows {max} sessions");
                return Err(crate::check::Finding::not_applicable(reason));
            }
            let mut sessions = Vec::new();
            for _ in 0..100 {
                sessions.push(stage.session()?);
            }
            let mut handles: Vec<_> = sessions.iter().map(|it| it.handle().0).collect();
            handles.sort_unstable();
            handles.dedup();
            same("different handles", &100, &handles.len())
        },
    },
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("sessions", ROWS);
}

fn parallel(stage: &mut crate::stage::Stage, function: &'static str) -> crate::check::Outcome {
    use luna_client::module::words::Word;
    let session = stage.session()?;
    let (rv, _) = stage.words().call(function, &[Word::Number(session.handle().0)])?;
    answers(function, rv, &[CKR_FUNCTION_NOT_PARALLEL])
}
