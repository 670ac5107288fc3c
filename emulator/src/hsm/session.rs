//! Sessions of one partition, and the logins their applications share.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;

use crate::ck::*;
use crate::crypto::seal::SealKey;
use crate::error::{Cause, Error, Result};
use crate::hsm::operation::Operations;
use crate::hsm::recovery::Asked;
use crate::wire::{ApplicationId, Ouid};

/// A role that is logged in.
pub(super) struct Login {
    pub(super) role: Role,
    /// The partition's key, which the PIN opened.
    pub(super) key: SealKey,
    /// The first credential was not changed yet: keys cannot be used.
    pub(super) must_change: bool,
}

/// What the sessions of one application share.
pub(super) struct Application {
    pub(super) id: ApplicationId,
    login: RwLock<Option<Arc<Login>>>,
    /// The number of the role that is logged in, [`NOBODY`] without one: what nearly every request
    /// wants to know of the login.
    role: AtomicU8,
    /// Open sessions.
    open: AtomicUsize,
}

/// No role has this number.
const NOBODY: u8 = u8::MAX;

impl Application {
    fn new(id: ApplicationId) -> Self {
        Self {
            id,
            login: RwLock::new(None),
            role: AtomicU8::new(NOBODY),
            open: AtomicUsize::new(0),
        }
    }

    pub(super) fn login(&self) -> Option<Arc<Login>> {
        self.login.read().clone()
    }

    pub(super) fn role(&self) -> Option<Role> {
        let code = self.role.load(Ordering::Acquire);
        Role::ALL.into_iter().find(|role| role.code() == code)
    }

    /// What was found out for the old login is not true of the new one: see
    /// [`Partition::touch`](crate::hsm::Partition).
    pub(super) fn set_login(&self, login: Option<Arc<Login>>) {
        let mut place = self.login.write();
        let code = login.as_ref().map_or(NOBODY, |login| login.role.code());
        self.role.store(code, Ordering::Release);
        *place = login;
    }

    /// The same, unless somebody has logged in meanwhile: who, then.
    pub(super) fn take_login(&self, login: Arc<Login>) -> Option<Role> {
        let mut place = self.login.write();
        if let Some(other) = place.as_ref() {
            return Some(other.role);
        }
        self.role.store(login.role.code(), Ordering::Release);
        *place = Some(login);
        None
    }

    /// Who may see private objects: every role but the Partition SO and the Auditor.
    pub(super) fn sees_private(&self) -> bool {
        self.role().is_some_and(|role| !matches!(role, Role::PartitionSo | Role::Auditor))
    }
}

/// What few sessions have.
#[derive(Default)]
pub(super) struct Extras {
    /// Keys whose own secret was given, and what was kept of it then.
    pub(super) authorized: FxHashMap<Ouid, Vec<u8>>,
    /// A login by another HSM that was asked for.
    pub(super) asked: Option<Asked>,
}

/// One session.
pub(super) struct Session {
    pub(super) handle: SessionHandle,
    pub(super) application: Arc<Application>,
    pub(super) read_write: bool,
    pub(super) operations: Mutex<Operations>,
    pub(super) extras: Mutex<Extras>,
    /// It made session objects, which go with it.
    pub(super) made_objects: AtomicBool,
    pub(super) closed: AtomicBool,
}

impl Session {
    /// `CKS_` state, from its kind and the role that is logged in; never stored.
    ///
    /// Source: PKCS#11 v2.40 section 6.7.1; the read-only SO state from pycryptoki (Documented).
    pub(super) fn state(&self) -> CK_STATE {
        match (self.application.role(), self.read_write) {
            (None, false) => CKS_RO_PUBLIC_SESSION,
            (None, true) => CKS_RW_PUBLIC_SESSION,
            (Some(Role::PartitionSo | Role::HsmSo), _) => CKS_RW_SO_FUNCTIONS,
            (Some(Role::Auditor), _) => CKS_RW_AUDIT_FUNCTIONS,
            (Some(_), false) => CKS_RO_USER_FUNCTIONS,
            (Some(_), true) => CKS_RW_USER_FUNCTIONS,
        }
    }
}

/// Every session of a partition.
#[derive(Default)]
pub(super) struct Sessions {
    next: AtomicU64,
    table: RwLock<Table>,
}

/// Sessions and their applications, which come and go together: one lock instead of two for each
/// session that is opened or closed.
#[derive(Default)]
struct Table {
    open: FxHashMap<SessionHandle, Arc<Session>>,
    applications: FxHashMap<ApplicationId, Arc<Application>>,
}

