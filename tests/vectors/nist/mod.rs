//! NIST's files (CAVP) and others in their form, where Wycheproof has nothing, or nothing that signs.
//!
//! They are not in this repository: the Python package `cryptography-vectors` has them, and
//! `LUNA_NIST_VECTORS` names its directory (`.ci/run` installs it). Their answers are NIST's, in the public
//! domain, and the RFCs'.

mod agreement;
mod ciphers;
mod digests;
mod records;
mod signatures;

use std::path::PathBuf;

use luna_client::MechanismType;

use self::records::{Record, records};
use crate::tally::Tally;

/// Every mechanism the sets of these files ask for.
pub(crate) fn mechanisms() -> impl Iterator<Item = MechanismType> {
    let symmetric = ciphers::mechanisms().chain(digests::mechanisms());
    symmetric.chain(signatures::mechanisms()).chain(agreement::mechanisms())
}

/// The directory of the vectors; none when nobody named it.
fn directory() -> Option<PathBuf> {
    std::env::var_os("LUNA_NIST_VECTORS").map(PathBuf::from)
}

/// Runs a family, as [`Tally::whole`], or says that it was passed over.
#[track_caller]
fn whole(answers: impl IntoIterator<Item = MechanismType>, run: impl FnOnce(&mut Tally)) {
    if directory().is_some() {
        return Tally::whole(answers, run);
    }
    eprintln!("passed over: LUNA_NIST_VECTORS names no directory");
    let required = std::env::var("LUNA_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
    assert!(!required, "LUNA_REQUIRE_CLIENTS=1, and LUNA_NIST_VECTORS names no directory");
}

/// The files of a folder that begin so and are no Monte Carlo run, by name.
fn files(folder: &str, beginning: &str) -> Vec<(String, String)> {
    let folder = directory().unwrap().join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path))
        .filter(|(name, _)| name.starts_with(beginning) && !name.contains("Monte"))
        .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}/{beginning}… is there", folder.display());
    files
}
