//! Real client programs against the module: OpenSC, Java, GnuTLS, OpenSSL, OpenSSH, NSS, p11-kit, Python.
//!
//! One file a client. [`client`] starts them, and [`server`] keeps those that serve. A program that is not
//! installed is told of and passed over; under `LUNA_REQUIRE_CLIENTS=1` its absence is a failure. `.ci/run`
//! installs them all.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is part of tests: what fails here fails a test, with its reason"
)]

mod client;
mod ctypes_client;
mod examples;
mod gnutls;
mod java;
mod nss;
mod opensc;
mod openssl;
mod p11_kit;
mod python;
mod server;
mod ssh;

use luna_tests::{CRYPTO_OFFICER, HANG, Instance, scratch};

use self::client::{command, found, installed, output, run, said, text};
