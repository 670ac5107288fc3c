//! Between objects in memory and records in the store: what is sealed, under which key.
//!
//! Secrets of private objects are sealed under the partition's key, which only a role's PIN opens.
//! Secrets of public objects can be used without a PIN, so the device's own key has to do for them.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::seal::SealKey;
use crate::error::{Cause, Error, Result};
use crate::hsm::store::{NewObject, ObjectRecord, ObjectUpdate, StoreError};
use crate::object::rules::Class;
use crate::object::{Attribute, Template};

/// The first byte of every blob.
const FORMAT: u8 = 1;

/// Attributes that a record does not keep in its blob, because it has a column for them.
const COLUMNS: [CK_ATTRIBUTE_TYPE; 1] = [CKA_OUID];

#[derive(Deserialize, Serialize)]
struct Blob {
    attributes: Template,
}

/// The class of a template that is complete.
pub(super) fn class_of(attributes: &Template) -> Result<Class> {
    let class = attributes.number(CKA_CLASS).ok_or_else(|| damaged("an object without a class"))?;
    Ok(Class::of(class, attributes.number(CKA_KEY_TYPE)))
}

/// A record of an object about to be stored.
pub(super) fn new_record(
    attributes: &Template,
    key: &SealKey,
    ouid: Option<[u8; 12]>,
) -> Result<NewObject> {
    let class = class_of(attributes)?;
    let (open, secret) = split(attributes, class);
    let column = |kind| attributes.bytes(kind).unwrap_or_default().to_vec();
    Ok(NewObject {
        class: class.class,
        key_type: class.key_type,
        label: column(CKA_LABEL),
        id: column(CKA_ID),
        application: column(CKA_APPLICATION),
        private: attributes.flag(CKA_PRIVATE).unwrap_or(false),
        ouid,
        unless_destroyed_since: None,
        attributes: encode(&open)?.to_vec(),
        secret: seal(&secret, key)?,
    })
}

/// What replaces a record's columns after a change of attributes.
pub(super) fn update(attributes: &Template, key: &SealKey) -> Result<ObjectUpdate> {
    let record = new_record(attributes, key, None)?;
    Ok(ObjectUpdate {
        label: record.label,
        id: record.id,
        application: record.application,
        private: record.private,
        attributes: record.attributes,
        secret: Some(record.secret),
    })
}

/// The attributes of a record, its secrets opened.
pub(super) fn attributes(record: &ObjectRecord, key: &SealKey) -> Result<Template> {
    let mut attributes = decode(&record.attributes)?;
    if !record.secret.is_empty() {
        let opened = key
            .open(b"object", &record.secret)
            .map_err(|_| damaged("an object whose secret does not open"))?;
        attributes.0.extend(decode(&opened)?.0);
    }
    attributes.set(Attribute::bytes(CKA_OUID, record.ouid.to_vec()));
    Ok(attributes)
}

/// Seals a template for a journey or for the store.
pub(super) fn seal(template: &Template, key: &SealKey) -> Result<Vec<u8>> {
    if template.0.is_empty() {
        return Ok(Vec::new());
    }
    key.seal(b"object", &encode(template)?)
        .map_err(|_| Error::new(Cause::FunctionFailed, "sealing failed"))
}

/// The bytes of a template, to be sealed or kept.
pub(super) fn encode(template: &Template) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![FORMAT]);
    let blob = Blob { attributes: template.clone() };
    let body = postcard::to_allocvec(&blob).map(Zeroizing::new);
    let body = body.map_err(|_| Error::new(Cause::FunctionFailed, "an object does not encode"))?;
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// A template from its bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Template> {
    let Some((&FORMAT, body)) = bytes.split_first() else {
        return Err(damaged("an object of a format this release does not know"));
    };
    let blob: Blob =
        postcard::from_bytes(body).map_err(|_| damaged("an object that cannot be read"))?;
    Ok(blob.attributes)
}

fn split(attributes: &Template, class: Class) -> (Template, Template) {
    let private = attributes.flag(CKA_PRIVATE).unwrap_or(false);
    let mut open = Template::new();
    let mut secret = Template::new();
    for attribute in &attributes.0 {
        if COLUMNS.contains(&attribute.kind) {
            continue;
        }
        let value_of_private = private && attribute.kind == CKA_VALUE;
        if value_of_private || class.rule(attribute.kind).is_some_and(|rule| rule.secret) {
            secret.0.push(attribute.clone());
        } else {
            open.0.push(attribute.clone());
        }
    }
    (open, secret)
}

fn damaged(what: &'static str) -> Error {
    Error::new(Cause::DeviceError, format!("the store holds {what}"))
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let cause = match &error {
            StoreError::Full { .. } => Cause::DeviceMemory,
            StoreError::ReadOnly { .. } => Cause::TokenWriteProtected,
            StoreError::NoSuchObject { .. } | StoreError::Destroyed { .. } => {
                Cause::ObjectHandleInvalid
            }
            StoreError::NoSuchPartition { .. } => Cause::TokenNotPresent,
            _ => Cause::DeviceError,
        };
        Self::new(cause, error.to_string())
    }
}
