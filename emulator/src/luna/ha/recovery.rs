//! Noticing members that were lost, and bringing them back inside a call.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::ck::{ObjectHandle, SessionHandle};
use crate::luna::ha::group::{Group, GroupSession, lacks, strange};
use crate::luna::ha::handles::Entry;
use crate::luna::ha::member::{Member, Missed};
use crate::luna::ha::replicate::Carry;
use crate::wire::{Fault, Found, Reply, Request};

/// Partition policy 21, "high availability recovery": without it a member that was lost is not
/// logged in again by the others (number Documented, effect recalled).
const POLICY_RECOVERY: u64 = 21;

impl Group {
    /// Looks at every member; a few nanoseconds each while nothing has changed.
    pub fn tick(&self) {
        // All that were lost first: who comes back is filled from those that are still up.
        for (place, member) in self.members.iter().enumerate() {
            if member.was_lost() {
                self.drop_member(place, &Fault::Unreachable("the link is down".into()));
            }
        }
        for (place, member) in self.members.iter().enumerate() {
            if !member.is_up() && self.is_due(member) {
                // One that is kept out uses up no attempt; one that does not answer does.
                if !matches!(self.is_kept_out(member), Ok(true)) {
                    self.recover(place);
                }
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
        let seen = self.changed.load(Ordering::Acquire);
        let restored = self.restore(place, alone).and_then(|()| {
            let _alone = self.changing.write();
            // Other threads changed the members that are up meanwhile, and not this one.
            if self.changed.load(Ordering::Acquire) != seen {
                self.follow_login(place).map_err(|fault| format!("{fault:?}"))?;
                self.bring_up_to_date(place, alone)?;
            }
            member.set_up();
            Ok(())
        });
        match restored {
            Ok(()) => {
                self.log.line(&format!(
                    "HA group: {} recovery attempt #{attempt} succeeded for member: {serial}",
                    self.serial()
                ));
            }
            Err(why) => {
                // A login among what it was asked may have been done.
                member.lost_an_answer();
                self.log.line(&format!(
                    "HA group: {} unable to reach member: {serial}. Manual Recover or Auto Recovery \
                     will be able to recover this member ({why})",
                    self.serial()
                ));
            }
        }
    }

    /// Policy 21 of a member that would have to be logged in by the others.
    fn is_kept_out(&self, member: &Member) -> Result<bool, Fault> {
        if self.login.lock().is_none() {
            return Ok(false);
        }
        let Reply::Description(description) = member.link.call(&Request::Describe)? else {
            return Err(strange().into());
        };
        Ok(description.policies.iter().any(|it| it.id == POLICY_RECOVERY && it.value == 0))
    }

    /// Sessions, login, missed changes, missing objects.
    fn restore(&self, place: usize, alone: bool) -> Result<(), String> {
        if alone {
            // Session objects lived in the memory of members that are all gone.
            self.handles.forget_session_objects();
        }
        let sessions: Vec<Arc<GroupSession>> = self.sessions.lock().values().cloned().collect();
        let member = self.member(place).map_err(|error| error.to_string())?;
        if self.is_kept_out(member).map_err(|fault| format!("{fault:?}"))? {
            return Err("its partition policy 21 is off: it is not logged in again".into());
        }
        for session in &sessions {
            self.leave(session, place).map_err(|fault| format!("{fault:?}"))?;
        }
        member.set_logged_in(false);
        for session in &sessions {
            self.member_session(session, place).map_err(|fault| format!("{fault:?}"))?;
        }
        self.bring_up_to_date(place, alone)
    }

    /// The login that the group has now, or none.
    fn follow_login(&self, place: usize) -> Result<(), Fault> {
        let session = self.sessions.lock().values().next().cloned();
        let Some(session) = session else { return Ok(()) };
        let member = self.member(place)?;
        let handle = self.member_session(&session, place)?;
        if self.login.lock().is_some() {
            return self.log_in(member, handle);
        }
        match member.call(&Request::Logout(handle)) {
            Err(fault @ (Fault::Unreachable(_) | Fault::Lost(_))) => Err(fault),
            // One that was not logged in says so, which is as good.
            Ok(_) | Err(Fault::Refused(_)) => Ok(()),
        }
    }

    /// Missed changes, missing objects.
    fn bring_up_to_date(&self, place: usize, alone: bool) -> Result<(), String> {
        let sessions: Vec<Arc<GroupSession>> = self.sessions.lock().values().cloned().collect();
        let Some(session) = sessions.first() else {
            self.behind(place);
            return Ok(());
        };
        self.catch_up(session, place)?;
        if alone {
            self.behind(place);
            return Ok(());
        }
        if self.login.lock().is_none() {
            self.behind(place);
            return Ok(());
        }
        self.fill(session, place)?;
        for (handle, entry) in self.handles.session_objects() {
            let owner = sessions.iter().find(|session| Some(session.id) == entry.owner);
            if let Some(owner) = owner {
                self.carry_session_object(owner, place, handle, &entry)
                    .map_err(|fault| format!("{fault:?}"))?;
            }
        }
        Ok(())
    }

    /// A session object from the first of those that have it; who is lost over it is dropped, and
    /// the next one asked. What nobody has any more stays behind as a handle of nothing.
    fn carry_session_object(
        &self,
        owner: &GroupSession,
        place: usize,
        handle: ObjectHandle,
        entry: &Entry,
    ) -> Result<(), Fault> {
        loop {
            let source = self
                .in_order()
                .into_iter()
                .find_map(|from| self.handles.on(handle, from).map(|own| (from, own)));
            let Some((source, own)) = source else { return Ok(()) };
            let found = Found { handle: own, ouid: entry.ouid, token: false };
            match self.carry(owner, source, place, found, None) {
                Ok(copy) => {
                    self.meet(place, copy, entry.owner);
                    return Ok(());
                }
                // A logout took it, with all private session objects.
                Err(Carry::Target(Fault::Refused(error))) if lacks(&error) => {
                    self.handles.forget(handle);
                    return Ok(());
                }
                Err(Carry::Source(fault)) => self.drop_member(source, &fault),
                Err(Carry::Target(fault)) => return Err(fault),
            }
        }
    }

    /// Where only an answer was lost, the member still has its sessions, and in them what the group has
    /// left since: a login, a message in parts. They begin anew, as after a loss of the connection.
    fn leave(&self, session: &GroupSession, place: usize) -> Result<(), Fault> {
        let member = self.member(place)?;
        let known = session.behind_on(place, member.epoch());
        match known.map(|handle| member.call(&Request::CloseSession(handle))) {
            // A member that has lost it too says so, which is as good.
            None | Some(Ok(_) | Err(Fault::Refused(_))) => {
                session.forget_behind_on(place);
                Ok(())
            }
            Some(Err(fault)) => Err(fault),
        }
    }

    /// The member lacks what was made meanwhile; it gets it when somebody logs in.
    fn behind(&self, place: usize) {
        if let Some(member) = self.members.get(place) {
            member.set_behind(true);
        }
    }

    /// What the others did meanwhile, done here too. Before a login a member does not find private
    /// objects: what is about one that it does not find waits for the login.
    fn catch_up(&self, session: &GroupSession, place: usize) -> Result<(), String> {
        let Some(member) = self.members.get(place) else { return Ok(()) };
        let handle = self.member_session(session, place).map_err(|fault| format!("{fault:?}"))?;
        let blind = self.login.lock().is_none();
        let mut missed = member.take_missed().into_iter();
        let mut left = Vec::new();
        let mut outcome = Ok(());
        for change in missed.by_ref() {
            match redo(member, handle, &change) {
                Ok(true) => {}
                Ok(false) if blind => left.push(change),
                Ok(false) => {}
                Err(fault) => {
                    left.push(change);
                    outcome = Err(format!("{fault:?}"));
                    break;
                }
            }
        }
        left.extend(missed);
        member.put_back_missed(left);
        outcome
    }

    /// Token objects made meanwhile, from those that are up; and to them, for the member may have
    /// been alone when others were lost.
    fn fill(&self, session: &GroupSession, place: usize) -> Result<(), String> {
        let mut places = self.in_order();
        places.push(place);
        for (member, fault) in self.bring_together(session, &places) {
            if member == place {
                return Err(format!("{fault:?}"));
            }
            self.drop_member(member, &fault);
        }
        Ok(())
    }

    /// Members that came back while nobody was logged in get their objects at the login.
    pub(super) fn synchronize_late(&self) {
        if !self.synchronize {
            return;
        }
        let session = self.sessions.lock().values().next().cloned();
        let Some(session) = session else { return };
        let places = self.in_order();
        let late = places
            .iter()
            .filter(|place| self.members.get(**place).is_some_and(|it| it.set_behind(false)))
            .count();
        if late == 0 {
            return;
        }
        for place in &places {
            if let Err(why) = self.catch_up(&session, *place) {
                self.drop_member(*place, &Fault::Lost(why));
            }
        }
        for (member, fault) in self.bring_together(&session, &self.in_order()) {
            self.drop_member(member, &fault);
        }
    }
}

/// Does one change that a member missed; false where it does not find the object.
fn redo(member: &Member, session: SessionHandle, change: &Missed) -> Result<bool, Fault> {
    let (Missed::Destroyed(ouid) | Missed::Changed(ouid, _) | Missed::Counted(ouid, _)) = change;
    let found = match member.call(&Request::Locate(session, *ouid)) {
        Ok(Reply::Object(found)) => found,
        Ok(_) => return Err(strange().into()),
        Err(Fault::Refused(error)) if lacks(&error) => return Ok(false),
        Err(fault) => return Err(fault),
    };
    let request = match change {
        Missed::Destroyed(_) => Request::Destroy(session, found.handle),
        Missed::Changed(_, template) => {
            Request::SetAttributes(session, found.handle, Cow::Borrowed(template))
        }
        Missed::Counted(_, counting) => Request::Count(session, found.handle, *counting),
    };
    match member.call(&request) {
        Ok(_) => Ok(true),
        // Another process has destroyed it in between.
        Err(Fault::Refused(error)) if lacks(&error) => Ok(true),
        Err(fault) => Err(fault),
    }
}
