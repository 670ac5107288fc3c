//! SoftHSM 2, where it is installed, furnished as our own instances are.
//!
//! It finds its configuration by the environment alone, so a program that wants it starts itself again with
//! [`CONFIGURATION`] set; all tokens lie in one directory then. Thousands of objects are copies of the file of one,
//! since it takes milliseconds to make each. Source: SoftHSM 2.6.1 with its file backend (Observed).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use luna_client::{Access, Attribute, Context, InitArgs, Module, Pin, UserType};

use crate::instance::{CRYPTO_OFFICER, filler, make_keys};

/// The variable that names SoftHSM's configuration file.
pub const CONFIGURATION: &str = "SOFTHSM2_CONF";

const PLACES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];

/// The library, where the system has it.
pub fn library() -> Option<&'static Path> {
    PLACES.iter().map(Path::new).find(|place| place.exists())
}

/// Writes the configuration of a SoftHSM that keeps its tokens in `directory`; the file.
///
/// # Errors
/// When the disk refuses.
pub fn configure(directory: &Path) -> Result<PathBuf> {
    let tokens = tokens(directory);
    std::fs::create_dir_all(&tokens)?;
    let file = directory.join("softhsm2.conf");
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
    std::fs::write(&file, text)?;
    Ok(file)
}

fn tokens(directory: &Path) -> PathBuf {
    directory.join("tokens")
}

/// The module initialised, with a token of each label that has the keys of our instances and so many objects.
///
/// # Errors
/// The module's.
pub fn furnished(module: &Module, directory: &Path, wanted: &[(&str, usize)]) -> Result<Context> {
    let mut context = module.initialize(InitArgs::OsLocking)?;
    for (label, objects) in wanted {
        let before = folders(directory)?;
        make_token(&context, label, *objects > 0)?;
        if *objects == 0 {
            continue;
        }
        let made = folders(directory)?.into_iter().find(|folder| !before.contains(folder));
        context.finalize()?;
        fill(&made.context("SoftHSM made no token")?, *objects)?;
        context = module.initialize(InitArgs::OsLocking)?;
    }
    Ok(context)
}

fn folders(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(tokens(directory))?;
    Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?)
}

fn make_token(context: &Context, label: &str, filled: bool) -> Result<()> {
    // The last slot is the one without a token.
    let slot = context.slots(true)?.into_iter().max_by_key(|slot| slot_rank(context, *slot));
    let slot = slot.context("SoftHSM has no free slot")?;
    let so = Pin::from("so-secret");
    context.init_token(slot, Some(&so), label)?;
    let slot = context.slot_by_label(label)?.context("the new token is not there")?;
    let session = context.open_session(slot, Access::ReadWrite)?;
    session.login(UserType::SO, &so)?;
    session.init_pin(&Pin::from(CRYPTO_OFFICER))?;
    session.logout()?;
    session.login(UserType::CRYPTO_OFFICER, &Pin::from(CRYPTO_OFFICER))?;
    make_keys(&session, false)?;
    if filled {
        let mut data = Attribute::data_object(&filler(0));
        data.push(Attribute::private(false));
        session.create_object(&data)?;
    }
    Ok(())
}

/// Uninitialised tokens last.
fn slot_rank(context: &Context, slot: luna_client::SlotId) -> bool {
    context.token_info(slot).is_ok_and(|info| !info.initialized())
}

/// Copies of the first filler, each with a label and a file of its own.
fn fill(token: &Path, objects: usize) -> Result<()> {
    let old = filler(0).into_bytes();
    let mut pattern = None;
    let mut present = 0;
    for entry in std::fs::read_dir(token)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "object") {
            continue;
        }
        present += 1;
        let bytes = std::fs::read(&path)?;
        if let Some(at) = bytes.windows(old.len()).position(|window| window == old) {
            pattern = Some((bytes, at));
        }
    }
    let (bytes, at) = pattern.context("the first filler has no file")?;
    for number in 1..=objects.saturating_sub(present) {
        let mut copy = bytes.clone();
        let place = copy.get_mut(at..at + old.len()).context("a label of another length")?;
        place.copy_from_slice(filler(number).as_bytes());
        let name = format!("00000000-0000-0000-0000-{number:012x}");
        std::fs::write(token.join(format!("{name}.object")), copy)?;
        std::fs::write(token.join(format!("{name}.lock")), [])?;
    }
    Ok(())
}
