//! What a token does with operations, keys, objects and roles, by the standard and the vendor's tables.
//!
//! Every test has its own HSM: a plain partition, one in FIPS mode, or a group in FIPS mode, as [`token::Kind`]
//! says. Each file is one property; `token`, `raw` and `keys` are what they share. Known answers stand in
//! `known_answers`, and signatures are verified by `ring` and `aws-lc-rs`, which share no code with the caller's
//! side of the module.
//!
//! Sources: PKCS#11 v2.40 and its Current Mechanisms; the vendor's defaults, codes and quirks as the tests name
//! them. What is left to other themes: arguments no safe caller makes, crashes, several processes, HA faults.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod groups;
mod keys;
mod raw;
mod rsa_key;
mod samples;
mod token;

mod attributes_change;
mod attributes_default;
mod attributes_told;
mod bip32;
mod block_ciphers;
mod copies;
mod credentials;
mod cross_checks;
mod curve25519;
mod curves;
mod domain_parameters;
mod each_use;
mod ecies;
mod finite_fields;
mod gcm;
mod handshakes;
mod imports;
mod initialisation;
mod key_fitness;
mod key_pairs;
mod key_sizes;
mod known_answers;
mod lattice;
mod lifetimes;
mod lockout;
mod logins;
mod milenage;
mod operation_order;
mod operation_parts;
mod operation_room;
mod operation_state;
mod parameters;
mod passwords;
mod privacy;
mod rights;
mod searches;
mod second_keys;
mod sm2;
mod templates;
mod transactions;
mod translations;
mod trust;
mod vendor_attributes;
mod wrapping;
