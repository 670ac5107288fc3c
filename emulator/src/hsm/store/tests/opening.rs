//! Opening, and being refused: every kind of wrong file is told apart and left as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::env::Word;

fn open(folder: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(folder, Durability::Process)
}

/// A closed store with one object in it.
fn closed() -> tempfile::TempDir {
    let (folder, store) = in_directory();
    store.insert_objects(PARTITION, &[object("a")], &ouid_of).unwrap();
    drop(store);
    folder
}

/// Runs `work` as a user for whom permissions count, which they do not for root.
fn as_an_ordinary_user(folder: &Path, work: impl FnOnce()) {
    // SAFETY: asks for a number.
    let root = unsafe { libc::geteuid() } == 0;
    if root {
        for path in [folder.to_path_buf()]
            .into_iter()
            .chain(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
        {
            std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
        }
    }
    let child = Child::run(|| {
        if root {
            // SAFETY: gives up the rights of this child, which does nothing else.
            assert_eq!(unsafe { libc::setgid(65534) | libc::setuid(65534) }, 0);
        }
        work();
    });
    assert_eq!(child.wait(), 0);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_store_is_made_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("a/b");
    assert!(matches!(open(&place), Err(StoreError::Missing { .. })));
    for durability in [Durability::Power, Durability::Process] {
        let place = place.join(format!("{durability:?}"));
        let store = SqliteStore::create(&place, &hsm_record(), durability).unwrap();
        furnish(&store);
        store.insert_objects(PARTITION, &[object("a")], &ouid_of).unwrap();
        let again = SqliteStore::create(&place, &hsm_record(), durability).unwrap_err();
        assert!(matches!(again, StoreError::AlreadyThere { .. }), "{again}");
        let generation = store.generation();
        drop(store);
        let mut names: Vec<_> =
            fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [CONTROL_FILE, DATABASE_FILE]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&place), 0o700);
        assert_eq!(mode(&place.join(DATABASE_FILE)), 0o600);
        assert_eq!(mode(&place.join(CONTROL_FILE)), 0o600);
        let store = SqliteStore::open(&place, durability).unwrap();
        assert_eq!(store.generation(), generation);
        assert_eq!(store.hsm().unwrap(), hsm_record());
        assert_eq!(store.load_object(1).unwrap().unwrap().label, b"a");
        store.verify().unwrap();
    }
}

#[test]
fn a_crash_while_making_leaves_nothing_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    // What a killed `create` leaves: its temporary file, and the page.
    fs::write(folder.path().join(".hsm.sqlite.1.0.tmp"), b"half").unwrap();
    crate::env::ControlPage::create(&folder.path().join(CONTROL_FILE), 0o600).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::Missing { .. })));
    SqliteStore::create(folder.path(), &hsm_record(), Durability::Process).unwrap();
    open(folder.path()).unwrap().verify().unwrap();
}

#[test]
fn other_files_are_told_apart_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DATABASE_FILE);
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = open(folder.path()).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{error}");
        assert!(!folder.path().join(CONTROL_FILE).exists());
        assert!(matches!(
            SqliteStore::create(folder.path(), &hsm_record(), Durability::Process),
            Err(StoreError::AlreadyThere { .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), bytes);
        let _ = fs::remove_file(folder.path().join(CONTROL_FILE));
        error
    };
    let noise: Vec<u8> =
        (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert!(matches!(refused(b""), StoreError::NotADatabase { .. }));
    assert!(matches!(refused(b"short"), StoreError::NotADatabase { .. }));
    assert!(matches!(refused(&noise), StoreError::NotADatabase { .. }));

    let elsewhere = folder.path().join("other");
    let connection = rusqlite::Connection::open(&elsewhere).unwrap();
    connection.execute_batch("CREATE TABLE t (a); PRAGMA user_version = 1").unwrap();
    drop(connection);
    let foreign = fs::read(&elsewhere).unwrap();
    let error = refused(&foreign);
    assert!(
        matches!(&error, StoreError::NotADatabase { reason, .. }
        if reason.contains("another program")),
        "{error}"
    );

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::NotADatabase { .. })));
    fs::remove_dir(&path).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::Missing { .. })));
    assert!(!path.exists());
}

