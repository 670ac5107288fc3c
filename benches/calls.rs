//! The module's functions as an application in C calls them: no allocation, no copy, no lock on this side.
//!
//! `luna-client` owns what it hands over, which costs as much as the shortest calls themselves; here the caller's
//! buffers go to the module as they are. A call that fails ends the run.
//!
//! Source: PKCS#11 v2.40.

#![allow(unsafe_code, reason = "the C boundary, measured without a wrapper around it")]

use std::marker::PhantomData;
use std::ptr;

use luna_client::Module;
use luna_client::ck::*;

/// The functions of a module that stays loaded as long as this.
pub struct Calls {
    list: CK_FUNCTION_LIST,
    _module: Module,
}

/// A mechanism laid out as the module reads it.
pub struct Laid<'a> {
    mechanism: CK_MECHANISM,
    _parameter: Parameter,
    _borrowed: PhantomData<&'a [u8]>,
}

/// On the heap, so that the mechanism that points to it may be moved.
type Parameter = Option<Box<CK_GCM_PARAMS>>;

impl<'a> Laid<'a> {
    /// Without a parameter.
    pub fn plain(kind: CK_MECHANISM_TYPE) -> Self {
        Self::with(kind, ptr::null_mut(), 0, None)
    }

    /// `CKM_AES_GCM` with a tag of 16 bytes.
    pub fn gcm(iv: &'a [u8; 12]) -> Self {
        let mut parameter = Box::new(CK_GCM_PARAMS {
            pIv: iv.as_ptr().cast_mut(),
            ulIvLen: ulong(iv.len()),
            ulIvBits: ulong(iv.len() * 8),
            pAAD: ptr::null_mut(),
            ulAADLen: 0,
            ulTagBits: 128,
        });
        let place = (&raw mut *parameter).cast();
        Self::with(CKM_AES_GCM, place, size_of::<CK_GCM_PARAMS>(), Some(parameter))
    }

    /// `CKM_AES_CBC_PAD`.
    pub fn cbc_pad(iv: &'a [u8; 16]) -> Self {
        Self::with(CKM_AES_CBC_PAD, iv.as_ptr().cast_mut().cast(), iv.len(), None)
    }

    fn with(kind: CK_MECHANISM_TYPE, place: CK_VOID_PTR, len: usize, held: Parameter) -> Self {
        let mechanism =
            CK_MECHANISM { mechanism: kind, pParameter: place, ulParameterLen: ulong(len) };
        Self { mechanism, _parameter: held, _borrowed: PhantomData }
    }

    fn pointer(&self) -> *mut CK_MECHANISM {
        ptr::from_ref(&self.mechanism).cast_mut()
    }
}

/// A template laid out as the module reads it.
pub struct Template<'a> {
    array: Vec<CK_ATTRIBUTE>,
    _borrowed: PhantomData<&'a [u8]>,
}

