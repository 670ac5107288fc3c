//! Objects on their way between partitions of one domain: cloning step by step, sessions that two
//! partitions negotiate, and the domains a partition has beside its own.
//!
//! The functions, the order of their calls, who gives what to whom and which call is the target's are the
//! vendor's (Documented: ca-functions.csv, the header, the vendor's JCPROV samples `CloningSample` and
//! pycryptoki's `test_cpv4.py`). What is in the messages is not published: here each is sealed under
//! the cloning domain, so that it means nothing to a partition of another, and a partition remembers
//! nothing between two steps that it could not read back from what it gave away.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ck::*;
use crate::crypto::seal::SealKey;
use crate::crypto::{kdf, random};
use crate::error::{Cause, Error, Result};
use crate::hsm::certificates;
use crate::hsm::extra::{self, Entry};
use crate::hsm::masking;
use crate::hsm::partition::{Partition, domain_key_of};
use crate::hsm::session::Session;
use crate::mechanisms::broken;
use crate::object::Attribute;
use crate::wire::{Cargo, Cloning, Domain, Negotiated, Pin, Reply, Route};

/// Sessions one partition negotiates at most; a bound of ours.
const MOST_ROUTES: usize = 4096;

/// The most bytes a cloning domain has (roles.md section 3, Documented).
const DOMAIN_BYTES_MAX: usize = 128;

/// Steps of a negotiation. Source: pycryptoki's `test_cpv4.py` (Documented: the first answer names step
/// 2); the others Assumed.
const STEP_SOURCE: CK_ULONG = 2;
const STEP_TARGET: CK_ULONG = 3;
const STEP_NONE: CK_ULONG = 0;

/// Sessions negotiated with other partitions, and what seals objects on them.
#[derive(Default)]
pub(super) struct Routes(Mutex<FxHashMap<Route, SealKey>>);

impl Routes {
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }

    fn open(&self, route: Route, key: SealKey) -> Result<()> {
        let mut routes = self.0.lock();
        if routes.len() >= MOST_ROUTES {
            return Err(Error::new(Cause::SessionCount, "too many sessions are negotiated"));
        }
        routes.insert(route, key);
        Ok(())
    }

    fn key(&self, route: Route) -> Result<SealKey> {
        let routes = self.0.lock();
        let key = routes.get(&route).ok_or_else(no_route)?;
        Ok(SealKey::new(Zeroizing::new(*key.expose())))
    }
}

fn no_route() -> Error {
    Error::new(Cause::SessionIdInvalid, "no such session was negotiated")
}

/// What the target tells first: a number for the domain to read, and the same for itself.
#[derive(Deserialize, Serialize)]
struct Hello {
    /// Under the target's own key.
    own: Vec<u8>,
    /// Under the domain.
    shared: Vec<u8>,
}

/// What the source answers.
#[derive(Deserialize, Serialize)]
struct Answer {
    /// The target's own, given back.
    own: Vec<u8>,
    /// Under what the number makes.
    sealed: Vec<u8>,
}

/// What the source answers in a negotiation.
#[derive(Deserialize, Serialize)]
struct Meeting {
    route: Route,
    nonce: [u8; NONCE_BYTES],
}

const NONCE_BYTES: usize = 32;

fn pack<T: Serialize>(message: &T) -> Result<Vec<u8>> {
    postcard::to_allocvec(message)
        .map_err(|_| Error::new(Cause::FunctionFailed, "a message does not encode"))
}

fn derived(secret: &[u8], purpose: &[u8]) -> Result<SealKey> {
    kdf::hkdf_sha256(secret, b"luna emulator", purpose).map(SealKey::new).map_err(broken)
}

/// The additional data of a step: what it is, and the vector that began it.
fn bound_to(step: &[u8], vector: &[u8]) -> Vec<u8> {
    [step, vector].concat()
}

