//! Actions behind the vault's back, by whoever administers the HSM: its root key, and the password.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use anyhow::{Context as _, Result, ensure};
use luna_client::ck::{
    CKA_ENCRYPT, CKA_EXTRACTABLE, CKA_ID, CKA_PRIVATE, CKA_SENSITIVE, CKA_VALUE_LEN,
    CKM_AES_KEY_GEN,
};
use luna_client::{Access, Attribute, InitArgs, Mechanism, Module, Pin, UserType};
use okv_sim::{KeyNumber, ROOT_KEY_LABEL};

use super::action::RootKey;
use super::members::instance;
use super::vault::{officer, root_keys};
use super::walk::Walk;
use crate::transcript::Seen;

pub(super) fn root_key(walk: &mut Walk, seen: &mut Seen, fate: RootKey) -> Result<()> {
    let number = walk.server()?.key_number.context("the server has no root key")?;
    match fate {
        RootKey::Destroy => {
            back_up(walk, seen)?;
            let client = walk.client()?;
            let session = officer(walk, &client, Access::ReadWrite)?;
            let keys = root_keys(&session, number)?;
            ensure!(keys.len() == 1, "{} keys have number {number}", keys.len());
            keys.into_iter().try_for_each(|key| session.destroy(key))?;
            seen.fact(format!("the root key with number {number} is destroyed"));
        }
        RootKey::Duplicate => {
            back_up(walk, seen)?;
            generate(walk, number)?;
            seen.fact(format!("another key has the label and number {number}"));
        }
        RootKey::Strange => {
            let other = KeyNumber::new(number.get() ^ 1).context("no such number")?;
            generate(walk, other)?;
            seen.fact(format!("a key has the label, and number {other}"));
        }
        RootKey::PutBack => put_back(walk, seen)?,
    }
    Ok(())
}

/// A key with the root key's label and this number.
fn generate(walk: &Walk, number: KeyNumber) -> Result<()> {
    let client = walk.client()?;
    let session = officer(walk, &client, Access::ReadWrite)?;
    let template = [
        Attribute::label(ROOT_KEY_LABEL),
        Attribute::bytes(CKA_ID, number.id()),
        Attribute::token(true),
        Attribute::bool(CKA_PRIVATE, true),
        Attribute::bool(CKA_SENSITIVE, true),
        Attribute::bool(CKA_EXTRACTABLE, false),
        Attribute::bool(CKA_ENCRYPT, true),
        Attribute::bool(luna_client::ck::CKA_DECRYPT, true),
        Attribute::ulong(CKA_VALUE_LEN, 32),
    ];
    session.generate_key(&Mechanism::Plain(CKM_AES_KEY_GEN), &template)?;
    Ok(())
}

/// The HSMs as they are, for [`put_back`].
fn back_up(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    walk.snapshots += 1;
    let target = walk.told.others.join(format!("hsm-backup-{}", walk.snapshots));
    fs::create_dir_all(&walk.told.others)?;
    instance(walk)?.tell(&["snapshot", &target.display().to_string()])?;
    seen.fact("luna-emulator snapshot");
    Ok(())
}

/// The HSMs as they were at the last [`back_up`].
fn put_back(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    ensure!(walk.snapshots > 0, "there is no backup of the HSM");
    let snapshot = walk.told.others.join(format!("hsm-backup-{}", walk.snapshots));
    let instance = instance(walk)?;
    let made = walk.told.others.join("hsm-restored");
    let words = ["restore", &snapshot.display().to_string(), &made.display().to_string()];
    instance.tell(&words)?;
    let (state, old) = (instance.directory.join("state"), walk.told.others.join("hsm-before"));
    fs::rename(&state, &old)?;
    fs::rename(made.join("state"), &state)?;
    fs::remove_dir_all(&old)?;
    fs::remove_dir_all(&made)?;
    seen.fact("luna-emulator restore: the HSM is as it was at its backup");
    Ok(())
}

/// Changes the Crypto Officer's password on every HSM. An application that sees a group alone cannot: its
/// administrator goes to each member, by a configuration that lists them.
pub(super) fn change_password(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    let instance = instance(walk)?;
    let desk = walk.told.others.join("administrator");
    fs::create_dir_all(&desk)?;
    let (file, library) = ("Chrystoki.conf", desk.join("library.so"));
    let conf = fs::read_to_string(instance.directory.join(file))?;
    let lines = conf.lines().filter(|line| !line.trim_start().starts_with("HAOnly"));
    fs::write(desk.join(file), lines.map(|line| format!("{line}\n")).collect::<String>())?;
    // A copy of the library has a state, and takes a configuration, of its own.
    fs::copy(&walk.told.module, &library)?;
    let (new, old) = (walk.told.other_pin.clone(), walk.pin.clone());
    let module = Module::load(&library)?;
    let place = CString::new(desk.as_os_str().as_bytes())?;
    let context = module.initialize(InitArgs::Reserved(place))?;
    let mut changed = 0;
    for slot in context.slots(true)? {
        if instance.members.contains(&context.token_info(slot)?.serial_number) {
            let session = context.open_session(slot, Access::ReadWrite)?;
            session.login(UserType::CRYPTO_OFFICER, &Pin::from(old.as_str()))?;
            session.set_pin(&Pin::from(old.as_str()), &Pin::from(new.as_str()))?;
            changed += 1;
        }
    }
    context.finalize()?;
    ensure!(changed == instance.members.len(), "changed on {changed} HSMs");
    seen.fact(format!("the Crypto Officer's password is another on {changed} HSM(s)"));
    (walk.former_pin, walk.pin) = (old, new);
    Ok(())
}
