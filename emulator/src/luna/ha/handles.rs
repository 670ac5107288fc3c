//! Virtual object handles: made by the client, one for an object whatever its members call it.

use std::collections::HashMap;

use parking_lot::RwLock;

use crate::ck::ObjectHandle;
use crate::wire::{Found, Ouid};

/// Virtual handles, and the members' handles behind them.
#[derive(Default)]
pub(super) struct Handles {
    table: RwLock<Table>,
}

#[derive(Default)]
struct Table {
    last: u64,
    entries: HashMap<ObjectHandle, Entry>,
    by_ouid: HashMap<Ouid, ObjectHandle>,
}

/// One object of the group.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) ouid: Ouid,
    pub(super) token: bool,
    /// The group session a session object dies with.
    pub(super) owner: Option<u64>,
    /// By place of the member; none where it was not met yet, or the member lost it.
    pub(super) members: Vec<Option<ObjectHandle>>,
}

impl Handles {
    /// The virtual handle of an object met on a member, new if it is the first meeting.
    ///
    /// `owner` is told by who made it, or knows; a search does not, and may meet a session object
    /// before the call that makes it has returned.
    pub(super) fn meet(
        &self,
        place: usize,
        found: Found,
        owner: Option<u64>,
        members: usize,
    ) -> ObjectHandle {
        let mut table = self.table.write();
        let table = &mut *table;
        let handle = *table.by_ouid.entry(found.ouid).or_insert_with(|| {
            table.last += 1;
            ObjectHandle(table.last)
        });
        let entry = table.entries.entry(handle).or_insert_with(|| Entry {
            ouid: found.ouid,
            token: found.token,
            owner: if found.token { None } else { owner },
            members: vec![None; members],
        });
        if owner.is_some() && !found.token {
            entry.owner = owner;
        }
        if let Some(own) = entry.members.get_mut(place) {
            *own = Some(found.handle);
        }
        handle
    }

    pub(super) fn find(&self, handle: ObjectHandle) -> Option<Entry> {
        self.table.read().entries.get(&handle).cloned()
    }

    /// The member's own handle, where it is known.
    pub(super) fn on(&self, handle: ObjectHandle, place: usize) -> Option<ObjectHandle> {
        *self.table.read().entries.get(&handle)?.members.get(place)?
    }

    pub(super) fn forget(&self, handle: ObjectHandle) -> Option<Entry> {
        let mut table = self.table.write();
        let entry = table.entries.remove(&handle)?;
        table.by_ouid.remove(&entry.ouid);
        Some(entry)
    }

    /// Session objects that die with a session.
    pub(super) fn forget_session(&self, session: u64) {
        self.forget_where(|entry| entry.owner == Some(session));
    }

    /// Session objects that lived in the memory of members that are all gone.
    pub(super) fn forget_session_objects(&self) {
        self.forget_where(|entry| !entry.token);
    }

    fn forget_where(&self, gone: impl Fn(&Entry) -> bool) {
        let mut table = self.table.write();
        let table = &mut *table;
        table.entries.retain(|_, entry| {
            if gone(entry) {
                table.by_ouid.remove(&entry.ouid);
                return false;
            }
            true
        });
    }

    /// A member was lost: its session objects are gone. Token objects are looked for anew when they
    /// are used: what comes back under its serial number may have a new disk, where an old handle
    /// names another object.
    pub(super) fn member_lost(&self, place: usize) {
        let mut table = self.table.write();
        for entry in table.entries.values_mut() {
            if let Some(own) = entry.members.get_mut(place) {
                *own = None;
            }
        }
    }

    /// Session objects, to be carried to a member that came back.
    pub(super) fn session_objects(&self) -> Vec<(ObjectHandle, Entry)> {
        let table = self.table.read();
        let mut objects: Vec<_> = table
            .entries
            .iter()
            .filter(|(_, entry)| !entry.token)
            .map(|(handle, entry)| (*handle, entry.clone()))
            .collect();
        objects.sort_by_key(|(handle, _)| *handle);
        objects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(handle: u64, ouid: u8, token: bool) -> Found {
        Found { handle: ObjectHandle(handle), ouid: [ouid; 12], token }
    }

    #[test]
    fn one_object_has_one_handle_whoever_shows_it() {
        let handles = Handles::default();
        let first = handles.meet(0, found(7, 1, true), None, 2);
        let again = handles.meet(1, found(9, 1, true), None, 2);
        assert_eq!(first, again);
        assert_eq!(handles.on(first, 0), Some(ObjectHandle(7)));
        assert_eq!(handles.on(first, 1), Some(ObjectHandle(9)));
        assert_ne!(handles.meet(0, found(8, 2, true), None, 2), first);
        handles.forget(first);
        assert!(handles.find(first).is_none());
        assert_ne!(
            handles.meet(0, found(7, 1, true), None, 2),
            first,
            "handles are not used twice"
        );
    }

    #[test]
    fn session_objects_die_with_their_session_and_their_member() {
        let handles = Handles::default();
        let own = handles.meet(0, found(7, 1, false), Some(5), 2);
        let token = handles.meet(0, found(8, 2, true), Some(5), 2);
        handles.member_lost(0);
        assert_eq!(handles.on(own, 0), None);
        assert_eq!(handles.on(token, 0), None, "it is looked for anew");
        let early = handles.meet(0, found(9, 3, false), None, 2);
        assert_eq!(handles.meet(0, found(9, 3, false), Some(6), 2), early, "a search came before");
        handles.forget_session(5);
        assert!(handles.find(own).is_none() && handles.find(token).is_some());
        handles.forget_session(6);
        assert!(handles.find(early).is_none());
    }
}
