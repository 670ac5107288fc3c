//! HA groups of three appliances under load, with one that dies, freezes and comes back: nothing that was
//! acknowledged is lost, and the application sees a pause and no error.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use luna_ck::{CK_RV, CKM_AES_CMAC, CKR_DEVICE_ERROR, CKR_OK};
use luna_client::{Attribute, Context, Mechanism, ObjectHandle, Session, SlotId};
use luna_tests::officer;
use parking_lot::Mutex;

use crate::field::{Field, context, set};
use crate::lives::{eventually, new_key};

const THREADS: usize = 8;

/// What is waited for a silent appliance here, in milliseconds.
const RECEIVE_TIMEOUT_MS: u64 = 2000;

/// Threads that sign without pause and one that makes keys, while something is done to a member.
pub(crate) struct Load<'a> {
    context: &'a Context,
    slot: SlotId,
    stop: AtomicBool,
    signed: AtomicU64,
    /// Threads that have logged in. A login whose answer is lost is an error that the application hears of, for
    /// a wrong PIN must not be counted twice; this is about what it does not hear of.
    begun: AtomicU64,
    /// Longest time between two signatures of one thread.
    pause_ms: AtomicU64,
    acknowledged: Mutex<Vec<String>>,
}

impl<'a> Load<'a> {
    pub(crate) fn new(context: &'a Context, slot: SlotId) -> Self {
        Self {
            context,
            slot,
            stop: AtomicBool::new(false),
            signed: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            pause_ms: AtomicU64::new(0),
            acknowledged: Mutex::default(),
        }
    }

    fn sign_on(&self, key: ObjectHandle) {
        let session = officer(self.context, self.slot);
        let mechanism = Mechanism::Plain(CKM_AES_CMAC);
        let expected = session.sign(&mechanism, key, b"data").unwrap();
        self.begun.fetch_add(1, Ordering::AcqRel);
        let mut last = Instant::now();
        while !self.stop.load(Ordering::Acquire) {
            let signature =
                session.sign(&mechanism, key, b"data").unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(signature, expected, "the wrong key");
            let pause = u64::try_from(last.elapsed().as_millis()).unwrap();
            self.pause_ms.fetch_max(pause, Ordering::AcqRel);
            self.signed.fetch_add(1, Ordering::AcqRel);
            last = Instant::now();
        }
    }