#[test]
fn a_later_format_is_refused() {
    let folder = closed();
    let path = folder.path().join(DATABASE_FILE);
    let mut bytes = fs::read(&path).unwrap();
    // The user version stands at byte 60 of the header, big-endian.
    bytes[60..64].copy_from_slice(&4_u32.to_be_bytes());
    fs::write(&path, &bytes).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::NewerFormat { found: 4, known: 3, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    bytes[60..64].copy_from_slice(&0_u32.to_be_bytes());
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::NotADatabase { .. })));
}

/// Format 1, of the first releases, had no table of what was destroyed.
#[test]
fn an_earlier_format_is_brought_up_to_date() {
    let folder = closed();
    let connection = rusqlite::Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
    connection
        .execute_batch("DROP TABLE destroyed; DROP TABLE audit; PRAGMA user_version = 1")
        .unwrap();
    drop(connection);
    let handle = {
        let store = open(folder.path()).unwrap();
        let handles = store.insert_objects(PARTITION, &[object("a")], &ouid_of).unwrap();
        handles[0]
    };
    let store = open(folder.path()).unwrap();
    assert!(store.delete_object(handle).unwrap());
    drop(store);
    let connection = rusqlite::Connection::open(folder.path().join(DATABASE_FILE)).unwrap();
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("PRAGMA user_version"), 3);
    assert_eq!(count("SELECT count(*) FROM destroyed"), 1);
}

#[test]
fn damage_is_found_and_never_made_worse() {
    let folder = closed();
    let path = folder.path().join(DATABASE_FILE);
    let whole = fs::read(&path).unwrap();
    let all = Query { include_private: true, ..Query::default() };
    let mut found = 0;
    for cut in (0..whole.len()).step_by(4096).chain([50, 100, 5000]) {
        fs::write(&path, &whole[..cut]).unwrap();
        let error = open(folder.path()).unwrap_err();
        assert!(
            matches!(error, StoreError::Corrupt { .. } | StoreError::NotADatabase { .. }),
            "{cut}: {error}"
        );
        assert_eq!(fs::read(&path).unwrap(), whole[..cut]);
    }
    // Every page but the first, which is the header, overwritten in turn.
    for page in 1..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0xd5);
        fs::write(&path, &bytes).unwrap();
        let outcome = open(folder.path()).and_then(|store| {
            store.verify()?;
            store.find(PARTITION, &all)?;
            store.load_object(1)
        });
        match outcome {
            Err(StoreError::Corrupt { .. }) => found += 1,
            // Free pages and the like.
            Ok(Some(object)) => assert_eq!(object.label, b"a"),
            other => panic!("page {page}: {other:?}"),
        }
    }
    assert!(found >= 8, "{found}");
    fs::write(&path, &whole).unwrap();
    open(folder.path()).unwrap().verify().unwrap();
}

#[test]
fn a_missing_page_is_made_anew_and_a_wrong_one_refused() {
    let folder = closed();
    let control = folder.path().join(CONTROL_FILE);
    let generation = open(folder.path()).unwrap().generation();
    fs::remove_file(&control).unwrap();
    assert_eq!(open(folder.path()).unwrap().generation(), generation);
    fs::write(&control, b"something else").unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Page(_)), "{error}");
    assert_eq!(fs::read(&control).unwrap(), b"something else");
}

