//! The store on SQLite: opening, reading, writing, and the order of commit and publication.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, Transaction, TransactionBehavior};

use super::Store;
use super::administration;
use super::error::{StoreError, Trouble, is_busy};
use super::files::{self, frozen_name, plain_name, with_suffix};
use super::journal::{self, Turn};
use super::provoked;
use super::record::{HsmRecord, Query};
use super::schema::{self, Kind};
use super::slots::{Forked, Slot, Slots};
use crate::env::{Clock, ControlPage, PageError, SystemClock, Word, disk};

/// Name of the database in the HSM's directory.
pub const DATABASE_FILE: &str = "hsm.sqlite";

/// Name of the control page in the HSM's directory.
pub const CONTROL_FILE: &str = "control";

/// How long another process is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long SQLite waits at a stretch. Between two stretches the slot is free, so a fork waits
/// no longer than this for a call that waits.
const STRETCH: Duration = Duration::from_millis(100);

/// Connections of one store: one thread uses one, more are made when threads meet.
const CONNECTIONS: usize = 4;

const CACHED_STATEMENTS: usize = 64;

/// What a committed write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The death of any process. A loss of power may damage the store.
    #[default]
    Process,
    /// A loss of power too, at the price of one `fdatasync` per write.
    Power,
}

/// How long one call has waited for others; nothing while it has not.
#[derive(Debug, Default)]
struct Patience(Option<SystemClock>);

impl Patience {
    /// After a stretch in vain: whether another may follow.
    fn wait(&mut self, path: &Path) -> Result<(), StoreError> {
        let waited = self.0.get_or_insert_default().now();
        if waited < PATIENCE {
            return Ok(());
        }
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        Err(StoreError::Busy { path: path.to_path_buf(), waited_ms })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Full,
    /// The file or its directory may not be written.
    Read,
    /// The same, and not even SQLite's own files beside it can be made; nobody else writes.
    Frozen,
    Memory,
}

/// A [`Store`] in a directory: `hsm.sqlite`, and `control` beside it.
#[derive(Debug)]
pub struct SqliteStore {
    database: PathBuf,
    access: Access,
    durability: Durability,
    /// The file when it was opened, if nobody is supposed to write it.
    frozen: Option<files::Look>,
    /// `None` only when reading what has no page and cannot be given one.
    pub(super) page: Option<ControlPage>,
    pub(super) slots: Slots,
}

impl SqliteStore {
    /// Makes a new HSM in `directory`, which is made too if it is missing, and opens it.
    ///
    /// The database appears under its name when it is complete; a crash leaves at most a
    /// temporary file.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`] when there is any file of that name; otherwise as
    /// [`SqliteStore::open`].
    pub fn create(
        directory: &Path,
        record: &HsmRecord,
        durability: Durability,
    ) -> Result<Self, StoreError> {
        disk::create_private_directory(directory)?;
        let database = directory.join(DATABASE_FILE);
        if fs::symlink_metadata(&database).is_ok() {
            return Err(StoreError::AlreadyThere { path: database });
        }
        ControlPage::create(&directory.join(CONTROL_FILE), 0o600)?;
        let (temporary, file) = disk::create_beside(&database, 0o600)?;
        drop(file);
        let placed = write_new(&temporary, record, durability)
            .map_err(|trouble| trouble.at(&database))
            .and_then(|()| Ok(disk::place_new(&temporary, &database)?));
        // The first is a second name of the database by now.
        for suffix in ["", "-wal", "-shm", "-journal"] {
            disk::discard(&with_suffix(&temporary, suffix));
        }
        if !placed? {
            return Err(StoreError::AlreadyThere { path: database });
        }
        if durability == Durability::Power {
            disk::sync_directory_of(&database)?;
        }
        Self::open(directory, durability)
    }

