//! Appliances on the network: what client and appliance say to each other, and the client's half.
//!
//! The vendor's NTLS is mutual TLS on port 1792 (Documented); what runs inside it is not
//! published, so [`protocol`] is our own. The other half is the package `luna-appliance`, which
//! nothing here links.
//!
//! The client makes no thread: a call asks on a connection of its own, taken from the
//! `remote::Remote`'s pool, and an appliance that was lost is looked for by sockets that do not
//! block, whenever somebody asks whether it is there.
//!
//! | to add | go to |
//! |---|---|
//! | something both sides say | `protocol`, with a new version |
//! | a rule of when a connection is lost or found | `remote` |
//! | what is known without asking again | `link` |
//! | what a client of the cloud is told or refused | `cloud` |

pub mod channel;
pub mod cloud;
mod dial;
mod link;
pub mod protocol;
mod remote;
pub mod tls;

pub use self::remote::{Connected, connect};
