//! `manage-access …`: virtual wallets, groups of endpoints, and who may do what. Names are the real ones from memory of
//! them (Assumed).

use serde::Serialize;
use serde_json::json;

use super::endpoint::ENDPOINT;
use super::{Answer, Call, Kind, OptionSpec, Service};
use crate::error::Error;
use crate::operation::{self, Operation, Role};
use crate::store::{Access, Holder, Named};
use crate::texts::Cause;

const fn service(
    resource: &'static str,
    action: &'static str,
    about: &'static str,
    options: &'static [OptionSpec],
    run: fn(&Call<'_>) -> Result<Answer, Error>,
) -> Service {
    Service {
        category: "manage-access",
        resource,
        action,
        about,
        role: Some(Role::KeyAdministrator),
        extension: false,
        wallet: false,
        slow: false,
        options,
        run,
    }
}

pub(super) const WALLET: OptionSpec =
    OptionSpec::required("wallet", Kind::Text(64), "the wallet's name");
const GROUP: OptionSpec = OptionSpec::required("endpointGroup", Kind::Text(64), "the group's name");
const DESCRIPTION: OptionSpec = OptionSpec::optional("description", Kind::Text(256), "for people");
const TO_ENDPOINT: OptionSpec =
    OptionSpec::optional("endpoint", Kind::Text(64), "whom: an endpoint, or");
const TO_GROUP: OptionSpec =
    OptionSpec::optional("endpointGroup", Kind::Text(64), "a group of them");
const ACCESS: OptionSpec = OptionSpec::required(
    "access",
    Kind::Choice(&["RO", "RM", "RO_MW", "RM_MW"]),
    "read only or read and modify, each with or without managing the wallet",
);

pub(super) const SERVICES: &[Service] = &[
    service("wallet", "create", "make a virtual wallet", &[WALLET, DESCRIPTION], create_wallet),
    service("wallet", "list", "all virtual wallets", &[], list_wallets),
    service(
        "wallet",
        "delete",
        "remove a virtual wallet; its objects stay with who made them",
        &[WALLET],
        delete_wallet,
    ),
    service(
        "wallet",
        "add-access",
        "give an endpoint or a group access to a wallet",
        &[WALLET, TO_ENDPOINT, TO_GROUP, ACCESS],
        add_access,
    ),
    service(
        "wallet",
        "update-access",
        "change what an endpoint or a group may do with a wallet",
        &[WALLET, TO_ENDPOINT, TO_GROUP, ACCESS],
        add_access,
    ),
    service(
        "wallet",
        "delete-access",
        "take an endpoint's or a group's access to a wallet away",
        &[WALLET, TO_ENDPOINT, TO_GROUP],
        delete_access,
    ),
    service("wallet", "list-access", "who may do what with a wallet", &[WALLET], list_access),
    service(
        "wallet",
        "set-default",
        "where new objects of an endpoint go; without a wallet nowhere",
        &[ENDPOINT, OptionSpec::optional("wallet", Kind::Text(64), "the wallet's name")],
        set_default,
    ),
    service(
        "wallet",
        "get-default",
        "where new objects of an endpoint go",
        &[ENDPOINT],
        get_default,
    ),
    service(
        "endpoint-group",
        "create",
        "make a group of endpoints",
        &[GROUP, DESCRIPTION],
        create_group,
    ),
    service("endpoint-group", "list", "all groups of endpoints", &[], list_groups),
    service(
        "endpoint-group",
        "delete",
        "remove a group; its endpoints stay",
        &[GROUP],
        delete_group,
    ),
    service(
        "endpoint-group",
        "add-endpoint",
        "put an endpoint into a group",
        &[GROUP, ENDPOINT],
        |call| set_member(call, true),
    ),
    service(
        "endpoint-group",
        "remove-endpoint",
        "take an endpoint out of a group",
        &[GROUP, ENDPOINT],
        |call| set_member(call, false),
    ),
];

fn lines(all: &[Named]) -> String {
    let line = |it: &Named| format!("{}  {}", it.name, it.description).trim_end().to_owned();
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn holder(call: &Call<'_>) -> Result<Holder, Error> {
    match (call.options.text("endpoint"), call.options.text("endpointGroup")) {
        (Some(name), None) => Ok(Holder::Endpoint(name.to_owned())),
        (None, Some(name)) => Ok(Holder::EndpointGroup(name.to_owned())),
        _ => {
            let detail = "endpoint: name an endpoint or a group, one of the two";
            Err(Error::new(Operation::VirtualWallet, Cause::OptionMissing).with_detail(detail))
        }
    }
}

fn done(value: &impl Serialize, text: String) -> Result<Answer, Error> {
    Answer::new(value, text)
}

fn create_wallet(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("wallet");
    operation::create_wallet(call.view, name, call.options.word("description"))?;
    done(&json!({ "wallet": name }), format!("The wallet {name} is made"))
}

fn list_wallets(call: &Call<'_>) -> Result<Answer, Error> {
    let all = call.view.virtual_wallets()?;
    done(&all, lines(&all))
}

fn delete_wallet(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("wallet");
    operation::delete_wallet(call.view, name)?;
    done(&json!({ "wallet": name }), format!("The wallet {name} is removed"))
}

fn add_access(call: &Call<'_>) -> Result<Answer, Error> {
    let (wallet, holder) = (call.options.word("wallet"), holder(call)?);
    // Options are looked at: it is one of the list.
    let access = Access::named(call.options.word("access")).unwrap_or_default();
    operation::set_access(call.view, wallet, &holder, Some(access))?;
    let text = format!("{} has {} to {wallet}", holder.name(), access.title());
    done(&json!({ "wallet": wallet, "access": access }), text)
}

fn delete_access(call: &Call<'_>) -> Result<Answer, Error> {
    let (wallet, holder) = (call.options.word("wallet"), holder(call)?);
    operation::set_access(call.view, wallet, &holder, None)?;
    done(&json!({ "wallet": wallet }), format!("{} has no access to {wallet}", holder.name()))
}

fn list_access(call: &Call<'_>) -> Result<Answer, Error> {
    let wallet = operation::virtual_wallet(call.view, call.options.word("wallet"))?;
    let mut all = call.view.grants()?;
    all.retain(|grant| grant.wallet.eq_ignore_ascii_case(&wallet));
    let line = |it: &crate::store::Grant| format!("{:5}  {}", it.access.name(), it.holder.name());
    let text = all.iter().map(line).collect::<Vec<_>>().join("\n");
    done(&all, text)
}

fn set_default(call: &Call<'_>) -> Result<Answer, Error> {
    let (name, wallet) = (call.options.word("endpoint"), call.options.text("wallet"));
    operation::set_default_wallet(call.view, name, wallet)?;
    let text = match wallet {
        Some(wallet) => format!("New objects of {name} go to {wallet}"),
        None => format!("New objects of {name} go to no wallet"),
    };
    done(&json!({ "endpoint": name, "wallet": wallet }), text)
}

fn get_default(call: &Call<'_>) -> Result<Answer, Error> {
    let endpoint = operation::endpoint(call.view, call.options.word("endpoint"))?;
    let text = endpoint.default_wallet.clone().unwrap_or_default();
    done(&json!({ "endpoint": endpoint.name, "wallet": endpoint.default_wallet }), text)
}

fn create_group(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("endpointGroup");
    operation::create_group(call.view, name, call.options.word("description"))?;
    done(&json!({ "endpointGroup": name }), format!("The endpoint group {name} is made"))
}

fn list_groups(call: &Call<'_>) -> Result<Answer, Error> {
    let mut values = Vec::new();
    let mut text = Vec::new();
    for group in call.view.endpoint_groups()? {
        let members = call.view.group_members(&group.name)?;
        text.push(format!("{}  {}", group.name, members.join(", ")));
        values.push(json!({
            "endpointGroup": group.name, "description": group.description, "endpoints": members,
        }));
    }
    done(&values, text.join("\n"))
}

fn delete_group(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("endpointGroup");
    operation::delete_group(call.view, name)?;
    done(&json!({ "endpointGroup": name }), format!("The endpoint group {name} is removed"))
}

fn set_member(call: &Call<'_>, is: bool) -> Result<Answer, Error> {
    let (group, endpoint) = (call.options.word("endpointGroup"), call.options.word("endpoint"));
    operation::set_member(call.view, group, endpoint, is)?;
    let text = format!("{endpoint} is {}in {group}", if is { "" } else { "no longer " });
    done(&json!({ "endpointGroup": group, "endpoint": endpoint }), text)
}
