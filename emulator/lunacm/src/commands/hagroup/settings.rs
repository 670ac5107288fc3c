//! `hagroup haonly`, `retry`, `interval`, `recoverymode` and `halog`: keys of the configuration file.
//!
//! Source: vendor pages of these commands for keys and ranges (Documented; the smallest `-maxlength` Assumed); the
//! confirmation of `retry` is Documented, those of the others follow it (Assumed).

use chrystoki_conf::{Conf, Error};

use super::{Outcome, advise};
use crate::console::Console;
use crate::failure::Failure;
use crate::registry::Request;
use crate::shell::Shell;

const HA: &str = "HAConfiguration";
const TOKEN: &str = "VirtualToken";
const MODES: [&str; 2] = ["activeBasic", "activeEnhanced"];

/// The lines before the groups of a listing.
pub(super) fn all(conf: &Conf) -> Result<Vec<(&'static str, String)>, Error> {
    let attempts = conf.number(HA, "reconnAtt", -1..=500)?.unwrap_or(0);
    let interval = conf.number(HA, "AutoReconnectInterval", 60..=1200)?.unwrap_or(60);
    let on = |on: bool, yes: &str, no: &str| if on { yes.to_owned() } else { no.to_owned() };
    let logging = conf.flag(HA, "haLogStatus")?.unwrap_or(false);
    let only = conf.flag(HA, "HAOnly")?.unwrap_or(false);
    // Which mode holds without the key is not published; the samples have activeEnhanced (Assumed).
    let mode = conf.value(TOKEN, "VirtualTokenActiveRecovery").unwrap_or(MODES[1]);
    let most = if attempts == -1 { "infinite".to_owned() } else { attempts.to_string() };
    Ok(vec![
        ("HA auto recovery", on(attempts != 0, "enabled", "disabled")),
        ("HA recovery mode", mode.to_owned()),
        ("Maximum auto recovery retry", most),
        ("Auto recovery poll interval", format!("{interval} seconds")),
        ("HA logging", on(logging, "enabled", "disabled")),
        ("Only Show HA Slots", on(only, "yes", "no")),
    ])
}

/// A switch that was asked for: on, off, or neither.
pub(super) fn switched(request: &Request) -> Result<Option<bool>, Failure> {
    match (request.has("enable"), request.has("disable")) {
        (true, true) => Err(Failure::misuse("-enable and -disable are two different things")),
        (true, false) => Ok(Some(true)),
        (false, true) => Ok(Some(false)),
        (false, false) => Ok(None),
    }
}

/// `hagroup haonly`.
pub(crate) fn ha_only(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let wanted = switched(request)?;
    if wanted.is_none() && !request.has("show") {
        return Err(Failure::misuse("one of -enable, -disable and -show is needed"));
    }
    if let Some(on) = wanted {
        shell.edit(|conf| {
            if on && conf.ha_groups()?.is_empty() {
                let text = "there is no HA group: applications would see no slot at all";
                return Err(Failure::misuse(text));
            }
            Ok(conf.set(HA, "HAOnly", if on { "1" } else { "0" })?)
        })?;
    }
    let on = shell.conf()?.flag(HA, "HAOnly")?.unwrap_or(false);
    let state = if on { "enabled" } else { "disabled" };
    if wanted.is_some() {
        writeln!(console.out, "        \"HA Only\" has been {state}.\n")?;
        return advise(console);
    }
    writeln!(console.out, "        This system is configured with \"HA Only\" {state}.\n")?;
    Ok(())
}

/// The number of an option, within a range.
fn number(request: &Request, option: &str, least: i64, most: i64) -> Result<i64, Failure> {
    let text = request.needed(option)?;
    match text.parse::<i64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => {
            Err(Failure::misuse(format!("-{option}: '{text}' is no number from {least} to {most}")))
        }
    }
}

/// `hagroup retry`: from 0 to 500, or -1 for ever.
pub(crate) fn retry(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let count = number(request, "count", -1, 500)?;
    shell.edit(|conf| Ok(conf.set(HA, "reconnAtt", &count.to_string())?))?;
    writeln!(console.out, "        HA Auto Recovery Count has been set to {count}\n")?;
    Ok(())
}

/// `hagroup interval`.
pub(crate) fn interval(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let seconds = number(request, "interval", 60, 1200)?;
    shell.edit(|conf| Ok(conf.set(HA, "AutoReconnectInterval", &seconds.to_string())?))?;
    writeln!(
        console.out,
        "        HA Auto Recovery Interval has been set to {seconds} seconds.\n"
    )?;
    Ok(())
}

/// `hagroup recoverymode`.
pub(crate) fn recovery_mode(
    shell: &mut Shell,
    request: &Request,
    console: &mut Console<'_>,
) -> Outcome {
    let wanted = request.needed("mode")?;
    let Some(mode) = MODES.iter().find(|mode| mode.eq_ignore_ascii_case(wanted)) else {
        return Err(Failure::misuse(format!("-mode is {}, not '{wanted}'", MODES.join(" or "))));
    };
    shell.edit(|conf| Ok(conf.set(TOKEN, "VirtualTokenActiveRecovery", mode)?))?;
    writeln!(console.out, "        HA Recovery Mode has been set to {mode}.\n")?;
    Ok(())
}

/// `hagroup halog`: any of its settings in one command.
pub(crate) fn ha_log(shell: &mut Shell, request: &Request, console: &mut Console<'_>) -> Outcome {
    let wanted = switched(request)?;
    let path = request.value("path");
    let length = match request.value("maxlength") {
        Some(_) => Some(number(request, "maxlength", 256_000, i64::from(u32::MAX))?),
        None => None,
    };
    if wanted.is_none() && path.is_none() && length.is_none() && !request.has("show") {
        let text = "one of -enable, -disable, -path, -maxlength and -show is needed";
        return Err(Failure::misuse(text));
    }
    if let Some(path) = path
        && !std::path::Path::new(path).is_dir()
    {
        return Err(Failure::misuse(format!("-path: there is no directory '{path}'")));
    }
    shell.edit(|conf| {
        if let Some(on) = wanted {
            conf.set(HA, "haLogStatus", if on { "enabled" } else { "disabled" })?;
        }
        if let Some(path) = path {
            conf.set(HA, "haLogPath", path)?;
        }
        if let Some(length) = length {
            conf.set(HA, "logLen", &length.to_string())?;
        }
        Ok(())
    })?;
    let conf = shell.conf()?;
    let status =
        if conf.flag(HA, "haLogStatus")?.unwrap_or(false) { "enabled" } else { "disabled" };
    let path = conf.value(HA, "haLogPath").unwrap_or("<not set>");
    let length = conf.value(HA, "logLen").unwrap_or("<not set>");
    writeln!(console.out, "        HA Log: {status}")?;
    writeln!(console.out, "        Log File Path: {path}")?;
    writeln!(console.out, "        Max File Length: {length}\n")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_the_file() {
        let text = "HAConfiguration = { HAOnly = 1; reconnAtt = -1; }\n";
        let settings = all(&Conf::parse(text, "C").unwrap()).unwrap();
        assert!(settings.contains(&("HA auto recovery", "enabled".to_owned())));
        assert!(settings.contains(&("Maximum auto recovery retry", "infinite".to_owned())));
        assert!(settings.contains(&("Only Show HA Slots", "yes".to_owned())));
    }
}
