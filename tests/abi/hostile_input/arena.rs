//! Memory whose end is guarded.

use std::ptr;

/// What one argument may point to; the longest length that is not absurd fits.
const BYTES: usize = 256 << 10;
const PAGE: usize = 4096;

/// A block of memory with a page behind it that nobody may touch.
pub(super) struct Arena(*mut u8);

impl Arena {
    pub(super) fn new() -> Self {
        // SAFETY: a new private mapping at an address the kernel chooses aliases nothing.
        let at = unsafe {
            libc::mmap(
                ptr::null_mut(),
                BYTES + PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(at, libc::MAP_FAILED);
        let at = at.cast::<u8>();
        // SAFETY: the last page of the mapping above.
        let guarded = unsafe { libc::mprotect(at.add(BYTES).cast(), PAGE, libc::PROT_NONE) };
        assert_eq!(guarded, 0);
        Self(at)
    }

    /// Where a block of so many bytes begins that ends with the arena. An absurd length begins where the arena
    /// does, so that reading it would soon be seen.
    pub(super) fn ending(&self, len: usize) -> usize {
        self.0.addr() + BYTES - if len <= BYTES { len } else { BYTES }
    }

    /// Fills all of it.
    pub(super) fn fill(&self, byte: u8) {
        // SAFETY: the mapping is ours, and this long.
        unsafe { self.0.write_bytes(byte, BYTES) };
    }

    /// Puts a value at an address that [`Arena::ending`] gave.
    pub(super) fn put<T: Copy>(&self, address: usize, value: T) {
        let offset = address - self.0.addr();
        assert!(offset + size_of::<T>() <= BYTES);
        // SAFETY: within the mapping, and ours.
        unsafe { self.0.add(offset).cast::<T>().write_unaligned(value) };
    }
}
