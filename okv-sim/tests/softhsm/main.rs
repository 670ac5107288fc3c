//! The vault on a real PKCS#11 module, SoftHSM, until its own is there to be tried.
//!
//! Skipped with a notice where SoftHSM is not installed, unless `LUNA_REQUIRE_CLIENTS=1`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml lifts these inside test functions only, and all of this is a test"
)]

mod commands;
mod crash;
mod hsm;
mod lifecycle;
mod verification;

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use hsm::{CREDENTIAL, Hsm};
use okv_sim::{InitializeRequest, InstallRequest, OpenWith, SetCredentialRequest, Vault};

const PASSPHRASE: &str = "recovery-passphrase-1";

/// Customers' objects of the sizes a small installation has.
fn objects() -> Vec<(String, Vec<u8>)> {
    let sizes = [32, 32, 32, 6_000, 16, 3_000, 1_500, 24, 32];
    let content = |at: usize, size: usize| {
        format!("customer object {at} in clear; ").bytes().cycle().take(size).collect()
    };
    sizes
        .iter()
        .enumerate()
        .map(|(at, size)| (format!("object-{at}"), content(at, *size)))
        .collect()
}

fn install(data: &Path) -> Vault {
    let request = InstallRequest {
        passphrase_iterations: NonZeroU32::new(10).unwrap(),
        ..InstallRequest::new(PASSPHRASE.into())
    };
    let mut vault = Vault::install(data, &request).unwrap();
    for (name, bytes) in objects() {
        vault.store_object(&name, &bytes).unwrap();
    }
    vault
}

fn initialize(hsm: &Hsm) -> InitializeRequest {
    InitializeRequest {
        hsm: hsm.settings(),
        credential: CREDENTIAL.into(),
        passphrase: PASSPHRASE.into(),
    }
}

fn set_credential(hsm: &Hsm, credential: &str) -> SetCredentialRequest {
    SetCredentialRequest { hsm: hsm.settings(), credential: credential.into() }
}

fn enabled(hsm: &Hsm, name: &str) -> Vault {
    let mut vault = install(&hsm.data(name));
    vault.initialize(&initialize(hsm)).unwrap();
    vault
}

fn open_with_passphrase(vault: &mut Vault) {
    vault.open_wallet(OpenWith::Passphrase(&PASSPHRASE.into())).unwrap();
}

fn assert_readable(vault: &Vault) {
    for (name, bytes) in objects() {
        assert_eq!(vault.read_object(&name).unwrap().expose(), bytes, "{name}");
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            out.extend(files(&path));
        } else {
            out.push(path);
        }
    }
    out
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), target).unwrap();
        } else if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}
