//! The checks, one file an area.
//!
//! To add a check, add a row to the file of its area: an id, a title, where the answer stands, what is needed and
//! a function of a few lines that asks. `CHECKS.md` beside this crate shows one from beginning to end. A rule that
//! holds for many mechanisms, functions or attributes is written once, over a table.

mod abi;
mod arguments;
mod attributes;
mod ciphers;
mod derivation;
mod digests;
mod fips;
mod generation;
mod group;
mod hostile;
mod initialisation;
mod known;
mod limits;
mod login;
mod objects;
mod operations;
mod output;
mod policies;
mod profile;
mod random;
mod search;
mod sessions;
mod signatures;
mod slots;
mod vault;
mod vendor;
mod wrapping;

use crate::check::Registry;

/// Adds the checks of every area.
pub(crate) fn register(registry: &mut Registry) {
    let areas: [fn(&mut Registry); 25] = [
        abi::register,
        initialisation::register,
        arguments::register,
        hostile::register,
        slots::register,
        sessions::register,
        login::register,
        objects::register,
        attributes::register,
        search::register,
        operations::register,
        digests::register,
        ciphers::register,
        signatures::register,
        known::register,
        generation::register,
        wrapping::register,
        derivation::register,
        random::register,
        limits::register,
        profile::register,
        policies::register,
        fips::register,
        vendor::register,
        vault::register,
    ];
    for area in areas {
        area(registry);
    }
    group::register(registry);
}
