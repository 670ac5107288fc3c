//! One link: where faults strike, and where a member that lies does so.

use std::borrow::Cow;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use emulator::ck::*;
use emulator::error::{Cause, Error};
use emulator::hsm::Partition;
use emulator::object::{Attribute, Template};
use emulator::wire::{Fault, Found, Link, Presence, Reply, Request};

use crate::step::Lie;
use crate::world::{Device, Path, World};

/// What a silent member costs: the vendor's `ReceiveTimeout` (Documented).
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// The link of a process to a member.
pub(crate) struct Wire {
    pub(crate) world: Weak<World>,
    pub(crate) process: usize,
    pub(crate) member: usize,
    pub(crate) serial: String,
    /// Which run of the process: a later one has nothing to do with this.
    pub(crate) run: u64,
}

impl Link for Wire {
    fn serial(&self) -> &str {
        &self.serial
    }

    fn call(&self, request: &Request<'_>) -> Result<Reply, Fault> {
        let outcome = self.deliver(request);
        if let Some(world) = self.world.upgrade().filter(|world| world.in_detail) {
            let request = format!("{request:?}");
            let name = request.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            let answer = match &outcome {
                Ok(Reply::Object(found)) => format!("object {}", found.handle.0),
                Ok(Reply::Session(session)) => format!("session {}", session.0),
                Ok(_) => "ok".to_owned(),
                Err(Fault::Refused(error)) => format!("{:?}", error.cause()),
                Err(Fault::Unreachable(why) | Fault::Lost(why)) => why.clone(),
            };
            let (process, member) = (self.process, self.member);
            world.note(&format!("  {process} to {member}: {name}: {answer}"));
        }
        outcome
    }

    fn presence(&self) -> Presence {
        let gone = Presence { reachable: false, epoch: 0 };
        let Some(world) = self.world.upgrade() else { return gone };
        let Some((path, device)) = world.path(self.process, self.member) else { return gone };
        let path = path.lock();
        let reachable = !path.cut && !path.given_up && device.power.load(Ordering::Relaxed);
        Presence { reachable, epoch: path.epoch }
    }
}

impl Wire {
    fn deliver(&self, request: &Request<'_>) -> Result<Reply, Fault> {
        let Some(world) = self.world.upgrade() else {
            return Err(Fault::Unreachable("the world is over".into()));
        };
        world.meanwhile(self.process, self.run);
        if world.is_dead(self.process, self.run) {
            return Err(Fault::Lost("the process was killed".into()));
        }
        let Some((path, device)) = world.path(self.process, self.member) else {
            return Err(Fault::Unreachable("no such member".into()));
        };
        let mut path = path.lock();
        if path.cut || path.given_up || !device.power.load(Ordering::Relaxed) {
            return Err(Fault::Unreachable("the link is down".into()));
        }
        if path.mute.is_some() || device.frozen.load(Ordering::Relaxed) {
            match path.mute {
                Some(false) => {}
                _ if device.frozen.load(Ordering::Relaxed) => {
                    path.taken.push(postcard::to_allocvec(request).unwrap_or_default());
                }
                _ => drop(answer(&path.partition, device, request)),
            }
            // Nobody is reached that way until the silence is over.
            path.epoch += 1;
            path.given_up = true;
            world.clock.advance(RECEIVE_TIMEOUT);
            drop(path);
            world.strike(self.process, self.member);
            return Err(Fault::Lost("the member is silent".into()));
        }
        let Some(loss) = path.loss() else {
            let partition = std::sync::Arc::clone(&path.partition);
            drop(path);
            return answer(&partition, device, request);
        };
        if loss.done {
            // Its answer, whatever it is, is lost.
            let _ = answer(&path.partition, device, request);
        }
        if loss.reset {
            path.reset();
        } else {
            world.clock.advance(RECEIVE_TIMEOUT);
        }
        drop(path);
        world.strike(self.process, self.member);
        Err(Fault::Lost("the answer was lost".into()))
    }
}

impl Path {
    /// Ends the connection, and with it what the member kept for it.
    pub(crate) fn reset(&mut self) {
        self.epoch += 1;
        self.partition.forget_sessions();
    }
}

/// What a frozen member took and carries out when it goes on; nobody hears the answer.
pub(crate) fn carry_out(partition: &Partition, device: &Device, taken: &[u8]) {
    if let Ok(request) = postcard::from_bytes::<Request<'_>>(taken) {
        let _ = answer(partition, device, &request);
    }
}

fn answer(partition: &Partition, device: &Device, request: &Request<'_>) -> Result<Reply, Fault> {
    match (device.lie, request) {
        (Some(Lie::GivesOtherHandle), Request::Insert(session, ..)) => {
            let session = *session;
            match partition.handle(request)? {
                Reply::Object(found) => {
                    let handle = other_key(partition, session, found.handle);
                    let handle = handle.unwrap_or(found.handle);
                    Ok(Reply::Object(Found { handle, ..found }))
                }
                reply => Ok(reply),
            }
        }
        (Some(Lie::NeverComesBack), Request::OpenSession { .. })
            if device.was_off.load(Ordering::Relaxed) =>
        {
            Err(Fault::Refused(Error::new(Cause::FunctionFailed, "a lie")))
        }
        (Some(Lie::DropsCopies), Request::Insert(..)) => Ok(Reply::Object(Found {
            handle: ObjectHandle(1 << 20),
            ouid: [0xee; 12],
            token: true,
        })),
        (Some(Lie::KeepsDestroyed), Request::Destroy(..))
        | (Some(Lie::StaysLoggedIn), Request::Logout(_))
        | (Some(Lie::DropsChanges), Request::SetAttributes(..)) => Ok(Reply::Done),
        (Some(Lie::MakesTwice), Request::Create(..) | Request::GenerateKey(..)) => {
            partition.handle(request)?;
            Ok(partition.handle(request)?)
        }
        (Some(Lie::TakesOtherKey), Request::Perform { operation, input, signature, room }) => {
            let mut operation = operation.clone();
            operation.key = operation
                .key
                .map(|key| other_key(partition, operation.session, key).unwrap_or(key));
            Ok(partition.handle(&Request::Perform {
                operation,
                input: Cow::Borrowed(input),
                signature: signature.as_deref().map(Cow::Borrowed),
                room: *room,
            })?)
        }
        (Some(Lie::Refuses), Request::Perform { .. }) => {
            Err(Fault::Refused(Error::new(Cause::FunctionFailed, "a lie")))
        }
        _ => Ok(partition.handle(request)?),
    }
}

fn other_key(
    partition: &Partition,
    session: SessionHandle,
    key: ObjectHandle,
) -> Option<ObjectHandle> {
    let keys = Template::from_iter([Attribute::number(CKA_CLASS, CKO_SECRET_KEY)]);
    match partition.handle(&Request::Find(session, Cow::Owned(keys))) {
        Ok(Reply::Objects(found)) => {
            found.into_iter().map(|found| found.handle).find(|found| *found != key)
        }
        _ => None,
    }
}
