//! Links to partitions of an appliance, and seats in their sessions.
//!
//! A session's number carries its epoch in the upper 16 bits, so that one of a lost connection is
//! never taken for another that the appliance has numbered the same since.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::ck::{ObjectHandle, Purpose, SessionHandle};
use crate::mechanisms::Mechanism;
use crate::network::remote::{Answer, Remote, session_gone};
use crate::output::Output;
use crate::wire::{Fault, Link, Operation, Presence, Reply, Request, Seat};

/// Upper bits of a session's number.
const EPOCH_BITS: u32 = 16;
const HANDLE_BITS: u32 = 64 - EPOCH_BITS;

/// What was found out about operations is kept for so many of a session.
const MOST_CHECKED: usize = 4;

/// A partition of an appliance.
pub(super) struct NetworkLink(Arc<Served>);

struct Served {
    remote: Arc<Remote>,
    serial: String,
    partition: u64,
    heard: Mutex<Heard>,
}

/// The appliance's count of changes in the partition, as of the last answer in an epoch.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
struct Heard {
    epoch: u64,
    changes: u64,
}

/// A session there.
struct NetworkSeat {
    served: Arc<Served>,
    epoch: u64,
    handle: SessionHandle,
    checked: Mutex<Vec<Checked>>,
}

/// An operation that may begin, unless something has changed since.
struct Checked {
    since: Heard,
    purpose: Purpose,
    key: Option<ObjectHandle>,
    mechanism: Mechanism,
}

impl NetworkLink {
    pub(super) fn new(remote: Arc<Remote>, partition: u64) -> Self {
        let serial = partition.to_string();
        Self(Arc::new(Served { remote, serial, partition, heard: Mutex::default() }))
    }
}

impl Served {
    fn ask(
        &self,
        session: Option<(u64, SessionHandle)>,
        request: &Request<'_>,
    ) -> Result<(Reply, Heard), Fault> {
        let Answer { epoch, changes, outcome } =
            self.remote.ask(self.partition, session, request)?;
        let new = Heard { epoch, changes };
        let mut heard = self.heard.lock();
        // Answers of several threads come in any order; within an epoch the count goes up.
        if heard.epoch != epoch || heard.changes < changes {
            *heard = new;
        }
        drop(heard);
        outcome.map(|reply| (reply, new)).map_err(Fault::Refused)
    }
}

fn numbered(epoch: u64, handle: SessionHandle) -> SessionHandle {
    SessionHandle((epoch << HANDLE_BITS) | (handle.0 & (u64::MAX >> EPOCH_BITS)))
}

/// The handle that the appliance knows, with its epoch; none for a session of an older one.
fn known(session: SessionHandle, now: u64) -> Option<(u64, SessionHandle)> {
    let handle = SessionHandle(session.0 & (u64::MAX >> EPOCH_BITS));
    (numbered(now, handle) == session).then_some((now, handle))
}

impl Link for NetworkLink {
    fn serial(&self) -> &str {
        &self.0.serial
    }

    fn tells_at_once(&self) -> bool {
        self.0.remote.tells_at_once
    }

    fn is_there(&self) -> bool {
        self.0.remote.is_there()
    }

    fn call(&self, request: &Request<'_>) -> Result<Reply, Fault> {
        let session = match request.session() {
            Some(session) => Some(known(session, self.0.remote.epoch()).ok_or_else(session_gone)?),
            None => None,
        };
        match self.0.ask(session, request)? {
            (Reply::Session(handle), heard) => Ok(Reply::Session(numbered(heard.epoch, handle))),
            (reply, _) => Ok(reply),
        }
    }

    fn seat(&self, session: SessionHandle) -> Option<Arc<dyn Seat>> {
        let (epoch, handle) = known(session, self.0.remote.epoch())?;
        let served = Arc::clone(&self.0);
        Some(Arc::new(NetworkSeat { served, epoch, handle, checked: Mutex::default() }))
    }

    fn presence(&self) -> Presence {
        self.0.remote.presence()
    }
}

impl NetworkSeat {
    /// Whether it was found out before, and nothing that is known of has changed since, that the
    /// operation may begin. Whether it may is looked at again when it is carried out.
    fn was_checked(&self, operation: &Operation<'_>) -> bool {
        let heard = *self.served.heard.lock();
        heard.epoch == self.epoch
            && self.served.remote.is_in(self.epoch)
            && self.checked.lock().iter().any(|known| {
                known.since == heard
                    && known.purpose == operation.purpose
                    && known.key == operation.key
                    && known.mechanism.kind == operation.mechanism.kind
                    && known.mechanism.params.is_like(&operation.mechanism.params)
            })
    }

    fn note_checked(&self, operation: &Operation<'_>, since: Heard) {
        let mut checked = self.checked.lock();
        checked.retain(|known| known.since == since);
        if checked.len() >= MOST_CHECKED {
            checked.remove(0);
        }
        checked.push(Checked {
            since,
            purpose: operation.purpose,
            key: operation.key,
            mechanism: operation.mechanism.clone().into_owned(),
        });
    }
}

impl Seat for NetworkSeat {
    fn call(&self, request: &Request<'_>, out: Option<&mut [u8]>) -> Result<Reply, Fault> {
        // A key that asks for a PIN at each use is asked about each time.
        let check = match request {
            Request::Check(operation) if operation.pin.is_none() => Some(operation),
            _ => None,
        };
        if check.is_some_and(|operation| self.was_checked(operation)) {
            return Ok(Reply::Done);
        }
        let (reply, heard) = self.served.ask(Some((self.epoch, self.handle)), request)?;
        if let (Some(operation), Reply::Done) = (check, &reply) {
            self.note_checked(operation, heard);
        }
        Ok(place(reply, out))
    }
}

/// The output where the caller wants it, if there is room.
fn place(reply: Reply, out: Option<&mut [u8]>) -> Reply {
    let Some(out) = out else { return reply };
    let bytes = match &reply {
        Reply::Output(Output::Data(bytes)) | Reply::Bytes(bytes) => bytes,
        _ => return reply,
    };
    match out.get_mut(..bytes.len()) {
        Some(out) => {
            out.copy_from_slice(bytes);
            Reply::Output(Output::Placed(bytes.len()))
        }
        None => reply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_an_older_epoch_is_not_taken_for_a_new_one() {
        let session = numbered(3, SessionHandle(17));
        assert_eq!(known(session, 3), Some((3, SessionHandle(17))));
        assert_eq!(known(session, 4), None);
        assert_eq!(
            known(numbered(1 << 16, SessionHandle(1)), 1 << 16).map(|it| it.0),
            Some(1 << 16)
        );
    }
}
