//! Steps any library can be taken through: the token and the vault.

use std::num::NonZeroU32;

use anyhow::{Context as _, Result, bail, ensure};
use luna_client::ck::{
    CKA_CLASS, CKA_EXTRACTABLE, CKA_ID, CKA_KEY_TYPE, CKA_LABEL, CKA_PRIVATE, CKA_SENSITIVE,
    CKA_VALUE, CKA_VALUE_LEN, CKK_AES, CKO_DATA, CKO_SECRET_KEY,
};
use luna_client::{Access, Attribute, ObjectHandle, Pin, Session, UserType};
use okv_sim::{
    Cause, HsmSettings, InitializeRequest, InstallRequest, KEY_NUMBER_LABEL, KeyNumber,
    NumberObject, ROOT_KEY_LABEL, Secret, Status, Vault,
};

use super::action::{Credential, Dialog, Passphrase};
use super::walk::Walk;
use crate::lunacm::{Conversation, word};
use crate::transcript::Seen;
use crate::worker::Message;

pub(super) fn banner(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    let said = walk.lunacm.converse(&[], &["exit".into()])?;
    // All before the first command.
    let shown = said.text.split("lunacm:>").next().unwrap_or_default();
    seen.exhibit("lunacm", shown);
    ensure!(said.code == Some(0), "lunacm did not end well: {}", said.errors.trim());
    ensure!(shown.starts_with("lunacm (64-bit) v"), "no banner: {:?}", shown.lines().next());
    ensure!(shown.contains("Available HSMs:"), "lunacm lists no slots");
    let labels: Vec<_> = shown
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("HSM ").strip_prefix("Label ->"))
        .map(str::trim)
        .collect();
    let label = walk.told.token_label.as_str();
    ensure!(labels.contains(&label), "lunacm does not show `{label}`, but {labels:?}");
    seen.fact(format!("{} slot(s), `{label}` among them", labels.len()));
    Ok(())
}

/// The token is what it should be.
pub(super) fn model(walk: &mut Walk, seen: &mut Seen, model: &str) -> Result<()> {
    let client = walk.client()?;
    let token = client.token_info(walk.slot)?;
    seen.fact(format!("{}, {}, firmware {}", token.label, token.model, token.firmware_version));
    ensure!(token.model == model, "the model is `{}`, not `{model}`", token.model);
    Ok(())
}

pub(super) fn count(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    let said = partition_contents(walk, seen)?;
    let number =
        said.number_of_objects().context("lunacm did not say how many objects there are")?;
    seen.fact(format!("Crypto Officer logged in; {number} object(s) on the token"));
    ensure!(number == 0 || walk.told.instance.is_none(), "a new partition is not empty");
    walk.objects_before = Some(number);
    Message::Counted(number).send();
    Ok(())
}

/// `partition contents` as the Crypto Officer sees it. The password goes by the pipe.
pub(super) fn partition_contents(walk: &Walk, seen: &mut Seen) -> Result<Conversation> {
    let pin = word(&walk.pin);
    let login = format!("role login -name co -password {}", pin.as_str());
    let slot = walk.slot.to_string();
    let commands = [login, "partition contents".into(), "exit".into()];
    let said = walk.lunacm.converse(&["-q", "-s", &slot], &commands)?;
    seen.exhibit("lunacm", &said.text);
    if said.code != Some(0) {
        let result = said.text.lines().find(|line| line.contains("Command Result : 0x"));
        let why = result.map_or(said.errors.trim(), str::trim);
        let again = if why.contains("CKR_PIN") { "; the password is not tried again" } else { "" };
        bail!("lunacm: {why}{again}");
    }
    Ok(said)
}

/// PBKDF2 iterations of this run's passphrases. They are random, of 120 bits, and need no stretching.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(20_000).unwrap();

