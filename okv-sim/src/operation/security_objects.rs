//! Endpoints' objects as a Key Administrator sees them: what there is, and in which wallets. Their bytes are not shown.

use serde::Serialize;

use super::endpoint::failed;
use super::virtual_wallet::virtual_wallet;
use super::{Operation, kmip, open};
use crate::error::Error;
use crate::kmip::attribute;
use crate::kmip::tag::{ObjectState, ObjectType};
use crate::texts::Cause;
use crate::view::View;

const THIS: Operation = Operation::VirtualWallet;

/// An object that an endpoint made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityObject {
    /// Unique Identifier.
    pub uuid: String,
    /// All its names.
    pub names: Vec<String>,
    /// As in `Symmetric Key`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// As in `ACTIVE`; empty for one that has none.
    pub state: &'static str,
    /// The endpoint that made it; `None` when that is gone.
    pub creator: Option<String>,
    /// The wallets it is in.
    pub wallets: Vec<String>,
    /// Seconds since 1970, UTC.
    pub made_at: i64,
}

/// All objects of all endpoints, in the order they were made.
pub(crate) fn security_objects(view: &View) -> Result<Vec<SecurityObject>, Error> {
    let tablespace = open(view, THIS)?;
    let store = &view.store;
    let endpoints = store.endpoints().map_err(failed(THIS))?;
    let mut found = Vec::new();
    for sealed in store.security_objects().map_err(failed(THIS))? {
        let attributes = kmip::read_attributes(&tablespace, &sealed)
            .map_err(|_| Error::new(THIS, Cause::ObjectDamaged).with_detail(&sealed.id))?;
        let kind = attributes.number(attribute::OBJECT_TYPE).and_then(ObjectType::numbered);
        let state = kmip::state_now(&attributes);
        let creator = endpoints.iter().find(|it| Some(it.id) == sealed.owner);
        found.push(SecurityObject {
            names: attributes.names().map(str::to_owned).collect(),
            kind: kind.map_or("", ObjectType::name),
            state: state.map_or("", ObjectState::name),
            creator: creator.map(|it| it.name.clone()),
            wallets: store.wallets_of(&sealed.id).map_err(failed(THIS))?,
            made_at: attributes.date(attribute::INITIAL_DATE).unwrap_or_default(),
            uuid: sealed.id,
        });
    }
    Ok(found)
}

/// Puts an object into a wallet, or takes it out.
pub(crate) fn set_wallet_member(
    view: &View,
    wallet: &str,
    uuid: &str,
    is: bool,
) -> Result<(), Error> {
    let wallet = virtual_wallet(view, wallet)?;
    let there = view.store.security_object(uuid).map_err(failed(THIS))?;
    if there.is_none() {
        return Err(Error::new(THIS, Cause::SecurityObjectUnknown).with_detail(uuid));
    }
    let mut done = false;
    let word = if is { "add-object-to-wallet" } else { "remove-object-from-wallet" };
    let change = view.store.change(|change| {
        done = if is {
            change.put_into_wallet(&wallet, uuid)?
        } else {
            change.take_out_of_wallet(&wallet, uuid)?
        };
        change.audit(word, "success")
    });
    change.map_err(failed(THIS))?;
    if done {
        return Ok(());
    }
    let detail = format!("{uuid} {} in {wallet}", if is { "is" } else { "is not" });
    Err(Error::new(THIS, Cause::MembershipUnchanged).with_detail(detail))
}
