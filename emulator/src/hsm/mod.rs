//! What an HSM is: partitions, roles, policies, sessions, objects, operations.
//!
//! Knows nothing of slots, HA groups or configuration files: it hears [`crate::wire::Request`]s and
//! answers them, in this process or at the end of a connection.
//!
//! | to add | go to |
//! |---|---|
//! | a partition or HSM policy | a row in the profile; who asks for it calls `State::allows` |
//! | a right of a role | a row in `rights` |
//! | a request to the HSM itself | `administration`, and a word in `crate::wire::Administration` |
//! | something the audit log or the metrics notice | `watch` |
//! | a kind of object | a table in `crate::object::rules` |
//! | a mechanism | `crate::mechanisms` |
//! | a condition on each use of a key | `usage::Asks` |
//! | something a store must keep | `store`; a small value of a partition: `extra::Entry` |

mod administration;
pub mod appliance;
mod authorization;
mod certificates;
mod chosen;
mod clone;
mod extra;
mod facts;
mod journeys;
mod lock_out;
mod masking;
mod objects;
mod operation;
mod partition;
mod ped;
mod policies;
mod records;
mod recovery;
mod rights;
mod role;
mod saved;
mod session;
mod sharing;
pub mod store;
mod transport;
mod usage;
mod verified;
mod watch;

pub use self::appliance::{Appliance, Blueprint, PartitionBlueprint, Roles};
pub use self::partition::{Partition, Seated};
