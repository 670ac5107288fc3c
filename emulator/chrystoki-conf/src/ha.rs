//! The HA groups of the file, as a whole and one at a time.
//!
//! Source: vendor pages on HA groups (Documented): `VirtualTokenNNLabel`, `…SN`, `…Members` in the section
//! `VirtualToken`; `<label>` in `HASynchronize`; `<label>StandbyMembers` in `HAConfiguration`. A standby member is
//! one of the members too (Assumed, from the vendor's listing of a group).

use crate::{Conf, Error, same};

const TOKEN: &str = "VirtualToken";
const SYNCHRONIZE: &str = "HASynchronize";
const CONFIGURATION: &str = "HAConfiguration";

/// Group numbers have two digits.
const MOST: usize = 100;

/// A group as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HaGroup {
    /// Its label.
    pub label: String,
    /// Its number: a `1` before the serial number of the member that made it. Empty when the file has none.
    pub serial: String,
    /// Serial numbers of the members, standby ones included; the first is the primary.
    pub members: Vec<String>,
    /// Serial numbers of those that stand by.
    pub standby: Vec<String>,
    /// Objects are replicated when they are made.
    pub synchronize: bool,
}

fn key(number: usize, what: &str) -> String {
    format!("VirtualToken{number:02}{what}")
}

impl Conf {
    /// The groups in the order of their numbers; a number that is not used is passed over.
    ///
    /// # Errors
    ///
    /// A value of `HASynchronize` that is neither on nor off.
    pub fn ha_groups(&self) -> Result<Vec<HaGroup>, Error> {
        let owned = |items: Vec<&str>| items.into_iter().map(str::to_owned).collect();
        let mut groups = Vec::new();
        for number in 0..MOST {
            let Some(label) = self.value(TOKEN, &key(number, "Label")) else { continue };
            groups.push(HaGroup {
                label: label.to_owned(),
                serial: self.value(TOKEN, &key(number, "SN")).unwrap_or_default().to_owned(),
                members: owned(self.list(TOKEN, &key(number, "Members"))),
                standby: owned(self.list(CONFIGURATION, &format!("{label}StandbyMembers"))),
                synchronize: self.flag(SYNCHRONIZE, label)?.unwrap_or(true),
            });
        }
        Ok(groups)
    }

    /// Writes a group: over the one of its label, or with the first number that is free. Keys that already say
    /// so are left alone.
    ///
    /// # Errors
    ///
    /// A label or serial number that cannot stand in the file; a hundred groups are there already.
    pub fn put_ha_group(&mut self, group: &HaGroup) -> Result<(), Error> {
        let free = || (0..MOST).find(|number| self.value(TOKEN, &key(*number, "Label")).is_none());
        let full = || self.wrong(TOKEN, &key(MOST - 1, "Label"), "is taken", "fewer groups");
        let number = self.number_of(&group.label).or_else(free).ok_or_else(full)?;
        let standby = format!("{}StandbyMembers", group.label);
        let flag = if group.synchronize { "1" } else { "0" };
        for (section, key, value) in [
            (TOKEN, key(number, "Label"), group.label.clone()),
            (TOKEN, key(number, "SN"), group.serial.clone()),
            (TOKEN, key(number, "Members"), group.members.join(",")),
            (SYNCHRONIZE, group.label.clone(), flag.to_owned()),
            (CONFIGURATION, standby.clone(), group.standby.join(",")),
        ] {
            let is_there = self.value(section, &key);
            if is_there == Some(&value) || (is_there.is_none() && value.is_empty()) {
                continue;
            }
            if value.is_empty() {
                self.remove(section, &key);
            } else {
                self.set(section, &key, &value)?;
            }
        }
        Ok(())
    }

    /// Takes a group out; those behind it move up. `false` when there is none of that label.
    ///
    /// # Errors
    ///
    /// As [`Conf::ha_groups`].
    pub fn remove_ha_group(&mut self, label: &str) -> Result<bool, Error> {
        let Some(number) = self.number_of(label) else { return Ok(false) };
        let is_used = |other: &usize| self.value(TOKEN, &key(*other, "Label")).is_some();
        let later: Vec<usize> = (number + 1..MOST).filter(is_used).collect();
        let keys = ["Label", "SN", "Members"].map(|what| move |number| key(number, what));
        let keys: Vec<&dyn Fn(usize) -> String> = keys.iter().map(|key| key as _).collect();
        self.close_gap(TOKEN, number, &later, &keys)?;
        self.remove(SYNCHRONIZE, label);
        self.remove(CONFIGURATION, &format!("{label}StandbyMembers"));
        Ok(true)
    }

    fn number_of(&self, label: &str) -> Option<usize> {
        let is = |number: &usize| {
            self.value(TOKEN, &key(*number, "Label")).is_some_and(|other| same(other, label))
        };
        (0..MOST).find(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "// ours
VirtualToken = {
   VirtualToken00Label = one;   // the first
   VirtualToken00SN = 111;
   VirtualToken00Members = 11, 12;
   VirtualToken02Label = three;
   VirtualToken02SN = 131;
   VirtualToken02Members = 31;
   VirtualTokenActiveRecovery = activeBasic;
}
HASynchronize = { three = 0; }
HAConfiguration = { HAOnly = 1; oneStandbyMembers = 12; }
";

    fn conf() -> Conf {
        Conf::parse(FILE, "C").unwrap()
    }

    #[test]
    fn groups_are_read_past_a_gap() {
        let groups = conf().ha_groups().unwrap();
        let labels: Vec<&str> = groups.iter().map(|group| group.label.as_str()).collect();
        assert_eq!(labels, ["one", "three"]);
        assert_eq!((groups[0].members.len(), groups[0].standby.len()), (2, 1));
        assert_eq!((groups[0].synchronize, groups[1].synchronize), (true, false));
    }

    #[test]
    fn writing_what_was_read_changes_only_what_is_not_said_yet() {
        let mut conf = conf();
        for group in conf.ha_groups().unwrap() {
            conf.put_ha_group(&group).unwrap();
        }
        let text = FILE
            .replace("HASynchronize = { three = 0; }", "HASynchronize = { three = 0; one = 1; }")
            .replace("= 11, 12;", "= 11,12;");
        assert_eq!(conf.to_text(), text);
    }

    #[test]
    fn a_new_group_takes_the_number_that_is_free() {
        let mut conf = conf();
        let group = HaGroup {
            label: "two".into(),
            serial: "121".into(),
            members: vec!["21".into()],
            standby: vec![],
            synchronize: true,
        };
        conf.put_ha_group(&group).unwrap();
        assert_eq!(conf.value(TOKEN, "VirtualToken01Label"), Some("two"));
        assert_eq!(conf.ha_groups().unwrap()[1], group);
        assert!(conf.to_text().contains("// the first"));
    }

    #[test]
    fn a_group_is_taken_out_and_those_behind_it_move_up() {
        let mut conf = conf();
        assert!(conf.remove_ha_group("one").unwrap());
        assert!(!conf.remove_ha_group("one").unwrap());
        let groups = conf.ha_groups().unwrap();
        assert_eq!(groups.len(), 1);
        assert_eq!(conf.value(TOKEN, "VirtualToken00Members"), Some("31"));
        assert!(conf.to_text().contains("VirtualToken00Label = three;   // the first"));
        assert_eq!(conf.value("HAConfiguration", "oneStandbyMembers"), None);
        assert_eq!(conf.value("HAConfiguration", "HAOnly"), Some("1"));
        assert_eq!(conf.value(TOKEN, "VirtualTokenActiveRecovery"), Some("activeBasic"));
    }
}
