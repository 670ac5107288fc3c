//! Whether calls of several threads can be put into an order that the model allows: linearizability.
//!
//! Each call counts as done at one moment between its beginning and its end. The search is Wing and Gong's, with
//! states that were seen already passed over as Lowe has it: next can be any call that began before all others that
//! are left have ended. Sources: J. M. Wing and C. Gong, "Testing and Verifying Concurrent Objects" (1993); G. Lowe,
//! "Testing for Linearizability" (2017). That PKCS#11 calls are so is our reading of `CKF_OS_LOCKING_OK` (Assumed):
//! the standard has threads call at once and says nothing of half-done calls that others see.

use std::collections::HashSet;

use crate::call::Call;
use crate::history::Event;
use crate::state::Model;
use crate::target::Answer;

/// What came of the search.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// There is an order.
    Explained,
    /// There is none; the nearest, in words.
    Unexplained(String),
    /// It took too long.
    Undecided,
}

struct Search<'a> {
    threads: &'a [Vec<Event>],
    after: &'a [(Call, Answer)],
    seen: HashSet<(Vec<usize>, u64)>,
    left: usize,
    /// The longest order that was explained, and what stood against going on.
    nearest: (Vec<usize>, Vec<String>),
}

/// Looks for an order that starts where the model is and ends where `after` was seen.
pub(crate) fn explain(
    model: &Model,
    threads: &[Vec<Event>],
    after: &[(Call, Answer)],
    most: usize,
) -> Verdict {
    let (seen, nearest) = (HashSet::new(), (Vec::new(), Vec::new()));
    let mut search = Search { threads, after, seen, left: most, nearest };
    if search.go(model, &mut vec![0; threads.len()], &mut Vec::new()) {
        return Verdict::Explained;
    }
    if search.left == 0 {
        return Verdict::Undecided;
    }
    Verdict::Unexplained(search.words())
}

impl Search<'_> {
    fn next(&self, thread: usize, at: &[usize]) -> Option<&Event> {
        self.threads.get(thread)?.get(*at.get(thread)?)
    }

    fn go(&mut self, model: &Model, at: &mut Vec<usize>, order: &mut Vec<usize>) -> bool {
        let waiting = |search: &Self, at: &[usize]| {
            (0..at.len()).filter_map(|thread| search.next(thread, at).map(|it| it.ended)).min()
        };
        let Some(earliest) = waiting(self, at) else { return self.ends(model, order) };
        let mut faults = Vec::new();
        for thread in 0..at.len() {
            let Some(event) = self.next(thread, at).filter(|it| it.began <= earliest) else {
                continue;
            };
            let mut next = model.clone();
            if let Err(fault) = next.take(&event.call, &event.answer) {
                let number = at.get(thread).map_or(0, |done| done + 1);
                faults.push(format!("thread {}, call {number}: {fault}", thread + 1));
                continue;
            }
            if self.left == 0 {
                return false;
            }
            self.left -= 1;
            step(at, thread, true);
            if self.seen.insert((at.clone(), next.fingerprint())) {
                order.push(thread);
                if self.go(&next, at, order) {
                    return true;
                }
                order.pop();
            }
            step(at, thread, false);
        }
        self.note(order, faults);
        false
    }

    /// Whether what was seen afterwards is so in this state.
    fn ends(&mut self, model: &Model, order: &[usize]) -> bool {
        let mut last = model.clone();
        for (call, answer) in self.after {
            if let Err(fault) = last.take(call, answer) {
                self.note(order, vec![format!("afterwards, {}: {fault}", call.function())]);
                return false;
            }
        }
        true
    }

    fn note(&mut self, order: &[usize], faults: Vec<String>) {
        if !faults.is_empty() && (self.nearest.1.is_empty() || order.len() > self.nearest.0.len()) {
            self.nearest = (order.to_vec(), faults);
        }
    }

    fn words(&self) -> String {
        let all: usize = self.threads.iter().map(Vec::len).sum();
        let (order, faults) = &self.nearest;
        let order: Vec<_> = order.iter().map(|thread| (thread + 1).to_string()).collect();
        format!(
            "no order of these calls explains all answers. The nearest takes {} of {all}, one of thread {}; then \
             none can follow: {}",
            order.len(),
            if order.is_empty() { "none".to_owned() } else { order.join(", ") },
            faults.join("; ")
        )
    }
}

/// One call of a thread more, or one less.
fn step(at: &mut [usize], thread: usize, forward: bool) {
    if let Some(done) = at.get_mut(thread) {
        *done = if forward { *done + 1 } else { done.saturating_sub(1) };
    }
}
