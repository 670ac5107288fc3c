//! Get: the object itself. The standard, section 4.10.

use super::{Call, Done, identifier};
use crate::kmip::message::Fields;
use crate::kmip::tag::{self, ObjectType};
use crate::kmip::ttlv::{Item, Value};
use crate::kmip::{Reason, Refusal};

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let object = call.object(fields)?;
    object.not_destroyed()?;
    let kind = object.kind()?;
    if fields.get(tag::KEY_WRAPPING_SPECIFICATION).is_some() {
        let message = "keys are not wrapped by another one here; TLS protects them on their way";
        return Err(Refusal::new(Reason::FeatureNotSupported, message));
    }
    if fields.get(tag::KEY_COMPRESSION_TYPE).is_some() {
        let message = "keys are given as they came, never compressed";
        return Err(Refusal::new(Reason::KeyCompressionTypeNotSupported, message));
    }
    let value = match kind {
        ObjectType::Template => {
            let of_others = |it: &&crate::kmip::attribute::Attribute| {
                use crate::kmip::attribute::{NAME, Wish, allowed};
                it.name == NAME || allowed(Wish::Set, &it.name, None).is_ok()
            };
            let items = object.attributes.iter().filter(of_others).map(|it| it.to_item());
            Item::structure(tag::TEMPLATE, items.collect())
        }
        _ => call.value(&object)?.ok_or_else(super::damaged)?,
    };
    if let Some(wanted) = fields.enumeration(tag::KEY_FORMAT_TYPE)?
        && format(&value)?.is_some_and(|format| format != wanted)
    {
        let message = "a key is given in the format it came in";
        return Err(Refusal::new(Reason::KeyFormatTypeNotSupported, message));
    }
    // One that cannot be written stops nobody.
    let _ = call.store.change(|change| change.audit("Get", "success"));
    *call.placeholder = Some(object.id.clone());
    Ok(vec![Item::enumeration(tag::OBJECT_TYPE, kind as u32), identifier(&object.id), value])
}

fn format(value: &Item) -> Result<Option<u32>, Refusal> {
    let Value::Structure(parts) = &value.value else { return Ok(None) };
    match Fields(parts).structure(tag::KEY_BLOCK)? {
        Some(block) => block.enumeration(tag::KEY_FORMAT_TYPE),
        None => Ok(None),
    }
}
