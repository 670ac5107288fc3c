use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::crypto::vectors::{Case, cases};
use crate::object::held::Object;
use crate::object::rules::Class;

const LIMITS: Limits = Limits { min_bits: 128, max_bits: 384, fips: false, former: false };

fn row(name: &str) -> &'static Row {
    ROWS.iter().find(|row| names::ckm(row.kind) == name).unwrap()
}

fn using(key: Vec<u8>, params: Params) -> Use {
    let class = Class { class: CKO_SECRET_KEY, key_type: Some(CKK_GENERIC_SECRET) };
    let attributes = Template::from_iter([
        Attribute::bytes(CKA_VALUE, key),
        Attribute::flag(CKA_SENSITIVE, true),
        Attribute::flag(CKA_EXTRACTABLE, false),
    ]);
    Use {
        key: Arc::new(Object::new(class, attributes)),
        others: Vec::new(),
        params,
        limits: LIMITS,
        forward: true,
    }
}

fn material(mac_bits: u64, key_bits: u64, iv_bits: u64) -> Params {
    let (client, server) = (vec![1; 32], vec![2; 32]);
    Params::Ssl3KeyMaterial { mac_bits, key_bits, iv_bits, export: false, client, server }
}

/// Keys and what is told, each joined.
fn joined(made: &Yield) -> (Vec<u8>, Vec<u8>) {
    let keys = made.keys.iter().flat_map(|key| key.secret().to_vec()).collect();
    (keys, made.told.concat())
}

fn derives(row: &Row, case: &Case) {
    let number = |name| case.text(name).parse().unwrap();
    let (client, server) = (case.bytes("client"), case.bytes("server"));
    let mut template = Template::new();
    let params = if row.shape == Shape::Ssl3Random {
        Params::Ssl3Random { client, server }
    } else {
        let (mac_bits, key_bits, iv_bits) = (number("mac"), number("write"), number("iv"));
        template.set(Attribute::number(CKA_VALUE_LEN, number("final")));
        let export = case.text("export") == "yes";
        Params::Ssl3KeyMaterial { mac_bits, key_bits, iv_bits, export, client, server }
    };
    let made = row.derives.unwrap()(&using(case.bytes("key"), params), &template).unwrap();
    assert_eq!(joined(&made), (case.bytes("result"), case.bytes("told")));
}

fn signs(row: &Row, case: &Case) {
    let signature = row.signature.unwrap();
    let length = Params::Length(case.text("length").parse().unwrap());
    let using = using(case.bytes("key"), length);
    signature.prepare(&using).unwrap();
    for part in [1, 7, 4096] {
        let mut feed = signature.feed(&using).unwrap();
        case.bytes("data").chunks(part).for_each(|chunk| feed.update(chunk).unwrap());
        let fed = feed.finish().unwrap();
        let mac = signature.sign(&using, &fed).unwrap();
        assert_eq!(mac, case.bytes("result"));
        signature.verify(&using, &fed, &mac).unwrap();
        let mut wrong = mac.clone();
        wrong[0] ^= 1;
        let refused = signature.verify(&using, &fed, &wrong).unwrap_err();
        assert_eq!(refused.cause(), Cause::SignatureInvalid);
        let refused = signature.verify(&using, &fed, &mac[1..]).unwrap_err();
        assert_eq!(refused.cause(), Cause::SignatureLenRange);
    }
}

#[test]
fn every_row_gives_the_known_answers() {
    let mut seen = BTreeSet::new();
    for case in cases(include_str!("../vectors/ssl3.txt")) {
        let row = row(case.text("mechanism"));
        if row.derives.is_some() {
            derives(row, &case);
        } else {
            signs(row, &case);
        }
        seen.insert(row.kind);
    }
    let all = ROWS.iter().filter(|row| row.generate.is_none()).map(|row| row.kind);
    assert_eq!(seen, all.collect());
}

