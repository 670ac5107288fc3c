//! A group over real partitions in memory, with links that can be cut or lose an answer, and a
//! clock moved by hand.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::ck::*;
use crate::env::{Clock, ManualClock};
use crate::error::Cause;
use crate::hsm::appliance::{PartitionBlueprint, Roles, partition_steps};
use crate::hsm::store::{HsmRecord, SqliteStore, Store};
use crate::hsm::{Appliance, Partition};
use crate::luna::config::{GroupEntry, Recovery};
use crate::luna::ha::{Group, GroupSession};
use crate::luna::log::Log;
use crate::mechanisms::{Mechanism, Params};
use crate::object::{Answer, Attribute, Template, Value};
use crate::output::{Output, Room};
use crate::profile::{self, Profile};
use crate::wire::{ApplicationId, Fault, Link, Operation, Pin, Presence, Reply, Request};

const NONE: SessionHandle = SessionHandle(0);
const CO_PIN: &[u8] = b"crypto-officer";

struct TestLink {
    serial: String,
    partition: Arc<Partition>,
    cut: AtomicBool,
    epoch: AtomicU64,
    /// The answer to the next request of this name is lost.
    lose_next: Mutex<Option<&'static str>>,
    /// Happens before the next request of this name.
    before_next: Mutex<Option<(&'static str, Event)>>,
}

type Event = Box<dyn FnOnce() + Send>;

impl TestLink {
    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.partition.forget_sessions();
    }

    fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

impl Link for TestLink {
    fn serial(&self) -> &str {
        &self.serial
    }

    fn call(&self, request: &Request<'_>) -> Result<Reply, Fault> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(Fault::Unreachable("cut".into()));
        }
        let name = format!("{request:?}");
        let event = self.before_next.lock().take_if(|(wanted, _)| name.starts_with(*wanted));
        if let Some((_, event)) = event {
            event();
        }
        let reply = self.partition.handle(request)?;
        let mut lose = self.lose_next.lock();
        if lose.is_some_and(|wanted| name.starts_with(wanted)) {
            *lose = None;
            return Err(Fault::Lost("the answer was lost".into()));
        }
        Ok(reply)
    }

    fn presence(&self) -> Presence {
        Presence {
            reachable: !self.cut.load(Ordering::SeqCst),
            epoch: self.epoch.load(Ordering::SeqCst),
        }
    }
}

fn member(serial: &str, domain: &str) -> Arc<TestLink> {
    let profile = Arc::new(Profile::built_in(profile::DEFAULT).unwrap());
    let record = HsmRecord {
        serial: "1".into(),
        profile: profile.name.clone(),
        policies: BTreeMap::new(),
        device_key: vec![7; 32],
        created: 0,
        extra: Vec::new(),
    };
    let store = SqliteStore::in_memory(&record).unwrap();
    let plan = PartitionBlueprint {
        serial: serial.into(),
        policies: Vec::new(),
        roles: Some(Roles {
            label: "par".into(),
            domain: Pin::new(domain.as_bytes()),
            partition_so: Pin::new(b"partition-so"),
            crypto_officer: Pin::new(CO_PIN),
            crypto_user: None,
        }),
    };
    store.apply(&partition_steps(&plan, 0).unwrap()).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let appliance = Appliance::over(&store, |_| Ok(profile)).unwrap();
    link(serial, &appliance.partitions()[0])
}

fn link(serial: &str, partition: &Arc<Partition>) -> Arc<TestLink> {
    Arc::new(TestLink {
        serial: serial.into(),
        partition: Arc::clone(partition),
        cut: AtomicBool::new(false),
        epoch: AtomicU64::new(0),
        lose_next: Mutex::new(None),
        before_next: Mutex::new(None),
    })
}

struct Rig {
    links: Vec<Arc<TestLink>>,
    group: Group,
    application: ApplicationId,
    clock: Arc<ManualClock>,
}

impl Rig {
    fn new(domains: &[&str], enhanced: bool) -> Self {
        let links: Vec<_> = domains
            .iter()
            .enumerate()
            .map(|(at, domain)| member(&format!("{}", 100 + at), domain))
            .collect();
        Self::over(links, enhanced, 1)
    }

    /// Another process with the same members.
    fn other_process(&self) -> Self {
        Self::over(self.links.iter().map(|it| link(&it.serial, &it.partition)).collect(), true, 2)
    }

