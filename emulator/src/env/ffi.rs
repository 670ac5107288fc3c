//! One page of one file, mapped for reading.
//!
//! This is the only `unsafe` of the room. A mapping is the one way to look at a value another
//! process changes without asking the kernel each time; the standard library has none, and a
//! crate for it would hide the same three calls.

#![allow(unsafe_code, reason = "memory mapping has no safe interface in the standard library")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the mapping.
pub(super) const PAGE_BYTES: usize = 4096;

/// The words of the mapping.
pub(super) const PAGE_WORDS: usize = PAGE_BYTES / size_of::<u64>();

/// The first [`PAGE_BYTES`] of a file, shared with everybody who maps or writes it.
#[derive(Debug)]
pub(super) struct Mapping {
    words: NonNull<AtomicU64>,
}

// SAFETY: the memory is read through atomics only and stays mapped until the drop, which needs
// the value itself; nothing in it belongs to one thread.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `file`, which must be [`PAGE_BYTES`] long and never get shorter.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        // SAFETY: a new mapping at an address the kernel chooses, of a descriptor that is open
        // for the length of the call. It aliases no Rust object.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE_BYTES,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(address.cast()).map(|words| Self { words }).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "the kernel mapped the page at address 0")
        })
    }

    /// The word at `index`, or 0 beyond the page.
    pub(super) fn load(&self, index: usize) -> u64 {
        if index >= PAGE_WORDS {
            return 0;
        }
        // SAFETY: `index` is inside the mapping, which is page aligned, so the word is aligned
        // and readable. Others change it behind our back; an atomic load of a type without
        // invalid values is what that needs. The mapping is read-only, and nothing here stores.
        let word = unsafe { self.words.add(index).as_ref() };
        word.load(Ordering::Acquire)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `of` mapped; `self` is gone afterwards.
        unsafe { libc::munmap(self.words.as_ptr().cast(), PAGE_BYTES) };
    }
}
