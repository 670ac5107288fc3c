//! Owned templates: what a caller gave, and what an object holds.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ck::*;
use crate::error::{Cause, Error, Result};

/// The value of one attribute, as bytes in the caller's order, or a template inside a template
/// (`CKA_WRAP_TEMPLATE` and its family).
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub enum Value {
    /// Booleans are 1 byte, numbers 8 bytes in native order, everything else as it is.
    Bytes(Zeroizing<Vec<u8>>),
    /// Nested templates go one level deep.
    Template(Template),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Template(template) => template.fmt(f),
        }
    }
}

/// One attribute; `Debug` prints its name and length, never its value.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct Attribute {
    /// `CKA_` number.
    pub kind: CK_ATTRIBUTE_TYPE,
    /// Its value.
    pub value: Value,
}

impl Attribute {
    /// An attribute of bytes.
    pub fn bytes(kind: CK_ATTRIBUTE_TYPE, value: impl Into<Vec<u8>>) -> Self {
        Self { kind, value: Value::Bytes(Zeroizing::new(value.into())) }
    }

    /// A `CK_BBOOL`.
    pub fn flag(kind: CK_ATTRIBUTE_TYPE, value: bool) -> Self {
        Self::bytes(kind, vec![u8::from(value)])
    }

    /// A `CK_ULONG`.
    pub fn number(kind: CK_ATTRIBUTE_TYPE, value: CK_ULONG) -> Self {
        Self::bytes(kind, value.to_ne_bytes().to_vec())
    }

    /// The bytes, unless it is a nested template.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Template(_) => None,
        }
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", names::cka(self.kind), self.value)
    }
}

/// Attributes in the order given.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Template(pub Vec<Attribute>);

impl Template {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The attribute of that type, if it is here.
    pub fn find(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<&Attribute> {
        self.0.iter().find(|attribute| attribute.kind == kind)
    }

    /// Its bytes, if it is here and not a nested template.
    pub fn bytes(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<&[u8]> {
        self.find(kind).and_then(Attribute::as_bytes)
    }

    /// A boolean, if it is here and one byte long.
    pub fn flag(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<bool> {
        match self.bytes(kind)? {
            [value] => Some(*value != 0),
            _ => None,
        }
    }

    /// A number, if it is here and as long as a `CK_ULONG`.
    pub fn number(&self, kind: CK_ATTRIBUTE_TYPE) -> Option<CK_ULONG> {
        self.bytes(kind)?.try_into().ok().map(CK_ULONG::from_ne_bytes)
    }

    /// Puts the attribute in, in the place of an older one of its type.
    pub fn set(&mut self, attribute: Attribute) {
        match self.0.iter_mut().find(|old| old.kind == attribute.kind) {
            Some(old) => *old = attribute,
            None => self.0.push(attribute),
        }
    }

    /// Puts the attribute in unless one of its type is there.
    pub fn set_default(&mut self, attribute: Attribute) {
        if self.find(attribute.kind).is_none() {
            self.0.push(attribute);
        }
    }

    /// Takes the attribute of that type out.
    pub fn remove(&mut self, kind: CK_ATTRIBUTE_TYPE) -> Option<Attribute> {
        let at = self.0.iter().position(|attribute| attribute.kind == kind)?;
        Some(self.0.remove(at))
    }

    /// Refuses a template that names an attribute twice.
    ///
    /// # Errors
    /// `TemplateInconsistent` names the attribute. Source: PKCS#11 v2.40 section 4.1.1 item 5.
    pub fn check_no_duplicates(&self) -> Result<()> {
        for (at, attribute) in self.0.iter().enumerate() {
            if self.0.iter().take(at).any(|before| before.kind == attribute.kind) {
                return Err(Error::new(
                    Cause::TemplateInconsistent,
                    "a template names an attribute once",
                )
                .about(attribute.kind));
            }
        }
        Ok(())
    }
}

impl FromIterator<Attribute> for Template {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Self {
        Self(attributes.into_iter().collect())
    }
}

/// What `C_GetAttributeValue` says of one attribute.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Answer {
    /// Here it is.
    Value(Value),
    /// The object has it and will not tell: `CKR_ATTRIBUTE_SENSITIVE`.
    Sensitive,
    /// The object has no such attribute: `CKR_ATTRIBUTE_TYPE_INVALID`.
    Invalid,
}
