//! Query: what the server can do. The standard, section 4.25.

use super::{Call, Done, numbers};
use crate::kmip::Refusal;
use crate::kmip::message::Fields;
use crate::kmip::tag::{self, ObjectType};
use crate::kmip::ttlv::{Item, Value};

pub(super) fn run(call: &mut Call<'_>, fields: Fields<'_>) -> Done {
    let mut answer = Vec::new();
    for item in fields.all(tag::QUERY_FUNCTION) {
        let Value::Enumeration(function) = item.value else {
            return Err(Refusal::invalid("Query Function", "must be an enumeration"));
        };
        match function {
            1 => {
                let all = numbers(call.release).map(|it| Item::enumeration(tag::OPERATION, it));
                answer.extend(all);
            }
            2 => answer.extend(
                ObjectType::ALL.iter().map(|it| Item::enumeration(tag::OBJECT_TYPE, *it as u32)),
            ),
            3 => {
                let words = format!("Oracle Key Vault {} (simulated)", call.release.version);
                answer.push(Item::text(tag::VENDOR_IDENTIFICATION, words));
            }
            // Application namespaces and extensions: there are none.
            4..=6 => {}
            _ => return Err(Refusal::invalid("Query Function", "there is no such function")),
        }
    }
    // The standard has a fixed order, whatever the order of the questions.
    answer.sort_by_key(|item| match item.tag {
        tag::OPERATION => 0,
        tag::OBJECT_TYPE => 1,
        _ => 2,
    });
    Ok(answer)
}
