//! What stands around a page: tabs, the menu of the tab, who is logged in.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};

use super::pages::{Ask, may};
use super::view::{Block, Entry, JobView, Login, Page};
use crate::error::Error;
use crate::release::Release;
use crate::server::desk::Desk;
use crate::texts::Cause;

/// A page, ready to be sent.
pub(super) struct Shown<'a> {
    pub(super) status: StatusCode,
    pub(super) title: String,
    /// Id of the menu's entry it belongs to.
    pub(super) id: &'a str,
    pub(super) here: String,
    pub(super) blocks: Vec<Block>,
    pub(super) job: Option<JobView>,
}

fn html(page: &impl askama::Template, status: StatusCode) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("the page has no form: {error}"))
            .into_response(),
    }
}

/// The tabs of who is logged in, and the menu of the tab that is shown.
fn menus(ask: &Ask<'_>, release: &Release, id: &str) -> (Vec<Entry>, Vec<Entry>) {
    let trail = release.page(id).map(|entry| entry.trail.clone()).unwrap_or_default();
    let (mut tabs, mut side): (Vec<Entry>, Vec<Entry>) = (Vec::new(), Vec::new());
    let mut group = String::new();
    for (other, entry) in release.pages() {
        if may(ask, other).is_err() {
            continue;
        }
        let tab = entry.trail.first().cloned().unwrap_or_default();
        let current = trail.first() == Some(&tab);
        if tabs.last().is_none_or(|last| last.label != tab) {
            let group = String::new();
            tabs.push(Entry { label: tab, href: entry.address(), current, group });
        }
        if !current || entry.trail.len() < 2 {
            continue;
        }
        let above =
            entry.trail.get(1..entry.trail.len() - 1).unwrap_or_default().join(" \u{2192} ");
        let shown = if above == group { String::new() } else { above.clone() };
        group = above;
        side.push(Entry {
            label: entry.name().to_owned(),
            href: entry.address(),
            current: other == id,
            group: shown,
        });
    }
    (tabs, side)
}

pub(super) fn show(ask: &Ask<'_>, shown: Shown<'_>) -> Response {
    let release = match ask.desk.release() {
        Ok(release) => release,
        Err(error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
        }
    };
    let (tabs, side) = menus(ask, &release, shown.id);
    let trail = release.page(shown.id).map(|entry| entry.trail.clone()).unwrap_or_default();
    let page = Page {
        title: shown.title,
        tabs,
        side,
        trail,
        version: &release.version,
        user: &ask.session.account.name,
        csrf: &ask.session.csrf,
        here: shown.here,
        done: ask.flash.done.as_deref(),
        failed: ask.flash.failed.as_deref(),
        blocks: shown.blocks,
        job: shown.job,
    };
    html(&page, shown.status)
}

pub(super) fn login(desk: &Desk, next: &str, name: &str, error: Option<&Error>) -> Response {
    let release = desk.release();
    let version = release.as_ref().map_or("", |release| release.version.as_str());
    let status = match error.map(|error| error.cause) {
        None => StatusCode::OK,
        Some(Cause::LoginsTooMany) => StatusCode::TOO_MANY_REQUESTS,
        Some(_) => StatusCode::UNAUTHORIZED,
    };
    let failed = error.map(|error| desk.describe(error));
    let name: String = name.chars().take(64).collect();
    html(&Login { version, name: &name, next, failed }, status)
}
