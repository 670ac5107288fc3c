//! Operations: whether a key may be used so, whole messages, and messages in parts.

use std::sync::Arc;

use crate::ck::*;
use crate::crypto::hash::{self, Digest, Function};
use crate::error::{Cause, Error, Result};
use crate::hsm::objects::{Held, expired};
use crate::hsm::partition::{POLICY_FOREIGN_SIGNING, Partition, done};
use crate::hsm::rights::{self, Right};
use crate::hsm::session::Session;
use crate::hsm::usage::{Stage, told};
use crate::mechanisms::digest::Digests;
use crate::mechanisms::{
    Cipher, Feed, Functions, Params, Row, Signature, Stream, Use, broken, current,
};
use crate::object::held::Object;
use crate::output::{Output, Room};
use crate::wire::{Operation, Reply, Request};

/// A message in parts. `settle` alone decides whether it goes on.
pub(super) enum Running {
    Cipher(Box<dyn Stream>),
    /// A digest, and whether a key was fed to it.
    Digest {
        digest: Digest,
        holds_key: bool,
    },
    Signature {
        feed: Box<dyn Feed>,
        using: Use,
        signature: &'static dyn Signature,
    },
}

/// An operation whose key and mechanism are found fit for each other.
enum Ready {
    Cipher(&'static dyn Cipher, Use),
    Digest(Digests, Function),
    Signature(&'static dyn Signature, Use),
}

impl Purpose {
    fn function(self) -> Functions {
        match self {
            Self::Encrypt => Functions::ENCRYPT,
            Self::Decrypt => Functions::DECRYPT,
            Self::Digest => Functions::DIGEST,
            Self::Sign => Functions::SIGN,
            Self::Verify => Functions::VERIFY,
        }
    }

    fn usage(self) -> Option<CK_ATTRIBUTE_TYPE> {
        match self {
            Self::Encrypt => Some(CKA_ENCRYPT),
            Self::Decrypt => Some(CKA_DECRYPT),
            Self::Digest => None,
            Self::Sign => Some(CKA_SIGN),
            Self::Verify => Some(CKA_VERIFY),
        }
    }

    /// The class of an asymmetric key for it.
    fn asymmetric_class(self) -> CK_OBJECT_CLASS {
        match self {
            Self::Encrypt | Self::Verify | Self::Digest => CKO_PUBLIC_KEY,
            Self::Decrypt | Self::Sign => CKO_PRIVATE_KEY,
        }
    }
}

/// What a session's operations left for the next request, a place for each purpose.
#[derive(Default)]
pub(super) struct Operations {
    running: [Option<Running>; Purpose::ALL.len()],
    prepared: [Option<Box<Prepared>>; Purpose::ALL.len()],
}

/// What the last Init of a purpose found out. Performing what was initialised, or initialising with
/// the same key and mechanism again, finds it done; what it says is true while nothing of the
/// partition has changed since ([`Partition::changes`]). It keeps the key's object until the next
/// Init of its purpose, the logout, or the end of the session.
struct Prepared {
    changes: u64,
    kind: CK_MECHANISM_TYPE,
    key: Option<ObjectHandle>,
    ready: Ready,
    /// The key; none for a digest.
    held: Option<Arc<Held>>,
}

impl Operations {
    pub(super) fn running(&mut self, purpose: Purpose) -> &mut Option<Running> {
        let [encrypt, decrypt, digest, sign, verify] = &mut self.running;
        match purpose {
            Purpose::Encrypt => encrypt,
            Purpose::Decrypt => decrypt,
            Purpose::Digest => digest,
            Purpose::Sign => sign,
            Purpose::Verify => verify,
        }
    }

    fn prepared(&mut self, purpose: Purpose) -> &mut Option<Box<Prepared>> {
        let [encrypt, decrypt, digest, sign, verify] = &mut self.prepared;
        match purpose {
            Purpose::Encrypt => encrypt,
            Purpose::Decrypt => decrypt,
            Purpose::Digest => digest,
            Purpose::Sign => sign,
            Purpose::Verify => verify,
        }
    }

    /// Ends what works with a key, and lets go of the keys: their user logged out.
    pub(super) fn end_those_with_keys(&mut self) {
        let digest = self.running(Purpose::Digest).take();
        *self = Self::default();
        *self.running(Purpose::Digest) = digest;
    }
}

impl Ready {
    /// The same for another parameter.
    fn with(&mut self, params: &Params) -> Result<()> {
        match self {
            Self::Digest(digests, function) => {
                *function = digests.function(params)?;
                Ok(())
            }
            Self::Cipher(_, using) | Self::Signature(_, using) if same(&using.params, params) => {
                Ok(())
            }
            Self::Cipher(cipher, using) => {
                using.params.clone_from(params);
                cipher.prepare(using)
            }
            Self::Signature(signature, using) => {
                using.params.clone_from(params);
                signature.prepare(using)
            }
        }
    }
}

/// Equality of parameters, vectors byte by byte: these were written a moment ago, and a vectorised
/// comparison waits until they have left the processor's store buffer, which costs a third of a
/// short message.
fn same(one: &Params, other: &Params) -> bool {
    let bytes = |one: &[u8], other: &[u8]| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one == other)
    };
    match (one, other) {
        (Params::Iv(one), Params::Iv(other)) => bytes(one, other),
        (
            Params::Gcm { iv: Some(iv), aad, tag_bits },
            Params::Gcm { iv: Some(other_iv), aad: other_aad, tag_bits: other_bits },
        ) => tag_bits == other_bits && bytes(iv, other_iv) && bytes(aad, other_aad),
        _ => one == other,
    }
}

