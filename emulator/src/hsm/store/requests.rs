//! The requests of the [`Store`], each one read or one write.

use std::path::Path;

use super::administration::{self, partition_number};
use super::record::{
    ChangeSet, HsmRecord, NewObject, ObjectRecord, ObjectUpdate, PartitionRecord, Query,
    RoleRecord, Step, Usage,
};
use super::sqlite::SqliteStore;
use super::{Store, StoreError, journal, objects};
use crate::env::Word;

impl Store for SqliteStore {
    fn generation(&self) -> u64 {
        match &self.page {
            Some(page) => page.word(Word::StoreGeneration),
            // An answer that no cache carries, so that everything is read again.
            None => self.committed_generation().unwrap_or(u64::MAX),
        }
    }

    fn directory(&self) -> Option<&Path> {
        self.home()
    }

    fn committed_generation(&self) -> Result<u64, StoreError> {
        self.read(journal::generation)
    }

    fn changes_since(&self, generation: u64) -> Result<ChangeSet, StoreError> {
        self.read(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let changes = journal::changes(&transaction, generation)?;
            drop(transaction);
            self.settle_page(connection, changes.generation)?;
            Ok(changes)
        })
    }

    fn hsm(&self) -> Result<HsmRecord, StoreError> {
        self.read(administration::hsm)
    }

    fn partitions(&self) -> Result<Vec<PartitionRecord>, StoreError> {
        self.read(administration::partitions)
    }

    fn partition(&self, serial: &str) -> Result<Option<PartitionRecord>, StoreError> {
        let number = partition_number(serial)?;
        self.read(|connection| administration::partition(connection, number))
    }

    fn roles(&self, partition: &str) -> Result<Vec<RoleRecord>, StoreError> {
        let number = partition_number(partition)?;
        self.read(|connection| administration::roles(connection, number))
    }

    fn role(&self, partition: &str, role: u8) -> Result<Option<RoleRecord>, StoreError> {
        let number = partition_number(partition)?;
        self.read(|connection| administration::role(connection, number, role))
    }

    fn apply(&self, steps: &[Step]) -> Result<(), StoreError> {
        self.write(|connection, turn| {
            steps.iter().try_for_each(|step| administration::apply(connection, turn, step))
        })
    }

    fn change_role(
        &self,
        partition: &str,
        role: u8,
        change: &mut dyn FnMut(&mut RoleRecord),
    ) -> Result<Option<RoleRecord>, StoreError> {
        let number = partition_number(partition)?;
        self.write(|connection, turn| {
            administration::change_role(connection, turn, number, role, change)
        })
    }

    fn change_hsm(&self, change: &mut dyn FnMut(&mut HsmRecord)) -> Result<HsmRecord, StoreError> {
        self.write(|connection, turn| administration::change_hsm(connection, turn, change))
    }

    fn restarts(&self) -> u64 {
        self.page().map_or(0, |page| page.word(Word::Restarts))
    }

    fn restart(&self) -> Result<(), StoreError> {
        self.bump(Word::Restarts).map(drop)
    }

    fn change_partition(
        &self,
        serial: &str,
        change: &mut dyn FnMut(&mut PartitionRecord),
    ) -> Result<Option<PartitionRecord>, StoreError> {
        let number = partition_number(serial)?;
        self.write(|connection, turn| {
            administration::change_partition(connection, turn, number, change)
        })
    }

    fn insert_objects(
        &self,
        partition: &str,
        objects: &[NewObject],
        ouid_of: &dyn Fn(u64) -> [u8; 12],
    ) -> Result<Vec<u64>, StoreError> {
        let number = partition_number(partition)?;
        self.write(|connection, turn| objects::insert(connection, turn, number, objects, ouid_of))
    }

    fn load_object(&self, handle: u64) -> Result<Option<ObjectRecord>, StoreError> {
        self.read(|connection| objects::load(connection, handle))
    }

    fn update_object(
        &self,
        handle: u64,
        expected_generation: u64,
        update: &ObjectUpdate,
    ) -> Result<u64, StoreError> {
        self.write(|connection, turn| {
            objects::update(connection, turn, handle, expected_generation, update)
        })
    }

    fn delete_object(&self, handle: u64) -> Result<bool, StoreError> {
        self.write(|connection, turn| objects::delete(connection, turn, handle))
    }

    fn bury(&self, partition: &str, ouid: [u8; 12]) -> Result<(), StoreError> {
        let number = partition_number(partition)?;
        self.write(|connection, turn| objects::bury(connection, turn, number, ouid))
    }

    fn find(&self, partition: &str, query: &Query) -> Result<Vec<u64>, StoreError> {
        let number = partition_number(partition)?;
        if let Some(found) = self.recall(number, query) {
            return Ok(found);
        }
        let (generation, found) =
            self.read(|connection| objects::find(connection, number, query))?;
        self.keep(generation, number, query, &found);
        Ok(found)
    }

    fn identities(
        &self,
        partition: &str,
        include_private: bool,
    ) -> Result<Vec<(u64, [u8; 12])>, StoreError> {
        let number = partition_number(partition)?;
        self.read(|connection| objects::identities(connection, number, include_private))
    }

    fn count(&self, partition: &str) -> Result<Usage, StoreError> {
        let number = partition_number(partition)?;
        self.read(|connection| objects::usage(connection, number))
    }
}

/// Looks inside, for tests.
#[cfg(test)]
impl SqliteStore {
    pub(super) fn plan(&self, sql: &str) -> Vec<String> {
        self.read(|connection| {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let rows = statement.raw_query().mapped(|row| row.get("detail"));
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .unwrap()
    }

    pub(super) fn journal_rows(&self) -> i64 {
        self.read(|connection| {
            Ok(connection.query_row("SELECT count(*) FROM journal", [], |row| row.get(0))?)
        })
        .unwrap()
    }

    /// Lets the database grow by `more` pages and no further, as a disk that is nearly full.
    pub(super) fn leave_room_for(&self, more: i64) {
        let mut slot = self.slots.writing().unwrap();
        let connection = self.connection(&mut slot).unwrap();
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", pages + more).unwrap();
    }
}
