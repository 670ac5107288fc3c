//! One call with all its arguments, printed as it would stand in C.

use std::collections::BTreeMap;
use std::fmt;

use luna_ck::*;
use luna_client::module::exact::{Input, Purpose, Room};
use luna_client::{Attribute, Mechanism};

use crate::state::Token;
use crate::target::Given;

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
    /// The function.
    pub fn function(&self) -> String {
        let name = match self {
            Self::OpenSession(..) => "C_OpenSession",
            Self::CloseSession(_) => "C_CloseSession",
            Self::CloseAllSessions(_) => "C_CloseAllSessions",
            Self::SessionInfo(_) => "C_GetSessionInfo",
            Self::Login(..) => "C_Login",
            Self::Logout(_) => "C_Logout",
            Self::Create(..) => "C_CreateObject",
            Self::Copy(..) => "C_CopyObject",
            Self::Destroy(..) => "C_DestroyObject",
            Self::Attributes(..) => "C_GetAttributeValue",
            Self::SetAttributes(..) => "C_SetAttributeValue",
            Self::FindInit(..) => "C_FindObjectsInit",
            Self::FindNext(..) => "C_FindObjects",
            Self::FindFinal(_) => "C_FindObjectsFinal",
            Self::GenerateKey(..) => "C_GenerateKey",
            Self::GenerateKeyPair(..) => "C_GenerateKeyPair",
            Self::Init(purpose, ..) => return format!("C_{purpose:?}Init"),
            Self::Single(purpose, ..) => return format!("C_{purpose:?}"),
            Self::Update(purpose, ..) | Self::Absorb(purpose, ..) => {
                return format!("C_{purpose:?}Update");
            }
            Self::Finish(purpose, ..) => return format!("C_{purpose:?}Final"),
            Self::Verify(..) => "C_Verify",
            Self::VerifyFinal(..) => "C_VerifyFinal",
        };
        name.to_owned()
    }

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

/// What a listing calls handles and PINs: variables, so that it reads as a program; plain numbers without.
#[derive(Clone, Debug, Default)]
pub struct Names {
    sessions: BTreeMap<Session, String>,
    objects: BTreeMap<Object, String>,
    pins: Vec<(CK_USER_TYPE, Vec<u8>)>,
    mark: String,
    /// Sessions and objects that were ever named.
    counts: [usize; 2],
}

impl Names {
    /// Right PINs are named and never shown.
    pub(crate) fn new(token: &Token) -> Self {
        let (pins, mark) = (token.credentials.clone(), token.mark.clone());
        Self { pins, mark, ..Self::default() }
    }

    /// A text, its mark as a macro of C: the compiler joins them.
    fn text(&self, value: &[u8]) -> String {
        let text = String::from_utf8_lossy(value);
        match text.strip_prefix(self.mark.as_str()) {
            Some(rest) if !self.mark.is_empty() => format!("MARK {rest:?}"),
            _ => format!("{text:?}"),
        }
    }

    /// Names what a call gave.
    pub(crate) fn learn(&mut self, call: &Call, given: &Given) {
        match (call, given) {
            (Call::OpenSession(..), Given::Handle(handle)) => {
                self.counts[0] += 1;
                self.sessions.insert(*handle, format!("s{}", self.counts[0]));
            }
            (_, Given::Handle(handle)) => self.object(*handle),
            (_, Given::Pair(pair)) => pair.iter().for_each(|handle| self.object(*handle)),
            _ => {}
        }
    }

    fn object(&mut self, handle: Object) {
        self.counts[1] += 1;
        self.objects.insert(handle, format!("o{}", self.counts[1]));
    }

    fn named(table: &BTreeMap<u64, String>, handle: u64) -> String {
        let number = || if handle < 1 << 16 { handle.to_string() } else { format!("{handle:#x}") };
        table.get(&handle).cloned().unwrap_or_else(number)
    }

    /// The name of an object, or its number.
    pub(crate) fn of_object(&self, handle: Object) -> String {
        Self::named(&self.objects, handle)
    }

    fn of_session(&self, handle: Session) -> String {
        Self::named(&self.sessions, handle)
    }

    /// The variable that the next session or object goes to.
    fn next(&self, kind: usize, after: usize) -> String {
        let count = self.counts.get(kind).copied().unwrap_or(0) + after;
        if kind == 0 { format!("s{count}") } else { format!("o{count}") }
    }

