//! Multi-master clusters of the key vault: servers that are processes of their own, on an emulated HSM, and what is killed
//! is killed.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod bundle;
mod candidates;
mod endpoints;
mod from_one_node;
mod kills;
mod node;
#[path = "../clients/server.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod server;
mod statuses;
