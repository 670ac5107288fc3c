//! Operations: what begins and ends one, and what comes out of it.
//!
//! Sources: PKCS#11 v2.40 section 5.2 (output of variable length) and sections 5.8 to 5.12; the trap list of the
//! project for what other modules get wrong: an error ends an operation, a length query and a short buffer do
//! not.

use std::collections::BTreeSet;

use luna_ck::*;
use luna_client::Mechanism;
use luna_client::module::exact::{Input, Left, Purpose, Room};

use crate::allowed::Allowed;
use crate::call::{Call, Object, Session};
use crate::object::{Kind, Material};
use crate::objects::LISTED;
use crate::oracle::{self, Outcome};
use crate::state::Model;
use crate::target::{Answer, Given};

/// An operation that was begun and has not ended.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) mechanism: Mechanism,
    pub(crate) key: Option<Object>,
    material: Option<Material>,
    /// The message so far, in parts.
    fed: Vec<u8>,
    /// What came out of it.
    out: Vec<u8>,
    in_parts: bool,
    /// A part was asked about, by a length query or with a short buffer, and none was taken in.
    asked_in_parts: bool,
    /// A logout, or a change of its key, may have ended it.
    pub(crate) shaken: bool,
}

const INIT: &str = "PKCS#11 v2.40 5.8 to 5.12, …Init";
const ORDER: &str = "PKCS#11 v2.40 5.8 to 5.12: order of calls";
const ROOM: &str = "PKCS#11 v2.40 5.2: output of variable length";
const SHAKEN: &str = "PKCS#11 v2.40 5.6, C_Logout: it may be active or not; or its key has changed";
const NULLS: &str = "PKCS#11 v2.40 5.1.6, CKR_ARGUMENTS_BAD";

const NOT_BEGUN: &[CK_RV] = &[CKR_OPERATION_NOT_INITIALIZED];
const KEY: &[CK_RV] = &[CKR_KEY_HANDLE_INVALID];
const WRONG_KEY: &[CK_RV] = &[CKR_KEY_TYPE_INCONSISTENT];

/// What may be said of an operation whose key or login has gone.
const GONE: &[CK_RV] = &[
    CKR_OPERATION_NOT_INITIALIZED,
    CKR_KEY_HANDLE_INVALID,
    CKR_KEY_FUNCTION_NOT_PERMITTED,
    CKR_USER_NOT_LOGGED_IN,
    CKR_USER_NOT_AUTHORIZED,
    CKR_FUNCTION_CANCELED,
];

/// A length that is only asked for may be more than the bytes that then come, by no more than this.
const SLACK: usize = 32;

pub(crate) fn usage(purpose: Purpose) -> CK_ATTRIBUTE_TYPE {
    match purpose {
        Purpose::Encrypt => CKA_ENCRYPT,
        Purpose::Decrypt => CKA_DECRYPT,
        Purpose::Sign => CKA_SIGN,
        Purpose::Verify | Purpose::Digest => CKA_VERIFY,
    }
}

fn flag(purpose: Purpose) -> CK_FLAGS {
    match purpose {
        Purpose::Encrypt => CKF_ENCRYPT,
        Purpose::Decrypt => CKF_DECRYPT,
        Purpose::Digest => CKF_DIGEST,
        Purpose::Sign => CKF_SIGN,
        Purpose::Verify => CKF_VERIFY,
    }
}

/// What a name in the tables of [`Model`] stands for.
fn named(mechanism: &Mechanism) -> String {
    format!("{mechanism:?}")
}

/// The purpose of a call on an operation.
fn purpose_of(call: &Call) -> Purpose {
    match call {
        Call::Init(purpose, ..)
        | Call::Single(purpose, ..)
        | Call::Update(purpose, ..)
        | Call::Absorb(purpose, ..)
        | Call::Finish(purpose, ..) => *purpose,
        _ => Purpose::Verify,
    }
}

/// The bytes that a call feeds; none behind a null pointer.
fn fed(input: &Input) -> &[u8] {
    match input {
        Input::Bytes(bytes) => bytes,
        Input::Null(_) => &[],
    }
}

impl Model {
    fn operation(&self, session: Session, purpose: Purpose) -> Option<&Operation> {
        self.sessions.get(&session)?.operations.get(&purpose)
    }

