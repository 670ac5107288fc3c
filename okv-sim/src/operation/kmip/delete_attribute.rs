//! Delete Attribute: an instance goes. The standard, section 4.15.

use super::{Call, Done, identifier};
use crate::kmip::Refusal;
use crate::kmip::attribute::{self, Wish};
use crate::kmip::message::Fields;
use crate::kmip::tag;

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let mut object = call.object_to_modify(fields)?;
    object.not_destroyed()?;
    let name = fields.text(tag::ATTRIBUTE_NAME)?;
    let name = name.ok_or_else(|| Refusal::missing("the attribute's name"))?;
    let index = fields.integer(tag::ATTRIBUTE_INDEX)?.unwrap_or(0);
    attribute::allowed(Wish::Delete, name, None)?;
    let deleted = object.attributes.delete(name, index)?;
    call.save("Delete Attribute", &mut object)?;
    Ok(vec![identifier(&object.id), deleted.to_item()])
}
