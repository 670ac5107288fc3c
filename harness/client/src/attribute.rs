//! Attributes as the caller owns them.

use std::fmt;

use luna_ck::{
    CK_ATTRIBUTE_TYPE, CK_BBOOL, CK_FALSE, CK_TRUE, CK_ULONG, CKA_CLASS, CKA_KEY_TYPE, CKA_LABEL,
    CKA_PRIVATE, CKA_TOKEN, CKF_ARRAY_ATTRIBUTE, CKO_DATA, names,
};
use zeroize::Zeroize;

/// One attribute of a template: its type and its value as the module will read it.
///
/// Values are wiped when dropped: some of them are keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    pub(crate) kind: CK_ATTRIBUTE_TYPE,
    pub(crate) value: Value,
}

/// A nested template is kept as such, so that no pointer is ever made from bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Bytes(Vec<u8>),
    Template(Vec<Attribute>),
}

impl Attribute {
    /// Any value, byte for byte. Types that hold a template ([`Attribute::template`]) are refused when the
    /// call is made.
    pub fn bytes(kind: CK_ATTRIBUTE_TYPE, value: impl Into<Vec<u8>>) -> Self {
        Self { kind, value: Value::Bytes(value.into()) }
    }

    /// `CK_BBOOL`: one byte.
    pub fn bool(kind: CK_ATTRIBUTE_TYPE, value: bool) -> Self {
        let value: CK_BBOOL = if value { CK_TRUE } else { CK_FALSE };
        Self::bytes(kind, [value])
    }

    /// `CK_ULONG`, in the machine's byte order.
    pub fn ulong(kind: CK_ATTRIBUTE_TYPE, value: CK_ULONG) -> Self {
        Self::bytes(kind, value.to_ne_bytes())
    }

    /// UTF-8 without a terminator.
    pub fn text(kind: CK_ATTRIBUTE_TYPE, value: &str) -> Self {
        Self::bytes(kind, value.as_bytes())
    }

    /// `CKA_CLASS`.
    pub fn class(value: CK_ULONG) -> Self {
        Self::ulong(CKA_CLASS, value)
    }

    /// `CKA_KEY_TYPE`.
    pub fn key_type(value: CK_ULONG) -> Self {
        Self::ulong(CKA_KEY_TYPE, value)
    }

    /// `CKA_LABEL`.
    pub fn label(value: &str) -> Self {
        Self::text(CKA_LABEL, value)
    }

    /// `CKA_TOKEN`.
    pub fn token(value: bool) -> Self {
        Self::bool(CKA_TOKEN, value)
    }

    /// `CKA_PRIVATE`.
    pub fn private(value: bool) -> Self {
        Self::bool(CKA_PRIVATE, value)
    }

    /// The three attributes every data object starts with.
    pub fn data_object(label: &str) -> Vec<Self> {
        vec![Self::class(CKO_DATA), Self::token(true), Self::label(label)]
    }

    /// A template within a template, as in `CKA_UNWRAP_TEMPLATE`.
    pub fn template(kind: CK_ATTRIBUTE_TYPE, value: Vec<Attribute>) -> Self {
        Self { kind, value: Value::Template(value) }
    }

    /// `CKA_…`.
    pub fn kind(&self) -> CK_ATTRIBUTE_TYPE {
        self.kind
    }

    /// The value; `None` for a nested template.
    pub fn value(&self) -> Option<&[u8]> {
        match &self.value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Template(_) => None,
        }
    }

    /// Whether the shape of the value fits the type: bytes offered for a template would be read as pointers.
    pub(crate) fn is_well_formed(&self) -> bool {
        // An array too, but of numbers: there is nothing in it to follow.
        let holds_template =
            self.kind & CKF_ARRAY_ATTRIBUTE != 0 && self.kind != luna_ck::CKA_ALLOWED_MECHANISMS;
        match &self.value {
            Value::Bytes(bytes) => !holds_template || bytes.is_empty(),
            Value::Template(inner) => holds_template && inner.iter().all(Self::is_well_formed),
        }
    }
}

impl Drop for Attribute {
    fn drop(&mut self) {
        if let Value::Bytes(bytes) = &mut self.value {
            bytes.zeroize();
        }
    }
}

impl fmt::Debug for Attribute {
    /// Type and length only: the value may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&names::cka(self.kind))?;
        match &self.value {
            Value::Bytes(bytes) => write!(f, "[{} bytes]", bytes.len()),
            Value::Template(inner) => f.debug_list().entries(inner).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use luna_ck::{CKA_UNWRAP_TEMPLATE, CKA_VALUE};

    use super::*;

    #[test]
    fn bytes_in_place_of_a_template_are_not_well_formed() {
        assert!(!Attribute::bytes(CKA_UNWRAP_TEMPLATE, vec![0x41; 24]).is_well_formed());
        assert!(
            Attribute::template(CKA_UNWRAP_TEMPLATE, vec![Attribute::token(true)]).is_well_formed()
        );
        assert!(!Attribute::template(CKA_VALUE, vec![]).is_well_formed());
    }

    #[test]
    fn values_are_not_printed() {
        let printed = format!("{:?}", Attribute::bytes(CKA_VALUE, vec![0x41; 16]));
        assert_eq!(printed, "CKA_VALUE[16 bytes]");
    }
}