    fn end(&mut self, session: Session, purpose: Purpose) -> Option<Operation> {
        self.sessions.get_mut(&session)?.operations.remove(&purpose)
    }

    pub(crate) fn judge_operation(&self, call: &Call, allowed: &mut Allowed) {
        let (purpose, session) = (purpose_of(call), call.session().unwrap_or_default());
        let active = self.operation(session, purpose);
        if let Call::Init(_, _, mechanism, key) = call {
            let code = [CKR_OPERATION_ACTIVE];
            allowed.must(active.is_some_and(|it| !it.shaken), &code, INIT);
            allowed.may(active.is_some(), &code, SHAKEN);
            self.judge_init(purpose, mechanism, *key, allowed);
            return;
        }
        let (input, room) = match call {
            Call::Single(_, _, input, room) | Call::Update(_, _, input, room) => {
                (Some(input), Some(*room))
            }
            Call::Absorb(_, _, input) | Call::Verify(_, input, _) => (Some(input), None),
            Call::Finish(_, _, room) => (None, Some(*room)),
            _ => (None, None),
        };
        let bad = room == Some(Room::NoLength);
        allowed.must(bad, &[CKR_ARGUMENTS_BAD], NULLS);
        let null = matches!(input, Some(Input::Null(len)) if *len > 0);
        let codes = [CKR_ARGUMENTS_BAD, CKR_DATA_INVALID, CKR_ENCRYPTED_DATA_INVALID];
        allowed.must(null, &codes, NULLS);
        let Some(active) = active else {
            allowed.must(true, NOT_BEGUN, ORDER);
            return;
        };
        allowed.may(active.shaken, GONE, SHAKEN);
        let whole = matches!(call, Call::Single(..) | Call::Verify(..));
        let codes = [CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED];
        allowed.must(whole && active.in_parts, &codes, ORDER);
        // A question about a part leaves the state as it is; whether it begins a message in parts is not said.
        allowed.may(whole && active.asked_in_parts, &codes, ORDER);
        if null || (whole && active.in_parts) {
            return;
        }
        self.judge_output(call, active, purpose, allowed);
    }

    fn judge_init(
        &self,
        purpose: Purpose,
        mechanism: &Mechanism,
        key: Object,
        allowed: &mut Allowed,
    ) {
        let fits = oracle::fits(mechanism, purpose);
        let kind = match fits {
            Some(Ok(kind)) => kind,
            _ => {
                allowed.must(true, &[CKR_MECHANISM_INVALID], INIT);
                allowed.may(true, WRONG_KEY, INIT);
                allowed.may(true, &[CKR_KEY_FUNCTION_NOT_PERMITTED], INIT);
                Some(Kind::Data)
            }
        };
        let unlisted = !self.token.lists(mechanism.kind(), flag(purpose));
        allowed.must(unlisted, &[CKR_MECHANISM_INVALID], LISTED);
        let fits = oracle::parameter_fits(mechanism);
        allowed.must(!fits, &[CKR_MECHANISM_PARAM_INVALID], "PKCS#11 v2.40, each mechanism");
        // In FIPS mode the vendor's HSM makes the vector of GCM itself; which firmware insists is not published.
        let own = purpose == Purpose::Encrypt && mechanism.kind() == CKM_AES_GCM;
        let codes = [CKR_MECHANISM_PARAM_INVALID];
        allowed.may(self.token.fips && own, &codes, "the vendor's samples: vectors in FIPS mode");
        if purpose == Purpose::Digest {
            return;
        }
        let Some(entry) = self.object(key, KEY, allowed) else { return };
        if let Material::Known(bytes) = &entry.material {
            let perhaps = (bytes.len() as CK_ULONG) < self.token.least(mechanism.kind());
            allowed.may(perhaps, &[CKR_KEY_SIZE_RANGE], LISTED);
        }
        let other = kind != Some(entry.kind);
        allowed.must(other, WRONG_KEY, INIT);
        allowed.may(!entry.kind.is_key(), KEY, INIT);
        match entry.flag(usage(purpose)) {
            Some(permitted) => {
                allowed.must(!permitted, &[CKR_KEY_FUNCTION_NOT_PERMITTED], INIT);
            }
            None => allowed.may(true, &[CKR_KEY_FUNCTION_NOT_PERMITTED], INIT),
        }
    }

