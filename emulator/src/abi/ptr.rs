//! Caller memory: input slices, single cells, lists and the two-pass output buffer.
//!
//! The unsafe step is making one of these from a raw pointer, with the promise of the exported
//! function's Safety section; using it afterwards is safe. Nothing here is kept longer than the
//! call. Pointers may be unaligned, so cells are read and written byte-wise.

use std::ptr::NonNull;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::output::{Output, Room};

/// The longest input one call takes; more is an argument error before anything is read.
///
/// A bound of ours: 1 GiB is far above what an HSM takes in one call and far below what a wrong
/// length field contains.
pub(super) const INPUT_BYTES_MAX: usize = 1 << 30;

/// By how much an output may be longer than its input and still be written where the caller wants
/// it at once: paddings, tags and vectors, digests.
const OUTPUT_OVER_INPUT: usize = 256;

fn arguments_bad(rule: &'static str) -> Error {
    Error::new(Cause::ArgumentsBad, rule)
}

/// The caller's bytes, borrowed for the length of the call.
///
/// Borrowed, not copied: they are bulk data, a copy of a mebibyte costs as much as encrypting it,
/// and no output is written before the last input byte was used, so that buffers may overlap.
/// A null pointer with length 0 is an empty input.
///
/// # Errors
/// `ArgumentsBad`: null with a length, longer than [`INPUT_BYTES_MAX`], or past the end of the
/// address space.
///
/// # Safety
/// `at` is null, or valid for reads of `len` bytes while the result lives, if `len` is no more
/// than [`INPUT_BYTES_MAX`].
pub(super) unsafe fn bytes<'a>(at: *const CK_BYTE, len: CK_ULONG) -> Result<&'a [u8]> {
    let len = usize::try_from(len)
        .ok()
        .filter(|len| *len <= INPUT_BYTES_MAX)
        .ok_or_else(|| arguments_bad("an input is longer than a call can take"))?;
    if len == 0 {
        return Ok(&[]);
    }
    if at.is_null() {
        return Err(arguments_bad("an input of some length has a null pointer"));
    }
    if at.addr().checked_add(len).is_none() {
        return Err(arguments_bad("an input ends behind the end of the address space"));
    }
    // SAFETY: not null, no longer than the bound, and the caller vouches for that many bytes;
    // bytes have no alignment.
    Ok(unsafe { std::slice::from_raw_parts(at, len) })
}

/// A credential: none where the pointer is null, which asks for the protected path (PED).
///
/// # Errors
/// As [`bytes`].
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn credential<'a>(at: *const CK_BYTE, len: CK_ULONG) -> Result<Option<&'a [u8]>> {
    // SAFETY: passed on.
    let bytes = unsafe { bytes(at, len)? };
    Ok(if at.is_null() { None } else { Some(bytes) })
}

/// One value of the caller's.
///
/// # Errors
/// `ArgumentsBad` with `rule` when the pointer is null.
///
/// # Safety
/// `at` is null or valid for reading a `T`, aligned or not.
pub(super) unsafe fn read<T: Copy>(at: *const T, rule: &'static str) -> Result<T> {
    if at.is_null() {
        return Err(arguments_bad(rule));
    }
    // SAFETY: not null, and the caller vouches for the rest.
    Ok(unsafe { at.read_unaligned() })
}

/// A NUL-terminated string of the caller's, without its NUL.
///
/// # Errors
/// `ArgumentsBad` when no NUL comes within `most` bytes.
///
/// # Safety
/// `at` is not null and valid for reads up to and including its NUL, or of `most` bytes.
pub(super) unsafe fn terminated(at: NonNull<u8>, most: usize) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for offset in 0..most {
        // SAFETY: every byte before this one was not the NUL, so this one is the caller's too.
        match unsafe { at.add(offset).read() } {
            0 => return Ok(text),
            byte => text.push(byte),
        }
    }
    Err(arguments_bad("a text does not end where every text should have ended"))
}

/// Where one result goes.
#[derive(Debug)]
pub(super) struct Place<T>(NonNull<T>);

