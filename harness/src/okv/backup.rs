//! Actions with a server's files: backups and restores, a standby, a stolen disk.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use okv_sim::{
    BackupKind, BackupStart, HsmSettings, Place, RestoreRequest, ScheduleRequest, State, Vault,
};

use super::action::{Carry, Dialog, File, Passphrase, Source};
use super::members::instance;
use super::vault::{settings, told};
use super::walk::Walk;
use crate::instance::CONFIGURATION;
use crate::transcript::Seen;

type Outcome = Result<Option<okv_sim::Error>>;

/// The destination that is always there.
const LOCAL: &str = "LOCAL";

pub(super) fn backup(walk: &mut Walk, seen: &mut Seen) -> Outcome {
    let vault = walk.vault()?;
    let name = format!("backup-{}", vault.view().backup_runs()?.len());
    let request = ScheduleRequest {
        name: name.clone(),
        start: BackupStart::Now,
        destination: LOCAL.into(),
        kind: BackupKind::OneTime,
        every_minutes: None,
    };
    vault.schedule_backup(&request)?;
    match vault.backup(&name) {
        Ok(made) => {
            seen.fact(format!("{}, {} bytes", made.file, made.bytes));
            walk.server()?.backup = Some(made.file);
            Ok(None)
        }
        Err(error) => Ok(Some(error)),
    }
}

pub(super) fn restore(walk: &mut Walk, seen: &mut Seen, source: &Source) -> Outcome {
    let from = walk.servers.get(&source.of).context("there is no such server")?;
    let file = from.backup.clone().context("it has made no backup")?;
    let passphrase = match source.passphrase {
        Passphrase::Own => from.passphrase.clone(),
        Passphrase::Wrong => zeroize::Zeroizing::new("not the passphrase".into()),
    };
    let (path, number) =
        (from.data.join(Place::LocalBackups.relative()).join(&file), from.key_number);
    let target = walk.vault()?.path(Place::LocalBackups).join(&file);
    if path != target && path.exists() && !target.exists() {
        fs::copy(&path, &target)?;
    }
    let passphrase_of_backup = passphrase.clone();
    let request =
        RestoreRequest { source: LOCAL.into(), file, passphrase: passphrase.as_str().into() };
    match walk.vault()?.restore(&request) {
        Ok(restored) => {
            seen.fact(format!("restored: state {}", restored.state));
            let hsm = restored.key_number.is_some();
            ensure!(
                !hsm || restored.key_number == number,
                "the root key is another than the backup's"
            );
            let server = walk.server()?;
            server.key_number = restored.key_number.or(server.key_number);
            server.stored = true;
            server.passphrase = passphrase_of_backup;
            Ok(restored.failure)
        }
        Err(error) => Ok(Some(error)),
    }
}

/// Copies the server's files; those of a running server are whole between two operations.
fn copy(from: &Path, to: &Path, without: &[std::path::PathBuf]) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_symlink() {
            let _ = fs::remove_file(&target);
            std::os::unix::fs::symlink(fs::read_link(&path)?, target)?;
        } else if path.is_dir() {
            copy(&path, &target, without)?;
        } else if !without.contains(&path) {
            fs::copy(&path, target)?;
        }
    }
    Ok(())
}

pub(super) fn carry(walk: &mut Walk, seen: &mut Seen, carry: &Carry) -> Result<()> {
    let server = walk.server()?;
    let (from, number, stored) = (server.data.clone(), server.key_number, server.stored);
    let passphrase = server.passphrase.clone();
    // Its database must be at rest.
    drop(server.vault.take());
    let without: Vec<_> = carry.without.iter().map(|file| from.join(place(*file))).collect();
    let to = walk.servers.get_mut(&carry.to).context("there is no such server")?;
    drop(to.vault.take());
    copy(&from, &to.data, &without)?;
    (to.key_number, to.stored, to.passphrase) = (number, stored, passphrase);
    seen.fact(format!(
        "the server's files, without {} of them, are at `{}`",
        without.len(),
        carry.to
    ));
    Ok(())
}

const fn place(file: File) -> &'static str {
    match file {
        File::Blob => Place::Blob.relative(),
        File::CredentialWallet => Place::CredentialWallet.relative(),
        File::Backup => Place::LocalBackups.relative(),
    }
}

/// A file of the server.
pub(super) fn path(walk: &mut Walk, file: File) -> Result<std::path::PathBuf> {
    let server = walk.server()?;
    let path = server.data.join(place(file));
    match file {
        File::Backup => Ok(path.join(server.backup.as_ref().context("it has made no backup")?)),
        File::Blob | File::CredentialWallet => Ok(path),
    }
}

pub(super) fn adopt(walk: &mut Walk) -> Outcome {
    let server = walk.server()?;
    if server.vault.is_none() {
        // What its boot says is not what is asked.
        server.vault = Some(Vault::start(&server.data)?.0);
    }
    let hsm: HsmSettings = settings(walk, &Dialog::default())?;
    Ok(walk.vault()?.adopt_hsm(&hsm).err())
}

/// Starts the server's files where another client configuration rules: one that knows no HSM.
pub(super) fn elsewhere(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    let stranger = walk.told.others.join("stranger");
    fs::create_dir_all(&stranger)?;
    let library = instance(walk)?.module.display().to_string();
    fs::write(
        stranger.join("Chrystoki.conf"),
        format!("Chrystoki2 = {{\n   LibUNIX64 = {library};\n}}\n"),
    )?;
    let data = walk.server()?.data.clone();
    drop(walk.server()?.vault.take());
    let program = std::env::current_exe()?;
    let mut command = Command::new(&program);
    command.arg(super::STRANGER).arg(&data).env(CONFIGURATION, &stranger);
    let done = command.output().with_context(|| program.display().to_string())?;
    let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr).trim());
    seen.fact(format!("there: {said}"));
    let sealed = said.starts_with("state SEALED, opened false, listed false");
    ensure!(sealed, "it opens where it should not: {said}");
    let vault = walk.server()?.vault.insert(Vault::open(&data)?);
    let status = vault.status()?;
    seen.fact(format!("with no HSM registered: {}", told(&status)));
    ensure!(status.state == State::Sealed, "the state is {}", status.state);
    Ok(())
}
