//! Add Attribute: one more attribute, or one more instance. The standard, section 4.13.

use super::{Call, Done, identifier};
use crate::kmip::Refusal;
use crate::kmip::attribute::{self, Attribute, Wish};
use crate::kmip::message::Fields;
use crate::kmip::tag;

/// The attribute of the payload; whether an index came with it.
pub(super) fn read(fields: Fields<'_>) -> Result<(Attribute, bool), Refusal> {
    let item = fields.get(tag::ATTRIBUTE).ok_or_else(|| Refusal::missing("the attribute"))?;
    Attribute::read(item)
}

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let mut object = call.object_to_modify(fields)?;
    object.not_destroyed()?;
    let (it, indexed) = read(fields)?;
    if indexed {
        return Err(Refusal::invalid("Attribute Index", "a new instance has none yet"));
    }
    attribute::allowed(Wish::Add, &it.name, Some(&it.value))?;
    if it.name == attribute::NAME {
        call.name_is_free(&it.value)?;
    }
    let added = object.attributes.add(&it.name, it.value)?;
    object.settle(call.now);
    call.save("Add Attribute", &mut object)?;
    Ok(vec![identifier(&object.id), added.to_item()])
}