pub(super) fn install(walk: &mut Walk, release: Option<&str>) -> Result<Option<okv_sim::Error>> {
    let mut request = InstallRequest::new(walk.passphrase()?);
    request.passphrase_iterations = ITERATIONS;
    if let Some(release) = release {
        release.clone_into(&mut request.release);
    }
    let server = walk.server()?;
    match Vault::install(&server.data, &request) {
        Ok(vault) => {
            server.vault = Some(vault);
            Ok(None)
        }
        Err(error) => Ok(Some(error)),
    }
}

/// What is entered where the credential is asked for.
pub(super) fn credential(walk: &Walk, which: Credential) -> Secret {
    match which {
        Credential::Present => Secret::from(walk.pin.as_str()),
        Credential::Former => Secret::from(walk.former_pin.as_str()),
        Credential::Wrong => Secret::from("not the credential"),
    }
}

/// What is entered where the recovery passphrase is asked for.
pub(super) fn passphrase(walk: &mut Walk, which: Passphrase) -> Result<Secret> {
    match which {
        Passphrase::Own => walk.passphrase(),
        Passphrase::Wrong => Ok(Secret::from("not the passphrase")),
    }
}

/// Vendor, library and token of a dialog.
pub(super) fn settings(walk: &mut Walk, dialog: &Dialog) -> Result<HsmSettings> {
    let label = dialog.label.clone().unwrap_or_else(|| walk.told.token_label.clone());
    let label = (!label.is_empty()).then_some(label);
    let other = dialog.other_library.then(|| walk.other_library.clone()).flatten();
    let module = other.unwrap_or_else(|| walk.told.module.clone());
    let mut settings = HsmSettings::luna(&module, label.as_deref());
    // Releases name the vendor differently.
    settings.vendor = walk.vault()?.view().release()?.luna_vendor().to_owned();
    Ok(settings)
}

/// The credential entered, and entered again.
pub(super) fn confirmed(
    walk: &Walk,
    dialog: &Dialog,
    operation: okv_sim::Operation,
) -> Result<Secret, okv_sim::Error> {
    let first = credential(walk, dialog.credential);
    match dialog.again {
        Some(again) => Secret::confirmed(first, &credential(walk, again), operation),
        None => Ok(first),
    }
}

pub(super) fn initialize(
    walk: &mut Walk,
    seen: &mut Seen,
    dialog: &Dialog,
) -> Result<Option<okv_sim::Error>> {
    let credential = match confirmed(walk, dialog, okv_sim::Operation::Initialize) {
        Ok(credential) => credential,
        Err(error) => return Ok(Some(error)),
    };
    let request = InitializeRequest {
        hsm: settings(walk, dialog)?,
        credential,
        passphrase: passphrase(walk, dialog.passphrase)?,
    };
    let initialized = match walk.vault()?.initialize(&request) {
        Ok(initialized) => initialized,
        Err(error) => {
            walk.server()?.key_number = error.orphan;
            return Ok(Some(error));
        }
    };
    walk.server()?.key_number = Some(initialized.key_number);
    seen.fact(initialized.message);
    let details = &initialized.details;
    seen.fact(format!(
        "token {}, slot {}, {}, serial number {}; key number {}",
        details.token_label,
        details.slot,
        details.model,
        details.serial_number,
        initialized.key_number
    ));
    if let NumberObject::NotSupported(rv) = initialized.number_object {
        seen.fact(format!("the module takes no data objects ({rv}); the vault goes on without"));
    }
    let status = walk.vault()?.status()?;
    ensure!(status.green && status.wallet_open, "initialized, but not green and open");
    Ok(None)
}

pub(super) fn contents(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    let before = walk.objects_before.context("the objects were not counted before")?;
    let said = partition_contents(walk, seen)?;
    let number =
        said.number_of_objects().context("lunacm did not say how many objects there are")?;
    ensure!(number == before + 2, "{number} objects; before Initialize there were {before}");
    let listed = said.objects();
    ensure!(listed.len() == number, "{} objects are listed, {number} counted", listed.len());
    for (label, kind) in [(ROOT_KEY_LABEL, "Symmetric Key"), (KEY_NUMBER_LABEL, "Data")] {
        let found = listed.iter().any(|object| object.label == label && object.kind == kind);
        ensure!(found, "no {kind} is listed as `{label}`");
    }
    seen.fact(format!("objects: {before} before Initialize, {number} after"));
    let number = walk.server()?.key_number.context("no key was made")?;
    let client = walk.client()?;
    let session = officer(walk, &client, Access::ReadOnly)?;
    let (key, data) = (root_keys(&session, number)?, number_objects(&session, number)?);
    let ([key], [_]) = (key.as_slice(), data.as_slice()) else {
        bail!("{} keys and {} data objects have key number {number}", key.len(), data.len());
    };
    seen.fact(attributes(&session, *key)?);
    session.logout()?;
    Ok(())
}

