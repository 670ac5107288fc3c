//! Calls as they are in C: the caller chooses the room for an answer and sees exactly what was left in it.
//!
//! The safe client decides about lengths and turns codes into errors; a checker of a module must not. Handles
//! are numbers that may be wrong, a buffer may be missing or short, and nothing is asked twice. Each buffer has
//! a guard behind it, so that a byte written too far is seen.

use std::ptr;

use luna_ck::*;

use super::Library;
use super::marshal::{Laid, Template, ulong};
use crate::{Attribute, AttributeType, Error, Mechanism, Result};

/// What is known to lie behind a buffer.
pub(super) const GUARD: [u8; 16] = [0xa5; 16];

/// What a buffer holds before the call.
const UNTOUCHED: u8 = 0xa5;

/// Where an answer may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Room {
    /// Nowhere: the pointer to the length is null too.
    NoLength,
    /// No buffer: a question for the length.
    Ask,
    /// So many bytes.
    Bytes(usize),
}

/// Bytes that go in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// These, behind a pointer that is not null.
    Bytes(Vec<u8>),
    /// A null pointer, said to have so many bytes.
    Null(usize),
}

impl Input {
    fn parts(&self) -> (CK_BYTE_PTR, CK_ULONG) {
        match self {
            Self::Bytes(bytes) => (bytes.as_ptr().cast_mut(), ulong(bytes.len())),
            Self::Null(len) => (ptr::null_mut(), ulong(*len)),
        }
    }
}

/// What a call left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The code.
    pub rv: CK_RV,
    /// The length as the call left it.
    pub len: CK_ULONG,
    /// The whole buffer, written or not.
    pub buffer: Vec<u8>,
    /// A byte behind the buffer was written.
    pub overrun: bool,
}

/// One attribute as `C_GetAttributeValue` left it; the code is that of the call.
pub type LeftAttribute = Left;

/// The five kinds of operation that have an Init.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// `C_Encrypt…`.
    Encrypt,
    /// `C_Decrypt…`.
    Decrypt,
    /// `C_Digest…`.
    Digest,
    /// `C_Sign…`.
    Sign,
    /// `C_Verify…`.
    Verify,
}

/// Calls one function of the table; evaluates to `Result<CK_RV>`.
macro_rules! rv {
    ($exact:expr, $name:ident($($argument:expr),* $(,)?)) => {
        match $exact.library.functions.list.$name {
            Some(function) => {
                super::watch::called(stringify!($name));
                // SAFETY: the table's types are the standard's. Each pointer among the arguments is null, or is
                // made here from a value that outlives the call and covers the length given with it; handles and
                // flags are numbers that the module checks.
                let rv = unsafe { function($(super::watch::argument($argument)),*) };
                super::watch::returned(rv);
                Ok(rv)
            }
            None => Err(Error::Missing { function: stringify!($name) }),
        }
    };
}

/// A function with input and output, or with output alone, by its purpose.
macro_rules! by_purpose {
    ($exact:expr, $purpose:expr, [$($case:ident => $name:ident),+], $arguments:tt) => {
        match $purpose {
            $(Purpose::$case => by_purpose!(@call $exact, $name, $arguments),)+
            #[allow(unreachable_patterns, reason = "some lists have them all")]
            _ => Err(Error::Refused { function: "C_…", what: "no such function for this operation" }),
        }
    };
    (@call $exact:expr, $name:ident, ($($argument:expr),*)) => { rv!($exact, $name($($argument),*)) };
}

/// The calls. `Err` only where nothing was called: the module lacks the function, or the mechanism or a
/// template would make it follow a pointer that is none.
#[derive(Clone, Copy, Debug)]
pub struct Exact<'a> {
    pub(super) library: &'a Library,
}

type Handle = CK_SESSION_HANDLE;