impl<T: Copy> Place<T> {
    /// # Errors
    /// `ArgumentsBad` with `rule` when the pointer is null.
    ///
    /// # Safety
    /// `at` is null, or valid for reading and writing a `T`, aligned or not, while the place
    /// lives.
    pub(super) unsafe fn new(at: *mut T, rule: &'static str) -> Result<Self> {
        NonNull::new(at).map(Self).ok_or_else(|| arguments_bad(rule))
    }

    /// What is there now.
    pub(super) fn value(&self) -> T {
        // SAFETY: `new` was promised that it can be read.
        unsafe { self.0.as_ptr().read_unaligned() }
    }

    /// Writes the result.
    pub(super) fn put(&self, value: T) {
        // SAFETY: `new` was promised that it can be written.
        unsafe { self.0.as_ptr().write_unaligned(value) }
    }
}

/// A list with its count: slots, mechanisms, policies.
#[derive(Debug)]
pub(super) struct List<T> {
    items: *mut T,
    count: Place<CK_ULONG>,
}

impl<T: Copy> List<T> {
    /// # Errors
    /// `ArgumentsBad` when the pointer to the count is null.
    ///
    /// # Safety
    /// `count` as for [`Place::new`]; `items` is null or valid for writing `*count` items.
    pub(super) unsafe fn new(items: *mut T, count: *mut CK_ULONG) -> Result<Self> {
        // SAFETY: passed on.
        let count = unsafe { Place::new(count, "a list has nowhere to put its length")? };
        Ok(Self { items, count })
    }

    /// Whether the caller's list is too short for so many items. A null list is not: it asks.
    fn is_short(&self, items: usize) -> bool {
        !self.items.is_null() && usize::try_from(self.count.value()).is_ok_and(|room| room < items)
    }

    /// Writes the count, and the items where there is room for all of them.
    ///
    /// # Errors
    /// `BufferTooSmall` when there is not; the count says how many there are.
    pub(super) fn put(&self, items: &[T]) -> Result<()> {
        Self::put_all(&[(self, items)])
    }

    /// Writes several lists of one answer: all of them, or only their counts.
    ///
    /// # Errors
    /// As [`List::put`].
    pub(super) fn put_all(lists: &[(&Self, &[T])]) -> Result<()> {
        let short = lists.iter().any(|(list, items)| list.is_short(items.len()));
        for (list, items) in lists {
            if !short && !list.items.is_null() {
                for (offset, item) in items.iter().enumerate() {
                    // SAFETY: `new` was promised room for the count, and `is_short` compared it.
                    unsafe { list.items.add(offset).write_unaligned(*item) };
                }
            }
            list.count.put(items.len() as CK_ULONG);
        }
        if short {
            return Err(Error::new(Cause::BufferTooSmall, "the list has room for fewer items"));
        }
        Ok(())
    }
}

/// The two-pass output buffer: the one writer of every result of variable length.
///
/// Source: PKCS#11 v2.40 section 5.2.
#[derive(Debug)]
pub(super) struct Buffer {
    data: *mut CK_BYTE,
    len: Place<CK_ULONG>,
    room: Room,
}

impl Buffer {
    /// # Errors
    /// `ArgumentsBad` when the pointer to the length is null.
    ///
    /// # Safety
    /// `len` as for [`Place::new`]; `data` is null or valid for writing `*len` bytes.
    pub(super) unsafe fn new(data: *mut CK_BYTE, len: *mut CK_ULONG) -> Result<Self> {
        // SAFETY: passed on.
        let len = unsafe { Place::new(len, "an output has nowhere to put its length")? };
        let room = if data.is_null() {
            Room::Ask
        } else {
            // Longer than any buffer can be is as good as endless: only what there is is written.
            Room::Bytes(usize::try_from(len.value()).unwrap_or(usize::MAX))
        };
        Ok(Self { data, len, room })
    }

    /// What the caller has room for, read once.
    pub(super) fn room(&self) -> Room {
        self.room
    }