    fn over(links: Vec<Arc<TestLink>>, enhanced: bool, process: u64) -> Self {
        let clock = Arc::new(ManualClock::default());
        let entry = GroupEntry {
            label: "grp".into(),
            serial: "1100".into(),
            members: links.iter().map(|link| link.serial.clone()).collect(),
            standby: Vec::new(),
            synchronize: true,
        };
        let recovery = Recovery { attempts: None, interval: Duration::from_secs(60), enhanced };
        let as_links = links.iter().map(|link| Arc::clone(link) as Arc<dyn Link>).collect();
        let time: Arc<dyn Clock> = clock.clone();
        let group = Group::new(&entry, as_links, recovery, time.clone(), Log::none(time));
        Self {
            links,
            group,
            application: ApplicationId { major: 0, minor: process, named: false },
            clock,
        }
    }

    fn session(&self) -> Arc<GroupSession> {
        self.group.open(self.application, true).unwrap()
    }

    fn logged_in(&self) -> Arc<GroupSession> {
        let session = self.session();
        self.call(&session, &Request::Login(NONE, Role::CryptoOfficer, Pin::new(CO_PIN)));
        session
    }

    fn call(&self, session: &GroupSession, request: &Request<'_>) -> Reply {
        self.group.call(session, request).unwrap()
    }

    fn refusal(&self, session: &GroupSession, request: &Request<'_>) -> Cause {
        self.group.call(session, request).unwrap_err().cause()
    }

    fn key(&self, session: &GroupSession, token: bool) -> ObjectHandle {
        match self.call(session, &generate(token)) {
            Reply::Object(found) => found.handle,
            other => panic!("{other:?}"),
        }
    }

    /// A token key that only the first member has, met by the group.
    fn made_on_the_first(&self, session: &GroupSession) -> ObjectHandle {
        let own = self.links[0]
            .partition
            .handle(&Request::OpenSession { application: self.application, read_write: true });
        let Ok(Reply::Session(own)) = own else { panic!("{own:?}") };
        let Request::GenerateKey(_, mechanism, template) = generate(true) else { panic!() };
        self.links[0].partition.handle(&Request::GenerateKey(own, mechanism, template)).unwrap();
        let everything = Request::Find(NONE, Cow::Owned(Template::new()));
        let Reply::Objects(found) = self.call(session, &everything) else { panic!("nothing") };
        assert_eq!(found.len(), 1);
        found[0].handle
    }

    fn encrypt(&self, session: &GroupSession, key: ObjectHandle) -> Vec<u8> {
        match self.call(session, &perform(key)) {
            Reply::Output(Output::Data(data)) => data,
            other => panic!("{other:?}"),
        }
    }

    /// Objects on one member, by its own account.
    fn count(&self, at: usize) -> usize {
        let link = &self.links[at];
        let application = ApplicationId { major: 9, minor: 9, named: false };
        let Ok(Reply::Session(own)) =
            link.call(&Request::OpenSession { application, read_write: true })
        else {
            panic!("no session");
        };
        link.call(&Request::Login(own, Role::CryptoOfficer, Pin::new(CO_PIN))).unwrap();
        let Ok(Reply::Inventory(objects, _)) = link.call(&Request::Inventory(own)) else {
            panic!("no inventory");
        };
        link.call(&Request::CloseSession(own)).unwrap();
        objects.len()
    }
}

fn generate(token: bool) -> Request<'static> {
    let template = Template::from_iter([
        Attribute::number(CKA_VALUE_LEN, 32),
        Attribute::flag(CKA_TOKEN, token),
        Attribute::flag(CKA_ENCRYPT, true),
        Attribute::bytes(CKA_LABEL, *b"key"),
    ]);
    let mechanism = Mechanism { kind: CKM_AES_KEY_GEN, params: Params::None };
    Request::GenerateKey(NONE, Cow::Owned(mechanism), Cow::Owned(template))
}

fn cbc(key: ObjectHandle) -> Operation<'static> {
    let mechanism = Mechanism { kind: CKM_AES_CBC_PAD, params: Params::Iv(vec![0; 16]) };
    Operation {
        session: NONE,
        purpose: Purpose::Encrypt,
        mechanism: Cow::Owned(mechanism),
        key: Some(key),
        pin: None,
    }
}

fn perform(key: ObjectHandle) -> Request<'static> {
    Request::Perform {
        operation: cbc(key),
        input: Cow::Borrowed(b"attack at dawn"),
        signature: None,
        room: Room::Bytes(64),
    }
}

#[test]
fn a_key_is_on_every_member_before_the_caller_hears_of_it() {
    let rig = Rig::new(&["d", "d", "d"], true);
    let session = rig.logged_in();
    let key = rig.key(&session, true);
    assert_eq!([0, 1, 2].map(|at| rig.count(at)), [1, 1, 1]);
    let first = rig.encrypt(&session, key);
    rig.links[0].cut();
    assert_eq!(rig.encrypt(&session, key), first, "another member has the same key");
    rig.links[1].cut();
    assert_eq!(rig.encrypt(&session, key), first);
    assert_eq!(rig.group.state().iter().filter(|(_, status)| *status == CKR_OK).count(), 1);
    rig.links[2].cut();
    assert_eq!(rig.refusal(&session, &perform(key)), Cause::DeviceError);
    assert_eq!(rig.group.describe().unwrap_err().cause(), Cause::TokenNotPresent);
}