    /// Opens the HSM in `directory`. What may only be read is opened for reading.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::NotADatabase`], [`StoreError::Corrupt`],
    /// [`StoreError::NewerFormat`], [`StoreError::Permission`], [`StoreError::ReadOnly`] when
    /// even reading would need to write (a log left by a killed process), [`StoreError::Busy`],
    /// [`StoreError::Page`], [`StoreError::Io`]. The file is left as it is.
    pub fn open(directory: &Path, durability: Durability) -> Result<Self, StoreError> {
        let database = directory.join(DATABASE_FILE);
        let look = files::look_at(&database)?;
        let mut store = Self {
            database,
            access: Access::Full,
            durability,
            frozen: None,
            page: None,
            slots: Slots::take(CONNECTIONS),
        };
        store.access = store.first_contact()?;
        store.frozen = (store.access == Access::Frozen).then_some(look);
        let control = directory.join(CONTROL_FILE);
        store.page = if store.access == Access::Full {
            // Whoever may use the database may use the page.
            let mode = fs::metadata(&store.database)
                .map_err(|error| StoreError::from_io(&store.database, &error))?
                .permissions()
                .mode();
            Some(ControlPage::create(&control, mode & 0o666)?)
        } else {
            match ControlPage::open(&control) {
                Ok(page) => Some(page),
                Err(PageError::Disk(_)) => None,
                Err(error) => return Err(error.into()),
            }
        };
        store.align_page()?;
        Ok(store)
    }

    /// A store that lives in memory, with this one HSM in it, for tests and simulation.
    ///
    /// # Errors
    /// [`StoreError::Io`] when there is no memory.
    pub fn in_memory(record: &HsmRecord) -> Result<Self, StoreError> {
        let store = Self {
            database: PathBuf::from(":memory:"),
            access: Access::Memory,
            durability: Durability::Process,
            frozen: None,
            page: Some(ControlPage::private()),
            slots: Slots::take(1),
        };
        {
            let mut slot = store.slots.writing().ok_or_else(|| store.slotless())?;
            let connection = store
                .connect(Access::Memory)
                .and_then(|connection| fill(&connection, record).map(|()| connection))
                .map_err(|trouble| store.explain(trouble))?;
            slot.connect(connection, true);
        }
        store.align_page()?;
        Ok(store)
    }

    /// The control page, where there is one: always, unless the directory can only be read.
    #[must_use]
    pub fn page(&self) -> Option<&ControlPage> {
        self.page.as_ref()
    }

    /// The directory it lies in; none for one in memory.
    pub(super) fn home(&self) -> Option<&Path> {
        if self.access == Access::Memory { None } else { self.database.parent() }
    }