    /// The caller's buffer itself, for an output that is written while the input is still read:
    /// none where there is no buffer or the two have bytes in common.
    ///
    /// No longer than an output of that input can be, since a caller that has room for it may say
    /// any length.
    ///
    /// # Safety
    /// Nobody writes to the buffer while the result lives.
    pub(super) unsafe fn beside<'a>(&self, input: &[u8]) -> Option<&'a mut [u8]> {
        let Room::Bytes(room) = self.room else { return None };
        let len = room.min(input.len().saturating_add(OUTPUT_OVER_INPUT));
        let (at, from) = (self.data.addr(), input.as_ptr().addr());
        let (end, until) = (at.checked_add(len)?, from.checked_add(input.len())?);
        if at < until && from < end {
            return None;
        }
        // SAFETY: not null, `new` was promised so many bytes, the caller keeps others away, and the
        // input lies elsewhere; bytes have no alignment.
        Some(unsafe { std::slice::from_raw_parts_mut(self.data, len) })
    }

    /// Writes the answer.
    ///
    /// # Errors
    /// `BufferTooSmall` after writing the length needed; `GeneralError` when the library gives
    /// bytes that nobody has room for.
    pub(super) fn put(&self, output: &Output) -> Result<()> {
        match output {
            Output::Size(len) => {
                self.len.put(*len as CK_ULONG);
                Ok(())
            }
            Output::TooSmall(len) => {
                self.len.put(*len as CK_ULONG);
                Err(Error::new(Cause::BufferTooSmall, "the output is longer than the buffer"))
            }
            Output::Placed(len) => {
                self.len.put(*len as CK_ULONG);
                Ok(())
            }
            Output::Data(data) => {
                match self.room {
                    Room::Bytes(room) if data.len() <= room => {
                        // SAFETY: `new` was promised so many bytes, `data` is memory of ours,
                        // and bytes have no alignment.
                        unsafe {
                            std::ptr::copy_nonoverlapping(data.as_ptr(), self.data, data.len());
                        }
                    }
                    // An operation without output (an empty Update) may meet a null buffer.
                    Room::Ask if data.is_empty() => {}
                    _ => {
                        return Err(Error::new(
                            Cause::GeneralError,
                            "an output was made for which there is no room",
                        ));
                    }
                }
                self.len.put(data.len() as CK_ULONG);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause<T: std::fmt::Debug>(result: Result<T>) -> Cause {
        result.unwrap_err().cause()
    }

    #[test]
    fn inputs_are_bounded_before_they_are_read() {
        let data = [1_u8, 2, 3];
        let at = data.as_ptr();
        let null = std::ptr::null();
        // SAFETY: the lengths in bounds are those of `data`; the others are refused unread.
        unsafe {
            assert_eq!(bytes(at, 3).unwrap(), data);
            assert!(bytes(at, 0).unwrap().is_empty());
            assert!(bytes(null, 0).unwrap().is_empty());
            assert_eq!(cause(bytes(null, 1)), Cause::ArgumentsBad);
            for len in [INPUT_BYTES_MAX as CK_ULONG + 1, 1 << 32, 1 << 63, CK_ULONG::MAX] {
                assert_eq!(cause(bytes(at, len)), Cause::ArgumentsBad);
            }
            let last = std::ptr::without_provenance(usize::MAX - 1);
            assert_eq!(cause(bytes(last, 3)), Cause::ArgumentsBad);

            assert_eq!(credential(null, 0).unwrap(), None);
            assert_eq!(credential(at, 0).unwrap(), Some(&[][..]));
            assert_eq!(credential(at, 2).unwrap(), Some(&[1_u8, 2][..]));
            assert_eq!(cause(credential(null, 4)), Cause::ArgumentsBad);
        }
    }

    #[test]
    fn texts_end_within_their_bound() {
        let text = NonNull::from(b"dir\0x").cast();
        // SAFETY: no more than the five bytes are read.
        unsafe {
            assert_eq!(terminated(text, 5).unwrap(), b"dir");
            assert_eq!(terminated(text, 4).unwrap(), b"dir");
            assert_eq!(cause(terminated(text, 3)), Cause::ArgumentsBad);
        }
    }

    #[test]
    fn cells_may_be_unaligned() {
        let mut memory = [0_u64; 3];
        let odd = memory.as_mut_ptr().cast::<u8>().wrapping_add(3).cast::<CK_ULONG>();
        // SAFETY: eight bytes at offset 3 lie inside the 24.
        let place = unsafe { Place::new(odd, "").unwrap() };
        place.put(0x0102_0304_0506_0708);
        assert_eq!(place.value(), 0x0102_0304_0506_0708);
        // SAFETY: as above.
        assert_eq!(unsafe { read(odd.cast_const(), "") }.unwrap(), 0x0102_0304_0506_0708);
        // SAFETY: null is allowed.
        let nowhere = unsafe { Place::new(std::ptr::null_mut::<u8>(), "") };
        assert_eq!(cause(nowhere), Cause::ArgumentsBad);
    }

    #[test]
    fn the_output_buffer_follows_the_two_pass_rules() {
        let mut data = [0_u8; 4];
        let mut len: CK_ULONG = 99;
        let null = std::ptr::null_mut::<u8>();
        let lens = &raw mut len;
        // SAFETY: `data` has the four bytes that `len` says whenever bytes are written.
        unsafe {
            assert_eq!(cause(Buffer::new(data.as_mut_ptr(), null.cast())), Cause::ArgumentsBad);

            let ask = Buffer::new(null, lens).unwrap();
            assert_eq!(ask.room(), Room::Ask);
            ask.put(&Output::Size(7)).unwrap();
            assert_eq!(*lens, 7);
            assert_eq!(cause(ask.put(&Output::Data(vec![1]))), Cause::GeneralError);
            ask.put(&Output::Data(vec![])).unwrap();
            assert_eq!(*lens, 0);

            *lens = 4;
            let buffer = Buffer::new(data.as_mut_ptr(), lens).unwrap();
            assert_eq!(buffer.room(), Room::Bytes(4));
            assert_eq!(cause(buffer.put(&Output::TooSmall(5))), Cause::BufferTooSmall);
            assert_eq!(*lens, 5);
            buffer.put(&Output::Data(vec![8, 9])).unwrap();
            assert_eq!((*lens, data), (2, [8, 9, 0, 0]));
            assert_eq!(cause(buffer.put(&Output::Data(vec![1; 5]))), Cause::GeneralError);
            assert_eq!(data, [8, 9, 0, 0]);
        }
    }

    #[test]
    fn lists_say_how_many_there_are_before_they_are_filled() {
        let mut items = [0_u8; 17];
        let list = items.as_mut_ptr().wrapping_add(1).cast::<CK_ULONG>();
        let mut count: CK_ULONG = 2;
        let counts = &raw mut count;
        // SAFETY: sixteen bytes at offset 1 are the two items the count allows.
        unsafe {
            List::new(std::ptr::null_mut(), counts).unwrap().put(&[7 as CK_ULONG; 3]).unwrap();
            assert_eq!(*counts, 3);
            *counts = 2;
            let short = List::new(list, counts).unwrap();
            assert_eq!(cause(short.put(&[1, 2, 3])), Cause::BufferTooSmall);
            assert_eq!(*counts, 3);
            *counts = 2;
            List::new(list, counts).unwrap().put(&[1, 2]).unwrap();
            assert_eq!((list.read_unaligned(), list.add(1).read_unaligned()), (1, 2));
            *counts = 2;
            List::new(list, counts).unwrap().put(&[5]).unwrap();
            assert_eq!((*counts, list.read_unaligned()), (1, 5));
        }
        // SAFETY: null is allowed.
        let nowhere = unsafe { List::new(list, std::ptr::null_mut()) };
        assert_eq!(cause(nowhere), Cause::ArgumentsBad);
    }

    #[test]
    fn of_two_lists_both_are_filled_or_none() {
        let (mut one, mut two) = ([0 as CK_ULONG; 2], [0 as CK_ULONG; 2]);
        let (mut ones, mut twos): (CK_ULONG, CK_ULONG) = (2, 1);
        let (one_count, two_count) = (&raw mut ones, &raw mut twos);
        // SAFETY: both arrays have two items.
        unsafe {
            let a = List::new(one.as_mut_ptr(), one_count).unwrap();
            let b = List::new(two.as_mut_ptr(), two_count).unwrap();
            let answer = List::put_all(&[(&a, &[1, 2]), (&b, &[3, 4])]);
            assert_eq!(cause(answer), Cause::BufferTooSmall);
            assert_eq!((*one_count, *two_count, a.items.read()), (2, 2, 0));
            List::put_all(&[(&a, &[1, 2]), (&b, &[3, 4])]).unwrap();
        }
        assert_eq!((one, two), ([1, 2], [3, 4]));
    }
}
