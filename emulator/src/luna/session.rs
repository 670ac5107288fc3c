//! Sessions as the application numbers them, and what of an operation the client holds itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::luna::ha::GroupSession;
use crate::luna::slots::{Slot, Token, alone};
use crate::mechanisms::Mechanism;
use crate::wire::{ApplicationId, Pin, Reply, Request};

/// A session of the application.
pub(super) struct AppSession {
    pub(super) handle: SessionHandle,
    pub(super) slot: Arc<Slot>,
    pub(super) flags: CK_FLAGS,
    peer: Peer,
    pub(super) pending: Mutex<HashMap<Purpose, Pending>>,
    pub(super) search: Mutex<Option<Search>>,
}

/// What is behind it.
enum Peer {
    Partition(SessionHandle),
    Group(Arc<GroupSession>),
}

/// An operation that was initialised and has not ended.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) mechanism: Arc<Mechanism>,
    pub(super) key: Option<ObjectHandle>,
    /// Parts were fed: a member holds the message so far.
    pub(super) in_parts: bool,
    /// The PIN a key asks for at each use.
    pub(super) pin: PinAtUse,
}

/// Whether an operation needs the PIN of its own.
#[derive(Clone)]
pub(super) enum PinAtUse {
    /// Its key does not ask.
    Needless,
    /// It does; the number tells the operation that was initialised last from the others.
    Wanted(u64),
    /// It was given, for this operation alone.
    Given(Pin),
}

/// Handles found and not yet given out.
pub(super) struct Search {
    pub(super) found: std::vec::IntoIter<ObjectHandle>,
}

impl AppSession {
    /// Asks the token behind the session. Session handles in the request are filled in.
    pub(super) fn call(&self, request: &Request<'_>) -> Result<Reply> {
        match (&self.slot.token, &self.peer) {
            (Token::Partition(link), Peer::Partition(own)) => {
                let addressed = request.addressed(*own, &Ok)?;
                link.call(&addressed).map(|reply| reply.uncounted().0).map_err(alone)
            }
            (Token::Group(group), Peer::Group(own)) => group.call(own, request),
            _ => Err(Error::new(Cause::GeneralError, "a session and its slot do not fit")),
        }
    }

    fn close(&self) {
        match (&self.slot.token, &self.peer) {
            (Token::Partition(link), Peer::Partition(own)) => {
                // A token that is gone has forgotten the session already.
                let _ = link.call(&Request::CloseSession(*own));
            }
            (Token::Group(group), Peer::Group(own)) => group.close(own),
            _ => {}
        }
    }

    /// What is pending for a purpose.
    ///
    /// # Errors
    /// `OperationNotInitialized`.
    pub(super) fn pending(&self, purpose: Purpose) -> Result<Pending> {
        self.pending.lock().get(&purpose).cloned().ok_or_else(|| {
            Error::new(Cause::OperationNotInitialized, "no such operation is active")
        })
    }
}

/// Every open session of the application.
#[derive(Default)]
pub(super) struct AppSessions {
    last: AtomicU64,
    open: RwLock<HashMap<SessionHandle, Arc<AppSession>>>,
}

impl AppSessions {
    pub(super) fn open(
        &self,
        slot: &Arc<Slot>,
        application: ApplicationId,
        flags: CK_FLAGS,
    ) -> Result<SessionHandle> {
        let read_write = flags & CKF_RW_SESSION != 0;
        let peer = match &slot.token {
            Token::Partition(link) => {
                match link.call(&Request::OpenSession { application, read_write }) {
                    Ok(Reply::Session(own)) => Peer::Partition(own),
                    Ok(_) => return Err(Error::new(Cause::GeneralError, "a session was wanted")),
                    Err(fault) => {
                        return Err(alone(fault).recast(Cause::DeviceError, Cause::TokenNotPresent));
                    }
                }
            }
            Token::Group(group) => Peer::Group(group.open(application, read_write)?),
        };
        let handle = SessionHandle(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let session = AppSession {
            handle,
            slot: Arc::clone(slot),
            flags: flags & (CKF_RW_SESSION | CKF_SERIAL_SESSION),
            peer,
            pending: Mutex::new(HashMap::new()),
            search: Mutex::new(None),
        };
        self.open.write().insert(handle, Arc::new(session));
        Ok(handle)
    }

    pub(super) fn find(&self, handle: SessionHandle) -> Result<Arc<AppSession>> {
        self.open.read().get(&handle).cloned().ok_or_else(|| {
            Error::new(Cause::SessionHandleInvalid, "the application has no such session")
        })
    }

    pub(super) fn close(&self, handle: SessionHandle) -> Result<()> {
        let session = self.open.write().remove(&handle).ok_or_else(|| {
            Error::new(Cause::SessionHandleInvalid, "the application has no such session")
        })?;
        session.close();
        Ok(())
    }

    /// Closes those of a slot, or all.
    pub(super) fn close_all(&self, slot: Option<SlotId>) {
        let mut closing: Vec<_> = {
            let mut open = self.open.write();
            let handles: Vec<_> = open
                .values()
                .filter(|session| slot.is_none_or(|slot| session.slot.id == slot))
                .map(|session| session.handle)
                .collect();
            handles.into_iter().filter_map(|handle| open.remove(&handle)).collect()
        };
        closing.sort_by_key(|session| session.handle);
        for session in closing {
            session.close();
        }
    }

    /// Ends what keys were doing, and searches, in every session of a slot: it was logged out of.
    pub(super) fn end_key_operations(&self, slot: SlotId) {
        let open = self.open.read();
        for session in open.values().filter(|session| session.slot.id == slot) {
            session.pending.lock().retain(|_, pending| pending.key.is_none());
            *session.search.lock() = None;
        }
    }

    /// Some session of a slot.
    pub(super) fn any_of(&self, slot: SlotId) -> Option<Arc<AppSession>> {
        self.open.read().values().find(|session| session.slot.id == slot).cloned()
    }

    /// Sessions of a slot: all, and those that write.
    pub(super) fn count(&self, slot: SlotId) -> (u64, u64) {
        let open = self.open.read();
        let of_slot = || open.values().filter(|session| session.slot.id == slot);
        let writing = of_slot().filter(|session| session.flags & CKF_RW_SESSION != 0);
        (of_slot().count() as u64, writing.count() as u64)
    }
}
