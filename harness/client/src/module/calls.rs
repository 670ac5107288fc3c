//! The standard's functions, one method each: slices in, owned values out.

use std::ffi::CStr;
use std::ptr;

use luna_ck::*;

use super::Library;
use super::marshal::{Laid, Template, input, ulong};
use crate::{Attribute, AttributeType, Error, Mechanism, MechanismType, Result, Rv};

/// No answer is longer than this; a module that says otherwise is not believed.
const LONGEST_ANSWER: usize = 1 << 30;

/// Object handles asked for in one `C_FindObjects`.
const FOUND_AT_ONCE: usize = 256;

/// How often a list that grew between the question for its length and the answer is asked for again.
const LIST_ATTEMPTS: usize = 8;

/// Room given to an update beyond the bytes that go in: what a block cipher may have kept back.
const KEPT_BACK: usize = 64;

pub(super) fn answer(function: &'static str, rv: CK_RV) -> Result<()> {
    if rv == CKR_OK { Ok(()) } else { Err(Error::Call { function, rv: Rv(rv) }) }
}

/// Calls one function of the table; evaluates to `Result<CK_RV>`.
macro_rules! rv {
    ($library:expr, $name:ident($($argument:expr),* $(,)?)) => {
        match $library.functions.list.$name {
            Some(function) => {
                super::watch::called(stringify!($name));
                // SAFETY: the table's types are the standard's. Each pointer among the arguments is null where
                // that is allowed, or is made here from a borrow that outlives the call and covers the length
                // given with it; handles and flags are numbers that the module checks.
                let rv = unsafe { function($(super::watch::argument($argument)),*) };
                super::watch::returned(rv);
                Ok(rv)
            }
            None => Err(Error::Missing { function: stringify!($name) }),
        }
    };
}

/// Calls one function of the table; `Ok` when it answers `CKR_OK`.
macro_rules! call {
    ($library:expr, $name:ident($($argument:expr),* $(,)?)) => {
        rv!($library, $name($($argument),*)).and_then(|rv| answer(stringify!($name), rv))
    };
}

/// How the room for an answer is found.
#[derive(Clone, Copy)]
enum Room {
    /// Ask for the length first.
    Asked,
    /// Offer this much first.
    Offered(usize),
}

/// Runs a function that returns variable-length output: `invoke(buffer, length)`.
///
/// A buffer that turns out too short is tried once more with the length the module then gave.
fn output(
    function: &'static str,
    room: Room,
    mut invoke: impl FnMut(*mut CK_BYTE, *mut CK_ULONG) -> Result<CK_RV>,
) -> Result<Vec<u8>> {
    let mut wanted = match room {
        Room::Offered(len) => len,
        Room::Asked => {
            let mut len = 0;
            answer(function, invoke(ptr::null_mut(), &raw mut len)?)?;
            believable(function, len)?
        }
    };
    let mut again = true;
    loop {
        // Never a pointer to nothing: a null would make this a question for the length.
        let mut buffer = vec![0; wanted.max(1)];
        let mut len = ulong(wanted);
        let rv = invoke(buffer.as_mut_ptr(), &raw mut len)?;
        let len =
            if rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL { believable(function, len)? } else { 0 };
        if rv == CKR_BUFFER_TOO_SMALL && again && len > wanted {
            (wanted, again) = (len, false);
            continue;
        }
        answer(function, rv)?;
        if len > wanted {
            return Err(Error::Malformed { function, what: "more bytes than there was room for" });
        }
        buffer.truncate(len);
        return Ok(buffer);
    }
}

fn believable(function: &'static str, len: CK_ULONG) -> Result<usize> {
    usize::try_from(len)
        .ok()
        .filter(|len| *len <= LONGEST_ANSWER)
        .ok_or(Error::Malformed { function, what: "with a length no memory holds" })
}

