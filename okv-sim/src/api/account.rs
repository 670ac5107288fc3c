//! `admin account …`: who may use the console and the JSON API. Names are an extension.

use serde_json::json;

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
        category: "admin",
        resource: "account",
        action,
        about,
        role: Some(Role::SystemAdministrator),
        extension: true,
        wallet: false,
        slow: false,
        options,
        run,
    }
}

const NAME: OptionSpec = OptionSpec::required("name", Kind::Text(64), "the account's name");
const PASSWORD: OptionSpec = OptionSpec::required("password", Kind::Secret, "8 to 128 characters");
const AGAIN: OptionSpec = OptionSpec::optional("passwordAgain", Kind::Secret, "the same once more");

pub(super) const SERVICES: &[Service] = &[
    service(
        "create",
        "make an account",
        &[
            NAME,
            PASSWORD,
            AGAIN,
            OptionSpec::optional(
                "systemAdministrator",
                Kind::Flag,
                "HSM, backups, accounts, endpoints",
            ),
            OptionSpec::optional("keyAdministrator", Kind::Flag, "endpoint groups, wallets, keys"),
            OptionSpec::optional("auditManager", Kind::Flag, "the audit trail"),
        ],
        create,
    ),
    service("list", "all accounts", &[], list),
    service(
        "set-password",
        "give an account a new password",
        &[NAME, PASSWORD, AGAIN],
        set_password,
    ),
    service("delete", "remove an account", &[NAME], delete),
];

fn password(call: &Call<'_>) -> Result<Secret, Error> {
    let first = call.options.secret_or_empty("password");
    match call.options.secret("passwordAgain") {
        Some(again) if again.expose() != first.expose() => {
            Err(Error::new(Operation::Account, Cause::PasswordFieldsDiffer))
        }
        _ => Ok(first),
    }
}

fn create(call: &Call<'_>) -> Result<Answer, Error> {
    let flags = [
        ("systemAdministrator", Role::SystemAdministrator),
        ("keyAdministrator", Role::KeyAdministrator),
        ("auditManager", Role::AuditManager),
    ];
    let roles: Vec<_> =
        flags.iter().filter(|(flag, _)| call.options.flag(flag)).map(|(_, role)| *role).collect();
    let name = call.options.word("name");
    let account = call.vault.lock().create_account(name, &password(call)?, &roles)?;
    Answer::new(&account, format!("The account {} is made", account.name))
}

fn list(call: &Call<'_>) -> Result<Answer, Error> {
    let all = operation::list_accounts(&call.view.store)?;
    let lines = all.iter().map(|account| {
        let roles: Vec<_> = account.roles.iter().map(|role| role.title()).collect();
        format!("{}  {}", account.name, roles.join(", "))
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    Answer::new(&all, text)
}

fn set_password(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("name");
    operation::change_password(&mut call.vault.lock(), name, &password(call)?)?;
    Answer::new(&json!({ "name": name }), format!("The account {name} has a new password"))
}

fn delete(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("name");
    operation::delete_account(&mut call.vault.lock(), name)?;
    Answer::new(&json!({ "name": name }), format!("The account {name} is removed"))
}
