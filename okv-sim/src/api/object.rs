//! `managed-object object …`: customers' objects, until endpoints bring them over KMIP. Names are an extension.

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::json;

use super::{Answer, Call, Kind, OptionSpec, Service};
use crate::error::Error;
use crate::operation::{Operation, Role};
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