impl Partition {
    pub(super) fn handle_operation(
        &self,
        request: &Request<'_>,
        seat: Option<&Session>,
        out: Option<&mut [u8]>,
    ) -> Result<Reply> {
        match request {
            Request::Check(operation) => {
                let session = self.sessions.present(seat, operation.session)?;
                let mut operations = session.operations.lock();
                let ready = self.ready(&session, operation, Stage::Init, &mut operations)?;
                let pin = ready.held.as_ref().is_some_and(|held| held.asks.pin());
                Ok(if pin { Reply::PinWanted } else { Reply::Done })
            }
            Request::Perform { operation, input, signature, room } => {
                let session = self.sessions.present(seat, operation.session)?;
                // Held while the key works: a session does one thing at a time.
                let mut operations = session.operations.lock();
                let ready = self.ready(&session, operation, run(operation), &mut operations)?;
                // What is not counted must not be seen, so it is not written before it is counted.
                let out = out.filter(|_| !ready.held.as_ref().is_some_and(|it| it.asks.counting()));
                let output = perform(&ready.ready, input, signature.as_deref(), *room, out)?;
                match &ready.held {
                    Some(held) => self.count_output(&session.application, held, output),
                    None => Ok(Reply::Output(output)),
                }
            }
            Request::Begin(operation) => {
                let session = self.sessions.present(seat, operation.session)?;
                let mut operations = session.operations.lock();
                let ready = self.ready(&session, operation, run(operation), &mut operations)?;
                let (running, held) = (begin(&ready.ready)?, ready.held.clone());
                if let Some(held) = &held {
                    self.count(&session.application, held)?;
                }
                *operations.running(operation.purpose) = Some(running);
                Ok(held.map_or(Reply::Done, |held| told(&held, Reply::Done)))
            }
            Request::Update { session, purpose, input, room } => {
                let session = self.sessions.present(seat, *session)?;
                step(&session, *purpose, |running| update(running, input, *room))
            }
            Request::Finish { session, purpose, signature, room } => {
                let session = self.sessions.present(seat, *session)?;
                finish_in(&session, *purpose, signature.as_deref(), *room)
            }
            Request::DigestKey(session, key) => {
                let session = self.sessions.present(seat, *session)?;
                let key = self.digestible(&session, *key)?;
                step(&session, Purpose::Digest, |running| match running {
                    Running::Digest { digest, holds_key } => {
                        *holds_key = true;
                        let value = key.attributes().bytes(CKA_VALUE).unwrap_or_default();
                        digest.update(value);
                        Ok(Output::Data(Vec::new()))
                    }
                    _ => Err(not_initialized()),
                })
            }
            Request::SaveState(session, purpose) => {
                let session = self.sessions.present(seat, *session)?;
                self.save_state(&session, *purpose).map(Reply::Bytes)
            }
            Request::LoadState(session, state) => {
                self.load_state(&*self.sessions.present(seat, *session)?, state)
            }
            Request::Abandon(session, purpose) => {
                let session = self.sessions.present(seat, *session)?;
                *session.operations.lock().running(*purpose) = None;
                Ok(done(()))
            }
            _ => Err(Error::new(Cause::GeneralError, "a request went to the wrong room")),
        }
    }