#[test]
fn when_the_maker_is_lost_amid_the_giving_who_has_it_goes_on() {
    for token in [true, false] {
        let rig = Rig::new(&["d", "d", "d"], true);
        let session = rig.logged_in();
        let maker = Arc::clone(&rig.links[0]);
        let cut: Event = Box::new(move || maker.cut());
        *rig.links[1].before_next.lock() = Some(("Insert", cut));
        let key = rig.key(&session, token);
        let of_token = usize::from(token);
        assert_eq!([1, 2].map(|at| rig.count(at)), [of_token, of_token], "token {token}");
        let sealed = rig.encrypt(&session, key);
        rig.links[0].mend();
        rig.group.tick();
        rig.links[1].cut();
        rig.links[2].cut();
        assert_eq!(
            rig.encrypt(&session, key),
            sealed,
            "the maker has it when it is back, token {token}"
        );
    }
}

#[test]
fn what_a_lost_maker_gave_to_nobody_is_on_all_when_it_is_back() {
    let rig = Rig::new(&["d", "d", "d"], true);
    let session = rig.logged_in();
    *rig.links[0].lose_next.lock() = Some("Extract");
    assert_eq!(rig.refusal(&session, &generate(true)), Cause::DeviceError);
    rig.clock.advance(Duration::from_secs(60));
    rig.group.tick();
    assert_eq!([0, 1, 2].map(|at| rig.count(at)), [1, 1, 1]);
}

#[test]
fn what_a_member_missed_it_gets_when_it_is_back() {
    let rig = Rig::new(&["d", "d"], true);
    let session = rig.logged_in();
    let old = rig.key(&session, true);
    let changed = rig.key(&session, true);
    rig.links[1].cut();
    let fresh = rig.key(&session, true);
    rig.call(&session, &Request::Destroy(NONE, old));
    let label = Template::from_iter([Attribute::bytes(CKA_LABEL, *b"new")]);
    rig.call(&session, &Request::SetAttributes(NONE, changed, Cow::Owned(label)));
    rig.links[1].mend();
    rig.group.tick();
    assert_eq!(rig.count(1), 2, "one destroyed, one made");
    let before = rig.encrypt(&session, fresh);
    rig.links[0].cut();
    assert_eq!(rig.encrypt(&session, fresh), before);
    let asked = Request::Attributes(NONE, changed, Cow::Borrowed(&[CKA_LABEL]));
    let Reply::Answers(answers) = rig.call(&session, &asked) else { panic!("no answers") };
    assert_eq!(answers, [Answer::Value(Value::Bytes(b"new".to_vec().into()))]);
}

#[test]
fn session_objects_travel_to_a_member_that_came_back() {
    let rig = Rig::new(&["d", "d"], true);
    let session = rig.logged_in();
    let key = rig.key(&session, false);
    let before = rig.encrypt(&session, key);
    rig.links[0].cut();
    rig.group.tick();
    rig.links[0].mend();
    rig.group.tick();
    rig.links[1].cut();
    assert_eq!(rig.encrypt(&session, key), before);
}

#[test]
fn a_message_in_parts_is_lost_with_its_member_and_only_it() {
    let rig = Rig::new(&["d", "d"], true);
    let session = rig.logged_in();
    let key = rig.key(&session, true);
    rig.call(&session, &Request::Begin(cbc(key)));
    let part = || Request::Update {
        session: NONE,
        purpose: Purpose::Encrypt,
        input: Cow::Borrowed(&[1; 16]),
        room: Room::Bytes(64),
    };
    rig.call(&session, &part());
    rig.links[0].cut();
    assert_eq!(rig.refusal(&session, &part()), Cause::DeviceError);
    assert_eq!(rig.refusal(&session, &part()), Cause::OperationNotInitialized);
    rig.encrypt(&session, key);
}

#[test]
fn a_request_whose_answer_was_lost_is_repeated_only_if_that_is_safe() {
    let rig = Rig::new(&["d", "d"], true);
    let session = rig.logged_in();
    let key = rig.key(&session, true);
    *rig.links[0].lose_next.lock() = Some("Perform");
    rig.encrypt(&session, key);
    // The member that lost the answer is out until the interval is over.
    assert_eq!(rig.group.state()[0].1, CKR_DEVICE_ERROR);
    rig.clock.advance(Duration::from_secs(60));
    rig.group.tick();
    assert_eq!(rig.group.state()[0].1, CKR_OK);
    for link in &rig.links {
        *link.lose_next.lock() = Some("GenerateKey");
    }
    assert_eq!(rig.refusal(&session, &generate(true)), Cause::DeviceError);
    let made: usize = (0..2).map(|at| rig.count(at)).sum();
    assert_eq!(made, 3, "the key from before twice, the uncertain one once and not again");
}

