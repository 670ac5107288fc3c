//! What the vendor's client library is: configuration, slots, application sessions, HA groups.
//!
//! Everything here is on the application's side of a [`crate::wire::Link`]; a partition is reached
//! through one and in no other way, so the same code serves HSMs in this process, on a network and
//! in a simulation.
//!
//! | to add | go to |
//! |---|---|
//! | a key of `Chrystoki.conf` | `config` |
//! | a rule of HA | `ha::policy` for when, `ha::group` for what |
//! | a function of the library | `client`, then `crate::library` and `crate::abi` |

pub mod call_log;
pub mod client;
pub mod config;
pub mod ha;
pub mod log;
mod operation;
pub mod session;
pub mod slots;

pub use self::client::Client;
pub use self::config::ClientConfig;
