//! One call with all its arguments, printed as it would stand in C.

use std::fmt;

use luna_ck::*;
use luna_client::module::exact::{Input, Purpose, Room};
use luna_client::{Attribute, Mechanism};

/// A session handle, real, stale or wrong.
pub(crate) type Session = CK_SESSION_HANDLE;
/// An object handle, real, stale or wrong.
pub(crate) type Object = CK_OBJECT_HANDLE;

/// A call of the core of PKCS#11. Functions that differ in the operation only share a variant.
#[derive(Clone, Debug)]
pub enum Call {
    /// `C_OpenSession`: slot and flags.
    OpenSession(CK_SLOT_ID, CK_FLAGS),
    /// `C_CloseSession`.
    CloseSession(Session),
    /// `C_CloseAllSessions`.
    CloseAllSessions(CK_SLOT_ID),
    /// `C_GetSessionInfo`.
    SessionInfo(Session),
    /// `C_Login`: user and PIN.
    Login(Session, CK_USER_TYPE, Vec<u8>),
    /// `C_Logout`.
    Logout(Session),
    /// `C_CreateObject`.
    Create(Session, Vec<Attribute>),
    /// `C_CopyObject`.
    Copy(Session, Object, Vec<Attribute>),
    /// `C_DestroyObject`.
    Destroy(Session, Object),
    /// `C_GetAttributeValue`: types, each with the room for its value.
    Attributes(Session, Object, Vec<(CK_ATTRIBUTE_TYPE, Option<usize>)>),
    /// `C_SetAttributeValue`.
    SetAttributes(Session, Object, Vec<Attribute>),
    /// `C_FindObjectsInit`.
    FindInit(Session, Vec<Attribute>),
    /// `C_FindObjects`: at most so many.
    FindNext(Session, usize),
    /// `C_FindObjectsFinal`.
    FindFinal(Session),
    /// `C_GenerateKey`.
    GenerateKey(Session, Mechanism, Vec<Attribute>),
    /// `C_GenerateKeyPair`: public template first.
    GenerateKeyPair(Session, Mechanism, Vec<Attribute>, Vec<Attribute>),
    /// `C_…Init`. A digest has no key.
    Init(Purpose, Session, Mechanism, Object),
    /// `C_Encrypt`, `C_Decrypt`, `C_Digest`, `C_Sign`.
    Single(Purpose, Session, Input, Room),
    /// `C_EncryptUpdate`, `C_DecryptUpdate`.
    Update(Purpose, Session, Input, Room),
    /// `C_DigestUpdate`, `C_SignUpdate`, `C_VerifyUpdate`.
    Absorb(Purpose, Session, Input),
    /// `C_EncryptFinal`, `C_DecryptFinal`, `C_DigestFinal`, `C_SignFinal`.
    Finish(Purpose, Session, Room),
    /// `C_Verify`: data and signature.
    Verify(Session, Input, Vec<u8>),
    /// `C_VerifyFinal`.
    VerifyFinal(Session, Vec<u8>),
}

impl Call {
    /// The session the call is made in.
    pub fn session(&self) -> Option<Session> {
        match self {
            Self::OpenSession(..) | Self::CloseAllSessions(_) => None,
            Self::CloseSession(session)
            | Self::SessionInfo(session)
            | Self::Login(session, ..)
            | Self::Logout(session)
            | Self::Create(session, _)
            | Self::Copy(session, ..)
            | Self::Destroy(session, _)
            | Self::Attributes(session, ..)
            | Self::SetAttributes(session, ..)
            | Self::FindInit(session, _)
            | Self::FindNext(session, _)
            | Self::FindFinal(session)
            | Self::GenerateKey(session, ..)
            | Self::GenerateKeyPair(session, ..)
            | Self::Init(_, session, ..)
            | Self::Single(_, session, ..)
            | Self::Update(_, session, ..)
            | Self::Absorb(_, session, _)
            | Self::Finish(_, session, _)
            | Self::Verify(session, ..)
            | Self::VerifyFinal(session, _) => Some(*session),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenSession(slot, flags) => {
                let access = if flags & CKF_RW_SESSION == 0 { "" } else { " | CKF_RW_SESSION" };
                let serial =
                    if flags & CKF_SERIAL_SESSION == 0 { "0" } else { "CKF_SERIAL_SESSION" };
                write!(f, "C_OpenSession({slot}, {serial}{access}, NULL, NULL, &session)")
            }
            Self::CloseSession(session) => write!(f, "C_CloseSession({session})"),
            Self::CloseAllSessions(slot) => write!(f, "C_CloseAllSessions({slot})"),
            Self::SessionInfo(session) => write!(f, "C_GetSessionInfo({session}, &info)"),
            Self::Login(session, user, pin) => {
                let (user, pin) = (names::name(names::CKU, *user), String::from_utf8_lossy(pin));
                write!(f, "C_Login({session}, {user}, {pin:?})")
            }
            Self::Logout(session) => write!(f, "C_Logout({session})"),
            Self::Create(session, template) => {
                write!(f, "C_CreateObject({session}, {}, &object)", listed(template))
            }
            Self::Copy(session, source, template) => {
                write!(f, "C_CopyObject({session}, {source}, {}, &object)", listed(template))
            }
            Self::Destroy(session, object) => write!(f, "C_DestroyObject({session}, {object})"),
            Self::Attributes(session, object, asked) => {
                let asked: Vec<_> = asked.iter().map(|(kind, room)| wanted(*kind, *room)).collect();
                write!(f, "C_GetAttributeValue({session}, {object}, {{{}}})", asked.join(", "))
            }
            Self::SetAttributes(session, object, template) => {
                write!(f, "C_SetAttributeValue({session}, {object}, {})", listed(template))
            }
            Self::FindInit(session, wanted) => {
                write!(f, "C_FindObjectsInit({session}, {})", listed(wanted))
            }
            Self::FindNext(session, most) => {
                write!(f, "C_FindObjects({session}, found, {most}, &count)")
            }
            Self::FindFinal(session) => write!(f, "C_FindObjectsFinal({session})"),
            Self::GenerateKey(session, mechanism, template) => {
                let mechanism = parameterised(mechanism);
                write!(f, "C_GenerateKey({session}, {mechanism}, {}, &object)", listed(template))
            }
            Self::GenerateKeyPair(session, mechanism, public, private) => {
                let (public, private) = (listed(public), listed(private));
                let mechanism = parameterised(mechanism);
                write!(f, "C_GenerateKeyPair({session}, {mechanism}, {public}, {private}, &p, &s)")
            }
            Self::Init(Purpose::Digest, session, mechanism, _) => {
                write!(f, "C_DigestInit({session}, {})", parameterised(mechanism))
            }
            Self::Init(purpose, session, mechanism, key) => {
                write!(f, "C_{purpose:?}Init({session}, {}, {key})", parameterised(mechanism))
            }
            Self::Single(purpose, session, input, room) => {
                write!(f, "C_{purpose:?}({session}, {}, {})", fed(input), given(*room))
            }
            Self::Update(purpose, session, input, room) => {
                write!(f, "C_{purpose:?}Update({session}, {}, {})", fed(input), given(*room))
            }
            Self::Absorb(purpose, session, input) => {
                write!(f, "C_{purpose:?}Update({session}, {})", fed(input))
            }
            Self::Finish(purpose, session, room) => {
                write!(f, "C_{purpose:?}Final({session}, {})", given(*room))
            }
            Self::Verify(session, input, signature) => {
                write!(f, "C_Verify({session}, {}, {})", fed(input), bytes(signature))
            }
            Self::VerifyFinal(session, signature) => {
                write!(f, "C_VerifyFinal({session}, {})", bytes(signature))
            }
        }
    }
}