    /// Whether every write would answer [`StoreError::ReadOnly`].
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self.access, Access::Read | Access::Frozen)
    }

    /// Adds one to a word of the control page, under the store's write lock. Returns the new
    /// value. The store's own generation is bumped by writes alone.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], [`StoreError::Busy`], [`StoreError::Page`].
    pub fn bump(&self, word: Word) -> Result<u64, StoreError> {
        let page = self.writable_page()?;
        self.locked(|_| Ok(page.bump(word).map_err(StoreError::from)?))
    }

    /// Reads every page and checks what the store promises itself. Takes a time that grows with
    /// the store; for tools.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first thing that is wrong.
    pub fn verify(&self) -> Result<(), StoreError> {
        self.read(|connection| {
            let said: String =
                connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if said != "ok" {
                return Err(Trouble::Damaged(said));
            }
            let wrong: i64 = connection.query_row(
                "SELECT count(*) FROM usage LEFT JOIN (SELECT partition AS of, count(*) AS n, \
                 sum(length(attributes) + length(secret)) AS b FROM objects GROUP BY partition) \
                 ON of = usage.partition \
                 WHERE usage.objects <> coalesce(n, 0) OR usage.bytes <> coalesce(b, 0)",
                [],
                |row| row.get(0),
            )?;
            let stray: i64 = connection.query_row(
                "SELECT count(*) FROM objects WHERE partition NOT IN \
                 (SELECT serial FROM partitions)",
                [],
                |row| row.get(0),
            )?;
            if wrong + stray != 0 {
                return Err(Trouble::Damaged("its counts do not match its objects".into()));
            }
            Ok(())
        })
    }

    /// Writes the store as it is now into one new file, which is a whole `hsm.sqlite`. Others
    /// may go on meanwhile.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`] when `target` exists, [`StoreError::Full`],
    /// [`StoreError::Permission`], [`StoreError::Io`].
    pub fn snapshot(&self, target: &Path) -> Result<(), StoreError> {
        let (temporary, file) = disk::create_beside(target, 0o600)?;
        drop(file);
        let copied = self.read(|connection| {
            let name = plain_name(&temporary);
            // File names are bytes; SQLite takes them as they are.
            let name = ToSqlOutput::Borrowed(ValueRef::Text(name.as_os_str().as_bytes()));
            connection.execute("VACUUM INTO ?1", [name])?;
            Ok(())
        });
        let placed = copied.and_then(|()| Ok(disk::place_new(&temporary, target)?));
        disk::discard(&temporary);
        if placed? { Ok(()) } else { Err(StoreError::AlreadyThere { path: target.to_path_buf() }) }
    }

    /// Opens the file as far as it allows, and makes sure that it is ours.
    fn first_contact(&self) -> Result<Access, StoreError> {
        let mut access = Access::Full;
        loop {
            let mut slot = self.slots.writing().ok_or_else(|| self.slotless())?;
            let met = self.connect(access).and_then(|connection| {
                self.introduce(&connection)?;
                Ok(connection)
            });
            match met {
                Ok(connection) => {
                    if access == Access::Full && connection.is_readonly(MAIN_DB).unwrap_or(true) {
                        access = Access::Read;
                    }
                    slot.connect(connection, false);
                    return Ok(access);
                }
                Err(trouble) if access != Access::Frozen && files::needs_files_beside(&trouble) => {
                    // The log holds writes that a frozen view of the database would not show.
                    if files::has_log(&self.database) {
                        return Err(StoreError::ReadOnly { path: self.database.clone() });
                    }
                    access = Access::Frozen;
                }
                Err(trouble) => return Err(self.explain(trouble)),
            }
        }
    }

    fn upgrade(&self, connection: &Connection) -> Result<(), Trouble> {
        let mut patience = Patience::default();
        loop {
            match schema::upgrade(connection) {
                Err(trouble) if trouble.is_busy() => {
                    // Whatever was begun is over; that there was nothing is no trouble.
                    let _ = connection.execute_batch("ROLLBACK");
                    patience.wait(&self.database)?;
                }
                other => return other,
            }
        }
    }

    /// Reads the marks of the file over a new connection.
    fn introduce(&self, connection: &Connection) -> Result<(), Trouble> {
        let path = || self.database.clone();
        let mut patience = Patience::default();
        let kind = loop {
            match schema::kind(connection) {
                Err(trouble) if trouble.is_busy() => patience.wait(&self.database)?,
                other => break other?,
            }
        };
        match kind {
            Kind::Ours => {}
            // Nothing new is read where nothing can be written.
            Kind::Older if connection.is_readonly(MAIN_DB)? => {}
            Kind::Older => self.upgrade(connection)?,
            Kind::Newer(found) => {
                let known = schema::FORMAT;
                return Err(StoreError::NewerFormat { path: path(), found, known }.into());
            }
            Kind::Foreign(reason) => {
                let reason = reason.to_owned();
                return Err(StoreError::NotADatabase { path: path(), reason }.into());
            }
        }
        journal::generation(connection)?;
        if !connection.is_readonly(MAIN_DB)? {
            // A snapshot comes without a log. Where it has one this changes nothing.
            let mode: String =
                connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
            if mode != "wal" {
                let reason = "its file system cannot share memory between processes".to_owned();
                return Err(StoreError::Io { path: path(), reason }.into());
            }
        }
        Ok(())
    }

    fn slotless(&self) -> StoreError {
        StoreError::Io { path: self.database.clone(), reason: "it has no connections".into() }
    }

    fn connect(&self, access: Access) -> Result<Connection, Trouble> {
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let opened = match access {
            Access::Full => Connection::open_with_flags(
                plain_name(&self.database),
                flags | OpenFlags::SQLITE_OPEN_READ_WRITE,
            ),
            Access::Read => Connection::open_with_flags(
                plain_name(&self.database),
                flags | OpenFlags::SQLITE_OPEN_READ_ONLY,
            ),
            Access::Frozen => Connection::open_with_flags(
                frozen_name(&self.database),
                flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
            ),
            Access::Memory => Connection::open_in_memory(),
        };
        let prepared = opened.and_then(|connection| {
            connection.busy_timeout(STRETCH)?;
            connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
            // A store is left at a fork without ceremony; the log is tidied up at the end.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
            connection.pragma_update(
                None,
                "synchronous",
                match self.durability {
                    Durability::Process => "OFF",
                    Durability::Power => "FULL",
                },
            )?;
            connection.pragma_update(None, "cell_size_check", true)?;
            Ok(connection)
        });
        Ok(prepared?)
    }

    /// As an error about this store's file.
    fn explain(&self, trouble: Trouble) -> StoreError {
        match trouble {
            Trouble::Sql(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => {
                files::why_not(&self.database, &error)
            }
            other => other.at(&self.database),
        }
    }

    pub(super) fn connection<'s>(
        &self,
        slot: &'s mut Slot,
    ) -> Result<&'s mut Connection, StoreError> {
        let forked = |Forked| StoreError::Forked { path: self.database.clone() };
        if slot.connection().map_err(forked)?.is_none() {
            let connection = self.connect(self.access).map_err(|trouble| self.explain(trouble))?;
            slot.connect(connection, false);
        }
        slot.connection().map_err(forked)?.ok_or_else(|| self.slotless())
    }

    /// Reads, waiting for others where SQLite needs it. `body` may run more than once.
    pub(super) fn read<T>(
        &self,
        mut body: impl FnMut(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let mut patience = Patience::default();
        loop {
            let mut slot = self.slots.reading().ok_or_else(|| self.slotless())?;
            match body(self.connection(&mut slot)?) {
                Err(trouble) if trouble.is_busy() => {
                    drop(slot);
                    patience.wait(&self.database)?;
                }
                other => {
                    self.still_frozen()?;
                    return other.map_err(|trouble| self.explain(trouble));
                }
            }
        }
    }

    /// A file opened as one that nobody writes may have found a writer after all; what was read
    /// is then worth nothing. SQLite does not look, so it is done here.
    fn still_frozen(&self) -> Result<(), StoreError> {
        let Some(look) = self.frozen else { return Ok(()) };
        if files::has_log(&self.database) || files::look_at(&self.database)? != look {
            return Err(StoreError::ReadOnly { path: self.database.clone() });
        }
        Ok(())
    }

    /// Runs `body` once while no other process or thread writes. Nothing `body` does to the
    /// database stays unless it commits.
    fn locked<T>(
        &self,
        body: impl FnOnce(Transaction<'_>) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        if self.is_read_only() {
            return Err(StoreError::ReadOnly { path: self.database.clone() });
        }
        let mut patience = Patience::default();
        loop {
            let mut slot = self.slots.writing().ok_or_else(|| self.slotless())?;
            let connection = self.connection(&mut slot)?;
            match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
                Ok(transaction) => {
                    return body(transaction).map_err(|trouble| self.explain(trouble));
                }
                Err(error) if is_busy(&error) => {}
                Err(error) => return Err(self.explain(error.into())),
            }
            drop(slot);
            patience.wait(&self.database)?;
        }
    }

    /// Writes: all of what `body` does, or nothing. See the room's documentation for the order.
    pub(super) fn write<T>(
        &self,
        body: impl FnOnce(&Connection, &mut Turn) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let page = self.writable_page()?;
        self.locked(|transaction| {
            provoked::check(&self.database)?;
            let mut turn = Turn::next(&transaction)?;
            let value = body(&transaction, &mut turn)?;
            if turn.is_idle() {
                return Ok(value);
            }
            turn.record(&transaction)?;
            publish(page, turn.generation)?;
            let committed = transaction.prepare_cached("COMMIT").and_then(|mut s| s.execute([]));
            if let Err(error) = committed {
                // While the transaction stands nobody else can have published, and what was
                // published is not going to happen. If it is gone already, the next one to read
                // finds the page ahead and sets it right.
                if !transaction.is_autocommit() {
                    let _ = publish(page, turn.generation.wrapping_sub(1));
                }
                return Err(error.into());
            }
            Ok(value)
        })
    }

    /// Writes what no cache knows of, without a generation of its own: all of it, or nothing.
    pub(super) fn write_aside<T>(
        &self,
        body: impl FnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        self.locked(|transaction| {
            let value = body(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
    }

    /// An answer that is still true.
    pub(super) fn recall(&self, partition: i64, query: &Query) -> Option<Vec<u64>> {
        let page = self.page.as_ref().filter(|_| self.frozen.is_none())?;
        let slot = self.slots.reading()?;
        let generation = page.word(Word::StoreGeneration);
        slot.answers.recall(generation, partition, query).map(<[u64]>::to_vec)
    }

    /// Keeps an answer for the next who asks the same.
    pub(super) fn keep(&self, generation: u64, partition: i64, query: &Query, found: &[u64]) {
        if let Some(mut slot) = self.slots.reading() {
            slot.answers.keep(generation, partition, query, found);
        }
    }

    fn writable_page(&self) -> Result<&ControlPage, StoreError> {
        self.page
            .as_ref()
            .filter(|_| !self.is_read_only())
            .ok_or_else(|| StoreError::ReadOnly { path: self.database.clone() })
    }

    /// Brings the page to the committed generation: it is new, or a writer died on its way.
    fn align_page(&self) -> Result<(), StoreError> {
        let Some(page) = self.page.as_ref().filter(|_| !self.is_read_only()) else {
            return Ok(());
        };
        if self.committed_generation()? == page.word(Word::StoreGeneration) {
            return Ok(());
        }
        self.locked(|transaction| {
            publish(page, journal::generation(&transaction)?)?;
            Ok(())
        })
    }

    /// As `align_page`, unless somebody is writing: then the page is as it should be.
    pub(super) fn settle_page(
        &self,
        connection: &Connection,
        committed: u64,
    ) -> Result<(), Trouble> {
        let Some(page) = self.page.as_ref().filter(|_| !self.is_read_only()) else {
            return Ok(());
        };
        if page.word(Word::StoreGeneration) == committed {
            return Ok(());
        }
        connection.busy_timeout(Duration::ZERO)?;
        let settled = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
            .map_err(Trouble::from)
            .and_then(|transaction| {
                publish(page, journal::generation(&transaction)?)?;
                Ok(())
            });
        connection.busy_timeout(STRETCH)?;
        match settled {
            Err(trouble) if trouble.is_busy() => Ok(()),
            other => other,
        }
    }
}

fn publish(page: &ControlPage, generation: u64) -> Result<(), StoreError> {
    page.publish(Word::StoreGeneration, generation).map_err(StoreError::from)
}

/// Fills an empty database.
fn fill(connection: &Connection, record: &HsmRecord) -> Result<(), Trouble> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    schema::create(&transaction)?;
    journal::begin(&transaction)?;
    administration::put_hsm(&transaction, record)?;
    transaction.commit()?;
    Ok(())
}

/// Writes a whole database into the empty file at `path`.
fn write_new(path: &Path, record: &HsmRecord, durability: Durability) -> Result<(), Trouble> {
    let slots = Slots::take(1);
    // Nothing is put into the slot: holding it keeps forks away while the file is open.
    let _slot = slots.writing();
    let connection = Connection::open_with_flags(
        plain_name(path),
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    let synchronous = if durability == Durability::Power { "FULL" } else { "OFF" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    fill(&connection, record)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}