/// What keeps the key in the HSM.
fn attributes(session: &Session, key: ObjectHandle) -> Result<String> {
    let class = session.attribute_ulong(key, CKA_CLASS)?;
    let kind = session.attribute_ulong(key, CKA_KEY_TYPE)?;
    let len = session.attribute_ulong(key, CKA_VALUE_LEN)?;
    ensure!((class, kind) == (Some(CKO_SECRET_KEY), Some(CKK_AES)), "the root key is no AES key");
    ensure!(len == Some(32), "the root key's CKA_VALUE_LEN is {len:?}");
    for (name, kind, wanted) in [
        ("CKA_SENSITIVE", CKA_SENSITIVE, 1),
        ("CKA_PRIVATE", CKA_PRIVATE, 1),
        ("CKA_EXTRACTABLE", CKA_EXTRACTABLE, 0),
    ] {
        let value = session.attribute(key, kind)?;
        ensure!(value.as_deref() == Some(&[wanted]), "the root key's {name} is {value:?}");
    }
    ensure!(session.attribute(key, CKA_VALUE)?.is_none(), "the HSM tells the root key's value");
    Ok("root key: AES, 32 bytes, private, sensitive, not extractable; C_GetAttributeValue refuses \
        CKA_VALUE"
        .into())
}

/// A session with the Crypto Officer logged in.
pub(super) fn officer(
    walk: &Walk,
    client: &luna_client::Context,
    access: Access,
) -> Result<Session> {
    let slot = client.slot_by_label(&walk.told.token_label)?.context("the token is gone")?;
    let session = client.open_session(slot, access)?;
    session.login(UserType::CRYPTO_OFFICER, &Pin::from(walk.pin.as_str()))?;
    Ok(session)
}

/// Root keys with this number.
pub(super) fn root_keys(session: &Session, number: KeyNumber) -> Result<Vec<ObjectHandle>> {
    Ok(session.find(&[
        Attribute::text(CKA_LABEL, ROOT_KEY_LABEL),
        Attribute::bytes(CKA_ID, number.id()),
    ])?)
}

/// Data objects that hold this number.
pub(super) fn number_objects(session: &Session, number: KeyNumber) -> Result<Vec<ObjectHandle>> {
    Ok(session.find(&[
        Attribute::class(CKO_DATA),
        Attribute::text(CKA_LABEL, KEY_NUMBER_LABEL),
        Attribute::bytes(CKA_VALUE, number.id()),
    ])?)
}

pub(super) fn verify(walk: &mut Walk, seen: &mut Seen) -> Result<Option<okv_sim::Error>> {
    let number = walk.server()?.key_number;
    let verified = match walk.vault()?.verify() {
        Ok(verified) => verified,
        Err(error) => return Ok(Some(error)),
    };
    seen.fact(format!(
        "{}; key number {}, {} root key(s) on the token",
        okv_sim::texts::VERIFIED,
        verified.key_number,
        verified.keys_found
    ));
    ensure!(Some(verified.key_number) == number, "the key number is not that of Initialize");
    Ok(None)
}

pub(super) fn store(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    let runs = walk.vault()?.traces().len();
    for object in walk.told.objects.clone() {
        walk.vault()?.store_object(&object.name, &object.bytes)?;
    }
    walk.server()?.stored = true;
    seen.fact(reads_all(walk)?);
    let runs_since = walk.vault()?.traces().len() - runs;
    ensure!(runs_since == 0, "the HSM was asked {runs_since} times");
    seen.fact("runs through the HSM meanwhile: 0");
    Ok(())
}