    fn pin(&self, user: CK_USER_TYPE, pin: &[u8]) -> String {
        let name = names::name(names::CKU, user);
        if self.pins.iter().any(|known| known.0 == user && known.1 == pin) {
            return format!("pin_of_{name}, sizeof pin_of_{name} - 1");
        }
        format!("{:?}, {}", String::from_utf8_lossy(pin), pin.len())
    }
}

/// A call as it stands in a listing.
pub(crate) struct Listed<'a> {
    pub(crate) call: &'a Call,
    pub(crate) names: &'a Names,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Listed { call: self, names: &Names::default() }.fmt(f)
    }
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.call.function())?;
        if let Some(session) = self.call.session() {
            write!(f, "{}", self.names.of_session(session))?;
        }
        let arguments = self.arguments();
        if self.call.session().is_some() && !arguments.is_empty() {
            write!(f, ", ")?;
        }
        write!(f, "{arguments})")
    }
}

impl Listed<'_> {
    /// All but the session.
    fn arguments(&self) -> String {
        let listed = |template: &[Attribute]| listed(template, self.names);
        let object = |handle: &Object| self.names.of_object(*handle);
        let made = |after| format!("&{}", self.names.next(1, after));
        match self.call {
            Call::OpenSession(slot, flags) => {
                let access = if flags & CKF_RW_SESSION == 0 { "" } else { " | CKF_RW_SESSION" };
                let serial =
                    if flags & CKF_SERIAL_SESSION == 0 { "0" } else { "CKF_SERIAL_SESSION" };
                format!("{slot}, {serial}{access}, NULL, NULL, &{}", self.names.next(0, 1))
            }
            Call::CloseAllSessions(slot) => slot.to_string(),
            Call::SessionInfo(_) => "&info".to_owned(),
            Call::CloseSession(_) | Call::Logout(_) | Call::FindFinal(_) => String::new(),
            Call::Login(_, user, pin) => {
                format!("{}, {}", names::name(names::CKU, *user), self.names.pin(*user, pin))
            }
            Call::Create(_, template) => format!("{}, {}", listed(template), made(1)),
            Call::Copy(_, source, template) => {
                format!("{}, {}, {}", object(source), listed(template), made(1))
            }
            Call::Destroy(_, handle) => object(handle),
            Call::Attributes(_, handle, asked) => {
                let each: Vec<_> = asked.iter().map(|(kind, room)| wanted(*kind, *room)).collect();
                format!("{}, {{{}}}, {}", object(handle), each.join(", "), asked.len())
            }
            Call::SetAttributes(_, handle, template) => {
                format!("{}, {}", object(handle), listed(template))
            }
            Call::FindInit(_, wanted) => listed(wanted),
            Call::FindNext(_, most) => format!("found, {most}, &count"),
            Call::GenerateKey(_, mechanism, template) => {
                format!("{}, {}, {}", parameterised(mechanism), listed(template), made(1))
            }
            Call::GenerateKeyPair(_, mechanism, public, private) => {
                let (public, private) = (listed(public), listed(private));
                let mechanism = parameterised(mechanism);
                format!("{mechanism}, {public}, {private}, {}, {}", made(1), made(2))
            }
            Call::Init(Purpose::Digest, _, mechanism, _) => parameterised(mechanism),
            Call::Init(_, _, mechanism, key) => {
                format!("{}, {}", parameterised(mechanism), object(key))
            }
            Call::Single(_, _, input, room) | Call::Update(_, _, input, room) => {
                format!("{}, {}", fed(input), given(*room))
            }
            Call::Absorb(_, _, input) => fed(input),
            Call::Finish(_, _, room) => given(*room),
            Call::Verify(_, input, signature) => format!("{}, {}", fed(input), bytes(signature)),
            Call::VerifyFinal(_, signature) => bytes(signature),
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
        Input::Bytes(given) if given.is_empty() => "\"\", 0".to_owned(),
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

fn listed(template: &[Attribute], names: &Names) -> String {
    if template.is_empty() {
        return "NULL, 0".to_owned();
    }
    let each: Vec<_> = template.iter().map(|attribute| valued(attribute, names)).collect();
    format!("{{{}}}, {}", each.join(", "), template.len())
}

fn valued(attribute: &Attribute, spelled: &Names) -> String {
    let value = match (attribute.kind(), attribute.value().unwrap_or_default()) {
        (_, []) => "\"\"".to_owned(),
        (CKA_LABEL | CKA_APPLICATION, text) => spelled.text(text),
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