    fn digestible(&self, session: &Session, key: ObjectHandle) -> Result<Arc<Object>> {
        const POLICY_DIGEST_KEY: u32 = 9;
        let held = self.seen_by(&session.application, key).map_err(as_key)?;
        if !self.current()?.allows(POLICY_DIGEST_KEY) {
            let code = self.profile.codes.digest_key_off;
            return Err(code.error("keys are not digested").by_policy(POLICY_DIGEST_KEY));
        }
        if held.object.class().class == CKO_SECRET_KEY {
            return Ok(Arc::clone(&held.object));
        }
        Err(Error::new(Cause::KeyIndigestible, "secret keys can be digested, no others"))
    }

    /// The operation with its key found fit for it, as it was found before, or found now; and fit
    /// for use here and now, which is asked each time.
    fn ready<'a>(
        &self,
        session: &Session,
        operation: &Operation<'_>,
        stage: Stage<'_>,
        operations: &'a mut Operations,
    ) -> Result<&'a Prepared> {
        // Before anything is looked at: what changes meanwhile makes this number an old one.
        let changes = self.changes();
        let (kind, key) = (operation.mechanism.kind, operation.key);
        let place = operations.prepared(operation.purpose);
        let prepared = match place.take() {
            Some(mut known)
                if known.changes == changes
                    && known.kind == kind
                    && known.key == key
                    // Keys in the parameter are looked up anew.
                    && operation.mechanism.params.others().is_empty() =>
            {
                if let Some(held) = &known.held {
                    self.may_use(session, held, stage)?;
                }
                known.ready.with(&operation.mechanism.params)?;
                known
            }
            _ => {
                let (ready, held) = self.find_ready(session, operation, stage)?;
                Box::new(Prepared { changes, kind, key, ready, held })
            }
        };
        Ok(place.insert(prepared))
    }

    fn find_ready(
        &self,
        session: &Session,
        operation: &Operation<'_>,
        stage: Stage<'_>,
    ) -> Result<(Ready, Option<Arc<Held>>)> {
        let state = self.current()?;
        state.need_operational()?;
        let function = operation.purpose.function();
        let offer = state.offer(operation.mechanism.kind)?;
        if !offer.functions.contains(function) {
            return Err(Error::new(
                Cause::MechanismInvalid,
                format!("{} is not for this function", names::ckm(offer.row.kind)),
            ));
        }
        let Some(handle) = operation.key else {
            let digests = offer.row.digest.ok_or_else(not_initialized)?;
            let function = digests.function(&operation.mechanism.params)?;
            return Ok((Ready::Digest(digests, function), None));
        };
        let held = self.seen_by(&session.application, handle).map_err(as_key)?;
        if held.private {
            rights::check(session.application.role(), Right::UsePrivate)?;
        }
        if session.application.login().is_some_and(|login| login.must_change) {
            return Err(expired(&state));
        }
        check_key(&held.object, offer.row, operation)?;
        if operation.purpose == Purpose::Sign
            && !state.foreign_keys_sign
            && !held.object.is(CKA_LOCAL)
        {
            return Err(state
                .codes
                .foreign_signing_off
                .error("a key that was not made here does not sign")
                .about(CKA_LOCAL)
                .by_policy(POLICY_FOREIGN_SIGNING));
        }
        self.may_use(session, &held, stage)?;
        let using = Use {
            key: Arc::clone(&held.object),
            others: self.others(session, &operation.mechanism.params)?,
            params: operation.mechanism.params.clone(),
            limits: offer.limits(function),
            forward: matches!(operation.purpose, Purpose::Encrypt | Purpose::Sign),
        };
        match (operation.purpose, offer.row.cipher, offer.row.signature) {
            (Purpose::Encrypt | Purpose::Decrypt, Some(cipher), _) => {
                cipher.prepare(&using)?;
                Ok((Ready::Cipher(cipher, using), Some(held)))
            }
            (Purpose::Sign | Purpose::Verify, _, Some(signature)) => {
                signature.prepare(&using)?;
                Ok((Ready::Signature(signature, using), Some(held)))
            }
            _ => Err(not_initialized()),
        }
    }
}

