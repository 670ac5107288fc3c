//! What the model believes of the token, and the checks of one call that every call shares.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use luna_ck::*;
use luna_client::module::exact::Purpose;

use crate::allowed::Allowed;
use crate::call::{Call, Object, Session};
use crate::object::{Entry, Material};
use crate::operation::Operation;
use crate::target::Answer;

/// What has to be known of a token before it is called.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its slot.
    pub slot: CK_SLOT_ID,
    /// Who may log in, and with which PIN. Those who are not here are not modelled.
    pub credentials: Vec<(CK_USER_TYPE, Vec<u8>)>,
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
pub(crate) type Seen = HashMap<(String, Material, Vec<u8>), Vec<u8>>;

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
    pub(crate) signatures: HashMap<(String, Material, Vec<u8>), BTreeSet<Vec<u8>>>,
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
            ciphertexts: HashMap::new(),
            signatures: HashMap::new(),
            fresh: 0,
        }
    }

    /// Judges an answer, and takes the state it leads to.
    ///
    /// # Errors
    /// What was allowed instead, with the clauses.
    pub fn take(&mut self, call: &Call, answer: &Answer) -> Result<(), String> {
        let allowed = self.allowed(call);
        if !allowed.allows(answer.rv) {
            return Err(format!("allowed: {}", allowed.explained()));
        }
        self.follow(call, answer)
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
            return None;
        };
        if self.is_visible(entry) {
            return Some(entry);
        }
        allowed.must(true, invalid, HIDDEN);
        allowed.must(true, &[CKR_USER_NOT_LOGGED_IN, CKR_USER_NOT_AUTHORIZED], HIDDEN);
        None
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
