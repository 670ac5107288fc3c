//! What the model believes of the token, and the checks of one call that every call shares.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use luna_ck::*;
use luna_client::Attribute;
use luna_client::module::exact::Purpose;
use serde::{Deserialize, Serialize};

use crate::allowed::Allowed;
use crate::call::{Call, Object, Session};
use crate::exception::Exception;
use crate::object::{Entry, Kind, Material};
use crate::operation::Operation;
use crate::target::Answer;

/// What has to be known of a token before it is called.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    /// Its slot.
    pub slot: CK_SLOT_ID,
    /// Who may log in, and with which PIN. Those who are not here are not modelled.
    pub credentials: Vec<(CK_USER_TYPE, Vec<u8>)>,
    /// Whether it is a Luna's: what attributes are without a word in the template is the vendor's to say then.
    pub luna: bool,
    /// Whether it is in FIPS mode.
    pub fips: bool,
    /// Whether passwords are challenges beside a PED's keys.
    pub ped: bool,
    /// What it lists, with the flags and the least key size of each; all that is modelled, without.
    pub mechanisms: Option<BTreeMap<CK_MECHANISM_TYPE, (CK_FLAGS, CK_ULONG)>>,
    /// How every label begins, so that what is left behind is known for ours.
    pub mark: String,
    /// What may be done to it.
    pub leave: Leave,
    /// Where the module is known to be unlike the standard.
    pub exceptions: Vec<Exception>,
}

/// What may be done to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// Objects are made on it; else all of them die with their session.
    pub token_objects: bool,
    /// Wrong PINs are given, never so many that a role is locked.
    pub wrong_pins: bool,
    /// Nobody else has objects on it. Else handles that were never ours may be found, and none that is not
    /// surely ours is changed.
    pub alone: bool,
}

impl Leave {
    /// Everything: a token that was made for this.
    pub const ALL: Self = Self { token_objects: true, wrong_pins: true, alone: true };
    /// Session objects and right PINs.
    pub const LEAST: Self = Self { token_objects: false, wrong_pins: false, alone: false };
}

impl Token {
    /// A Luna's token of a test's own.
    pub fn new(slot: CK_SLOT_ID, credentials: Vec<(CK_USER_TYPE, Vec<u8>)>) -> Self {
        Self {
            slot,
            credentials,
            luna: true,
            fips: false,
            ped: false,
            mechanisms: None,
            mark: String::new(),
            leave: Leave::ALL,
            exceptions: Vec::new(),
        }
    }

    /// Whether the token lists a mechanism for a use.
    pub(crate) fn lists(&self, mechanism: CK_MECHANISM_TYPE, flag: CK_FLAGS) -> bool {
        let Some(all) = &self.mechanisms else { return true };
        all.get(&mechanism).is_some_and(|(flags, _)| flags & flag != 0)
    }

    /// The least size of a key, in bits or bytes: the standard leaves the unit to the mechanism.
    pub(crate) fn least(&self, mechanism: CK_MECHANISM_TYPE) -> CK_ULONG {
        let all = self.mechanisms.as_ref();
        all.and_then(|all| all.get(&mechanism)).map_or(0, |(_, least)| *least)
    }
}

/// Wrong PINs a role is given at most before a right one: far from any limit.
pub(crate) const MOST_WRONG_PINS: u32 = 3;

/// Who is logged in, as far as rights differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    So,
    /// `CKU_USER`, the Crypto Officer.
    Officer,
    /// The vendor's Crypto User.
    CryptoUser,
}

impl Role {
    fn of(user: CK_USER_TYPE) -> Option<Self> {
        match user {
            CKU_SO => Some(Self::So),
            CKU_USER => Some(Self::Officer),
            CKU_CRYPTO_USER => Some(Self::CryptoUser),
            _ => None,
        }
    }
}

/// An open session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open {
    pub(crate) read_write: bool,
    pub(crate) operations: BTreeMap<Purpose, Operation>,
    pub(crate) search: Option<Search>,
}

/// A search under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// What must come before the search ends.
    pub(crate) must: BTreeSet<Object>,
    /// What may come: it was made, changed or destroyed meanwhile, or something about it is not known.
    pub(crate) may: BTreeSet<Object>,
    pub(crate) given: BTreeSet<Object>,
    /// A logout may have ended it.
    pub(crate) shaken: bool,
}

/// What a key did to a message that only the module can compute: mechanism, key and input to output.
pub(crate) type Seen = BTreeMap<(String, Material, Vec<u8>), Vec<u8>>;

