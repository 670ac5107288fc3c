//! Which case when: all sides take a round of a case by turns, so that what else the machine does meets them alike.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;
use luna_conformance::check::Allow;

use crate::case::{Case, chosen};
use crate::distribution::Distribution;
use crate::report::{Measurement, Outcome, Report, Versus};
use crate::side::{Lost, Side};
use crate::worker::{Answer, Measure, Order, Round};

/// What to measure, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Patterns of cases; all without one.
    pub filters: Vec<String>,
    /// Numbers of threads.
    pub threads: Vec<usize>,
    /// Numbers of other objects; those of the cases that they matter to, and the first one's of the rest.
    pub objects: Vec<usize>,
    /// Rounds of each case and side.
    pub rounds: usize,
    /// How long a round is.
    pub round_ms: u64,
    /// Operations a second, at most, of each side.
    pub per_second: Option<u32>,
    /// What may be done to the token.
    pub allow: Vec<Allow>,
}

/// A case as it is measured once.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// The case.
    pub case: &'static Case,
    /// Threads.
    pub threads: usize,
    /// Other objects.
    pub objects: usize,
}

impl Request {
    /// What is to be measured, in order: objects only become more.
    pub fn points(&self) -> Vec<Point> {
        let mut counts = self.objects.clone();
        counts.sort_unstable();
        counts.dedup();
        let mut points = Vec::new();
        for (number, objects) in counts.into_iter().enumerate() {
            for case in chosen(&self.filters) {
                if number == 0 || case.scales {
                    points.extend(self.threads.iter().map(|threads| Point {
                        case,
                        threads: *threads,
                        objects,
                    }));
                }
            }
        }
        points
    }
}

