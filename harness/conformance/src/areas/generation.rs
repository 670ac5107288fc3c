//! Generation of keys.

use luna_client::ck::*;
use luna_client::{Attribute, Mechanism, ObjectHandle, Session};

use crate::check::{Finding, Mark, Needs, Outcome, Registry, Row, Source, ensure, refused, same};
use crate::keys::{P256, RSA_PAIRS, first_listed, rsa_public};
use crate::mechanism::{Generation, Table, ckm, number};
use crate::stage::Stage;

const SECTION: &str = "section 5.14 (C_GenerateKey)";

type Rule = (&'static str, &'static str, &'static str, fn(&mut Stage, &Generation) -> Outcome);

const RULES: &[Rule] = &[
    ("makes", "a key of the right class and type is made", SECTION, makes),
    (
        "history",
        "a generated key is local and knows its mechanism",
        "section 4.7.2 (CKA_LOCAL, CKA_KEY_GEN_MECHANISM)",
        history,
    ),
    (
        "sensitive",
        "a key generated sensitive was always so, and its value is not told",
        "section 4.10.2",
        sensitive,
    ),
    (
        "not-sensitive",
        "a key generated in the open was not always sensitive",
        "section 4.10.2",
        not_sensitive,
    ),
    ("differ", "two keys are different", SECTION, differ),
    (
        "type",
        "a template of another key type is refused",
        "section 4.1.1 (CKR_TEMPLATE_INCONSISTENT)",
        other_type,
    ),
    (
        "class",
        "a template of another class is refused",
        "section 4.1.1 (CKR_TEMPLATE_INCONSISTENT)",
        other_class,
    ),
    (
        "value",
        "a template with a value is refused",
        "section 4.10.2 (CKA_VALUE), footnote 4",
        value,
    ),
    ("length", "a length there is not is refused", "section 5.1.6 (CKR_KEY_SIZE_RANGE)", length),
    (
        "no-length",
        "a length that is missing is refused",
        "section 4.1.1 (CKR_TEMPLATE_INCOMPLETE)",
        no_length,
    ),
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("generation", ROWS);
    for row in Table::read().generate {
        for (rule, title, clause, run) in RULES {
            if *rule == "length" && row.wrong.is_none() || *rule == "no-length" && row.len == 0 {
                continue;
            }
            let id = format!("generation.{}.{rule}", row.name);
            let title = format!("{}: {title}", row.name);
            let needs = Needs::session_objects()
                .mechanisms(&[ckm(&row.name)])
                .functions(&["C_GenerateKey"]);
            let row = row.clone();
            registry
                .add(id, title, Source::standard(*clause), needs, move |stage| run(stage, &row));
        }
    }
}

fn generate(
    stage: &Stage,
    session: &Session,
    row: &Generation,
    more: &[Attribute],
) -> luna_client::Result<ObjectHandle> {
    let mut template = stage.own(false);
    if row.len > 0 {
        template.push(Attribute::ulong(CKA_VALUE_LEN, row.len));
    }
    template.extend_from_slice(more);
    session.generate_key(&Mechanism::Plain(ckm(&row.name)), &template)
}

fn makes(stage: &mut Stage, row: &Generation) -> Outcome {
    let session = stage.session()?;
    let key = generate(stage, &session, row, &[])?;
    same("CKA_CLASS", &Some(CKO_SECRET_KEY), &session.attribute_ulong(key, CKA_CLASS)?)?;
    let key_type = number(names::CKK, &row.key);
    same("CKA_KEY_TYPE", &key_type, &session.attribute_ulong(key, CKA_KEY_TYPE)?)?;
    if row.len > 0 {
        same("CKA_VALUE_LEN", &Some(row.len), &session.attribute_ulong(key, CKA_VALUE_LEN)?)?;
    }
    Ok(())
}

fn history(stage: &mut Stage, row: &Generation) -> Outcome {
    let session = stage.session()?;
    let key = generate(stage, &session, row, &[])?;
    same("CKA_LOCAL", &Some(vec![1]), &session.attribute(key, CKA_LOCAL)?)?;
    let mechanism = session.attribute_ulong(key, CKA_KEY_GEN_MECHANISM)?;
    same("CKA_KEY_GEN_MECHANISM", &Some(ckm(&row.name)), &mechanism)
}

fn sensitive(stage: &mut Stage, row: &Generation) -> Outcome {
    let session = stage.session()?;
    let more = [Attribute::bool(CKA_SENSITIVE, true), Attribute::bool(CKA_EXTRACTABLE, false)];
    let key = generate(stage, &session, row, &more)?;
    for kind in [CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE] {
        same(&names::cka(kind), &Some(vec![1]), &session.attribute(key, kind)?)?;
    }
    same("CKA_VALUE", &None, &session.attribute(key, CKA_VALUE)?)
}

fn not_sensitive(stage: &mut Stage, row: &Generation) -> Outcome {
    let session = stage.session()?;
    let more = [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, true)];
    let key = match generate(stage, &session, row, &more) {
        Ok(key) => key,
        Err(error) => {
            let reason = format!("the token makes no keys in the open: {error}");
            return Err(Finding::not_applicable(reason));
        }
    };
    for kind in [CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE] {
        same(&names::cka(kind), &Some(vec![0]), &session.attribute(key, kind)?)?;
    }
    Ok(())
}

