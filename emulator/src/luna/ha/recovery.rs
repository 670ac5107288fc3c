//! Noticing members that were lost, and bringing them back inside a call.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::luna::ha::group::{Group, GroupSession};
use crate::luna::ha::member::{Member, Missed};
use crate::luna::ha::replicate::Carry;
use crate::wire::{Fault, Reply, Request};

impl Group {
    /// Looks at every member; a few nanoseconds each while nothing has changed.
    pub fn tick(&self) {
        for (place, member) in self.members.iter().enumerate() {
            if member.was_lost() {
                self.drop_member(place, &Fault::Unreachable("the link is down".into()));
            }
            if !member.is_up() && self.is_due(member) {
                self.recover(place);
            }
        }
    }

    /// Brings a member back now, whatever the mode: `hagroup recover`.
    pub fn recover_all(&self) {
        for (place, member) in self.members.iter().enumerate() {
            if !member.is_up() && member.link.presence().reachable {
                self.recover(place);
            }
        }
    }

    /// Whether recovery is to be tried. A link that says itself when it is back is believed at
    /// once (Assumed); others are tried at the interval.
    fn is_due(&self, member: &Member) -> bool {
        let outage = member.outage.lock();
        let left = self.recovery.attempts.is_none_or(|most| outage.attempts < most);
        if !left || !member.link.presence().reachable {
            return false;
        }
        let waited = |since| self.clock.now().saturating_sub(since) >= self.recovery.interval;
        match outage.last_attempt {
            None => outage.told_by_link || waited(outage.since),
            Some(last) => waited(last),
        }
    }

    fn recover(&self, place: usize) {
        let Some(_one_at_a_time) = self.recovering.try_lock() else { return };
        let Some(member) = self.members.get(place) else { return };
        if member.is_up() {
            return;
        }
        let attempt = {
            let mut outage = member.outage.lock();
            outage.attempts += 1;
            outage.last_attempt = Some(self.clock.now());
            outage.attempts
        };
        let alone = !self.members.iter().any(Member::is_up);
        if alone && !self.recovery.enhanced && !self.sessions.lock().is_empty() {
            self.stranded.store(true, Ordering::Release);
            return;
        }
        member.meet_anew();
        let serial = member.link.serial();
        match self.restore(place, alone) {
            Ok(()) => {
                member.set_up();
                self.log.line(&format!(
                    "HA group: {} recovery attempt #{attempt} succeeded for member: {serial}",
                    self.serial()
                ));
            }
            Err(why) => self.log.line(&format!(
                "HA group: {} unable to reach member: {serial}. Manual Recover or Auto Recovery \
                 will be able to recover this member ({why})",
                self.serial()
            )),
        }
    }

    /// Sessions, login, missed changes, missing objects.
    fn restore(&self, place: usize, alone: bool) -> Result<(), String> {
        if alone {
            // Session objects lived in the memory of members that are all gone.
            self.handles.forget_session_objects();
        }
        let sessions: Vec<Arc<GroupSession>> = self.sessions.lock().values().cloned().collect();
        for session in &sessions {
            self.member_session(session, place).map_err(|fault| format!("{fault:?}"))?;
        }
        let Some(session) = sessions.first() else {
            self.behind(place);
            return Ok(());
        };
        self.catch_up(session, place)?;
        if alone {
            return Ok(());
        }
        if self.login.lock().is_none() {
            self.behind(place);
            return Ok(());
        }
        self.fill(session, place)?;
        for (handle, entry) in self.handles.session_objects() {
            let owner = sessions.iter().find(|session| Some(session.id) == entry.owner);
            let source = self
                .in_order()
                .into_iter()
                .find_map(|from| self.handles.on(handle, from).map(|own| (from, own)));
            let (Some(owner), Some((source, own))) = (owner, source) else { continue };
            let found = crate::wire::Found { handle: own, ouid: entry.ouid, token: false };
            let copy = self
                .carry(owner, source, place, found, None)
                .map_err(|carry| format!("{carry:?}"))?;
            self.meet(place, copy, entry.owner);
        }
        Ok(())
    }

    /// The member lacks what was made meanwhile; it gets it when somebody logs in.
    fn behind(&self, place: usize) {
        if let Some(member) = self.members.get(place) {
            member.set_behind(true);
        }
    }

    /// What the others did meanwhile, done here too.
    fn catch_up(&self, session: &GroupSession, place: usize) -> Result<(), String> {
        let Some(member) = self.members.get(place) else { return Ok(()) };
        let missed = member.outage.lock().missed.clone();
        let handle = self.member_session(session, place).map_err(|fault| format!("{fault:?}"))?;
        for change in missed {
            let (Missed::Destroyed(ouid) | Missed::Changed(ouid, _) | Missed::Counted(ouid, _)) =
                &change;
            let Ok(Reply::Object(found)) = member.call(&Request::Locate(handle, *ouid)) else {
                continue;
            };
            let request = match &change {
                Missed::Destroyed(_) => Request::Destroy(handle, found.handle),
                Missed::Changed(_, template) => Request::SetAttributes(
                    handle,
                    found.handle,
                    std::borrow::Cow::Borrowed(template),
                ),
                Missed::Counted(_, counting) => Request::Count(handle, found.handle, *counting),
            };
            member.call(&request).map_err(|fault| format!("{fault:?}"))?;
        }
        Ok(())
    }

    /// Token objects made meanwhile, from the first member that is up.
    fn fill(&self, session: &GroupSession, place: usize) -> Result<(), String> {
        let Some(source) = self.in_order().into_iter().find(|from| *from != place) else {
            return Ok(());
        };
        match self.synchronize_member(session, source, place) {
            Ok(_) => Ok(()),
            Err(Carry::Source(fault)) => {
                self.drop_member(source, &fault);
                Err(format!("the member to copy from was lost: {fault:?}"))
            }
            Err(Carry::Target(fault)) => Err(format!("{fault:?}")),
        }
    }

    /// Members that came back while nobody was logged in get their objects at the login.
    pub(super) fn synchronize_late(&self) {
        if !self.synchronize {
            return;
        }
        let session = self.sessions.lock().values().next().cloned();
        let Some(session) = session else { return };
        let places = self.in_order();
        let Some((source, targets)) = places.split_first() else { return };
        for target in targets {
            let late = self.members.get(*target).is_some_and(|member| member.set_behind(false));
            if !late {
                continue;
            }
            if let Err(Carry::Target(fault)) = self.synchronize_member(&session, *source, *target) {
                self.drop_member(*target, &fault);
            }
        }
    }
}