impl Exact<'_> {
    /// `C_OpenSession`: the code, and the handle where it is `CKR_OK`.
    pub fn open_session(self, slot: CK_SLOT_ID, flags: CK_FLAGS) -> Result<(CK_RV, Handle)> {
        let mut handle = 0;
        let rv = rv!(self, C_OpenSession(slot, flags, ptr::null_mut(), None, &raw mut handle))?;
        Ok((rv, handle))
    }

    /// `C_CloseSession`.
    pub fn close_session(self, session: Handle) -> Result<CK_RV> {
        rv!(self, C_CloseSession(session))
    }

    /// `C_CloseAllSessions`.
    pub fn close_all_sessions(self, slot: CK_SLOT_ID) -> Result<CK_RV> {
        rv!(self, C_CloseAllSessions(slot))
    }

    /// `C_GetSessionInfo`: slot, state and flags.
    pub fn session_info(self, session: Handle) -> Result<(CK_RV, CK_SESSION_INFO)> {
        let mut info = CK_SESSION_INFO { slotID: 0, state: 0, flags: 0, ulDeviceError: 0 };
        let rv = rv!(self, C_GetSessionInfo(session, &raw mut info))?;
        Ok((rv, info))
    }

    /// `C_Login`.
    pub fn login(self, session: Handle, user: CK_USER_TYPE, pin: &[u8]) -> Result<CK_RV> {
        rv!(self, C_Login(session, user, pin.as_ptr().cast_mut(), ulong(pin.len())))
    }

    /// `C_Logout`.
    pub fn logout(self, session: Handle) -> Result<CK_RV> {
        rv!(self, C_Logout(session))
    }

    /// `C_CreateObject`.
    pub fn create(self, session: Handle, template: &[Attribute]) -> Result<(CK_RV, Handle)> {
        let mut laid = Template::of("C_CreateObject", template)?;
        let mut handle = 0;
        let (at, count) = (laid.pointer(), laid.count());
        let rv = rv!(self, C_CreateObject(session, at, count, &raw mut handle))?;
        Ok((rv, handle))
    }

    /// `C_CopyObject`.
    pub fn copy(
        self,
        session: Handle,
        source: CK_OBJECT_HANDLE,
        template: &[Attribute],
    ) -> Result<(CK_RV, Handle)> {
        let mut laid = Template::of("C_CopyObject", template)?;
        let mut handle = 0;
        let (at, count) = (laid.pointer(), laid.count());
        let rv = rv!(self, C_CopyObject(session, source, at, count, &raw mut handle))?;
        Ok((rv, handle))
    }

    /// `C_DestroyObject`.
    pub fn destroy(self, session: Handle, object: CK_OBJECT_HANDLE) -> Result<CK_RV> {
        rv!(self, C_DestroyObject(session, object))
    }

    /// `C_SetAttributeValue`.
    pub fn set_attributes(
        self,
        session: Handle,
        object: CK_OBJECT_HANDLE,
        template: &[Attribute],
    ) -> Result<CK_RV> {
        let mut laid = Template::of("C_SetAttributeValue", template)?;
        let (at, count) = (laid.pointer(), laid.count());
        rv!(self, C_SetAttributeValue(session, object, at, count))
    }

    /// `C_GetAttributeValue`, each attribute with a buffer of its own or none. Types that hold a template have
    /// pointers inside their buffers and are refused.
    pub fn attributes(
        self,
        session: Handle,
        object: CK_OBJECT_HANDLE,
        asked: &[(AttributeType, Option<usize>)],
    ) -> Result<(CK_RV, Vec<LeftAttribute>)> {
        let function = "C_GetAttributeValue";
        if asked.iter().any(|(kind, _)| kind & CKF_ARRAY_ATTRIBUTE != 0) {
            let what = "an attribute that holds a template has pointers inside its buffer";
            return Err(Error::Refused { function, what });
        }
        let mut buffers: Vec<Vec<u8>> =
            asked.iter().map(|(_, room)| guarded(room.unwrap_or(0))).collect();
        let mut array: Vec<CK_ATTRIBUTE> = asked
            .iter()
            .zip(&mut buffers)
            .map(|((kind, room), buffer)| CK_ATTRIBUTE {
                type_: *kind,
                pValue: room.map_or(ptr::null_mut(), |_| buffer.as_mut_ptr().cast()),
                ulValueLen: ulong(room.unwrap_or(0)),
            })
            .collect();
        let count = ulong(array.len());
        let rv = rv!(self, C_GetAttributeValue(session, object, array.as_mut_ptr(), count))?;
        let left = array
            .iter()
            .zip(buffers)
            .map(|(attribute, buffer)| left(rv, attribute.ulValueLen, buffer));
        Ok((rv, left.collect()))
    }

    /// `C_FindObjectsInit`.
    pub fn find_init(self, session: Handle, wanted: &[Attribute]) -> Result<CK_RV> {
        let mut laid = Template::of("C_FindObjectsInit", wanted)?;
        let (at, count) = (laid.pointer(), laid.count());
        rv!(self, C_FindObjectsInit(session, at, count))
    }

    /// `C_FindObjects`: the handles, as many as the call says, at most `most`; and how many it says.
    pub fn find_next(
        self,
        session: Handle,
        most: usize,
    ) -> Result<(CK_RV, CK_ULONG, Vec<CK_OBJECT_HANDLE>)> {
        let mut found = vec![0; most.max(1)];
        let mut count = 0;
        let rv =
            rv!(self, C_FindObjects(session, found.as_mut_ptr(), ulong(most), &raw mut count))?;
        found.truncate(usize::try_from(count).unwrap_or(most).min(most));
        Ok((rv, count, found))
    }

    /// `C_FindObjectsFinal`.
    pub fn find_final(self, session: Handle) -> Result<CK_RV> {
        rv!(self, C_FindObjectsFinal(session))
    }

    /// `C_GenerateKey`.
    pub fn generate_key(
        self,
        session: Handle,
        mechanism: &Mechanism,
        template: &[Attribute],
    ) -> Result<(CK_RV, CK_OBJECT_HANDLE)> {
        let name = "C_GenerateKey";
        let (mut laid, mut template) = (Laid::of(name, mechanism)?, Template::of(name, template)?);
        let mut handle = 0;
        let (at, count) = (template.pointer(), template.count());
        let rv = rv!(self, C_GenerateKey(session, laid.pointer(), at, count, &raw mut handle))?;
        Ok((rv, handle))
    }

    /// `C_GenerateKeyPair`: public key first.
    pub fn generate_key_pair(
        self,
        session: Handle,
        mechanism: &Mechanism,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Result<(CK_RV, [CK_OBJECT_HANDLE; 2])> {
        let name = "C_GenerateKeyPair";
        let mut laid = Laid::of(name, mechanism)?;
        let (mut public, mut private) = (Template::of(name, public)?, Template::of(name, private)?);
        let (mut first, mut second) = (0, 0);
        let rv = rv!(
            self,
            C_GenerateKeyPair(
                session,
                laid.pointer(),
                public.pointer(),
                public.count(),
                private.pointer(),
                private.count(),
                &raw mut first,
                &raw mut second,
            )
        )?;
        Ok((rv, [first, second]))
    }

    /// `C_EncryptInit` and its kin. A digest has no key.
    pub fn init(
        self,
        purpose: Purpose,
        session: Handle,
        mechanism: &Mechanism,
        key: CK_OBJECT_HANDLE,
    ) -> Result<CK_RV> {
        let mut laid = Laid::of("C_…Init", mechanism)?;
        if purpose == Purpose::Digest {
            return rv!(self, C_DigestInit(session, laid.pointer()));
        }
        by_purpose!(
            self,
            purpose,
            [Encrypt => C_EncryptInit, Decrypt => C_DecryptInit, Sign => C_SignInit, Verify => C_VerifyInit],
            (session, laid.pointer(), key)
        )
    }

    /// `C_Encrypt`, `C_Decrypt`, `C_Digest`, `C_Sign`.
    pub fn single(
        self,
        purpose: Purpose,
        session: Handle,
        input: &Input,
        room: Room,
    ) -> Result<Left> {
        let (at, len) = input.parts();
        give(room, |out, out_len| {
            by_purpose!(
                self,
                purpose,
                [Encrypt => C_Encrypt, Decrypt => C_Decrypt, Digest => C_Digest, Sign => C_Sign],
                (session, at, len, out, out_len)
            )
        })
    }

    /// `C_EncryptUpdate`, `C_DecryptUpdate`.
    pub fn update(
        self,
        purpose: Purpose,
        session: Handle,
        input: &Input,
        room: Room,
    ) -> Result<Left> {
        let (at, len) = input.parts();
        give(room, |out, out_len| {
            by_purpose!(
                self,
                purpose,
                [Encrypt => C_EncryptUpdate, Decrypt => C_DecryptUpdate],
                (session, at, len, out, out_len)
            )
        })
    }

    /// `C_DigestUpdate`, `C_SignUpdate`, `C_VerifyUpdate`.
    pub fn absorb(self, purpose: Purpose, session: Handle, input: &Input) -> Result<CK_RV> {
        let (at, len) = input.parts();
        by_purpose!(
            self,
            purpose,
            [Digest => C_DigestUpdate, Sign => C_SignUpdate, Verify => C_VerifyUpdate],
            (session, at, len)
        )
    }

    /// `C_EncryptFinal`, `C_DecryptFinal`, `C_DigestFinal`, `C_SignFinal`.
    pub fn finish(self, purpose: Purpose, session: Handle, room: Room) -> Result<Left> {
        give(room, |out, out_len| {
            by_purpose!(
                self,
                purpose,
                [Encrypt => C_EncryptFinal, Decrypt => C_DecryptFinal, Digest => C_DigestFinal, Sign => C_SignFinal],
                (session, out, out_len)
            )
        })
    }

    /// `C_Verify`.
    pub fn verify(self, session: Handle, input: &Input, signature: &[u8]) -> Result<CK_RV> {
        let (at, len) = input.parts();
        let (signature, signature_len) = (signature.as_ptr().cast_mut(), ulong(signature.len()));
        rv!(self, C_Verify(session, at, len, signature, signature_len))
    }

    /// `C_VerifyFinal`.
    pub fn verify_final(self, session: Handle, signature: &[u8]) -> Result<CK_RV> {
        let (at, len) = (signature.as_ptr().cast_mut(), ulong(signature.len()));
        rv!(self, C_VerifyFinal(session, at, len))
    }
}

pub(super) fn guarded(room: usize) -> Vec<u8> {
    let mut buffer = vec![UNTOUCHED; room];
    buffer.extend(GUARD);
    buffer
}

pub(super) fn left(rv: CK_RV, len: CK_ULONG, mut buffer: Vec<u8>) -> Left {
    let overrun = !buffer.ends_with(&GUARD);
    buffer.truncate(buffer.len().saturating_sub(GUARD.len()));
    Left { rv, len, buffer, overrun }
}

/// Runs a call that answers with bytes in this room.
fn give(room: Room, call: impl FnOnce(CK_BYTE_PTR, CK_ULONG_PTR) -> Result<CK_RV>) -> Result<Left> {
    let bytes = if let Room::Bytes(bytes) = room { bytes } else { 0 };
    let mut len = ulong(bytes);
    let mut buffer = guarded(bytes);
    let rv = match room {
        Room::NoLength => call(buffer.as_mut_ptr(), ptr::null_mut()),
        Room::Ask => call(ptr::null_mut(), &raw mut len),
        Room::Bytes(_) => call(buffer.as_mut_ptr(), &raw mut len),
    }?;
    Ok(left(rv, len, buffer))
}