fn differ(stage: &mut Stage, row: &Generation) -> Outcome {
    let session = stage.session()?;
    let more = [Attribute::bool(CKA_SENSITIVE, false), Attribute::bool(CKA_EXTRACTABLE, true)];
    let values = [generate(stage, &session, row, &more), generate(stage, &session, row, &more)];
    let mut seen = Vec::new();
    for key in values {
        let Ok(key) = key else {
            return Err(Finding::not_applicable("the token makes no keys in the open"));
        };
        seen.push(session.attribute(key, CKA_VALUE)?);
    }
    let [Some(one), Some(other)] = seen.as_slice() else {
        return Err(Finding::not_applicable("the token does not tell the value"));
    };
    ensure(one != other, "two values", "the same twice")?;
    let constant = one.iter().all(|byte| Some(byte) == one.first());
    ensure(!constant, "a random value", "one byte again and again")
}

const INCONSISTENT: &[CK_RV] =
    &[CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_READ_ONLY];

fn other_type(stage: &mut Stage, row: &Generation) -> Outcome {
    let session = stage.session()?;
    let seen = generate(stage, &session, row, &[Attribute::key_type(CKK_RSA)]);
    refused("C_GenerateKey", seen, INCONSISTENT)
}

fn other_class(stage: &mut Stage, row: &Generation) -> Outcome {
    let session = stage.session()?;
    let seen = generate(stage, &session, row, &[Attribute::class(CKO_DATA)]);
    refused("C_GenerateKey", seen, INCONSISTENT)
}

fn value(stage: &mut Stage, row: &Generation) -> Outcome {
    let session = stage.session()?;
    let seen = generate(stage, &session, row, &[Attribute::bytes(CKA_VALUE, [1; 16])]);
    let codes = [INCONSISTENT, &[CKR_ATTRIBUTE_TYPE_INVALID]].concat();
    refused("C_GenerateKey", seen, &codes)
}

fn length(stage: &mut Stage, row: &Generation) -> Outcome {
    let session = stage.session()?;
    let Some(len) = row.wrong else { return Ok(()) };
    let template = [stage.own(false), vec![Attribute::ulong(CKA_VALUE_LEN, len)]].concat();
    let seen = session.generate_key(&Mechanism::Plain(ckm(&row.name)), &template);
    let codes = [CKR_KEY_SIZE_RANGE, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT];
    refused(&format!("C_GenerateKey of {len} bytes"), seen, &codes)
}

fn no_length(stage: &mut Stage, row: &Generation) -> Outcome {
    let session = stage.session()?;
    let seen = session.generate_key(&Mechanism::Plain(ckm(&row.name)), &stage.own(false));
    refused("C_GenerateKey", seen, &[CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT])
}

const PAIR: &str = "section 5.14 (C_GenerateKeyPair)";

