//! Endpoint enrollment: the one page that an endpoint's owner needs, who has a token and no account. That it hangs at
//! the login page is Documented. The real page gives a jar that unpacks itself; this one gives the same files as a tar
//! archive, laid out as `okv-sim enroll` lays them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::{ConnectInfo, Form, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::operation::{self, Enrolled, Operation};
use crate::secret::Secret;
use crate::server::desk::Desk;
use crate::store::acting;
use crate::texts::Cause;

/// The page.
#[derive(Template)]
#[template(path = "enroll.html")]
struct Page<'a> {
    version: &'a str,
    failed: Option<String>,
}

fn show(desk: &Desk, error: Option<&Error>) -> Response {
    let release = desk.release();
    let version = release.as_ref().map_or("", |release| release.version.as_str());
    let status = match error.map(|error| error.cause) {
        None => StatusCode::OK,
        Some(Cause::LoginsTooMany) => StatusCode::TOO_MANY_REQUESTS,
        Some(_) => StatusCode::FORBIDDEN,
    };
    let page = Page { version, failed: error.map(|error| desk.describe(error)) };
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

pub(super) async fn page(State(desk): State<Arc<Desk>>) -> Response {
    show(&desk, None)
}

/// Redeems the token; guesses wait as wrong logins do.
pub(super) async fn redeem(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Form(mut form): Form<HashMap<String, String>>,
) -> Response {
    let token = Secret::from(form.remove("token").unwrap_or_default().trim());
    let who = format!("enrollment from {}", from.ip());
    let wait = desk.sessions.lock().wait(&who, from.ip());
    if let Some(wait) = wait {
        let detail = format!("wait {} seconds", wait.as_secs() + 1);
        let error = Error::new(Operation::Endpoint, Cause::LoginsTooMany).with_detail(detail);
        return show(&desk, Some(&error));
    }
    let (asked, named) = (Arc::clone(&desk), who.clone());
    let done = tokio::task::spawn_blocking(move || {
        let enrolled = acting(Some(&named), || operation::enrol(&asked.view, &token))?;
        archive(&enrolled).map(|bytes| (enrolled.endpoint, bytes)).map_err(|error| {
            Error::new(Operation::Endpoint, Cause::ServerFailed).with_detail(error)
        })
    });
    match done.await {
        Ok(Ok((endpoint, bytes))) => {
            desk.sessions.lock().forgive(&who, from.ip());
            let name = format!("attachment; filename=\"okvclient-{endpoint}.tar\"");
            let headers = [
                (header::CONTENT_TYPE, "application/x-tar".to_owned()),
                (header::CONTENT_DISPOSITION, name),
            ];
            (headers, bytes.to_vec()).into_response()
        }
        Ok(Err(error)) => {
            if error.cause == Cause::TokenRefused {
                desk.sessions.lock().count(&who, from.ip());
            }
            show(&desk, Some(&error))
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn archive(enrolled: &Enrolled) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut archive = tar::Builder::new(Vec::new());
    let configuration = enrolled.configuration();
    for (name, bytes) in [
        ("okvclient.ora", configuration.as_bytes()),
        ("ssl/CA.pem", enrolled.ca.as_bytes()),
        ("ssl/cert.pem", enrolled.certificate.as_bytes()),
        ("ssl/key.pem", enrolled.key.expose()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        header.set_size(bytes.len().try_into().map_err(std::io::Error::other)?);
        let path = format!("okvclient-{}/{name}", enrolled.endpoint);
        archive.append_data(&mut header, path, bytes)?;
    }
    archive.into_inner().map(Zeroizing::new)
}
