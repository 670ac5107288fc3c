//! So many operations a second and no more, for a device that others work with too.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Shared by all threads of a worker.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Least time from the beginning of one operation to that of the next; none without a budget.
    step: Option<Duration>,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn of(per_second: Option<u32>) -> Self {
        let step = per_second.filter(|rate| *rate > 0).map(|rate| Duration::from_secs(1) / rate);
        Self { step, next: Mutex::new(None) }
    }

    /// Whether there is a budget at all.
    pub(crate) fn is_bound(&self) -> bool {
        self.step.is_some()
    }

    /// Waits for this operation's turn. The wait is no part of what is measured.
    pub(crate) fn wait(&self) {
        let Some(step) = self.step else { return };
        let pause = {
            let mut next = self.next.lock();
            let now = Instant::now();
            let at = next.map_or(now, |next| next.max(now));
            *next = Some(at + step);
            at.saturating_duration_since(now)
        };
        std::thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_keep_their_distance() {
        let pace = Pace::of(Some(100));
        let begun = Instant::now();
        for _ in 0..6 {
            pace.wait();
        }
        assert!(begun.elapsed() >= Duration::from_millis(50));
        assert!(pace.is_bound() && !Pace::of(None).is_bound());
    }
}
