//! What may be answered, and what must be there in the end; written apart from the emulator.
//!
//! | what happened | what must be |
//! |---|---|
//! | a call that made an object was answered | it is on every member in the end (ha.md 6, Documented) |
//! | one that destroyed it was answered | it is on none |
//! | the process that destroyed it ended before a member that was down could be told | either: "objects deleted on one member come back" (recalled) |
//! | a call that makes was not answered | it was done, whole, or not at all; and on all members alike |
//! | a call that destroys was not answered | each member has it whole or not at all |
//! | anything was made | once: at most one object of a label on a member |

use std::collections::BTreeSet;

/// What an object is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A data object of a known value.
    Data,
    /// A generic secret of a known value.
    Key,
    /// A generic secret that the HSM made.
    Generated,
}

/// Whether it is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It may be: a call that makes or destroys it was not answered.
    Unsure,
    /// It is.
    Kept,
    /// It is not.
    Gone,
}

/// An object that somebody made, or tried to.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Its label, which nothing else has.
    pub label: String,
    /// Its value, where that is known.
    pub value: Option<Vec<u8>>,
    /// None for a token object; else the process it dies with, and which run of it.
    pub owner: Option<(usize, u64)>,
    /// Whether it is there.
    pub fate: Fate,
    /// What its `CKA_ID` may be.
    pub ids: BTreeSet<Vec<u8>>,
    /// Some member that was down may lack it until its maker has seen that member again.
    pub partial: bool,
    /// A member got a new disk, and nobody has seen all members well since: one may lack it.
    pub wiped: bool,
    /// A call that destroys it was cut short: members may differ in it.
    pub torn: bool,
    /// A session object: members whose memory has it.
    pub holders: BTreeSet<usize>,
}

impl Record {
    /// Whether a call for it must succeed on a group of which a member is up.
    #[must_use]
    pub fn must_be_found(&self) -> bool {
        self.fate == Fate::Kept
            && !self.partial
            && !self.wiped
            && (self.owner.is_none() || !self.holders.is_empty())
    }
}

/// An acknowledged change that members that were down have not heard of.
#[derive(Clone, Debug)]
pub enum Debt {
    /// It was made.
    Made(usize),
    /// It was destroyed.
    Destroyed(usize),
    /// It had this `CKA_ID` before.
    Changed(usize, Vec<u8>),
}

/// All objects.
#[derive(Debug, Default)]
pub struct Ledger {
    records: Vec<Record>,
}

impl Ledger {
    /// An object that is about to be made; returns its number.
    pub fn open(&mut self, kind: Kind, owner: Option<(usize, u64)>) -> usize {
        let number = self.records.len();
        let label = format!("object-{number}");
        let value = match kind {
            Kind::Generated => None,
            Kind::Data | Kind::Key => Some(label.bytes().cycle().take(32).collect()),
        };
        self.records.push(Record {
            kind,
            label,
            value,
            owner,
            fate: Fate::Unsure,
            ids: BTreeSet::from([Vec::new()]),
            partial: false,
            wiped: false,
            torn: false,
            holders: BTreeSet::new(),
        });
        number
    }

    /// The object of a number.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Record> {
        self.records.get(number)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, number: usize) -> Option<&mut Record> {
        self.records.get_mut(number)
    }

    /// All objects, by number.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Objects that some member may lack.
    #[must_use]
    pub fn partial(&self) -> BTreeSet<usize> {
        let records = self.records.iter().enumerate();
        records
            .filter(|(_, record)| record.partial || record.wiped)
            .map(|(number, _)| number)
            .collect()
    }

    /// The object of a label.
    #[must_use]
    pub fn by_label(&self, label: &str) -> Option<&Record> {
        let number: usize = label.strip_prefix("object-")?.parse().ok()?;
        self.get(number)
    }

    /// A member's memory of a process's session objects is gone.
    pub fn member_forgot(&mut self, process: usize, member: usize) {
        for record in &mut self.records {
            if record.owner.is_some_and(|(owner, _)| owner == process) {
                record.holders.remove(&member);
            }
        }
    }

    /// A process sees a member well: it has every session object that any has, and what it missed.
    pub fn member_is_well(&mut self, process: usize, member: usize) {
        for record in &mut self.records {
            if record.owner.is_some_and(|(owner, _)| owner == process) && !record.holders.is_empty()
            {
                record.holders.insert(member);
            }
        }
    }

    /// A process is over, with the session objects that it had.
    pub fn process_is_over(&mut self, process: usize) {
        for record in &mut self.records {
            if record.owner.is_some_and(|(owner, _)| owner == process) {
                record.fate = Fate::Gone;
            }
        }
    }

    /// A member has a new disk, with nothing on it.
    pub fn disk_is_new(&mut self) {
        for record in self.records.iter_mut().filter(|record| record.owner.is_none()) {
            record.wiped = true;
        }
    }

    /// Every member was told.
    pub fn settle(&mut self, debts: &mut Vec<Debt>) {
        for record in &mut self.records {
            record.wiped = false;
        }
        for debt in debts.drain(..) {
            if let Debt::Made(number) = debt
                && let Some(record) = self.get_mut(number)
            {
                record.partial = false;
            }
        }
    }

    /// Who was to tell the members is gone.
    pub fn default_on(&mut self, debts: &mut Vec<Debt>) {
        for debt in debts.drain(..) {
            match debt {
                // A later process brings it where it lacks.
                Debt::Made(_) => {}
                Debt::Destroyed(number) => {
                    if let Some(record) = self.get_mut(number) {
                        record.fate = Fate::Unsure;
                        record.torn = true;
                    }
                }
                Debt::Changed(number, former) => {
                    if let Some(record) = self.get_mut(number) {
                        record.ids.insert(former);
                    }
                }
            }
        }
    }
}
