//! Mechanisms whose parameter names a second key: AES-XTS, and two agreements of X9.42.
//!
//! The second key is found as the first is, by a partition and by a group, and has to be one that might
//! be the first. Sources: IEEE 1619 annex B; the vendor's `CK_AES_XTS_PARAMS` (Documented); PKCS#11
//! v2.40 Current Mechanisms, section 2.4.12.

#![allow(unsafe_code, reason = "C_DeriveKey wants a structure the safe client has no way for")]

use luna_ck::*;
use luna_client::{ObjectHandle, Rv, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::groups;
use crate::handshakes::derive;
use crate::keys;
use crate::samples::xts;
use crate::token::{Kind, Token, hex, refused};

const DATA_KEY: &str = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0";
const TWEAK_KEY: &str = "bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0";

/// Vector 15: 17 bytes.
const SECTOR: [u8; 16] = [0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const PLAIN: &str = "000102030405060708090a0b0c0d0e0f10";
const SEALED: &str = "6c1625db4671522d3d7599601de7ca09ed";

fn group() -> Token {
    let token = Token::nobody(&["--ha", "LUNAHA=OKV,OKV", "--ha-only"]);
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    token
}

#[test]
fn a_sector_is_sealed_as_published() {
    for token in [Token::up(Kind::Plain), Token::up(Kind::Fips), group()] {
        let session = &token.session;
        let (data, tweak) =
            (keys::aes(session, &hex(DATA_KEY)), keys::aes(session, &hex(TWEAK_KEY)));
        let mechanism = xts(tweak, SECTOR);
        assert_eq!(session.encrypt(&mechanism, data, &hex(PLAIN)).unwrap(), hex(SEALED));
        assert_eq!(session.decrypt(&mechanism, data, &hex(SEALED)).unwrap(), hex(PLAIN));
        // What was found out for one second key is not used for another.
        let other = keys::aes(session, &[7; 16]);
        let sealed = session.encrypt(&xts(other, SECTOR), data, &hex(PLAIN)).unwrap();
        assert_ne!(sealed, hex(SEALED));
        session.destroy(tweak).unwrap();
        let gone = session.encrypt_init(&mechanism, data);
        refused(gone, CKR_KEY_HANDLE_INVALID);
    }
}

#[test]
fn the_second_key_has_to_be_one_that_might_be_the_first() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let data = keys::aes(session, &hex(DATA_KEY));
    let init = |tweak| session.encrypt_init(&xts(tweak, SECTOR), data);
    for none in [0, 0x7777, CK_ULONG::MAX] {
        refused(init(ObjectHandle(none)), CKR_KEY_HANDLE_INVALID);
    }
    refused(init(data), CKR_MECHANISM_PARAM_INVALID);
    refused(init(keys::aes(session, &[1; 32])), CKR_KEY_SIZE_RANGE);
    refused(init(keys::generic(session, &[1; 16])), CKR_KEY_TYPE_INCONSISTENT);
    let template = keys::secret(CKK_AES, &[1; 16]);
    let without: Vec<_> =
        template.into_iter().filter(|attribute| attribute.kind() != CKA_ENCRYPT).collect();
    let idle = session.create_object(&without).unwrap();
    refused(init(idle), CKR_KEY_FUNCTION_NOT_PERMITTED);
    let tweak = keys::aes(session, &hex(TWEAK_KEY));
    for len in [0, 15] {
        let sealed = session.encrypt(&xts(tweak, SECTOR), data, &vec![0; len]);
        refused(sealed, CKR_DATA_LEN_RANGE);
    }
}

/// Both sides of two agreements, each with the other's public values.
fn hybrid(
    session: &Session,
    (first, second): (ObjectHandle, ObjectHandle),
    (public, second_public): (&mut [u8], &mut [u8]),
) -> (Rv, ObjectHandle) {
    let mut info = *b"info";
    let mut params = CK_X9_42_DH2_DERIVE_PARAMS {
        kdf: CKD_SHA1_KDF_CONCATENATE,
        ulOtherInfoLen: info.len() as CK_ULONG,
        pOtherInfo: info.as_mut_ptr(),
        ulPublicDataLen: public.len() as CK_ULONG,
        pPublicData: public.as_mut_ptr(),
        ulPrivateDataLen: 0,
        hPrivateData: second.0,
        ulPublicDataLen2: second_public.len() as CK_ULONG,
        pPublicData2: second_public.as_mut_ptr(),
    };
    let mut template = [
        (CKA_KEY_TYPE, CKK_AES.to_ne_bytes().to_vec()),
        (CKA_VALUE_LEN, 32_u64.to_ne_bytes().to_vec()),
        (CKA_SENSITIVE, vec![0]),
        (CKA_EXTRACTABLE, vec![1]),
    ];
    let mut key = 0;
    let kind = CKM_X9_42_DH_HYBRID_DERIVE;
    let rv = derive(session, kind, first, &mut params, &mut template, &raw mut key);
    (rv, ObjectHandle(key))
}

#[test]
fn two_sides_agree_twice_on_one_key() {
    for token in [Token::up(Kind::Plain), group()] {
        let session = &token.session;
        let pair = || {
            let kind = CKM_X9_42_DH_KEY_PAIR_GEN;
            let (public, private) = keys::in_group(session, kind, &groups::BITS_2048, &[]).unwrap();
            (session.attribute(public, CKA_VALUE).unwrap().unwrap(), private)
        };
        let [mut a1, mut a2, mut b1, mut b2] = [(); 4].map(|()| pair());
        let (rv, ours) = hybrid(session, (a1.1, a2.1), (&mut b1.0, &mut b2.0));
        assert_eq!(rv, Rv(CKR_OK));
        let (rv, theirs) = hybrid(session, (b1.1, b2.1), (&mut a1.0, &mut a2.0));
        assert_eq!(rv, Rv(CKR_OK));
        let value = |key| session.attribute(key, CKA_VALUE).unwrap().unwrap();
        assert_eq!(value(ours), value(theirs));
        let (rv, swapped) = hybrid(session, (a2.1, a1.1), (&mut b2.0, &mut b1.0));
        assert_eq!(rv, Rv(CKR_OK));
        assert_ne!(value(ours), value(swapped), "the order tells");
        let other = keys::aes(session, &[1; 16]);
        for (second, wrong) in
            [(other, CKR_KEY_TYPE_INCONSISTENT), (ObjectHandle(0x7777), CKR_KEY_HANDLE_INVALID)]
        {
            let (rv, _) = hybrid(session, (a1.1, second), (&mut b1.0, &mut b2.0));
            assert_eq!(rv, Rv(wrong));
        }
    }
}
