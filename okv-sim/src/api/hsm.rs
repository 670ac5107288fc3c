//! `hsm …`: what the console's HSM page does. The names are an extension: the real product has none (Documented).

use std::path::PathBuf;

use super::{Answer, Call, Kind, OptionSpec, Service};
use crate::error::Error;
use crate::operation::{
    InitializeRequest, Operation, ReverseMigrateRequest, Role, SetCredentialRequest,
};
use crate::secret::Secret;
use crate::store::HsmSettings;
use crate::texts::Cause;

const VENDOR: OptionSpec = OptionSpec::optional(
    "vendor",
    Kind::Text(64),
    "an entry of the vendor list; Luna's unless said",
);
const MODULE: OptionSpec = OptionSpec::optional(
    "module",
    Kind::Text(1024),
    "the PKCS#11 library; the one the server was started with unless said",
);
const CREDENTIAL: OptionSpec =
    OptionSpec::required("hsmCredential", Kind::Secret, "the partition's Crypto Officer password");
const CREDENTIAL_AGAIN: OptionSpec =
    OptionSpec::optional("hsmCredentialAgain", Kind::Secret, "the same once more, to be sure");
const PASSPHRASE: OptionSpec =
    OptionSpec::required("recoveryPassphrase", Kind::Secret, "set at installation");
const USE_LABEL: OptionSpec = OptionSpec::optional(
    "useTokenLabel",
    Kind::Flag,
    "take the token with the label, not the first",
);
const LABEL: OptionSpec =
    OptionSpec::optional("tokenLabel", Kind::Text(32), "label of the partition or HA group");

pub(super) const SERVICES: &[Service] = &[
    Service {
        category: "hsm",
        resource: "config",
        action: "get",
        about: "where the server stands, and its HSM; the HSM is not asked",
        role: Some(Role::SystemAdministrator),
        extension: true,
        wallet: false,
        slow: false,
        options: &[],
        run: get,
    },
    Service {
        category: "hsm",
        resource: "config",
        action: "initialize",
        about: "make the HSM the root of trust",
        role: Some(Role::SystemAdministrator),
        extension: true,
        wallet: false,
        slow: true,
        options: &[VENDOR, CREDENTIAL, CREDENTIAL_AGAIN, PASSPHRASE, USE_LABEL, LABEL, MODULE],
        run: initialize,
    },
    Service {
        category: "hsm",
        resource: "credential",
        action: "set",
        about: "store a credential that was changed, or one for a coming restore",
        role: Some(Role::SystemAdministrator),
        extension: true,
        wallet: false,
        slow: true,
        options: &[VENDOR, CREDENTIAL, CREDENTIAL_AGAIN, USE_LABEL, LABEL, MODULE],
        run: set_credential,
    },
    Service {
        category: "hsm",
        resource: "config",
        action: "verify",
        about: "verify everything between the HSM and the wallet",
        role: Some(Role::SystemAdministrator),
        extension: true,
        wallet: false,
        slow: true,
        options: &[],
        run: verify,
    },
    Service {
        category: "hsm",
        resource: "check",
        action: "run",
        about: "do what the timer does: verify, raise or clear the alert",
        role: Some(Role::SystemAdministrator),
        extension: true,
        wallet: false,
        slow: true,
        options: &[],
        run: check,
    },
    Service {
        category: "hsm",
        resource: "config",
        action: "reverse-migrate",
        about: "go back from the HSM to the recovery passphrase",
        role: Some(Role::SystemAdministrator),
        extension: true,
        wallet: false,
        slow: true,
        options: &[
            CREDENTIAL,
            OptionSpec::required("recoveryPassphrase", Kind::Secret, "the present one"),
            OptionSpec::optional("newRecoveryPassphrase", Kind::Secret, "the one from now on"),
            OptionSpec::optional("newRecoveryPassphraseAgain", Kind::Secret, "the same once more"),
        ],
        run: reverse_migrate,
    },
    Service {
        category: "primary-standby",
        resource: "hsm",
        action: "adopt",
        about: "on a standby: take over the primary's HSM files that were brought here",
        role: Some(Role::SystemAdministrator),
        extension: true,
        wallet: false,
        slow: true,
        options: &[VENDOR, USE_LABEL, LABEL, MODULE],
        run: adopt,
    },
];

fn get(call: &Call<'_>) -> Result<Answer, Error> {
    let status = call.view.status()?;
    let arrow = if status.green { "green, up" } else { "red, down" };
    let mut lines = vec![format!("State   {}", status.state), format!("Arrow   {arrow}")];
    lines.push(format!("Release {}", status.release));
    if let Some(hsm) = &status.hsm {
        let label = hsm.token_label.as_deref().unwrap_or("(first slot)");
        lines.push(format!("HSM     {}, {}, token {label}", hsm.vendor, hsm.module.display()));
    }
    if let Some(details) = &status.details {
        lines.push(format!(
            "Token   {}, slot {}, serial {}, firmware {}",
            details.token_label, details.slot, details.serial_number, details.firmware_version
        ));
    }
    if let Some(number) = status.key_number {
        lines.push(format!("Key     number {number}"));
    }
    if let Some(rv) = status.credential_refused {
        lines.push(format!("PIN     refused with {rv}; not tried again until it is set"));
    }
    if let Some(alert) = &status.alert {
        lines.push(format!("Alert   {} since {}", alert.text, alert.raised_at));
    }
    if let Some(interrupted) = &status.interrupted {
        let outcome = if interrupted.done { "it is done" } else { "nothing of it counts" };
        lines.push(format!("Stopped in {}: {outcome}", interrupted.operation));
    }
    Answer::new(&status, lines.join("\n"))
}

