//! Sessions and logins.
//!
//! Sources: PKCS#11 v2.40 sections 5.6 (session management functions) and 2.4 to 2.6 of the usage guide (their
//! states); the vendor's table of login errors.

use luna_ck::*;

use crate::allowed::Allowed;
use crate::call::{Call, Session};
use crate::object::Entry;
use crate::state::{Model, Open, Role};
use crate::target::{Answer, Given};

const OPENING: &str = "PKCS#11 v2.40 5.6, C_OpenSession";
const LOGIN: &str = "PKCS#11 v2.40 5.6, C_Login";

impl Model {
    pub(crate) fn judge_session(&self, call: &Call, allowed: &mut Allowed) {
        match call {
            Call::OpenSession(slot, flags) => {
                let serial = flags & CKF_SERIAL_SESSION != 0;
                allowed.must(*slot != self.token.slot, &[CKR_SLOT_ID_INVALID], OPENING);
                allowed.must(!serial, &[CKR_SESSION_PARALLEL_NOT_SUPPORTED], OPENING);
                let read_only = flags & CKF_RW_SESSION == 0;
                let so = self.role == Some(Role::So);
                allowed.must(read_only && so, &[CKR_SESSION_READ_WRITE_SO_EXISTS], OPENING);
            }
            Call::CloseAllSessions(slot) => {
                allowed.must(*slot != self.token.slot, &[CKR_SLOT_ID_INVALID], OPENING);
            }
            Call::Login(_, user, pin) => {
                let role = self.role_of(*user);
                allowed.must(role.is_none(), &[CKR_USER_TYPE_INVALID], LOGIN);
                let same = self.role.is_some() && self.role == role;
                allowed.must(same, &[CKR_USER_ALREADY_LOGGED_IN], LOGIN);
                let other = self.role.is_some() && self.role != role;
                allowed.must(other, &[CKR_USER_ANOTHER_ALREADY_LOGGED_IN], LOGIN);
                let wrong = role.is_some() && self.pin(*user) != Some(pin);
                allowed.must(wrong, &[CKR_PIN_INCORRECT], LOGIN);
                // The vendor's header has a code of its own for what is typed beside a PED's key.
                allowed.may(wrong && self.token.ped, &[CKR_CHALLENGE_INCORRECT], LOGIN);
                let read_only = self.sessions.values().any(|open| !open.read_write);
                let so = role == Some(Role::So);
                allowed.must(so && read_only, &[CKR_SESSION_READ_ONLY_EXISTS], LOGIN);
            }
            Call::Logout(_) => {
                let clause = "PKCS#11 v2.40 5.6, C_Logout";
                allowed.must(self.role.is_none(), &[CKR_USER_NOT_LOGGED_IN], clause);
            }
            _ => {}
        }
    }

    pub(crate) fn follow_session(&mut self, call: &Call, answer: &Answer) -> Result<(), String> {
        if let (Call::Login(_, user, _), CKR_PIN_INCORRECT | CKR_CHALLENGE_INCORRECT) =
            (call, answer.rv)
        {
            *self.wrong_pins.entry(*user).or_default() += 1;
        }
        if answer.rv != CKR_OK {
            return Ok(());
        }
        match (call, &answer.given) {
            (Call::OpenSession(_, flags), Given::Handle(handle)) => {
                if *handle == CK_INVALID_HANDLE || self.sessions.contains_key(handle) {
                    return Err(format!("{handle} is no handle of a new session"));
                }
                let read_write = flags & CKF_RW_SESSION != 0;
                self.closed.retain(|stale| stale != handle);
                self.sessions.insert(*handle, Open { read_write, ..Open::default() });
            }
            (Call::CloseSession(session), _) => self.close(*session),
            (Call::CloseAllSessions(_), _) => {
                let all: Vec<_> = self.sessions.keys().copied().collect();
                all.into_iter().for_each(|session| self.close(session));
            }
            (Call::SessionInfo(session), Given::Info(info)) => return self.info(*session, info),
            (Call::Login(_, user, _), _) => {
                self.wrong_pins.remove(user);
                self.role = self.role_of(*user);
            }
            (Call::Logout(_), _) => self.logged_out(),
            _ => return Err("an answer of another call".to_owned()),
        }
        Ok(())
    }

    /// Its objects and operations go with it; the last one logs out.
    fn close(&mut self, session: Session) {
        self.sessions.remove(&session);
        self.closed.push(session);
        self.forget_objects(|entry| entry.owner == Some(session));
        if self.sessions.is_empty() {
            self.logged_out();
            self.lose(|_| true);
        }
    }

    /// Private session objects are destroyed. Operations and searches may have ended or not.
    fn logged_out(&mut self) {
        self.role = None;
        self.forget_objects(|entry: &Entry| entry.is_private() && entry.owner.is_some());
        self.lose(Entry::is_private);
        for open in self.sessions.values_mut() {
            open.operations.values_mut().for_each(|operation| operation.shaken = true);
            open.search.iter_mut().for_each(|search| search.shaken = true);
        }
    }

    fn info(&self, session: Session, [slot, state, flags]: &[u64; 3]) -> Result<(), String> {
        let Some(open) = self.sessions.get(&session) else { return Ok(()) };
        // The vendor shows a Crypto User as a user.
        let expected = match (open.read_write, self.role) {
            (false, None) => CKS_RO_PUBLIC_SESSION,
            (false, Some(_)) => CKS_RO_USER_FUNCTIONS,
            (true, None) => CKS_RW_PUBLIC_SESSION,
            (true, Some(Role::So)) => CKS_RW_SO_FUNCTIONS,
            (true, Some(_)) => CKS_RW_USER_FUNCTIONS,
        };
        let access = if open.read_write { CKF_RW_SESSION } else { 0 };
        let expected = [self.token.slot, expected, CKF_SERIAL_SESSION | access];
        if [*slot, *state, *flags] == expected {
            return Ok(());
        }
        let state = names::name(names::CKS, expected[1]);
        Err(format!("slot, state and flags must be {expected:?}, with {state}"))
    }
}
