//! Carrying objects from member to member, by cloning.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::error::{Cause, Class, Error, Result};
use crate::luna::ha::group::{Group, GroupSession, lacks, strange};
use crate::wire::{Fault, Found, Ouid, Reply, Request};

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
                // It is new: where it was destroyed, that was after it was made.
                match self.carry(session, source, target, *found, Some(0)) {
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
                    // Another process has met and destroyed it already.
                    Err(Carry::Target(Fault::Refused(error))) if lacks(&error) => {}
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

    /// Token objects that some of the members have and others lack, carried over; and the members
    /// that could not be served, which the others go on without.
    ///
    /// Other processes make and destroy objects meanwhile, and this one may be killed at any moment.
    /// What they destroy while it travels is refused by the member it travels to, which knows what
    /// it has seen destroyed since it told what it has. An object is destroyed on the members in the
    /// order of the list: where a later one has it and an earlier one has seen it destroyed, that is
    /// under way, or was cut short, and it is not brought back (Assumed).
    pub(super) fn bring_together(
        &self,
        session: &GroupSession,
        places: &[usize],
    ) -> Vec<(usize, Fault)> {
        let mut failed = Vec::new();
        let mut stocks = Vec::new();
        for place in places {
            match self.stock(session, *place) {
                Ok(stock) => stocks.push(stock),
                Err(fault) => failed.push((*place, fault)),
            }
        }
        for target in &stocks {
            let mut here = target.ouids.clone();
            for source in stocks.iter().filter(|source| source.place != target.place) {
                let is_failed = |place| failed.iter().any(|(member, _)| *member == place);
                if is_failed(source.place) || is_failed(target.place) {
                    continue;
                }
                let earlier = |ouid: &Ouid| {
                    let has_it = |stock: &&Stock| stock.ouids.contains(ouid);
                    let first = stocks.iter().filter(has_it).map(|stock| stock.place).min();
                    first.is_some_and(|first| target.place < first)
                };
                let since = |ouid: &Ouid| if earlier(ouid) { 0 } else { target.generation };
                if let Err(fault) = self.supply(session, source, target.place, &since, &mut here) {
                    failed.push(fault);
                }
            }
        }
        failed
    }

    /// What one member has.
    fn stock(&self, session: &GroupSession, place: usize) -> Result<Stock, Fault> {
        let handle = self.member_session(session, place)?;
        match self.member(place)?.call(&Request::Inventory(handle))? {
            Reply::Inventory(objects, generation) => {
                let ouids = objects.iter().map(|found| found.ouid).collect();
                Ok(Stock { place, objects, ouids, generation })
            }
            _ => Err(strange().into()),
        }
    }

    /// What one member has and another lacks, in the order it was made; the member that failed.
    fn supply(
        &self,
        session: &GroupSession,
        source: &Stock,
        target: usize,
        since: &dyn Fn(&Ouid) -> u64,
        here: &mut HashSet<Ouid>,
    ) -> Result<(), (usize, Fault)> {
        for found in source.objects.iter().filter(|found| found.token) {
            if !here.insert(found.ouid) {
                continue;
            }
            let since = Some(since(&found.ouid));
            match self.carry(session, source.place, target, *found, since) {
                Ok(copy) => {
                    self.meet(source.place, *found, None);
                    self.meet(target, copy, None);
                }
                Err(Carry::Target(Fault::Refused(error))) if lacks(&error) => {}
                Err(Carry::Source(fault)) => return Err((source.place, fault)),
                Err(Carry::Target(fault)) => return Err((target, fault)),
            }
        }
        Ok(())
    }
}

/// What a member had when it was asked.
struct Stock {
    place: usize,
    objects: Vec<Found>,
    ouids: HashSet<Ouid>,
    generation: u64,
}

/// Whose fault it was.
#[derive(Debug)]
pub(super) enum Carry {
    Source(Fault),
    Target(Fault),
}
