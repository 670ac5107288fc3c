//! Several processes on one store: counting, killing, forking.

use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

fn all() -> Query {
    Query { include_private: true, ..Query::default() }
}

#[test]
fn no_process_and_no_thread_loses_a_count() {
    let (folder, store) = in_directory();
    store.put_role(PARTITION, role_record(1)).unwrap();
    let count = |store: &SqliteStore| {
        for _ in 0..100 {
            store.change_role(PARTITION, 1, &mut |role| role.failed += 1).unwrap();
        }
    };
    let children: Vec<_> = (0..3)
        .map(|_| {
            Child::run(|| {
                let own = SqliteStore::open(folder.path(), Durability::Process).unwrap();
                count(&own);
            })
        })
        .collect();
    thread::scope(|scope| {
        scope.spawn(|| count(&store));
        scope.spawn(|| count(&store));
    });
    for child in children {
        assert_eq!(child.wait(), 0);
    }
    assert_eq!(store.role(PARTITION, 1).unwrap().unwrap().failed, 500);
    assert_eq!(store.generation(), store.committed_generation().unwrap());
}

/// A cache kept by the rule of the room never disagrees with what another process has already
/// been told is stored.
#[test]
fn a_cache_kept_by_the_rule_is_never_stale() {
    let (folder, store) = in_directory();
    store.put_role(PARTITION, role_record(1)).unwrap();
    let said = Shared::new(2);
    let child = Child::run(|| {
        let own = SqliteStore::open(folder.path(), Durability::Process).unwrap();
        for version in 2..=2000 {
            own.change_role(PARTITION, 1, &mut |role| role.version = version).unwrap();
            said.store(0, version);
        }
        said.store(1, 1);
    });
    let mut cached = (0, 0);
    let (mut hits, mut loads) = (0_u32, 0_u32);
    loop {
        // Asked before the look, so that one look at least follows the last word of the child.
        let last = said.load(1) != 0 && hits >= 1000;
        let acknowledged = said.load(0);
        if store.generation() == cached.0 {
            hits += 1;
        } else {
            let generation = store.changes_since(cached.0).unwrap().generation;
            cached = (generation, store.role(PARTITION, 1).unwrap().unwrap().version);
            loads += 1;
        }
        assert!(cached.1 >= acknowledged, "{} after {acknowledged}", cached.1);
        if last {
            break;
        }
    }
    assert_eq!(child.wait(), 0);
    assert_eq!(cached.1, 2000);
    assert!(loads > 1);
}

/// Nor do the answers the store itself keeps.
#[test]
fn a_search_finds_what_another_process_was_told_is_there() {
    let (folder, store) = in_directory();
    let said = Shared::new(2);
    let child = Child::run(|| {
        let own = SqliteStore::open(folder.path(), Durability::Process).unwrap();
        for count in 1..=500 {
            own.insert_objects(PARTITION, &[object("same")], &ouid_of).unwrap();
            said.store(0, count);
        }
        said.store(1, 1);
    });
    let same = Query { label: Some(b"same".to_vec()), ..all() };
    let mut searches = 0_u32;
    while said.load(1) == 0 || searches < 1000 {
        let acknowledged = said.load(0);
        let found = store.find(PARTITION, &same).unwrap().len() as u64;
        assert!(found >= acknowledged, "{found} after {acknowledged}");
        searches += 1;
    }
    assert_eq!(child.wait(), 0);
    assert_eq!(store.find(PARTITION, &same).unwrap().len(), 500);
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let (folder, store) = in_directory();
    drop(store);
    let said = Shared::new(8);
    let mut acknowledged = 0;
    for round in 0..50_u64 {
        // Two processes insert pairs and say so; both are killed at some moment.
        let children = [1, 2].map(|word| {
            said.store(word, 0);
            Child::run(|| {
                let store = SqliteStore::open(folder.path(), Durability::Process).unwrap();
                loop {
                    let pair = [object("public"), object("private")];
                    let handles = store.insert_objects(PARTITION, &pair, &ouid_of).unwrap();
                    said.store(word + 2, handles[1]);
                    said.store(word, said.load(word) + 2);
                }
            })
        });
        while said.load(1) + said.load(2) < 2 + round % 7 * 4 {
            thread::yield_now();
        }
        for child in children {
            child.kill();
            assert_eq!(child.wait(), libc::SIGKILL);
        }
        acknowledged += said.load(1) + said.load(2);
        let store = SqliteStore::open(folder.path(), Durability::Process).unwrap();
        let present = store.find(PARTITION, &all()).unwrap();
        // Each killed process may have had one pair stored and not yet acknowledged.
        let count = present.len() as u64;
        assert!((acknowledged..=acknowledged + 4).contains(&count), "{count} {acknowledged}");
        assert_eq!(count % 2, 0);
        assert_eq!(store.count(PARTITION).unwrap().objects, count);
        for word in [3, 4] {
            assert!(said.load(word) == 0 || present.contains(&said.load(word)));
        }
        assert_eq!(store.generation(), store.committed_generation().unwrap());
        acknowledged = count;
    }
    let store = SqliteStore::open(folder.path(), Durability::Process).unwrap();
    store.verify().unwrap();
    for pair in store.find(PARTITION, &all()).unwrap().chunks(2) {
        let labels: Vec<_> =
            pair.iter().map(|handle| store.load_object(*handle).unwrap().unwrap()).collect();
        assert_eq!(pair[1], pair[0] + 1);
        assert_eq!(
            (labels[0].label.as_slice(), labels[1].label.as_slice()),
            (b"public".as_slice(), b"private".as_slice())
        );
        assert_eq!(labels[1].attributes, "private".repeat(10).into_bytes());
    }
}

