//! Carrying objects from member to member, by cloning.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::error::{Cause, Error, Result};
use crate::luna::ha::group::{Group, GroupSession, lacks, strange};
use crate::luna::ha::member::Missed;
use crate::wire::{Fault, Found, Ouid, Reply, Request};

impl Group {
    /// Gives what one member made, and the group knows, to every other that is up.
    ///
    /// When the maker is lost in between, a member that has all of it already goes on giving. When there is
    /// none, token objects stay where they are: no member is told to destroy what the maker still has, for it
    /// would never take it from the maker again (see `bring_together`).
    ///
    /// # Errors
    /// When a member refuses the clone, what was made is destroyed again everywhere: an object that
    /// only some members have would be lost with them (Assumed; documented only as "disrupts HA").
    pub(super) fn replicate(
        &self,
        session: &GroupSession,
        maker: usize,
        made: &[Found],
    ) -> Result<()> {
        if !self.synchronize || made.is_empty() {
            return Ok(());
        }
        let mut givers = vec![(maker, made.to_vec())];
        for target in self.in_order().into_iter().filter(|place| *place != maker) {
            match self.give(session, &mut givers, target, made.len()) {
                Ok(copies) if copies.len() == made.len() => givers.push((target, copies)),
                // Another process has met and destroyed some of it already.
                Ok(_) => {}
                Err(Carry::Source(_)) => {
                    let mortal = made.iter().filter(|found| !found.token).copied();
                    self.unmake(session, &mortal.collect::<Vec<_>>());
                    return Err(Error::new(
                        Cause::DeviceError,
                        "the member that made the object was lost before others had it",
                    ));
                }
                Err(Carry::Target(Fault::Refused(error))) if !self.is_members(&error) => {
                    self.unmake(session, made);
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

    /// All that was made to one member, from the first of the givers that is not lost meanwhile.
    fn give(
        &self,
        session: &GroupSession,
        givers: &mut Vec<(usize, Vec<Found>)>,
        target: usize,
        objects: usize,
    ) -> Result<Vec<Found>, Carry> {
        let mut copies = Vec::new();
        let mut at = 0;
        while at < objects {
            let giver = givers.first().and_then(|(place, has)| Some((*place, *has.get(at)?)));
            let (place, found) = giver.ok_or_else(|| Carry::Source(strange().into()))?;
            // It is new: where it was destroyed, that was after it was made.
            match self.carry(session, place, target, found, Some(0)) {
                Ok(copy) => {
                    self.meet(target, copy, Some(session.id));
                    copies.push(copy);
                    at += 1;
                }
                Err(Carry::Target(Fault::Refused(error))) if lacks(&error) => at += 1,
                Err(Carry::Source(fault)) => {
                    self.drop_member(place, &fault);
                    givers.remove(0);
                    if givers.is_empty() {
                        return Err(Carry::Source(fault));
                    }
                }
                Err(refused) => return Err(refused),
            }
        }
        Ok(copies)
    }

    /// Takes back what was made, from the members in the order of the list as with any destruction (see
    /// `bring_together`); one that is down, the maker itself maybe, hears of it when it is back.
    fn unmake(&self, session: &GroupSession, made: &[Found]) {
        let mut places = self.in_order();
        places.sort_unstable();
        for place in places {
            if let Err(fault) =
                made.iter().try_for_each(|it| self.take_back(session, place, it.ouid))
            {
                self.drop_member(place, &fault);
            }
        }
        for found in made {
            if found.token {
                self.missed_by_others(&Missed::Destroyed(found.ouid));
            }
            let handle = self.meet(0, *found, None);
            self.handles.forget(handle);
        }
    }

    fn take_back(&self, session: &GroupSession, place: usize, ouid: Ouid) -> Result<(), Fault> {
        let handle = self.member_session(session, place)?;
        let member = self.member(place)?;
        let gone = match member.call(&Request::Locate(handle, ouid)) {
            Ok(Reply::Object(own)) => member.call(&Request::Destroy(handle, own.handle)).map(drop),
            Ok(_) => Err(strange().into()),
            Err(fault) => Err(fault),
        };
        match gone {
            // It never came this far, or another process was faster.
            Err(Fault::Refused(error)) if lacks(&error) => Ok(()),
            gone => gone,
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
            Err(Fault::Refused(error)) if !self.is_members(&error) => {
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
