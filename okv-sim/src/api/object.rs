//! `managed-object object …`: customers' objects, stored by an administrator or brought by endpoints. Names are an
//! extension; `wallet add-member` and `delete-member` are real ones from memory of them (Assumed).

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::json;

use super::access::WALLET;
use super::{Answer, Call, Kind, OptionSpec, Service};
use crate::error::Error;
use crate::operation::{self, Operation, Role};
use crate::secret::Secret;
use crate::texts::Cause;

const fn service(
    action: &'static str,
    about: &'static str,
    options: &'static [OptionSpec],
    run: fn(&Call<'_>) -> Result<Answer, Error>,
) -> Service {
    Service {
        category: "managed-object",
        resource: "object",
        action,
        about,
        role: Some(Role::KeyAdministrator),
        extension: true,
        wallet: true,
        slow: false,
        options,
        run,
    }
}

const UUID: OptionSpec =
    OptionSpec::required("uuid", Kind::Text(64), "the object's unique identifier");
const NAME: OptionSpec = OptionSpec::required("name", Kind::Text(256), "1 to 256 bytes");

pub(super) const SERVICES: &[Service] = &[
    service(
        "register",
        "store an object",
        &[NAME, OptionSpec::optional("hex", Kind::Hex, "its bytes as hexadecimal digits")],
        register,
    ),
    service("get", "read an object", &[NAME], get),
    service("list", "all objects in the order they were stored", &[], list),
    Service {
        resource: "endpoint-object",
        ..service("list", "what endpoints made, without its bytes", &[], list_of_endpoints)
    },
    Service {
        resource: "wallet",
        extension: false,
        wallet: false,
        ..service("add-member", "put an endpoint's object into a wallet", &[WALLET, UUID], |call| {
            set_member(call, true)
        })
    },
    Service {
        resource: "wallet",
        extension: false,
        wallet: false,
        ..service("delete-member", "take an object out of a wallet", &[WALLET, UUID], |call| {
            set_member(call, false)
        })
    },
];

fn register(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("name");
    let bytes =
        HEXLOWER_PERMISSIVE.decode(call.options.word("hex").as_bytes()).map_err(|error| {
            let detail = format!("hex: {error}");
            Error::new(Operation::StoreObject, Cause::OptionUnusable).with_detail(detail)
        })?;
    let bytes = Secret::new(bytes);
    call.view.store_object(name, bytes.expose())?;
    let text = format!("Stored {name}, {} bytes", bytes.len());
    Answer::new(&json!({ "name": name, "bytes": bytes.len() }), text)
}

fn get(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("name");
    let bytes = call.view.read_object(name)?;
    let digits = HEXLOWER_PERMISSIVE.encode(bytes.expose());
    Answer::new(&json!({ "name": name, "hex": digits }), "")
}

fn list(call: &Call<'_>) -> Result<Answer, Error> {
    let objects = call.view.list_objects()?;
    let lines = objects.iter().map(|it| format!("{}  {:>8}  {}", it.stored_at, it.bytes, it.name));
    let text = lines.collect::<Vec<_>>().join("\n");
    Answer::new(&objects, text)
}

fn list_of_endpoints(call: &Call<'_>) -> Result<Answer, Error> {
    let all = call.view.security_objects()?;
    let line = |it: &operation::SecurityObject| {
        let creator = it.creator.as_deref().unwrap_or("-");
        format!("{}  {:13}  {:11}  {creator}  {}", it.uuid, it.kind, it.state, it.names.join(", "))
    };
    let text = all.iter().map(line).collect::<Vec<_>>().join("\n");
    Answer::new(&all, text)
}

fn set_member(call: &Call<'_>, is: bool) -> Result<Answer, Error> {
    let (wallet, uuid) = (call.options.word("wallet"), call.options.word("uuid"));
    operation::set_wallet_member(call.view, wallet, uuid, is)?;
    let text = format!("{uuid} is {}in {wallet}", if is { "" } else { "no longer " });
    Answer::new(&json!({ "wallet": wallet, "uuid": uuid }), text)
}