impl Partition {
    /// # Errors
    /// `UserNotLoggedIn` without the login that opens the domain; `CloneFailed` for a message of
    /// another domain or of nobody; those of extracting and inserting.
    pub(super) fn handle_cloning(&self, session: &Session, step: &Cloning<'_>) -> Result<Reply> {
        match step {
            Cloning::Vector => {
                let own = self.own_key(session)?;
                let nonce = random::bytes(NONCE_BYTES).map_err(broken)?;
                own.seal(b"vector", &nonce).map(Reply::Bytes).map_err(broken)
            }
            Cloning::Invite(certificate, vector) => {
                self.invite(session, certificate, vector).map(Reply::Bytes)
            }
            Cloning::Answer(cargo, message) => {
                self.answer_journey(session, *cargo, message).map(Reply::Bytes)
            }
            Cloning::PackMaskingKey => self.pack_masking_key(session).map(Reply::Bytes),
            Cloning::UnpackMaskingKey(blob) => {
                self.unpack_masking_key(session, blob).map(|()| Reply::Done)
            }
            Cloning::Accept(vector, message) => self.accept(session, vector, message),
            Cloning::Negotiate => {
                let message = self.hello(session, b"negotiation", b"", b"")?;
                Ok(Reply::Negotiated(Negotiated { step: STEP_SOURCE, message, route: None }))
            }
            Cloning::Continue(STEP_SOURCE, message) => self.meet(session, message),
            Cloning::Continue(STEP_TARGET, message) => self.met(session, message),
            Cloning::Continue(step, _) => Err(Error::new(
                Cause::SessionNegotiationInvalid,
                format!("step {step} is none of a negotiation"),
            )),
            Cloning::Hang(route) => {
                self.routes.0.lock().remove(route).ok_or_else(no_route)?;
                Ok(Reply::Done)
            }
            Cloning::Send(route, object) => {
                let key = self.routes.key(*route)?;
                let blob = self.extract(session, *object)?;
                key.seal(b"object", &blob).map(Reply::Bytes).map_err(broken)
            }
            Cloning::Receive(route, blob, in_memory) => {
                let key = self.routes.key(*route)?;
                let blob = key.open(b"object", blob).map_err(|_| not_ours())?;
                let mut attributes = self.unpack(session, &blob)?;
                if *in_memory {
                    attributes.set(Attribute::flag(CKA_TOKEN, false));
                }
                self.settle_in(session, attributes, None).map(Reply::Object)
            }
            Cloning::SetDomain(which, domain) => {
                self.set_domain(session, *which, domain).map(|()| Reply::Done)
            }
            Cloning::Mask { .. } | Cloning::Unmask { .. } | Cloning::Rollover(_) => {
                self.handle_masking(session, step)
            }
        }
    }

    /// The partition's own key, which a login opens.
    pub(super) fn own_key(&self, session: &Session) -> Result<SealKey> {
        let login = session
            .application
            .login()
            .ok_or_else(|| Error::new(Cause::UserNotLoggedIn, "cloning wants a login"))?;
        Ok(SealKey::new(Zeroizing::new(*login.key.expose())))
    }

    /// Tells the domain a fresh number, and whom it is for where that is known.
    fn hello(
        &self,
        session: &Session,
        step: &[u8],
        vector: &[u8],
        certificate: &[u8],
    ) -> Result<Vec<u8>> {
        let nonce = random::bytes(NONCE_BYTES).map_err(broken)?;
        let bound = bound_to(step, vector);
        let own = self.own_key(session)?.seal(&bound, &nonce).map_err(broken)?;
        // The source does not know the vector: the target sees that it is the same.
        let both = Zeroizing::new([nonce.as_slice(), certificate].concat());
        let shared = self.domain(session)?.seal(step, &both).map_err(broken)?;
        pack(&Hello { own, shared })
    }

    fn invite(&self, session: &Session, certificate: &[u8], vector: &[u8]) -> Result<Vec<u8>> {
        certificates::check_form(certificate)?;
        if !vector.is_empty() {
            self.own_key(session)?.open(b"vector", vector).map_err(|_| not_ours())?;
        }
        self.hello(session, b"cloning", vector, certificate)
    }

    fn answer_journey(&self, session: &Session, cargo: Cargo, message: &[u8]) -> Result<Vec<u8>> {
        let hello: Hello = postcard::from_bytes(message).map_err(|_| not_ours())?;
        let shared =
            self.domain(session)?.open(b"cloning", &hello.shared).map_err(|_| not_ours())?;
        let (nonce, certificate) = shared.split_at_checked(NONCE_BYTES).ok_or_else(not_ours)?;
        if !self.is_own_certificate(certificate)? {
            return Err(Error::new(
                Cause::CertificateDataInvalid,
                "the target was given another HSM's certificate",
            ));
        }
        let blob = match cargo {
            Cargo::Object(object) => self.extract(session, object)?,
            Cargo::MaskingKey => self.pack_masking_key(session)?,
        };
        let sealed = derived(nonce, b"cloning: answer")?.seal(b"answer", &blob).map_err(broken)?;
        pack(&Answer { own: hello.own, sealed })
    }

    fn accept(&self, session: &Session, vector: &[u8], message: &[u8]) -> Result<Reply> {
        let answer: Answer = postcard::from_bytes(message).map_err(|_| not_ours())?;
        let bound = bound_to(b"cloning", vector);
        let nonce = self.own_key(session)?.open(&bound, &answer.own).map_err(|_| not_ours())?;
        let blob = derived(&nonce, b"cloning: answer")?
            .open(b"answer", &answer.sealed)
            .map_err(|_| not_ours())?;
        if masking::is_masking_key(&blob) {
            return self.unpack_masking_key(session, &blob).map(|()| Reply::Done);
        }
        self.insert(session, &blob, None).map(Reply::Object)
    }

