//! Home, the server's own pages, and the accounts.

use super::pages::{Ask, Made};
use super::view::{Action, Block, Cell, Field, FieldKind, Form, Table, time};
use crate::operation::{self, Role};
use crate::release::Release;
use crate::vault::State;

pub(super) fn home(ask: &Ask<'_>, release: &Release) -> Made {
    let status = ask.desk.view.status()?;
    let administrator = ask.session.account.has(Role::SystemAdministrator);
    let mut blocks = Vec::new();
    if let Some(found) = &status.interrupted {
        let outcome = if found.done { "It is done." } else { "Nothing of it counts." };
        let text = format!(
            "The server stopped in the operation {} that began at {} UTC. {outcome}",
            found.operation,
            time(&found.begun_at)
        );
        blocks.push(Block::Note { class: "warn", text });
    }
    if let Some(alert) = &status.alert {
        blocks.push(Block::Note { class: "bad", text: alert.text.clone() });
    }
    let root = match status.state {
        State::NotEnabled | State::CredentialSet => "the recovery passphrase",
        _ => "the HSM",
    };
    let objects = match ask.desk.view.list_objects() {
        Ok(objects) => objects.len().to_string(),
        Err(_) => "not readable".into(),
    };
    let last = ask.desk.view.backup_runs()?;
    let last = last.iter().find_map(|run| run.file.as_ref().and(run.ended_at.as_deref()));
    blocks.push(Block::Facts(vec![
        ("State".into(), status.state.to_string()),
        ("Root of trust".into(), root.into()),
        ("Wallet".into(), if status.wallet_open { "open" } else { "closed" }.into()),
        ("Security objects".into(), objects),
        ("Last backup (UTC)".into(), last.map_or_else(|| "none yet".into(), time)),
        ("Release".into(), release.version.clone()),
    ]));
    if !status.wallet_open && administrator {
        blocks.push(Block::Heading("Open the wallet"));
        let text = "The server was started without an HSM, so its wallet waits for the recovery passphrase.";
        blocks.push(Block::Note { class: "info", text: text.into() });
        let field =
            Field::new("recoveryPassphrase", release.word("passphrase"), FieldKind::Password)
                .required()
                .longest(1024);
        blocks.push(Block::Form(Form {
            target: "/do/server/wallet/open".into(),
            is_get: false,
            fields: vec![field],
            submit: "Open".into(),
            cancel: String::new(),
            back: ask.address("home"),
        }));
    }
    if administrator && let Some(page) = release.page("hsm") {
        let mut action = Action::link(release.word("hsm_page"), page.address());
        if !status.green {
            action = action.primary();
        }
        blocks.push(Block::Actions(vec![action]));
    }
    Ok(("Home".into(), blocks))
}

pub(super) fn status(ask: &Ask<'_>, release: &Release) -> Made {
    let status = ask.desk.view.status()?;
    let up = ask.desk.uptime().as_secs();
    let here = ask.address("status");
    let blocks = vec![
        Block::Facts(vec![
            ("Server".into(), status.server_id),
            ("Release".into(), release.version.clone()),
            ("Certified Luna client".into(), release.certified_client.value.clone()),
            ("State".into(), status.state.to_string()),
            ("Up for".into(), format!("{} h {} min {} s", up / 3600, up / 60 % 60, up % 60)),
            ("Console certificate (SHA-256)".into(), ask.desk.running.fingerprint.clone()),
            ("PKCS#11 library".into(), ask.desk.view.library()?.display().to_string()),
        ]),
        Block::Actions(vec![
            Action::link("Upgrade", format!("{here}/upgrade")),
            Action::call("Restart", "server/power/restart", &here).confirm(
                "The wallet is closed and opened anew. If the HSM cannot be reached then, the server is sealed \
                 and this console goes away until okv-sim open-wallet.",
            ),
        ]),
    ];
    Ok(("System Status".into(), blocks))
}

