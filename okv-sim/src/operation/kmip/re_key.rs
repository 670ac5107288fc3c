//! Re-key: a new key in the place of an old one, which keeps its bytes and gives its names away. The standard,
//! section 4.4.

use super::create::{new_key, symmetric_key, wanted};
use super::{Call, Done, New, identifier, set_link};
use crate::kmip::attribute::{
    self, ACTIVATION_DATE, DEACTIVATION_DATE, PROCESS_START_DATE, PROTECT_STOP_DATE,
};
use crate::kmip::message::Fields;
use crate::kmip::tag::{self, ObjectType};
use crate::kmip::ttlv::Value;
use crate::kmip::{Reason, Refusal};

const DATES: [&str; 4] =
    [ACTIVATION_DATE, PROCESS_START_DATE, PROTECT_STOP_DATE, DEACTIVATION_DATE];

/// What belongs to the old key alone.
const NOT_TAKEN_OVER: [&str; 7] = [
    attribute::UNIQUE_IDENTIFIER,
    attribute::DESTROY_DATE,
    attribute::COMPROMISE_DATE,
    attribute::COMPROMISE_OCCURRENCE_DATE,
    attribute::REVOCATION_REASON,
    attribute::LINK,
    attribute::DIGEST,
];

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let old = call.object_to_modify(fields)?;
    old.not_destroyed()?;
    if old.kind()? != ObjectType::SymmetricKey {
        let message = "only a symmetric key can be replaced";
        return Err(Refusal::new(Reason::IllegalOperation, message));
    }
    let said = call.template_attributes(fields)?;
    let mut attributes = old.attributes.clone();
    for name in NOT_TAKEN_OVER {
        attributes.remove(name);
    }
    if let Some(offset) = fields.interval(tag::OFFSET)? {
        if DATES.iter().any(|date| said.get(date).is_some()) {
            let message = "an offset and dates cannot be given together";
            return Err(Refusal::new(Reason::InvalidMessage, message));
        }
        move_dates(call.now, offset, old.attributes.date(ACTIVATION_DATE), &mut attributes);
    }
    let names: Vec<_> = said.iter().map(|it| it.name.clone()).collect();
    for name in names {
        attributes.remove(&name);
    }
    for it in said.iter() {
        attributes.add(&it.name, it.value.clone())?;
    }
    let (algorithm, length) = wanted(&attributes)?;
    let bytes = new_key(algorithm, length)?;
    call.begin(ObjectType::SymmetricKey, &mut attributes);
    attributes.set(attribute::DIGEST, attribute::digest(&bytes, tag::RAW));
    set_link(&mut attributes, tag::REPLACED_OBJECT_LINK, &old.id)?;
    let new = New {
        attributes,
        value: Some(symmetric_key(algorithm, length, &bytes)),
        // Who could use the old key can use the new one (Assumed).
        wallets: call.store.wallets_of(&old.id)?,
    };
    Ok(vec![identifier(&call.store_new("Re-key", new, Some(&old))?)])
}

/// The new key becomes active so long after now; its other dates keep their distance from that.
fn move_dates(
    now: i64,
    offset: u32,
    activated: Option<i64>,
    attributes: &mut attribute::Attributes,
) {
    let begins = now.saturating_add(i64::from(offset));
    for date in DATES {
        if let (Some(at), Some(from)) = (attributes.date(date), activated) {
            let at = at.saturating_sub(from).saturating_add(begins);
            attributes.set(date, Value::DateTime(at));
        }
    }
    attributes.set(ACTIVATION_DATE, Value::DateTime(begins));
}
