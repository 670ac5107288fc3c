//! Luna Cloud HSM: the three ways of the integration guide to set a client up, and what a client sees when its
//! service is not what it should be.
//!
//! | file | what is told |
//! |---|---|
//! | `provider` | a service of `luna-emulator serve --profile luna-cloud`, and its bundles |
//! | `guide` | pages 7 to 9, each from an empty directory, in a shell |
//! | `refusals` | credentials, certificates, plugins and servers that are wrong or gone |

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is part of tests: what fails here fails a test, with its reason"
)]

mod guide;
mod provider;
mod refusals;
