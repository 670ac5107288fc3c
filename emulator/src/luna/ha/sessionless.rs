//! What a group does beside its sessions' requests.

use crate::ck::ObjectHandle;
use crate::error::{Cause, Error, Result};
use crate::luna::ha::group::{Group, GroupSession, lacks, nobody};
use crate::luna::ha::replicate::Carry;
use crate::wire::{Fault, Found, Request};

impl Group {
    /// Tells every member that is up what wants no session; the first to answer decides.
    ///
    /// # Errors
    /// What the first refuses; `DeviceError` when none is up.
    pub fn tell_members(&self, request: &Request<'_>) -> Result<()> {
        self.tick();
        let mut answer = None;
        for place in self.in_order() {
            match self.member(place)?.call(request) {
                Ok(_) => answer = answer.or(Some(Ok(()))),
                Err(Fault::Refused(error)) => answer = answer.or(Some(Err(error))),
                Err(fault) => self.drop_member(place, &fault),
            }
        }
        answer.unwrap_or_else(|| Err(nobody()))
    }

    /// Gives an object that some member has to every other that is up.
    ///
    /// # Errors
    /// `ObjectHandleInvalid` when none has it; `CloneFailed` when one refuses it.
    pub fn spread(&self, session: &GroupSession, object: ObjectHandle) -> Result<()> {
        self.tick();
        let entry = self.handles.find(object).ok_or_else(|| {
            Error::new(Cause::ObjectHandleInvalid, "the group has no such object")
        })?;
        let mut source = None;
        for place in self.in_order() {
            let Ok(handle) = self.member_session(session, place) else { continue };
            if let Ok(own) = self.on_member(handle, place, object) {
                source = Some((place, own));
                break;
            }
        }
        let (source, handle) = source.ok_or_else(|| {
            Error::new(Cause::ObjectHandleInvalid, "no member that is up has the object")
        })?;
        let found = Found { handle, ouid: entry.ouid, token: entry.token };
        for target in self.in_order().into_iter().filter(|place| *place != source) {
            match self.carry(session, source, target, found, None) {
                Ok(copy) => {
                    self.meet(target, copy, entry.owner);
                }
                Err(Carry::Source(fault)) => {
                    self.drop_member(source, &fault);
                    return Err(nobody());
                }
                Err(Carry::Target(Fault::Refused(error))) if lacks(&error) => {}
                Err(Carry::Target(Fault::Refused(error))) => {
                    return Err(Error::new(
                        Cause::CloneFailed,
                        format!("member {target} refused the clone: {error}"),
                    ));
                }
                Err(Carry::Target(fault)) => self.drop_member(target, &fault),
            }
        }
        Ok(())
    }

    /// A member has refused a key's secret, and counted that; the others count it without trying it.
    ///
    /// Source: what `CA_IncrementFailedAuthCount` is for (Documented: HA bookkeeping).
    pub(super) fn count_failed_secret(
        &self,
        session: &GroupSession,
        place: usize,
        request: &Request<'_>,
        error: &Error,
    ) {
        let Request::AuthorizeKey(own, key, said) = request else { return };
        let wrong = [Cause::AuthDataIncorrect, Cause::AuthDataIncorrectAndLimitReached];
        if !wrong.contains(&error.cause())
            || matches!(said, crate::wire::KeyAuthorization::CountFailure)
        {
            return;
        }
        let count = Request::AuthorizeKey(*own, *key, crate::wire::KeyAuthorization::CountFailure);
        for other in self.in_order().into_iter().filter(|other| *other != place) {
            match self.send(session, other, &count) {
                Ok(_) | Err(Fault::Refused(_)) => {}
                Err(fault) => self.drop_member(other, &fault),
            }
        }
    }
}
