//! Oracle Key Vault's scenarios as their users walk them: the chapters of the guide, the failure catalogue and the
//! proof script, each on one HSM, on an HA group and on a Cloud HSM service.
//!
//! Reports of every run, with transcript, JUnit and page, lie in `target/okv` afterwards.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod scenarios;