#[test]
fn what_may_only_be_read_is_read() {
    let folder = closed();
    let everything_works = |folder: &Path| {
        let store = open(folder).unwrap();
        assert!(store.is_read_only());
        assert_eq!(store.hsm().unwrap(), hsm_record());
        assert_eq!(store.load_object(1).unwrap().unwrap().label, b"a");
        assert_eq!(store.generation(), store.committed_generation().unwrap());
        let error = store.put_hsm(hsm_record()).unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
        assert!(matches!(store.bump(Word::Restarts), Err(StoreError::ReadOnly { .. })));
        assert!(matches!(
            store.change_role(PARTITION, 1, &mut |_| panic!("not to be called")),
            Err(StoreError::ReadOnly { .. })
        ));
    };
    let (database, control) = (folder.path().join(DATABASE_FILE), folder.path().join(CONTROL_FILE));
    // The directory.
    set_mode(folder.path(), 0o555);
    as_an_ordinary_user(folder.path(), || everything_works(folder.path()));
    // The files too, and then without a page.
    set_mode(&database, 0o444);
    set_mode(&control, 0o444);
    as_an_ordinary_user(folder.path(), || everything_works(folder.path()));
    fs::remove_file(&control).unwrap_or_else(|_| {
        set_mode(folder.path(), 0o755);
        fs::remove_file(&control).unwrap();
        set_mode(folder.path(), 0o555);
    });
    as_an_ordinary_user(folder.path(), || everything_works(folder.path()));
    // The file alone.
    set_mode(folder.path(), 0o755);
    as_an_ordinary_user(folder.path(), || everything_works(folder.path()));
    // Nothing at all.
    set_mode(&database, 0o000);
    as_an_ordinary_user(folder.path(), || {
        let error = open(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::Permission { .. }), "{error}");
    });
    for entry in fs::read_dir(folder.path()).unwrap() {
        // SQLite gave the files it made the permission the database had.
        set_mode(&entry.unwrap().path(), 0o600);
    }
    as_an_ordinary_user(folder.path(), || {
        let store = open(folder.path()).unwrap();
        assert!(!store.is_read_only());
        store.put_hsm(hsm_record()).unwrap();
    });
}

#[test]
fn a_reader_that_cannot_see_a_writer_is_stopped() {
    let folder = closed();
    set_mode(folder.path(), 0o755);
    // Everybody may read, one may write.
    for name in [DATABASE_FILE, CONTROL_FILE] {
        set_mode(&folder.path().join(name), 0o444);
    }
    set_mode(folder.path(), 0o555);
    let steps = Shared::new(1);
    let wait_for = |step| {
        while steps.load(0) < step {
            std::thread::yield_now();
        }
    };
    as_an_ordinary_user(folder.path(), || {
        let reader = Child::run(|| {
            let store = open(folder.path()).unwrap();
            store.hsm().unwrap();
            steps.store(0, 1);
            wait_for(2);
            let error = store.hsm().unwrap_err();
            assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
        });
        wait_for(1);
        set_mode(folder.path(), 0o755);
        set_mode(&folder.path().join(DATABASE_FILE), 0o644);
        set_mode(&folder.path().join(CONTROL_FILE), 0o644);
        let store = open(folder.path()).unwrap();
        store.put_hsm(HsmRecord { profile: "other".into(), ..hsm_record() }).unwrap();
        drop(store);
        steps.store(0, 2);
        assert_eq!(reader.wait(), 0);
    });
}