    /// The message as it stands with the input of this call, and what it must give in the end.
    pub(crate) fn outcome(
        &self,
        operation: &Operation,
        purpose: Purpose,
        message: &[u8],
    ) -> Outcome {
        let bytes = match &operation.material {
            Some(Material::Known(bytes)) => Some(bytes.as_slice()),
            _ => None,
        };
        let outcome = oracle::whole(&operation.mechanism, purpose, bytes, message);
        let (Outcome::Some(..), Some(material)) = (&outcome, &operation.material) else {
            return outcome;
        };
        let name = named(&operation.mechanism);
        match purpose {
            Purpose::Encrypt => self
                .ciphertexts
                .get(&(name, material.clone(), message.to_vec()))
                .map_or(outcome, |bytes| Outcome::Bytes(bytes.clone())),
            Purpose::Decrypt => {
                let same = self.ciphertexts.iter().find(|((by, key, _), ciphertext)| {
                    *by == name && key == material && ciphertext.as_slice() == message
                });
                same.map_or(outcome, |((_, _, text), _)| Outcome::Bytes(text.clone()))
            }
            _ => outcome,
        }
    }

    /// What is left to come of a message in parts, or of a whole one.
    fn judge_output(
        &self,
        call: &Call,
        operation: &Operation,
        purpose: Purpose,
        allowed: &mut Allowed,
    ) {
        match call {
            Call::Single(_, _, input, room) => {
                let outcome = self.outcome(operation, purpose, fed(input));
                judge_room(&outcome, 0, *room, allowed);
            }
            Call::Finish(_, _, room) => {
                let outcome = self.outcome(operation, purpose, &operation.fed);
                judge_room(&outcome, operation.out.len(), *room, allowed);
            }
            Call::Update(_, _, input, Room::Bytes(room)) => {
                let most = operation.most_early(purpose, fed(input));
                allowed.may(*room < most, &[CKR_BUFFER_TOO_SMALL], ROOM);
            }
            Call::Verify(_, input, signature) => {
                self.judge_signature(operation, fed(input), signature, allowed);
            }
            Call::VerifyFinal(_, signature) => {
                self.judge_signature(operation, &operation.fed, signature, allowed);
            }
            _ => {}
        }
    }

    fn judge_signature(
        &self,
        operation: &Operation,
        message: &[u8],
        signature: &[u8],
        allowed: &mut Allowed,
    ) {
        let clause =
            "PKCS#11 v2.40 5.12: CKR_SIGNATURE_INVALID, by its length CKR_SIGNATURE_LEN_RANGE";
        let right = self.right_signatures(operation, message).contains(signature);
        allowed.must(!right, &[CKR_SIGNATURE_INVALID], clause);
        let fits = Some(signature.len()) == oracle::fixed_len(&operation.mechanism);
        allowed.must(!right && !fits, &[CKR_SIGNATURE_LEN_RANGE], clause);
    }

    /// Computed, or given by the module before. There are no others: nobody guesses one.
    pub(crate) fn right_signatures(
        &self,
        operation: &Operation,
        message: &[u8],
    ) -> BTreeSet<Vec<u8>> {
        match self.outcome(operation, Purpose::Sign, message) {
            Outcome::Bytes(bytes) => BTreeSet::from([bytes]),
            _ => {
                let Some(material) = operation.material.clone() else { return BTreeSet::new() };
                let about = (named(&operation.mechanism), material, message.to_vec());
                self.signatures.get(&about).cloned().unwrap_or_default()
            }
        }
    }

    pub(crate) fn follow_operation(&mut self, call: &Call, answer: &Answer) -> Result<(), String> {
        let (purpose, session) = (purpose_of(call), call.session().unwrap_or_default());
        if let Call::Init(_, _, mechanism, key) = call {
            if answer.rv == CKR_OK {
                self.begun(session, purpose, mechanism, *key);
            }
            return Ok(());
        }
        if let Given::Bytes(left) = &answer.given {
            check_buffer(left)?;
        }
        let Some(operation) = self.operation(session, purpose).cloned() else { return Ok(()) };
        let asked = matches!(
            call,
            Call::Single(.., Room::Ask) | Call::Update(.., Room::Ask) | Call::Finish(.., Room::Ask)
        );
        let part = matches!(call, Call::Update(..) | Call::Finish(..));
        let open = self.sessions.get_mut(&session);
        if let Some(active) = open.and_then(|open| open.operations.get_mut(&purpose))
            && part
            && (asked || answer.rv == CKR_BUFFER_TOO_SMALL)
        {
            active.asked_in_parts = true;
        }
        match answer.rv {
            CKR_OK if asked => self.check_length(call, &operation, purpose, answer),
            CKR_BUFFER_TOO_SMALL => {
                let Given::Bytes(left) = &answer.given else { return Ok(()) };
                let taken =
                    self.token.exceptions.iter().any(|it| it.lengths && it.concerns(call, true));
                if left.len <= left.buffer.len() as CK_ULONG && !taken {
                    return Err(format!("length {} would have fitted", left.len));
                }
                self.check_length(call, &operation, purpose, answer)
            }
            CKR_OK => self.go_on(call, operation, purpose, answer),
            // Whatever failed has ended it.
            _ => {
                self.end(session, purpose);
                Ok(())
            }
        }
    }

