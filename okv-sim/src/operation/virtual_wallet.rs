//! Virtual wallets: sharing units of objects, and who may do what with them.
//!
//! Read, modify and manage, for endpoints and groups, and a default wallet an endpoint are Documented. That a default
//! wallet gives its endpoint all three is Assumed.

use super::Operation;
use super::endpoint::{endpoint, failed, usable_name};
use super::endpoint_group::group;
use crate::error::Error;
use crate::store::{Access, Holder};
use crate::texts::Cause;
use crate::view::View;

const THIS: Operation = Operation::VirtualWallet;

fn refuse(cause: Cause, detail: impl std::fmt::Display) -> Error {
    Error::new(THIS, cause).with_detail(detail)
}

/// The wallet's name as it was given.
pub(crate) fn virtual_wallet(view: &View, name: &str) -> Result<String, Error> {
    let found = view.store.virtual_wallet(name).map_err(failed(THIS))?;
    found.ok_or_else(|| refuse(Cause::VirtualWalletUnknown, name))
}

pub(crate) fn create_wallet(view: &View, name: &str, description: &str) -> Result<(), Error> {
    usable_name(THIS, name)?;
    let mut made = false;
    let change = view.store.change(|change| {
        made = change.add_virtual_wallet(name, description)?;
        change.audit("create-wallet", if made { "success" } else { "VirtualWalletExists" })
    });
    change.map_err(failed(THIS))?;
    if made { Ok(()) } else { Err(refuse(Cause::VirtualWalletExists, name)) }
}

/// Removes a wallet with its grants. What is in it stays with the endpoints that made it.
pub(crate) fn delete_wallet(view: &View, name: &str) -> Result<(), Error> {
    let mut there = false;
    let change = view.store.change(|change| {
        there = change.remove_virtual_wallet(name)?;
        change.audit("delete-wallet", if there { "success" } else { "VirtualWalletUnknown" })
    });
    change.map_err(failed(THIS))?;
    if there { Ok(()) } else { Err(refuse(Cause::VirtualWalletUnknown, name)) }
}

/// Gives an endpoint or a group this access in place of what it had; `None` takes it away.
pub(crate) fn set_access(
    view: &View,
    wallet: &str,
    holder: &Holder,
    access: Option<Access>,
) -> Result<(), Error> {
    let wallet = virtual_wallet(view, wallet)?;
    let holder = match holder {
        Holder::Endpoint(name) => Holder::Endpoint(endpoint(view, name)?.name),
        Holder::EndpointGroup(name) => Holder::EndpointGroup(group(view, name)?),
    };
    let mut had = false;
    let change = view.store.change(|change| {
        had = change.grant(&wallet, &holder, access)?;
        change.audit(if access.is_some() { "grant-access" } else { "revoke-access" }, "success")
    });
    change.map_err(failed(THIS))?;
    if access.is_none() && !had {
        let detail = format!("{} has no access to {wallet} of its own", holder.name());
        return Err(refuse(Cause::MembershipUnchanged, detail));
    }
    Ok(())
}

/// Where new objects of the endpoint go, with all rights there; `None` is no wallet, and takes no rights away.
pub(crate) fn set_default_wallet(
    view: &View,
    name: &str,
    wallet: Option<&str>,
) -> Result<(), Error> {
    let endpoint = endpoint(view, name)?;
    let wallet = wallet.map(|wallet| virtual_wallet(view, wallet)).transpose()?;
    let change = view.store.change(|change| {
        change.default_wallet(endpoint.id, wallet.as_deref())?;
        if let Some(wallet) = &wallet {
            let holder = Holder::Endpoint(endpoint.name.clone());
            change.grant(wallet, &holder, Some(Access::FULL))?;
        }
        change.audit("set-default-wallet", "success")
    });
    change.map_err(failed(THIS))
}
