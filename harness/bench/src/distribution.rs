//! Latencies, counted in buckets that are narrow for the short and wide for the long: three digits of each.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest that is told apart from what is longer: ten minutes, in nanoseconds.
const LONGEST_NS: u64 = 600_000_000_000;

/// Points of the curve in a report, as parts of all calls.
const CURVE: [f64; 21] = [
    0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995,
    0.998, 0.999, 0.9999, 1.0,
];

/// How long calls took.
#[derive(Debug, Clone)]
pub struct Distribution {
    counts: Histogram<u64>,
}

/// The usual figures of a distribution, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is what its name says")]
pub struct Latency {
    pub min: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
    pub mean: f64,
}

impl Default for Distribution {
    fn default() -> Self {
        #[allow(
            clippy::expect_used,
            reason = "constants that the constructor is documented to take"
        )]
        let counts = Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("bounds and digits");
        Self { counts }
    }
}

impl Distribution {
    /// One call took so long.
    pub fn record(&mut self, ns: u64) {
        self.counts.saturating_record(ns.max(1));
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        // Both have the same bounds, so that there is room.
        let _ = self.counts.add(&other.counts);
    }

    /// How many calls.
    pub fn calls(&self) -> u64 {
        self.counts.len()
    }

    /// The figures; `None` without a call.
    pub fn latency(&self) -> Option<Latency> {
        if self.counts.is_empty() {
            return None;
        }
        let at = |quantile| self.counts.value_at_quantile(quantile);
        Some(Latency {
            min: self.counts.min(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: self.counts.max(),
            mean: (self.counts.mean() * 10.0).round() / 10.0,
        })
    }

    /// Points of the curve: which part of the calls took no longer than so many nanoseconds. Parts that are finer
    /// than there are calls are left out.
    pub fn curve(&self) -> Vec<(f64, u64)> {
        #[allow(clippy::cast_precision_loss, reason = "no run makes 2^53 calls")]
        let calls = self.calls() as f64;
        // What is left of one after a tenth was taken nine times is a little less than a tenth.
        let is_told = |part: f64| part >= 1.0 || (1.0 - part) * calls > 0.999;
        let points = CURVE.iter().filter(|part| is_told(**part));
        points.map(|part| (*part, self.counts.value_at_quantile(*part))).collect()
    }

    /// As it travels: values with their counts.
    pub fn buckets(&self) -> Vec<(u64, u64)> {
        let recorded = self.counts.iter_recorded();
        recorded.map(|it| (it.value_iterated_to(), it.count_at_value())).collect()
    }

    /// From what [`Distribution::buckets`] gave.
    pub fn of_buckets(buckets: &[(u64, u64)]) -> Self {
        let mut distribution = Self::default();
        for (value, count) in buckets {
            // What another bucket held fits this one.
            let _ = distribution.counts.record_n(*value, *count);
        }
        distribution
    }
}

/// A time with the unit that suits it.
#[allow(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn duration(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.2} µs", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", value / 1e6),
        _ => format!("{:.2} s", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_survive_the_journey() {
        let mut distribution = Distribution::default();
        for ns in 1..=1000_u64 {
            distribution.record(ns * 100);
        }
        let there = Distribution::of_buckets(&distribution.buckets());
        assert_eq!(there.latency(), distribution.latency());
        let latency = there.latency().unwrap();
        assert_eq!((latency.p50 / 100, latency.p90 / 100, latency.p99 / 100), (500, 900, 990));
        assert_eq!((latency.min / 100, latency.max.div_ceil(1000)), (1, 101));
    }

    #[test]
    fn ten_calls_have_no_99th_percentile_of_a_curve() {
        let mut distribution = Distribution::default();
        (1..=10).for_each(|ns| distribution.record(ns));
        let parts: Vec<_> = distribution.curve().iter().map(|it| it.0).collect();
        assert!(parts.contains(&0.9) && parts.contains(&1.0) && !parts.contains(&0.99));
        assert_eq!(Distribution::default().latency(), None);
    }

    #[test]
    fn units_suit() {
        assert_eq!(
            [999, 1_500, 2_000_000, 3_000_000_000].map(duration),
            ["999 ns", "1.50 µs", "2.00 ms", "3.00 s"]
        );
    }
}