/// Measures; `hear` is told what is measured next, its number and how many there are.
///
/// # Errors
/// When a module cannot be used at all.
pub fn run(
    request: &Request,
    sides: &mut [Side],
    stop: &AtomicBool,
    hear: &dyn Fn(&Point, usize, usize),
) -> Result<Report> {
    let mut report = Report::begin(request);
    // One after the other: a password that is refused is not tried again through another library.
    for side in sides.iter_mut() {
        side.meet()?;
        report.introduce(side);
    }
    let points = request.points();
    for (number, point) in points.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        hear(point, number + 1, points.len());
        let mut courses = Vec::new();
        for _ in sides.iter() {
            courses.push(Course::default());
        }
        for round in 0..request.rounds.max(1) {
            for turn in 0..sides.len() {
                // Nobody is always the first.
                let turn = (turn + round) % sides.len();
                if let (Some(side), Some(course)) = (sides.get_mut(turn), courses.get_mut(turn)) {
                    course.round(side, point, request.round_ms);
                }
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        if let [first, second] = courses.as_slice() {
            report.versus.extend(Versus::of(point, &first.medians, &second.medians));
        }
        for (side, course) in sides.iter().zip(courses) {
            report.measurements.push(course.measurement(point, side));
        }
    }
    Ok(report)
}

/// One side's rounds of a case.
#[derive(Default)]
struct Course {
    all: Distribution,
    wall_ns: u64,
    medians: Vec<u64>,
    ended: Option<(Outcome, String)>,
}

impl Course {
    fn round(&mut self, side: &mut Side, point: &Point, round_ms: u64) {
        if self.ended.is_some() {
            return;
        }
        let (case, threads, objects) = (point.case.id.to_owned(), point.threads, point.objects);
        let order = Order::Measure(Measure { case, threads, objects, round_ms });
        self.ended = match side.ask(&order) {
            Ok(Ok(Answer::Measured(round))) => {
                self.add(&round);
                None
            }
            Ok(Ok(Answer::NotApplicable(reason))) => Some((Outcome::NotApplicable, reason)),
            Ok(Ok(Answer::Failed(reason))) => Some((Outcome::Failed, reason)),
            Ok(Ok(other)) => Some((Outcome::Failed, format!("it said {other:?}"))),
            Ok(Err(Lost::Crashed(how))) => {
                Some((Outcome::Crashed, format!("the process ended {how}")))
            }
            Ok(Err(Lost::Hung)) => Some((Outcome::Hung, "nothing was heard of it any more".into())),
            // What was measured before is worth telling all the same.
            Err(error) => Some((Outcome::Failed, format!("{error:#}"))),
        };
    }

    fn add(&mut self, round: &Round) {
        let distribution = Distribution::of_buckets(&round.buckets);
        self.medians.extend(distribution.latency().map(|latency| latency.p50));
        self.all.add(&distribution);
        self.wall_ns += round.wall_ns;
    }

    fn measurement(self, point: &Point, side: &Side) -> Measurement {
        let (outcome, reason) = self.ended.unwrap_or((Outcome::Measured, String::new()));
        let calls = self.all.calls();
        let mut measurement = Measurement {
            case: point.case.id.to_owned(),
            title: point.case.title.to_owned(),
            side: side.name.clone(),
            threads: point.threads,
            objects: point.objects,
            outcome,
            reason,
            calls: 0,
            rate_per_s: 0.0,
            latency_ns: None,
            curve: Vec::new(),
            rounds_p50_ns: Vec::new(),
        };
        if outcome == Outcome::Measured && calls > 0 {
            #[allow(clippy::cast_precision_loss, reason = "shown with a few digits")]
            let rate = calls as f64 * 1e9 / self.wall_ns.max(1) as f64;
            measurement.calls = calls;
            measurement.rate_per_s = (rate * 100.0).round() / 100.0;
            measurement.latency_ns = self.all.latency();
            measurement.curve = self.all.curve();
            measurement.rounds_p50_ns = self.medians;
        }
        measurement
    }
}

/// Rounds the time since `begun` to microseconds, in milliseconds.
pub(crate) fn took_ms(begun: Instant) -> f64 {
    (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(filters: &[&str], threads: &[usize], objects: &[usize]) -> Request {
        Request {
            filters: filters.iter().map(|it| (*it).to_owned()).collect(),
            threads: threads.to_vec(),
            objects: objects.to_vec(),
            rounds: 1,
            round_ms: 1,
            per_second: None,
            allow: Vec::new(),
        }
    }

    #[test]
    fn objects_only_become_more_and_matter_to_some() {
        let request = request(&["object/find/*", "session/info"], &[1, 2], &[100, 0]);
        let points = request.points();
        let told: Vec<_> = points.iter().map(|it| (it.case.id, it.threads, it.objects)).collect();
        assert_eq!(
            told,
            [
                ("session/info", 1, 0),
                ("session/info", 2, 0),
                ("object/find/label", 1, 0),
                ("object/find/label", 2, 0),
                ("object/find/label", 1, 100),
                ("object/find/label", 2, 100),
            ]
        );
    }

    /// A module that dies in the second case: the first one's figures stay, and the third is measured by the next
    /// process.
    #[test]
    fn a_crash_is_one_cases_result() {
        let directory = tempfile::tempdir().unwrap();
        let mark = crate::worker::MARK;
        let measured = format!(
            "read order; printf '\\n{mark}{{\"Measured\":{{\"buckets\":[[100,4]],\"wall_ns\":1000}}}}\\n'"
        );
        let script = format!("{measured}; read order; kill -SEGV $$");
        let mut sides = [crate::side::tests::of_script(directory.path(), &script)];
        let request = request(&["session/*", "random/generate/32"], &[1], &[0]);
        let report = run(&request, &mut sides, &AtomicBool::new(false), &|_, _, _| {}).unwrap();
        let told: Vec<_> = report.measurements.iter().map(|it| it.outcome).collect();
        assert_eq!(told, [Outcome::Measured, Outcome::Crashed, Outcome::Measured]);
        assert_eq!(report.measurements[0].latency_ns.unwrap().p50, 100);
        assert!((report.measurements[0].rate_per_s - 4e6).abs() < 1.0);
        assert!(!report.holds());
    }
}