#[test]
fn a_log_that_cannot_be_read_is_not_passed_over() {
    let (folder, store) = in_directory();
    let acknowledged = Shared::new(1);
    // A process that is killed leaves its last writes in the log.
    let child = Child::run(|| {
        store.insert_objects(PARTITION, &[object("in the log")], &ouid_of).unwrap();
        acknowledged.store(0, 1);
        loop {
            std::thread::yield_now();
        }
    });
    while acknowledged.load(0) == 0 {
        std::thread::yield_now();
    }
    child.kill();
    child.wait();
    // Two files of three, moved where the third cannot be made.
    let copy = tempfile::tempdir().unwrap();
    for name in [DATABASE_FILE, "hsm.sqlite-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    assert!(fs::metadata(copy.path().join("hsm.sqlite-wal")).unwrap().len() > 0);
    set_mode(copy.path(), 0o555);
    as_an_ordinary_user(copy.path(), || {
        match open(copy.path()) {
            Err(StoreError::ReadOnly { .. }) => {}
            // A SQLite that can read the log in private memory shows what is in it.
            Ok(store) => assert_eq!(store.load_object(1).unwrap().unwrap().label, b"in the log"),
            Err(error) => panic!("{error}"),
        }
    });
    set_mode(copy.path(), 0o755);
    let store = open(copy.path()).unwrap();
    assert_eq!(store.load_object(1).unwrap().unwrap().label, b"in the log");
}

#[test]
fn a_full_disk_changes_nothing() {
    let (folder, store) = in_directory();
    store.leave_room_for(3);
    let large = NewObject { attributes: vec![1; 3000], ..object("a") };
    let mut stored = Vec::new();
    let error = loop {
        match store.insert_objects(PARTITION, &[large.clone(), large.clone()], &ouid_of) {
            Ok(handles) => stored.extend(handles),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    let all = Query { include_private: true, ..Query::default() };
    assert_eq!(store.find(PARTITION, &all).unwrap(), stored);
    assert_eq!(store.count(PARTITION).unwrap().objects, stored.len() as u64);
    assert_eq!(store.generation(), store.committed_generation().unwrap());
    // Room is made by deleting.
    assert!(store.delete_object(stored[0]).unwrap());
    store.verify().unwrap();
    drop(store);
    open(folder.path()).unwrap().verify().unwrap();
}

/// A file size limit is the nearest thing to a full disk a process can give itself: here the
/// write of the log itself fails, at the commit.
#[test]
fn a_log_that_cannot_grow_changes_nothing() {
    let (folder, store) = in_directory();
    drop(store);
    let child = Child::run(|| {
        let store = open(folder.path()).unwrap();
        store.put_role(PARTITION, role_record(1)).unwrap();
        let log = fs::metadata(folder.path().join("hsm.sqlite-wal")).unwrap().len();
        let limit = libc::rlimit { rlim_cur: log + 20_000, rlim_max: log + 20_000 };
        // SAFETY: limits this child alone; the signal would end it otherwise.
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
        }
        let large = NewObject { attributes: vec![1; 9000], ..object("a") };
        let before = (store.generation(), store.count(PARTITION).unwrap());
        let error = store
            .insert_objects(PARTITION, &[large.clone(), large.clone(), large], &ouid_of)
            .unwrap_err();
        assert!(matches!(error, StoreError::Full { .. } | StoreError::Io { .. }), "{error}");
        assert_eq!(store.committed_generation().unwrap(), before.0);
        assert_eq!(store.count(PARTITION).unwrap(), before.1);
        let set = store.changes_since(before.0).unwrap();
        assert_eq!((set.generation, store.generation()), (before.0, before.0));
        assert_eq!(set.objects, Changes::Handles(Vec::new()));
    });
    assert_eq!(child.wait(), 0);
    let store = open(folder.path()).unwrap();
    store.verify().unwrap();
    assert_eq!(store.count(PARTITION).unwrap(), Usage::default());
    store.insert_objects(PARTITION, &[object("a")], &ouid_of).unwrap();
}

#[test]
fn a_snapshot_is_a_whole_store() {
    let (folder, store) = in_directory();
    store.insert_objects(PARTITION, &[object("a")], &ouid_of).unwrap();
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).unwrap();
    let target = copy.join(DATABASE_FILE);
    store.snapshot(&target).unwrap();
    assert!(matches!(store.snapshot(&target), Err(StoreError::AlreadyThere { .. })));
    store.delete_object(1).unwrap();
    let second = open(&copy).unwrap();
    second.verify().unwrap();
    assert_eq!(second.load_object(1).unwrap().unwrap().label, b"a");
    assert_eq!(second.hsm().unwrap(), hsm_record());
    assert_eq!(second.insert_objects(PARTITION, &[object("b")], &ouid_of).unwrap(), [2]);
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
}
