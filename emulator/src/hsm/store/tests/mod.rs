//! The store's promises, one file per theme.

#![allow(unsafe_code, reason = "processes are forked, killed and waited for")]

mod contract;
mod opening;
mod processes;
mod searching;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const PARTITION: &str = "1238700701510";
const OTHER: &str = "1238700701511";

fn hsm_record() -> HsmRecord {
    HsmRecord {
        serial: "7001234".into(),
        profile: "luna-7".into(),
        policies: BTreeMap::from([(12, 1)]),
        device_key: vec![7; 32],
        created: 1_700_000_000,
        extra: b"more".to_vec(),
    }
}

fn partition_record(serial: &str) -> PartitionRecord {
    PartitionRecord {
        serial: serial.into(),
        label: "OKV".into(),
        initialized: true,
        policies: BTreeMap::from([(0, 1), (15, 0)]),
        domain: vec![1, 2, 3],
        object_counter: 0,
        created: 1_700_000_001,
        extra: Vec::new(),
    }
}

fn role_record(role: u8) -> RoleRecord {
    RoleRecord {
        role,
        salt: vec![9; 16],
        iterations: 1000,
        wrapped_key: vec![5; 40],
        failed: 0,
        must_change: false,
        version: 1,
        locked: false,
    }
}

fn object(label: &str) -> NewObject {
    NewObject {
        class: 4,
        key_type: Some(0x1f),
        label: label.into(),
        id: Vec::new(),
        application: Vec::new(),
        private: true,
        ouid: None,
        unless_destroyed_since: None,
        attributes: label.repeat(10).into_bytes(),
        secret: vec![0xee; 60],
    }
}

fn ouid_of(count: u64) -> [u8; 12] {
    let mut ouid = *b"OUIDxxxxxxxx";
    ouid[4..].copy_from_slice(&count.to_be_bytes());
    ouid
}

/// A store in a directory of its own, with two partitions.
fn in_directory() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::create(folder.path(), &hsm_record(), Durability::Process).unwrap();
    furnish(&store);
    (folder, store)
}

fn in_memory() -> SqliteStore {
    let store = SqliteStore::in_memory(&hsm_record()).unwrap();
    furnish(&store);
    store
}

fn furnish(store: &SqliteStore) {
    store.put_partition(partition_record(PARTITION)).unwrap();
    store.put_partition(partition_record(OTHER)).unwrap();
}

/// A process of its own.
struct Child(libc::pid_t);

impl Child {
    /// Forks as the handlers of `pthread_atfork` would have it, and runs `work` in the child.
    fn run(work: impl FnOnce()) -> Self {
        before_fork();
        // SAFETY: the child runs `work` and leaves by `_exit`; the store's locks are taken care
        // of around the call, the allocator's by the C library.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid > 0 {
            after_fork_in_parent();
            return Self(pid);
        }
        after_fork_in_child();
        let failed = catch_unwind(AssertUnwindSafe(work)).is_err();
        // SAFETY: ends the child without running what belongs to the parent.
        unsafe { libc::_exit(i32::from(failed)) }
    }

    fn kill(&self) {
        // SAFETY: the child has not been waited for, so the number is still its own.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
    }

    /// The status word of `waitpid`: 0 when `work` went well.
    fn wait(self) -> i32 {
        let mut status = 0;
        // SAFETY: waits for our own child; the status is ours to write.
        let waited = unsafe { libc::waitpid(self.0, &raw mut status, 0) };
        assert_eq!(waited, self.0);
        status
    }
}

/// Numbers that this process and its children share.
struct Shared {
    words: &'static [AtomicU64],
}

impl Shared {
    fn new(words: usize) -> Self {
        // SAFETY: a new anonymous mapping, never unmapped; zeroes are valid atomics.
        let words = unsafe {
            let address = libc::mmap(
                std::ptr::null_mut(),
                words * 8,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(address, libc::MAP_FAILED);
            std::slice::from_raw_parts(address.cast(), words)
        };
        Self { words }
    }

    fn load(&self, index: usize) -> u64 {
        self.words[index].load(Ordering::SeqCst)
    }

    fn store(&self, index: usize, value: u64) {
        self.words[index].store(value, Ordering::SeqCst);
    }
}
