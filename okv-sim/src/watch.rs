//! Points at which somebody may look on, or stop the vault.
//!
//! Costs nothing unless a watcher is set. A test uses it to damage a file between two steps, to switch the
//! HSM off at the worst moment, to keep a copy of the data directory at every write, or to play dead: a
//! watcher that refuses everything from one event on leaves the disk as a crash there would.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::operation::Step;

/// Something is about to happen or has just happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The step is about to begin.
    Step(Step),
    /// The file's new content lies beside it under a temporary name, synced; the old one still counts.
    Written(&'a Path),
    /// The file has its new content, and the directory is synced.
    Replaced(&'a Path),
    /// The file is about to be removed.
    Removing(&'a Path),
    /// A transaction of the store is about to be committed.
    Committing,
    /// A transaction of the store has been committed.
    Committed,
    /// So many bytes of a backup have gone.
    Sent {
        /// Bytes that have gone.
        gone: usize,
        /// Bytes in all.
        of: usize,
    },
    /// An action of a rollback is about to begin.
    Undoing(&'static str),
}

/// Looks at every event in order; an `Err` makes the operation fail there, with the text as detail.
///
/// Called on the thread of the operation, between its actions: no transaction is half written and no file half
/// replaced while it runs.
pub trait Watcher: Send {
    /// Refuses, looks, or does damage.
    ///
    /// # Errors
    /// Any text: the operation fails at this point.
    fn observe(&mut self, event: &Event<'_>) -> Result<(), String>;
}

impl<F: FnMut(&Event<'_>) -> Result<(), String> + Send> Watcher for F {
    fn observe(&mut self, event: &Event<'_>) -> Result<(), String> {
        self(event)
    }
}

/// The watcher's place, shared by the rooms that have something to show.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Option<Box<dyn Watcher>>>>);

/// A watcher refused; its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stopped(pub(crate) String);

impl Watch {
    pub(crate) fn set(&self, watcher: Option<Box<dyn Watcher>>) {
        *self.0.lock() = watcher;
    }

    pub(crate) fn notify(&self, event: &Event<'_>) -> Result<(), Stopped> {
        match self.0.lock().as_mut() {
            Some(watcher) => watcher.observe(event).map_err(Stopped),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