#[test]
fn a_busy_process_can_fork() {
    let (folder, store) = in_directory();
    let memory = in_memory();
    memory.insert_objects(PARTITION, &[object("kept")], &ouid_of).unwrap();
    let stop = AtomicBool::new(false);
    let inserted = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    store.insert_objects(PARTITION, &[object("a")], &ouid_of).unwrap();
                    inserted.fetch_add(1, Ordering::Relaxed);
                    store.find(PARTITION, &all()).unwrap();
                }
            });
        }
        scope.spawn(|| {
            // Opening and closing must not meet a fork halfway either.
            while !stop.load(Ordering::Relaxed) {
                let own = SqliteStore::open(folder.path(), Durability::Process).unwrap();
                own.count(PARTITION).unwrap();
            }
        });
        for round in 0..200 {
            let before = inserted.load(Ordering::Relaxed);
            let child = Child::run(|| {
                // The parent's own value goes on working, and so does a new one.
                assert!(store.count(PARTITION).unwrap().objects >= before);
                assert_eq!(memory.load_object(1).unwrap().unwrap().label, b"kept");
                if round % 10 == 0 {
                    store.insert_objects(OTHER, &[object("child")], &ouid_of).unwrap();
                    let own = SqliteStore::open(folder.path(), Durability::Process).unwrap();
                    assert!(own.count(OTHER).unwrap().objects > round / 10);
                }
            });
            assert_eq!(child.wait(), 0, "round {round}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(store.count(PARTITION).unwrap().objects, inserted.load(Ordering::Relaxed));
    assert_eq!(store.count(OTHER).unwrap().objects, 20);
    store.verify().unwrap();
}

#[test]
fn forks_may_nest_and_meet() {
    let (_folder, store) = in_directory();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..20 {
                    // As when a test and the registered handlers both do it.
                    before_fork();
                    let child = Child::run(|| {
                        after_fork_in_child();
                        store.hsm().unwrap();
                    });
                    after_fork_in_parent();
                    assert_eq!(child.wait(), 0);
                    store.put_hsm(hsm_record()).unwrap();
                }
            });
        }
    });
    store.verify().unwrap();
}

#[test]
fn a_fork_behind_the_stores_back_is_refused() {
    let (_folder, store) = in_directory();
    store.hsm().unwrap();
    // The other tests of this process must not be torn by this fork: their slots are held, and
    // only ours is given its connection back.
    let child = Child::run(|| {
        // Connected here, so the next fork has something to carry over.
        store.hsm().unwrap();
        // The system call itself: `fork` would run the handlers that another test of this program
        // may have registered.
        // SAFETY: this process has one thread, and the new one only asks and leaves.
        let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
        let pid = i32::try_from(pid).unwrap();
        if pid == 0 {
            let refused = matches!(store.hsm(), Err(StoreError::Forked { .. }))
                && matches!(store.put_hsm(hsm_record()), Err(StoreError::Forked { .. }));
            // SAFETY: as in `Child::run`.
            unsafe { libc::_exit(i32::from(!refused)) }
        }
        assert_eq!(Child(pid).wait(), 0);
        store.put_hsm(hsm_record()).unwrap();
    });
    assert_eq!(child.wait(), 0);
    store.verify().unwrap();
}

#[test]
fn a_writer_waits_for_another() {
    let (folder, store) = in_directory();
    let held = Shared::new(2);
    let child = Child::run(|| {
        let own = SqliteStore::open(folder.path(), Durability::Process).unwrap();
        own.change_partition(PARTITION, &mut |partition| {
            partition.label = "held".into();
            held.store(0, 1);
            while held.load(1) == 0 {
                thread::yield_now();
            }
        })
        .unwrap();
    });
    while held.load(0) == 0 {
        thread::yield_now();
    }
    // Readers do not wait for writers.
    assert_eq!(store.partition(PARTITION).unwrap().unwrap().label, "OKV");
    // Nor does a fork wait for a writer that waits.
    thread::scope(|scope| {
        let waiting = scope.spawn(|| store.put_hsm(hsm_record()));
        for _ in 0..3 {
            let child = Child::run(|| assert_eq!(store.hsm().unwrap(), hsm_record()));
            assert_eq!(child.wait(), 0);
        }
        held.store(1, 1);
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(child.wait(), 0);
    assert_eq!(store.partition(PARTITION).unwrap().unwrap().label, "held");
}