/// Runs a function that fills a list: `invoke(list, count)`, first for the count.
fn list<T: Copy + Default>(
    function: &'static str,
    mut invoke: impl FnMut(*mut T, *mut CK_ULONG) -> Result<CK_RV>,
) -> Result<Vec<T>> {
    for _ in 0..LIST_ATTEMPTS {
        let mut count = 0;
        answer(function, invoke(ptr::null_mut(), &raw mut count)?)?;
        let room = believable(function, count)?;
        if room == 0 {
            return Ok(Vec::new());
        }
        let mut filled = vec![T::default(); room];
        let rv = invoke(filled.as_mut_ptr(), &raw mut count)?;
        // A slot may come between the two calls.
        if rv == CKR_BUFFER_TOO_SMALL && believable(function, count)? > room {
            continue;
        }
        answer(function, rv)?;
        let count = believable(function, count)?;
        if count > room {
            return Err(Error::Malformed {
                function,
                what: "more entries than there was room for",
            });
        }
        filled.truncate(count);
        return Ok(filled);
    }
    Err(Error::Malformed { function, what: "never with as many entries as it had announced" })
}

/// Life of the library, slots and tokens.
impl Library {
    /// `C_Initialize` with a null pointer.
    pub(crate) fn initialize_plain(&self) -> Result<()> {
        call!(self, C_Initialize(ptr::null_mut()))
    }

    /// `C_Initialize` with flags and, in `pReserved`, a string.
    pub(crate) fn initialize_with(&self, flags: CK_FLAGS, reserved: Option<&CStr>) -> Result<()> {
        let reserved = reserved.map_or(ptr::null_mut(), |text| text.as_ptr().cast_mut().cast());
        let mut arguments = CK_C_INITIALIZE_ARGS {
            CreateMutex: None,
            DestroyMutex: None,
            LockMutex: None,
            UnlockMutex: None,
            flags,
            pReserved: reserved,
        };
        call!(self, C_Initialize((&raw mut arguments).cast()))
    }

    pub(crate) fn finalize(&self) -> Result<()> {
        call!(self, C_Finalize(ptr::null_mut()))
    }

    pub(crate) fn info(&self) -> Result<CK_INFO> {
        let mut info = CK_INFO::default();
        call!(self, C_GetInfo(&raw mut info))?;
        Ok(info)
    }

    pub(crate) fn slots(&self, token_present: bool) -> Result<Vec<CK_SLOT_ID>> {
        let present = if token_present { CK_TRUE } else { CK_FALSE };
        list("C_GetSlotList", |slots, count| rv!(self, C_GetSlotList(present, slots, count)))
    }

    pub(crate) fn slot_info(&self, slot: CK_SLOT_ID) -> Result<CK_SLOT_INFO> {
        // SAFETY: numbers and byte arrays only; all zeroes is a value of each.
        let mut info: CK_SLOT_INFO = unsafe { std::mem::zeroed() };
        call!(self, C_GetSlotInfo(slot, &raw mut info))?;
        Ok(info)
    }

    pub(crate) fn token_info(&self, slot: CK_SLOT_ID) -> Result<CK_TOKEN_INFO> {
        // SAFETY: numbers and byte arrays only; all zeroes is a value of each.
        let mut info: CK_TOKEN_INFO = unsafe { std::mem::zeroed() };
        call!(self, C_GetTokenInfo(slot, &raw mut info))?;
        Ok(info)
    }

    pub(crate) fn mechanisms(&self, slot: CK_SLOT_ID) -> Result<Vec<MechanismType>> {
        list("C_GetMechanismList", |types, count| rv!(self, C_GetMechanismList(slot, types, count)))
    }

    pub(crate) fn mechanism_info(
        &self,
        slot: CK_SLOT_ID,
        mechanism: MechanismType,
    ) -> Result<CK_MECHANISM_INFO> {
        let mut info = CK_MECHANISM_INFO { ulMinKeySize: 0, ulMaxKeySize: 0, flags: 0 };
        call!(self, C_GetMechanismInfo(slot, mechanism, &raw mut info))?;
        Ok(info)
    }

