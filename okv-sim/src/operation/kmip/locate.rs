//! Locate: identifiers of the objects that have certain attributes. The standard, section 4.8.

use super::{Call, Done, Object, identifier};
use crate::kmip::attribute::{self, Attribute};
use crate::kmip::message::Fields;
use crate::kmip::tag;
use crate::kmip::ttlv::Value;
use crate::kmip::{Reason, Refusal};

/// Storage Status Mask: objects that are there, not in an archive.
const ON_LINE: i32 = 1;

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let most = match fields.integer(tag::MAXIMUM_ITEMS)? {
        None => usize::MAX,
        Some(most) => usize::try_from(most)
            .map_err(|_| Refusal::invalid("Maximum Items", "less than none"))?,
    };
    let mask = fields.integer(tag::STORAGE_STATUS_MASK)?;
    let wanted = fields
        .all(tag::ATTRIBUTE)
        .map(|item| Attribute::read(item).map(|it| it.0))
        .collect::<Result<Vec<_>, _>>()?;
    // Nothing is ever in an archive.
    if mask.is_some_and(|mask| mask & ON_LINE == 0) {
        return Ok(Vec::new());
    }
    // Destroyed objects are found only by who asks for their state (Assumed).
    let destroyed = wanted.iter().any(|it| it.name == attribute::STATE);
    let mut found = Vec::new();
    for object in call.objects()? {
        if (destroyed || !object.is_destroyed()) && fits(&object, &wanted)? {
            found.push(object.id);
        }
    }
    if let [only] = found.as_slice() {
        *call.placeholder = Some(only.clone());
    }
    Ok(found.iter().take(most).map(|id| identifier(id)).collect())
}

/// Whether the object has all of them. A date that is asked for twice is a range, and of a usage mask the bits that are
/// asked for must be there.
fn fits(object: &Object, wanted: &[Attribute]) -> Result<bool, Refusal> {
    for it in wanted {
        let Value::DateTime(date) = it.value else {
            let is_mask = it.name == attribute::USAGE_MASK;
            let is_it = |its: &Attribute| match (&its.value, &it.value) {
                (Value::Integer(its), Value::Integer(wanted)) if is_mask => its & wanted == *wanted,
                (its, wanted) => is_like(its, wanted),
            };
            let has = object.attributes.all(&it.name).any(is_it);
            if has {
                continue;
            }
            return Ok(false);
        };
        let mut dates = vec![date];
        dates.extend(wanted.iter().filter(|other| other.name == it.name).filter_map(|other| {
            match other.value {
                Value::DateTime(date) => Some(date),
                _ => None,
            }
        }));
        if dates.len() > 3 {
            let message = format!("{} is asked for more than twice", it.name);
            return Err(Refusal::new(Reason::InvalidField, message));
        }
        let (from, to) = (dates.iter().min(), dates.iter().max());
        let its = object.attributes.date(&it.name);
        if !its.is_some_and(|its| from <= Some(&its) && Some(&its) <= to) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a value is the wanted one; of a structure all fields that are asked for.
fn is_like(its: &Value, wanted: &Value) -> bool {
    match (its, wanted) {
        (Value::Structure(its), Value::Structure(wanted)) => wanted.iter().all(|field| {
            its.iter().any(|it| it.tag == field.tag && is_like(&it.value, &field.value))
        }),
        _ => its == wanted,
    }
}
