//! The vendor's functions: what each does, or the refusal it is documented to give.
//!
//! One file a theme. [`call`] reaches a function by its symbol, as the vendor's own Python package does, so
//! that a name with a wrong signature is found here. [`names`] goes through the whole list of names.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::type_complexity,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is part of tests: what fails here fails a test, with its reason"
)]

mod call;

mod administration;
mod applications;
mod authorization;
mod cloning;
mod extended_keys;
mod lists;
mod masking;
mod matrix;
mod names;
mod places;
mod policy_walk;
mod recovery;
#[path = "../token/rsa_key.rs"]
#[allow(dead_code, reason = "another theme's key, of which one part is used")]
mod rsa_key;

/// What a child process of these tests does.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn application() {
    let Some((role, words)) = luna_tests::child::role() else { return };
    match role.as_str() {
        "shares" => applications::child(&words),
        "guesses" => authorization::child(&words),
        "guesses-any" => administration::lock_outs::child(&words),
        "guesses-roles" => administration::roles::child(&words),
        other => panic!("no role {other}"),
    }
}
