//! `admin endpoint …`: who may speak KMIP with the vault. Names are the real ones from memory of them (Assumed), and
//! `enroll` is an extension: the real product's owner of an endpoint uses a page of the console.

use serde_json::{Value, json};

use super::{Answer, Call, Kind, OptionSpec, Service};
use crate::error::Error;
use crate::operation::{self, ENDPOINT_PLATFORMS, ENDPOINT_TYPES, Enrolled, Role};
use crate::secret::Secret;
use crate::store::Endpoint;

const fn service(
    action: &'static str,
    about: &'static str,
    wallet: bool,
    options: &'static [OptionSpec],
    run: fn(&Call<'_>) -> Result<Answer, Error>,
) -> Service {
    Service {
        category: "admin",
        resource: "endpoint",
        action,
        about,
        role: Some(Role::SystemAdministrator),
        extension: false,
        wallet,
        slow: false,
        options,
        run,
    }
}

pub(super) const ENDPOINT: OptionSpec =
    OptionSpec::required("endpoint", Kind::Text(64), "the endpoint's name");

pub(super) const SERVICES: &[Service] = &[
    service(
        "create",
        "register an endpoint; its enrollment token",
        true,
        &[
            ENDPOINT,
            OptionSpec::optional("type", Kind::Choice(ENDPOINT_TYPES), "ORACLE_DB unless said"),
            OptionSpec::optional(
                "platform",
                Kind::Choice(ENDPOINT_PLATFORMS),
                "LINUX64 unless said",
            ),
            OptionSpec::optional("description", Kind::Text(256), "for people"),
        ],
        create,
    ),
    service("list", "all endpoints", false, &[], list),
    service("get", "one endpoint", false, &[ENDPOINT], get),
    service(
        "get-enrollment-token",
        "the token that was not used yet",
        true,
        &[ENDPOINT],
        get_token,
    ),
    Service {
        extension: true,
        ..service(
            "enroll",
            "redeem a token: certificate, key and address",
            true,
            &[OptionSpec::required("token", Kind::Secret, "16 letters and digits")],
            enroll,
        )
    },
    service(
        "re-enroll",
        "give an endpoint a new token; its certificate is refused from now on",
        true,
        &[ENDPOINT],
        re_enroll,
    ),
    service("suspend", "refuse an endpoint's certificate for now", false, &[ENDPOINT], suspend),
    service("resume", "let a suspended endpoint in again", false, &[ENDPOINT], resume),
    service("delete", "remove an endpoint; its objects stay", false, &[ENDPOINT], delete),
];

/// An endpoint with its token. It may be shown: to hand it on is what it is for.
fn with_token(endpoint: &str, token: &Secret, text: &str) -> Result<Answer, Error> {
    let token = String::from_utf8_lossy(token.expose()).into_owned();
    let text = format!("{text}\nEnrollment token  {token}");
    Answer::new(&json!({ "endpoint": endpoint, "enrollmentToken": token }), text)
}

fn line(it: &Endpoint) -> String {
    let wallet = it.default_wallet.as_deref().unwrap_or("-");
    format!("{:10}  {:13}  {:13}  {}  {wallet}", it.status.name(), it.kind, it.platform, it.name)
}

fn create(call: &Call<'_>) -> Result<Answer, Error> {
    let word = |name, else_| call.options.text(name).unwrap_or(else_);
    let (endpoint, token) = operation::create_endpoint(
        call.view,
        call.options.word("endpoint"),
        word("type", "ORACLE_DB"),
        word("platform", "LINUX64"),
        word("description", ""),
    )?;
    let text = format!("The endpoint {} is registered", endpoint.name);
    with_token(&endpoint.name, &token, &text)
}

fn list(call: &Call<'_>) -> Result<Answer, Error> {
    let all = call.view.endpoints()?;
    let text = all.iter().map(line).collect::<Vec<_>>().join("\n");
    Answer::new(&all, text)
}

fn get(call: &Call<'_>) -> Result<Answer, Error> {
    let found = operation::endpoint(call.view, call.options.word("endpoint"))?;
    Answer::new(&found, line(&found))
}

fn get_token(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("endpoint");
    let token = operation::enrolment_token(call.view, name)?;
    with_token(name, &token, "The endpoint has not enrolled yet")
}

/// What an enrolment gives, with the key in clear: it goes to its owner and nowhere else.
pub(crate) fn enrolled_to_json(it: &Enrolled) -> Value {
    json!({
        "endpoint": it.endpoint,
        "ca": it.ca,
        "certificate": it.certificate,
        "key": String::from_utf8_lossy(it.key.expose()),
        "fingerprint": it.fingerprint,
        "server": it.server,
        "okvclient.ora": it.configuration(),
    })
}

fn enroll(call: &Call<'_>) -> Result<Answer, Error> {
    let token = call.options.secret_or_empty("token");
    let enrolled = operation::enrol(call.view, &token)?;
    let text = format!("The endpoint {} is enrolled", enrolled.endpoint);
    Answer::new(&enrolled_to_json(&enrolled), text)
}

fn re_enroll(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("endpoint");
    let token = operation::re_enrol(call.view, name)?;
    with_token(name, &token, "The endpoint must enroll again; its old certificate is refused")
}

fn suspend(call: &Call<'_>) -> Result<Answer, Error> {
    let endpoint = operation::suspend(call.view, call.options.word("endpoint"))?;
    Answer::new(&endpoint, format!("The endpoint {} is suspended", endpoint.name))
}

fn resume(call: &Call<'_>) -> Result<Answer, Error> {
    let endpoint = operation::resume(call.view, call.options.word("endpoint"))?;
    Answer::new(&endpoint, format!("The endpoint {} is let in again", endpoint.name))
}

fn delete(call: &Call<'_>) -> Result<Answer, Error> {
    let name = call.options.word("endpoint");
    operation::delete_endpoint(call.view, name)?;
    Answer::new(&json!({ "endpoint": name }), format!("The endpoint {name} is removed"))
}
