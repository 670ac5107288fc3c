//! Get Attributes: some or all attributes of an object. The standard, section 4.11.

use super::{Call, Done, identifier};
use crate::kmip::Refusal;
use crate::kmip::message::Fields;
use crate::kmip::tag;
use crate::kmip::ttlv::Value;

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let object = call.object(fields)?;
    let mut wanted = Vec::new();
    for item in fields.all(tag::ATTRIBUTE_NAME) {
        match &item.value {
            Value::Text(name) => wanted.push(name.as_str()),
            _ => return Err(Refusal::invalid("Attribute Name", "must be a text string")),
        }
    }
    *call.placeholder = Some(object.id.clone());
    let mut answer = vec![identifier(&object.id)];
    // One the object does not have is left out.
    let is_wanted = |name: &str| wanted.is_empty() || wanted.contains(&name);
    let found = object.attributes.iter().filter(|it| is_wanted(&it.name));
    answer.extend(found.map(|it| it.to_item()));
    Ok(answer)
}