    /// Makes keys, and keeps account of those that it was told of. One whose answer was lost may be there or not.
    fn make_keys(&self, session: &Session, prefix: &str) {
        for number in 0.. {
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            let label = format!("{prefix}-{number}");
            if new_key(session, &label).is_ok() {
                self.acknowledged.lock().push(label);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn run_for_signatures(&self, count: u64) {
        let from = self.signed.load(Ordering::Acquire);
        eventually("signatures", || self.signed.load(Ordering::Acquire) >= from + count);
    }

    pub(crate) fn members_up(&self) -> Vec<bool> {
        let state = self.context.ha_state(self.slot).unwrap();
        state.members.iter().map(|member| member.status.0 == CKR_OK).collect()
    }

    /// Runs the load while `harm` and later `heal` are done; prints pause and recovery.
    pub(crate) fn survive(&self, what: &str, harm: impl FnOnce(), heal: impl FnOnce()) {
        let session = officer(self.context, self.slot);
        let key = new_key(&session, &format!("{what}-signing")).unwrap();
        self.acknowledged.lock().push(format!("{what}-signing"));
        self.stop.store(false, Ordering::Release);
        self.pause_ms.store(0, Ordering::Release);
        self.begun.store(0, Ordering::Release);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| self.sign_on(key))).collect();
            let maker = scope.spawn(move || self.make_keys(&session, what));
            let all = THREADS as u64;
            eventually("all begin", || self.begun.load(Ordering::Acquire) == all);
            self.run_for_signatures(100);
            let before = self.pause_ms.swap(0, Ordering::AcqRel);
            harm();
            eventually("the member is missed", || self.members_up().contains(&false));
            self.run_for_signatures(200);
            let pause = self.pause_ms.swap(0, Ordering::AcqRel);
            heal();
            let recovery =
                eventually("all members are back", || !self.members_up().contains(&false));
            self.run_for_signatures(100);
            self.stop.store(true, Ordering::Release);
            println!(
                "{what}: longest pause of a thread {pause} ms (at rest {before} ms), \
                 recovery {recovery:?} after the appliance was back"
            );
            for worker in workers {
                worker.join().unwrap();
            }
            maker.join().unwrap();
        });
    }

    /// Every member has every key that was acknowledged.
    #[track_caller]
    pub(crate) fn assert_nothing_lost(&self, client: &std::path::Path) {
        let alone = client.with_file_name("members");
        std::fs::create_dir_all(alone.join("lib")).unwrap();
        for file in ["Chrystoki.conf", "lib/libCryptoki2_64.so"] {
            std::fs::copy(client.join(file), alone.join(file)).unwrap();
        }
        let text = std::fs::read_to_string(alone.join("Chrystoki.conf")).unwrap();
        let text: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("VirtualToken00"))
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(alone.join("Chrystoki.conf"), text).unwrap();
        let context = context(&alone);
        let wanted = self.acknowledged.lock();
        let slots = context.slots(true).unwrap();
        assert_eq!(slots.len(), 3);
        for slot in slots {
            let session = officer(&context, slot);
            for label in &*wanted {
                let found = session.find(&[Attribute::label(label)]).unwrap();
                assert_eq!(found.len(), 1, "{label} on the member in slot {slot:?}");
            }
        }
        println!("{} keys that were acknowledged are on all three members", wanted.len());
    }
}

/// The group's slot.
#[track_caller]
pub(crate) fn group_slot(context: &Context) -> SlotId {
    context.slot_by_label("LUNAHA").unwrap().expect("the group has a slot")
}

#[test]
fn a_member_that_is_killed_and_one_that_freezes() {
    let mut field = Field::of(3);
    field.group();
    set(&field.client, "LunaSA Client", "ReceiveTimeout", &RECEIVE_TIMEOUT_MS.to_string());
    let context = field.context();
    let load = Load::new(&context, group_slot(&context));
    let appliance = Mutex::new(field.appliances.remove(0));
    // The first member is the primary: it makes the keys.
    load.survive("killed", || appliance.lock().kill(), || appliance.lock().restart());
    let frozen = &field.appliances[0];
    load.survive("frozen", || frozen.freeze(), || frozen.thaw());
    load.assert_nothing_lost(&field.client);
    field.appliances.insert(0, appliance.into_inner());
}

/// A member that hangs is known to be up until `ReceiveTimeout`; who asks for the current state is told after
/// `statusTimeout` that it does not answer, and the group keeps it.
#[test]
fn the_current_state_is_asked_for_with_a_patience_of_its_own() {
    let field = Field::of(2);
    field.group();
    // Longer than anything here takes, so that it is seen not to be waited for.
    set(&field.client, "LunaSA Client", "ReceiveTimeout", "3600000");
    set(&field.client, "HAConfiguration", "statusTimeout", "1");
    let context = field.context();
    let group = group_slot(&context);
    let known = || statuses(&context.ha_state(group).unwrap());
    let current = || statuses(&context.current_ha_state(group).unwrap());
    let up = vec![CKR_OK; 2];
    assert_eq!(current(), up);
    field.appliances[1].freeze();
    assert_eq!(known(), up);
    assert_eq!(current(), [CKR_OK, CKR_DEVICE_ERROR]);
    field.appliances[1].thaw();
    // What was asked is answered late, and the member was never lost.
    while current() != up {}
    assert_eq!(known(), up);
}

fn statuses(state: &luna_client::HaState) -> Vec<CK_RV> {
    state.members.iter().map(|member| member.status.0).collect()
}