    /// The source hears the target and makes the session.
    fn meet(&self, session: &Session, message: &[u8]) -> Result<Reply> {
        let hello: Hello = postcard::from_bytes(message).map_err(|_| not_negotiated())?;
        let first = self.domain(session)?.open(b"negotiation", &hello.shared).map_err(|_| {
            Error::new(Cause::SessionNegotiationNoPsk, "the two share no cloning domain")
        })?;
        let drawn = random::bytes(size_of::<Route>() + NONCE_BYTES).map_err(broken)?;
        let (route, nonce) = drawn.split_at(size_of::<Route>());
        let meeting = Meeting {
            route: route.try_into().map_err(|_| not_negotiated())?,
            nonce: nonce.try_into().map_err(|_| not_negotiated())?,
        };
        let sealed = derived(&first, b"negotiation: answer")?
            .seal(b"answer", &pack(&meeting)?)
            .map_err(broken)?;
        let message = pack(&Answer { own: hello.own, sealed })?;
        self.routes.open(meeting.route, route_key(&first, &meeting)?)?;
        let route = Some(meeting.route);
        Ok(Reply::Negotiated(Negotiated { step: STEP_TARGET, message, route }))
    }

    /// The target hears the source: both have the session.
    fn met(&self, session: &Session, message: &[u8]) -> Result<Reply> {
        let answer: Answer = postcard::from_bytes(message).map_err(|_| not_negotiated())?;
        let bound = bound_to(b"negotiation", b"");
        let first =
            self.own_key(session)?.open(&bound, &answer.own).map_err(|_| not_negotiated())?;
        let opened = derived(&first, b"negotiation: answer")?
            .open(b"answer", &answer.sealed)
            .map_err(|_| not_negotiated())?;
        let meeting: Meeting = postcard::from_bytes(&opened).map_err(|_| not_negotiated())?;
        self.routes.open(meeting.route, route_key(&first, &meeting)?)?;
        let route = Some(meeting.route);
        Ok(Reply::Negotiated(Negotiated { step: STEP_NONE, message: Vec::new(), route }))
    }

    /// # Errors
    /// `CloningParameterAlreadyExists` for what the partition has, and its own domain it has from its
    /// initialisation on; `UserNotAuthorized` for the Crypto User; `ArgumentsBad` for its length.
    fn set_domain(&self, session: &Session, which: Domain, domain: &Pin) -> Result<()> {
        let key = self.own_key(session)?;
        if session.application.role() == Some(Role::CryptoUser) {
            return Err(Error::new(Cause::UserNotAuthorized, "the Crypto User sets no domain"));
        }
        let exists =
            || Error::new(Cause::CloningParameterAlreadyExists, "the partition has such a domain");
        let entry = match which {
            Domain::Own => return Err(exists()),
            Domain::Legacy => Entry::LegacyDomain,
            Domain::Recovery => Entry::RecoveryDomain,
        };
        if domain.as_bytes().is_empty() || domain.as_bytes().len() > DOMAIN_BYTES_MAX {
            return Err(Error::new(Cause::ArgumentsBad, "a cloning domain has 1 to 128 bytes"));
        }
        let sealed = key.seal(b"domain", domain.as_bytes()).map_err(broken)?;
        self.change_extra(entry, &mut |now: Option<Vec<u8>>, _| match now {
            Some(_) => Err(exists()),
            None => Ok((Some(sealed.clone()), ())),
        })
    }

    /// The keys of the domains an object may come from: the partition's own, and an older HSM's.
    pub(super) fn domains(&self, session: &Session) -> Result<Vec<SealKey>> {
        let mut domains = vec![self.domain(session)?];
        let state = self.current()?;
        for entry in [Entry::LegacyDomain, Entry::RecoveryDomain] {
            if let Some(sealed) = extra::read::<Vec<u8>>(&state.record, entry)? {
                let domain = self.own_key(session)?.open(b"domain", &sealed).map_err(|_| {
                    Error::new(Cause::DeviceError, "the store holds a damaged domain")
                })?;
                domains.push(domain_key_of(&domain)?);
            }
        }
        Ok(domains)
    }
}

fn route_key(first: &[u8], meeting: &Meeting) -> Result<SealKey> {
    let both = Zeroizing::new([first, meeting.nonce.as_slice(), &meeting.route].concat());
    derived(&both, b"negotiation: session")
}

fn not_ours() -> Error {
    Error::new(Cause::CloneFailed, "the message is of another cloning domain, or damaged")
}

fn not_negotiated() -> Error {
    Error::new(Cause::SessionNegotiationInvalid, "the message is none of this negotiation")
}
