//! What an HSM is: partitions, roles, policies, sessions, objects, operations.
//!
//! Knows nothing of slots, HA groups or configuration files: it hears [`crate::wire::Request`]s and
//! answers them, in this process or at the end of a connection.
//!
//! | to add | go to |
//! |---|---|
//! | a partition or HSM policy | a row in the profile; who asks for it calls `State::allows` |
//! | a right of a role | `role::Rights` |
//! | a kind of object | a table in `crate::object::rules` |
//! | a mechanism | `crate::mechanisms` |
//! | a condition on each use of a key | `usage::Asks` |
//! | something a store must keep | `store` |

pub mod appliance;
mod chosen;
mod clone;
mod objects;
mod operation;
mod partition;
mod policies;
mod records;
mod role;
mod saved;
mod session;
pub mod store;
mod transport;
mod usage;
mod verified;

pub use self::appliance::{Appliance, Blueprint, PartitionBlueprint, Roles};
pub use self::partition::{Partition, Seated};