pub(super) fn upgrade(ask: &Ask<'_>, release: &Release) -> Made {
    let back = ask.address("status");
    let later: Vec<_> = Release::names()
        .into_iter()
        .filter(|name| Release::named(name).is_ok_and(|it| it.rank > release.rank))
        .collect();
    if later.is_empty() {
        let text = format!("{} is the latest release there is.", release.name);
        return Ok(("Upgrade".into(), vec![Block::Note { class: "info", text }]));
    }
    let choices: Vec<_> = later.iter().map(|name| (*name, *name)).collect();
    let text = "Make a backup at a remote destination first. A 12.2 server must be reverse-migrated before it is \
                upgraded.";
    let field = Field::new("release", "Release", FieldKind::Select).choices(&choices).required();
    let form = Form {
        target: "/do/server/release/upgrade".into(),
        is_get: false,
        fields: vec![field],
        submit: "Upgrade".into(),
        cancel: back.clone(),
        back,
    };
    let blocks = vec![Block::Note { class: "warn", text: text.into() }, Block::Form(form)];
    Ok(("Upgrade".into(), blocks))
}

pub(super) fn users(ask: &Ask<'_>, _: &Release) -> Made {
    let here = ask.address("users");
    let all = operation::list_accounts(&ask.desk.view.store)?;
    let rows = all.iter().map(|account| {
        let roles: Vec<_> = account.roles.iter().map(|role| role.title()).collect();
        let mut password =
            Action::link("Set password", format!("{here}/password?name={}", account.name));
        password.about = format!(" of {}", account.name);
        let delete = Action::call("Delete", "admin/account/delete", &here)
            .with("name", &account.name)
            .confirm(&format!("Remove the account {}? Its sessions end.", account.name));
        vec![
            account.name.as_str().into(),
            roles.join(", ").into(),
            time(&account.created_at).into(),
            Cell::actions(vec![password, delete]),
        ]
    });
    let table = Table {
        caption: "Users".into(),
        columns: vec!["User Name", "Roles", "Created (UTC)", ""],
        rows: rows.collect(),
        empty: "There are no accounts.".into(),
    };
    let create = Action::link("Create", format!("{here}/create")).primary();
    Ok(("Manage Users".into(), vec![Block::Actions(vec![create]), Block::Table(table)]))
}

fn passwords() -> [Field; 2] {
    let field =
        |name, label| Field::new(name, label, FieldKind::NewPassword).required().longest(128);
    [
        field("password", "Password").help("8 to 128 characters."),
        field("passwordAgain", "Re-enter Password"),
    ]
}

pub(super) fn create_user(ask: &Ask<'_>, _: &Release) -> Made {
    let back = ask.address("users");
    let role = |name, role: Role, about: &str| {
        Field::new(name, role.title(), FieldKind::Checkbox).value(ask.typed(name, "")).help(about)
    };
    let mut fields = vec![
        Field::new("name", "User Name", FieldKind::Text)
            .value(ask.typed("name", ""))
            .longest(64)
            .required(),
    ];
    fields.extend(passwords());
    fields.extend([
        role(
            "systemAdministrator",
            Role::SystemAdministrator,
            "HSM, backups, settings, accounts, endpoints",
        ),
        role("keyAdministrator", Role::KeyAdministrator, "Endpoint groups, wallets, keys"),
        role("auditManager", Role::AuditManager, "The audit trail"),
    ]);
    let form = Form {
        target: "/do/admin/account/create".into(),
        is_get: false,
        fields,
        submit: "Create".into(),
        cancel: back.clone(),
        back,
    };
    Ok(("Create User".into(), vec![Block::Form(form)]))
}

pub(super) fn set_password(ask: &Ask<'_>, _: &Release) -> Made {
    let back = ask.address("users");
    let name = ask.typed("name", ask.asked("name"));
    let mut fields =
        vec![Field::new("name", "User Name", FieldKind::Text).value(name).longest(64).required()];
    fields.extend(passwords());
    let form = Form {
        target: "/do/admin/account/set-password".into(),
        is_get: false,
        fields,
        submit: "Set Password".into(),
        cancel: back.clone(),
        back,
    };
    Ok(("Set Password".into(), vec![Block::Form(form)]))
}
