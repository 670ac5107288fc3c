//! `CKM_KEY_TRANSLATE`: what one key wrapped comes back wrapped by another, and no key is made.
//!
//! Source: thalesdocs, Luna Key Translation (Documented); RFC 3394 sections 4.1 and 4.2 for the answer.

#![allow(
    unsafe_code,
    reason = "the parameter has mechanisms in it, which the safe client has no way for"
)]

use std::ptr;

use luna_ck::*;
use luna_client::{Attribute, ObjectHandle, Rv, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::keys::{self, and};
use crate::token::{Kind, Token, hex};

const PLAIN: &str = "00112233445566778899AABBCCDDEEFF";
const FIRST: (&str, &str) =
    ("000102030405060708090A0B0C0D0E0F", "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5");
const SECOND: (&str, &str) = (
    "000102030405060708090A0B0C0D0E0F1011121314151617",
    "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D",
);

/// As the vendor's page has it.
#[repr(C)]
struct Params {
    flags: CK_FLAGS,
    wrap: CK_MECHANISM,
    unwrap: CK_MECHANISM,
    data: CK_BYTE_PTR,
    data_len: CK_ULONG,
    unwrapping: CK_OBJECT_HANDLE,
}

/// A call, right but for what a test changes.
struct Call {
    flags: CK_FLAGS,
    wrap: CK_MECHANISM_TYPE,
    unwrap: CK_MECHANISM_TYPE,
    data: Vec<u8>,
    unwrapping: ObjectHandle,
    wrapping: ObjectHandle,
    key: CK_OBJECT_HANDLE,
}

impl Call {
    fn of(unwrapping: ObjectHandle, wrapping: ObjectHandle) -> Self {
        let (data, key) = (hex(FIRST.1), CK_INVALID_HANDLE);
        Self { flags: 0, wrap: CKM_AES_KW, unwrap: CKM_AES_KW, data, unwrapping, wrapping, key }
    }

    fn made(&self, session: &Session, room: Option<usize>) -> (Rv, Vec<u8>, usize) {
        let plain =
            |mechanism| CK_MECHANISM { mechanism, pParameter: ptr::null_mut(), ulParameterLen: 0 };
        let mut params = Params {
            flags: self.flags,
            wrap: plain(self.wrap),
            unwrap: plain(self.unwrap),
            data: self.data.as_ptr().cast_mut(),
            data_len: self.data.len() as CK_ULONG,
            unwrapping: self.unwrapping.0,
        };
        let mut mechanism = CK_MECHANISM {
            mechanism: CKM_KEY_TRANSLATE,
            pParameter: (&raw mut params).cast(),
            ulParameterLen: size_of::<Params>() as CK_ULONG,
        };
        let function = session.context().module().raw().functions().list.C_WrapKey.unwrap();
        let mut out = vec![0; room.unwrap_or(0)];
        let mut len = out.len() as CK_ULONG;
        let at = if room.is_some() { out.as_mut_ptr() } else { ptr::null_mut() };
        // SAFETY: parameter and buffer live through the call, at the lengths they say.
        let rv = unsafe {
            let (session, by) = (session.handle().0, self.wrapping.0);
            function(session, &raw mut mechanism, by, self.key, at, &raw mut len)
        };
        out.truncate(len as usize);
        (Rv(rv), out, len as usize)
    }
}

fn translates(session: &Session) {
    let (first, second) = (keys::aes(session, &hex(FIRST.0)), keys::aes(session, &hex(SECOND.0)));
    let before = session.find(&[]).unwrap().len();
    let call = Call::of(first, second);
    let (rv, made, _) = call.made(session, Some(64));
    assert_eq!((rv, made), (Rv(CKR_OK), hex(SECOND.1)));
    let (rv, _, len) = call.made(session, None);
    assert_eq!((rv, len), (Rv(CKR_OK), 24));
    let (rv, _, len) = call.made(session, Some(23));
    assert_eq!((rv, len), (Rv(CKR_BUFFER_TOO_SMALL), 24));
    assert_eq!(session.find(&[]).unwrap().len(), before, "no key was made");
}

#[test]
fn a_wrapped_key_is_wrapped_by_another_key() {
    translates(&Token::up(Kind::Newest).session);
}

#[test]
fn a_group_knows_both_keys() {
    let token = Token::nobody(&["--profile", "luna-7.9.0", "--ha", "LUNAHA=OKV,OKV", "--ha-only"]);
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    translates(&token.session);
    let own = keys::aes(&token.session, &hex(FIRST.0));
    let (rv, ..) = Call::of(ObjectHandle(0x7777), own).made(&token.session, Some(64));
    assert_eq!(rv, Rv(CKR_UNWRAPPING_KEY_HANDLE_INVALID));
}

#[test]
fn what_is_wrong_in_it_is_told_by_its_own_code() {
    let token = Token::up(Kind::Newest);
    let session = &token.session;
    let (first, second) = (keys::aes(session, &hex(FIRST.0)), keys::aes(session, &hex(SECOND.0)));
    let without = |use_| {
        let off = and(&keys::secret(CKK_AES, &hex(PLAIN)), &[]);
        let off: Vec<_> = off.into_iter().filter(|attribute| attribute.kind() != use_).collect();
        session.create_object(&and(&off, &[Attribute::bool(use_, false)])).unwrap()
    };
    let mut altered = hex(FIRST.1);
    altered[3] ^= 1;
    let right = || Call::of(first, second);
    for (call, code) in [
        (Call { flags: 1, ..right() }, CKR_MECHANISM_PARAM_INVALID),
        (Call { data: vec![0; 8001], ..right() }, CKR_MECHANISM_PARAM_INVALID),
        (Call { wrap: CKM_KEY_TRANSLATE, ..right() }, CKR_MECHANISM_PARAM_INVALID),
        (Call { unwrap: CKM_SHA256, ..right() }, CKR_MECHANISM_INVALID),
        (Call { unwrap: CKM_RSA_PKCS, ..right() }, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT),
        (Call { key: first.0, ..right() }, CKR_KEY_HANDLE_INVALID),
        (Call { unwrapping: ObjectHandle(0), ..right() }, CKR_UNWRAPPING_KEY_HANDLE_INVALID),
        (Call { wrapping: ObjectHandle(0), ..right() }, CKR_WRAPPING_KEY_HANDLE_INVALID),
        (Call { unwrapping: without(CKA_UNWRAP), ..right() }, CKR_KEY_FUNCTION_NOT_PERMITTED),
        (Call { wrapping: without(CKA_WRAP), ..right() }, CKR_KEY_FUNCTION_NOT_PERMITTED),
        (Call { data: altered, ..right() }, CKR_WRAPPED_KEY_INVALID),
        (Call { data: vec![0; 7], ..right() }, CKR_WRAPPED_KEY_LEN_RANGE),
    ] {
        let (rv, ..) = call.made(session, Some(64));
        assert_eq!(rv, Rv(code));
    }
}
