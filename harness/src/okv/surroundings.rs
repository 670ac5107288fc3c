//! Actions on what surrounds the vault: library, configuration, environment, files on disk.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use luna_client::{Access, InitArgs, Module};

use super::action::{Flip, Presence};
use super::members::instance;
use super::walk::Walk;
use crate::transcript::Seen;

/// Takes a file away, or brings it back.
fn presence(path: &PathBuf, presence: Presence) -> Result<()> {
    let aside = path.with_extension("aside");
    let (from, to) = match presence {
        Presence::Away => (path, &aside),
        Presence::Back => (&aside, path),
    };
    fs::rename(from, to).with_context(|| from.display().to_string())
}

pub(super) fn library(walk: &Walk, seen: &mut Seen, which: Presence) -> Result<()> {
    presence(&walk.told.module, which)?;
    seen.fact(format!("{}: {}", walk.told.module.display(), word(which)));
    Ok(())
}

pub(super) fn configuration(walk: &Walk, which: Presence) -> Result<()> {
    presence(&instance(walk)?.directory.join("Chrystoki.conf"), which)
}

const fn word(which: Presence) -> &'static str {
    match which {
        Presence::Away => "taken away",
        Presence::Back => "brought back",
    }
}

/// Puts a library beside the real one, at `later-glibc.so`, that wants a C library later than any: the real one
/// with the version it wants changed, which is what the loader looks at before it runs anything.
pub(super) fn later_glibc(walk: &mut Walk, seen: &mut Seen) -> Result<()> {
    let (wanted, later) = (b"GLIBC_2.".as_slice(), b"GLIBC_9.".as_slice());
    let mut bytes = fs::read(&walk.told.module)?;
    let places: Vec<_> = bytes
        .windows(wanted.len())
        .enumerate()
        .filter_map(|(at, window)| (window == wanted).then_some(at))
        .collect();
    ensure!(!places.is_empty(), "the library wants no version of glibc");
    for at in &places {
        if let Some(room) = bytes.get_mut(*at..*at + later.len()) {
            room.copy_from_slice(later);
        }
    }
    fs::create_dir_all(&walk.told.others)?;
    let path = walk.told.others.join("later-glibc.so");
    fs::write(&path, bytes)?;
    seen.fact(format!("{} wants glibc 9 in {} places", path.display(), places.len()));
    walk.other_library = Some(path);
    Ok(())
}

/// Calls are logged to a file in a directory that is a file: no user can write that, root neither.
pub(super) fn log_unwritable(walk: &Walk, seen: &mut Seen) -> Result<()> {
    let path = instance(walk)?.directory.join("Chrystoki.conf");
    let log = path.join("calls.log");
    let mut conf = fs::read_to_string(&path)?;
    conf.push_str(&format!(
        "CkLog2 = {{\n   Enabled = 1;\n   LoggingFile = {};\n}}\n",
        log.display()
    ));
    fs::write(&path, conf)?;
    seen.fact(format!("LoggingFile = {}", log.display()));
    Ok(())
}

pub(super) fn environment_line(walk: &mut Walk, line: &str) -> Result<()> {
    let path = walk.server()?.data.join("hsm/generic/okv_hsm_env");
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut text = fs::read_to_string(&path).unwrap_or_default();
    text.push_str(line);
    text.push('\n');
    fs::write(&path, text).with_context(|| path.display().to_string())
}

pub(super) fn trace_says(walk: &mut Walk, seen: &mut Seen, text: &str) -> Result<()> {
    let trace = walk.vault()?.traces().pop().context("there is no trace")?;
    let said = fs::read_to_string(&trace)?;
    let line = said.lines().find(|line| line.contains(text));
    let line = line.with_context(|| format!("the last trace does not say `{text}`:\n{said}"))?;
    seen.fact(line);
    Ok(())
}

pub(super) fn misaligned(walk: &Walk, seen: &mut Seen) -> Result<()> {
    let module = Module::load(&walk.told.module)?;
    let context = module.initialize(InitArgs::OsLocking)?;
    let session = super::vault::officer(walk, &context, Access::ReadOnly)?;
    for line in module.raw().misaligned().through(session.slot())? {
        seen.fact(line);
    }
    Ok(())
}

pub(super) fn flip(walk: &mut Walk, seen: &mut Seen, flip: Flip) -> Result<()> {
    let path = super::backup::path(walk, flip.file)?;
    let mut bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    let len = i64::try_from(bytes.len())?;
    let at = if flip.byte < 0 { len + flip.byte } else { flip.byte };
    let place = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at));
    let place = place.with_context(|| format!("the file has {len} bytes"))?;
    *place ^= 1_u8.checked_shl(flip.bit.into()).context("a byte has bits 0 to 7")?;
    fs::write(&path, bytes)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    seen.fact(format!("bit {} of byte {at} of {name} is turned over", flip.bit));
    Ok(())
}
