//! One member of a group: whether it is up, what it missed, what it knows of logins.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use crate::object::Template;
use crate::wire::{Counting, Fault, Link, Ouid, Reply, Request, Seat};

/// A member as the group sees it.
pub(super) struct Member {
    pub(super) link: Arc<dyn Link>,
    pub(super) standby: bool,
    up: AtomicBool,
    /// The link's count of losses when the member was last found well.
    epoch: AtomicU64,
    /// Requests under way: the least busy member gets the next.
    busy: AtomicUsize,
    pub(super) outage: Mutex<Outage>,
    /// What the others did while it was down, until it has done it too.
    missed: Mutex<Vec<Missed>>,
    /// It may lack objects that others have.
    behind: AtomicBool,
    /// The epoch in which this application's login was carried out there.
    logged_in: Mutex<Option<u64>>,
    /// The epoch in which an answer was lost while the connection stayed: the member may have a session
    /// that nobody knows of, and keep a login alive by it.
    unsure: Mutex<Option<u64>>,
    /// Firmware of a cloud HSM, once it is known; zeroes where it is none.
    cryptovisor: OnceLock<(u64, u64, u64)>,
}

/// What is known of a member that is down.
#[derive(Default)]
pub(super) struct Outage {
    /// When it was lost, by the group's clock.
    pub(super) since: Duration,
    /// When recovery was last tried.
    pub(super) last_attempt: Option<Duration>,
    /// How often.
    pub(super) attempts: u32,
    /// The link itself said so, and will say when it is over.
    pub(super) told_by_link: bool,
}

/// A change the member did not hear of.
#[derive(Clone)]
pub(super) enum Missed {
    Destroyed(Ouid),
    Changed(Ouid, Template),
    Counted(Ouid, Counting),
}

impl Member {
    pub(super) fn new(link: Arc<dyn Link>, standby: bool) -> Self {
        let presence = link.presence();
        Self {
            link,
            standby,
            up: AtomicBool::new(presence.reachable),
            epoch: AtomicU64::new(presence.epoch),
            busy: AtomicUsize::new(0),
            outage: Mutex::new(Outage { told_by_link: true, ..Outage::default() }),
            missed: Mutex::new(Vec::new()),
            // What happened before this process began is not known: compared at the first login.
            behind: AtomicBool::new(true),
            logged_in: Mutex::new(None),
            unsure: Mutex::new(None),
            cryptovisor: OnceLock::new(),
        }
    }

    /// Its firmware, if it is a cloud HSM; none while it does not tell.
    pub(super) fn cryptovisor(&self) -> Option<(u64, u64, u64)> {
        if let Some(known) = self.cryptovisor.get() {
            return Some(*known);
        }
        match self.link.call(&Request::Describe) {
            Ok(Reply::Description(it)) => Some(*self.cryptovisor.get_or_init(|| it.cryptovisor)),
            _ => None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether the link says otherwise than the group thinks.
    pub(super) fn was_lost(&self) -> bool {
        let presence = self.link.presence();
        self.is_up() && (!presence.reachable || presence.epoch != self.epoch())
    }

    /// Whether the connection of that epoch still stands, for the group as for the link.
    pub(super) fn is_on(&self, epoch: u64) -> bool {
        let presence = self.link.presence();
        self.is_up() && self.epoch() == epoch && presence.reachable && presence.epoch == epoch
    }

    pub(super) fn set_up(&self) {
        *self.outage.lock() = Outage::default();
        self.up.store(true, Ordering::Release);
    }

    /// Before a recovery: what belongs to an older connection is gone.
    pub(super) fn meet_anew(&self) {
        let epoch = self.link.presence().epoch;
        if self.epoch.swap(epoch, Ordering::AcqRel) != epoch {
            *self.logged_in.lock() = None;
        }
    }

    /// Takes it out; true for the caller that did so first.
    pub(super) fn set_down(&self, now: Duration) -> bool {
        let first = self.up.swap(false, Ordering::AcqRel);
        if first {
            let mut outage = self.outage.lock();
            *outage = Outage { since: now, ..Outage::default() };
            outage.told_by_link = self.link.tells_at_once()
                && (!self.link.presence().reachable || self.link.presence().epoch != self.epoch());
            *self.logged_in.lock() = None;
        }
        first
    }

    pub(super) fn miss(&self, change: Missed) {
        let mut missed = self.missed.lock();
        // A key that is used all the time a member is down is one entry, not one a use.
        if let (
            Some(Missed::Counted(last, Counting::Used(uses))),
            Missed::Counted(ouid, Counting::Used(more)),
        ) = (missed.last_mut(), &change)
            && last == ouid
        {
            *uses = uses.saturating_add(*more);
            return;
        }
        missed.push(change);
    }

    /// Takes what it missed, to be done now or put back.
    pub(super) fn take_missed(&self) -> Vec<Missed> {
        std::mem::take(&mut *self.missed.lock())
    }

    /// What could not be done comes before what was missed since.
    pub(super) fn put_back_missed(&self, mut left: Vec<Missed>) {
        let mut missed = self.missed.lock();
        left.append(&mut missed);
        *missed = left;
    }

    pub(super) fn lost_an_answer(&self) {
        *self.unsure.lock() = Some(self.epoch());
    }

    pub(super) fn may_be_logged_in(&self) -> bool {
        *self.unsure.lock() == Some(self.epoch())
    }

    pub(super) fn is_logged_in(&self) -> bool {
        *self.logged_in.lock() == Some(self.epoch())
    }

    pub(super) fn set_logged_in(&self, is: bool) {
        *self.logged_in.lock() = is.then(|| self.epoch());
    }

    /// Returns what it was.
    pub(super) fn set_behind(&self, behind: bool) -> bool {
        self.behind.swap(behind, Ordering::AcqRel)
    }

    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    pub(super) fn call(&self, request: &Request<'_>) -> Result<Reply, Fault> {
        self.call_into(None, request, None)
    }

    pub(super) fn call_into(
        &self,
        seat: Option<&dyn Seat>,
        request: &Request<'_>,
        out: Option<&mut [u8]>,
    ) -> Result<Reply, Fault> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        let reply = match seat {
            Some(seat) => seat.call(request, out),
            None => self.link.call(request),
        };
        self.busy.fetch_sub(1, Ordering::Relaxed);
        reply
    }
}
