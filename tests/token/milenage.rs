//! MILENAGE through `C_Sign`: a vector for a subscriber, and a subscriber out of step.
//!
//! Source: 3GPP TS 35.208, test set 2; the vendor's sample for JCPROV for the calls (Documented).

#![allow(unsafe_code, reason = "the parameter is a structure the safe client has no way for")]

use luna_ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Rv, Session};

use crate::keys::{self, and};
use crate::raw;
use crate::token::{Kind, Token, hex};

const KEY: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
const RAND: &str = "23553cbe9637a89d218ae64dae47bf35";
const OP: &str = "cdc202d5123e20f62b6d676ac72cb318";
const SQN: [u8; 6] = [0xff, 0x9b, 0xb4, 0xd0, 0xb6, 0x07];

/// f2, f3, f4, the sequence number under f5, f1.
const ANSWER: &str = "a54211d5e3ba50bfb40ba9a3c58b2a05bbf0d987b21bf8cb\
                      f769bcd751044604127672711c6d344155f328b435774a9ffac354dfafb3";

fn init(
    session: &Session,
    kind: CK_MECHANISM_TYPE,
    flags: CK_ULONG,
    subscriber: &mut [u8],
    storage: ObjectHandle,
) -> Rv {
    let mut operator = hex(OP);
    let mut params = CK_MILENAGE_SIGN_PARAMS {
        ulMilenageFlags: flags,
        ulEncKiLen: subscriber.len() as CK_ULONG,
        pEncKi: subscriber.as_mut_ptr(),
        ulEncOPcLen: operator.len() as CK_ULONG,
        pEncOPc: operator.as_mut_ptr(),
        hSecondaryKey: 0,
        hRCKey: 0,
        sqn: SQN,
        amf: [0xb9; 2],
    };
    let mut mechanism = CK_MECHANISM {
        mechanism: kind,
        pParameter: (&raw mut params).cast(),
        ulParameterLen: size_of_val(&params) as CK_ULONG,
    };
    let function = session.context().module().raw().functions().list.C_SignInit.unwrap();
    // SAFETY: the parameter and what it points to live through the call, at the lengths it says.
    Rv(unsafe { function(session.handle().0, &raw mut mechanism, storage.0) })
}

#[test]
fn a_subscriber_is_known_and_comes_into_step_again() {
    let token = Token::up(Kind::Newest);
    let session = &token.session;
    let storage = keys::aes(session, &[0x31; 16]);
    let kwp = Mechanism::Plain(CKM_AES_KWP);
    let mut subscriber = session.encrypt(&kwp, storage, &hex(KEY)).unwrap();
    let mut signed = |kind, data: &[u8], room| {
        assert_eq!(init(session, kind, 0, &mut subscriber, storage), Rv(CKR_OK));
        raw::sign(session, data, room)
    };
    let vector = [hex(RAND), hex(ANSWER)].concat();
    assert_eq!(signed(CKM_MILENAGE, &hex(RAND), Some(256)).bytes, vector);
    let drawn = signed(CKM_MILENAGE, &[], Some(256)).bytes;
    assert_eq!(drawn.len(), vector.len());
    assert_ne!(drawn[..16], vector[..16]);
    assert_eq!(signed(CKM_MILENAGE, &[], None).len, vector.len());
    // A question of length leaves the operation active.
    assert_eq!(raw::sign(session, &[], Some(256)).bytes.len(), vector.len());
    let mut auts = signed(CKM_MILENAGE_AUTS, &hex(RAND), Some(256)).bytes;
    assert_eq!(auts.len(), 30);
    assert_eq!(signed(CKM_MILENAGE_RESYNC, &auts, Some(6)).bytes, SQN);
    auts[29] ^= 1;
    assert_eq!(signed(CKM_MILENAGE_RESYNC, &auts, Some(6)).rv, Rv(CKR_SIGNATURE_INVALID));
}

#[test]
fn what_is_wrong_with_it_is_told() {
    let token = Token::up(Kind::Newest);
    let session = &token.session;
    let storage = keys::aes(session, &[0x31; 16]);
    let kwp = Mechanism::Plain(CKM_AES_KWP);
    let mut subscriber = session.encrypt(&kwp, storage, &hex(KEY)).unwrap();
    let other = keys::aes(session, &[0x32; 16]);
    for (flags, key, rv) in [
        (2, storage, CKR_MECHANISM_PARAM_INVALID),
        (0, other, CKR_MECHANISM_PARAM_INVALID),
        (0, keys::generic(session, &[1; 16]), CKR_KEY_TYPE_INCONSISTENT),
        (0, ObjectHandle(0x7777), CKR_KEY_HANDLE_INVALID),
    ] {
        assert_eq!(init(session, CKM_MILENAGE, flags, &mut subscriber, key), Rv(rv));
    }
    let idle = and(
        &[Attribute::class(CKO_SECRET_KEY), Attribute::key_type(CKK_AES)],
        &[Attribute::bytes(CKA_VALUE, [0x31; 16])],
    );
    let idle = session.create_object(&idle).unwrap();
    let refused = init(session, CKM_MILENAGE, 0, &mut subscriber, idle);
    assert_eq!(refused, Rv(CKR_KEY_FUNCTION_NOT_PERMITTED));
    // What comes out is no signature.
    let info = token.context.mechanism_info(token.slot, CKM_MILENAGE).unwrap();
    assert_eq!(info.flags & (CKF_SIGN | CKF_VERIFY), CKF_SIGN);
}
