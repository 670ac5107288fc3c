//! What a call costs: the same request through the C boundary and straight to the crypto room.
//!
//! `cargo bench -p luna-benches`, or `cargo bench -p luna-benches -- sha` for the ids that contain `sha`. Ids are
//! `family/operation/size`; an operation that ends in `-direct` is the bare call that the one of the same name
//! without it should cost little more than. Every figure of a crypto operation has its Init in it.
//!
//! | room | what it is for |
//! |---|---|
//! | [`instance`] | emulated HSMs of its own for this process, empty, full or in a group |
//! | [`calls`] | the module's functions as an application in C calls them (the only one with `unsafe`) |
//! | [`network`] | an appliance in this process, a client of it, and a bare round trip by TLS |
//! | [`startup`] | a process that does nothing but load the module and log in |
//! | [`softhsm`] | SoftHSM 2 furnished alike, to be measured beside ours (`cargo bench -p luna-benches --bench compare`) |
//! | [`budget`] | what was measured beside what the project aims at |
//! | `cases/` | the cases, a file for each family |
//!
//! To add a case: a function in its family's file, and a row in `budgets.toml` if there is a goal. What this leaves
//! to others: whether the answers are right (`tests/`), and the comparison with an earlier run, which criterion does
//! (`-- --save-baseline NAME`, later `-- --baseline NAME`).

pub mod budget;
pub mod calls;
pub mod instance;
pub mod network;
pub mod softhsm;
pub mod startup;

use std::fmt::Display;

/// The value, or the end of the run: a bench that cannot do its work has nothing to measure.
///
/// # Panics
/// With what was tried and why it failed.
#[allow(clippy::panic, reason = "criterion's closures return nothing")]
pub fn sure<T, E: Display>(what: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error:#}"),
    }
}
