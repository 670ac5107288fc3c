//! Modify Attribute: another value for an instance. The standard, section 4.14.

use super::{Call, Done, add_attribute, identifier};
use crate::kmip::attribute::{self, ACTIVATION_DATE, PROCESS_START_DATE, Wish};
use crate::kmip::message::Fields;
use crate::kmip::tag::ObjectState;
use crate::kmip::{Reason, Refusal};

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let mut object = call.object_to_modify(fields)?;
    object.not_destroyed()?;
    let (it, _) = add_attribute::read(fields)?;
    attribute::allowed(Wish::Modify, &it.name, Some(&it.value))?;
    let begun = object.state().is_some_and(|state| state != ObjectState::PreActive);
    if begun && [ACTIVATION_DATE, PROCESS_START_DATE].contains(&it.name.as_str()) {
        let message = format!("{} is past and cannot be modified", it.name);
        return Err(Refusal::new(Reason::PermissionDenied, message));
    }
    if it.name == attribute::NAME {
        call.name_is_free(&it.value)?;
    }
    let modified = object.attributes.modify(&it.name, it.index, it.value)?;
    object.settle(call.now);
    call.save("Modify Attribute", &mut object)?;
    Ok(vec![identifier(&object.id), modified.to_item()])
}
