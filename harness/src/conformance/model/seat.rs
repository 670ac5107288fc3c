//! The process that has the module: it is told sequences and tells how they ended.

use std::fs::File;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use luna_client::ck::*;
use luna_client::module::watch;
use luna_client::{Error, Module};
use luna_conformance::check::{Finding, Footing, Subject as Kind};
use luna_conformance::report::Subject;
use luna_conformance::stage::{LABEL, Secrets, Stage, Target};
use luna_model::{
    Answer, Call, Exception, Failure, Leave, Plan, Step, Token, is_swept, record, run, sweep,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// The hidden verb of this process.
pub(crate) const SEAT: &str = "model-seat";

/// Before each word of this process, so that a library's own are told from them.
pub(super) const MARK: &str = "\u{1}luna-model ";

/// The token, and what may be done to it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Assignment {
    pub(super) target: Target,
    /// They travel by the pipe only.
    pub(super) secrets: Secrets,
    pub(super) crypto_user: Option<String>,
    pub(super) leave: Leave,
    pub(super) exceptions: Vec<Exception>,
    /// Where calls are written before they are made.
    pub(super) calls: PathBuf,
    pub(super) per_second: Option<u32>,
}

/// What this process is told to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Case {
    /// By one thread.
    Sequence(Vec<Step>),
    /// By several.
    AtOnce(Plan),
}

/// What this process says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Word {
    /// The module is there, and what it says it is.
    Ready(Subject),
    /// It cannot begin, or must not go on; why.
    GivesUp(String),
    /// A sequence ended as it may; calls that were made.
    Passed(u64),
    /// It did not; whether the token is as before.
    Failed(Failure, bool),
}

impl Word {
    /// When nobody reads any more there is nothing left to do.
    fn send(&self) {
        if let Ok(text) = serde_json::to_string(self) {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "\n{MARK}{text}").and_then(|()| out.flush());
        }
    }
}

/// A module whose passwords are watched: a right one that is refused is not given again, by no thread.
#[derive(Clone)]
struct Careful {
    module: Module,
    credentials: Vec<(CK_USER_TYPE, Vec<u8>)>,
    refused: Arc<Mutex<Option<String>>>,
}

impl luna_model::Target for Careful {
    fn call(&mut self, call: &Call) -> Result<Answer, Error> {
        if self.refused.lock().is_some() {
            let what = "a password was refused and is not tried again";
            return Err(Error::Refused { function: "C_Login", what });
        }
        let answer = self.module.call(call)?;
        let locks = [
            CKR_PIN_INCORRECT,
            CKR_PIN_INVALID,
            CKR_PIN_LEN_RANGE,
            CKR_PIN_LOCKED,
            CKR_CHALLENGE_INCORRECT,
        ];
        if let Call::Login(_, user, pin) = call
            && locks.contains(&answer.rv)
            && self.credentials.iter().any(|known| known.0 == *user && known.1 == *pin)
        {
            let (user, rv) = (names::name(names::CKU, *user), names::ckr(answer.rv));
            *self.refused.lock() = Some(format!("the password of {user} was refused, {rv}"));
        }
        Ok(answer)
    }
}

/// Reads the assignment and then sequences from standard input, and runs them.
///
/// # Errors
/// When there is no assignment to read.
pub(crate) fn work() -> Result<()> {
    let mut lines = std::io::stdin().lock().lines();
    let line = lines.next().context("no assignment")??;
    let assignment: Assignment = serde_json::from_str(&line).context("no assignment")?;
    if let Some(rate) = assignment.per_second {
        let record = assignment.target.scratch.join("model-paced-calls");
        watch::begin(&record, Some(rate))?;
    }
    let (mut careful, token, _stage) = match ready(&assignment) {
        Ok(ready) => ready,
        Err(error) => {
            Word::GivesUp(format!("{error:#}")).send();
            return Ok(());
        }
    };
    let calls = &assignment.calls;
    let trail = File::options().create(true).append(true).open(calls);
    let trail = trail.context("a file for the calls")?;
    for line in lines {
        let case: Case = serde_json::from_str(&line?).context("no sequence")?;
        trail.set_len(0)?;
        watch::clear();
        // A full disk takes the record of a crash and nothing else.
        let outcome = match case {
            Case::Sequence(steps) => {
                let mut told =
                    |call: &str| drop((&trail).write_all(format!("{call};\n").as_bytes()));
                run(&mut careful, &token, &steps, &mut told)
            }
            Case::AtOnce(plan) => record(&careful, &token, &plan, &|thread, call| {
                drop((&trail).write_all(format!("{call}; // thread {thread}\n").as_bytes()));
            }),
        };
        if let Some(reason) = careful.refused.lock().take() {
            Word::GivesUp(format!("{reason}: it is not tried again")).send();
            return Ok(());
        }
        match outcome {
            Ok(calls) => Word::Passed(calls).send(),
            Err(failure) => {
                sweep(&mut careful, &token);
                let swept = is_swept(&mut careful, &token);
                Word::Failed(failure, swept).send();
            }
        }
    }
    Ok(())
}

/// The module, initialised, its token empty of what is ours, and each password found right.
fn ready(assignment: &Assignment) -> Result<(Careful, Token, Stage)> {
    let mut stage = Stage::load(assignment.target.clone(), &assignment.secrets)?;
    let found = |finding| match finding {
        Finding::NotApplicable(reason) => anyhow!("{reason}"),
        Finding::Unlike { expected, seen } | Finding::Inconsistent { expected, seen } => {
            anyhow!("{expected}; {seen}")
        }
    };
    stage.enter(Footing::Public).map_err(found)?;
    let slot = stage.slot().map_err(found)?;
    let context = stage.context().map_err(found)?.clone();
    let flags = context.token_info(slot)?.flags;
    let ped = flags & CKF_PROTECTED_AUTHENTICATION_PATH != 0;
    let pin = |user, pin: &Option<String>| pin.as_ref().map(|pin| (user, pin.as_bytes().to_vec()));
    let secrets = &assignment.secrets;
    let all = [
        pin(CKU_USER, &secrets.officer),
        pin(CKU_CRYPTO_USER, &assignment.crypto_user),
        // Whom a PED asks types nothing.
        pin(CKU_SO, &secrets.security_officer).filter(|_| !ped),
    ];
    let credentials: Vec<_> = all.into_iter().flatten().collect();
    let mut mechanisms = std::collections::BTreeMap::new();
    for mechanism in context.mechanisms(slot)? {
        mechanisms.insert(mechanism, {
            let info = context.mechanism_info(slot, mechanism)?;
            (info.flags, info.min_key_size)
        });
    }
    let luna = stage.subject().map_err(found)? != Kind::Any;
    let fips = stage.fips().unwrap_or(false);
    let token = Token {
        luna,
        fips,
        ped,
        mechanisms: Some(mechanisms),
        mark: format!("{LABEL} {} ", assignment.target.run),
        leave: assignment.leave,
        exceptions: assignment.exceptions.clone(),
        ..Token::new(slot.0, credentials.clone())
    };
    let mut careful = Careful { module: context.module(), credentials, refused: Arc::default() };
    sweep(&mut careful, &token);
    if let Some(reason) = careful.refused.lock().take() {
        bail!("{reason}");
    }
    if let Some(subject) = Subject::of(&stage) {
        Word::Ready(subject).send();
    }
    Ok((careful, token, stage))
}
