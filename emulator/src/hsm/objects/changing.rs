//! Objects that are changed or destroyed.

use std::sync::Arc;

use super::{Held, gone};
use crate::ck::*;
use crate::error::{Cause, Error, Result};
use crate::hsm::authorization;
use crate::hsm::partition::Partition;
use crate::hsm::policies;
use crate::hsm::records;
use crate::hsm::rights::Right;
use crate::hsm::session::{Application, Session};
use crate::hsm::store::StoreError;
use crate::object::Template;
use crate::object::build::{self};

impl Partition {
    pub(in crate::hsm) fn may_change(&self, session: &Session, held: &Held) -> Result<()> {
        if held.owner.is_none() && !session.read_write {
            return Err(Error::new(
                Cause::SessionReadOnly,
                "token objects want a read-write session",
            ));
        }
        let class = held.object.class();
        if class.is_guarded()
            && held.object.is(CKA_ASSIGNED)
            && session.application.role() == Some(Role::LimitedCryptoOfficer)
        {
            return Err(Error::new(
                Cause::UserNotAuthorized,
                "the Limited Crypto Officer changes no assigned key",
            )
            .about(CKA_ASSIGNED));
        }
        self.need_state_for(session, class, held.private, Right::Change)?;
        self.need_key_management(class)
    }

    pub(in crate::hsm) fn destroy(&self, session: &Session, handle: ObjectHandle) -> Result<()> {
        let held = self.seen_by(&session.application, handle)?;
        self.may_change(session, &held)?;
        if !held.object.is(CKA_DESTROYABLE) {
            return Err(Error::new(Cause::ActionProhibited, "the object is not to be destroyed")
                .about(CKA_DESTROYABLE));
        }
        if held.owner.is_some() {
            self.objects.session.write().remove(&handle.0);
            self.touch();
            return Ok(());
        }
        if !self.store.delete_object(handle.0)? {
            return Err(gone());
        }
        self.objects.forget(&[handle.0]);
        self.touch();
        Ok(())
    }

    pub(super) fn set_attributes(
        &self,
        session: &Session,
        handle: ObjectHandle,
        template: &Template,
    ) -> Result<()> {
        let so = session.application.role().is_some_and(Role::is_security_officer);
        self.rewrite(&session.application, handle, &|held| {
            if !(so && trusts(held, template)) {
                self.may_change(session, held)?;
            }
            if !held.object.is(CKA_MODIFIABLE) {
                return Err(Error::new(Cause::ActionProhibited, "the object is not to be changed")
                    .about(CKA_MODIFIABLE));
            }
            authorization::check_modifiable(held)?;
            let (class, state) = (held.object.class(), self.current()?);
            policies::check_change(&state, class, template)?;
            let changed = build::change(held.object.attributes(), class, template, false, so)?;
            policies::check_purposes(&state, class, &changed)?;
            Ok(changed)
        })
    }

    /// Gives an object other attributes; `change` sees it as it is, again when somebody else changed
    /// it meanwhile, and nothing happens when it refuses.
    pub(in crate::hsm) fn rewrite(
        &self,
        application: &Application,
        handle: ObjectHandle,
        change: &dyn Fn(&Held) -> Result<Template>,
    ) -> Result<()> {
        loop {
            let held = self.seen_by(application, handle)?;
            let attributes = change(&held)?;
            if held.owner.is_some() {
                let class = held.object.class();
                let fresh = Held::new((handle, held.ouid), held.owner, 0, class, attributes);
                let mut session = self.objects.session.write();
                match session.get_mut(&handle.0) {
                    Some(now) if Arc::ptr_eq(now, &held) => {
                        *now = Arc::new(fresh);
                        self.touch();
                        return Ok(());
                    }
                    Some(_) => continue,
                    None => return Err(gone()),
                }
            }
            let update =
                self.with_key(application, held.private, |key| records::update(&attributes, key))?;
            let outcome = self.store.update_object(handle.0, held.generation, &update);
            self.objects.forget(&[handle.0]);
            self.touch();
            match outcome {
                // Another process changed it meanwhile: look again, by its rules as they are now.
                Err(StoreError::Conflict { .. }) => {}
                other => return other.map(drop).map_err(Error::from),
            }
        }
    }
}

/// Whether a change says no more than that the Partition SO trusts the object or does not. It is his
/// only right over objects, and over public ones, which alone he sees.
///
/// Source: PKCS#11 v2.40 section 4.2 table 10 note 10.
fn trusts(held: &Held, template: &Template) -> bool {
    !held.private && matches!(template.0.as_slice(), [only] if only.kind == CKA_TRUSTED)
}
