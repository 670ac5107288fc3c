//! Ours beside SoftHSM 2: the same raw calls, one module after the other again and again, in one run.
//!
//! `cargo bench -p luna-benches --bench compare`, or with `-- TEXT` for the cases whose id contains TEXT. Prints the
//! table of the README. Each figure is the lower quartile of short rounds, so that a busy machine tells too. The last
//! column is what two threads do in the time of one, each with a session and the same key.

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use luna_benches::budget::{Budget, budgets, duration};
use luna_benches::calls::{Asked, Calls, Laid, Template};
use luna_benches::instance::{
    AES_KEY, CRYPTO_OFFICER, EC_KEY, Fleet, GROUP, HMAC_KEY, Instance, TOKEN,
};
use luna_benches::{softhsm, startup, sure};
use luna_client::ck::*;

/// Rounds of each module.
const ROUNDS: usize = 41;

/// Rounds of what takes longer than a round is to take.
const FEW_ROUNDS: usize = 5;

/// What a round takes, unless one call takes longer: less than a slice of the scheduler, so that there are rounds
/// that no other program interrupts.
const ROUND: Duration = Duration::from_millis(1);

/// Tokens of the other module with 100 and 10,000 objects.
const HUNDRED: &str = "hundred";
const FULL: &str = "full";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, what, module, directory, token] = arguments.as_slice()
        && what == startup::ARGUMENT
    {
        return ended(startup::run(Path::new(module), directory, token));
    }
    // SoftHSM reads the environment, which a running program does not change.
    if softhsm::library().is_some() && std::env::var_os(softhsm::CONFIGURATION).is_none() {
        return ended(again_with_softhsm(&arguments));
    }
    let filter = arguments.iter().skip(1).find(|word| !word.starts_with("--"));
    ended(compare(filter.map_or("", String::as_str)))
}

fn ended(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn again_with_softhsm(arguments: &[String]) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut again = Command::new(std::env::current_exe()?);
    again.args(arguments.iter().skip(1));
    again.env(softhsm::CONFIGURATION, softhsm::configure(directory.path())?);
    anyhow::ensure!(again.status()?.success(), "the run with SoftHSM failed");
    Ok(())
}

