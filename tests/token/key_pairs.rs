//! Key pairs: names of the RSA mechanisms, sizes, exponents, and what both halves know of each other.
//!
//! Source: the vendor's pages on RSA in FIPS mode and RSAKeyGenMechRemap (Documented); the exponents from
//! pycryptoki's default templates and a vendor sample (Documented).

use luna_ck::*;
use luna_client::{Attribute, Mechanism, MechanismType, ObjectHandle, Result};
use luna_tests::Instance;

use crate::keys::{self, and, on};
use crate::token::{Kind, Token, hex, refused, refused_as};

fn rsa(
    token: &Token,
    mechanism: MechanismType,
    bits: CK_ULONG,
    exponent: Option<&[u8]>,
) -> Result<(ObjectHandle, ObjectHandle)> {
    let mut public = and(&on(&[CKA_VERIFY]), &[Attribute::ulong(CKA_MODULUS_BITS, bits)]);
    public.extend(exponent.map(|exponent| Attribute::bytes(CKA_PUBLIC_EXPONENT, exponent)));
    token.session.generate_key_pair(&Mechanism::Plain(mechanism), &public, &on(&[CKA_SIGN]))
}

#[test]
fn rsa_pairs_by_every_name() {
    let token = Token::up(Kind::Plain);
    let text = b"text";
    for mechanism in [
        CKM_RSA_PKCS_KEY_PAIR_GEN,
        CKM_RSA_FIPS_186_3_AUX_PRIME_KEY_PAIR_GEN,
        CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN,
    ] {
        let (public, private) = rsa(&token, mechanism, 1024, Some(&[1, 0, 1])).unwrap();
        let session = &token.session;
        let how = Mechanism::Plain(CKM_SHA256_RSA_PKCS);
        let signature = session.sign(&how, private, text).unwrap();
        assert_eq!(signature.len(), 128);
        session.verify(&how, public, text, &signature).unwrap();
        for key in [public, private] {
            let made_by = session.attribute_ulong(key, CKA_KEY_GEN_MECHANISM).unwrap();
            assert_eq!(made_by, Some(mechanism), "{}", names::ckm(mechanism));
            assert_eq!(session.attribute(key, CKA_LOCAL).unwrap().unwrap(), [1]);
        }
        let modulus = |key| session.attribute(key, CKA_MODULUS).unwrap().unwrap();
        assert_eq!(modulus(public), modulus(private));
        assert_eq!(modulus(public).len(), 128);
        assert_eq!(session.attribute_ulong(public, CKA_MODULUS_BITS).unwrap(), Some(1024));
    }
}

/// A client's configuration puts the old name back, and the HSM makes the pair as FIPS 186 wants it.
#[test]
fn the_remap_puts_the_old_name_back_in_fips_mode() {
    for (value, listed) in [("1", true), ("0", false)] {
        let instance = Instance::up(&["--fips", "on"]);
        let path = instance.configuration();
        let text = std::fs::read_to_string(&path).unwrap();
        let line = |value: &str| format!("RSAKeyGenMechRemap = {value};");
        assert!(text.contains(&line("1")), "`up` turns it on:\n{text}");
        std::fs::write(&path, text.replace(&line("1"), &line(value))).unwrap();
        let token = Token::of(instance);
        token.login(luna_client::UserType::CRYPTO_OFFICER, luna_tests::CRYPTO_OFFICER).unwrap();
        let mechanisms = token.context.mechanisms(token.slot).unwrap();
        assert_eq!(mechanisms.contains(&CKM_RSA_PKCS_KEY_PAIR_GEN), listed);
        assert!(mechanisms.contains(&CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN));
        let info = token.context.mechanism_info(token.slot, CKM_RSA_PKCS_KEY_PAIR_GEN);
        let made = rsa(&token, CKM_RSA_PKCS_KEY_PAIR_GEN, 2048, None);
        if listed {
            assert_eq!(info.unwrap().min_key_size, 2048);
            let (_, private) = made.unwrap();
            token.session.sign(&Mechanism::Plain(CKM_SHA256_RSA_PKCS), private, b"text").unwrap();
        } else {
            refused(info, CKR_MECHANISM_INVALID);
            refused(made, CKR_MECHANISM_INVALID);
        }
    }
}

