//! A schedule from beginning to end, and what every member must have then.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use emulator::ck::*;
use emulator::error::{Cause, Error, Result};
use emulator::hsm::Partition;
use emulator::mechanisms::{Mechanism, Params};
use emulator::object::{Answer, Template, Value};
use emulator::output::{Output, Room};
use emulator::profile::Profile;
use emulator::wire::{ApplicationId, Operation, Pin, Reply, Request};

use crate::ledger::{Fate, Kind, Record};
use crate::schedule::Schedule;
use crate::step::{Lie, Step};
use crate::world::{Device, PIN, World};

/// What came of a schedule.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What may not be and was.
    pub violation: Option<String>,
    /// What happened, a line for each step.
    pub trace: Vec<String>,
    /// Objects that processes tried to make.
    pub objects: usize,
}

/// Runs a schedule; with a lie, the first member tells it.
///
/// # Errors
/// When the world cannot be made: there is no memory, or a built-in profile cannot be read.
pub fn run(schedule: &Schedule, lie: Option<Lie>) -> Result<Outcome> {
    play(schedule, lie, false)
}

/// The same; the trace has every request to a member too.
///
/// # Errors
/// As [`run`].
pub fn run_in_detail(schedule: &Schedule, lie: Option<Lie>) -> Result<Outcome> {
    play(schedule, lie, true)
}

fn play(schedule: &Schedule, lie: Option<Lie>, in_detail: bool) -> Result<Outcome> {
    let world = World::new(&schedule.shape, lie, in_detail)?;
    for step in &schedule.steps {
        world.step(step);
    }
    if world.violation().is_none() {
        world.note("all is mended");
        world.mend_all();
        world.converge();
    }
    if world.violation().is_none() {
        compare_handles(&world);
    }
    if world.violation().is_none() {
        // A process that knows nothing of all this comes, and brings the members together.
        for process in 0..schedule.shape.processes {
            world.step(&Step::Stop(process));
        }
        world.step(&Step::Start(0));
        world.step(&Step::Stop(0));
    }
    if world.violation().is_none() {
        audit(&world)?;
    }
    let objects = world.ledger.lock().records().len();
    Ok(Outcome { violation: world.violation(), trace: world.trace(), objects })
}

/// So many objects of a process are looked at on each member.
const HANDLES: usize = 6;

/// What a handle of a process names is the same object on every member: each has to answer for it alone.
fn compare_handles(world: &Arc<World>) {
    let process = world.ledger.lock().records().len() % world.shape.processes.max(1);
    for member in 0..world.shape.members {
        world.note(&format!("process {process} is alone with member {member}"));
        world.leave_alone_with(process, member);
        for pick in 0..HANDLES {
            world.step(&Step::Read(process, pick));
            world.step(&Step::Sign(process, pick));
        }
        world.mend_all();
        world.converge();
    }
}

/// What one member has of an object, in the end.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Held {
    id: Vec<u8>,
    /// A data object's value; what a key makes of a message.
    value: Vec<u8>,
}

/// Asks every member itself.
fn audit(world: &Arc<World>) -> Result<()> {
    let profile = crate::world::profile()?;
    let mut all = Vec::new();
    for device in world.devices() {
        all.push(inventory(device, &profile)?);
    }
    let ledger = world.ledger.lock();
    let records = ledger.records().to_vec();
    drop(ledger);
    for (member, held) in all.iter().enumerate() {
        for (label, copies) in held {
            let known = records.iter().find(|record| record.label == *label);
            if let Err(what) = known.ok_or("nobody made it".to_owned()).and_then(|record| {
                let [copy] = copies.as_slice() else {
                    return Err(format!("it was made once and is there {} times", copies.len()));
                };
                whole(record, copy)
            }) {
                world.violated(format!("member {member}, {label}: {what}"));
            }
        }
    }
    for record in records.iter().filter(|record| record.owner.is_none()) {
        let there: Vec<bool> =
            all.iter().map(|held| held.contains_key(record.label.as_str())).collect();
        let wrong = match record.fate {
            Fate::Kept => there.contains(&false).then_some("was acknowledged"),
            Fate::Gone => there.contains(&true).then_some("was destroyed"),
            Fate::Unsure => (!record.torn && there.contains(&true) && there.contains(&false))
                .then_some("is not on all alike"),
        };
        if let Some(what) = wrong {
            world.violated(format!("{} {what}; on members: {there:?}", record.label));
        }
    }
    Ok(())
}

fn whole(record: &Record, copy: &Held) -> std::result::Result<(), String> {
    if !record.ids.contains(&copy.id) {
        return Err(format!("its id is {:?}", String::from_utf8_lossy(&copy.id)));
    }
    let expected = match (record.kind, &record.value) {
        (Kind::Data, Some(value)) => value.clone(),
        (Kind::Key, Some(value)) => {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, value);
            ring::hmac::sign(&key, b"audit").as_ref().to_vec()
        }
        _ => return Ok(()),
    };
    if expected == copy.value { Ok(()) } else { Err("its value is another".into()) }
}

fn inventory(device: &Device, profile: &Arc<Profile>) -> Result<BTreeMap<String, Vec<Held>>> {
    let partition = device.partition(profile)?;
    let application = ApplicationId { major: 9, minor: 9, named: false };
    let opened = partition.handle(&Request::OpenSession { application, read_write: true })?;
    let Reply::Session(session) = opened else { return Err(strange()) };
    partition.handle(&Request::Login(session, Role::CryptoOfficer, Pin::new(PIN)))?;
    let found = partition.handle(&Request::Find(session, Cow::Owned(Template::new())))?;
    let Reply::Objects(found) = found else { return Err(strange()) };
    let mut all: BTreeMap<String, Vec<Held>> = BTreeMap::new();
    for found in found {
        let (label, held) = held(&partition, session, found.handle)?;
        all.entry(label).or_default().push(held);
    }
    Ok(all)
}

fn held(
    partition: &Partition,
    session: SessionHandle,
    object: ObjectHandle,
) -> Result<(String, Held)> {
    let kinds = [CKA_LABEL, CKA_ID, CKA_CLASS, CKA_VALUE];
    let reply = partition.handle(&Request::Attributes(session, object, Cow::Borrowed(&kinds)))?;
    let Reply::Answers(answers) = reply else { return Err(strange()) };
    let mut texts = answers.iter().map(|answer| match answer {
        Answer::Value(Value::Bytes(bytes)) => bytes.to_vec(),
        _ => Vec::new(),
    });
    let mut next = || texts.next().unwrap_or_default();
    let (label, id, class, value) = (next(), next(), next(), next());
    let value = if class == CKO_DATA.to_ne_bytes() {
        value
    } else {
        signature(partition, session, object)?
    };
    Ok((String::from_utf8_lossy(&label).into_owned(), Held { id, value }))
}

fn signature(partition: &Partition, session: SessionHandle, key: ObjectHandle) -> Result<Vec<u8>> {
    let mechanism = Mechanism { kind: CKM_SHA256_HMAC, params: Params::None };
    let operation = Operation {
        session,
        purpose: Purpose::Sign,
        mechanism: Cow::Owned(mechanism),
        key: Some(key),
        pin: None,
    };
    let reply = partition.handle(&Request::Perform {
        operation,
        input: Cow::Borrowed(b"audit"),
        signature: None,
        room: Room::Bytes(64),
    })?;
    match reply {
        Reply::Output(Output::Data(mac)) => Ok(mac),
        _ => Err(strange()),
    }
}

fn strange() -> Error {
    Error::new(Cause::GeneralError, "a member gave an answer of the wrong kind")
}