#[test]
fn a_member_of_another_domain_refuses_and_nothing_is_left_behind() {
    let rig = Rig::new(&["d", "other"], true);
    let session = rig.logged_in();
    assert_eq!(rig.refusal(&session, &generate(true)), Cause::CloneFailed);
    assert_eq!([0, 1].map(|at| rig.count(at)), [0, 0]);
}

#[test]
fn a_wrong_pin_is_counted_once() {
    let rig = Rig::new(&["d", "d"], true);
    let session = rig.session();
    let wrong = Request::Login(NONE, Role::CryptoOfficer, Pin::new(b"not-the-pin"));
    assert_eq!(rig.refusal(&session, &wrong), Cause::PinIncorrect);
    let left = |at: usize| match rig.links[at].call(&Request::RoleState(Role::CryptoOfficer)) {
        Ok(Reply::RoleState(state)) => state.attempts_left,
        other => panic!("{other:?}"),
    };
    assert_eq!((left(0), left(1)), (9, 10));
}

#[test]
fn after_all_were_lost_the_mode_decides() {
    let enhanced = Rig::new(&["d", "d"], true);
    let session = enhanced.logged_in();
    let (token, own) = (enhanced.key(&session, true), enhanced.key(&session, false));
    let before = enhanced.encrypt(&session, token);
    for link in &enhanced.links {
        link.cut();
    }
    assert_eq!(enhanced.refusal(&session, &perform(token)), Cause::DeviceError);
    enhanced.links[1].mend();
    assert_eq!(enhanced.encrypt(&session, token), before, "session and login came back");
    let gone = enhanced.refusal(&session, &perform(own));
    assert_eq!(gone, Cause::ObjectHandleInvalid, "its key lived in memory that is gone");

    let basic = Rig::new(&["d", "d"], false);
    let session = basic.logged_in();
    let token = basic.key(&session, true);
    for link in &basic.links {
        link.cut();
    }
    assert_eq!(basic.refusal(&session, &perform(token)), Cause::DeviceError);
    basic.links[0].mend();
    assert_eq!(basic.refusal(&session, &perform(token)), Cause::DeviceError);
}

#[test]
fn a_handle_is_valid_once_its_object_was_met() {
    let rig = Rig::new(&["d", "d"], true);
    let session = rig.logged_in();
    assert_eq!(rig.refusal(&session, &perform(ObjectHandle(1))), Cause::ObjectHandleInvalid);
    let key = rig.key(&session, true);
    let Reply::Objects(found) =
        rig.call(&session, &Request::Find(NONE, Cow::Owned(Template::new())))
    else {
        panic!("nothing found");
    };
    assert_eq!(found.iter().map(|it| it.handle).collect::<Vec<_>>(), [key]);
}

#[test]
fn administration_goes_to_members() {
    let rig = Rig::new(&["d", "d"], true);
    let session = rig.logged_in();
    let pins = Request::SetPin { session: NONE, old: Pin::new(CO_PIN), new: Pin::new(CO_PIN) };
    assert_eq!(rig.refusal(&session, &pins), Cause::FunctionNotSupported);
}

/// Whoever brings a member up to date may be killed between any two of its requests.
#[test]
fn what_another_process_destroys_while_it_travels_does_not_come_back() {
    let rig = Arc::new(Rig::new(&["d", "d"], true));
    let session = rig.logged_in();
    let late = rig.other_process();
    let its_session = late.session();
    late.call(&its_session, &Request::Login(NONE, Role::CryptoOfficer, Pin::new(CO_PIN)));

    // Only the first member has it, as when its maker was killed in between. Another process brings
    // it to the second, and is overtaken by the one that destroys it on both.
    let key = rig.made_on_the_first(&session);
    let destroying = (Arc::clone(&rig), session);
    *late.links[1].before_next.lock() = Some((
        "Insert",
        Box::new(move || {
            destroying.0.call(&destroying.1, &Request::Destroy(NONE, key));
        }),
    ));
    late.links[1].epoch.fetch_add(1, Ordering::SeqCst);
    late.clock.advance(Duration::from_secs(61));
    let _ = late.group.state();
    assert!(late.links[1].before_next.lock().is_none(), "it has happened");
    assert_eq!([0, 1].map(|at| rig.count(at)), [0, 0]);
    assert!(late.group.state().iter().all(|(_, status)| *status == CKR_OK));
}
