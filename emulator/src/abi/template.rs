//! `CK_ATTRIBUTE` arrays to owned templates, and the answers of `C_GetAttributeValue` back.
//!
//! Lengths are taken as they are given, within bounds; whether a value suits its attribute is for
//! `object::rules` to say. One thing is decided here because it is about reading: a boolean is one
//! byte, and the bytes behind it are not looked at.

use std::mem::offset_of;

use zeroize::Zeroizing;

use crate::abi::ptr;
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::object::key_types;
use crate::object::{Answer, Attribute, Template, Value};

/// The most attributes one template has. A bound of ours: the standard knows about 130 types.
pub(super) const ATTRIBUTES_MAX: usize = 512;

/// The most bytes the values of one template have together. A bound of ours: no token object
/// comes near it, and a wrong length field goes far beyond.
pub(super) const VALUE_BYTES_MAX: usize = 16 << 20;

const ATTRIBUTE_BYTES: usize = size_of::<CK_ATTRIBUTE>();

/// Attributes whose value is a `CK_BBOOL`.
const BOOLEANS: &[CK_ATTRIBUTE_TYPE] = &[
    CKA_TOKEN,
    CKA_PRIVATE,
    CKA_TRUSTED,
    CKA_SENSITIVE,
    CKA_ENCRYPT,
    CKA_DECRYPT,
    CKA_WRAP,
    CKA_UNWRAP,
    CKA_SIGN,
    CKA_SIGN_RECOVER,
    CKA_VERIFY,
    CKA_VERIFY_RECOVER,
    CKA_DERIVE,
    CKA_EXTRACTABLE,
    CKA_LOCAL,
    CKA_NEVER_EXTRACTABLE,
    CKA_ALWAYS_SENSITIVE,
    CKA_MODIFIABLE,
    CKA_COPYABLE,
    CKA_DESTROYABLE,
    CKA_ALWAYS_AUTHENTICATE,
    CKA_WRAP_WITH_TRUSTED,
    CKA_ENCAPSULATE,
    CKA_DECAPSULATE,
    CKA_CCM_PRIVATE,
    CKA_ASSIGNED,
];

fn is_template(kind: CK_ATTRIBUTE_TYPE) -> bool {
    matches!(kind, CKA_WRAP_TEMPLATE | CKA_UNWRAP_TEMPLATE | CKA_DERIVE_TEMPLATE)
}

fn value_invalid(kind: CK_ATTRIBUTE_TYPE, rule: &'static str) -> Error {
    Error::new(Cause::AttributeValueInvalid, rule).about(kind)
}

