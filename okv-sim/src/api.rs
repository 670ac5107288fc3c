//! Every operation as a service with options: the one thing that console, JSON API and command line call.
//!
//! A service is a row: where it stands (`category resource action`, in the style of the real `okv` command line), the
//! role it takes, its options, and a function. A face collects options and prints the answer; it decides nothing.
//! Names are the real ones where the product has them (Documented: `backup`, `server`, `primary-standby`); `hsm` and
//! what is marked [`Service::extension`] are this simulator's own, since the real product has no such service.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::Error;
use crate::operation::{Operation, Role};
use crate::secret::Secret;
use crate::texts::Cause;
use crate::vault::Vault;
use crate::view::View;

mod access;
mod account;
mod backup;
mod cluster;
pub(crate) mod endpoint;
mod hsm;
mod object;
mod server;

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A line of text, of so many characters at most.
    Text(usize),
    /// A password or passphrase: never shown again.
    Secret,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Bytes as hexadecimal digits.
    Hex,
    /// A certificate, from BEGIN to END.
    Pem,
}

/// Longest secret, bytes.
const LONGEST_SECRET: usize = 1024;

/// Longest certificate, characters.
const LONGEST_PEM: usize = 8192;

/// Longest bytes in hexadecimal digits.
const LONGEST_HEX: usize = 2 << 20;

/// An option of a service.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// In JSON; on the command line `hsmCredential` is `--hsm-credential`.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// For people.
    pub about: &'static str,
}

impl OptionSpec {
    const fn required(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, required: true, about }
    }

    const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, required: false, about }
    }
}

/// What a service gave.
#[derive(Debug, Clone)]
pub struct Answer {
    /// For programs.
    pub value: Value,
    /// For people; may be empty.
    pub text: String,
    /// Whether all is well: a check that failed is an answer, but not well.
    pub well: bool,
}

impl Answer {
    fn new(value: &impl Serialize, text: impl Into<String>) -> Result<Self, Error> {
        let value = serde_json::to_value(value).map_err(|error| {
            Error::new(Operation::Serve, Cause::ServerFailed).with_detail(error)
        })?;
        Ok(Self { value, text: text.into(), well: true })
    }

    fn well(self, well: bool) -> Self {
        Self { well, ..self }
    }

    /// As the JSON API answers.
    pub fn to_json(&self) -> Value {
        let result = if self.well { "Success" } else { "Failure" };
        json!({ "result": result, "value": self.value, "text": self.text })
    }
}

/// A failure as the JSON API answers.
pub fn failure_to_json(error: &Error, message: &str) -> Value {
    json!({ "result": "Failure", "message": message, "error": error })
}

/// The options that came, each looked at.
#[derive(Debug, Default)]
pub struct Options(BTreeMap<&'static str, Secret>);

impl Options {
    /// Looks at what came for a service. An empty value counts as none.
    ///
    /// # Errors
    /// [`Cause::OptionUnknown`], [`Cause::OptionUnusable`], [`Cause::OptionMissing`], each naming the option.
    pub fn read(
        service: &Service,
        came: impl IntoIterator<Item = (String, Secret)>,
    ) -> Result<Self, Error> {
        let refuse =
            |cause, detail: String| Error::new(Operation::Serve, cause).with_detail(detail);
        let mut options = BTreeMap::new();
        for (name, value) in came {
            let spec = service.options.iter().find(|spec| spec.name == name);
            let spec = spec.ok_or_else(|| refuse(Cause::OptionUnknown, shorten(&name)))?;
            if value.is_empty() {
                continue;
            }
            usable(spec, &value)
                .map_err(|why| refuse(Cause::OptionUnusable, format!("{}: {why}", spec.name)))?;
            options.insert(spec.name, value);
        }
        for spec in service.options {
            if spec.required && !options.contains_key(spec.name) {
                let detail = format!("{}: {}", spec.name, spec.about);
                return Err(refuse(Cause::OptionMissing, detail));
            }
        }
        Ok(Self(options))
    }

    /// The same from the `options` of a JSON request.
    ///
    /// # Errors
    /// As [`Options::read`].
    pub fn from_json(service: &Service, options: &Value) -> Result<Self, Error> {
        let unusable = || {
            Error::new(Operation::Serve, Cause::OptionUnusable).with_detail("options is no object")
        };
        let came = match options {
            Value::Null => Vec::new(),
            Value::Object(options) => options
                .iter()
                .map(|(name, value)| {
                    let text = match value {
                        Value::String(text) => text.clone(),
                        Value::Null => String::new(),
                        other => other.to_string(),
                    };
                    (name.clone(), Secret::from(text))
                })
                .collect(),
            _ => return Err(unusable()),
        };
        Self::read(service, came)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| std::str::from_utf8(value.expose()).ok())
    }

    fn word(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        self.0.get(name).cloned()
    }

    fn secret_or_empty(&self, name: &str) -> Secret {
        self.secret(name).unwrap_or_else(|| Secret::new(Vec::new()))
    }

    fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.text(name).and_then(|text| text.parse().ok())
    }
}