impl Partition {
    /// The keys that a parameter names besides: seen and used by the rules of the key of the call,
    /// but that their uses are not counted (Assumed). What they are for, the mechanism knows.
    ///
    /// # Errors
    /// `KeyHandleInvalid`, those of the role, `KeyNotActive`, `UserNotLoggedIn`.
    pub(super) fn others(&self, session: &Session, params: &Params) -> Result<Vec<Arc<Object>>> {
        params
            .others()
            .iter()
            .map(|handle| {
                let held = self.seen_by(&session.application, *handle).map_err(as_key)?;
                if held.private {
                    rights::check(session.application.role(), Right::UsePrivate)?;
                }
                self.may_use(session, &held, Stage::Run(None))?;
                Ok(Arc::clone(&held.object))
            })
            .collect()
    }
}

/// A key about to run, with the PIN that came with the request.
fn run<'a>(operation: &'a Operation<'_>) -> Stage<'a> {
    Stage::Run(operation.pin.as_deref())
}

/// Class, type, usage and allowed mechanisms, in that order.
fn check_key(key: &Object, row: &Row, operation: &Operation<'_>) -> Result<()> {
    let class = key.class();
    let wanted =
        if row.is_symmetric() { CKO_SECRET_KEY } else { operation.purpose.asymmetric_class() };
    if class.class != wanted || !row.takes(class.key_type) {
        return Err(Error::new(
            Cause::KeyTypeInconsistent,
            format!("{} wants another kind of key", names::ckm(row.kind)),
        ));
    }
    if let Some(usage) = operation.purpose.usage()
        && !key.is(usage)
    {
        return Err(
            Error::new(Cause::KeyFunctionNotPermitted, "the key is not for this").about(usage)
        );
    }
    check_allowed(key, row.kind)
}

/// # Errors
/// `MechanismInvalid` when the key names the mechanisms it allows and this is none of them.
pub(super) fn check_allowed(key: &Object, kind: CK_MECHANISM_TYPE) -> Result<()> {
    let Some(allowed) = key.attributes().bytes(CKA_ALLOWED_MECHANISMS) else { return Ok(()) };
    let listed = allowed
        .chunks_exact(size_of::<CK_ULONG>())
        .filter_map(|chunk| chunk.try_into().ok().map(CK_ULONG::from_ne_bytes))
        .any(|allowed| current(allowed) == kind);
    if allowed.is_empty() || listed {
        return Ok(());
    }
    Err(Error::new(Cause::MechanismInvalid, "the key allows other mechanisms")
        .about(CKA_ALLOWED_MECHANISMS))
}

/// A whole message. A length question never runs the key.
fn perform(
    ready: &Ready,
    input: &[u8],
    signature: Option<&[u8]>,
    room: Room,
    out: Option<&mut [u8]>,
) -> Result<Output> {
    match ready {
        Ready::Cipher(cipher, using) => {
            let (certain, bound) = cipher.bounds(using, input.len())?;
            if let Some(refused) = room.refuse(certain, bound) {
                return Ok(refused);
            }
            if let Some(out) = out.and_then(|out| out.get_mut(..bound))
                && let Some(len) = cipher.once_into(using, input, out)?
            {
                return Ok(Output::Placed(len));
            }
            Ok(room.fit(cipher.once(using, input)?))
        }
        Ready::Digest(_, hash) => {
            if let Some(refused) = room.refuse(hash.len(), hash.len()) {
                return Ok(refused);
            }
            if let Some(out) = out.and_then(|out| out.get_mut(..hash.len())) {
                hash::digest_into(*hash, input, out).map_err(broken)?;
                return Ok(Output::Placed(hash.len()));
            }
            Ok(Output::Data(hash::digest(*hash, input).map_err(broken)?))
        }
        Ready::Signature(row, using) => {
            if signature.is_none() {
                let len = row.len(using)?;
                if let Some(refused) = room.refuse(len, len) {
                    return Ok(refused);
                }
            }
            let fed = row.condense(using, input)?;
            match signature {
                Some(signature) => {
                    row.verify(using, &fed, signature)?;
                    Ok(Output::Data(Vec::new()))
                }
                None => Ok(Output::Data(row.sign(using, &fed)?)),
            }
        }
    }
}