    fn begun(&mut self, session: Session, purpose: Purpose, mechanism: &Mechanism, key: Object) {
        let key = (purpose != Purpose::Digest).then_some(key);
        let material =
            key.and_then(|key| self.objects.get(&key)).map(|entry| entry.material.clone());
        let operation = Operation {
            mechanism: mechanism.clone(),
            key,
            material,
            fed: Vec::new(),
            out: Vec::new(),
            in_parts: false,
            asked_in_parts: false,
            shaken: false,
        };
        if let Some(open) = self.sessions.get_mut(&session) {
            open.operations.insert(purpose, operation);
        }
    }

    /// A length that was asked for, or told of with a short buffer, suffices and is not absurd.
    fn check_length(
        &self,
        call: &Call,
        operation: &Operation,
        purpose: Purpose,
        answer: &Answer,
    ) -> Result<(), String> {
        let Given::Bytes(left) = &answer.given else { return Ok(()) };
        if self.token.exceptions.iter().any(|it| it.lengths && it.concerns(call, true)) {
            return Ok(());
        }
        let (least, most) = match call {
            Call::Single(_, _, input, _) => {
                let outcome = self.outcome(operation, purpose, fed(input));
                // What will be refused has no length.
                let most = match outcome {
                    Outcome::Refused(_) => fed(input).len(),
                    _ => outcome.most(),
                };
                (outcome.least(), most)
            }
            Call::Update(_, _, input, _) => (0, operation.most_early(purpose, fed(input))),
            _ => {
                let outcome = self.outcome(operation, purpose, &operation.fed);
                let done = operation.out.len();
                (outcome.least().saturating_sub(done), outcome.most().saturating_sub(done))
            }
        };
        let slack = if oracle::fixed_len(&operation.mechanism).is_some() { 0 } else { SLACK };
        let len = usize::try_from(left.len).unwrap_or(usize::MAX);
        if (least..=most + slack).contains(&len) {
            return Ok(());
        }
        Err(format!("length {len} is not between {least} and {}", most + slack))
    }

    /// Bytes came out, or a part was taken in.
    fn go_on(
        &mut self,
        call: &Call,
        mut operation: Operation,
        purpose: Purpose,
        answer: &Answer,
    ) -> Result<(), String> {
        let session = call.session().unwrap_or_default();
        let bytes = match &answer.given {
            Given::Bytes(left) => whole_buffer(left)?,
            _ => Vec::new(),
        };
        match call {
            Call::Absorb(_, _, input) => {
                operation.take_in(fed(input), &[]);
            }
            Call::Update(_, _, input, _) => {
                operation.take_in(fed(input), &bytes);
                operation.check_early(purpose)?;
            }
            Call::Single(_, _, input, _) => {
                self.end(session, purpose);
                operation.fed = fed(input).to_vec();
                operation.out = bytes;
                return self.completed(&operation, purpose);
            }
            Call::Finish(..) => {
                self.end(session, purpose);
                operation.out.extend(bytes);
                return self.completed(&operation, purpose);
            }
            _ => {
                self.end(session, purpose);
                return Ok(());
            }
        }
        if let Some(open) = self.sessions.get_mut(&session) {
            open.operations.insert(purpose, operation);
        }
        Ok(())
    }

