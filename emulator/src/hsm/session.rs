//! Sessions of one partition, and the logins their applications share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::ck::*;
use crate::crypto::seal::SealKey;
use crate::error::{Cause, Error, Result};
use crate::hsm::operation::Running;
use crate::wire::ApplicationId;

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
}

impl Application {
    pub(super) fn login(&self) -> Option<Arc<Login>> {
        self.login.read().clone()
    }

    pub(super) fn role(&self) -> Option<Role> {
        self.login.read().as_ref().map(|login| login.role)
    }

    pub(super) fn set_login(&self, login: Option<Arc<Login>>) {
        *self.login.write() = login;
    }

    /// Who may see private objects: every role but the Partition SO.
    pub(super) fn sees_private(&self) -> bool {
        self.role().is_some_and(|role| role != Role::PartitionSo)
    }
}

/// One session.
pub(super) struct Session {
    pub(super) handle: SessionHandle,
    pub(super) application: Arc<Application>,
    pub(super) read_write: bool,
    pub(super) running: Mutex<HashMap<Purpose, Running>>,
}

impl Session {
    /// `CKS_` state, from its kind and the role that is logged in; never stored.
    ///
    /// Source: PKCS#11 v2.40 section 6.7.1; the read-only SO state from pycryptoki (Documented).
    pub(super) fn state(&self) -> CK_STATE {
        match (self.application.role(), self.read_write) {
            (None, false) => CKS_RO_PUBLIC_SESSION,
            (None, true) => CKS_RW_PUBLIC_SESSION,
            (Some(Role::PartitionSo), _) => CKS_RW_SO_FUNCTIONS,
            (Some(_), false) => CKS_RO_USER_FUNCTIONS,
            (Some(_), true) => CKS_RW_USER_FUNCTIONS,
        }
    }
}

/// Every session of a partition.
#[derive(Default)]
pub(super) struct Sessions {
    next: AtomicU64,
    open: RwLock<HashMap<SessionHandle, Arc<Session>>>,
    applications: Mutex<HashMap<ApplicationId, Arc<Application>>>,
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
        let mut applications = self.applications.lock();
        let application = applications
            .entry(id)
            .or_insert_with(|| Arc::new(Application { id, login: RwLock::new(None) }));
        if !read_write && application.role() == Some(Role::PartitionSo) {
            return Err(Error::new(
                Cause::SessionReadWriteSoExists,
                "the Partition SO has read-write sessions only",
            ));
        }
        let mut open = self.open.write();
        if open.len() as u64 >= most {
            return Err(Error::new(Cause::SessionCount, format!("{most} sessions are open")));
        }
        let handle = SessionHandle(self.next.fetch_add(1, Ordering::Relaxed) + 1);
        let session = Session {
            handle,
            application: Arc::clone(application),
            read_write,
            running: Mutex::new(HashMap::new()),
        };
        open.insert(handle, Arc::new(session));
        Ok(handle)
    }

    /// The session of that handle.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub(super) fn find(&self, handle: SessionHandle) -> Result<Arc<Session>> {
        self.open.read().get(&handle).cloned().ok_or_else(|| {
            Error::new(Cause::SessionHandleInvalid, "the partition has no such session")
        })
    }

    /// Closes a session; true when it was its application's last, which logs it out.
    ///
    /// # Errors
    /// `SessionHandleInvalid`.
    pub(super) fn close(&self, handle: SessionHandle) -> Result<bool> {
        let mut applications = self.applications.lock();
        let mut open = self.open.write();
        let session = open.remove(&handle).ok_or_else(|| {
            Error::new(Cause::SessionHandleInvalid, "the partition has no such session")
        })?;
        let id = session.application.id;
        let last = !open.values().any(|other| other.application.id == id);
        if last {
            session.application.set_login(None);
            applications.remove(&id);
        }
        Ok(last)
    }

    /// Forgets every session and every login, as a power cut does.
    pub(super) fn clear(&self) {
        let mut applications = self.applications.lock();
        self.open.write().clear();
        for application in applications.values() {
            application.set_login(None);
        }
        applications.clear();
    }

    /// Whether an application has a read-only session open.
    pub(super) fn has_read_only(&self, id: ApplicationId) -> bool {
        self.open.read().values().any(|session| session.application.id == id && !session.read_write)
    }

    /// Ends what keys were doing in any session of an application, when it logs out.
    pub(super) fn end_key_operations(&self, id: ApplicationId) {
        let open = self.open.read();
        for session in open.values().filter(|session| session.application.id == id) {
            session.running.lock().retain(|purpose, _| *purpose == Purpose::Digest);
        }
    }

    /// Whether anybody is logged in.
    pub(super) fn any_login(&self) -> bool {
        self.applications.lock().values().any(|application| application.role().is_some())
    }

    /// All open sessions, and those that write.
    pub(super) fn count(&self) -> (u64, u64) {
        let open = self.open.read();
        (open.len() as u64, open.values().filter(|session| session.read_write).count() as u64)
    }
}