/// One of the modules, with tokens of several sizes.
enum Side<'a> {
    Ours(&'a Fleet),
    Softhsm(&'a Instance),
}

impl<'a> Side<'a> {
    /// The instance with a token of so many objects, and the token's label.
    fn with(&self, objects: usize) -> Option<(&'a Instance, &'static str)> {
        match (self, objects) {
            (Self::Ours(fleet), 0) => Some((fleet.empty(), TOKEN)),
            (Self::Ours(fleet), 100) => Some((fleet.hundred(), TOKEN)),
            (Self::Ours(fleet), 10_000) => Some((fleet.full(), TOKEN)),
            (Self::Ours(fleet), 100_000) => Some((fleet.vast(), TOKEN)),
            (Self::Softhsm(instance), 0) => Some((instance, TOKEN)),
            (Self::Softhsm(instance), 100) => Some((instance, HUNDRED)),
            (Self::Softhsm(instance), 10_000) => Some((instance, FULL)),
            _ => None,
        }
    }
}

/// Calls one thread makes, so and so often.
type Work<'a> = Box<dyn FnMut(u64) -> Duration + Send + 'a>;

fn compare(filter: &str) -> Result<()> {
    let fleet = Fleet::default();
    let other = match (softhsm::library(), std::env::var_os(softhsm::CONFIGURATION)) {
        (Some(library), Some(file)) => {
            let folder = Path::new(&file).parent().context("a file lies in a directory")?;
            let tokens = [(TOKEN, 0), (HUNDRED, 100), (FULL, 10_000)];
            Some(Instance::of_softhsm(library, folder, &tokens)?)
        }
        _ => None,
    };
    println!("| case | goal | ours | SoftHSM 2.6.1 | SoftHSM / ours | two threads, ours |");
    println!("|---|---|---|---|---|---|");
    for budget in budgets()?.iter().filter(|budget| budget.id.contains(filter)) {
        row(budget, &fleet, other.as_ref());
    }
    Ok(())
}

fn row(budget: &Budget, fleet: &Fleet, other: Option<&Instance>) {
    let ours = Side::Ours(fleet);
    let theirs = other.map(Side::Softhsm);
    let (mine, yours) = if let Some(under) = &budget.over {
        let (group, member) = (
            work(&ours, &budget.id).unwrap_or_else(|| nothing()),
            work(&ours, under).unwrap_or_else(|| nothing()),
        );
        let (group, member) = alternate(group, Some(member));
        (group - member.unwrap_or(0.0), None)
    } else {
        let Some(mine) = work(&ours, &budget.id) else { return };
        alternate(mine, theirs.and_then(|theirs| work(&theirs, &budget.id)))
    };
    let twice = match budget.over {
        Some(_) => String::from("–"),
        None => two_threads(&ours, &budget.id).map_or("–".into(), |gain| format!("{gain:.2}")),
    };
    println!(
        "| {} | {} | {} | {} | {} | {twice} |",
        budget.id,
        duration(budget.goal_ns),
        duration(mine),
        yours.map_or("–".into(), duration),
        yours.map_or("–".into(), |yours| format!("{:.1}", yours / mine)),
    );
}

fn nothing<'a>() -> Work<'a> {
    Box::new(|_| Duration::ZERO)
}

/// Nanoseconds for one call of each: the lower quartile of the rounds.
fn alternate(mut one: Work<'_>, mut two: Option<Work<'_>>) -> (f64, Option<f64>) {
    let first = calls_per_round(&mut one);
    let second = two.as_mut().map(calls_per_round);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let slow = first == 1 || second == Some(1);
    for _ in 0..if slow { FEW_ROUNDS } else { ROUNDS } {
        ours.push(per_call(&mut one, first));
        if let (Some(two), Some(second)) = (two.as_mut(), second) {
            theirs.push(per_call(two, second));
        }
    }
    (quantile(ours, 1).unwrap_or(0.0), quantile(theirs, 1))
}

fn per_call(work: &mut Work<'_>, calls: u64) -> f64 {
    work(calls).as_secs_f64() * 1e9 / calls as f64
}

/// So many as fill a round; also warms up.
fn calls_per_round(work: &mut Work<'_>) -> u64 {
    let mut calls = 1;
    loop {
        let taken = work(calls);
        if taken * 2 >= ROUND || calls >= 1 << 20 {
            return calls;
        }
        calls *= 2;
    }
}

/// The first, second or third quartile.
fn quantile(mut values: Vec<f64>, quarters: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * quarters / 4).copied()
}

/// What two threads do in the time of one: the upper quartile, as other programs take their share of the machine.
fn two_threads(side: &Side<'_>, id: &str) -> Option<f64> {
    let shared =
        ["session/", "random/", "sha256/", "hmac", "aes-", "rsa/", "ecdsa/", "object/attr"];
    if !shared.iter().any(|family| id.starts_with(family)) {
        return None;
    }
    let (mut one, mut two) = (work(side, id)?, work(side, id)?);
    let calls = calls_per_round(&mut one);
    let mut gains = Vec::new();
    for _ in 0..ROUNDS {
        let alone = one(calls);
        let ready = AtomicUsize::new(0);
        let together = |work: &mut Work<'_>| {
            ready.fetch_add(1, Ordering::SeqCst);
            while ready.load(Ordering::SeqCst) < 2 {
                std::hint::spin_loop();
            }
            work(calls)
        };
        let slower = std::thread::scope(|scope| {
            let other = scope.spawn(|| together(&mut two));
            let own = together(&mut one);
            other.join().map_or(own, |other| own.max(other))
        });
        gains.push(2.0 * alone.as_secs_f64() / slower.as_secs_f64());
    }
    quantile(gains, 3)
}

fn repeat<'a>(mut call: impl FnMut() + Send + 'a) -> Work<'a> {
    Box::new(move |calls| {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        start.elapsed()
    })
}

