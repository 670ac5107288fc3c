//! Get Attribute List: names of the attributes that an object has. The standard, section 4.12.

use super::{Call, Done, identifier};
use crate::kmip::message::Fields;
use crate::kmip::tag;
use crate::kmip::ttlv::Item;

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let object = call.object(fields)?;
    *call.placeholder = Some(object.id.clone());
    let mut names: Vec<&str> = Vec::new();
    for it in object.attributes.iter() {
        if !names.contains(&it.name.as_str()) {
            names.push(&it.name);
        }
    }
    let mut answer = vec![identifier(&object.id)];
    answer.extend(names.into_iter().map(|name| Item::text(tag::ATTRIBUTE_NAME, name)));
    Ok(answer)
}
