//! Failures of the disk that were asked for: what a fault plan says of the store.
//!
//! A wish belongs to the thread that made it and ends with its guard, so that only the call in which
//! it was made meets it. A write looks before it changes anything; reads and searches never do.

use std::cell::Cell;
use std::path::Path;

use super::error::{StoreError, Trouble};

/// Which failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Provoked {
    /// No space is left.
    Full,
    /// The system answers an error.
    Io,
}

thread_local! {
    static WISH: Cell<Option<Provoked>> = const { Cell::new(None) };
}

/// Ends the wish when it goes.
#[derive(Debug)]
#[must_use = "the wish ends with it"]
pub struct Guard(());

/// Lets every write of this thread fail, until the guard goes.
pub fn provoke(failure: Provoked) -> Guard {
    WISH.set(Some(failure));
    Guard(())
}

impl Drop for Guard {
    fn drop(&mut self) {
        WISH.set(None);
    }
}

/// # Errors
/// The failure this thread asked for.
pub(super) fn check(database: &Path) -> Result<(), Trouble> {
    let path = database.to_path_buf();
    match WISH.get() {
        None => Ok(()),
        Some(Provoked::Full) => Err(StoreError::Full { path }.into()),
        Some(Provoked::Io) => {
            Err(StoreError::Io { path, reason: "the fault plan wants this write to fail".into() }
                .into())
        }
    }
}
