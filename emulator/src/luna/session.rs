//! Sessions as the application numbers them, and what of an operation the client holds itself.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwapOption, Guard};
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;

use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::luna::ha::{Group, GroupSession};
use crate::luna::slots::{self, Slot, Token, alone};
use crate::mechanisms::Mechanism;
use crate::wire::{ApplicationId, Fault, Pin, Reply, Request, Seat};

/// A session of the application.
pub(super) struct AppSession {
    pub(super) handle: SessionHandle,
    pub(super) slot: Arc<Slot>,
    pub(super) flags: CK_FLAGS,
    /// Opened with `CKF_SO_SESSION`.
    for_so: bool,
    peer: Peer,
    pub(super) pending: Mutex<PendingOperations>,
    pub(super) search: Mutex<Option<Search>>,
}

/// What is behind it.
enum Peer {
    Partition(SessionHandle, Option<Arc<dyn Seat>>),
    Group(Arc<GroupSession>),
}

/// An operation that was initialised and has not ended.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) mechanism: Mechanism,
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

/// At most one operation of each purpose.
#[derive(Default)]
pub(super) struct PendingOperations([Option<Pending>; Purpose::ALL.len()]);

impl PendingOperations {
    /// The place of a purpose.
    pub(super) fn of(&mut self, purpose: Purpose) -> &mut Option<Pending> {
        let [encrypt, decrypt, digest, sign, verify] = &mut self.0;
        match purpose {
            Purpose::Encrypt => encrypt,
            Purpose::Decrypt => decrypt,
            Purpose::Digest => digest,
            Purpose::Sign => sign,
            Purpose::Verify => verify,
        }
    }

    /// The operation that was initialised last of those that wait for a PIN.
    pub(super) fn last_wanted(&self) -> Option<(u64, Purpose)> {
        let wanted =
            Purpose::ALL.into_iter().zip(&self.0).filter_map(|(purpose, place)| {
                match place.as_ref()?.pin {
                    PinAtUse::Wanted(order) => Some((order, purpose)),
                    _ => None,
                }
            });
        wanted.max_by_key(|(order, _)| *order)
    }

    fn end_those_with_keys(&mut self) {
        for place in &mut self.0 {
            place.take_if(|pending| pending.key.is_some());
        }
    }
}

/// Handles found and not yet given out.
pub(super) struct Search {
    pub(super) found: std::vec::IntoIter<ObjectHandle>,
}

impl AppSession {
    /// Asks the token behind the session. Session handles in the request are filled in.
    pub(super) fn call(&self, request: &Request<'_>) -> Result<Reply> {
        self.call_into(request, None)
    }

    /// As [`AppSession::call`]; an output may go to `out`, where it has room.
    pub(super) fn call_into(&self, request: &Request<'_>, out: Option<&mut [u8]>) -> Result<Reply> {
        match (&self.slot.token, &self.peer) {
            (Token::Partition(_), Peer::Partition(_, Some(seat))) => {
                seat.call(request, out).map(|reply| reply.uncounted().0).map_err(alone)
            }
            (Token::Partition(link), Peer::Partition(own, None)) => {
                let addressed = request.addressed(*own, &Ok)?;
                link.call(&addressed).map(|reply| reply.uncounted().0).map_err(alone)
            }
            (Token::Group(group), Peer::Group(own)) => group.call_into(own, request, out),
            _ => Err(Error::new(Cause::GeneralError, "a session and its slot do not fit")),
        }
    }

    /// The group behind it, and the group's session.
    pub(super) fn group(&self) -> Option<(&Arc<Group>, &Arc<GroupSession>)> {
        match (&self.slot.token, &self.peer) {
            (Token::Group(group), Peer::Group(own)) => Some((group, own)),
            _ => None,
        }
    }

    fn close(&self) {
        match (&self.slot.token, &self.peer) {
            (Token::Partition(link), Peer::Partition(own, _)) => {
                // A token that is gone has forgotten the session already.
                let _ = link.call(&Request::CloseSession(*own));
            }
            (Token::Group(group), Peer::Group(own)) => group.close(own),
            _ => {}
        }
    }
}

/// Every open session of the application.
///
/// Nearly every call looks its session up, from many threads at once: `places` is read without a
/// write that other threads would wait for. A session whose place another one has is found in
/// `open`, which has all of them.
pub(super) struct AppSessions {
    last: AtomicU64,
    places: Box<[ArcSwapOption<AppSession>]>,
    open: RwLock<FxHashMap<SessionHandle, Arc<AppSession>>>,
}

