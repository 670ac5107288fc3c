//! Keys of one transaction each: the vendor's DUKPT mechanisms, and what their keys are for.

use luna_ck::*;
use luna_client::{Attribute, Mechanism, Session, UserType};
use luna_tests::CRYPTO_OFFICER;

use crate::keys::{self, on};
use crate::token::{Kind, Token, hex, refused};

const BASE: &str = "0123456789ABCDEFFEDCBA9876543210";

fn by(kind: CK_MECHANISM_TYPE, ksn: &str) -> Mechanism {
    Mechanism::StringData { mechanism: kind, data: hex(ksn) }
}

/// ANSI X9.24-1:2009, annex A: parity is set where the published key has none.
const ANSWERS: &[(CK_MECHANISM_TYPE, &str)] = &[
    (CKM_DES2_DUKPT_IPEK, "6AC292FAA1315B4D858AB3A3D7D5933A"),
    (CKM_DES2_DUKPT_PIN, "042666B49184CF5C68DE9628D0397B36"),
    (CKM_DES2_DUKPT_MAC, "042666B4918430A368DE9628D03984C9"),
    (CKM_DES2_DUKPT_MAC_RESP, "042666B46E84CFA368DE96282F397BC9"),
    (CKM_DES2_DUKPT_DATA, "448D3F076D8304036A55A3D7E0055A78"),
];

fn with_parity(key: &[u8]) -> Vec<u8> {
    key.iter().map(|byte| byte ^ u8::from(byte.count_ones().is_multiple_of(2))).collect()
}

fn gives_the_published_keys(session: &Session) {
    let base = session.create_object(&keys::secret(CKK_DES2, &with_parity(&hex(BASE)))).unwrap();
    let open = [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, true)];
    for (kind, answer) in ANSWERS {
        let key = session.derive(&by(*kind, "FFFF9876543210E00001"), base, &open).unwrap();
        let value = session.attribute(key, CKA_VALUE).unwrap().unwrap();
        assert_eq!(value, with_parity(&hex(answer)), "{}", names::ckm(*kind));
        assert_eq!(session.attribute_ulong(key, CKA_KEY_TYPE).unwrap(), Some(CKK_DES2));
    }
}

#[test]
fn every_purpose_has_its_key() {
    let token = Token::up(Kind::Plain);
    gives_the_published_keys(&token.session);
}

#[test]
fn a_group_gives_the_same_keys() {
    let token = Token::nobody(&["--ha", "LUNAHA=OKV,OKV", "--ha-only"]);
    token.login(UserType::CRYPTO_OFFICER, CRYPTO_OFFICER).unwrap();
    gives_the_published_keys(&token.session);
}

/// Source: thalesdocs, CKM_DES2_DUKPT_DATA (Documented).
#[test]
fn keys_are_for_what_the_vendor_says_unless_the_template_says_otherwise() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let base = session.create_object(&keys::secret(CKK_DES2, &[1; 16])).unwrap();
    let uses = [CKA_SIGN, CKA_VERIFY, CKA_ENCRYPT, CKA_DECRYPT];
    let told =
        |key| uses.map(|kind| session.attribute(key, kind).unwrap() == Some(vec![1])).map(u8::from);
    for (kind, wanted) in [
        (CKM_DES2_DUKPT_PIN, [0, 0, 0, 0]),
        (CKM_DES2_DUKPT_MAC, [1, 1, 0, 0]),
        (CKM_DES2_DUKPT_MAC_RESP, [1, 0, 0, 0]),
        (CKM_DES2_DUKPT_DATA, [0, 0, 1, 1]),
        (CKM_DES2_DUKPT_DATA_RESP, [0, 0, 1, 0]),
    ] {
        let key = session.derive(&by(kind, "FFFF9876543210E00001"), base, &[]).unwrap();
        assert_eq!(told(key), wanted, "{}", names::ckm(kind));
    }
    let mac = by(CKM_DES2_DUKPT_MAC, "FFFF9876543210E00001");
    let off = [Attribute::bool(CKA_VERIFY, false), Attribute::bool(CKA_DECRYPT, true)];
    let key = session.derive(&mac, base, &off).unwrap();
    assert_eq!(told(key), [1, 0, 0, 1]);
    let signs = session.derive(&mac, base, &on(&[CKA_EXTRACTABLE])).unwrap();
    let made = session.sign(&Mechanism::Plain(CKM_DES3_X919_MAC), signs, b"purchase").unwrap();
    session.verify(&Mechanism::Plain(CKM_DES3_X919_MAC), signs, b"purchase", &made).unwrap();
}

#[test]
fn wrong_numbers_types_and_bases_are_refused() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let base = session.create_object(&keys::secret(CKK_DES2, &[1; 16])).unwrap();
    for ksn in ["FFFF9876543210E000", "FFFF9876543210E0000100"] {
        refused(
            session.derive(&by(CKM_DES2_DUKPT_PIN, ksn), base, &[]),
            CKR_MECHANISM_PARAM_INVALID,
        );
    }
    let pin = by(CKM_DES2_DUKPT_PIN, "FFFF9876543210E00001");
    let aes = [Attribute::key_type(CKK_AES)];
    refused(session.derive(&pin, base, &aes), CKR_TEMPLATE_INCONSISTENT);
    let other = keys::aes(session, &[1; 16]);
    refused(session.derive(&pin, other, &[]), CKR_KEY_TYPE_INCONSISTENT);
}