    /// `label` is the field itself, blank padded to 32 bytes.
    pub(crate) fn init_token(
        &self,
        slot: CK_SLOT_ID,
        pin: Option<&[u8]>,
        label: &[u8; 32],
    ) -> Result<()> {
        let (pin, pin_len) = secret(pin);
        call!(self, C_InitToken(slot, pin, pin_len, label.as_ptr().cast_mut()))
    }
}

/// A secret as pointer and length; `None` is a null pointer, as for a protected path.
fn secret(pin: Option<&[u8]>) -> (*mut CK_BYTE, CK_ULONG) {
    match pin {
        None => (ptr::null_mut(), 0),
        // An empty secret is not the absence of one, so its pointer is not null.
        Some(pin) => (pin.as_ptr().cast_mut(), ulong(pin.len())),
    }
}

/// Sessions, logins and objects.
impl Library {
    pub(crate) fn open_session(
        &self,
        slot: CK_SLOT_ID,
        flags: CK_FLAGS,
    ) -> Result<CK_SESSION_HANDLE> {
        let mut session = 0;
        call!(self, C_OpenSession(slot, flags, ptr::null_mut(), None, &raw mut session))?;
        Ok(session)
    }

    pub(crate) fn close_session(&self, session: CK_SESSION_HANDLE) -> Result<()> {
        call!(self, C_CloseSession(session))
    }

    pub(crate) fn close_all_sessions(&self, slot: CK_SLOT_ID) -> Result<()> {
        call!(self, C_CloseAllSessions(slot))
    }

    pub(crate) fn session_info(&self, session: CK_SESSION_HANDLE) -> Result<CK_SESSION_INFO> {
        let mut info = CK_SESSION_INFO { slotID: 0, state: 0, flags: 0, ulDeviceError: 0 };
        call!(self, C_GetSessionInfo(session, &raw mut info))?;
        Ok(info)
    }

    pub(crate) fn operation_state(&self, session: CK_SESSION_HANDLE) -> Result<Vec<u8>> {
        output("C_GetOperationState", Room::Asked, |state, len| {
            rv!(self, C_GetOperationState(session, state, len))
        })
    }

    pub(crate) fn set_operation_state(
        &self,
        session: CK_SESSION_HANDLE,
        state: &[u8],
        keys: [CK_OBJECT_HANDLE; 2],
    ) -> Result<()> {
        let [encryption, authentication] = keys;
        let (at, len) = (state.as_ptr().cast_mut(), ulong(state.len()));
        call!(self, C_SetOperationState(session, at, len, encryption, authentication))
    }

    pub(crate) fn login(
        &self,
        session: CK_SESSION_HANDLE,
        user: CK_USER_TYPE,
        pin: Option<&[u8]>,
    ) -> Result<()> {
        let (pin, pin_len) = secret(pin);
        call!(self, C_Login(session, user, pin, pin_len))
    }

    pub(crate) fn logout(&self, session: CK_SESSION_HANDLE) -> Result<()> {
        call!(self, C_Logout(session))
    }

    pub(crate) fn init_pin(&self, session: CK_SESSION_HANDLE, pin: Option<&[u8]>) -> Result<()> {
        let (pin, pin_len) = secret(pin);
        call!(self, C_InitPIN(session, pin, pin_len))
    }