/// A session of an officer; the first on a token logs in, and stays.
fn officer(instance: &Instance, token: &str) -> CK_SESSION_HANDLE {
    let slot = instance.slot(token);
    let session = instance.calls.open(slot);
    if !matches!(instance.calls.session_info(session).state, CKS_RW_USER_FUNCTIONS) {
        instance.calls.login(session, CRYPTO_OFFICER.as_bytes());
    }
    session
}

fn size(id: &str) -> usize {
    id.rsplit('/').next().and_then(|size| size.parse().ok()).unwrap_or(0)
}

fn key(
    instance: &Instance,
    session: CK_SESSION_HANDLE,
    class: CK_OBJECT_CLASS,
    label: &str,
) -> CK_OBJECT_HANDLE {
    let class = class.to_ne_bytes();
    instance
        .calls
        .find(session, &Template::of(&[(CKA_CLASS, &class), (CKA_LABEL, label.as_bytes())]))
}

/// What a case does on one side; none where that side has nothing of the kind.
fn work<'a>(side: &Side<'a>, id: &str) -> Option<Work<'a>> {
    let (family, _) = id.split_once('/')?;
    let objects = match id {
        "aes-gcm/encrypt-of-10000/64" => 10_000,
        _ if family == "application" || id.starts_with("object/find") => size(id),
        _ => 0,
    };
    if family == "ha" {
        return ha(side, id);
    }
    let (instance, token) = side.with(objects)?;
    let calls: &'a Calls = &instance.calls;
    if family == "application" {
        return application(side, instance, token, id);
    }
    let session = officer(instance, token);
    let len = size(id);
    Some(match id.rsplit_once('/').map_or(id, |(case, _)| case) {
        "session" if id.ends_with("info") => repeat(move || {
            black_box(calls.session_info(session));
        }),
        "session" => {
            let slot = instance.slot(token);
            repeat(move || calls.close(calls.open(slot)))
        }
        "random/generate" => {
            let mut out = vec![0; len];
            repeat(move || calls.random(session, &mut out))
        }
        "sha256/digest" => {
            let mut out = [0; 32];
            repeat(move || {
                calls.digest(session, &Laid::plain(CKM_SHA256), &[0x5a; 64], &mut out);
            })
        }
        "hmac-sha256/sign" => {
            let key = key(instance, session, CKO_SECRET_KEY, HMAC_KEY);
            let mut out = [0; 32];
            repeat(move || {
                calls.sign(session, &Laid::plain(CKM_SHA256_HMAC), key, &[0x5a; 64], &mut out);
            })
        }
        "aes-gcm/encrypt" | "aes-gcm/encrypt-of-10000" | "aes-cbc-pad/encrypt" => {
            let key = key(instance, session, CKO_SECRET_KEY, AES_KEY);
            let (data, mut out) = (vec![0x5a; len], vec![0; len + 16]);
            let gcm = family == "aes-gcm";
            repeat(move || {
                let mechanism = if gcm { Laid::gcm(&[1; 12]) } else { Laid::cbc_pad(&[1; 16]) };
                calls.encrypt(session, &mechanism, key, &data, &mut out);
            })
        }
        "rsa/sign" => rsa(instance, token, session, len),
        "ecdsa/sign" | "ecdsa/verify" => ecdsa(instance, session, id.contains("verify")),
        "object/aes-key" => aes_keys(calls, session, id.ends_with("token")),
        "object/attributes" => {
            let key = key(instance, session, CKO_SECRET_KEY, AES_KEY);
            Box::new(move |count| {
                let mut asked = Asked::room(&[CKA_LABEL, CKA_KEY_TYPE, CKA_TOKEN]);
                let start = Instant::now();
                for _ in 0..count {
                    calls.attributes(session, key, &mut asked);
                }
                start.elapsed()
            })
        }
        "object/find-by-label" => repeat(move || {
            calls.find(session, &Template::of(&[(CKA_LABEL, AES_KEY.as_bytes())]));
        }),
        _ => return None,
    })
}

fn rsa<'a>(
    instance: &'a Instance,
    token: &str,
    session: CK_SESSION_HANDLE,
    bits: usize,
) -> Work<'a> {
    let calls = &instance.calls;
    let key = sure("an RSA key pair", instance.rsa_key(token, bits as CK_ULONG));
    let mut out = [0; 512];
    repeat(move || {
        calls.sign(session, &Laid::plain(CKM_SHA256_RSA_PKCS), key, &[0x5a; 64], &mut out);
    })
}

