//! The JSON API: `POST /okv/api` with the request that the real command line's `--from-json` takes.
//!
//! Name and password come with each request (HTTP Basic, over TLS): there is no cookie that another site could use.
//! `GET /okv/api` gives a template of every service. Real servers have RESTful services switched off at first and no
//! `hsm` services at all (Documented); here they are on, and `hsm` is this simulator's own category.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::desk::Desk;
use crate::api::{self, Service};
use crate::error::Error;
use crate::operation::{Account, Operation};
use crate::secret::Secret;
use crate::texts::Cause;

/// Name and password of HTTP Basic.
fn basic(headers: &HeaderMap) -> Option<(String, Secret)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = Secret::new(BASE64.decode(value.strip_prefix("Basic ")?.as_bytes()).ok()?);
    let (name, password) = std::str::from_utf8(decoded.expose()).ok()?.split_once(':')?;
    Some((name.to_owned(), Secret::from(password)))
}

async fn who(desk: &Arc<Desk>, headers: &HeaderMap, from: SocketAddr) -> Result<Account, Error> {
    let refused = || Error::new(Operation::Account, Cause::LoginRefused);
    let (name, password) = basic(headers).ok_or_else(refused)?;
    desk.log_in(&name, password, from.ip()).await
}

/// Whether the account may call the service.
pub(super) fn allowed(account: &Account, service: &Service) -> Result<(), Error> {
    match service.role {
        Some(role) if !account.has(role) => {
            let detail = format!("{} takes the role {role}", service.name());
            Err(Error::new(Operation::Account, Cause::NotAllowed).with_detail(detail))
        }
        _ => Ok(()),
    }
}

fn refuse(desk: &Desk, error: &Error) -> Response {
    let status = match error.cause {
        Cause::LoginRefused => StatusCode::UNAUTHORIZED,
        Cause::LoginsTooMany => StatusCode::TOO_MANY_REQUESTS,
        Cause::NotAllowed => StatusCode::FORBIDDEN,
        Cause::ActionUnknown => StatusCode::NOT_FOUND,
        Cause::OptionMissing | Cause::OptionUnknown | Cause::OptionUnusable => {
            StatusCode::BAD_REQUEST
        }
        Cause::ServerFailed | Cause::ServerSilent | Cause::StoreFailed | Cause::DiskFailed => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::CONFLICT,
    };
    let body = Json(api::failure_to_json(error, &desk.describe(error)));
    let mut response = (status, body).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Basic realm=\"okv\"");
        response.headers_mut().insert(HeaderName::from_static("www-authenticate"), scheme);
    }
    response
}

/// Runs a service.
pub(super) async fn post(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let done = async {
        let account = who(&desk, &headers, from).await?;
        let body = Secret::new(body.to_vec());
        let request: Value = serde_json::from_slice(body.expose()).map_err(|error| {
            let detail = format!("the request is no JSON: {error}");
            Error::new(Operation::Serve, Cause::OptionUnusable).with_detail(detail)
        })?;
        let (service, options) = api::read_request(&request)?;
        allowed(&account, service)?;
        desk.call(service, options, Some(&account.name)).await
    };
    match done.await {
        Ok(answer) => Json(answer.to_json()).into_response(),
        Err(error) => refuse(&desk, &error),
    }
}

/// Tells what there is.
pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if let Err(error) = who(&desk, &headers, from).await {
        return refuse(&desk, &error);
    }
    let services: Vec<_> = api::services()
        .map(|service| {
            json!({
                "about": service.about,
                "extension": service.extension,
                "role": service.role,
                "request": service.template(),
            })
        })
        .collect();
    Json(json!({ "result": "Success", "value": services })).into_response()
}