    pub(crate) fn set_pin(
        &self,
        session: CK_SESSION_HANDLE,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<()> {
        let ((old, old_len), (new, new_len)) = (secret(old), secret(new));
        call!(self, C_SetPIN(session, old, old_len, new, new_len))
    }

    pub(crate) fn create_object(
        &self,
        session: CK_SESSION_HANDLE,
        template: &[Attribute],
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut template = Template::of("C_CreateObject", template)?;
        let mut object = 0;
        let count = template.count();
        call!(self, C_CreateObject(session, template.pointer(), count, &raw mut object))?;
        Ok(object)
    }

    pub(crate) fn copy_object(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        template: &[Attribute],
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut template = Template::of("C_CopyObject", template)?;
        let mut copy = 0;
        let count = template.count();
        call!(self, C_CopyObject(session, object, template.pointer(), count, &raw mut copy))?;
        Ok(copy)
    }

    pub(crate) fn destroy_object(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
    ) -> Result<()> {
        call!(self, C_DestroyObject(session, object))
    }

    pub(crate) fn object_size(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
    ) -> Result<CK_ULONG> {
        let mut size = 0;
        call!(self, C_GetObjectSize(session, object, &raw mut size))?;
        Ok(size)
    }

    /// `None` for an attribute the object does not have or does not tell.
    pub(crate) fn attributes(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        kinds: &[AttributeType],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let function = "C_GetAttributeValue";
        let mut asked: Vec<CK_ATTRIBUTE> = kinds
            .iter()
            .map(|kind| CK_ATTRIBUTE { type_: *kind, pValue: ptr::null_mut(), ulValueLen: 0 })
            .collect();
        let count = ulong(asked.len());
        let rv = rv!(self, C_GetAttributeValue(session, object, asked.as_mut_ptr(), count))?;
        answered(function, rv)?;
        let mut values = Vec::with_capacity(asked.len());
        for attribute in &mut asked {
            if attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION {
                values.push(None);
            } else {
                let mut value = vec![0; believable(function, attribute.ulValueLen)?];
                attribute.pValue =
                    if value.is_empty() { ptr::null_mut() } else { value.as_mut_ptr().cast() };
                values.push(Some(value));
            }
        }
        let mut second: Vec<CK_ATTRIBUTE> =
            asked.iter().filter(|attribute| !attribute.pValue.is_null()).copied().collect();
        if second.is_empty() {
            return Ok(values);
        }
        let count = ulong(second.len());
        let rv = rv!(self, C_GetAttributeValue(session, object, second.as_mut_ptr(), count))?;
        answered(function, rv)?;
        let mut filled = second.iter();
        for value in values.iter_mut().filter(|value| value.as_ref().is_some_and(|v| !v.is_empty()))
        {
            let len = filled.next().map_or(CK_UNAVAILABLE_INFORMATION, |filled| filled.ulValueLen);
            if len == CK_UNAVAILABLE_INFORMATION {
                *value = None;
            } else if let Some(value) = value {
                let len = believable(function, len)?;
                if len > value.len() {
                    let what = "an attribute longer than its room";
                    return Err(Error::Malformed { function, what });
                }
                value.truncate(len);
            }
        }
        Ok(values)
    }

    pub(crate) fn set_attributes(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        template: &[Attribute],
    ) -> Result<()> {
        let mut template = Template::of("C_SetAttributeValue", template)?;
        let count = template.count();
        call!(self, C_SetAttributeValue(session, object, template.pointer(), count))
    }

    /// All objects that match, by as many `C_FindObjects` as it takes; the search is ended in any case.
    pub(crate) fn find(
        &self,
        session: CK_SESSION_HANDLE,
        template: &[Attribute],
    ) -> Result<Vec<CK_OBJECT_HANDLE>> {
        let mut template = Template::of("C_FindObjectsInit", template)?;
        let count = template.count();
        call!(self, C_FindObjectsInit(session, template.pointer(), count))?;
        let found = self.found(session);
        let ended = call!(self, C_FindObjectsFinal(session));
        let found = found?;
        ended.map(|()| found)
    }

    fn found(&self, session: CK_SESSION_HANDLE) -> Result<Vec<CK_OBJECT_HANDLE>> {
        let mut all = Vec::new();
        let mut batch = vec![0; FOUND_AT_ONCE];
        loop {
            let mut count = 0;
            let room = ulong(batch.len());
            call!(self, C_FindObjects(session, batch.as_mut_ptr(), room, &raw mut count))?;
            if count == 0 {
                return Ok(all);
            }
            let function = "C_FindObjects";
            let filled = usize::try_from(count).ok().and_then(|count| batch.get(..count));
            let what = "more handles than there was room for";
            all.extend_from_slice(filled.ok_or(Error::Malformed { function, what })?);
        }
    }
}

/// An attribute query is answered also when some attributes were not to be had.
fn answered(function: &'static str, rv: CK_RV) -> Result<()> {
    match rv {
        CKR_ATTRIBUTE_SENSITIVE | CKR_ATTRIBUTE_TYPE_INVALID => Ok(()),
        rv => answer(function, rv),
    }
}

/// Starts of operations: `C_…Init(session, mechanism, key)`.
macro_rules! starts {
    ($($method:ident: $name:ident),+ $(,)?) => {
        impl Library {
            $(pub(crate) fn $method(
                &self,
                session: CK_SESSION_HANDLE,
                mechanism: &Mechanism,
                key: CK_OBJECT_HANDLE,
            ) -> Result<()> {
                let mut mechanism = Laid::of(stringify!($name), mechanism)?;
                call!(self, $name(session, mechanism.pointer(), key))
            })+
        }
    };
}

starts! {
    encrypt_init: C_EncryptInit,
    decrypt_init: C_DecryptInit,
    sign_init: C_SignInit,
    verify_init: C_VerifyInit,
}

/// Single parts: bytes in, bytes out.
macro_rules! single_parts {
    ($($method:ident: $name:ident),+ $(,)?) => {
        impl Library {
            $(pub(crate) fn $method(&self, session: CK_SESSION_HANDLE, data: &[u8]) -> Result<Vec<u8>> {
                output(stringify!($name), Room::Asked, |out, len| {
                    rv!(self, $name(session, input(data), ulong(data.len()), out, len))
                })
            })+
        }
    };
}

single_parts! {
    encrypt: C_Encrypt,
    decrypt: C_Decrypt,
    sign: C_Sign,
    digest: C_Digest,
}

/// Parts of a cipher: bytes in, bytes out.
macro_rules! cipher_parts {
    ($($method:ident: $name:ident),+ $(,)?) => {
        impl Library {
            $(pub(crate) fn $method(&self, session: CK_SESSION_HANDLE, part: &[u8]) -> Result<Vec<u8>> {
                output(stringify!($name), Room::Offered(part.len() + KEPT_BACK), |out, len| {
                    rv!(self, $name(session, input(part), ulong(part.len()), out, len))
                })
            })+
        }
    };
}

cipher_parts! {
    encrypt_update: C_EncryptUpdate,
    decrypt_update: C_DecryptUpdate,
}

/// Parts that only go in.
macro_rules! fed_parts {
    ($($method:ident: $name:ident),+ $(,)?) => {
        impl Library {
            $(pub(crate) fn $method(&self, session: CK_SESSION_HANDLE, part: &[u8]) -> Result<()> {
                call!(self, $name(session, input(part), ulong(part.len())))
            })+
        }
    };
}

fed_parts! {
    digest_update: C_DigestUpdate,
    sign_update: C_SignUpdate,
    verify_update: C_VerifyUpdate,
    verify_final: C_VerifyFinal,
    seed_random: C_SeedRandom,
}

/// Ends: nothing in, bytes out.
macro_rules! ends {
    ($($method:ident: $name:ident),+ $(,)?) => {
        impl Library {
            $(pub(crate) fn $method(&self, session: CK_SESSION_HANDLE) -> Result<Vec<u8>> {
                output(stringify!($name), Room::Asked, |out, len| rv!(self, $name(session, out, len)))
            })+
        }
    };
}

ends! {
    encrypt_final: C_EncryptFinal,
    decrypt_final: C_DecryptFinal,
    digest_final: C_DigestFinal,
    sign_final: C_SignFinal,
}

/// Digests, verification, keys, randomness.
impl Library {
    pub(crate) fn digest_init(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Mechanism,
    ) -> Result<()> {
        let mut mechanism = Laid::of("C_DigestInit", mechanism)?;
        call!(self, C_DigestInit(session, mechanism.pointer()))
    }