fn usable(spec: &OptionSpec, value: &Secret) -> Result<(), String> {
    if spec.kind == Kind::Secret {
        let short = value.len() <= LONGEST_SECRET;
        return if short { Ok(()) } else { Err(format!("at most {LONGEST_SECRET} bytes")) };
    }
    let text = std::str::from_utf8(value.expose()).map_err(|_| "not UTF-8".to_owned())?;
    match spec.kind {
        Kind::Text(longest) if text.chars().count() > longest => {
            Err(format!("at most {longest} characters"))
        }
        Kind::Text(_) if text.chars().any(char::is_control) => Err("a line of text".into()),
        Kind::Flag if text != "true" && text != "false" => Err("true or false".into()),
        Kind::Number if text.parse::<u32>().is_err() => Err("a whole number".into()),
        Kind::Choice(words) if !words.contains(&text) => {
            Err(format!("one of {}", words.join(", ")))
        }
        Kind::Pem if text.len() > LONGEST_PEM => Err(format!("at most {LONGEST_PEM} characters")),
        Kind::Hex if text.len() > LONGEST_HEX => Err(format!("at most {LONGEST_HEX} digits")),
        _ => Ok(()),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

/// What a service is called with.
pub struct Call<'a> {
    /// For what changes something or asks the HSM; locked by the service for as long as it takes.
    pub vault: &'a Mutex<Vault>,
    /// For what only reads.
    pub view: &'a View,
    /// Looked at.
    pub options: &'a Options,
}

/// An operation as faces see it.
pub struct Service {
    /// First word.
    pub category: &'static str,
    /// Second word.
    pub resource: &'static str,
    /// Third word.
    pub action: &'static str,
    /// For people.
    pub about: &'static str,
    /// Who may call it; `None` for whoever is logged in.
    pub role: Option<Role>,
    /// Not in the real product.
    pub extension: bool,
    /// Needs the opened wallet: a command without a running server opens it first.
    pub wallet: bool,
    /// Asks the HSM or a host: faces show progress.
    pub slow: bool,
    /// What it takes.
    pub options: &'static [OptionSpec],
    /// What it does.
    pub run: fn(&Call<'_>) -> Result<Answer, Error>,
}

impl Service {
    /// All three words.
    pub fn name(&self) -> String {
        format!("{} {} {}", self.category, self.resource, self.action)
    }

    /// The JSON request with every option, for filling in.
    pub fn template(&self) -> Value {
        let options: serde_json::Map<_, _> = self
            .options
            .iter()
            .map(|spec| (spec.name.to_owned(), Value::String(format!("#{}", spec.about))))
            .collect();
        json!({ "service": {
            "category": self.category, "resource": self.resource, "action": self.action,
            "options": options,
        }})
    }
}

/// All services.
pub fn services() -> impl Iterator<Item = &'static Service> {
    [
        server::SERVICES,
        hsm::SERVICES,
        backup::SERVICES,
        account::SERVICES,
        object::SERVICES,
        endpoint::SERVICES,
        access::SERVICES,
        cluster::SERVICES,
    ]
    .into_iter()
    .flatten()
}

/// The service of this name.
///
/// # Errors
/// [`Cause::ActionUnknown`].
pub fn service(category: &str, resource: &str, action: &str) -> Result<&'static Service, Error> {
    services()
        .find(|it| it.category == category && it.resource == resource && it.action == action)
        .ok_or_else(|| {
            let detail = format!("{} {} {}", shorten(category), shorten(resource), shorten(action));
            Error::new(Operation::Serve, Cause::ActionUnknown).with_detail(detail)
        })
}

/// Which service a JSON request is for.
///
/// # Errors
/// [`Cause::ActionUnknown`].
pub fn read_service(request: &Value) -> Result<&'static Service, Error> {
    let asked = request.get("service");
    let word = |name: &str| asked.and_then(|it| it.get(name)?.as_str()).unwrap_or_default();
    service(word("category"), word("resource"), word("action"))
}

/// The options of a JSON request for this service.
///
/// # Errors
/// Those of [`Options::read`].
pub fn read_options(service: &Service, request: &Value) -> Result<Options, Error> {
    let options = request.pointer("/service/options");
    Options::from_json(service, options.unwrap_or(&Value::Null))
}

/// A JSON request: which service, and with what.
///
/// # Errors
/// Those of [`read_service`] and [`read_options`].
pub fn read_request(request: &Value) -> Result<(&'static Service, Options), Error> {
    let service = read_service(request)?;
    Ok((service, read_options(service, request)?))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_service_has_a_name_and_options_of_its_own() {
        let mut names = HashSet::new();
        for service in services() {
            assert!(names.insert(service.name()), "{}", service.name());
            assert!(!service.about.is_empty());
            let options: HashSet<_> = service.options.iter().map(|spec| spec.name).collect();
            assert_eq!(options.len(), service.options.len(), "{}", service.name());
        }
        assert!(names.len() > 25);
    }

    #[test]
    fn options_are_looked_at_and_a_refusal_names_the_one() {
        let service = service("hsm", "config", "initialize").unwrap();
        let read = |options: Value| Options::from_json(service, &options).map_err(|it| it.cause);
        let good =
            json!({ "hsmCredential": "x", "recoveryPassphrase": "y", "useTokenLabel": true });
        assert!(read(good).unwrap().flag("useTokenLabel"));
        assert_eq!(read(json!({})).unwrap_err(), Cause::OptionMissing);
        assert_eq!(read(json!({ "other": 1 })).unwrap_err(), Cause::OptionUnknown);
        let flag = json!({ "hsmCredential": "x", "recoveryPassphrase": "y", "useTokenLabel": 3 });
        assert_eq!(read(flag).unwrap_err(), Cause::OptionUnusable);
        let long = json!({ "hsmCredential": "x".repeat(2000), "recoveryPassphrase": "y" });
        assert_eq!(read(long).unwrap_err(), Cause::OptionUnusable);
        assert_eq!(read(json!([1])).unwrap_err(), Cause::OptionUnusable);
    }
}