/// What the dialog says about the HSM. Without a library the stored one is kept, or the server's.
fn settings(call: &Call<'_>, stored_label: bool) -> Result<HsmSettings, Error> {
    let release = call.view.release()?;
    let stored = call.view.status()?.hsm;
    let options = call.options;
    let label = options.text("tokenLabel").map(|label| label.trim().to_owned());
    let module = options.text("module").map(PathBuf::from);
    let wants_label = options.flag("useTokenLabel");
    let keep = module.is_none() && options.text("useTokenLabel").is_none() && label.is_none();
    let token_label = match (label, &stored) {
        (Some(label), _) if !label.is_empty() && options.text("useTokenLabel") != Some("false") => {
            Some(label)
        }
        _ if wants_label => {
            let detail = "tokenLabel: which token to use";
            return Err(
                Error::new(Operation::SetCredential, Cause::OptionMissing).with_detail(detail)
            );
        }
        (_, Some(stored)) if keep && stored_label => stored.token_label.clone(),
        _ => None,
    };
    let module = match (module, stored) {
        (Some(module), _) => module,
        (None, Some(stored)) if stored_label => stored.module,
        (None, _) => call.view.library()?,
    };
    let vendor = options.text("vendor").unwrap_or_else(|| release.luna_vendor()).to_owned();
    Ok(HsmSettings { vendor, module, token_label })
}

fn credential(call: &Call<'_>, operation: Operation) -> Result<Secret, Error> {
    let first = call.options.secret_or_empty("hsmCredential");
    match call.options.secret("hsmCredentialAgain") {
        Some(again) => Secret::confirmed(first, &again, operation),
        None => Ok(first),
    }
}

fn initialize(call: &Call<'_>) -> Result<Answer, Error> {
    let request = InitializeRequest {
        hsm: settings(call, false)?,
        credential: credential(call, Operation::Initialize)?,
        passphrase: call.options.secret_or_empty("recoveryPassphrase"),
    };
    let done = call.vault.lock().initialize(&request)?;
    let text = format!(
        "{}\nToken {}, slot {}, key number {}",
        done.message, done.details.token_label, done.details.slot, done.key_number
    );
    Answer::new(&done, text)
}

fn set_credential(call: &Call<'_>) -> Result<Answer, Error> {
    let request = SetCredentialRequest {
        hsm: settings(call, true)?,
        credential: credential(call, Operation::SetCredential)?,
    };
    let done = call.vault.lock().set_credential(&request)?;
    let text = format!("The credential is set. State {}", done.state);
    Answer::new(&done, text)
}

fn verify(call: &Call<'_>) -> Result<Answer, Error> {
    let done = call.vault.lock().verify()?;
    let text = format!("{}. Key number {}", crate::texts::VERIFIED, done.key_number);
    Answer::new(&done, text)
}

fn check(call: &Call<'_>) -> Result<Answer, Error> {
    let done = call.vault.lock().check()?;
    let well = done.failure.is_none();
    let text = match &done.failure {
        Some(error) => format!("State {}: {error}", done.state),
        None if done.ran => format!("State {}: the check passed", done.state),
        None => format!("State {}: no HSM is enabled, nothing to check", done.state),
    };
    Ok(Answer::new(&done, text)?.well(well))
}

fn reverse_migrate(call: &Call<'_>) -> Result<Answer, Error> {
    let new = call.options.secret("newRecoveryPassphrase");
    if let (Some(first), Some(again)) = (&new, call.options.secret("newRecoveryPassphraseAgain"))
        && first.expose() != again.expose()
    {
        return Err(Error::new(Operation::ReverseMigrate, Cause::PasswordFieldsDiffer));
    }
    let request = ReverseMigrateRequest {
        credential: call.options.secret_or_empty("hsmCredential"),
        passphrase: call.options.secret_or_empty("recoveryPassphrase"),
        new_passphrase: new,
    };
    let state = call.vault.lock().reverse_migrate(&request)?;
    let text = format!("The recovery passphrase protects the wallet again. State {state}");
    Answer::new(&call.view.status()?, text)
}

fn adopt(call: &Call<'_>) -> Result<Answer, Error> {
    let settings = settings(call, true)?;
    let state = call.vault.lock().adopt_hsm(&settings)?;
    Answer::new(&call.view.status()?, format!("The primary's HSM is this server's. State {state}"))
}
