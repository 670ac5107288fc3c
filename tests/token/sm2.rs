//! SM2 through the C boundary: OpenSSL's signature verifies here, and what leaves comes back.

use luna_ck::*;
use luna_client::{Attribute, Mechanism};

use crate::keys::{SM2, and, on};
use crate::token::{Kind, Token, hex};

/// The key of annex A.2 of GB/T 32918.5-2017.
const SCALAR: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
const POINT: &str = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                     ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";

/// Made of that key by `openssl dgst -sm3 -sign` (3.0), its two numbers side by side.
const BY_OPENSSL: &str = "05420b4149af8485647e52fc29efda0974a02b6b602e636824980aaed4b5f3da\
                          038b537e3ffe8c0afeff5925dc0b355a2de2580228c2a41ed9cddcffee20feb2";

fn of_type(class: CK_OBJECT_CLASS) -> Vec<Attribute> {
    vec![
        Attribute::class(class),
        Attribute::key_type(CKK_SM2),
        Attribute::bytes(CKA_EC_PARAMS, hex(SM2)),
    ]
}

#[test]
fn keys_from_outside_sign_and_verify() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let point = Attribute::bytes(CKA_EC_POINT, crate::keys::octets(&hex(POINT)));
    let public = and(&and(&of_type(CKO_PUBLIC_KEY), &on(&[CKA_VERIFY])), &[point]);
    let public = session.create_object(&public).unwrap();
    let value = Attribute::bytes(CKA_VALUE, hex(SCALAR));
    let private = and(&and(&of_type(CKO_PRIVATE_KEY), &on(&[CKA_SIGN])), &[value]);
    let private = session.create_object(&private).unwrap();
    let mechanism = Mechanism::Plain(CKM_SM3_SM2DSA);
    session.verify(&mechanism, public, b"message digest", &hex(BY_OPENSSL)).unwrap();
    let signature = session.sign(&mechanism, private, b"message digest").unwrap();
    session.verify(&mechanism, public, b"message digest", &signature).unwrap();
    let refused = session.verify(&mechanism, public, b"message digesT", &signature).unwrap_err();
    assert!(refused.is(CKR_SIGNATURE_INVALID), "{refused}");
}

#[test]
fn what_is_no_such_key_is_refused() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let with = |more: &[Attribute]| and(&and(&of_type(CKO_PUBLIC_KEY), &on(&[CKA_VERIFY])), more);
    let mut off = hex(POINT);
    off[64] ^= 1;
    let refused = session.create_object(&with(&[Attribute::bytes(CKA_EC_POINT, off)])).unwrap_err();
    assert!(refused.is(CKR_ATTRIBUTE_VALUE_INVALID), "{refused}");
    let p256 = [Attribute::bytes(CKA_EC_PARAMS, hex(crate::keys::P256))];
    let mechanism = Mechanism::Plain(CKM_SM2_KEY_PAIR_GEN);
    let public = and(&on(&[CKA_VERIFY]), &p256);
    let refused = session.generate_key_pair(&mechanism, &public, &on(&[CKA_SIGN])).unwrap_err();
    assert!(refused.is(CKR_CURVE_NOT_SUPPORTED), "{refused}");
    // A key of another type does not sign so.
    let (_, ec) = crate::keys::ec(session, crate::keys::P256).unwrap();
    let refused = session.sign(&Mechanism::Plain(CKM_SM2DSA), ec, &[1; 32]).unwrap_err();
    assert!(refused.is(CKR_KEY_TYPE_INCONSISTENT), "{refused}");
}
