//! Keys from passwords: the key is made, and its vector comes back where the parameter points.
//!
//! Answers: the module's own vectors, one of each function (for MD2 made by Python, for SHA-1 published).

#![allow(
    unsafe_code,
    reason = "the parameter is written into, which the safe client has no way for"
)]

use std::ptr;

use luna_ck::*;
use luna_client::{ObjectHandle, Rv, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::token::{Kind, Token, hex};

struct Case {
    kind: CK_MECHANISM_TYPE,
    password: &'static str,
    salt: &'static str,
    key: &'static str,
    iv: &'static str,
}

const CASES: &[Case] = &[
    Case {
        kind: CKM_PBE_MD2_DES_CBC,
        password: "736d6567",
        salt: "0a58cf64530d823f",
        key: "7f6b6bc89776fea7",
        iv: "495c256e931092e2",
    },
    Case {
        kind: CKM_PBE_SHA1_DES3_EDE_CBC,
        password: "007100750065006500670000",
        salt: "05dec959acff72f7",
        key: "ec2034e36229830ef19df1e0a17cd357195dad0d4f9eb3d5",
        iv: "11dedad7758d4860",
    },
];

fn made(session: &Session, case: &Case, iv: *mut CK_BYTE) -> (Rv, ObjectHandle) {
    let (password, salt) = (hex(case.password), hex(case.salt));
    let mut params = CK_PBE_PARAMS {
        pInitVector: iv,
        pPassword: password.as_ptr().cast_mut(),
        ulPasswordLen: password.len() as CK_ULONG,
        pSalt: salt.as_ptr().cast_mut(),
        ulSaltLen: salt.len() as CK_ULONG,
        ulIteration: 1000,
    };
    let mut mechanism = CK_MECHANISM {
        mechanism: case.kind,
        pParameter: (&raw mut params).cast(),
        ulParameterLen: size_of::<CK_PBE_PARAMS>() as CK_ULONG,
    };
    let (mut off, mut on) = (CK_FALSE, CK_TRUE);
    let mut open = [
        CK_ATTRIBUTE { type_: CKA_SENSITIVE, pValue: (&raw mut off).cast(), ulValueLen: 1 },
        CK_ATTRIBUTE { type_: CKA_EXTRACTABLE, pValue: (&raw mut on).cast(), ulValueLen: 1 },
    ];
    let function = session.context().module().raw().functions().list.C_GenerateKey.unwrap();
    let mut key = 0;
    // SAFETY: parameter, template and places live through the call, at the lengths they say.
    let rv = unsafe {
        function(session.handle().0, &raw mut mechanism, open.as_mut_ptr(), 2, &raw mut key)
    };
    (Rv(rv), ObjectHandle(key))
}

fn gives_key_and_vector(session: &Session) {
    for case in CASES {
        let mut iv = [0xa5; 12];
        let (rv, key) = made(session, case, iv[2..].as_mut_ptr());
        assert_eq!(rv, Rv(CKR_OK), "{}", names::ckm(case.kind));
        assert_eq!(session.attribute(key, CKA_VALUE).unwrap().unwrap(), hex(case.key));
        assert_eq!(iv[2..10], hex(case.iv));
        assert_eq!((&iv[..2], &iv[10..]), (&[0xa5; 2][..], &[0xa5; 2][..]));
        let (rv, _) = made(session, case, ptr::null_mut());
        assert_eq!(rv, Rv(CKR_OK), "who wants no vector gets none");
    }
}

#[test]
fn a_password_gives_key_and_vector() {
    gives_key_and_vector(&Token::up(Kind::Plain).session);
}

#[test]
fn a_group_gives_key_and_vector() {
    let token = Token::nobody(&["--ha", "LUNAHA=OKV,OKV", "--ha-only"]);
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    gives_key_and_vector(&token.session);
}