/// The state of a token as the answers so far tell it.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) token: Token,
    pub(crate) sessions: BTreeMap<Session, Open>,
    pub(crate) closed: Vec<Session>,
    pub(crate) role: Option<Role>,
    pub(crate) wrong_pins: BTreeMap<CK_USER_TYPE, u32>,
    pub(crate) objects: BTreeMap<Object, Entry>,
    pub(crate) destroyed: Vec<Object>,
    /// Ciphertexts by plaintext, of keys whose bytes are not known.
    pub(crate) ciphertexts: Seen,
    /// Signatures that were given and so must verify.
    pub(crate) signatures: BTreeMap<(String, Material, Vec<u8>), BTreeSet<Vec<u8>>>,
    /// Calls overlap: see [`crate::linear`].
    pub(crate) at_once: bool,
    fresh: u64,
}

/// What is said of any call in a session.
const SESSIONS: &str = "PKCS#11 v2.40 5.1.2, first by 5.1.7";

/// For a private object without the role that sees it.
pub(crate) const HIDDEN: &str =
    "PKCS#11 v2.40 4.4, CKA_PRIVATE; the vendor's codes from its role table";

impl Model {
    /// A token without objects, sessions or logins.
    pub fn new(token: Token) -> Self {
        Self {
            token,
            sessions: BTreeMap::new(),
            closed: Vec::new(),
            role: None,
            wrong_pins: BTreeMap::new(),
            objects: BTreeMap::new(),
            destroyed: Vec::new(),
            ciphertexts: BTreeMap::new(),
            signatures: BTreeMap::new(),
            at_once: false,
            fresh: 0,
        }
    }

    /// Judges an answer, and takes the state it leads to.
    ///
    /// # Errors
    /// What was allowed instead, with the clauses.
    pub fn take(&mut self, call: &Call, answer: &Answer) -> Result<(), String> {
        let mut allowed = self.allowed(call);
        let excepted = self.except(call, answer.rv, &mut allowed);
        if !allowed.allows(answer.rv) {
            return Err(format!("allowed: {}", allowed.explained()));
        }
        let before = call
            .session()
            .filter(|_| excepted)
            .and_then(|session| self.sessions.get(&session).cloned());
        self.follow(call, answer)?;
        if let Call::SetAttributes(_, object, template) = call
            && answer.rv != CKR_OK
            && self.token.exceptions.iter().any(|it| it.half_done)
        {
            self.half_changed(*object, template);
        }
        if let (Some(session), Some(before)) = (call.session(), before) {
            self.doubt(session, before);
        }
        Ok(())
    }

    /// Whether an exception says that this is not called.
    pub(crate) fn leaves_out(&self, call: &Call) -> bool {
        let mut rows = self.token.exceptions.iter().filter(|it| it.left_out).peekable();
        rows.peek().is_some() && {
            let allowed = self.allowed(call);
            rows.any(|row| row.concerns(call, true) && row.is_due(&allowed))
        }
    }

    /// What exceptions add to the codes of a call; whether one of them also leaves its operation in doubt.
    fn except(&self, call: &Call, rv: CK_RV, allowed: &mut Allowed) -> bool {
        let mut in_doubt = false;
        let open = call.session().and_then(|session| self.sessions.get(&session));
        let busy = open.is_some_and(|open| !open.operations.is_empty() || open.search.is_some());
        for exception in self.token.exceptions.iter().filter(|it| it.concerns(call, busy)) {
            in_doubt |= exception.loosen(rv, allowed);
        }
        in_doubt
    }

    /// The codes a call may answer with now.
    fn allowed(&self, call: &Call) -> Allowed {
        if let Some(session) = call.session()
            && !self.sessions.contains_key(&session)
        {
            return Allowed::only(&[CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED], SESSIONS);
        }
        let mut allowed = Allowed::new();
        match call {
            Call::OpenSession(..)
            | Call::CloseSession(_)
            | Call::CloseAllSessions(_)
            | Call::SessionInfo(_)
            | Call::Login(..)
            | Call::Logout(_) => self.judge_session(call, &mut allowed),
            Call::Create(..)
            | Call::Copy(..)
            | Call::Destroy(..)
            | Call::Attributes(..)
            | Call::SetAttributes(..)
            | Call::GenerateKey(..)
            | Call::GenerateKeyPair(..) => self.judge_object(call, &mut allowed),
            Call::FindInit(..) | Call::FindNext(..) | Call::FindFinal(_) => {
                self.judge_search(call, &mut allowed);
            }
            _ => self.judge_operation(call, &mut allowed),
        }
        allowed
    }

    fn follow(&mut self, call: &Call, answer: &Answer) -> Result<(), String> {
        match call {
            Call::OpenSession(..)
            | Call::CloseSession(_)
            | Call::CloseAllSessions(_)
            | Call::SessionInfo(_)
            | Call::Login(..)
            | Call::Logout(_) => self.follow_session(call, answer),
            Call::Create(..)
            | Call::Copy(..)
            | Call::Destroy(..)
            | Call::Attributes(..)
            | Call::SetAttributes(..)
            | Call::GenerateKey(..)
            | Call::GenerateKeyPair(..) => self.follow_object(call, answer),
            Call::FindInit(..) | Call::FindNext(..) | Call::FindFinal(_) => {
                self.follow_search(call, answer)
            }
            _ => self.follow_operation(call, answer),
        }
    }