    pub(crate) fn digest_key(
        &self,
        session: CK_SESSION_HANDLE,
        key: CK_OBJECT_HANDLE,
    ) -> Result<()> {
        call!(self, C_DigestKey(session, key))
    }

    pub(crate) fn verify(
        &self,
        session: CK_SESSION_HANDLE,
        data: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        let (data_len, signature_len) = (ulong(data.len()), ulong(signature.len()));
        call!(self, C_Verify(session, input(data), data_len, input(signature), signature_len))
    }

    pub(crate) fn generate_key(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Mechanism,
        template: &[Attribute],
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut mechanism = Laid::of("C_GenerateKey", mechanism)?;
        let mut template = Template::of("C_GenerateKey", template)?;
        let mut key = 0;
        let count = template.count();
        call!(
            self,
            C_GenerateKey(session, mechanism.pointer(), template.pointer(), count, &raw mut key)
        )?;
        Ok(key)
    }

    /// Public key, private key.
    pub(crate) fn generate_key_pair(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Mechanism,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Result<(CK_OBJECT_HANDLE, CK_OBJECT_HANDLE)> {
        let mut mechanism = Laid::of("C_GenerateKeyPair", mechanism)?;
        let mut public = Template::of("C_GenerateKeyPair", public)?;
        let mut private = Template::of("C_GenerateKeyPair", private)?;
        let (public_count, private_count) = (public.count(), private.count());
        let (mut public_key, mut private_key) = (0, 0);
        call!(
            self,
            C_GenerateKeyPair(
                session,
                mechanism.pointer(),
                public.pointer(),
                public_count,
                private.pointer(),
                private_count,
                &raw mut public_key,
                &raw mut private_key,
            )
        )?;
        Ok((public_key, private_key))
    }

    pub(crate) fn wrap_key(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Mechanism,
        wrapping_key: CK_OBJECT_HANDLE,
        key: CK_OBJECT_HANDLE,
    ) -> Result<Vec<u8>> {
        let mut mechanism = Laid::of("C_WrapKey", mechanism)?;
        output("C_WrapKey", Room::Asked, |out, len| {
            rv!(self, C_WrapKey(session, mechanism.pointer(), wrapping_key, key, out, len))
        })
    }

    pub(crate) fn unwrap_key(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Mechanism,
        unwrapping_key: CK_OBJECT_HANDLE,
        wrapped: &[u8],
        template: &[Attribute],
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut mechanism = Laid::of("C_UnwrapKey", mechanism)?;
        let mut template = Template::of("C_UnwrapKey", template)?;
        let (mut key, count) = (0, template.count());
        call!(
            self,
            C_UnwrapKey(
                session,
                mechanism.pointer(),
                unwrapping_key,
                input(wrapped),
                ulong(wrapped.len()),
                template.pointer(),
                count,
                &raw mut key,
            )
        )?;
        Ok(key)
    }

    pub(crate) fn derive_key(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Mechanism,
        base: CK_OBJECT_HANDLE,
        template: &[Attribute],
    ) -> Result<CK_OBJECT_HANDLE> {
        let mut mechanism = Laid::of("C_DeriveKey", mechanism)?;
        let mut template = Template::of("C_DeriveKey", template)?;
        let (mut key, count) = (0, template.count());
        call!(
            self,
            C_DeriveKey(
                session,
                mechanism.pointer(),
                base,
                template.pointer(),
                count,
                &raw mut key
            )
        )?;
        Ok(key)
    }

    pub(crate) fn random(&self, session: CK_SESSION_HANDLE, bytes: &mut [u8]) -> Result<()> {
        let len = ulong(bytes.len());
        call!(self, C_GenerateRandom(session, bytes.as_mut_ptr(), len))
    }
}