/// The caller's template, owned. A null pointer with count 0 is an empty one.
///
/// # Errors
/// `ArgumentsBad`: null with a count, or more than [`ATTRIBUTES_MAX`] attributes.
/// `AttributeValueInvalid`: a null value with a length, a boolean longer than a byte, values
/// longer than [`VALUE_BYTES_MAX`] together, a nested template that is not a whole number of
/// attributes or has one inside.
///
/// # Safety
/// `at` is null or valid for reading `count` attributes, and the value of each is null or valid
/// for reading its length, and so on inside nested templates.
pub(super) unsafe fn read(at: *const CK_ATTRIBUTE, count: CK_ULONG) -> Result<Template> {
    let mut bytes_left = VALUE_BYTES_MAX;
    // SAFETY: passed on.
    unsafe { read_level(at, count, Level::Outer, &mut bytes_left) }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Level {
    Outer,
    Nested,
}

/// # Safety
/// As [`read`].
unsafe fn read_level(
    at: *const CK_ATTRIBUTE,
    count: CK_ULONG,
    level: Level,
    bytes_left: &mut usize,
) -> Result<Template> {
    // SAFETY: passed on.
    let entries = unsafe { entries(at, count)? };
    let mut attributes = Vec::with_capacity(entries.len());
    for entry in entries {
        // SAFETY: passed on.
        attributes.push(unsafe { read_attribute(&entry, level, bytes_left)? });
    }
    Ok(Template(attributes))
}

/// The array itself, copied.
///
/// # Safety
/// `at` is null or valid for reading `count` attributes.
unsafe fn entries(at: *const CK_ATTRIBUTE, count: CK_ULONG) -> Result<Vec<CK_ATTRIBUTE>> {
    let count = usize::try_from(count).ok().filter(|count| *count <= ATTRIBUTES_MAX);
    let Some(count) = count else {
        return Err(Error::new(
            Cause::ArgumentsBad,
            "a template has more attributes than there are",
        ));
    };
    if count > 0 && at.is_null() {
        return Err(Error::new(Cause::ArgumentsBad, "a template of some attributes is null"));
    }
    // SAFETY: the caller vouches for so many; they may be unaligned.
    Ok((0..count).map(|offset| unsafe { at.add(offset).read_unaligned() }).collect())
}

/// # Safety
/// The value of `entry` is as [`read`] wants it.
unsafe fn read_attribute(
    entry: &CK_ATTRIBUTE,
    level: Level,
    bytes_left: &mut usize,
) -> Result<Attribute> {
    let kind = entry.type_;
    let len = usize::try_from(entry.ulValueLen).ok().filter(|len| len <= bytes_left);
    let Some(len) = len else {
        return Err(value_invalid(kind, "a value is longer than a template can hold"));
    };
    *bytes_left -= len;
    if len > 1 && BOOLEANS.contains(&kind) {
        return Err(value_invalid(kind, "a boolean is one byte"));
    }
    if len > 0 && entry.pValue.is_null() {
        return Err(value_invalid(kind, "a value of some length has a null pointer"));
    }
    if !is_template(kind) {
        // SAFETY: the caller vouches for the value, and the length is in bounds.
        let value = unsafe { ptr::bytes(entry.pValue.cast(), entry.ulValueLen)? };
        if let (CKA_KEY_TYPE, Ok(number)) = (kind, value.try_into()) {
            let now = key_types::current(CK_KEY_TYPE::from_ne_bytes(number));
            return Ok(Attribute::number(kind, now));
        }
        return Ok(Attribute { kind, value: Value::Bytes(Zeroizing::new(value.to_vec())) });
    }
    if level == Level::Nested {
        return Err(value_invalid(kind, "a template inside a template has none inside"));
    }
    if len % ATTRIBUTE_BYTES != 0 {
        return Err(value_invalid(kind, "a nested template is a whole number of attributes"));
    }
    // SAFETY: the caller vouches for `len` bytes, which are so many attributes.
    let nested = unsafe {
        let count = (len / ATTRIBUTE_BYTES) as CK_ULONG;
        read_level(entry.pValue.cast(), count, Level::Nested, bytes_left)?
    };
    Ok(Attribute { kind, value: Value::Template(nested) })
}

/// The template of `C_GetAttributeValue`: types in, values and lengths out.
pub(super) struct Wanted {
    at: *mut CK_ATTRIBUTE,
    entries: Vec<CK_ATTRIBUTE>,
}

impl Wanted {
    /// Reads what is asked for, once.
    ///
    /// # Errors
    /// `ArgumentsBad` as [`read`].
    ///
    /// # Safety
    /// `at` is null or valid for reading and writing `count` attributes while `Self` lives, and
    /// the value of each is null or valid for writing its length; inside nested templates too.
    pub(super) unsafe fn read(at: *mut CK_ATTRIBUTE, count: CK_ULONG) -> Result<Self> {
        // SAFETY: passed on.
        Ok(Self { at, entries: unsafe { entries(at, count)? } })
    }

    /// The types, in order.
    pub(super) fn kinds(&self) -> Vec<CK_ATTRIBUTE_TYPE> {
        self.entries.iter().map(|entry| entry.type_).collect()
    }

    /// Writes every value that can be had, and `CK_UNAVAILABLE_INFORMATION` as the length of the
    /// others.
    ///
    /// # Errors
    /// The worst that happened, in this order: `AttributeSensitive`, `AttributeTypeInvalid`,
    /// `BufferTooSmall`. Any would be right: PKCS#11 v2.40, `C_GetAttributeValue`.
    pub(super) fn fill(&self, answers: &[Answer]) -> Result<()> {
        if answers.len() != self.entries.len() {
            return Err(Error::new(
                Cause::GeneralError,
                "an object answers each attribute that is asked for",
            ));
        }
        let mut trouble = Trouble::default();
        for (offset, (entry, answer)) in self.entries.iter().zip(answers).enumerate() {
            let cell = self.at.wrapping_add(offset);
            match answer {
                // SAFETY: `read` was promised the cell and the value.
                Answer::Value(value) => unsafe { put(cell, entry, value, &mut trouble) },
                Answer::Sensitive => {
                    // SAFETY: as above.
                    unsafe { put_length(cell, None) };
                    trouble.note(Cause::AttributeSensitive, entry.type_);
                }
                Answer::Invalid => {
                    // SAFETY: as above.
                    unsafe { put_length(cell, None) };
                    trouble.note(Cause::AttributeTypeInvalid, entry.type_);
                }
            }
        }
        trouble.result()
    }
}

/// The worst that was met so far.
#[derive(Default)]
struct Trouble(Option<(Cause, CK_ATTRIBUTE_TYPE)>);

impl Trouble {
    fn note(&mut self, cause: Cause, kind: CK_ATTRIBUTE_TYPE) {
        let rank = |cause| match cause {
            Cause::AttributeSensitive => 2,
            Cause::AttributeTypeInvalid => 1,
            _ => 0,
        };
        if self.0.is_none_or(|(worst, _)| rank(cause) > rank(worst)) {
            self.0 = Some((cause, kind));
        }
    }

    fn result(self) -> Result<()> {
        let Some((cause, kind)) = self.0 else { return Ok(()) };
        let rule = match cause {
            Cause::AttributeSensitive => "the object does not tell this attribute",
            Cause::AttributeTypeInvalid => "the object has no such attribute",
            _ => "the value is longer than its buffer",
        };
        Err(Error::new(cause, rule).about(kind))
    }
}

/// Writes the length of one attribute, or that it cannot be had.
///
/// # Safety
/// `cell` is valid for writing an attribute.
unsafe fn put_length(cell: *mut CK_ATTRIBUTE, len: Option<usize>) {
    let len = len.map_or(CK_UNAVAILABLE_INFORMATION, |len| len as CK_ULONG);
    // SAFETY: the field is inside the attribute; it may be unaligned.
    unsafe {
        cell.byte_add(offset_of!(CK_ATTRIBUTE, ulValueLen)).cast::<CK_ULONG>().write_unaligned(len);
    }
}

/// Writes one value, if there is room, and its length.
///
/// # Safety
/// `cell` is where `entry` was read; its value is null or valid for writing its length.
unsafe fn put(cell: *mut CK_ATTRIBUTE, entry: &CK_ATTRIBUTE, value: &Value, trouble: &mut Trouble) {
    let needed = match value {
        Value::Bytes(bytes) => bytes.len(),
        Value::Template(nested) => nested.0.len() * ATTRIBUTE_BYTES,
    };
    let room = usize::try_from(entry.ulValueLen).unwrap_or(usize::MAX);
    if !entry.pValue.is_null() {
        if room < needed {
            // SAFETY: passed on.
            unsafe { put_length(cell, None) };
            trouble.note(Cause::BufferTooSmall, entry.type_);
            return;
        }
        match value {
            // SAFETY: the caller vouches for `room` bytes, and `bytes` is memory of ours.
            Value::Bytes(bytes) => unsafe {
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), entry.pValue.cast::<u8>(), needed);
            },
            // SAFETY: as above: room for so many attributes, whose values are as `Wanted` wants.
            Value::Template(nested) => unsafe { put_nested(entry.pValue.cast(), nested, trouble) },
        }
    }
    // SAFETY: passed on.
    unsafe { put_length(cell, Some(needed)) };
}

/// Writes a template into the caller's array: types, lengths, and values where there is room.
///
/// Source: PKCS#11 v2.40, `C_GetAttributeValue`, attributes whose value is an array of attributes.
///
/// # Safety
/// `at` is valid for reading and writing as many attributes as `nested` has; the value of each
/// is null or valid for writing its length.
unsafe fn put_nested(at: *mut CK_ATTRIBUTE, nested: &Template, trouble: &mut Trouble) {
    for (offset, attribute) in nested.0.iter().enumerate() {
        let cell = at.wrapping_add(offset);
        // SAFETY: inside the array; the type is its first field and may be unaligned.
        let entry = unsafe {
            cell.cast::<CK_ATTRIBUTE_TYPE>().write_unaligned(attribute.kind);
            cell.read_unaligned()
        };
        match &attribute.value {
            // SAFETY: passed on.
            value @ Value::Bytes(_) => unsafe { put(cell, &entry, value, trouble) },
            // One level is all there is: see `read`.
            // SAFETY: passed on.
            Value::Template(_) => unsafe { put_length(cell, None) },
        }
    }
}

const _: () = assert!(offset_of!(CK_ATTRIBUTE, type_) == 0);

#[cfg(test)]
mod tests;
