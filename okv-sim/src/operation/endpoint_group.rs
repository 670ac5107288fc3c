//! Groups of endpoints, which have access to wallets together. Existence Documented.

use super::Operation;
use super::endpoint::{endpoint, failed, usable_name};
use crate::error::Error;
use crate::texts::Cause;
use crate::view::View;

const THIS: Operation = Operation::EndpointGroup;

fn refuse(cause: Cause, detail: impl std::fmt::Display) -> Error {
    Error::new(THIS, cause).with_detail(detail)
}

pub(super) fn group(view: &View, name: &str) -> Result<String, Error> {
    let found = view.store.endpoint_group(name).map_err(failed(THIS))?;
    found.ok_or_else(|| refuse(Cause::EndpointGroupUnknown, name))
}

pub(crate) fn create_group(view: &View, name: &str, description: &str) -> Result<(), Error> {
    usable_name(THIS, name)?;
    let mut made = false;
    let change = view.store.change(|change| {
        made = change.add_endpoint_group(name, description)?;
        change.audit("create-endpoint-group", if made { "success" } else { "EndpointGroupExists" })
    });
    change.map_err(failed(THIS))?;
    if made { Ok(()) } else { Err(refuse(Cause::EndpointGroupExists, name)) }
}

pub(crate) fn delete_group(view: &View, name: &str) -> Result<(), Error> {
    let mut there = false;
    let change = view.store.change(|change| {
        there = change.remove_endpoint_group(name)?;
        change
            .audit("delete-endpoint-group", if there { "success" } else { "EndpointGroupUnknown" })
    });
    change.map_err(failed(THIS))?;
    if there { Ok(()) } else { Err(refuse(Cause::EndpointGroupUnknown, name)) }
}

/// Puts an endpoint into a group, or takes it out.
pub(crate) fn set_member(view: &View, name: &str, member: &str, is: bool) -> Result<(), Error> {
    let (group, endpoint) = (group(view, name)?, endpoint(view, member)?);
    let mut done = false;
    let word = if is { "add-endpoint-to-group" } else { "remove-endpoint-from-group" };
    let change = view.store.change(|change| {
        done = if is {
            change.add_to_group(&group, endpoint.id)?
        } else {
            change.remove_from_group(&group, endpoint.id)?
        };
        change.audit(word, "success")
    });
    change.map_err(failed(THIS))?;
    let (is_it, group, member) = (if is { "is" } else { "is not" }, group, endpoint.name);
    if done {
        Ok(())
    } else {
        Err(refuse(Cause::MembershipUnchanged, format!("{member} {is_it} in {group}")))
    }
}
