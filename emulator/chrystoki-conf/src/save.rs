//! The file changed on disk: whole or not at all, and with nobody else's change lost.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::{Conf, Error};

/// Reads a file, lets `change` edit it, and writes it back when something changed. What `change` gives is
/// given on, with the file as it then is.
///
/// The directory is locked meanwhile, so that two programs that use this one do not undo each other's work.
/// The new text takes the old one's place by a rename: who reads at the same time sees one or the other. Mode,
/// owner and group stay; a symbolic link stays one.
///
/// # Errors
///
/// Those of `change`; a file that cannot be read, is not of the grammar, or cannot be written, in which case it
/// is as it was.
pub fn edit<T, E: From<Error>>(
    file: &Path,
    change: impl FnOnce(&mut Conf) -> Result<T, E>,
) -> Result<(T, Conf), E> {
    let place = fs::canonicalize(file).map_err(|error| Error::unreadable(file, &error))?;
    let _lock = lock(&place);
    let mut conf = Conf::read(file)?;
    let before = conf.to_text();
    let done = change(&mut conf)?;
    let text = conf.to_text();
    if text != before {
        replace(&place, &text).map_err(|error| Error::unwritable(file, &error))?;
    }
    Ok((done, conf))
}

/// The lock of the file's directory, as long as the handle lives. A file system without locks has one program
/// at a time for all we know.
fn lock(place: &Path) -> Option<File> {
    let directory = OpenOptions::new().read(true).open(place.parent()?).ok()?;
    directory.lock().ok()?;
    Some(directory)
}

/// Puts a new text in a file's place.
fn replace(place: &Path, text: &str) -> std::io::Result<()> {
    let as_it_was = fs::metadata(place)?;
    let new = beside(place);
    // What is left of a program that was killed in between.
    let _ = fs::remove_file(&new);
    let written = write(&new, text, &as_it_was).and_then(|()| fs::rename(&new, place));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

fn write(new: &Path, text: &str, like: &fs::Metadata) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        // Else those who could read it no longer can.
        fchown(&file, Some(like.uid()), Some(like.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A name of our own in the same directory, so that the rename stays within a file system.
fn beside(place: &Path) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!(".{name}.{}", std::process::id()))
}
