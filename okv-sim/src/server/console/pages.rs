//! Which pages there are: a row each, found by the release's menu and the rest of the address.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;

use super::frame::{self, Shown};
use super::view::Block;
use super::{backups, cluster, endpoints, hsm, lists, system};
use crate::error::Error;
use crate::operation::{Operation, Role};
use crate::release::Release;
use crate::server::desk::Desk;
use crate::server::sessions::{Flash, Session};
use crate::texts::Cause;

/// Who asks, and with what.
pub(super) struct Ask<'a> {
    pub(super) desk: &'a Arc<Desk>,
    pub(super) session: &'a Session,
    pub(super) flash: &'a Flash,
    pub(super) query: &'a HashMap<String, String>,
}

impl Ask<'_> {
    /// What was typed into the form that failed, or what stands there at first.
    pub(super) fn typed(&self, name: &str, else_: &str) -> String {
        self.flash.typed.get(name).map_or_else(|| else_.to_owned(), Clone::clone)
    }

    pub(super) fn asked(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// The address of a page.
    pub(super) fn address(&self, id: &str) -> String {
        let release = self.desk.release();
        release.ok().and_then(|it| it.page(id).map(|page| page.address())).unwrap_or_default()
    }
}

/// Title and content.
pub(super) type Made = Result<(String, Vec<Block>), Error>;

/// A page.
struct Row {
    /// Id of the menu's entry.
    id: &'static str,
    /// The rest of the address.
    below: &'static str,
    show: fn(&Ask<'_>, &Release) -> Made,
}

const fn row(id: &'static str, below: &'static str, show: fn(&Ask<'_>, &Release) -> Made) -> Row {
    Row { id, below, show }
}

const ROWS: &[Row] = &[
    row("home", "", system::home),
    row("endpoints", "", endpoints::endpoints),
    row("endpoints", "add", endpoints::add_endpoint),
    row("endpoint_groups", "", endpoints::groups),
    row("endpoint_groups", "create", endpoints::create_group),
    row("keys", "", lists::keys),
    row("wallets", "", endpoints::wallets),
    row("wallets", "create", endpoints::create_wallet),
    row("wallets", "access", endpoints::wallet),
    row("alerts", "", lists::alerts),
    row("alerts", "configure", lists::configure_alerts),
    row("audit", "", lists::audit),
    row("traces", "", lists::traces),
    row("users", "", system::users),
    row("users", "create", system::create_user),
    row("users", "password", system::set_password),
    row("status", "", system::status),
    row("status", "upgrade", system::upgrade),
    row("hsm", "", hsm::page),
    row("hsm", "initialize", hsm::initialize),
    row("hsm", "set-credential", hsm::set_credential),
    row("hsm", "reverse-migrate", hsm::reverse_migrate),
    row("hsm", "create-bundle", cluster::create_bundle),
    row("hsm", "apply-bundle", cluster::apply_bundle),
    row("cluster", "", cluster::management),
    row("cluster", "add", cluster::add),
    row("cluster", "node", cluster::node),
    row("cluster", "duration", cluster::duration),
    row("cluster_monitoring", "", cluster::monitoring),
    row("cluster_settings", "", cluster::settings),
    row("backup", "", backups::page),
    row("backup", "destinations", backups::destinations),
    row("backup", "destinations/create", backups::create_destination),
    row("backup", "create", backups::create),
    row("backup", "restore", backups::restore),
    row("backup", "restore/confirm", backups::confirm_restore),
];

/// Who may see the pages of a menu entry.
const ROLES: &[(&str, Role)] = &[
    ("endpoints", Role::SystemAdministrator),
    ("endpoint_groups", Role::KeyAdministrator),
    ("keys", Role::KeyAdministrator),
    ("wallets", Role::KeyAdministrator),
    ("alerts", Role::SystemAdministrator),
    ("audit", Role::AuditManager),
    ("traces", Role::SystemAdministrator),
    ("users", Role::SystemAdministrator),
    ("status", Role::SystemAdministrator),
    ("hsm", Role::SystemAdministrator),
    ("backup", Role::SystemAdministrator),
    ("cluster", Role::SystemAdministrator),
    ("cluster_monitoring", Role::SystemAdministrator),
    ("cluster_settings", Role::SystemAdministrator),
];

/// Whether who is logged in may see the page.
pub(super) fn may(ask: &Ask<'_>, id: &str) -> Result<(), Error> {
    match ROLES.iter().find(|(page, _)| *page == id) {
        Some((_, role)) if !ask.session.account.has(*role) => {
            let detail = format!("the page takes the role {role}");
            Err(Error::new(Operation::Account, Cause::NotAllowed).with_detail(detail))
        }
        _ => Ok(()),
    }
}

/// The page of an address.
pub(super) fn show(ask: &Ask<'_>, path: &str) -> Response {
    let query: Vec<_> = ask.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let here =
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) };
    let failed = |id, status, title: &str, text: String| {
        let blocks = vec![Block::Note { class: "bad", text }];
        frame::show(
            ask,
            Shown { status, title: title.into(), id, here: here.clone(), blocks, job: None },
        )
    };
    let release = match ask.desk.release() {
        Ok(release) => release,
        Err(error) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return failed("home", status, "Failure", error.to_string());
        }
    };
    let found = ROWS.iter().find(|row| {
        release.page(row.id).is_some_and(|entry| {
            let address = entry.address();
            let whole = match row.below {
                "" => address,
                below => format!("{address}/{below}"),
            };
            path.trim_end_matches('/') == whole
        })
    });
    let Some(row) = found else {
        let text = "There is no such page in this release. Use the tabs above.".to_owned();
        return failed("home", StatusCode::NOT_FOUND, "Not found", text);
    };
    match may(ask, row.id).and_then(|()| (row.show)(ask, &release)) {
        Ok((title, blocks)) => {
            let status = StatusCode::OK;
            frame::show(ask, Shown { status, title, id: row.id, here, blocks, job: None })
        }
        Err(error) => {
            let status = match error.cause {
                Cause::NotAllowed => StatusCode::FORBIDDEN,
                _ => StatusCode::CONFLICT,
            };
            failed(row.id, status, "This page cannot be shown", ask.desk.describe(&error))
        }
    }
}