#[test]
fn a_pre_master_secret_begins_with_the_version() {
    let of = |params, len| {
        let template = Template::from_iter([Attribute::number(CKA_VALUE_LEN, len)]);
        pre_master(&template, &params, LIMITS)
    };
    let one = of(Params::Bytes(vec![3, 0]), 48).unwrap();
    let other = of(Params::Bytes(vec![3, 0]), 48).unwrap();
    let value = one.bytes(CKA_VALUE).unwrap();
    assert_eq!((value.len(), &value[..2]), (48, &[3, 0][..]));
    assert_ne!(value, other.bytes(CKA_VALUE).unwrap());
    let refused = of(Params::Bytes(vec![3, 0]), 47).unwrap_err();
    assert_eq!(refused.cause(), Cause::TemplateInconsistent);
    for params in [Params::Bytes(vec![3]), Params::None] {
        assert_eq!(of(params, 48).unwrap_err().cause(), Cause::MechanismParamInvalid);
    }
}

#[test]
fn the_four_keys_have_their_types_and_their_guard() {
    let template = Template::from_iter([
        Attribute::number(CKA_KEY_TYPE, CKK_DES3),
        Attribute::flag(CKA_TOKEN, true),
        Attribute::flag(CKA_WRAP, true),
    ]);
    let made = key_material(&using(vec![7; 48], material(160, 192, 64)), &template).unwrap();
    let types = made.keys.iter().map(|key| key.template.number(CKA_KEY_TYPE).unwrap());
    let wanted = [CKK_GENERIC_SECRET, CKK_GENERIC_SECRET, CKK_DES3, CKK_DES3];
    assert_eq!(types.collect::<Vec<_>>(), wanted);
    for (at, key) in made.keys.iter().enumerate() {
        assert_eq!(key.template.flag(CKA_SENSITIVE), Some(true));
        assert_eq!(key.template.flag(CKA_EXTRACTABLE), Some(false));
        assert_eq!(key.template.flag(CKA_TOKEN), Some(true));
        assert_eq!(key.template.flag(CKA_SIGN), (at < 2).then_some(true));
        assert_eq!(key.template.flag(CKA_ENCRYPT), (at >= 2).then_some(true));
        assert_eq!(key.template.flag(CKA_WRAP), (at >= 2).then_some(true));
    }
    let open = Template::from_iter([Attribute::flag(CKA_EXTRACTABLE, true)]);
    let refused = key_material(&using(vec![7; 48], material(160, 192, 64)), &open).unwrap_err();
    assert_eq!(refused.cause(), Cause::TemplateInconsistent);
}

#[test]
fn what_no_handshake_has_is_refused() {
    let none = Template::new();
    let huge = u64::MAX - 7;
    for params in [
        material(161, 192, 64),
        material(0, 192, 64),
        material(160, 0, 64),
        material(160, huge, 0),
        material(160, 192, huge),
        material(huge, huge, huge),
        material(160, 192, 136),
        material(8, 8, 64),
        material(160, 2000, 64),
        material(1024, 1024, 1024),
        Params::None,
    ] {
        let refused = key_material(&using(vec![7; 48], params.clone()), &none).unwrap_err();
        assert_eq!(refused.cause(), Cause::MechanismParamInvalid, "{params:?}");
    }
    for (client, server) in [(vec![1; 31], vec![2; 32]), (vec![1; 32], Vec::new())] {
        let params = Params::Ssl3Random { client, server };
        let refused = master(&using(vec![7; 48], params), &none).unwrap_err();
        assert_eq!(refused.cause(), Cause::MechanismParamInvalid);
    }
    let params = Params::Ssl3Random { client: vec![1; 32], server: vec![2; 32] };
    let refused = master(&using(vec![7; 47], params.clone()), &none).unwrap_err();
    assert_eq!(refused.cause(), Cause::KeySizeRange);
    let aes = Template::from_iter([Attribute::number(CKA_KEY_TYPE, CKK_AES)]);
    let refused = master(&using(vec![7; 48], params), &aes).unwrap_err();
    assert_eq!(refused.cause(), Cause::TemplateInconsistent);
}
