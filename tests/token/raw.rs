//! Calls with a buffer of a chosen length, or none: what the safe client decides by itself.

#![allow(unsafe_code, reason = "the length of the buffer is what is tested")]

use std::ptr;

use luna_ck::*;
use luna_client::{Attribute, ObjectHandle, Rv, Session};

/// What a call that gives bytes answered.
#[derive(Debug, PartialEq)]
pub(crate) struct Given {
    pub(crate) rv: Rv,
    /// The length the call wrote.
    pub(crate) len: usize,
    /// What is in the buffer up to that length, nothing when it was too short.
    pub(crate) bytes: Vec<u8>,
}

/// A buffer: none at all, or so many bytes.
pub(crate) type Room = Option<usize>;

/// Behind the room a call was told of lie bytes it must not touch.
const GUARD: [u8; 16] = [0xa5; 16];

fn list(session: &Session) -> CK_FUNCTION_LIST {
    session.context().module().raw().functions().list
}

fn give(room: Room, call: impl FnOnce(CK_BYTE_PTR, CK_ULONG_PTR) -> CK_RV) -> Given {
    let mut len = room.unwrap_or(0) as CK_ULONG;
    let mut buffer = vec![0xa5; room.unwrap_or(0) + GUARD.len()];
    let out = if room.is_some() { buffer.as_mut_ptr() } else { ptr::null_mut() };
    let rv = Rv(call(out, &raw mut len));
    assert!(buffer.ends_with(&GUARD), "{rv:?}: written behind the buffer");
    let len = len as usize;
    let bytes =
        if rv == Rv(CKR_OK) && room.is_some() { buffer[..len].to_vec() } else { Vec::new() };
    Given { rv, len, bytes }
}

macro_rules! with_input {
    ($($name:ident: $function:ident),+ $(,)?) => {
        $(pub(crate) fn $name(session: &Session, data: &[u8], room: Room) -> Given {
            let function = list(session).$function.unwrap();
            let (at, len) = (data.as_ptr().cast_mut(), data.len() as CK_ULONG);
            give(room, |out, out_len| {
                // SAFETY: both buffers are as long as the call is told.
                unsafe { function(session.handle().0, at, len, out, out_len) }
            })
        })+
    };
}

with_input! {
    encrypt: C_Encrypt,
    decrypt: C_Decrypt,
    sign: C_Sign,
    digest: C_Digest,
    encrypt_update: C_EncryptUpdate,
    decrypt_update: C_DecryptUpdate,
}

macro_rules! without_input {
    ($($name:ident: $function:ident),+ $(,)?) => {
        $(pub(crate) fn $name(session: &Session, room: Room) -> Given {
            let function = list(session).$function.unwrap();
            give(room, |out, out_len| {
                // SAFETY: the buffer is as long as the call is told.
                unsafe { function(session.handle().0, out, out_len) }
            })
        })+
    };
}

without_input! {
    encrypt_final: C_EncryptFinal,
    decrypt_final: C_DecryptFinal,
    sign_final: C_SignFinal,
    digest_final: C_DigestFinal,
    operation_state: C_GetOperationState,
}

/// `C_Verify`, for an operation begun before.
pub(crate) fn verify(session: &Session, data: &[u8], signature: &[u8]) -> Rv {
    let function = list(session).C_Verify.unwrap();
    let (at, len) = (data.as_ptr().cast_mut(), data.len() as CK_ULONG);
    let (signature, signature_len) = (signature.as_ptr().cast_mut(), signature.len() as CK_ULONG);
    // SAFETY: both buffers are as long as the call is told.
    Rv(unsafe { function(session.handle().0, at, len, signature, signature_len) })
}

/// `C_WrapKey` under AES-CBC-PAD with a zero IV.
pub(crate) fn wrap(
    session: &Session,
    wrapping: ObjectHandle,
    key: ObjectHandle,
    room: Room,
) -> Given {
    let function = list(session).C_WrapKey.unwrap();
    let mut iv = [0; 16];
    let mut mechanism = CK_MECHANISM {
        mechanism: CKM_AES_CBC_PAD,
        pParameter: iv.as_mut_ptr().cast(),
        ulParameterLen: 16,
    };
    give(room, |out, out_len| {
        // SAFETY: mechanism, its parameter and the buffer live through the call.
        unsafe { function(session.handle().0, &raw mut mechanism, wrapping.0, key.0, out, out_len) }
    })
}

/// One `C_GetAttributeValue` with a buffer for each type: the code, and each length and buffer as they were left.
pub(crate) fn attributes(
    session: &Session,
    object: ObjectHandle,
    asked: &[(CK_ATTRIBUTE_TYPE, Room)],
) -> (Rv, Vec<(CK_ULONG, Vec<u8>)>) {
    let function = list(session).C_GetAttributeValue.unwrap();
    let mut buffers: Vec<Vec<u8>> =
        asked.iter().map(|(_, room)| vec![0xa5; room.unwrap_or(0) + GUARD.len()]).collect();
    let mut template: Vec<CK_ATTRIBUTE> = asked
        .iter()
        .zip(&mut buffers)
        .map(|((kind, room), buffer)| CK_ATTRIBUTE {
            type_: *kind,
            pValue: if room.is_some() { buffer.as_mut_ptr().cast() } else { ptr::null_mut() },
            ulValueLen: room.unwrap_or(0) as CK_ULONG,
        })
        .collect();
    let count = template.len() as CK_ULONG;
    // SAFETY: each attribute's buffer is as long as it says.
    let rv = Rv(unsafe { function(session.handle().0, object.0, template.as_mut_ptr(), count) });
    let left =
        template.iter().zip(buffers).zip(asked).map(|((attribute, mut buffer), (_, room))| {
            assert!(buffer.ends_with(&GUARD), "{rv:?}: written behind the buffer");
            buffer.truncate(room.unwrap_or(0));
            (attribute.ulValueLen, buffer)
        });
    (rv, left.collect())
}

