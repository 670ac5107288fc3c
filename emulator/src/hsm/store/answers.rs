//! Answers to recent searches, good for one committed generation.
//!
//! Applications look for the same label again and again. SQLite answers in microseconds, most of
//! which go into record locks; an answer kept here costs a look at the control page.

use std::collections::HashMap;

use super::record::Query;

/// What all answers may cost together, in handles; beyond it, all are dropped. In bytes this is
/// well under a megabyte.
const KEPT_COST: usize = 32 * 1024;

/// What an answer costs beside its handles, in handles.
const ANSWER_COST: usize = 16;

/// Handles in an answer that is kept; longer ones are worth the trip.
const KEPT_HANDLES: usize = 1024;

/// What was found in one generation.
#[derive(Debug, Default)]
pub(super) struct Answers {
    generation: u64,
    cost: usize,
    partitions: HashMap<i64, HashMap<Query, Vec<u64>>>,
}

impl Answers {
    /// The answer, if it is known for exactly this generation.
    pub(super) fn recall(&self, generation: u64, partition: i64, query: &Query) -> Option<&[u64]> {
        if self.generation != generation {
            return None;
        }
        self.partitions.get(&partition)?.get(query).map(Vec::as_slice)
    }

    /// Keeps an answer read from the database when that had this generation.
    pub(super) fn keep(&mut self, generation: u64, partition: i64, query: &Query, found: &[u64]) {
        if generation < self.generation || found.len() > KEPT_HANDLES {
            return;
        }
        let cost = ANSWER_COST + found.len();
        if generation > self.generation || self.cost + cost > KEPT_COST {
            self.partitions.clear();
            self.cost = 0;
            self.generation = generation;
        }
        self.cost += cost;
        self.partitions.entry(partition).or_default().insert(query.clone(), found.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_for_its_generation_alone() {
        let mut answers = Answers::default();
        let query = Query { class: Some(4), ..Query::default() };
        answers.keep(5, 1, &query, &[7]);
        assert_eq!(answers.recall(5, 1, &query), Some([7].as_slice()));
        assert_eq!(answers.recall(5, 2, &query), None);
        assert_eq!(answers.recall(5, 1, &Query::default()), None);
        assert_eq!(answers.recall(4, 1, &query), None);
        assert_eq!(answers.recall(6, 1, &query), None);
        // Read earlier, kept later: not mixed with newer answers.
        answers.keep(6, 1, &query, &[7, 8]);
        answers.keep(5, 1, &query, &[7]);
        assert_eq!(answers.recall(6, 1, &query), Some([7, 8].as_slice()));
        assert_eq!(answers.recall(5, 1, &query), None);
    }

    #[test]
    fn answers_have_a_bound() {
        let mut answers = Answers::default();
        for class in 0..10_000 {
            let query = Query { class: Some(class), ..Query::default() };
            answers.keep(5, 1, &query, &[class]);
            assert_eq!(answers.recall(5, 1, &query), Some([class].as_slice()));
            let kept: usize = answers.partitions.values().map(HashMap::len).sum();
            assert!((1..=KEPT_COST / ANSWER_COST).contains(&kept), "{kept}");
        }
        answers.keep(5, 1, &Query::default(), &vec![0; KEPT_HANDLES + 1]);
        assert_eq!(answers.recall(5, 1, &Query::default()), None);
    }
}
