//! Which checks go into one child.

use crate::check::{Allow, Check, Footing};
use crate::report::Record;
use crate::run::Told;

/// Checks of one footing, for one child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) footing: Footing,
    pub(super) ids: Vec<String>,
}

/// Batches in the order they should run, and the records of what may not run at all.
pub(super) fn plan(chosen: &[&Check], allow: &[Allow], most: usize) -> (Vec<Batch>, Vec<Record>) {
    let (mut batches, mut left_out) = (Vec::<Batch>::new(), Vec::new());
    for check in chosen {
        let missing: Vec<_> =
            check.needs.allow.iter().filter(|it| !allow.contains(it)).map(|it| it.name()).collect();
        if !missing.is_empty() {
            let flags: Vec<_> = missing.iter().map(|name| format!("--allow {name}")).collect();
            let told = Told::NotApplicable(format!("needs {}", flags.join(" ")));
            left_out.push(Record::of(check, told, Vec::new(), 0.0));
            continue;
        }
        let footing = check.needs.footing;
        let alone = matches!(footing, Footing::Alone | Footing::Fresh);
        let open = batches
            .iter_mut()
            .rev()
            .find(|batch| batch.footing == footing && batch.ids.len() < most && !alone);
        match open {
            Some(batch) => batch.ids.push(check.id.clone()),
            None => batches.push(Batch { footing, ids: vec![check.id.clone()] }),
        }
    }
    // Those that initialise the token come last: what they do to somebody's token is undone by nobody.
    batches.sort_by_key(|batch| batch.footing);
    (batches, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Needs, Registry, Source};

    #[test]
    fn checks_are_batched_by_footing_and_left_out_by_allowance() {
        let mut registry = Registry::default();
        let needs = [Needs::public, Needs::officer, Needs::public, Needs::alone, Needs::fresh];
        for (at, needs) in needs.iter().enumerate() {
            registry.add(format!("a.b.{at}"), "t", Source::standard("s"), needs(), |_| Ok(()));
        }
        let chosen: Vec<_> = registry.checks().iter().collect();
        let (batches, left_out) = plan(&chosen, &[], 10);
        let ids: Vec<_> = batches.iter().map(|batch| batch.ids.join(" ")).collect();
        assert_eq!(ids, ["a.b.3", "a.b.0 a.b.2", "a.b.1"]);
        assert_eq!(left_out.len(), 1);
        assert!(left_out[0].reason.contains("--allow destructive"));
    }
}