/// As many sessions as one application has on two partitions of the largest size known.
const PLACES: usize = 8192;

impl Default for AppSessions {
    fn default() -> Self {
        Self {
            last: AtomicU64::new(0),
            places: (0..PLACES).map(|_| ArcSwapOption::empty()).collect(),
            open: RwLock::default(),
        }
    }
}

/// A session for the length of a call, which may outlive its closing.
pub(super) struct Open(Guard<Option<Arc<AppSession>>>);

impl Deref for Open {
    type Target = AppSession;

    #[allow(clippy::unreachable, reason = "made by `AppSessions::find` of sessions alone")]
    fn deref(&self) -> &AppSession {
        match &*self.0 {
            Some(session) => session,
            None => unreachable!("a session that was found is there"),
        }
    }
}

fn no_session() -> Error {
    Error::new(Cause::SessionHandleInvalid, "the application has no such session")
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
                    Ok(Reply::Session(own)) => Peer::Partition(own, link.seat(own)),
                    Ok(_) => return Err(Error::new(Cause::GeneralError, "a session was wanted")),
                    // What the partition itself says stands.
                    Err(Fault::Refused(error)) => return Err(error),
                    Err(fault) => {
                        return Err(alone(fault).recast(Cause::DeviceError, Cause::TokenNotPresent));
                    }
                }
            }
            Token::Group(group) => Peer::Group(group.open(application, read_write)?),
            Token::Usb => return Err(slots::empty()),
        };
        let handle = SessionHandle(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let session = AppSession {
            handle,
            slot: Arc::clone(slot),
            flags: flags & (CKF_RW_SESSION | CKF_SERIAL_SESSION),
            for_so: flags & CKF_SO_SESSION != 0,
            peer,
            pending: Mutex::default(),
            search: Mutex::new(None),
        };
        let session = Arc::new(session);
        let mut open = self.open.write();
        if let Some(place) = self.place(handle)
            && place.load().is_none()
        {
            place.store(Some(Arc::clone(&session)));
        }
        open.insert(handle, session);
        Ok(handle)
    }

    fn place(&self, handle: SessionHandle) -> Option<&ArcSwapOption<AppSession>> {
        let places = self.places.len() as u64;
        self.places.get(usize::try_from(handle.0.checked_rem(places)?).ok()?)
    }

    #[inline]
    pub(super) fn find(&self, handle: SessionHandle) -> Result<Open> {
        let here = self.place(handle).ok_or_else(no_session)?.load();
        if here.as_ref().is_some_and(|session| session.handle == handle) {
            return Ok(Open(here));
        }
        let session = self.open.read().get(&handle).cloned().ok_or_else(no_session)?;
        Ok(Open(Guard::from_inner(Some(session))))
    }

    /// Takes it out of the table, whose map is locked.
    fn take(
        &self,
        open: &mut FxHashMap<SessionHandle, Arc<AppSession>>,
        handle: SessionHandle,
    ) -> Option<Arc<AppSession>> {
        let session = open.remove(&handle)?;
        if let Some(place) = self.place(handle)
            && place.load().as_ref().is_some_and(|here| here.handle == handle)
        {
            place.store(None);
        }
        Some(session)
    }

    pub(super) fn close(&self, handle: SessionHandle) -> Result<()> {
        let session = self.take(&mut self.open.write(), handle).ok_or_else(no_session)?;
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
            handles.into_iter().filter_map(|handle| self.take(&mut open, handle)).collect()
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
            session.pending.lock().end_those_with_keys();
            *session.search.lock() = None;
        }
    }

    /// Some session of a slot.
    pub(super) fn any_of(&self, slot: SlotId) -> Option<Arc<AppSession>> {
        self.open.read().values().find(|session| session.slot.id == slot).cloned()
    }

    /// Sessions of a slot: all, and those that write.
    /// Sessions that are open on a slot and were not opened for a security officer (`CKF_SO_SESSION`).
    pub(super) fn of_users(&self, slot: SlotId) -> usize {
        let open = self.open.read();
        let of_slot = open.values().filter(|session| session.slot.id == slot);
        of_slot.filter(|session| !session.for_so).count()
    }

    pub(super) fn count(&self, slot: SlotId) -> (u64, u64) {
        let open = self.open.read();
        let of_slot = || open.values().filter(|session| session.slot.id == slot);
        let writing = of_slot().filter(|session| session.flags & CKF_RW_SESSION != 0);
        (of_slot().count() as u64, writing.count() as u64)
    }
}