/// A session for the length of a request: looked up, or the one the request came to.
pub(super) enum Present<'a> {
    Seated(&'a Session),
    Found(Arc<Session>),
}

impl Deref for Present<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        match self {
            Self::Seated(session) => session,
            Self::Found(session) => session,
        }
    }
}

fn no_session() -> Error {
    Error::new(Cause::SessionHandleInvalid, "the partition has no such session")
}

impl Sessions {
    /// Opens a session.
    ///
    /// # Errors
    /// `SessionCount`; `SessionReadWriteSoExists` for a read-only one beside the Partition SO's.
    pub(super) fn open(
        &self,
        id: ApplicationId,
        read_write: bool,
        most: u64,
    ) -> Result<SessionHandle> {
        let table = &mut *self.table.write();
        let application =
            table.applications.entry(id).or_insert_with(|| Arc::new(Application::new(id)));
        if !read_write && application.role().is_some_and(Role::is_security_officer) {
            return Err(Error::new(
                Cause::SessionReadWriteSoExists,
                "a security officer has read-write sessions only",
            ));
        }
        // The bound is one application's, so that no client of an appliance starves another.
        if application.open.load(Ordering::Relaxed) as u64 >= most {
            return Err(Error::new(Cause::SessionCount, format!("{most} sessions are open")));
        }
        let handle = SessionHandle(self.next.fetch_add(1, Ordering::Relaxed) + 1);
        let session = Session {
            handle,
            application: Arc::clone(application),
            read_write,
            operations: Mutex::default(),
            extras: Mutex::default(),
            made_objects: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        };
        application.open.fetch_add(1, Ordering::Relaxed);
        table.open.insert(handle, Arc::new(session));
        Ok(handle)
    }

    /// The session of that handle.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub(super) fn find(&self, handle: SessionHandle) -> Result<Arc<Session>> {
        self.table.read().open.get(&handle).cloned().ok_or_else(no_session)
    }

    /// The session a request came to, or the one it names.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub(super) fn present<'a>(
        &self,
        seat: Option<&'a Session>,
        handle: SessionHandle,
    ) -> Result<Present<'a>> {
        match seat {
            Some(session) if session.closed.load(Ordering::Acquire) => Err(no_session()),
            Some(session) => Ok(Present::Seated(session)),
            None => self.find(handle).map(Present::Found),
        }
    }

    /// Closes a session and returns it; true when it was its application's last, which logs it out.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub(super) fn close(&self, handle: SessionHandle) -> Result<(Arc<Session>, bool)> {
        let mut table = self.table.write();
        let session = table.open.remove(&handle).ok_or_else(no_session)?;
        session.closed.store(true, Ordering::Release);
        let last = session.application.open.fetch_sub(1, Ordering::Relaxed) == 1;
        if last {
            session.application.set_login(None);
            table.applications.remove(&session.application.id);
        }
        Ok((session, last))
    }

    /// Forgets every session and every login, as a power cut does.
    pub(super) fn clear(&self) {
        let mut table = self.table.write();
        for (_, session) in table.open.drain() {
            session.closed.store(true, Ordering::Release);
        }
        for (_, application) in table.applications.drain() {
            application.set_login(None);
        }
    }

    /// Whether an application has a read-only session open.
    pub(super) fn has_read_only(&self, id: ApplicationId) -> bool {
        let table = self.table.read();
        table.open.values().any(|session| session.application.id == id && !session.read_write)
    }

    /// Whether an application has a session open.
    pub(super) fn has_any(&self, id: ApplicationId) -> bool {
        self.table
            .read()
            .applications
            .get(&id)
            .is_some_and(|it| it.open.load(Ordering::Relaxed) > 0)
    }

    /// Applications that named their identity, so that other processes may share it.
    pub(super) fn named(&self) -> Vec<Arc<Application>> {
        let table = self.table.read();
        table.applications.values().filter(|it| it.id.named).cloned().collect()
    }

    /// Ends what keys were doing in any session of an application, when it logs out.
    pub(super) fn end_key_operations(&self, id: ApplicationId) {
        let table = self.table.read();
        for session in table.open.values().filter(|session| session.application.id == id) {
            session.operations.lock().end_those_with_keys();
            session.extras.lock().authorized.clear();
        }
    }

    /// All open sessions, and those that write.
    pub(super) fn count(&self) -> (u64, u64) {
        let open = &self.table.read().open;
        (open.len() as u64, open.values().filter(|session| session.read_write).count() as u64)
    }
}
