//! An emulated Luna Network HSM: serves the partitions of one HSM over mutual TLS.
//!
//! The HSM itself is the emulator's (`emulator::hsm`), as in an embedded host; here is what stands
//! around it: who may connect, who sees which partition, what a connection may take of the
//! machine, and what is over when one ends. Clients reach it through `emulator::network`, which
//! has the other half of the protocol. Nothing here is linked into the module.
//!
//! Ownership: a [`Server`] has threads and one `desk::Desk`; the desk has the HSM, the
//! [`register::Register`] of clients and the [`journal::Journal`]; each connection has a thread,
//! and belongs to the [`association::Association`] of its client process.
//!
//! Lock order: associations, register, partitions, connections, a connection's channel, journal.
//!
//! | to add | go to |
//! |---|---|
//! | something an administrator can ask | an [`desk::Order`], carried out in `desk` |
//! | a bound on what clients can take | [`limits::Limits`] |
//! | something about clients of a cloud service | `service` |
//! | something clients and appliance say | `emulator::network::protocol` |

pub mod association;
pub mod certificate;
mod connection;
mod crowd;
pub mod desk;
mod heartbeat;
pub mod journal;
pub mod limits;
pub mod register;
mod server;
pub mod service;
mod trust;
mod window;

pub use self::server::{Options, Server};
pub use self::window::order;
