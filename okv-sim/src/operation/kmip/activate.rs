//! Activate: a key may be used from now on. The standard, section 4.18.

use super::{Call, Done, identifier};
use crate::kmip::attribute::ACTIVATION_DATE;
use crate::kmip::message::Fields;
use crate::kmip::tag::ObjectState;
use crate::kmip::ttlv::Value;
use crate::kmip::{Reason, Refusal};

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let mut object = call.object_to_modify(fields)?;
    let Some(state) = object.state() else {
        let message = "an object that is not cryptographic has no state";
        return Err(Refusal::new(Reason::IllegalOperation, message));
    };
    if state != ObjectState::PreActive {
        let message = format!("the object is {}, not PRE-ACTIVE", state.name());
        return Err(Refusal::new(Reason::PermissionDenied, message));
    }
    object.attributes.set(ACTIVATION_DATE, Value::DateTime(call.now));
    object.settle(call.now);
    call.save("Activate", &mut object)?;
    Ok(vec![identifier(&object.id)])
}
