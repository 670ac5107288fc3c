//! The vendor's functions: what each does, or the refusal it is documented to give.
//!
//! One file a theme.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is part of tests: what fails here fails a test, with its reason"
)]

mod administration;
mod matrix;
mod policy_walk;
#[path = "../token/rsa_key.rs"]
#[allow(dead_code, reason = "another theme's key, of which one part is used")]
mod rsa_key;

/// What a child process of these tests does.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn application() {
    let Some((role, words)) = luna_tests::child::role() else { return };
    match role.as_str() {
        "guesses-roles" => administration::roles::child(&words),
        other => panic!("no role {other}"),
    }
}
