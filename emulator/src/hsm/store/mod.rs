//! What an HSM keeps: its partitions, roles and objects, in one SQLite file.
//!
//! The room keeps records and finds them; it does not know what they mean. Secrets arrive
//! sealed, attributes arrive as opaque bytes beside the few columns that are searched, and who
//! may see or change a record is decided above. Any number of processes may use one store.
//!
//! # Promises
//!
//! - A write that returned `Ok` survives the death of any process, and with
//!   [`Durability::Power`] a loss of power. One that did not is there whole or not at all.
//! - Two processes that change the same role at the same time both count.
//! - A file that cannot be used is left as it is.
//! - Handles and OUIDs handed out are never handed out again.
//!
//! # Generations
//!
//! Every committed write raises the generation by one. It is kept in the database and shown on
//! the control page ([`crate::env::page`]), where looking costs a few nanoseconds. The order of
//! a write is: take the write lock; change; *publish the new generation*; commit. So the page is
//! never behind the database. A cache carries the generation *the database* had when, or before,
//! it was filled ([`ChangeSet::generation`], [`Store::committed_generation`]), and is good while
//! that equals [`Store::generation`]. From this follows that no reader uses a stale copy, not
//! even in the moment between a commit and its publication, for there is none: a reader that
//! looks after publication and before the commit finds its cache invalid, reads the old state
//! from the database with the old number, and so looks again at its next call, until the commit
//! has happened. The price is that a writer that dies in that moment, or whose commit fails,
//! leaves the page ahead: readers then read more often than they need until one of them finds
//! nobody writing and sets the page back under the write lock ([`Store::changes_since`] does).
//!
//! # Forks
//!
//! [`before_fork`], [`after_fork_in_parent`] and [`after_fork_in_child`] belong into
//! `pthread_atfork`; `slots` says why.
//!
//! # What is assumed
//!
//! The files lie on a local file system. One process has one copy of this library in use on one
//! HSM at a time: record locks belong to a process, so two copies of SQLite in one process would
//! not see each other's. Nobody but this room opens the database in a process that uses it, and
//! nobody removes or replaces the files while one does (see [`SqliteStore::snapshot`]).
//!
//! Source: the design; SQLite's own documentation of WAL, of `fcntl` locks and of forks
//! ("How To Corrupt An SQLite Database File").

mod administration;
mod answers;
mod error;
mod files;
mod journal;
mod ledger;
mod objects;
mod provoked;
mod record;
mod requests;
mod schema;
mod slots;
mod sqlite;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::path::Path;

pub use error::StoreError;
pub use ledger::Ledger;
pub use provoked::{Provoked, provoke};
pub use record::{
    ChangeSet, Changes, HsmRecord, NewObject, ObjectRecord, ObjectUpdate, PartitionRecord, Query,
    RoleRecord, Step, Usage,
};
pub use slots::{after_fork_in_child, after_fork_in_parent, before_fork};
pub use sqlite::{CONTROL_FILE, DATABASE_FILE, Durability, SqliteStore};

/// The records of one HSM.
///
/// Every method may fail with [`StoreError::Busy`], [`StoreError::Io`], [`StoreError::Corrupt`]
/// and [`StoreError::Forked`]; those that write also with [`StoreError::ReadOnly`],
/// [`StoreError::Full`] and [`StoreError::Page`], and then nothing was changed. Those that take a
/// serial number answer [`StoreError::BadSerial`] to what cannot be one. Only what comes on top
/// is listed below.
pub trait Store: Ledger + Send + Sync + Debug {
    /// The generation on the control page, which is never behind the committed one. To be
    /// compared with the number a cache carries, and for nothing else. A few nanoseconds.
    fn generation(&self) -> u64;

    /// The directory that other processes reach the HSM by; none for one in memory.
    fn directory(&self) -> Option<&Path>;

    /// The committed generation. What is read after this call is at least as new.
    ///
    /// # Errors
    /// The common ones.
    fn committed_generation(&self) -> Result<u64, StoreError>;

    /// What changed after `generation`, which some earlier answer carried; 0 asks for
    /// everything.
    ///
    /// # Errors
    /// The common ones.
    fn changes_since(&self, generation: u64) -> Result<ChangeSet, StoreError>;

    /// The HSM.
    ///
    /// # Errors
    /// The common ones.
    fn hsm(&self) -> Result<HsmRecord, StoreError>;

    /// Every partition, by ascending serial number.
    ///
    /// # Errors
    /// The common ones.
    fn partitions(&self) -> Result<Vec<PartitionRecord>, StoreError>;

    /// One partition.
    ///
    /// # Errors
    /// The common ones.
    fn partition(&self, serial: &str) -> Result<Option<PartitionRecord>, StoreError>;

    /// The roles of a partition that have a credential, by number. None where there is no
    /// partition.
    ///
    /// # Errors
    /// The common ones.
    fn roles(&self, partition: &str) -> Result<Vec<RoleRecord>, StoreError>;

    /// One role of a partition.
    ///
    /// # Errors
    /// The common ones.
    fn role(&self, partition: &str, role: u8) -> Result<Option<RoleRecord>, StoreError>;

    /// Does all of the steps, in order, or none.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPartition`].
    fn apply(&self, steps: &[Step]) -> Result<(), StoreError>;

