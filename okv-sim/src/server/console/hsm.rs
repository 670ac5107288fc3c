//! The HSM page and its dialogs. Fields and their order are the guide's (Documented); buttons by state are Assumed.

use super::pages::{Ask, Made};
use super::view::{Action, Block, Field, FieldKind, Form};
use crate::api;
use crate::release::Release;
use crate::vault::State;

pub(super) fn page(ask: &Ask<'_>, release: &Release) -> Made {
    let status = ask.desk.view.status()?;
    let here = ask.address("hsm");
    let enabled = !matches!(status.state, State::NotEnabled | State::CredentialSet);
    let text = match status.state {
        State::NotEnabled => "The HSM is not initialized.".to_owned(),
        State::CredentialSet => "Not initialized; a credential is set for a restore.".to_owned(),
        State::EnabledOk => "The HSM is the root of trust of this server.".to_owned(),
        State::EnabledFail | State::Sealed => match &status.alert {
            Some(alert) => alert.text.clone(),
            None => "The last verification failed.".to_owned(),
        },
    };
    let mut blocks = vec![Block::Arrow { green: status.green, text }];
    if status.state == State::EnabledFail {
        let text = "Keys are still served: the wallet is open in memory. Repair this before the next restart, \
                    or the server will be sealed; then press Verify.";
        blocks.push(Block::Note { class: "warn", text: text.into() });
    }
    if let Some(rv) = status.credential_refused {
        let text = format!(
            "The HSM refused the stored credential with {rv}. It is not sent again, since wrong tries lock the \
             Crypto Officer. Set the credential."
        );
        blocks.push(Block::Note { class: "bad", text });
    }
    let mut facts = Vec::new();
    if let Some(hsm) = &status.hsm {
        facts.push((release.word("vendor").to_owned(), hsm.vendor.clone()));
        let label = hsm.token_label.clone().unwrap_or_else(|| "first slot".into());
        facts.push((release.word("token_label").to_owned(), label));
        facts.push(("PKCS#11 library".into(), hsm.module.display().to_string()));
    } else {
        facts.push(("PKCS#11 library".into(), ask.desk.view.library()?.display().to_string()));
    }
    if let Some(details) = &status.details {
        facts.extend([
            ("Slot".into(), details.slot.to_string()),
            ("Token".into(), details.token_label.clone()),
            ("Manufacturer".into(), details.manufacturer.clone()),
            ("Model".into(), details.model.clone()),
            ("Serial number".into(), details.serial_number.clone()),
            ("Firmware".into(), details.firmware_version.clone()),
        ]);
    }
    if let Some(number) = status.key_number {
        facts.push(("Key number".into(), number.to_string()));
    }
    blocks.push(Block::Facts(facts));
    let link = |word, below: &str| Action::link(release.word(word), format!("{here}/{below}"));
    let mut actions = Vec::new();
    if !enabled {
        actions.push(link("initialize", "initialize").primary());
    }
    actions.push(link("set_credential", "set-credential"));
    if enabled && release.verify.value {
        actions.push(Action::call(release.word("verify"), "hsm/config/verify", &here).primary());
    }
    if enabled && release.reverse_migrate.value {
        actions.push(link("reverse_migrate", "reverse-migrate"));
    }
    if release.cluster.value && ask.desk.view.cluster()?.current().is_some() {
        actions.push(if enabled {
            link("create_bundle", "create-bundle")
        } else {
            link("apply_bundle", "apply-bundle")
        });
    }
    blocks.push(Block::Actions(actions));
    if release.traces.value && release.page("traces").is_some() {
        let text = "Every operation at the HSM leaves a trace: see Reports, HSM Traces.";
        blocks.push(Block::Note { class: "info", text: text.into() });
    }
    Ok((release.word("hsm_page").to_owned(), blocks))
}

