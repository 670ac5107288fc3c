//! The console: pages for people, made on the server, good without scripts and without a mouse.
//!
//! Where a page stands follows from the release. A page is a list of [`view::Block`]s, so that every table, form and
//! button has one template and one way of escaping; a form names the service it calls, and all of them come to one
//! place ([`act`]). Pages decide nothing: what may be done is the service's matter.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Form, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};

use super::desk::Desk;
use super::json;
use super::sessions::{Flash, Session};
use crate::api::{self, Kind, Options, Service};
use crate::error::Error;
use crate::operation::Operation;
use crate::secret::Secret;
use crate::texts::Cause;

mod backups;
mod cluster;
mod endpoints;
mod enroll;
mod frame;
mod hsm;
mod job;
mod lists;
mod pages;
mod system;
mod view;

use self::pages::Ask;

const COOKIE: &str = "__Host-okv";

/// Longest form, bytes.
const LONGEST_FORM: usize = 64 * 1024;

/// Longest JSON request, bytes.
const LONGEST_JSON: usize = 5 << 20;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Everything that is served over HTTPS.
pub(super) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::to("/home") }))
        .route("/login", get(login_page).post(login))
        .route("/logout", post(logout))
        .route("/enroll", get(enroll::page).post(enroll::redeem))
        .route("/style.css", get(|| asset("text/css", include_str!("../../assets/style.css"))))
        .route(
            "/console.js",
            get(|| asset("text/javascript", include_str!("../../assets/console.js"))),
        )
        .route("/jobs/{id}", get(job_page))
        .route("/jobs/{id}/fragment", get(job_fragment))
        .route("/do/{category}/{resource}/{action}", post(act))
        .fallback(get(page))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .merge(
            Router::new()
                .route("/okv/api", get(json::list).post(json::post))
                .layer(DefaultBodyLimit::max(LONGEST_JSON)),
        )
        .layer(middleware::from_fn(harden))
        .with_state(desk)
}

async fn asset(kind: &'static str, text: &'static str) -> Response {
    let kind = format!("{kind}; charset=utf-8");
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "max-age=300".to_owned())], text)
        .into_response()
}