fn ecdsa<'a>(instance: &'a Instance, session: CK_SESSION_HANDLE, verify: bool) -> Work<'a> {
    let calls = &instance.calls;
    let digest = [0x5a; 32];
    let private = key(instance, session, CKO_PRIVATE_KEY, EC_KEY);
    let mut signature = [0; 64];
    calls.sign(session, &Laid::plain(CKM_ECDSA), private, &digest, &mut signature);
    if !verify {
        return repeat(move || {
            calls.sign(session, &Laid::plain(CKM_ECDSA), private, &digest, &mut signature);
        });
    }
    let public = key(instance, session, CKO_PUBLIC_KEY, EC_KEY);
    repeat(move || calls.verify(session, &Laid::plain(CKM_ECDSA), public, &digest, &signature))
}

/// Makes keys, a hundred between two looks at the clock, and destroys them out of its sight.
fn aes_keys(calls: &Calls, session: CK_SESSION_HANDLE, token: bool) -> Work<'_> {
    Box::new(move |count| {
        let (token, len) = ([CK_BBOOL::from(token)], CK_ULONG::from(32_u8).to_ne_bytes());
        let template = Template::of(&[
            (CKA_TOKEN, &token),
            (CKA_LABEL, b"made"),
            (CKA_VALUE_LEN, &len),
            (CKA_ENCRYPT, &[CK_TRUE]),
            (CKA_DECRYPT, &[CK_TRUE]),
        ]);
        let generation = Laid::plain(CKM_AES_KEY_GEN);
        let (mut taken, mut left) = (Duration::ZERO, count);
        while left > 0 {
            let now = left.min(100);
            let start = Instant::now();
            let made: Vec<_> =
                (0..now).map(|_| calls.generate_key(session, &generation, &template)).collect();
            taken += start.elapsed();
            left -= now;
            made.into_iter().for_each(|key| calls.destroy(session, key));
        }
        taken
    })
}

fn application<'a>(
    side: &Side<'a>,
    instance: &'a Instance,
    token: &'static str,
    id: &str,
) -> Option<Work<'a>> {
    let slot = instance.slot(token);
    let calls = &instance.calls;
    if id.contains("load-to-login") {
        let directory = match side {
            Side::Ours(_) => instance.directory().display().to_string(),
            Side::Softhsm(_) => startup::BY_ENVIRONMENT.to_owned(),
        };
        return Some(Box::new(move |processes| {
            (0..processes)
                .map(|_| {
                    let started = startup::measure(instance.module(), Path::new(&directory), token);
                    sure("a process of its own", started).time
                })
                .sum()
        }));
    }
    // Each request logs in, and its end logs out: nobody else may have a session.
    sure("C_CloseAllSessions", instance.close_all(token));
    Some(repeat(move || {
        let class = CKO_PRIVATE_KEY.to_ne_bytes();
        let wanted = [(CKA_CLASS, class.as_slice()), (CKA_LABEL, EC_KEY.as_bytes())];
        let session = calls.open(slot);
        calls.login(session, CRYPTO_OFFICER.as_bytes());
        let key = calls.find(session, &Template::of(&wanted));
        calls.sign(session, &Laid::plain(CKM_ECDSA), key, &[0x5a; 32], &mut [0; 64]);
        calls.close(session);
    }))
}

/// On a member's own slot, or on the group's.
fn ha<'a>(side: &Side<'a>, id: &str) -> Option<Work<'a>> {
    let Side::Ours(fleet) = side else { return None };
    let instance = fleet.group();
    let token = if id.contains("group") { GROUP } else { TOKEN };
    let session = officer(instance, token);
    let key = key(instance, session, CKO_SECRET_KEY, AES_KEY);
    let mut out = [0; 80];
    Some(repeat(move || {
        instance.calls.encrypt(session, &Laid::gcm(&[1; 12]), key, &[0x5a; 64], &mut out);
    }))
}
