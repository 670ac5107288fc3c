//! Objects that hold the parameters of DSA, DH and X9.42 DH.
//!
//! Source: PKCS#11 v2.40 section 4.11 and Current Mechanisms sections 2.2.4, 2.4.4, 2.4.9.

use luna_ck::*;
use luna_client::{Attribute, Mechanism};

use crate::keys::and;
use crate::token::{Kind, Token, refused, refused_as};

const PARTS: [(CK_KEY_TYPE, &[CK_ATTRIBUTE_TYPE]); 3] = [
    (CKK_DSA, &[CKA_PRIME, CKA_SUBPRIME, CKA_BASE]),
    (CKK_DH, &[CKA_PRIME, CKA_BASE]),
    (CKK_X9_42_DH, &[CKA_PRIME, CKA_BASE, CKA_SUBPRIME]),
];

fn parameters(key_type: CK_KEY_TYPE, parts: &[CK_ATTRIBUTE_TYPE]) -> Vec<Attribute> {
    let mut template = vec![Attribute::class(CKO_DOMAIN_PARAMETERS), Attribute::key_type(key_type)];
    template.extend(parts.iter().map(|part| {
        let len = if *part == CKA_SUBPRIME { 32 } else { 256 };
        Attribute::bytes(*part, vec![0xc5; len])
    }));
    template
}

#[test]
fn they_are_kept_told_copied_and_found() {
    for kind in Kind::ALL {
        let token = Token::up(kind);
        for (key_type, parts) in PARTS {
            let more = [Attribute::token(true), Attribute::label("parameters")];
            let template = and(&parameters(key_type, parts), &more);
            let object = token.session.create_object(&template).unwrap();
            let copy = token.session.copy(object, &[Attribute::label("copy")]).unwrap();
            for object in [object, copy] {
                for part in parts {
                    let told = token.session.attribute(object, *part).unwrap().unwrap();
                    assert_eq!(told.len(), if *part == CKA_SUBPRIME { 32 } else { 256 });
                }
                let number = |kind| token.session.attribute_ulong(object, kind).unwrap();
                assert_eq!(number(CKA_PRIME_BITS), Some(2048), "{kind:?}");
                assert_eq!(number(CKA_KEY_TYPE), Some(key_type));
                let subprime = (key_type != CKK_DH).then_some(256);
                assert_eq!(number(CKA_SUBPRIME_BITS), subprime);
                let told = token.session.attribute(object, CKA_LOCAL).unwrap();
                assert_eq!(told, Some(vec![0]));
            }
        }
        let token = token.restart();
        token.session.logout().unwrap();
        for (key_type, _) in PARTS {
            let wanted = [Attribute::class(CKO_DOMAIN_PARAMETERS), Attribute::key_type(key_type)];
            let found = token.session.find(&wanted).unwrap();
            assert_eq!(found.len(), 2, "{kind:?}: they hide nothing, and need no login");
        }
    }
}

#[test]
fn templates_that_are_no_parameters() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    for (key_type, parts) in PARTS {
        for missing in parts {
            let rest: Vec<_> = parts.iter().copied().filter(|part| part != missing).collect();
            let made = session.create_object(&parameters(key_type, &rest));
            refused_as(made, CKR_TEMPLATE_INCOMPLETE, &(key_type, names::cka(*missing)));
        }
        let whole = parameters(key_type, parts);
        for (attribute, code) in [
            (Attribute::ulong(CKA_PRIME_BITS, 2048), CKR_ATTRIBUTE_READ_ONLY),
            (Attribute::bool(CKA_LOCAL, true), CKR_ATTRIBUTE_READ_ONLY),
            (Attribute::bool(CKA_ENCRYPT, true), CKR_TEMPLATE_INCONSISTENT),
            (Attribute::bytes(CKA_VALUE, [1]), CKR_TEMPLATE_INCONSISTENT),
        ] {
            let made = session.create_object(&and(&whole, &[attribute]));
            refused_as(made, code, &key_type);
        }
        let object = session.create_object(&whole).unwrap();
        let change = [Attribute::bytes(CKA_BASE, [2])];
        refused(session.set_attributes(object, &change), CKR_ATTRIBUTE_READ_ONLY);
    }
    let rsa = [Attribute::class(CKO_DOMAIN_PARAMETERS), Attribute::key_type(CKK_RSA)];
    refused(session.create_object(&rsa), CKR_ATTRIBUTE_VALUE_INVALID);
    let untyped = [Attribute::class(CKO_DOMAIN_PARAMETERS)];
    refused(session.create_object(&untyped), CKR_TEMPLATE_INCOMPLETE);
}

#[test]
fn parameters_are_made_and_make_pairs() {
    let token = Token::up(Kind::Plain);
    let session = &token.session;
    let sizes = [Attribute::ulong(CKA_PRIME_BITS, 1024)];
    for (makes, pairs, sizes) in [
        (CKM_DSA_PARAMETER_GEN, CKM_DSA_KEY_PAIR_GEN, &sizes),
        (CKM_X9_42_DH_PARAMETER_GEN, CKM_X9_42_DH_KEY_PAIR_GEN, &sizes),
        (
            CKM_DH_PKCS_PARAMETER_GEN,
            CKM_DH_PKCS_KEY_PAIR_GEN,
            &[Attribute::ulong(CKA_PRIME_BITS, 512)],
        ),
    ] {
        let made = session.generate_key(&Mechanism::Plain(makes), sizes).unwrap();
        let class = session.attribute_ulong(made, CKA_CLASS).unwrap();
        assert_eq!(class, Some(CKO_DOMAIN_PARAMETERS));
        assert_eq!(session.attribute(made, CKA_LOCAL).unwrap(), Some(vec![1]));
        let parts = [CKA_PRIME, CKA_SUBPRIME, CKA_BASE];
        let public: Vec<_> = parts
            .into_iter()
            .filter_map(|part| Some(Attribute::bytes(part, session.attribute(made, part).ok()??)))
            .collect();
        session.generate_key_pair(&Mechanism::Plain(pairs), &public, &[]).unwrap();
    }
    let dsa = Mechanism::Plain(CKM_DSA_PARAMETER_GEN);
    refused(session.generate_key(&dsa, &[]), CKR_TEMPLATE_INCOMPLETE);
    let odd = [Attribute::ulong(CKA_PRIME_BITS, 1025)];
    refused(session.generate_key(&dsa, &odd), CKR_KEY_SIZE_RANGE);
    let order = [Attribute::ulong(CKA_PRIME_BITS, 1024), Attribute::ulong(CKA_SUBPRIME_BITS, 256)];
    refused(session.generate_key(&dsa, &order), CKR_KEY_SIZE_RANGE);
}