    /// What the state comes to in one number: two that have the same are taken for the same.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let state = (&self.sessions, &self.role, &self.wrong_pins, &self.objects, &self.destroyed);
        format!("{state:?}{:?}{:?}", self.ciphertexts, self.signatures).hash(&mut hasher);
        hasher.finish()
    }

    /// The objects there are, by their kinds.
    pub(crate) fn kinds(&self) -> BTreeMap<Object, Kind> {
        self.objects.iter().map(|(handle, entry)| (*handle, entry.kind)).collect()
    }

    /// The PIN of a role.
    pub(crate) fn pin(&self, user: CK_USER_TYPE) -> Option<&[u8]> {
        let mut all = self.token.credentials.iter();
        all.find(|(other, _)| *other == user).map(|(_, pin)| pin.as_slice())
    }

    pub(crate) fn role_of(&self, user: CK_USER_TYPE) -> Option<Role> {
        Role::of(user).filter(|_| self.pin(user).is_some())
    }

    /// Whether private objects are to be seen.
    pub(crate) fn sees_private(&self) -> bool {
        matches!(self.role, Some(Role::Officer | Role::CryptoUser))
    }

    pub(crate) fn is_visible(&self, entry: &Entry) -> bool {
        !entry.is_private() || self.sees_private()
    }

    /// The object behind a handle, if it may be used now; `invalid` are the codes where it may not.
    pub(crate) fn object(
        &self,
        handle: Object,
        invalid: &[CK_RV],
        allowed: &mut Allowed,
    ) -> Option<&Entry> {
        let Some(entry) = self.objects.get(&handle) else {
            allowed.must(true, invalid, "PKCS#11 v2.40 5.1.6: the handle names no object");
            // While a logout is under way, what goes with it is private before it is no more.
            let ending = self.at_once && self.role.is_none();
            let codes = [CKR_USER_NOT_LOGGED_IN, CKR_USER_NOT_AUTHORIZED];
            allowed.may(ending, &codes, "PKCS#11 v2.40 5.6, C_Logout, in another thread");
            return None;
        };
        if self.is_visible(entry) {
            return Some(entry);
        }
        allowed.must(true, invalid, HIDDEN);
        allowed.must(true, &[CKR_USER_NOT_LOGGED_IN, CKR_USER_NOT_AUTHORIZED], HIDDEN);
        None
    }

    /// Some of these attributes may have changed; which, is seen when they are read.
    fn half_changed(&mut self, object: Object, template: &[Attribute]) {
        if let Some(entry) = self.objects.get_mut(&object) {
            for kind in
                template.iter().map(Attribute::kind).filter(|kind| entry.kind.changes(*kind))
            {
                entry.values.insert(kind, None);
            }
        }
        self.disturb(object);
    }

    /// What a session had under way before a call may go on or have ended.
    fn doubt(&mut self, session: Session, before: Open) {
        let Some(open) = self.sessions.get_mut(&session) else { return };
        for (purpose, operation) in before.operations {
            open.operations.entry(purpose).or_insert(operation).shaken = true;
        }
        if let Some(search) = before.search {
            open.search.get_or_insert(search).shaken = true;
        }
    }

    /// A number that names what only the module knows.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.fresh += 1;
        self.fresh
    }

    /// Something happened to an object that searches and operations need not have expected.
    pub(crate) fn disturb(&mut self, handle: Object) {
        for open in self.sessions.values_mut() {
            if let Some(search) = &mut open.search {
                search.must.remove(&handle);
                search.may.insert(handle);
            }
            for operation in open.operations.values_mut().filter(|it| it.key == Some(handle)) {
                operation.shaken = true;
            }
        }
    }

    /// Objects that are there, while their handles may be good or not: nothing is said of them any more. The vendor's
    /// handles live on.
    pub(crate) fn lose(&mut self, which: impl Fn(&Entry) -> bool) {
        if self.token.luna {
            return;
        }
        let lost = |entry: &Entry| entry.is_token() && which(entry);
        let handles: Vec<_> =
            self.objects.iter().filter(|(_, entry)| lost(entry)).map(|(it, _)| *it).collect();
        for handle in handles {
            self.objects.remove(&handle);
            self.disturb(handle);
        }
    }

    /// Objects that are no more: their handles are stale.
    pub(crate) fn forget_objects(&mut self, gone: impl Fn(&Entry) -> bool) {
        let handles: Vec<_> =
            self.objects.iter().filter(|(_, entry)| gone(entry)).map(|(it, _)| *it).collect();
        for handle in handles {
            self.objects.remove(&handle);
            self.destroyed.push(handle);
            self.disturb(handle);
        }
    }
}
