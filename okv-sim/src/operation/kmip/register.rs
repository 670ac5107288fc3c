//! Register: the client brings an object. The standard, sections 2.2 and 4.3.

use super::{Call, Done, New, identifier};
use crate::kmip::attribute::{self, Attribute, Attributes, Wish};
use crate::kmip::message::Fields;
use crate::kmip::tag::{self, ObjectType};
use crate::kmip::ttlv::{Bytes, Value};
use crate::kmip::{Reason, Refusal};

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let number = fields.enumeration(tag::OBJECT_TYPE)?;
    let number = number.ok_or_else(|| Refusal::missing("the object type"))?;
    let kind = ObjectType::numbered(number)
        .ok_or_else(|| Refusal::invalid("Object Type", "objects of this type are not kept here"))?;
    let object = fields.get(kind.tag()).ok_or_else(|| Refusal::missing("the object itself"))?;
    let Value::Structure(parts) = &object.value else {
        return Err(Refusal::new(Reason::InvalidMessage, "an object is a structure"));
    };
    let parts = Fields(parts);
    let mut attributes = call.template_attributes(fields)?;
    let value = match kind {
        ObjectType::Template => {
            template(call, parts, &mut attributes)?;
            None
        }
        ObjectType::Certificate => {
            certificate(parts, &mut attributes)?;
            Some(object.clone())
        }
        ObjectType::OpaqueObject => {
            let kind = parts.enumeration(tag::OPAQUE_DATA_TYPE)?;
            kind.ok_or_else(|| Refusal::missing("the opaque data type"))?;
            let bytes = parts.bytes(tag::OPAQUE_DATA_VALUE)?;
            let bytes = bytes.ok_or_else(|| Refusal::missing("the data"))?;
            set_digest(&mut attributes, bytes, tag::OPAQUE);
            Some(object.clone())
        }
        ObjectType::SecretData => {
            let kind = parts.enumeration(tag::SECRET_DATA_TYPE)?;
            kind.ok_or_else(|| Refusal::missing("the secret data type"))?;
            key_block(kind_of_block(ObjectType::SecretData), parts, &mut attributes)?;
            Some(object.clone())
        }
        ObjectType::SymmetricKey | ObjectType::PublicKey | ObjectType::PrivateKey => {
            key_block(kind_of_block(kind), parts, &mut attributes)?;
            Some(object.clone())
        }
    };
    let is_key =
        matches!(kind, ObjectType::SymmetricKey | ObjectType::PublicKey | ObjectType::PrivateKey);
    if is_key && attributes.get(attribute::USAGE_MASK).is_none() {
        return Err(Refusal::missing("the attribute Cryptographic Usage Mask"));
    }
    call.begin(kind, &mut attributes);
    let new = New { attributes, value, wallets: call.default_wallets()? };
    Ok(vec![identifier(&call.store_new("Register", new, None)?)])
}

fn set_digest(attributes: &mut Attributes, bytes: &[u8], format: u32) {
    attributes.set(attribute::DIGEST, attribute::digest(bytes, format));
}

/// A template is its attributes, which are to be set on other objects, and its own name.
fn template(
    call: &Call<'_>,
    parts: Fields<'_>,
    attributes: &mut Attributes,
) -> Result<(), Refusal> {
    for item in parts.0 {
        if item.tag != tag::ATTRIBUTE {
            return Err(Refusal::new(Reason::InvalidMessage, "a template has attributes"));
        }
        let (it, _) = Attribute::read(item)?;
        attribute::allowed(Wish::Set, &it.name, Some(&it.value))?;
        if it.name == attribute::NAME {
            call.name_is_free(&it.value)?;
        }
        attributes.add(&it.name, it.value)?;
    }
    if attributes.names().next().is_none() {
        return Err(Refusal::missing("the template's name"));
    }
    Ok(())
}

fn certificate(parts: Fields<'_>, attributes: &mut Attributes) -> Result<(), Refusal> {
    let kind = parts.enumeration(tag::CERTIFICATE_TYPE)?;
    let kind = kind.ok_or_else(|| Refusal::missing("the certificate type"))?;
    let bytes = parts.bytes(tag::CERTIFICATE_VALUE)?;
    let bytes = bytes.ok_or_else(|| Refusal::missing("the certificate"))?;
    let length = i32::try_from(bytes.len())
        .map_err(|_| Refusal::invalid("Certificate", "too long to be one"))?;
    attributes.set(attribute::CERTIFICATE_TYPE, Value::Enumeration(kind));
    attributes.set(attribute::CERTIFICATE_LENGTH, Value::Integer(length));
    set_digest(attributes, bytes, tag::X_509);
    Ok(())
}

