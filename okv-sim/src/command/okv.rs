//! `okv CATEGORY RESOURCE ACTION`: every service, in the style of the real `okv` command line.
//!
//! Options are kebab-case here and camelCase in JSON; `--from-json` takes a request, `--generate-json-input` prints one
//! to fill in (Documented conventions). A secret's value never stands on the line: `--NAME-env VAR` names a variable.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use okv_sim::Secret;
use okv_sim::api::{self, Kind, OptionSpec, Service};
use serde_json::{Value, json};

use super::call::{Asked, Opening};
use super::secrets;

fn kebab(name: &str) -> String {
    name.chars()
        .flat_map(|letter| {
            let dash = letter.is_ascii_uppercase().then_some('-');
            dash.into_iter().chain([letter.to_ascii_lowercase()])
        })
        .collect()
}

fn shown(spec: &OptionSpec) -> String {
    let name = kebab(spec.name);
    match spec.kind {
        Kind::Secret => format!("--{name}-env VAR"),
        Kind::Flag => format!("--{name} true|false"),
        Kind::Choice(words) => format!("--{name} {}", words.join("|")),
        Kind::Number => format!("--{name} N"),
        Kind::Text(_) => format!("--{name} TEXT"),
        Kind::Hex => format!("--{name} HEX"),
        Kind::Pem => format!("--{name} CERTIFICATE"),
    }
}

fn list() -> Value {
    let lines: Vec<_> = api::services()
        .map(|service| {
            let options: Vec<_> = service
                .options
                .iter()
                .map(|spec| {
                    let shown = shown(spec);
                    if spec.required { shown } else { format!("[{shown}]") }
                })
                .collect();
            let own = if service.extension { " (extension)" } else { "" };
            let name = service.name();
            format!("okv {name} {}\n    {}{own}", options.join(" "), service.about)
        })
        .collect();
    let names: Vec<_> = api::services().map(Service::name).collect();
    json!({ "result": "Success", "value": names, "text": lines.join("\n") })
}

/// `--json` belongs to the whole command line, but everything after `okv` comes here.
pub(super) fn is_json(words: &[String]) -> bool {
    words.iter().any(|word| word == "--json")
}

pub(super) fn run(data: &Path, words: &[String]) -> Result<Option<Value>> {
    let words: Vec<_> = words.iter().filter(|word| *word != "--json").cloned().collect();
    let Some((first, rest)) = words.split_first_chunk::<3>() else {
        if words.is_empty() {
            return Ok(Some(list()));
        }
        bail!("okv takes CATEGORY RESOURCE ACTION; without any word it lists all services");
    };
    let service = api::service(&first[0], &first[1], &first[2])?;
    let mut options = Vec::new();
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        let name = word.strip_prefix("--").with_context(|| format!("{word} is no option"))?;
        if name == "generate-json-input" {
            let text = serde_json::to_string_pretty(&service.template())?;
            return Ok(Some(json!({
                "result": "Success", "value": service.template(), "text": text,
            })));
        }
        let value = rest.next().with_context(|| format!("{word} wants a value"))?;
        if name == "from-json" {
            options.extend(from_json(service, value)?);
            continue;
        }
        options.push(option(service, name, value)?);
    }
    let asked = Asked::of(first.clone(), options);
    asked.answer(data, &Opening::Ask(None)).map(Some)
}

fn option(service: &Service, name: &str, value: &str) -> Result<(String, Secret)> {
    for spec in service.options {
        let own = kebab(spec.name);
        let by_variable = name.strip_suffix("-env") == Some(own.as_str());
        if spec.kind == Kind::Secret && by_variable {
            return Ok((spec.name.to_owned(), secrets::from_environment(value)?));
        }
        if spec.kind == Kind::Secret && name == own {
            bail!("a secret does not stand on the line; use --{own}-env VAR");
        }
        if name == own {
            return Ok((spec.name.to_owned(), Secret::from(value)));
        }
    }
    let known: Vec<_> = service.options.iter().map(shown).collect();
    bail!("--{name} is no option of {}; there are {}", service.name(), known.join(", "))
}

fn from_json(service: &Service, file: &str) -> Result<Vec<(String, Secret)>> {
    let mut text = String::new();
    if file == "-" {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("{file} cannot be read"))?;
    }
    let request: Value =
        serde_json::from_str(&text).with_context(|| format!("{file} is no JSON"))?;
    let asked = |word: &str| request.pointer(&format!("/service/{word}"));
    let words = ["category", "resource", "action"]
        .map(|word| asked(word).and_then(Value::as_str).unwrap_or_default());
    if words != [service.category, service.resource, service.action] {
        bail!("{file} is a request for {}, not for {}", words.join(" "), service.name());
    }
    let options = asked("options").and_then(Value::as_object).cloned().unwrap_or_default();
    let filled = options.into_iter().filter_map(|(name, value)| match value {
        // A line of the template that was not filled in.
        Value::String(text) if text.starts_with('#') => None,
        Value::String(text) => Some((name, Secret::from(text))),
        Value::Null => None,
        other => Some((name, Secret::from(other.to_string()))),
    });
    Ok(filled.collect())
}
