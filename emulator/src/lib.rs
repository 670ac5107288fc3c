//! A drop-in for the Thales Luna client library.
//!
//! Ownership: the one static of [`abi`] holds a [`library::Library`]; it holds the client half
//! ([`luna`]: slots, application sessions, HA groups) and the emulated HSMs ([`hsm`]) that
//! [`host`] connects to it; a partition holds its store, its sessions and its objects.
//!
//! Lock order: library, slot, session, HA member, HA handles, partition sessions, partition
//! objects, store. No lock is held across a callback; none but the HA group's creation and login
//! locks is held across a [`wire::Link`] call.
//!
//! | room | what it is for |
//! |---|---|
//! | [`abi`] | the C boundary: pointers, panics, forks, function tables |
//! | [`ck`], [`error`], [`output`], [`wire`] | words that rooms pass along |
//! | [`library`] | the state between `C_Initialize` and `C_Finalize` |
//! | [`luna`] | what the client library is: configuration, slots, sessions, HA |
//! | [`host`] | the embedded host: HSMs in this process, behind links |
//! | [`fault`] | what goes wrong, planned: the door between a link and a partition |
//! | [`hsm`] | what the HSM is: partitions, roles, policies, objects, operations, store |
//! | [`profile`] | what a firmware and client version does, as data |
//! | [`mechanisms`] | the registry, one file a family |
//! | [`object`] | attributes, templates, class rules |
//! | [`crypto`] | bytes in, bytes out |
//! | [`mod@env`] | clock, files, process, shared page |

#![allow(non_snake_case, reason = "the library's file name is the vendor's")]

pub mod abi;
pub mod ck;
pub mod crypto;
pub mod env;
pub mod error;
pub mod fault;
pub mod host;
pub mod hsm;
pub mod library;
pub mod luna;
pub mod mechanisms;
pub mod object;
pub mod output;
pub mod profile;
pub mod wire;
