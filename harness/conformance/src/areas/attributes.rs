//! Attributes by object: what each object has, what it is when nobody says, what cannot be changed.
//!
//! One row of `data/attributes.toml` is one attribute of one kind of object; each rule makes a check of it.

use luna_client::ck::*;
use luna_client::{Attribute, AttributeType, Mechanism, ObjectHandle, Session};
use serde::Deserialize;

use crate::check::{Finding, Mark, Needs, Outcome, Registry, Source, Subject, refused, same};
use crate::keys::{Family, P256};
use crate::mechanism::number;
use crate::stage::Stage;

const FILE: &str = include_str!("../../data/attributes.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    attribute: Vec<Row>,
}

/// An attribute of a kind of object.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// `data`, `generated-aes`, `imported-aes`, `ec-public`, `ec-private`.
    object: String,
    /// `CKA_…`.
    name: String,
    /// What it is when no template says: `true`, `false`, `empty`, a number; without it, nothing is said.
    default: Option<toml::Value>,
    /// Whether it can be changed: true, false; without it, nothing is said.
    changes: Option<bool>,
    /// Where the default stands; the standard without it.
    source: Option<String>,
    /// How far that can be trusted.
    #[serde(default = "documented")]
    mark: Mark,
}

fn documented() -> Mark {
    Mark::Documented
}

pub(super) fn register(registry: &mut Registry) {
    let table: Table = toml::from_str(FILE).unwrap_or(Table { attribute: Vec::new() });
    for row in table.attribute {
        let needs = || Needs::session_objects().functions(&["C_GetAttributeValue"]);
        let source = Source::standard("section 4 (attributes of each class)");
        let (id, one) = (format!("attributes.{}.{}.there", row.object, row.name), row.clone());
        let title = format!("{}: {} is there", row.object, row.name);
        let (of, wants) = match &row.source {
            Some(text) if row.default.is_none() => {
                let of = Source::vendor(row.mark, text.clone());
                (of, needs().subject(Subject::Luna))
            }
            _ => (source.clone(), needs()),
        };
        registry.add(id, title, of, wants, move |stage| there(stage, &one));
        if row.default.is_some() {
            let id = format!("attributes.{}.{}.default", row.object, row.name);
            let title = format!("{}: {} when nobody says", row.object, row.name);
            let (source, needs) = match &row.source {
                None => (source.clone(), needs()),
                Some(text) => {
                    let source = Source::vendor(row.mark, text.clone());
                    (source, needs().subject(Subject::Luna))
                }
            };
            let one = row.clone();
            registry.add(id, title, source, needs, move |stage| default(stage, &one));
        }
        if row.changes == Some(false) {
            let id = format!("attributes.{}.{}.fixed", row.object, row.name);
            let title = format!("{}: {} cannot be changed", row.object, row.name);
            registry.add(id, title, source, needs(), move |stage| fixed(stage, &row));
        }
    }
}

fn object(stage: &Stage, session: &Session, kind: &str) -> Outcome<ObjectHandle> {
    let label = vec![Attribute::label(&stage.label()), Attribute::token(false)];
    let aes = Mechanism::Plain(CKM_AES_KEY_GEN);
    let pair = || -> Outcome<(ObjectHandle, ObjectHandle)> {
        stage.wants(CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR)?;
        let public = [vec![Attribute::bytes(CKA_EC_PARAMS, P256)], label.clone()].concat();
        let mechanism = Mechanism::Plain(CKM_EC_KEY_PAIR_GEN);
        Ok(session.generate_key_pair(&mechanism, &public, &label)?)
    };
    Ok(match kind {
        "data" => session.create_object(&[vec![Attribute::class(CKO_DATA)], label].concat())?,
        "generated-aes" => {
            stage.wants(CKM_AES_KEY_GEN, CKF_GENERATE)?;
            let len = vec![Attribute::ulong(CKA_VALUE_LEN, 32)];
            session.generate_key(&aes, &[len, label].concat())?
        }
        "imported-aes" => crate::keys::import(stage, session, CKK_AES, &Family::Aes.value(), &[])?,
        "ec-public" => pair()?.0,
        "ec-private" => pair()?.1,
        _ => return Err(Finding::not_applicable(format!("no object is called `{kind}`"))),
    })
}

fn kind(row: &Row) -> AttributeType {
    number(names::CKA, &row.name).unwrap_or(CK_ULONG::MAX)
}

fn value(stage: &mut Stage, row: &Row) -> Outcome<Vec<u8>> {
    let session = stage.session()?;
    let object = object(stage, &session, &row.object)?;
    let none = Finding::unlike(row.name.clone(), "no such attribute, or it is not told");
    session.attribute(object, kind(row))?.ok_or(none)
}

fn there(stage: &mut Stage, row: &Row) -> Outcome {
    value(stage, row).map(drop)
}

fn default(stage: &mut Stage, row: &Row) -> Outcome {
    let seen = value(stage, row)?;
    let expected = match &row.default {
        Some(toml::Value::Boolean(value)) => vec![u8::from(*value)],
        Some(toml::Value::Integer(value)) => {
            CK_ULONG::try_from(*value).unwrap_or(0).to_ne_bytes().to_vec()
        }
        Some(toml::Value::String(name)) => match number(names::CKM, name) {
            Some(number) => number.to_ne_bytes().to_vec(),
            None if name == "unavailable" => CK_UNAVAILABLE_INFORMATION.to_ne_bytes().to_vec(),
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    same(&row.name, &expected, &seen)
}

fn fixed(stage: &mut Stage, row: &Row) -> Outcome {
    let session = stage.session()?;
    let object = object(stage, &session, &row.object)?;
    let none = Finding::not_applicable("the object has no such attribute");
    let mut changed = session.attribute(object, kind(row))?.ok_or(none)?;
    match changed.last_mut() {
        Some(byte) => *byte ^= 1,
        None => changed = vec![1],
    }
    // Numbers are of the machine's order; a flag's only byte is its last.
    let seen = session.set_attributes(object, &[Attribute::bytes(kind(row), changed)]);
    refused(
        "C_SetAttributeValue",
        seen,
        &[CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT, CKR_ACTION_PROHIBITED],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_its_names_are_known() {
        let table: Table = toml::from_str(FILE).unwrap();
        assert!(table.attribute.iter().all(|row| kind(row) != CK_ULONG::MAX));
    }
}