/// Stops the server and starts it from its disk. A wallet that stays closed is told.
pub(super) fn restart(walk: &mut Walk, seen: &mut Seen) -> Result<Option<okv_sim::Error>> {
    let server = walk.server()?;
    // One server a data directory: the old one first.
    drop(server.vault.take());
    let (vault, started) = Vault::start(&server.data)?;
    let status = server.vault.insert(vault).status()?;
    seen.fact(format!("stopped and started: {}", told(&status)));
    if let Some(error) = started.failure {
        seen.fact(format!("the wallet stayed closed: {}", error.what()));
        return Ok(Some(error));
    }
    Ok(None)
}

/// Reads every object and compares it with what was stored.
pub(super) fn reads_all(walk: &mut Walk) -> Result<String> {
    let objects = walk.told.objects.clone();
    let vault = walk.vault()?;
    let mut bytes = 0;
    for object in &objects {
        let read = vault.read_object(&object.name)?;
        ensure!(read.expose() == object.bytes.as_slice(), "`{}` is not as stored", object.name);
        bytes += read.len();
    }
    let listed = vault.list_objects()?.len();
    ensure!(listed == objects.len(), "{listed} objects are listed");
    Ok(format!("{listed} objects, {bytes} bytes read, each as it was stored"))
}

/// Nothing is read, nothing is listed.
pub(super) fn reads_nothing(walk: &mut Walk) -> Result<String> {
    let objects = walk.told.objects.clone();
    let vault = walk.vault()?;
    for object in &objects {
        match vault.read_object(&object.name) {
            Err(error) if matches!(error.cause, Cause::Sealed | Cause::WalletClosed) => {}
            Err(error) => bail!("reading `{}` fails otherwise: {error}", object.name),
            Ok(_) => bail!("`{}` can be read", object.name),
        }
    }
    ensure!(vault.list_objects().is_err(), "objects are listed");
    Ok(format!("{} reads and a listing refused", objects.len()))
}

/// How many objects the Crypto Officer sees.
pub(super) fn objects_on_token(walk: &Walk) -> Result<usize> {
    let client = walk.client()?;
    let session = officer(walk, &client, Access::ReadOnly)?;
    let number = session.find(&[])?.len();
    session.logout()?;
    Ok(number)
}

pub(super) fn search(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    let search = walk.told.search()?;
    let names: Vec<_> = search.names().map(str::to_owned).collect();
    seen.fact(format!("searched for: {}", names.join("; ")));
    if !search.left_out().is_empty() {
        let left_out = search.left_out().join(", ");
        seen.fact(format!(
            "not searched for, being so short that chance would find it: {left_out}"
        ));
    }
    let place = tempfile::tempdir()?;
    let control = search.works(place.path())?;
    seen.fact(format!(
        "control: the search found all {control} planted, plain, in hexadecimal and base64"
    ));
    let there: Vec<_> = walk.told.searched.iter().filter(|it| it.exists()).cloned().collect();
    let found = search.through(&there)?;
    let directories: Vec<_> = there.iter().map(|it| it.display().to_string()).collect();
    seen.fact(format!(
        "{} files, {} bytes searched in {}: {} found",
        found.files,
        found.bytes,
        directories.join(" and "),
        found.hits.len()
    ));
    ensure!(found.files > 0, "there was nothing to search");
    let hits: Vec<_> = found
        .hits
        .iter()
        .map(|hit| format!("{} ({}) in {}", hit.secret, hit.form, hit.file.display()))
        .collect();
    ensure!(hits.is_empty(), "found {}", hits.join("; "));
    Ok(())
}

/// A status in a line.
pub(super) fn told(status: &Status) -> String {
    let arrow = if status.green { "green arrow up" } else { "red arrow down" };
    let alert = if status.alert.is_some() { "alert stands" } else { "no alert" };
    format!("state {}, {arrow}, {alert}", status.state)
}
