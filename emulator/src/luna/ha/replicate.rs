//! Carrying objects from member to member, by cloning.

use std::borrow::Cow;

use crate::error::{Cause, Class, Error, Result};
use crate::luna::ha::group::{Group, GroupSession, lacks, strange};
use crate::wire::{Fault, Found, Reply, Request};

impl Group {
    /// Gives what one member made to every other that is up, and publishes the handles.
    ///
    /// # Errors
    /// When a member refuses the clone, what was made is destroyed again everywhere: an object that
    /// only some members have would be lost with them (Assumed; documented only as "disrupts HA").
    pub(super) fn replicate(
        &self,
        session: &GroupSession,
        source: usize,
        reply: &Reply,
    ) -> Result<()> {
        let made: Vec<Found> = match reply {
            Reply::Object(found) => vec![*found],
            Reply::Pair(public, private) => vec![*public, *private],
            Reply::Encapsulated(_, Some(found)) => vec![*found],
            Reply::Derived(found, _) => found.clone(),
            _ => return Ok(()),
        };
        for found in &made {
            self.meet(source, *found, Some(session.id));
        }
        if !self.synchronize {
            return Ok(());
        }
        for target in self.in_order().into_iter().filter(|place| *place != source) {
            for found in &made {
                match self.carry(session, source, target, *found, None) {
                    Ok(copy) => {
                        self.meet(target, copy, Some(session.id));
                    }
                    Err(Carry::Source(fault)) => {
                        // The maker was lost in between: what it made is lost with it.
                        self.drop_member(source, &fault);
                        self.unmake(session, &made);
                        return Err(Error::new(
                            Cause::DeviceError,
                            "the member that made the object was lost before others had it",
                        ));
                    }
                    Err(Carry::Target(Fault::Refused(error))) if error.class() != Class::Member => {
                        self.unmake(session, &made);
                        return Err(Error::new(
                            Cause::CloneFailed,
                            format!("member {target} refused the clone: {error}"),
                        ));
                    }
                    Err(Carry::Target(fault)) => {
                        self.drop_member(target, &fault);
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn unmake(&self, session: &GroupSession, made: &[Found]) {
        for place in self.in_order() {
            for found in made {
                let Ok(handle) = self.member_session(session, place) else { continue };
                let Ok(member) = self.member(place) else { continue };
                if let Ok(Reply::Object(own)) = member.call(&Request::Locate(handle, found.ouid)) {
                    // What cannot be taken back is found by the next synchronisation.
                    let _ = member.call(&Request::Destroy(handle, own.handle));
                }
            }
        }
        for found in made {
            let handle = self.meet(0, *found, None);
            self.handles.forget(handle);
        }
    }

    /// One object from one member to another, unless it was destroyed there after the generation.
    pub(super) fn carry(
        &self,
        session: &GroupSession,
        source: usize,
        target: usize,
        found: Found,
        unless_destroyed_since: Option<u64>,
    ) -> Result<Found, Carry> {
        let from = self.member_session(session, source).map_err(Carry::Source)?;
        let giver = self.member(source).map_err(|error| Carry::Source(error.into()))?;
        let blob = match giver.call(&Request::Extract(from, found.handle)) {
            Ok(Reply::Bytes(blob)) => blob,
            Ok(_) => return Err(Carry::Source(strange().into())),
            // A refusal to extract is the group's trouble, not the member's.
            Err(Fault::Refused(error)) if error.class() != Class::Member => {
                return Err(Carry::Target(Fault::Refused(error)));
            }
            Err(fault) => return Err(Carry::Source(fault)),
        };
        let to = self.member_session(session, target).map_err(Carry::Target)?;
        let taker = self.member(target).map_err(|error| Carry::Target(error.into()))?;
        match taker.call(&Request::Insert(to, Cow::Owned(blob), unless_destroyed_since)) {
            Ok(Reply::Object(copy)) => Ok(copy),
            Ok(_) => Err(Carry::Target(strange().into())),
            Err(fault) => Err(Carry::Target(fault)),
        }
    }

    /// Token objects of one member that another lacks, carried over.
    ///
    /// Other processes make and destroy objects meanwhile, and this one may be killed at any moment.
    /// What they destroy while it travels is refused by the member it travels to, which knows what
    /// it has seen destroyed since it told what it has.
    pub(super) fn synchronize_member(
        &self,
        session: &GroupSession,
        source: usize,
        target: usize,
    ) -> Result<usize, Carry> {
        let list = |place: usize| -> Result<(Vec<Found>, u64), Fault> {
            let handle = self.member_session(session, place)?;
            match self.member(place)?.call(&Request::Inventory(handle))? {
                Reply::Inventory(objects, generation) => Ok((objects, generation)),
                _ => Err(strange().into()),
            }
        };
        let (theirs, generation) = list(target).map_err(Carry::Target)?;
        let theirs: std::collections::HashSet<_> =
            theirs.into_iter().map(|found| found.ouid).collect();
        let mut carried = 0;
        for found in list(source).map_err(Carry::Source)?.0 {
            if found.token && !theirs.contains(&found.ouid) {
                let copy = match self.carry(session, source, target, found, Some(generation)) {
                    Err(Carry::Target(Fault::Refused(error))) if lacks(&error) => continue,
                    outcome => outcome?,
                };
                let handle = self.meet(source, found, None);
                self.meet(target, copy, None);
                debug_assert_eq!(self.handles.on(handle, target), Some(copy.handle));
                carried += 1;
            }
        }
        Ok(carried)
    }
}

/// Whose fault it was.
#[derive(Debug)]
pub(super) enum Carry {
    Source(Fault),
    Target(Fault),
}
