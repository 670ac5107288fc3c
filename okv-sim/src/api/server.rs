//! `server …`, `alert …`, `audit …`: the server itself.

use serde_json::json;

use super::{Answer, Call, Kind, OptionSpec, Service};
use crate::error::Error;
use crate::operation::{OpenWith, Operation, Role};
use crate::texts::Cause;
use crate::vault::State;

const fn service(
    words: (&'static str, &'static str, &'static str),
    about: &'static str,
    role: Option<Role>,
    options: &'static [OptionSpec],
    run: fn(&Call<'_>) -> Result<Answer, Error>,
) -> Service {
    let (category, resource, action) = words;
    Service {
        category,
        resource,
        action,
        about,
        role,
        extension: true,
        wallet: false,
        slow: false,
        options,
        run,
    }
}

const ADMINISTRATOR: Option<Role> = Some(Role::SystemAdministrator);

pub(super) const SERVICES: &[Service] = &[
    Service {
        extension: false,
        ..service(("server", "info", "get"), "what does not change", None, &[], info)
    },
    Service {
        extension: false,
        ..service(("server", "status", "get"), "what does change", None, &[], status)
    },
    Service {
        slow: true,
        ..service(
            ("server", "wallet", "open"),
            "open the wallet: through the HSM, or with the passphrase while none is enabled",
            ADMINISTRATOR,
            &[OptionSpec::optional("recoveryPassphrase", Kind::Secret, "while no HSM is enabled")],
            open_wallet,
        )
    },
    Service {
        slow: true,
        ..service(
            ("server", "power", "restart"),
            "restart the server: the wallet is closed and opened anew",
            ADMINISTRATOR,
            &[],
            restart,
        )
    },
    service(
        ("server", "release", "upgrade"),
        "go to a later release",
        ADMINISTRATOR,
        &[OptionSpec::required("release", Kind::Text(16), "as in 21.3")],
        upgrade,
    ),
    service(("server", "release", "list"), "the releases there are", None, &[], releases),
    service(("alert", "entry", "list"), "all alerts, oldest first", ADMINISTRATOR, &[], alerts),
    service(
        ("alert", "monitor", "set"),
        "how often the HSM is checked",
        ADMINISTRATOR,
        &[OptionSpec::required("intervalSeconds", Kind::Number, "seconds, 300 unless changed")],
        monitor,
    ),
    service(
        ("audit", "entry", "list"),
        "the audit trail, oldest first",
        Some(Role::AuditManager),
        &[],
        audit,
    ),
];

fn info(call: &Call<'_>) -> Result<Answer, Error> {
    let (status, release) = (call.view.status()?, call.view.release()?);
    let value = json!({
        "serverId": status.server_id,
        "release": release.version,
        "certifiedClient": release.certified_client.value,
        "tokenLabelOffered": release.token_label.value,
    });
    Answer::new(&value, format!("Release {}, server {}", release.version, status.server_id))
}

fn status(call: &Call<'_>) -> Result<Answer, Error> {
    let status = call.view.status()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let served = if status.wallet_open { "up" } else { "down" };
    let value = json!({
        "state": status.state,
        "cpu": { "cpuCores": cores },
        "services": { "console": served, "embeddedDatabase": served },
    });
    Answer::new(&value, format!("State {}, services {served}", status.state))
}

fn open_wallet(call: &Call<'_>) -> Result<Answer, Error> {
    let passphrase = call.options.secret("recoveryPassphrase");
    let mut vault = call.vault.lock();
    let state = match (vault.state(), passphrase) {
        (State::NotEnabled | State::CredentialSet, None) => {
            let detail = "recoveryPassphrase: no HSM is enabled";
            return Err(Error::new(Operation::OpenWallet, Cause::OptionMissing).with_detail(detail));
        }
        (State::NotEnabled | State::CredentialSet, Some(passphrase)) => {
            vault.open_wallet(OpenWith::Passphrase(&passphrase))?
        }
        // The passphrase is no second way around a lost HSM, and is not looked at.
        _ => vault.open_wallet(OpenWith::Hsm)?,
    };
    Answer::new(&vault.status()?, format!("The wallet opens. State {state}"))
}

fn restart(call: &Call<'_>) -> Result<Answer, Error> {
    let done = call.vault.lock().restart()?;
    let text = match &done.failure {
        Some(error) => format!("State {}: {error}", done.state),
        None => format!("State {}", done.state),
    };
    Ok(Answer::new(&done, text)?.well(done.state != State::Sealed))
}

fn upgrade(call: &Call<'_>) -> Result<Answer, Error> {
    let release = call.vault.lock().upgrade(call.options.word("release"))?;
    let text = format!("The server is of release {}", release.name);
    Answer::new(&json!({ "release": release.name }), text)
}

fn releases(_: &Call<'_>) -> Result<Answer, Error> {
    let names = crate::release::Release::names();
    Answer::new(&names, names.join("\n"))
}

fn alerts(call: &Call<'_>) -> Result<Answer, Error> {
    let alerts = call.view.alerts()?;
    let lines = alerts.iter().map(|alert| {
        let end = alert.cleared_at.as_deref().unwrap_or("standing");
        format!("{}  {end}  {}", alert.raised_at, alert.text)
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    Answer::new(&alerts, text)
}

fn monitor(call: &Call<'_>) -> Result<Answer, Error> {
    let seconds = call.options.number("intervalSeconds").unwrap_or_default();
    crate::operation::set_check_interval(&mut call.vault.lock(), seconds)?;
    let text = format!("The HSM is checked every {seconds} seconds");
    Answer::new(&json!({ "intervalSeconds": seconds }), text)
}

fn audit(call: &Call<'_>) -> Result<Answer, Error> {
    let audit = call.view.audit()?;
    let lines = audit.iter().map(|it| format!("{}  {:<20}  {}", it.at, it.operation, it.outcome));
    let text = lines.collect::<Vec<_>>().join("\n");
    Answer::new(&audit, text)
}