    /// Replaces the HSM's record.
    ///
    /// # Errors
    /// The common ones.
    fn put_hsm(&self, record: HsmRecord) -> Result<(), StoreError> {
        self.apply(&[Step::PutHsm(record)])
    }

    /// Makes a partition or replaces its record.
    ///
    /// # Errors
    /// The common ones.
    fn put_partition(&self, record: PartitionRecord) -> Result<(), StoreError> {
        self.apply(&[Step::PutPartition(record)])
    }

    /// Deletes a partition with its roles and objects.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPartition`].
    fn remove_partition(&self, serial: &str) -> Result<(), StoreError> {
        self.apply(&[Step::RemovePartition(serial.to_owned())])
    }

    /// Deletes a partition's objects and roles and makes it uninitialised, see
    /// [`Step::WipePartition`].
    ///
    /// # Errors
    /// [`StoreError::NoSuchPartition`].
    fn wipe_partition(&self, serial: &str) -> Result<(), StoreError> {
        self.apply(&[Step::WipePartition(serial.to_owned())])
    }

    /// Makes a role, or replaces it whatever it was; to count, use [`Store::change_role`].
    ///
    /// # Errors
    /// [`StoreError::NoSuchPartition`].
    fn put_role(&self, partition: &str, record: RoleRecord) -> Result<(), StoreError> {
        self.apply(&[Step::PutRole(partition.to_owned(), record)])
    }

    /// Removes a role, if it is there.
    ///
    /// # Errors
    /// The common ones.
    fn remove_role(&self, partition: &str, role: u8) -> Result<(), StoreError> {
        self.apply(&[Step::RemoveRole(partition.to_owned(), role)])
    }

    /// Reads a role, lets `change` work on it and writes it back, while no other thread or
    /// process can do the same. Returns the role as it is then, or `None` where there is none.
    /// Nothing is written when nothing changed. `change` runs at most once; it must not call the
    /// store, nor fork, and the number of the role is not its to change.
    ///
    /// # Errors
    /// The common ones; `change` may have run, without effect.
    fn change_role(
        &self,
        partition: &str,
        role: u8,
        change: &mut dyn FnMut(&mut RoleRecord),
    ) -> Result<Option<RoleRecord>, StoreError>;

    /// As [`Store::change_role`], for the HSM.
    ///
    /// # Errors
    /// The common ones; `change` may have run, without effect.
    fn change_hsm(&self, change: &mut dyn FnMut(&mut HsmRecord)) -> Result<HsmRecord, StoreError>;

    /// How often the HSM was switched off and on, as the control page says.
    fn restarts(&self) -> u64;

    /// Switches it off and on: sessions and logins of every process are gone.
    ///
    /// # Errors
    /// The common ones.
    fn restart(&self) -> Result<(), StoreError>;

    /// As [`Store::change_role`], for a partition, whose serial number stays.
    ///
    /// # Errors
    /// The common ones; `change` may have run, without effect.
    fn change_partition(
        &self,
        serial: &str,
        change: &mut dyn FnMut(&mut PartitionRecord),
    ) -> Result<Option<PartitionRecord>, StoreError>;

    /// Stores all of `objects` or none, and returns their handles in the same order. Where an
    /// object brings no OUID it gets `ouid_of` of the partition's next count (1 for the first);
    /// `ouid_of` must not call the store.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPartition`], [`StoreError::DuplicateOuid`], [`StoreError::Destroyed`].
    fn insert_objects(
        &self,
        partition: &str,
        objects: &[NewObject],
        ouid_of: &dyn Fn(u64) -> [u8; 12],
    ) -> Result<Vec<u64>, StoreError>;

    /// One object, of whichever partition.
    ///
    /// # Errors
    /// The common ones.
    fn load_object(&self, handle: u64) -> Result<Option<ObjectRecord>, StoreError>;

    /// Replaces what can change of an object, unless somebody else did since
    /// `expected_generation`. Returns the object's new generation.
    ///
    /// # Errors
    /// [`StoreError::NoSuchObject`], [`StoreError::Conflict`].
    fn update_object(
        &self,
        handle: u64,
        expected_generation: u64,
        update: &ObjectUpdate,
    ) -> Result<u64, StoreError>;

    /// Deletes an object. False when there was none (any more).
    ///
    /// # Errors
    /// The common ones.
    fn delete_object(&self, handle: u64) -> Result<bool, StoreError>;

    /// Notes that an object was destroyed elsewhere, so that a copy on its way here is refused; see
    /// [`NewObject::unless_destroyed_since`]. Known for as long as the journal goes back.
    ///
    /// # Errors
    /// The common ones.
    fn bury(&self, partition: &str, ouid: [u8; 12]) -> Result<(), StoreError>;

    /// Handles of the objects of a partition that match, ascending. None where there is no
    /// partition.
    ///
    /// # Errors
    /// The common ones.
    fn find(&self, partition: &str, query: &Query) -> Result<Vec<u64>, StoreError>;

    /// Handle and OUID of every object of a partition, ascending by handle, without reading more of
    /// them. None where there is no partition.
    ///
    /// # Errors
    /// The common ones.
    fn identities(
        &self,
        partition: &str,
        include_private: bool,
    ) -> Result<Vec<(u64, [u8; 12])>, StoreError>;

    /// How full a partition is. Costs the same at any number of objects.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPartition`].
    fn count(&self, partition: &str) -> Result<Usage, StoreError>;
}