/// What every answer carries, and what no form from elsewhere passes.
async fn harden(request: Request, next: Next) -> Response {
    let reads = request.method().is_safe();
    if !reads && !is_from_here(request.headers()) {
        let text = "The request comes from another site, so it was not carried out. \
                    Open the console itself and try again there.";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("strict-transport-security", "max-age=63072000"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A browser says where a form comes from; a program that says nothing has no cookie to lose.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let origin = match (text("origin"), text("host")) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.strip_prefix("https://") == Some(host),
        (Some(_), None) => false,
    };
    site && origin
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let mut pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

fn session(desk: &Desk, headers: &HeaderMap, take_flash: bool) -> Option<(Session, Flash)> {
    desk.sessions.lock().look(token(headers)?, take_flash)
}

async fn login_page(
    State(desk): State<Arc<Desk>>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    frame::login(&desk, asked.get("next").map_or("/home", String::as_str), "", None)
}

/// A way back into the console and nowhere else.
fn own_path(path: &str) -> &str {
    let own =
        path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n']);
    if own && path.len() <= 512 { path } else { "/home" }
}

async fn login(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Form(mut form): Form<HashMap<String, String>>,
) -> Response {
    let mut take = |name: &str| form.remove(name).unwrap_or_default();
    let (name, password, next) = (take("name"), Secret::from(take("password")), take("next"));
    let begun = match desk.log_in(&name, password, from.ip()).await {
        Ok(account) => desk
            .sessions
            .lock()
            .begin(account)
            .map_err(|_| Error::new(Operation::Account, Cause::CryptoFailed)),
        Err(error) => Err(error),
    };
    match begun {
        Ok(token) => {
            let cookie = format!("{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Strict");
            ([(header::SET_COOKIE, cookie)], Redirect::to(own_path(&next))).into_response()
        }
        Err(error) => frame::login(&desk, own_path(&next), &name, Some(&error)),
    }
}

async fn logout(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    if let (Some(token), Some((session, _))) = (token(&headers), session(&desk, &headers, false))
        && form.get("csrf") == Some(&session.csrf)
    {
        desk.sessions.lock().end(token);
    }
    let gone = format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    ([(header::SET_COOKIE, gone)], Redirect::to("/login")).into_response()
}

fn to_login(path: &str) -> Response {
    let next: String = path
        .bytes()
        .map(|byte| match byte {
            b'/' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    Redirect::to(&format!("/login?next={next}")).into_response()
}

async fn page(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
    uri: axum::http::Uri,
) -> Response {
    let path = uri.path().to_owned();
    let Some((session, flash)) = session(&desk, &headers, true) else {
        return to_login(uri.path_and_query().map_or(path.as_str(), |whole| whole.as_str()));
    };
    let run = tokio::task::spawn_blocking(move || {
        pages::show(&Ask { desk: &desk, session: &session, flash: &flash, query: &query }, &path)
    });
    run.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// Every form of the console: which service, with what, and where to go back to.
async fn act(
    State(desk): State<Arc<Desk>>,
    Path((category, resource, action)): Path<(String, String, String)>,
    headers: HeaderMap,
    Form(mut form): Form<HashMap<String, String>>,
) -> Response {
    let Some((session, _)) = session(&desk, &headers, false) else {
        return to_login("/home");
    };
    if form.remove("csrf").as_deref() != Some(session.csrf.as_str()) {
        let text = "This form is too old or not the console's. Go back, load the page again and send it anew.";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let back = own_path(&form.remove("back").unwrap_or_default()).to_owned();
    let form_page = own_path(&form.remove("form").unwrap_or_default()).to_owned();
    let service = match api::service(&category, &resource, &action) {
        Ok(service) => service,
        Err(error) => return (StatusCode::NOT_FOUND, error.to_string()).into_response(),
    };
    let typed = without_secrets(service, &form);
    let came = form.into_iter().map(|(name, value)| (name, Secret::from(value)));
    let done = json::allowed(&session.account, service)
        .and_then(|()| Options::read(service, came))
        .map(|options| (service, options));
    let who = session.account.name.as_str();
    let done = match done {
        Ok((service, options)) if service.slow => {
            desk.submit(service, options, Some(who), &back).map(|job| format!("/jobs/{}", job.id))
        }
        Ok((service, options)) => desk.call(service, options, Some(who)).await.map(|answer| {
            leave(&desk, &headers, Flash { done: Some(answer.text), ..Flash::default() });
            back.clone()
        }),
        Err(error) => Err(error),
    };
    match done {
        Ok(next) => Redirect::to(&next).into_response(),
        Err(error) => {
            let failed = Some(desk.describe(&error));
            leave(&desk, &headers, Flash { failed, typed, done: None });
            Redirect::to(&form_page).into_response()
        }
    }
}

fn leave(desk: &Desk, headers: &HeaderMap, flash: Flash) {
    if let Some(token) = token(headers) {
        desk.sessions.lock().set_flash(token, flash);
    }
}

fn without_secrets(service: &Service, form: &HashMap<String, String>) -> HashMap<String, String> {
    let shown = |name: &str| {
        let spec = service.options.iter().find(|spec| spec.name == name);
        spec.is_some_and(|spec| spec.kind != Kind::Secret)
    };
    form.iter()
        .filter(|(name, value)| shown(name) && value.len() <= 8192)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

async fn job_page(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Path(id): Path<u64>,
) -> Response {
    let Some((session, flash)) = session(&desk, &headers, false) else {
        return to_login(&format!("/jobs/{id}"));
    };
    let query = HashMap::new();
    let ask = Ask { desk: &desk, session: &session, flash: &flash, query: &query };
    job::show(&ask, id)
}

async fn job_fragment(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Path(id): Path<u64>,
) -> Response {
    let Some((session, _)) = session(&desk, &headers, false) else {
        return (StatusCode::UNAUTHORIZED, "").into_response();
    };
    match job::fragment(&desk, &session.account, id) {
        Some(html) => Html(html).into_response(),
        None => (StatusCode::NOT_FOUND, "").into_response(),
    }
}
