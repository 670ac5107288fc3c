//! Two reports side by side.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::{Record, Report, Verdict};

/// A check that ended in two ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which.
    pub id: String,
    /// What is asked.
    pub title: String,
    /// In the first report; `None` where it is not there.
    pub first: Option<(Verdict, String)>,
    /// In the second.
    pub second: Option<(Verdict, String)>,
}

impl Change {
    /// Whether it is worse in the second.
    pub fn is_worse(&self) -> bool {
        let red = |side: &Option<(Verdict, String)>| side.as_ref().is_some_and(|it| it.0.is_red());
        red(&self.second) && !red(&self.first)
    }
}

/// What changed from one report to the other, by id.
pub fn compare(first: &Report, second: &Report) -> Vec<Change> {
    let by_id = |report: &Report| -> BTreeMap<String, Record> {
        report.checks.iter().map(|record| (record.id.clone(), record.clone())).collect()
    };
    let (first, second) = (by_id(first), by_id(second));
    let ids: std::collections::BTreeSet<_> = first.keys().chain(second.keys()).collect();
    let side = |record: Option<&Record>| record.map(|record| (record.verdict, record.why()));
    ids.into_iter()
        .filter_map(|id| {
            let (one, other) = (first.get(id), second.get(id));
            if one.map(|it| it.verdict) == other.map(|it| it.verdict) {
                return None;
            }
            let title = one.or(other).map(|it| it.title.clone()).unwrap_or_default();
            Some(Change { id: id.clone(), title, first: side(one), second: side(other) })
        })
        .collect()
}