fn vendor(ask: &Ask<'_>, release: &Release) -> Field {
    let vendors: Vec<_> =
        release.vendors.value.iter().map(|it| (it.as_str(), it.as_str())).collect();
    let value = ask.typed("vendor", release.luna_vendor());
    Field::new("vendor", release.word("vendor"), FieldKind::Select)
        .choices(&vendors)
        .value(value)
        .required()
}

fn secret(release: &Release, name: &'static str, word: &str) -> Field {
    Field::new(name, release.word(word), FieldKind::Password).required().longest(1024)
}

/// The two fields of releases that can choose a token.
fn token(ask: &Ask<'_>, release: &Release) -> Vec<Field> {
    if !release.token_label.value {
        return Vec::new();
    }
    let stored = ask.desk.view.status().ok().and_then(|status| status.hsm?.token_label);
    let used = if stored.is_some() { "true" } else { "" };
    vec![
        Field::new("useTokenLabel", release.word("use_token_label"), FieldKind::Checkbox)
            .value(ask.typed("useTokenLabel", used))
            .help("Without it the first slot is taken."),
        Field::new("tokenLabel", release.word("token_label"), FieldKind::Text)
            .value(ask.typed("tokenLabel", stored.as_deref().unwrap_or_default()))
            .help("Of the partition, or of the HA group.")
            .longest(32),
    ]
}

fn dialog(ask: &Ask<'_>, service: &str, fields: Vec<Field>, submit: &str) -> Block {
    let back = ask.address("hsm");
    debug_assert!(api::services().any(|it| it.name().replace(' ', "/") == service));
    Block::Form(Form {
        target: format!("/do/{service}"),
        is_get: false,
        fields,
        submit: submit.to_owned(),
        cancel: back.clone(),
        back,
    })
}

pub(super) fn initialize(ask: &Ask<'_>, release: &Release) -> Made {
    let mut fields = vec![
        vendor(ask, release),
        secret(release, "hsmCredential", "credential")
            .help("The partition's Crypto Officer password."),
        secret(release, "hsmCredentialAgain", "credential_again"),
        secret(release, "recoveryPassphrase", "passphrase").help("Set at installation."),
    ];
    fields.extend(token(ask, release));
    let form = dialog(ask, "hsm/config/initialize", fields, release.word("initialize"));
    Ok((release.word("initialize_dialog").to_owned(), vec![form]))
}

pub(super) fn set_credential(ask: &Ask<'_>, release: &Release) -> Made {
    let warning = release.word("set_credential_warning").to_owned();
    let mut fields = vec![
        vendor(ask, release),
        secret(release, "hsmCredential", "credential")
            .help("The partition's Crypto Officer password."),
        secret(release, "hsmCredentialAgain", "credential_again"),
    ];
    fields.extend(token(ask, release));
    let form = dialog(ask, "hsm/credential/set", fields, release.word("set_credential"));
    let blocks = vec![Block::Note { class: "warn", text: warning }, form];
    Ok((release.word("set_credential_dialog").to_owned(), blocks))
}

pub(super) fn reverse_migrate(ask: &Ask<'_>, release: &Release) -> Made {
    let text = "The recovery passphrase will protect the wallet again, and the HSM is left. Its keys stay on the \
                partition: old backups still need them.";
    let fields = vec![
        secret(release, "hsmCredential", "credential"),
        secret(release, "recoveryPassphrase", "old_passphrase"),
        Field::new("newRecoveryPassphrase", release.word("new_passphrase"), FieldKind::NewPassword)
            .help("Empty keeps the old one.")
            .longest(1024),
        Field::new(
            "newRecoveryPassphraseAgain",
            "Re-enter New Recovery Passphrase",
            FieldKind::NewPassword,
        )
        .longest(1024),
    ];
    let form = dialog(ask, "hsm/config/reverse-migrate", fields, release.word("reverse_migrate"));
    let blocks = vec![Block::Note { class: "warn", text: text.into() }, form];
    Ok((release.word("reverse_migrate").to_owned(), blocks))
}