fn begin(ready: &Ready) -> Result<Running> {
    Ok(match ready {
        Ready::Cipher(cipher, using) => Running::Cipher(cipher.start(using.clone())?),
        Ready::Digest(_, hash) => {
            Running::Digest { digest: Digest::new(*hash).map_err(broken)?, holds_key: false }
        }
        Ready::Signature(signature, using) => {
            let (feed, using) = (signature.feed(using)?, using.clone());
            Running::Signature { feed, using, signature: *signature }
        }
    })
}

/// Takes the operation out of its place; it goes back only if the outcome leaves it active, so
/// that forgetting is ending.
///
/// Source: PKCS#11 v2.40 section 5.2: a length question and a short buffer leave it active, any
/// failure ends it.
fn step(
    session: &Session,
    purpose: Purpose,
    run: impl FnOnce(&mut Running) -> Result<Output>,
) -> Result<Reply> {
    let mut running =
        session.operations.lock().running(purpose).take().ok_or_else(not_initialized)?;
    let output = run(&mut running)?;
    *session.operations.lock().running(purpose) = Some(running);
    Ok(Reply::Output(output))
}

fn update(running: &mut Running, input: &[u8], room: Room) -> Result<Output> {
    match running {
        Running::Cipher(stream) => {
            let bound = stream.update_bound(input.len());
            if let Some(refused) = room.refuse(bound, bound) {
                return Ok(refused);
            }
            Ok(Output::Data(stream.update(input)?))
        }
        Running::Digest { digest, .. } => {
            digest.update(input);
            Ok(Output::Data(Vec::new()))
        }
        Running::Signature { feed, .. } => {
            feed.update(input)?;
            Ok(Output::Data(Vec::new()))
        }
    }
}

fn finish_in(
    session: &Session,
    purpose: Purpose,
    signature: Option<&[u8]>,
    room: Room,
) -> Result<Reply> {
    let mut running =
        session.operations.lock().running(purpose).take().ok_or_else(not_initialized)?;
    let refused = match &running {
        Running::Cipher(stream) if room == Room::Ask => Some(Output::Size(stream.finish_bound()?)),
        Running::Cipher(_) => None,
        Running::Digest { digest, .. } => {
            let len = digest.len();
            room.refuse(len, len)
        }
        Running::Signature { using, signature: row, .. } if signature.is_none() => {
            let len = row.len(using)?;
            room.refuse(len, len)
        }
        Running::Signature { .. } => None,
    };
    let output = match refused {
        Some(refused) => refused,
        None => match &mut running {
            Running::Cipher(stream) => room.fit(stream.finish()?),
            _ => return finish(running, signature).map(|data| Reply::Output(Output::Data(data))),
        },
    };
    if !matches!(output, Output::Data(_)) {
        *session.operations.lock().running(purpose) = Some(running);
    }
    Ok(Reply::Output(output))
}

fn finish(running: Running, signature: Option<&[u8]>) -> Result<Vec<u8>> {
    match (running, signature) {
        (Running::Digest { digest, .. }, _) => digest.finish().map_err(broken),
        (Running::Signature { feed, using, signature: row }, Some(signature)) => {
            row.verify(&using, &feed.finish()?, signature)?;
            Ok(Vec::new())
        }
        (Running::Signature { feed, using, signature: row }, None) => {
            row.sign(&using, &feed.finish()?)
        }
        (Running::Cipher(mut stream), _) => stream.finish(),
    }
}

pub(super) fn not_initialized() -> Error {
    Error::new(Cause::OperationNotInitialized, "no such operation is active")
}

/// An object's handle in the place of a key's.
fn as_key(error: Error) -> Error {
    error.recast(Cause::ObjectHandleInvalid, Cause::KeyHandleInvalid)
}
