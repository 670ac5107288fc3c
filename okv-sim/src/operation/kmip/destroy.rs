//! Destroy: the bytes go for good, and what is known about them stays. The standard, section 4.20.

use super::{Call, Done, identifier};
use crate::kmip::attribute::DESTROY_DATE;
use crate::kmip::message::Fields;
use crate::kmip::tag::ObjectState;
use crate::kmip::ttlv::Value;
use crate::kmip::{Reason, Refusal};

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let mut object = call.object_to_modify(fields)?;
    object.not_destroyed()?;
    match object.state() {
        Some(ObjectState::Active) => {
            let message = "an active object cannot be destroyed; revoke it first";
            return Err(Refusal::new(Reason::PermissionDenied, message));
        }
        Some(ObjectState::Compromised) => object.set_state(ObjectState::DestroyedCompromised),
        Some(_) => object.set_state(ObjectState::Destroyed),
        None => {}
    }
    object.attributes.set(DESTROY_DATE, Value::DateTime(call.now));
    let id = object.id.clone();
    call.save_with("Destroy", &mut object, |change| change.forget_security_object(&id))?;
    Ok(vec![identifier(&object.id)])
}
