//! Cells of the caller's that get one number each.

use super::NOWHERE;
use crate::abi::ptr::Place;
use crate::ck::*;
use crate::error::Result;

/// # Safety
/// Each cell is null, or valid for writing a number.
pub(super) unsafe fn places<const N: usize>(
    cells: [CK_ULONG_PTR; N],
) -> Result<Vec<Place<CK_ULONG>>> {
    // SAFETY: passed on.
    cells.into_iter().map(|cell| unsafe { Place::new(cell, NOWHERE) }).collect()
}

/// # Safety
/// Each cell is null, or valid for writing a number.
pub(super) unsafe fn put_all<const N: usize>(
    cells: [CK_ULONG_PTR; N],
    values: impl FnOnce() -> Result<[CK_ULONG; N]>,
) -> Result<()> {
    // SAFETY: passed on.
    let places = unsafe { places(cells)? };
    for (place, value) in places.iter().zip(values()?) {
        place.put(value);
    }
    Ok(())
}
