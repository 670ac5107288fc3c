//! Revoke: a key is no longer to be used, or is known to others. The standard, section 4.19.

use super::{Call, Done, identifier};
use crate::kmip::attribute::{
    COMPROMISE_DATE, COMPROMISE_OCCURRENCE_DATE, DEACTIVATION_DATE, REVOCATION_REASON,
};
use crate::kmip::message::Fields;
use crate::kmip::tag::{self, ObjectState};
use crate::kmip::ttlv::{Item, Value};
use crate::kmip::{Reason, Refusal};

/// Revocation Reason Codes: Key Compromise and CA Compromise.
const COMPROMISES: [u32; 2] = [2, 3];

/// The last of the codes.
const LAST: u32 = 7;

/// Longest message, bytes. Assumed.
const LONGEST_MESSAGE: usize = 1024;

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let mut object = call.object_to_modify(fields)?;
    let Some(state) = object.state() else {
        let message = "an object that is not cryptographic cannot be revoked";
        return Err(Refusal::new(Reason::IllegalOperation, message));
    };
    let reason = fields.structure(tag::REVOCATION_REASON)?;
    let reason = reason.ok_or_else(|| Refusal::missing("the revocation reason"))?;
    let code = reason.enumeration(tag::REVOCATION_REASON_CODE)?;
    let code = code.ok_or_else(|| Refusal::missing("the revocation reason code"))?;
    if !(1..=LAST).contains(&code) {
        return Err(Refusal::invalid("Revocation Reason Code", "there is no such code"));
    }
    let message = reason.text(tag::REVOCATION_MESSAGE)?;
    if message.is_some_and(|message| message.len() > LONGEST_MESSAGE) {
        return Err(Refusal::invalid("Revocation Message", "longer than 1024 bytes"));
    }
    let occurred = fields.date_time(tag::COMPROMISE_OCCURRENCE_DATE)?;
    let compromise = COMPROMISES.contains(&code);
    if compromise && occurred.is_some_and(|date| date > call.now) {
        return Err(Refusal::invalid("Compromise Occurrence Date", "is still to come"));
    }
    let next = match (compromise, state) {
        (true, ObjectState::Destroyed) => ObjectState::DestroyedCompromised,
        (true, ObjectState::PreActive | ObjectState::Active | ObjectState::Deactivated) => {
            ObjectState::Compromised
        }
        (false, ObjectState::Active) => ObjectState::Deactivated,
        _ => {
            let message = format!("the object is {} and cannot be revoked so", state.name());
            return Err(Refusal::new(Reason::IllegalOperation, message));
        }
    };
    if compromise {
        object.attributes.set(COMPROMISE_DATE, Value::DateTime(call.now));
        let occurred = occurred.unwrap_or(call.now);
        object.attributes.set(COMPROMISE_OCCURRENCE_DATE, Value::DateTime(occurred));
    } else {
        object.attributes.set(DEACTIVATION_DATE, Value::DateTime(call.now));
    }
    let mut why = vec![Item::enumeration(tag::REVOCATION_REASON_CODE, code)];
    why.extend(message.map(|message| Item::text(tag::REVOCATION_MESSAGE, message)));
    object.attributes.set(REVOCATION_REASON, Value::Structure(why));
    object.set_state(next);
    call.save("Revoke", &mut object)?;
    Ok(vec![identifier(&object.id)])
}
