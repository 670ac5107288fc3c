//! Searches: what must be found, what may, and what not.
//!
//! Source: PKCS#11 v2.40 section 5.7. A search ends when `C_FindObjects` gives nothing; what is made, changed or
//! destroyed while it runs may be given or not.

use luna_ck::*;
use luna_client::Attribute;

use crate::allowed::Allowed;
use crate::call::{Call, Session};
use crate::state::{Model, Search};
use crate::target::{Answer, Given};

const CLAUSE: &str = "PKCS#11 v2.40 5.7, C_FindObjects…";

impl Model {
    pub(crate) fn judge_search(&self, call: &Call, allowed: &mut Allowed) {
        let open = call.session().and_then(|session| self.sessions.get(&session));
        let search = open.and_then(|open| open.search.as_ref());
        let shaken = search.is_some_and(|search| search.shaken);
        if let Call::FindInit(..) = call {
            let active = [CKR_OPERATION_ACTIVE];
            allowed.must(search.is_some() && !shaken, &active, CLAUSE);
            allowed.may(shaken, &active, "PKCS#11 v2.40 5.6, C_Logout: it may be active or not");
            return;
        }
        let none = [CKR_OPERATION_NOT_INITIALIZED];
        allowed.must(search.is_none(), &none, CLAUSE);
        allowed.may(shaken, &none, "PKCS#11 v2.40 5.6, C_Logout: it may be active or not");
    }

    pub(crate) fn follow_search(&mut self, call: &Call, answer: &Answer) -> Result<(), String> {
        match (call, answer.rv) {
            (Call::FindInit(session, wanted), CKR_OK) => {
                let search = self.begin(wanted);
                if let Some(open) = self.sessions.get_mut(session) {
                    open.search = Some(search);
                }
                Ok(())
            }
            (Call::FindNext(session, most), CKR_OK) => self.found(*session, *most, answer),
            (Call::FindFinal(session) | Call::FindNext(session, _), _) => {
                if let Some(open) = self.sessions.get_mut(session) {
                    open.search = None;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn begin(&self, wanted: &[Attribute]) -> Search {
        let mut search = Search::default();
        for (handle, entry) in &self.objects {
            if !self.is_visible(entry) {
                continue;
            }
            let each = || wanted.iter().map(|attribute| entry.matches(attribute));
            if each().all(|(surely, _)| surely) {
                search.must.insert(*handle);
            } else if each().all(|(_, perhaps)| perhaps) {
                search.may.insert(*handle);
            }
        }
        search
    }

    fn found(&mut self, session: Session, most: usize, answer: &Answer) -> Result<(), String> {
        let Given::Found(count, found) = &answer.given else {
            return Err("an answer of another call".to_owned());
        };
        if usize::try_from(*count).ok().is_none_or(|count| count > most) {
            return Err(format!("{count} are more than the {most} there is room for"));
        }
        let Some(search) = self.sessions.get_mut(&session).and_then(|open| open.search.as_mut())
        else {
            return Ok(());
        };
        for handle in found {
            let known = self.objects.contains_key(handle) || self.destroyed.contains(handle);
            if !known && !self.token.leave.alone {
                continue;
            }
            if !search.must.contains(handle) && !search.may.contains(handle) {
                return Err(format!("{handle} is not what was looked for, or not to be seen"));
            }
            if !search.given.insert(*handle) {
                return Err(format!("{handle} was given already"));
            }
        }
        let missing: Vec<_> = search.must.difference(&search.given).collect();
        if found.is_empty() && most > 0 && !missing.is_empty() && !search.shaken {
            return Err(format!("{missing:?} should have been found"));
        }
        Ok(())
    }
}