/// What a key block must have.
#[derive(Clone, Copy)]
struct Block {
    /// Whether algorithm and length must be said somewhere.
    described: bool,
    /// Whether the length is that of the bytes.
    measured: bool,
}

const fn kind_of_block(kind: ObjectType) -> Block {
    Block {
        described: !matches!(kind, ObjectType::SecretData),
        measured: matches!(kind, ObjectType::SymmetricKey),
    }
}

/// The standard, section 2.1.3. Algorithm and length may stand in the block or in the attributes, and where both say
/// something they must say the same.
fn key_block(wants: Block, parts: Fields<'_>, attributes: &mut Attributes) -> Result<(), Refusal> {
    let block = parts.structure(tag::KEY_BLOCK)?;
    let block = block.ok_or_else(|| Refusal::missing("the key block"))?;
    let format = block.enumeration(tag::KEY_FORMAT_TYPE)?;
    let format = format.ok_or_else(|| Refusal::missing("the key format type"))?;
    if block.get(tag::KEY_WRAPPING_DATA).is_some() {
        let message = "keys that are wrapped by another one are not taken";
        return Err(Refusal::new(Reason::FeatureNotSupported, message));
    }
    if block.get(tag::KEY_COMPRESSION_TYPE).is_some() {
        let message = "compressed keys are not taken";
        return Err(Refusal::new(Reason::KeyCompressionTypeNotSupported, message));
    }
    if let Some(bytes) = material(block)? {
        set_digest(attributes, bytes, format);
        if wants.measured && format == tag::RAW {
            measure(block, bytes)?;
        }
    }
    let algorithm = block.enumeration(tag::CRYPTOGRAPHIC_ALGORITHM)?.map(Value::Enumeration);
    let length = block.integer(tag::CRYPTOGRAPHIC_LENGTH)?.map(Value::Integer);
    for (name, said) in [(attribute::ALGORITHM, algorithm), (attribute::LENGTH, length)] {
        match (attributes.get(name), said) {
            (Some(known), Some(said)) if *known != said => {
                return Err(Refusal::invalid(name, "block and attribute do not agree"));
            }
            (None, Some(said)) => attributes.set(name, said),
            (None, None) if wants.described => {
                return Err(Refusal::missing(&format!("the attribute {name}")));
            }
            _ => {}
        }
    }
    if let Some(number) = attributes.number(attribute::ALGORITHM)
        && tag::algorithm(number).is_none()
    {
        return Err(Refusal::invalid(attribute::ALGORITHM, "there is no such algorithm"));
    }
    Ok(())
}

/// The bytes of a key; `None` for a transparent one, which is kept as it is.
fn material(block: Fields<'_>) -> Result<Option<&Bytes>, Refusal> {
    let value = block.structure(tag::KEY_VALUE)?;
    let value = value.ok_or_else(|| Refusal::missing("the key value"))?;
    if value.get(tag::ATTRIBUTE).is_some() {
        let message = "attributes stand in the template-attribute, not in the key value";
        return Err(Refusal::new(Reason::FeatureNotSupported, message));
    }
    let material = value.get(tag::KEY_MATERIAL).map(|item| &item.value);
    match material.ok_or_else(|| Refusal::missing("the key material"))? {
        Value::Bytes(bytes) if bytes.is_empty() => Err(Refusal::invalid("Key Material", "empty")),
        Value::Bytes(bytes) => Ok(Some(bytes)),
        Value::Structure(_) => Ok(None),
        _ => Err(Refusal::invalid("Key Material", "bytes or a structure")),
    }
}

/// Whether the key is as long as is said. Lengths of DES leave the parity bits out, if they like.
fn measure(block: Fields<'_>, bytes: &[u8]) -> Result<(), Refusal> {
    let bits = i32::try_from(bytes.len().saturating_mul(8)).unwrap_or(i32::MAX);
    match block.integer(tag::CRYPTOGRAPHIC_LENGTH)? {
        Some(said) if said != bits && said.checked_mul(8) != bits.checked_mul(7) => {
            let why = format!("{said} bits are said, and there are {bits}");
            Err(Refusal::invalid("Cryptographic Length", &why))
        }
        _ => Ok(()),
    }
}