impl<'a> Template<'a> {
    /// Types and values that the module reads.
    pub fn of(attributes: &[(CK_ATTRIBUTE_TYPE, &'a [u8])]) -> Self {
        let array = attributes.iter().map(|(kind, value)| CK_ATTRIBUTE {
            type_: *kind,
            pValue: value.as_ptr().cast_mut().cast(),
            ulValueLen: ulong(value.len()),
        });
        Self { array: array.collect(), _borrowed: PhantomData }
    }

    fn pointer(&self) -> *mut CK_ATTRIBUTE {
        self.array.as_ptr().cast_mut()
    }
}

/// Room for the values of some attributes, to be asked for again and again.
pub struct Asked {
    array: Vec<CK_ATTRIBUTE>,
    values: Vec<[u8; Self::ROOM]>,
}

impl Asked {
    /// Bytes each value may have.
    const ROOM: usize = 64;

    /// Room for these.
    pub fn room(kinds: &[CK_ATTRIBUTE_TYPE]) -> Self {
        let array = kinds.iter().map(|kind| CK_ATTRIBUTE {
            type_: *kind,
            pValue: ptr::null_mut(),
            ulValueLen: 0,
        });
        Self { array: array.collect(), values: vec![[0; Self::ROOM]; kinds.len()] }
    }
}

/// A length on its way to the module: `usize` is no wider than `CK_ULONG` on Linux.
fn ulong(len: usize) -> CK_ULONG {
    len as CK_ULONG
}

#[cold]
#[allow(clippy::panic, reason = "a call that fails has no cost worth measuring")]
fn failed(function: &str, rv: CK_RV) -> ! {
    panic!("{function}: {} ({rv:#x})", names::ckr(rv))
}

/// Calls one function of the table and ends the run unless it answers `CKR_OK`.
macro_rules! call {
    ($calls:expr, $name:ident($($argument:expr),* $(,)?)) => {
        match $calls.list.$name {
            Some(function) => {
                // SAFETY: the table is the standard's and its library stays loaded while `Calls` lives. Each pointer
                // is null where that is allowed, or made from a borrow that outlives the call and covers the length
                // given with it; what is lent by a shared borrow the standard lets the module only read. Handles
                // and flags are numbers that the module checks.
                let rv = unsafe { function($($argument),*) };
                if rv != CKR_OK {
                    failed(stringify!($name), rv)
                }
            }
            None => failed(stringify!($name), CKR_FUNCTION_NOT_SUPPORTED),
        }
    };
}

impl Calls {
    /// The functions of a module.
    pub fn of(module: Module) -> Self {
        Self { list: module.raw().functions().list, _module: module }
    }

    /// `C_GetSessionInfo`.
    pub fn session_info(&self, session: CK_SESSION_HANDLE) -> CK_SESSION_INFO {
        let mut info = CK_SESSION_INFO::default();
        call!(self, C_GetSessionInfo(session, &raw mut info));
        info
    }

    /// `C_OpenSession`, read-write.
    pub fn open(&self, slot: CK_SLOT_ID) -> CK_SESSION_HANDLE {
        let mut session = 0;
        let flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
        call!(self, C_OpenSession(slot, flags, ptr::null_mut(), None, &raw mut session));
        session
    }

    /// `C_CloseSession`.
    pub fn close(&self, session: CK_SESSION_HANDLE) {
        call!(self, C_CloseSession(session));
    }

    /// `C_Login` as the Crypto Officer.
    pub fn login(&self, session: CK_SESSION_HANDLE, pin: &[u8]) {
        let (place, len) = (pin.as_ptr().cast_mut(), ulong(pin.len()));
        call!(self, C_Login(session, CKU_CRYPTO_OFFICER, place, len));
    }

    /// `C_GenerateRandom`.
    pub fn random(&self, session: CK_SESSION_HANDLE, out: &mut [u8]) {
        call!(self, C_GenerateRandom(session, out.as_mut_ptr(), ulong(out.len())));
    }

    /// `C_DigestInit` and `C_Digest`; the length of the digest.
    pub fn digest(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Laid<'_>,
        data: &[u8],
        out: &mut [u8],
    ) -> CK_ULONG {
        let mut len = ulong(out.len());
        let input = data.as_ptr().cast_mut();
        call!(self, C_DigestInit(session, mechanism.pointer()));
        call!(self, C_Digest(session, input, ulong(data.len()), out.as_mut_ptr(), &raw mut len));
        len
    }

    /// `C_EncryptInit` and `C_Encrypt`; the length of the ciphertext.
    pub fn encrypt(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Laid<'_>,
        key: CK_OBJECT_HANDLE,
        data: &[u8],
        out: &mut [u8],
    ) -> CK_ULONG {
        let mut len = ulong(out.len());
        let input = data.as_ptr().cast_mut();
        call!(self, C_EncryptInit(session, mechanism.pointer(), key));
        call!(self, C_Encrypt(session, input, ulong(data.len()), out.as_mut_ptr(), &raw mut len));
        len
    }

    /// `C_SignInit` and `C_Sign`; the length of the signature.
    pub fn sign(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Laid<'_>,
        key: CK_OBJECT_HANDLE,
        data: &[u8],
        out: &mut [u8],
    ) -> CK_ULONG {
        let mut len = ulong(out.len());
        let input = data.as_ptr().cast_mut();
        call!(self, C_SignInit(session, mechanism.pointer(), key));
        call!(self, C_Sign(session, input, ulong(data.len()), out.as_mut_ptr(), &raw mut len));
        len
    }

    /// `C_VerifyInit` and `C_Verify` of a signature that is right.
    pub fn verify(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Laid<'_>,
        key: CK_OBJECT_HANDLE,
        data: &[u8],
        signature: &[u8],
    ) {
        let (input, signed) = (data.as_ptr().cast_mut(), signature.as_ptr().cast_mut());
        call!(self, C_VerifyInit(session, mechanism.pointer(), key));
        call!(self, C_Verify(session, input, ulong(data.len()), signed, ulong(signature.len())));
    }

    /// `C_GenerateKey`.
    pub fn generate_key(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &Laid<'_>,
        template: &Template<'_>,
    ) -> CK_OBJECT_HANDLE {
        let mut key = 0;
        let count = ulong(template.array.len());
        let (mechanism, template) = (mechanism.pointer(), template.pointer());
        call!(self, C_GenerateKey(session, mechanism, template, count, &raw mut key));
        key
    }

    /// `C_DestroyObject`.
    pub fn destroy(&self, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) {
        call!(self, C_DestroyObject(session, object));
    }

    /// `C_GetAttributeValue`, one call with room for each value; bytes of all values.
    pub fn attributes(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        asked: &mut Asked,
    ) -> CK_ULONG {
        for (attribute, value) in asked.array.iter_mut().zip(&mut asked.values) {
            attribute.pValue = value.as_mut_ptr().cast();
            attribute.ulValueLen = ulong(Asked::ROOM);
        }
        let count = ulong(asked.array.len());
        call!(self, C_GetAttributeValue(session, object, asked.array.as_mut_ptr(), count));
        asked.array.iter().map(|attribute| attribute.ulValueLen).sum()
    }

    /// `C_FindObjectsInit`, one `C_FindObjects` with room for more than there is, `C_FindObjectsFinal`; the one
    /// object that matches.
    pub fn find(&self, session: CK_SESSION_HANDLE, template: &Template<'_>) -> CK_OBJECT_HANDLE {
        let mut found = [0; 16];
        let mut count = 0;
        let wanted = ulong(template.array.len());
        call!(self, C_FindObjectsInit(session, template.pointer(), wanted));
        let room = ulong(found.len());
        call!(self, C_FindObjects(session, found.as_mut_ptr(), room, &raw mut count));
        call!(self, C_FindObjectsFinal(session));
        let [first, ..] = found;
        if count != 1 {
            failed("C_FindObjects: one object was to be found", CKR_OK);
        }
        first
    }
}
