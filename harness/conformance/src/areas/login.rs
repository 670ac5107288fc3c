//! Logging in, roles and their PINs.
//!
//! What a wrong PIN does is asked on a partition of the check's own: failed logins are counted, and the last one
//! locks.

use luna_client::ck::*;
use luna_client::{Access, Attribute, Pin, Session, UserType};

use crate::check::{
    Finding, Mark, Needs, Outcome, Registry, Row, Subject, answers, ensure, refused, same,
};
use crate::stage::Stage;

const SECTION: &str = "section 5.6 (C_Login)";
const ROLES: &str = "Luna partition roles and procedures; Failed Logins";

const ROWS: &[Row] = &[
    Row {
        id: "user.again",
        title: "who is logged in cannot log in again",
        source: (Mark::Standard, "section 5.6 (C_Login), CKR_USER_ALREADY_LOGGED_IN"),
        needs: Needs::officer,
        run: |stage| {
            let pin = stage.officer_pin()?;
            let seen = stage.session()?.login(UserType::USER, &pin);
            refused("C_Login", seen, &[CKR_USER_ALREADY_LOGGED_IN])
        },
    },
    Row {
        id: "user.all-sessions",
        title: "a login is that of all sessions of the application",
        source: (Mark::Standard, SECTION),
        needs: Needs::officer,
        run: |stage| same("the state", &CKS_RW_USER_FUNCTIONS, &stage.session()?.info()?.state),
    },
    Row {
        id: "user.logout",
        title: "C_Logout logs out all sessions of the application",
        source: (Mark::Standard, "section 5.6 (C_Logout)"),
        needs: Needs::officer,
        run: |stage| {
            let other = stage.session()?;
            stage.session()?.logout()?;
            same("the state", &CKS_RW_PUBLIC_SESSION, &other.info()?.state)
        },
    },
    Row {
        id: "user.logout-twice",
        title: "a second C_Logout is refused",
        source: (Mark::Standard, "section 5.6 (C_Logout), CKR_USER_NOT_LOGGED_IN"),
        needs: Needs::officer,
        run: |stage| {
            let session = stage.session()?;
            session.logout()?;
            refused("C_Logout", session.logout(), &[CKR_USER_NOT_LOGGED_IN])
        },
    },
    Row {
        id: "user.logout-public",
        title: "C_Logout with nobody logged in is refused",
        source: (Mark::Standard, "section 5.6 (C_Logout), CKR_USER_NOT_LOGGED_IN"),
        needs: Needs::public,
        run: |stage| refused("C_Logout", stage.session()?.logout(), &[CKR_USER_NOT_LOGGED_IN]),
    },
    Row {
        id: "user.logout-private",
        title: "private session objects end with the login",
        source: (Mark::Standard, "section 5.6 (C_Logout)"),
        needs: Needs::session_objects,
        run: |stage| {
            let session = stage.session()?;
            let mut template = [vec![Attribute::class(CKO_DATA)], stage.own(false)].concat();
            template.push(Attribute::private(true));
            let object = session.create_object(&template)?;
            session.logout()?;
            let seen = session.attribute(object, CKA_LABEL);
            refused("C_GetAttributeValue", seen, &[CKR_OBJECT_HANDLE_INVALID])
        },
    },
    Row {
        id: "user.type",
        title: "a user of a type that is not there is refused",
        source: (Mark::Standard, "section 5.6 (C_Login), CKR_USER_TYPE_INVALID"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let seen = stage.session()?.login(UserType(77), &stage.officer_pin()?);
            refused("C_Login", seen, &[CKR_USER_TYPE_INVALID])
        },
    },
    Row {
        id: "user.context-specific",
        title: "a login for one operation without such an operation is refused",
        source: (Mark::Standard, "section 5.6 (C_Login), CKU_CONTEXT_SPECIFIC"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let session = officer(stage)?;
            let seen = session.login(UserType::CONTEXT_SPECIFIC, &stage.officer_pin()?);
            refused("C_Login", seen, &[CKR_OPERATION_NOT_INITIALIZED])
        },
    },
    Row {
        id: "pin.wrong",
        title: "a wrong PIN is refused and logs nobody in",
        source: (Mark::Standard, "section 5.6 (C_Login), CKR_PIN_INCORRECT"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let session = stage.session()?;
            wrong(&session)?;
            same("the state", &CKS_RW_PUBLIC_SESSION, &session.info()?.state)
        },
    },
    Row {
        id: "pin.empty",
        title: "an empty PIN is refused",
        source: (Mark::Standard, "section 5.6 (C_Login)"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let seen = stage.session()?.login(UserType::USER, &Pin::from(""));
            refused("C_Login", seen, &[CKR_PIN_INCORRECT, CKR_PIN_LEN_RANGE, CKR_ARGUMENTS_BAD])
        },
    },
    Row {
        id: "pin.longer",
        title: "the PIN with more behind it is another PIN",
        source: (Mark::Standard, "section 5.6 (C_Login), CKR_PIN_INCORRECT"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let longer = [stage.officer_pin()?.expose(), b"x"].concat();
            let seen = stage.session()?.login(UserType::USER, &Pin::new(longer));
            refused("C_Login", seen, &[CKR_PIN_INCORRECT])
        },
    },
    Row {
        id: "pin.right-after-wrong",
        title: "the right PIN after a wrong one logs in",
        source: (Mark::Standard, SECTION),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let session = stage.session()?;
            wrong(&session)?;
            session.login(UserType::USER, &stage.officer_pin()?)?;
            same("the state", &CKS_RW_USER_FUNCTIONS, &session.info()?.state)
        },
    },
    Row {
        id: "pin.change",
        title: "after C_SetPIN the new PIN logs in and the old one does not",
        source: (Mark::Standard, "section 5.5 (C_SetPIN)"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let (session, old, new) =
                (officer(stage)?, stage.officer_pin()?, Pin::from("another-password"));
            session.set_pin(&old, &new)?;
            session.logout()?;
            refused("C_Login", session.login(UserType::USER, &old), &[CKR_PIN_INCORRECT])?;
            Ok(session.login(UserType::USER, &new)?)
        },
    },
    Row {
        id: "pin.change-wrong",
        title: "C_SetPIN with a wrong old PIN changes nothing",
        source: (Mark::Standard, "section 5.5 (C_SetPIN), CKR_PIN_INCORRECT"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let (session, old, new) =
                (officer(stage)?, stage.officer_pin()?, Pin::from("another-password"));
            let seen = session.set_pin(&Pin::from("not-the-password"), &new);
            refused("C_SetPIN", seen, &[CKR_PIN_INCORRECT])?;
            session.logout()?;
            Ok(session.login(UserType::USER, &old)?)
        },
    },
    Row {
        id: "pin.change-short",
        title: "a new PIN shorter than the token allows is refused",
        source: (Mark::Standard, "section 5.5 (C_SetPIN), CKR_PIN_LEN_RANGE"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let min = usize::try_from(stage.token()?.min_pin_len).unwrap_or(0);
            if min < 2 {
                return Err(Finding::not_applicable("the token has no shortest PIN"));
            }
            let (session, old) = (officer(stage)?, stage.officer_pin()?);
            let short = Pin::new(vec![b'x'; min - 1]);
            let seen = session.set_pin(&old, &short);
            refused("C_SetPIN", seen, &[CKR_PIN_LEN_RANGE, CKR_PIN_INVALID])
        },
    },
    Row {
        id: "pin.change-long",
        title: "a new PIN longer than the token allows is refused",
        source: (Mark::Standard, "section 5.5 (C_SetPIN), CKR_PIN_LEN_RANGE"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let max = usize::try_from(stage.token()?.max_pin_len).unwrap_or(usize::MAX);
            if max > 4096 {
                return Err(Finding::not_applicable("the token has no longest PIN"));
            }
            let (session, old) = (officer(stage)?, stage.officer_pin()?);
            let long = Pin::new(vec![b'x'; max + 1]);
            let seen = session.set_pin(&old, &long);
            refused("C_SetPIN", seen, &[CKR_PIN_LEN_RANGE, CKR_PIN_INVALID])
        },
    },
    Row {
        id: "pin.read-only",
        title: "C_SetPIN in a read-only session is refused",
        source: (Mark::Standard, "section 5.5 (C_SetPIN), CKR_SESSION_READ_ONLY"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let (_officer, old) = (officer(stage)?, stage.officer_pin()?);
            let seen = stage.read_only_session()?.set_pin(&old, &Pin::from("another-password"));
            refused("C_SetPIN", seen, &[CKR_SESSION_READ_ONLY])
        },
    },
    Row {
        id: "so.states",
        title: "the security officer's session says so",
        source: (Mark::Standard, "section 3.3 (CKS_RW_SO_FUNCTIONS)"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let session = stage.session()?;
            session.login(UserType::SO, &stage.security_officer_pin()?)?;
            same("the state", &CKS_RW_SO_FUNCTIONS, &session.info()?.state)
        },
    },
    Row {
        id: "so.read-only",
        title: "the security officer does not log in beside a read-only session",
        source: (Mark::Standard, "section 5.6 (C_Login), CKR_SESSION_READ_ONLY_EXISTS"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let _reader = stage.read_only_session()?;
            let seen = stage.session()?.login(UserType::SO, &stage.security_officer_pin()?);
            refused("C_Login", seen, &[CKR_SESSION_READ_ONLY_EXISTS])
        },
    },
    Row {
        id: "so.open-read-only",
        title: "with the security officer logged in no read-only session is opened",
        source: (Mark::Standard, "section 5.6 (C_OpenSession), CKR_SESSION_READ_WRITE_SO_EXISTS"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let session = stage.session()?;
            session.login(UserType::SO, &stage.security_officer_pin()?)?;
            let seen = stage.context()?.open_session(stage.slot()?, Access::ReadOnly);
            refused("C_OpenSession", seen, &[CKR_SESSION_READ_WRITE_SO_EXISTS])
        },
    },
    Row {
        id: "so.another",
        title: "the user does not log in beside the security officer, nor the reverse",
        source: (Mark::Standard, "section 5.6 (C_Login), CKR_USER_ANOTHER_ALREADY_LOGGED_IN"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let session = stage.session()?;
            let (so, user) = (stage.security_officer_pin()?, stage.officer_pin()?);
            session.login(UserType::SO, &so)?;
            let seen = session.login(UserType::USER, &user);
            refused("C_Login", seen, &[CKR_USER_ANOTHER_ALREADY_LOGGED_IN])?;
            session.logout()?;
            session.login(UserType::USER, &user)?;
            let seen = session.login(UserType::SO, &so);
            refused("C_Login", seen, &[CKR_USER_ANOTHER_ALREADY_LOGGED_IN])
        },
    },
    Row {
        id: "so.private",
        title: "the security officer sees no private object",
        source: (Mark::Standard, "section 2 (access to private objects)"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let label = [Attribute::label(&stage.label())];
            let user = officer(stage)?;
            let mut template = [vec![Attribute::class(CKO_DATA)], stage.own(true)].concat();
            template.push(Attribute::private(true));
            user.create_object(&template)?;
            same("objects the user sees", &1, &user.find(&label)?.len())?;
            user.logout()?;
            same("objects nobody sees", &0, &user.find(&label)?.len())?;
            user.login(UserType::SO, &stage.security_officer_pin()?)?;
            same("objects the security officer sees", &0, &user.find(&label)?.len())
        },
    },
    Row {
        id: "so.init-pin-by-user",
        title: "C_InitPIN is the security officer's alone",
        source: (Mark::Standard, "section 5.5 (C_InitPIN), CKR_USER_NOT_LOGGED_IN"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let seen = officer(stage)?.init_pin(&Pin::from("another-password"));
            // The last three are what a Luna says: `larskanis/pkcs11`, pkcs11_luna/test.
            let codes = [
                CKR_USER_NOT_LOGGED_IN,
                CKR_USER_NOT_AUTHORIZED,
                CKR_OPERATION_NOT_ALLOWED,
                CKR_FUNCTION_NOT_SUPPORTED,
            ];
            refused("C_InitPIN", seen, &codes)
        },
    },
    Row {
        id: "token.session-exists",
        title: "a token with an open session is not initialised",
        source: (Mark::Standard, "section 5.5 (C_InitToken), CKR_SESSION_EXISTS"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let _session = stage.session()?;
            let so = stage.security_officer_pin()?;
            let seen = stage.context()?.init_token(stage.slot()?, Some(&so), "other");
            refused("C_InitToken", seen, &[CKR_SESSION_EXISTS])
        },
    },
    Row {
        id: "token.objects-gone",
        title: "C_InitToken takes all objects",
        source: (Mark::Standard, "section 5.5 (C_InitToken)"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let label = [Attribute::label(&stage.label())];
            let session = officer(stage)?;
            let template = [vec![Attribute::class(CKO_DATA)], stage.own(true)].concat();
            session.create_object(&template)?;
            same("objects before", &1, &session.find(&label)?.len())?;
            drop(session);
            stage.initialise()?;
            same("objects after", &0, &officer(stage)?.find(&label)?.len())
        },
    },
    Row {
        id: "token.wrong-pin",
        title: "C_InitToken of an initialised token wants the security officer's PIN",
        source: (Mark::Standard, "section 5.5 (C_InitToken), CKR_PIN_INCORRECT"),
        needs: Needs::fresh,
        run: |stage| {
            stage.initialise()?;
            let wrong = Pin::from("not-the-password");
            let seen = stage.context()?.init_token(stage.slot()?, Some(&wrong), "other");
            refused("C_InitToken", seen, &[CKR_PIN_INCORRECT])
        },
    },
    Row {
        id: "luna.attempts",
        title: "each wrong password of the Crypto Officer leaves one attempt less, a right one all of them",
        source: (Mark::Documented, ROLES),
        needs: || Needs::fresh().subject(Subject::Luna),
        run: |stage| {
            stage.initialise()?;
            let left = |stage: &Stage| -> Outcome<u8> {
                let state = stage.context()?.role_state(stage.slot()?, UserType::USER)?;
                Ok(state.login_attempts_left)
            };
            let all = left(stage)?;
            let session = stage.session()?;
            wrong(&session)?;
            same("attempts left after one", &all.saturating_sub(1), &left(stage)?)?;
            session.login(UserType::USER, &stage.officer_pin()?)?;
            same("attempts left after a right one", &all, &left(stage)?)
        },
    },
    Row {
        id: "luna.lock-out",
        title: "after as many wrong passwords as policy 20 allows the right one is refused",
        source: (Mark::Documented, ROLES),
        needs: || Needs::fresh().subject(Subject::Luna),
        run: |stage| {
            stage.initialise()?;
            let state = stage.context()?.role_state(stage.slot()?, UserType::USER)?;
            let session = stage.session()?;
            for _ in 0..state.login_attempts_left {
                let seen = session.login(UserType::USER, &Pin::from("not-the-password"));
                let codes = [CKR_PIN_INCORRECT, CKR_PIN_LOCKED, CKR_USER_LOCKED_OUT];
                refused("C_Login", seen, &codes)?;
            }
            let seen = session.login(UserType::USER, &stage.officer_pin()?);
            refused("C_Login", seen, &[CKR_PIN_LOCKED, CKR_USER_LOCKED_OUT])
        },
    },
    Row {
        id: "luna.crypto-user",
        title: "the Crypto User reads and uses, and makes nothing on the token",
        source: (Mark::Documented, "Luna partition roles and procedures"),
        needs: || Needs::fresh().subject(Subject::Luna),
        run: |stage| {
            stage.initialise()?;
            let pin = Pin::from("crypto-user-2");
            let officer = officer(stage)?;
            officer.init_role_pin(UserType::CRYPTO_USER, &pin)?;
            officer.logout()?;
            officer.login(UserType::CRYPTO_USER, &pin)?;
            // What another gave must be changed first.
            officer.set_pin(&pin, &Pin::from("crypto-user-3"))?;
            let mut template = [vec![Attribute::class(CKO_DATA)], stage.own(true)].concat();
            template.push(Attribute::private(true));
            let seen = officer.create_object(&template);
            refused("C_CreateObject", seen, &[CKR_USER_NOT_AUTHORIZED])
        },
    },
    Row {
        id: "luna.must-change",
        title: "a password that the Partition SO gave must be changed before it is of use",
        source: (
            Mark::Documented,
            "Initializing Crypto Officer and Crypto User Roles; HSM policy 21",
        ),
        needs: || Needs::fresh().subject(Subject::Luna),
        run: |stage| {
            stage.initialise()?;
            let session = stage.session()?;
            session.login(UserType::SO, &stage.security_officer_pin()?)?;
            let given = Pin::from("given-by-the-so");
            if let Err(error) = session.reset_pin(&given) {
                // HSM policy 15 decides whether it may.
                return Err(Finding::not_applicable(format!("no reset: {error}")));
            }
            session.logout()?;
            session.login(UserType::USER, &given)?;
            let template = [vec![Attribute::class(CKO_DATA)], stage.own(true)].concat();
            refused("C_CreateObject", session.create_object(&template), &[CKR_PIN_EXPIRED])?;
            session.set_pin(&given, &Pin::from("my-own-password"))?;
            ensure(session.create_object(&template).is_ok(), "an object", "a refusal")
        },
    },
    Row {
        id: "last-session.logout",
        title: "closing the last session logs out",
        source: (Mark::Standard, "section 5.6 (C_CloseSession)"),
        needs: Needs::alone,
        run: |stage| {
            let context = stage.module.initialize(stage.init_args())?;
            let slot = stage.find_slot(&context)?;
            stage.logged_in(&context, slot)?.close()?;
            let session = context.open_session(slot, Access::ReadWrite)?;
            let (rv, info) = stage.exact().session_info(session.handle().0)?;
            answers("C_GetSessionInfo", rv, &[CKR_OK])?;
            same("the state", &CKS_RW_PUBLIC_SESSION, &info.state)
        },
    },
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("login", ROWS);
}

fn officer(stage: &Stage) -> Outcome<Session> {
    let session = stage.session()?;
    session.login(UserType::USER, &stage.officer_pin()?)?;
    Ok(session)
}

fn wrong(session: &Session) -> Outcome {
    let seen = session.login(UserType::USER, &Pin::from("not-the-password"));
    refused("C_Login with a wrong PIN", seen, &[CKR_PIN_INCORRECT])
}
