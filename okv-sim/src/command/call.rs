//! A service is asked of the running server, or carried out on the data directory when none runs.

use std::path::Path;

use anyhow::{Result, bail};
use okv_sim::api::{self, Call, Options};
use okv_sim::server::control;
use okv_sim::{Error, OpenWith, Secret, State, Vault};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::secrets;

/// How the wallet is opened for a service that needs it open.
pub(super) enum Opening {
    /// It is not.
    Never,
    /// With this passphrase, when no HSM is enabled.
    With(Secret),
    /// With one that is asked for only then.
    Ask(Option<String>),
    /// It cannot be asked for; why.
    Impossible(&'static str),
}

/// A service and its options.
pub(super) struct Asked {
    words: [String; 3],
    options: Vec<(String, Secret)>,
}

impl Asked {
    pub(super) fn new(words: [&str; 3], options: Vec<(&'static str, Secret)>) -> Self {
        let own = |(name, value): (&str, Secret)| (name.to_owned(), value);
        Self { words: words.map(str::to_owned), options: options.into_iter().map(own).collect() }
    }

    pub(super) fn of(words: [String; 3], options: Vec<(String, Secret)>) -> Self {
        Self { words, options }
    }

    /// The answer, as the JSON API gives it.
    pub(super) fn answer(self, data: &Path, opening: &Opening) -> Result<Value> {
        let [category, resource, action] = self.words;
        let mut options = Map::new();
        for (name, value) in &self.options {
            let text = std::str::from_utf8(value.expose());
            let Ok(text) = text else { bail!("{name} is not UTF-8; use text") };
            options.insert(name.clone(), Value::String(text.to_owned()));
        }
        let request = json!({ "service": {
            "category": category, "resource": resource, "action": action, "options": options,
        }});
        let served = control::ask(data, &request);
        if let Some(answer) = served.map_err(|error| {
            anyhow::anyhow!("the running server did not answer ({error}); look at its terminal")
        })? {
            return Ok(answer);
        }
        let done = api::read_request(&request)
            .map_err(anyhow::Error::from)
            .and_then(|(service, options)| locally(data, service, &options, opening));
        match done {
            Ok(answer) => Ok(answer.to_json()),
            Err(error) => match error.downcast_ref::<Error>() {
                Some(known) => Ok(failure(data, known)),
                None => Err(error),
            },
        }
    }
}

fn locally(
    data: &Path,
    service: &api::Service,
    options: &Options,
    opening: &Opening,
) -> Result<api::Answer> {
    let mut vault = Vault::open(data)?;
    let view = vault.view();
    if service.wallet && !matches!(opening, Opening::Never) {
        let started = vault.restart()?;
        if let Some(error) = started.failure
            && started.state == State::Sealed
        {
            return Err(error.into());
        }
        if !view.is_open() {
            let passphrase = match opening {
                Opening::With(passphrase) => passphrase.clone(),
                Opening::Ask(variable) => {
                    secrets::ask(variable.as_deref(), "Recovery passphrase: ")?
                }
                Opening::Impossible(why) => bail!("{why}"),
                Opening::Never => return Err(anyhow::anyhow!("the wallet is closed")),
            };
            vault.open_wallet(OpenWith::Passphrase(&passphrase))?;
        }
    }
    let vault = Mutex::new(vault);
    Ok((service.run)(&Call { vault: &vault, view: &view, options })?)
}

/// An error in the words of the release that is installed, if one is.
pub(super) fn failure(data: &Path, error: &Error) -> Value {
    let release = Vault::open(data).and_then(|vault| vault.view().release());
    let message = release.map_or_else(|_| error.to_string(), |release| release.describe(error));
    api::failure_to_json(error, &message)
}
