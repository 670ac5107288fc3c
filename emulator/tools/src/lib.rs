//! `vtl`, `cmu` and `configurator`: the tools of a Luna client beside `lunacm`, for any PKCS#11 module.
//!
//! [`vtl`] sets up the link to appliances: the client's key and certificate, the appliances it trusts, what it
//! reaches. [`cmu`] makes, lists, exports and signs with keys of a partition. [`configurator`] sets values of the
//! client configuration file. They know a module by its functions and the configuration by its file, nothing else.
//!
//! Rooms: `options` is a command line as the vendor's tools take it; `start` finds the module and the streams;
//! `certificate` makes X.509 structures and lets whoever has a key sign them; the rest is one room a tool.
//!
//! Shapes of output follow the vendor's pages and transcripts made public (Documented and Observed; each place
//! says which).

mod certificate;
pub mod cmu;
pub mod configurator;
mod failure;
mod options;
mod start;
pub mod vtl;

pub use self::start::{Shown, Surroundings, program};