    /// A whole message is through: it is right, or remembered to be compared with.
    fn completed(&mut self, operation: &Operation, purpose: Purpose) -> Result<(), String> {
        let outcome = self.outcome(operation, purpose, &operation.fed);
        let len = operation.out.len();
        match outcome {
            Outcome::Bytes(bytes) if bytes != operation.out => {
                let given = crate::call::bytes(&operation.out);
                Err(format!("the message gives {}, not {given}", crate::call::bytes(&bytes)))
            }
            Outcome::Bytes(_) | Outcome::Refused(_) => Ok(()),
            Outcome::Some(lengths, _) if !lengths.contains(&len) => {
                Err(format!("{len} bytes came; the message gives {lengths:?}"))
            }
            Outcome::Some(..) => {
                let Some(material) = operation.material.clone() else { return Ok(()) };
                let name = named(&operation.mechanism);
                let (input, output) = (operation.fed.clone(), operation.out.clone());
                match purpose {
                    Purpose::Encrypt => {
                        self.ciphertexts.insert((name, material, input), output);
                    }
                    Purpose::Decrypt => {
                        self.ciphertexts.insert((name, material, output), input);
                    }
                    _ => {
                        self.signatures.entry((name, material, input)).or_default().insert(output);
                    }
                }
                Ok(())
            }
        }
    }
}

impl Operation {
    /// The message so far.
    pub(crate) fn message(&self) -> &[u8] {
        &self.fed
    }

    /// How many bytes came out.
    pub(crate) fn given(&self) -> usize {
        self.out.len()
    }

    fn take_in(&mut self, input: &[u8], output: &[u8]) {
        self.fed.extend(input);
        self.out.extend(output);
        self.in_parts = true;
    }

    fn key_bytes(&self) -> Option<&[u8]> {
        match &self.material {
            Some(Material::Known(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The most an update with this input may give.
    pub(crate) fn most_early(&self, purpose: Purpose, input: &[u8]) -> usize {
        let message = [self.fed.as_slice(), input].concat();
        let (most, _) = oracle::early(&self.mechanism, purpose, None, &message);
        // A stream that keeps nothing back asks for the room of its input.
        most.saturating_sub(self.out.len()).max(input.len())
    }

    /// What came so far is a beginning of what the message gives.
    fn check_early(&self, purpose: Purpose) -> Result<(), String> {
        let (most, text) = oracle::early(&self.mechanism, purpose, self.key_bytes(), &self.fed);
        if self.out.len() > most {
            return Err(format!("{} bytes came of at most {most}", self.out.len()));
        }
        match text {
            Some(text) if !text.starts_with(&self.out) => {
                Err(format!("the message begins with {}", crate::call::bytes(&text)))
            }
            _ => Ok(()),
        }
    }
}

/// A whole output of which `done` bytes came already.
fn judge_room(outcome: &Outcome, done: usize, room: Room, allowed: &mut Allowed) {
    let clause = "PKCS#11 v2.40, each mechanism: lengths of data, padding and tags";
    let left = |bytes: usize| bytes.saturating_sub(done);
    let room = if let Room::Bytes(room) = room { Some(room) } else { None };
    match outcome {
        Outcome::Refused(codes) => {
            // A question for the length, or a short buffer, may be answered before the data is looked at.
            allowed.may(true, codes, clause);
            allowed.must(room.is_some_and(|room| room >= SLACK * 8), codes, clause);
            allowed.may(room.is_some(), &[CKR_BUFFER_TOO_SMALL], ROOM);
        }
        _ => {
            if let Outcome::Some(_, codes) = outcome {
                allowed.may(true, codes, clause);
            }
            let short = room.is_some_and(|room| room < left(outcome.least()));
            allowed.must(short, &[CKR_BUFFER_TOO_SMALL], ROOM);
            let perhaps = room.is_some_and(|room| room < left(outcome.most()) + SLACK);
            let fixed = outcome.least() == outcome.most() && matches!(outcome, Outcome::Bytes(_));
            allowed.may(perhaps && !fixed, &[CKR_BUFFER_TOO_SMALL], ROOM);
        }
    }
}

fn check_buffer(left: &Left) -> Result<(), String> {
    if left.overrun { Err("a byte behind the buffer was written".to_owned()) } else { Ok(()) }
}

fn whole_buffer(left: &Left) -> Result<Vec<u8>, String> {
    let len = usize::try_from(left.len).unwrap_or(usize::MAX);
    let bytes = left.buffer.get(..len).map(<[u8]>::to_vec);
    bytes.ok_or_else(|| format!("length {len} is more than the buffer"))
}