/// A search left open, to be ended by [`find_final`].
pub(crate) fn find_init(session: &Session, wanted: &[Attribute]) -> Rv {
    let function = list(session).C_FindObjectsInit.unwrap();
    let mut values: Vec<Vec<u8>> =
        wanted.iter().map(|attribute| attribute.value().expect("no template").to_vec()).collect();
    let mut template: Vec<CK_ATTRIBUTE> = wanted
        .iter()
        .zip(&mut values)
        .map(|(attribute, value)| CK_ATTRIBUTE {
            type_: attribute.kind(),
            pValue: value.as_mut_ptr().cast(),
            ulValueLen: value.len() as CK_ULONG,
        })
        .collect();
    let count = template.len() as CK_ULONG;
    // SAFETY: each attribute's value is as long as it says.
    Rv(unsafe { function(session.handle().0, template.as_mut_ptr(), count) })
}

/// The next of a search, `most` at once.
pub(crate) fn find_next(session: &Session, most: usize) -> (Rv, Vec<CK_OBJECT_HANDLE>) {
    let function = list(session).C_FindObjects.unwrap();
    let mut found = vec![0; most.max(1)];
    let mut count = 0;
    // SAFETY: there is room for as many handles as the call is told.
    let rv = unsafe {
        function(session.handle().0, found.as_mut_ptr(), most as CK_ULONG, &raw mut count)
    };
    found.truncate(count as usize);
    (Rv(rv), found)
}

/// Ends a search.
pub(crate) fn find_final(session: &Session) -> Rv {
    let function = list(session).C_FindObjectsFinal.unwrap();
    // SAFETY: a number is all it takes.
    Rv(unsafe { function(session.handle().0) })
}

/// `C_EncryptInit` with a parameter as these bytes, which may be no structure of the mechanism's.
pub(crate) fn encrypt_init(
    session: &Session,
    kind: CK_MECHANISM_TYPE,
    parameter: Option<&mut [u8]>,
    key: ObjectHandle,
) -> Rv {
    let function = list(session).C_EncryptInit.unwrap();
    let len = parameter.as_ref().map_or(0, |bytes| bytes.len()) as CK_ULONG;
    let at = parameter.map_or(ptr::null_mut(), |bytes| bytes.as_mut_ptr().cast());
    let mut mechanism = CK_MECHANISM { mechanism: kind, pParameter: at, ulParameterLen: len };
    // SAFETY: the parameter is as long as it says; callers fill it without pointers, or with null ones.
    Rv(unsafe { function(session.handle().0, &raw mut mechanism, key.0) })
}

/// `C_DeriveKey` by the vendor's key derivation in counter mode, the counter from 1.
pub(crate) fn derive_in_counter_mode(
    session: &Session,
    base: ObjectHandle,
    (prf, scheme): (CK_ULONG, CK_ULONG),
    (label, context): (&[u8], &[u8]),
    len: CK_ULONG,
) -> (Rv, ObjectHandle) {
    let function = list(session).C_DeriveKey.unwrap();
    let mut params = CK_KDF_PRF_PARAMS {
        prfType: prf,
        pLabel: label.as_ptr().cast_mut(),
        ulLabelLen: label.len() as CK_ULONG,
        pContext: context.as_ptr().cast_mut(),
        ulContextLen: context.len() as CK_ULONG,
        ulCounter: 1,
        ulEncodingScheme: scheme,
    };
    let mut mechanism = CK_MECHANISM {
        mechanism: CKM_NIST_PRF_KDF,
        pParameter: (&raw mut params).cast(),
        ulParameterLen: size_of::<CK_KDF_PRF_PARAMS>() as CK_ULONG,
    };
    let (mut len, mut yes, mut key) = (len, CK_TRUE, 0);
    let mut template = [
        CK_ATTRIBUTE { type_: CKA_VALUE_LEN, pValue: (&raw mut len).cast(), ulValueLen: 8 },
        CK_ATTRIBUTE { type_: CKA_EXTRACTABLE, pValue: (&raw mut yes).cast(), ulValueLen: 1 },
    ];
    let (at, count) = (template.as_mut_ptr(), template.len() as CK_ULONG);
    // SAFETY: mechanism, parameter and template live through the call, at the lengths they say.
    let rv = unsafe {
        function(session.handle().0, &raw mut mechanism, base.0, at, count, &raw mut key)
    };
    (Rv(rv), ObjectHandle(key))
}
