//! HA groups: client code over links and a clock, with no I/O and no time of its own.
//!
//! Source: ha.md of the fact pack; what it leaves open is Assumed and says so where it is decided.

pub mod group;
mod handles;
mod leaving;
mod member;
mod recovery;
mod replicate;
mod sessionless;

pub use self::group::{Group, GroupSession};

#[cfg(test)]
mod tests;
