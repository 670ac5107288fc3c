//! Backups: what they look like, and how they travel.
//!
//! [`archive`] is the file: always encrypted (Documented), under a key that takes both the root of trust and the
//! recovery passphrase of the time of the backup. [`courier`] is what is asked of a destination; [`local`] and [`ssh`]
//! are the destinations there are. A new transfer method is a file and one row of [`courier::METHODS`].

pub(crate) mod archive;
pub(crate) mod courier;
mod local;
mod scp;
mod sftp;
mod ssh;

pub(crate) use self::ssh::{new_key, public_key};