const ROWS: &[Row] = &[
    Row {
        id: "pair.rsa",
        title: "an RSA pair of 2048 bits is of one modulus, of 2048 bits",
        source: (Mark::Standard, PAIR),
        needs: Needs::session_objects,
        run: |stage| {
            let pair = stage.key(crate::keys::Family::Rsa)?;
            let session = stage.session()?;
            let modulus = session.attribute(pair.public, CKA_MODULUS)?;
            same("the halves' modulus", &modulus, &session.attribute(pair.private, CKA_MODULUS)?)?;
            same("the modulus' length", &Some(256), &modulus.map(|modulus| modulus.len()))?;
            let bits = session.attribute_ulong(pair.public, CKA_MODULUS_BITS)?;
            same("CKA_MODULUS_BITS", &Some(2048), &bits)
        },
    },
    Row {
        id: "pair.rsa-private",
        title: "what makes an RSA key private is not told",
        source: (Mark::Standard, "section 4.9 (CKA_SENSITIVE)"),
        needs: Needs::session_objects,
        run: |stage| {
            let pair = stage.key(crate::keys::Family::Rsa)?;
            let session = stage.session()?;
            for kind in [CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_COEFFICIENT] {
                same(&names::cka(kind), &None, &session.attribute(pair.private, kind)?)?;
            }
            Ok(())
        },
    },
    Row {
        id: "pair.rsa-no-bits",
        title: "an RSA pair without a size is refused",
        source: (Mark::Standard, "section 4.1.1 (CKR_TEMPLATE_INCOMPLETE)"),
        needs: Needs::session_objects,
        run: |stage| {
            let mechanism = Mechanism::Plain(first_listed(stage, RSA_PAIRS)?);
            let session = stage.session()?;
            let seen = session.generate_key_pair(&mechanism, &stage.own(false), &stage.own(false));
            refused(
                "C_GenerateKeyPair",
                seen,
                &[CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT],
            )
        },
    },
    Row {
        id: "pair.rsa-small",
        title: "an RSA pair below the smallest size is refused",
        source: (Mark::Standard, "section 5.1.6 (CKR_KEY_SIZE_RANGE)"),
        needs: Needs::session_objects,
        run: |stage| {
            let kind = first_listed(stage, RSA_PAIRS)?;
            let min = stage.mechanism_info(kind)?.min_key_size;
            let small = if min > 64 { min - 64 } else { 8 };
            let session = stage.session()?;
            let public = [rsa_public(small), stage.own(false)].concat();
            let mechanism = Mechanism::Plain(kind);
            let seen = session.generate_key_pair(&mechanism, &public, &stage.own(false));
            let codes = [CKR_KEY_SIZE_RANGE, CKR_ATTRIBUTE_VALUE_INVALID];
            refused(&format!("C_GenerateKeyPair of {small} bits"), seen, &codes)
        },
    },
    Row {
        id: "pair.ec",
        title: "an EC pair has a point on its curve's length",
        source: (Mark::Standard, PAIR),
        needs: || Needs::session_objects().mechanisms(&[CKM_EC_KEY_PAIR_GEN]),
        run: |stage| {
            let pair = stage.key(crate::keys::Family::Ec)?;
            let session = stage.session()?;
            let point = session.attribute(pair.public, CKA_EC_POINT)?.unwrap_or_default();
            let der = point.starts_with(&[0x04, 65, 0x04]) && point.len() == 67;
            ensure(der, "an OCTET STRING of an uncompressed point", format!("{point:02x?}"))?;
            for half in [pair.public, pair.private] {
                let params = session.attribute(half, CKA_EC_PARAMS)?;
                same("CKA_EC_PARAMS", &Some(P256.to_vec()), &params)?;
            }
            same("CKA_VALUE", &None, &session.attribute(pair.private, CKA_VALUE)?)
        },
    },
    Row {
        id: "pair.ec-no-curve",
        title: "an EC pair without a curve is refused",
        source: (Mark::Standard, "section 4.1.1 (CKR_TEMPLATE_INCOMPLETE)"),
        needs: || Needs::session_objects().mechanisms(&[CKM_EC_KEY_PAIR_GEN]),
        run: |stage| {
            let session = stage.session()?;
            let mechanism = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
            let seen = session.generate_key_pair(&mechanism, &stage.own(false), &stage.own(false));
            refused(
                "C_GenerateKeyPair",
                seen,
                &[CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT],
            )
        },
    },
    Row {
        id: "pair.differ",
        title: "two EC pairs are different",
        source: (Mark::Standard, PAIR),
        needs: || Needs::session_objects().mechanisms(&[CKM_EC_KEY_PAIR_GEN]),
        run: |stage| {
            let session = stage.session()?;
            let one = crate::keys::Family::Ec.make(stage, &session, &[CKA_VERIFY, CKA_SIGN])?;
            let other = crate::keys::Family::Ec.make(stage, &session, &[CKA_VERIFY, CKA_SIGN])?;
            let point = |pair: &crate::keys::Cached| session.attribute(pair.public, CKA_EC_POINT);
            ensure(point(&one)? != point(&other)?, "two points", "the same twice")
        },
    },
    Row {
        id: "secret.pair-mechanism",
        title: "C_GenerateKey with a mechanism of pairs is refused",
        source: (Mark::Standard, "section 5.14 (C_GenerateKey), CKR_MECHANISM_INVALID"),
        needs: || Needs::session_objects().mechanisms(&[CKM_EC_KEY_PAIR_GEN]),
        run: |stage| {
            let session = stage.session()?;
            let mechanism = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
            let seen = session.generate_key(&mechanism, &stage.own(false));
            refused("C_GenerateKey", seen, &[CKR_MECHANISM_INVALID])
        },
    },
    Row {
        id: "secret.cipher-mechanism",
        title: "C_GenerateKey with a mechanism that encrypts is refused",
        source: (Mark::Standard, "section 5.14 (C_GenerateKey), CKR_MECHANISM_INVALID"),
        needs: || Needs::session_objects().mechanisms(&[CKM_AES_ECB]),
        run: |stage| {
            let session = stage.session()?;
            let seen = session.generate_key(&Mechanism::Plain(CKM_AES_ECB), &stage.own(false));
            refused("C_GenerateKey", seen, &[CKR_MECHANISM_INVALID])
        },
    },
];