#[test]
fn exponents_as_clients_send_them() {
    let token = Token::up(Kind::Plain);
    for (sent, kept) in [
        (None, &[1, 0, 1][..]),
        (Some(&[1, 0, 1][..]), &[1, 0, 1]),
        (Some(&[0]), &[1, 0, 1]),
        (Some(b"10001"), &[1, 0, 1]),
        (Some(&[0, 0, 1, 0, 1]), &[1, 0, 1]),
        (Some(&[3]), &[3]),
        (Some(&[17]), &[17]),
    ] {
        let (public, private) = rsa(&token, CKM_RSA_PKCS_KEY_PAIR_GEN, 1024, sent).unwrap();
        for key in [public, private] {
            let exponent = token.session.attribute(key, CKA_PUBLIC_EXPONENT).unwrap();
            assert_eq!(exponent.unwrap(), kept, "{sent:?}");
        }
        let how = Mechanism::Plain(CKM_SHA1_RSA_PKCS);
        let signature = token.session.sign(&how, private, b"text").unwrap();
        token.session.verify(&how, public, b"text", &signature).unwrap();
    }
    for sent in [&[1][..], &[2], &[1, 0, 0]] {
        let made = rsa(&token, CKM_RSA_PKCS_KEY_PAIR_GEN, 1024, Some(sent));
        refused_as(made, CKR_ATTRIBUTE_VALUE_INVALID, &sent);
    }
    let token = Token::up(Kind::Fips);
    for sent in [&[3][..], &[17], &[0xff, 0xff]] {
        let made = rsa(&token, CKM_RSA_FIPS_186_3_PRIME_KEY_PAIR_GEN, 2048, Some(sent));
        refused_as(made, CKR_ATTRIBUTE_VALUE_INVALID, &sent);
    }
}

#[test]
fn templates_of_pairs() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let rsa = Mechanism::Plain(CKM_RSA_PKCS_KEY_PAIR_GEN);
    let ec = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
    let bits = [Attribute::ulong(CKA_MODULUS_BITS, 1024)];
    let curve = [Attribute::bytes(CKA_EC_PARAMS, hex(keys::P256))];
    let one = |attribute: Attribute| vec![attribute];
    for (case, mechanism, public, private, code) in [
        ("no size", &rsa, vec![], vec![], CKR_TEMPLATE_INCOMPLETE),
        ("no curve", &ec, vec![], vec![], CKR_TEMPLATE_INCOMPLETE),
        (
            "the curve on the private half only",
            &ec,
            vec![],
            curve.to_vec(),
            CKR_TEMPLATE_INCOMPLETE,
        ),
        (
            "another class",
            &rsa,
            and(&bits, &[Attribute::class(CKO_PRIVATE_KEY)]),
            vec![],
            CKR_TEMPLATE_INCONSISTENT,
        ),
        (
            "another key type",
            &ec,
            curve.to_vec(),
            one(Attribute::key_type(CKK_RSA)),
            CKR_TEMPLATE_INCONSISTENT,
        ),
        (
            "a modulus",
            &rsa,
            and(&bits, &[Attribute::bytes(CKA_MODULUS, [0x81; 128])]),
            vec![],
            CKR_ATTRIBUTE_READ_ONLY,
        ),
        (
            "a point",
            &ec,
            and(&curve, &[Attribute::bytes(CKA_EC_POINT, [4; 65])]),
            vec![],
            CKR_ATTRIBUTE_READ_ONLY,
        ),
        (
            "a private value",
            &ec,
            curve.to_vec(),
            one(Attribute::bytes(CKA_VALUE, [4; 32])),
            CKR_ATTRIBUTE_READ_ONLY,
        ),
        (
            "locality",
            &ec,
            curve.to_vec(),
            one(Attribute::bool(CKA_LOCAL, true)),
            CKR_ATTRIBUTE_READ_ONLY,
        ),
    ] {
        refused_as(session.generate_key_pair(mechanism, &public, &private), code, &case);
    }
    assert!(session.find(&[]).unwrap().is_empty(), "a refused pair leaves no half behind");
    let named = and(
        &curve,
        &[Attribute::class(CKO_PUBLIC_KEY), Attribute::key_type(CKK_EC), Attribute::label("p")],
    );
    // Clients send these along (Documented: pycryptoki's templates).
    let odd = [Attribute::bool(CKA_ENCRYPT, true), Attribute::bool(CKA_DECRYPT, true)];
    session.generate_key_pair(&ec, &and(&named, &odd), &odd).unwrap();
}

/// One half on the token, the other in the session: each goes where its template says.
#[test]
fn halves_live_where_their_templates_say() {
    for kind in [Kind::Fips, Kind::Group] {
        let token = Token::up(kind);
        let session = &token.session;
        let curve = Attribute::bytes(CKA_EC_PARAMS, hex(keys::P256));
        let mechanism = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
        let private = and(&on(&[CKA_SIGN, CKA_TOKEN]), &[Attribute::label("stays")]);
        let public = and(&on(&[CKA_VERIFY]), &[curve, Attribute::label("goes")]);
        let (public, private) = session.generate_key_pair(&mechanism, &public, &private).unwrap();
        let ecdsa = Mechanism::Plain(CKM_ECDSA_SHA256);
        let signature = session.sign(&ecdsa, private, b"text").unwrap();
        session.verify(&ecdsa, public, b"text", &signature).unwrap();
        let token = token.restart();
        let labels: Vec<_> = token
            .session
            .find(&[])
            .unwrap()
            .into_iter()
            .map(|object| token.session.attribute_text(object, CKA_LABEL).unwrap().unwrap())
            .collect();
        assert_eq!(labels, ["stays"], "{kind:?}");
    }
}