/// Bytes as hexadecimal digits, and how many they are.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    let shown = bytes.get(..24).unwrap_or(bytes);
    let more = if shown.len() < bytes.len() { "…" } else { "" };
    format!("{}{more}, {}", data_encoding::HEXLOWER.encode(shown), bytes.len())
}

fn fed(input: &Input) -> String {
    match input {
        Input::Bytes(given) => bytes(given),
        Input::Null(len) => format!("NULL, {len}"),
    }
}

fn given(room: Room) -> String {
    match room {
        Room::NoLength => "out, NULL".to_owned(),
        Room::Ask => "NULL, &len".to_owned(),
        Room::Bytes(room) => format!("out, &len = {room}"),
    }
}

fn wanted(kind: CK_ATTRIBUTE_TYPE, room: Option<usize>) -> String {
    let room = room.map_or_else(|| "NULL".to_owned(), |room| room.to_string());
    format!("{}: {room}", names::cka(kind))
}

fn listed(template: &[Attribute]) -> String {
    let each: Vec<_> = template.iter().map(valued).collect();
    format!("{{{}}}, {}", each.join(", "), template.len())
}

fn valued(attribute: &Attribute) -> String {
    let value = match (attribute.kind(), attribute.value().unwrap_or_default()) {
        (_, []) => "\"\"".to_owned(),
        (CKA_LABEL | CKA_APPLICATION, text) => format!("{:?}", String::from_utf8_lossy(text)),
        (CKA_CLASS, value) => number(value, names::CKO),
        (CKA_KEY_TYPE, value) => number(value, names::CKK),
        (CKA_ID | CKA_VALUE, value) => data_encoding::HEXLOWER.encode(value),
        (_, [0]) => "CK_FALSE".to_owned(),
        (_, [1]) => "CK_TRUE".to_owned(),
        (CKA_VALUE_LEN, value) => number(value, &[]),
        (_, value) => data_encoding::HEXLOWER.encode(value),
    };
    format!("{} = {value}", names::cka(attribute.kind()))
}

fn number(value: &[u8], table: &[(u64, &str)]) -> String {
    match value.try_into().map(u64::from_ne_bytes) {
        Ok(value) if table.is_empty() => value.to_string(),
        Ok(value) => names::name(table, value),
        Err(_) => data_encoding::HEXLOWER.encode(value),
    }
}

fn parameterised(mechanism: &Mechanism) -> String {
    let name = names::ckm(mechanism.kind());
    match mechanism {
        Mechanism::Plain(_) => format!("{{{name}}}"),
        Mechanism::Bytes(_, given) => format!("{{{name}, {}}}", bytes(given)),
        Mechanism::AesGcm { iv, aad, tag_bits, .. } => {
            format!("{{{name}, iv {}, aad {}, tag {tag_bits}}}", bytes(iv), bytes(aad))
        }
        Mechanism::AesCtr { counter_bits, block } => {
            format!("{{{name}, bits {counter_bits}, {}}}", bytes(block))
        }
        _ => format!("{{{name}, …}}"),
    }
}
