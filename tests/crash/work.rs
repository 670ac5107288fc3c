//! The application that is killed.

use luna_ck::*;
use luna_client::{Attribute, InitArgs, Mechanism, Module, Session};
use luna_tests::{child, officer};

/// What is made in turn. The label says which it is.
pub(crate) const KINDS: [&str; 3] = ["secret", "data", "pair"];

/// DER of the OID of P-256.
pub(crate) const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The value of a data object, which its label determines.
pub(crate) fn value(label: &str) -> Vec<u8> {
    label.bytes().cycle().take(500).collect()
}

pub(crate) fn application(words: &[String]) {
    let [module, slot, name] = words else { panic!("{words:?}") };
    let context = Module::load(module).unwrap().initialize(InitArgs::OsLocking).unwrap();
    let slot = context.slot_by_label(slot).unwrap().unwrap();
    let session = officer(&context, slot);
    let mut last_data: Option<String> = None;
    for number in 0_usize.. {
        let kind = KINDS[number % KINDS.len()];
        let label = format!("{name}/{number}/{kind}");
        make(&session, kind, &label);
        child::say(&format!("made {label}"));
        if kind == "data" {
            // Every second one goes again.
            if let Some(label) = last_data.take() {
                child::say(&format!("going {label}"));
                let found = session.find(&[Attribute::label(&label)]).unwrap();
                session.destroy(found[0]).unwrap();
                child::say(&format!("gone {label}"));
            } else {
                last_data = Some(label);
            }
        }
    }
}

fn make(session: &Session, kind: &str, label: &str) {
    let common = [
        Attribute::token(true),
        Attribute::label(label),
        Attribute::bytes(CKA_ID, label.as_bytes()),
    ];
    let with = |more: &[Attribute]| [&common[..], more].concat();
    match kind {
        "secret" => {
            let template = with(&[
                Attribute::ulong(CKA_VALUE_LEN, 32),
                Attribute::bool(CKA_SIGN, true),
                Attribute::bool(CKA_VERIFY, true),
            ]);
            session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template).unwrap();
        }
        "data" => {
            let template = [
                Attribute::class(CKO_DATA),
                Attribute::token(true),
                Attribute::private(true),
                Attribute::label(label),
                Attribute::bytes(CKA_VALUE, value(label)),
            ];
            session.create_object(&template).unwrap();
        }
        _ => {
            let public =
                with(&[Attribute::bytes(CKA_EC_PARAMS, P256), Attribute::bool(CKA_VERIFY, true)]);
            let private = with(&[Attribute::bool(CKA_SIGN, true)]);
            let mechanism = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
            session.generate_key_pair(&mechanism, &public, &private).unwrap();
        }
    }
}
