//! `luna-harness watch`: signs without pause, and tells what an application sees while members of a group die and
//! come back: calls that fail, how long the longest took, and what `CA_GetHAState` says.
//!
//! The key is a session object of the run's own; nothing is left on the token.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use luna_client::ck::{
    CKA_SIGN, CKA_VALUE_LEN, CKM_AES_CMAC, CKM_AES_KEY_GEN, CKR_OK, CKR_USER_ALREADY_LOGGED_IN,
};
use luna_client::{
    Access, Attribute, Context, InitArgs, Mechanism, Module, ObjectHandle, Pin, Session, SlotId,
    UserType,
};
use parking_lot::Mutex;
use serde::Serialize;

/// How often `CA_GetHAState` is asked.
const GLANCE: Duration = Duration::from_millis(50);

/// What to watch.
pub struct Request {
    /// The module.
    pub module: PathBuf,
    /// Label of the token, or of the HA group.
    pub token_label: String,
    /// The Crypto Officer's password.
    pub pin: Pin,
    /// Threads that sign.
    pub threads: usize,
    /// For how long.
    pub time: Duration,
}

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Signatures made.
    pub signatures: u64,
    /// Calls that failed.
    pub failed: u64,
    /// The first of them, in words.
    pub first_failure: Option<String>,
    /// The longest that one call took, in milliseconds.
    pub longest_call_ms: f64,
    /// What became of members.
    pub events: Vec<Event>,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Since the start, in seconds.
    pub at_s: f64,
    /// In words.
    pub what: String,
}

/// What the threads count together.
#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    signatures: AtomicU64,
    failed: AtomicU64,
    /// Since it was last asked.
    longest_us: AtomicU64,
    first_failure: Mutex<Option<String>>,
}

/// Signs for as long as it is told to; `tell` hears each second, and of each member that is lost or found.
///
/// # Errors
/// When there is no such token, the password is wrong, or no key can be made.
pub fn run(request: &Request, tell: &dyn Fn(&str)) -> Result<Summary> {
    let module = Module::load(&request.module)?;
    let context = module.initialize(InitArgs::OsLocking)?;
    let label = &request.token_label;
    let slot = context.slot_by_label(label)?.with_context(|| format!("no token `{label}`"))?;
    let session = login(&context, slot, &request.pin)?;
    let key = session.generate_key(
        &Mechanism::Plain(CKM_AES_KEY_GEN),
        &[
            Attribute::label("luna-harness watch"),
            Attribute::token(false),
            Attribute::bool(CKA_SIGN, true),
            Attribute::ulong(CKA_VALUE_LEN, 32),
        ],
    )?;
    let counts = Counts::default();
    let watched = std::thread::scope(|scope| {
        for _ in 0..request.threads.max(1) {
            scope.spawn(|| sign_on(&context, slot, key, &counts));
        }
        let watched = watch(&context, slot, request.time, &counts, tell);
        counts.stop.store(true, Ordering::Release);
        watched
    });
    let (longest, events) = watched;
    let first_failure = counts.first_failure.into_inner();
    Ok(Summary {
        signatures: counts.signatures.into_inner(),
        failed: counts.failed.into_inner(),
        first_failure,
        longest_call_ms: in_ms(longest.max(counts.longest_us.into_inner())),
        events,
    })
}

fn login(context: &Context, slot: SlotId, pin: &Pin) -> Result<Session> {
    let session = context.open_session(slot, Access::ReadWrite)?;
    match session.login(UserType::CRYPTO_OFFICER, pin) {
        Ok(()) => Ok(session),
        Err(error) if error.is(CKR_USER_ALREADY_LOGGED_IN) => Ok(session),
        Err(error) => bail!(error),
    }
}

fn sign_on(context: &Context, slot: SlotId, key: ObjectHandle, counts: &Counts) {
    if let Err(error) = sign_until_told(context, slot, key, counts) {
        counts.failed.fetch_add(1, Ordering::AcqRel);
        counts.first_failure.lock().get_or_insert_with(|| format!("{error:#}"));
    }
}

fn sign_until_told(
    context: &Context,
    slot: SlotId,
    key: ObjectHandle,
    counts: &Counts,
) -> Result<()> {
    // The login of the first session is that of all.
    let session = context.open_session(slot, Access::ReadOnly)?;
    let mechanism = Mechanism::Plain(CKM_AES_CMAC);
    let mut expected = None;
    while !counts.stop.load(Ordering::Acquire) {
        let begun = Instant::now();
        let signed = session.sign(&mechanism, key, b"what is signed");
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        counts.longest_us.fetch_max(took, Ordering::AcqRel);
        match signed {
            Ok(signature) => {
                counts.signatures.fetch_add(1, Ordering::AcqRel);
                let expected = expected.get_or_insert_with(|| signature.clone());
                ensure!(*expected == signature, "another key has signed");
            }
            Err(error) => {
                counts.failed.fetch_add(1, Ordering::AcqRel);
                counts.first_failure.lock().get_or_insert_with(|| error.to_string());
                // A token that is gone is asked again and again otherwise.
                std::thread::sleep(GLANCE);
            }
        }
    }
    Ok(())
}

/// The longest call so far in microseconds, and what became of members.
fn watch(
    context: &Context,
    slot: SlotId,
    time: Duration,
    counts: &Counts,
    tell: &dyn Fn(&str),
) -> (u64, Vec<Event>) {
    let begun = Instant::now();
    let (mut members, mut events) = (Vec::new(), Vec::new());
    let (mut seconds, mut before, mut longest) = (0, 0, 0);
    while begun.elapsed() < time {
        std::thread::sleep(GLANCE);
        // A token that is no group has no members.
        let now: Vec<(String, bool)> = context.ha_state(slot).map_or_else(
            |_| Vec::new(),
            |state| {
                let members = state.members.into_iter();
                members.map(|it| (it.serial, it.status.0 == CKR_OK)).collect()
            },
        );
        let at_s = begun.elapsed().as_secs_f64();
        for (serial, is_up) in now.iter().filter(|member| !members.contains(*member)) {
            let what = format!("member {serial} is {}", if *is_up { "up" } else { "down" });
            tell(&format!("{at_s:6.2} s  {what}"));
            events.push(Event { at_s, what });
        }
        members = now;
        if begun.elapsed().as_secs() > seconds {
            seconds = begun.elapsed().as_secs();
            let all = counts.signatures.load(Ordering::Acquire);
            let slowest = counts.longest_us.swap(0, Ordering::AcqRel);
            longest = longest.max(slowest);
            let failed = counts.failed.load(Ordering::Acquire);
            tell(&format!(
                "{at_s:6.2} s  {} signatures a second, the longest took {:.1} ms; {failed} calls failed",
                all - before,
                in_ms(slowest)
            ));
            before = all;
        }
    }
    (longest, events)
}

#[allow(clippy::cast_precision_loss, reason = "a time for people")]
fn in_ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// The last line.
pub fn told(summary: &Summary) -> String {
    let Summary { signatures, failed, first_failure, longest_call_ms, .. } = summary;
    let why = first_failure.as_ref().map(|why| format!(" (the first: {why})")).unwrap_or_default();
    format!(
        "{signatures} signatures, {failed} calls failed{why}; the longest took {longest_call_ms:.1} ms\n"
    )
}
