//! A run beside an earlier one, or a module beside another in the same run: which cases are slower than allowed.

use serde::{Deserialize, Serialize};

use crate::report::{Measurement, Outcome, Report, SCHEMA};

/// What a case was held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The case.
    pub case: String,
    /// Threads.
    pub threads: usize,
    /// Other objects.
    pub objects: usize,
    /// Now over then, by the median; none where one of the two has none.
    pub ratio: Option<f64>,
    /// How it ended.
    pub verdict: Standing,
    /// Why it was not compared; empty where it was.
    pub reason: String,
}

/// How a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Within the ratio.
    Held,
    /// Slower than that.
    Slower,
    /// It was measured then and cannot be now.
    Lost,
    /// It was not measured then.
    New,
}

/// What a run was held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The file, or the other module's name.
    pub against: String,
    /// A case may take so many times as long.
    pub slower_than: f64,
    /// The cases.
    pub cases: Vec<Held>,
}

impl Comparison {
    /// Cases that are slower, or lost.
    pub fn red(&self) -> impl Iterator<Item = &Held> {
        self.cases.iter().filter(|it| matches!(it.verdict, Standing::Slower | Standing::Lost))
    }

    /// Holds the first module's figures against those of an earlier run. Cases that this run did not choose are not
    /// looked at.
    ///
    /// # Errors
    /// When the earlier run is of another schema.
    pub fn with_earlier(
        report: &Report,
        earlier: &Report,
        against: &str,
        slower_than: f64,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            earlier.schema == SCHEMA,
            "{against}: schema {}, this release knows {SCHEMA}",
            earlier.schema
        );
        let then: Vec<_> = of_first(earlier).collect();
        let cases = of_first(report).map(|now| {
            let then = then.iter().find(|then| {
                (&then.case, then.threads, then.objects) == (&now.case, now.threads, now.objects)
            });
            held(now, then.copied(), slower_than)
        });
        Ok(Self { against: against.to_owned(), slower_than, cases: cases.collect() })
    }

    /// Holds the first module's figures against the second's.
    pub fn with_other(report: &Report, slower_than: f64) -> Self {
        let against = report.sides.get(1).map(|side| side.name.clone()).unwrap_or_default();
        let cases = of_first(report).map(|now| {
            let other = report.versus.iter().find(|it| {
                (&it.case, it.threads, it.objects) == (&now.case, now.threads, now.objects)
            });
            let reason = match (other, now.outcome) {
                (Some(_), _) => String::new(),
                (None, Outcome::Measured) => format!("{against} has no figure"),
                (None, _) => now.reason.clone(),
            };
            standing(now, other.map(|it| it.ratio), slower_than, reason)
        });
        let cases = cases.collect();
        Self { against, slower_than, cases }
    }
}

fn of_first(report: &Report) -> impl Iterator<Item = &Measurement> {
    let first = report.sides.first().map(|side| side.name.as_str()).unwrap_or_default();
    report.measurements.iter().filter(move |it| it.side == first)
}

#[allow(clippy::cast_precision_loss, reason = "a ratio with two digits")]
fn held(now: &Measurement, then: Option<&Measurement>, slower_than: f64) -> Held {
    let median = |it: &Measurement| it.latency_ns.map(|latency| latency.p50);
    let before = then.and_then(median);
    let ratio = median(now).zip(before).map(|(now, then)| now as f64 / then.max(1) as f64);
    let mut told = standing(now, ratio, slower_than, now.reason.clone());
    if ratio.is_none() && before.is_some() {
        told.verdict = Standing::Lost;
    }
    told
}

fn standing(now: &Measurement, ratio: Option<f64>, slower_than: f64, reason: String) -> Held {
    let verdict = match ratio {
        None => Standing::New,
        Some(ratio) if ratio > slower_than => Standing::Slower,
        Some(_) => Standing::Held,
    };
    Held {
        case: now.case.clone(),
        threads: now.threads,
        objects: now.objects,
        ratio: ratio.map(|ratio| (ratio * 1000.0).round() / 1000.0),
        verdict,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn slower_is_slower_than_the_ratio_and_what_is_gone_is_lost() {
        let then = sample(&[("a", 100), ("b", 100), ("c", 100)]);
        let mut now = sample(&[("a", 120), ("b", 160), ("c", 100), ("d", 5)]);
        now.measurements[2].latency_ns = None;
        now.measurements[2].reason = "it crashed".into();
        let compared = Comparison::with_earlier(&now, &then, "then.json", 1.5).unwrap();
        let verdicts: Vec<_> = compared.cases.iter().map(|it| it.verdict).collect();
        let expected = [Standing::Held, Standing::Slower, Standing::Lost, Standing::New];
        assert_eq!(verdicts, expected);
        assert_eq!(compared.cases[1].ratio, Some(1.6));
        assert_eq!(compared.red().count(), 2);
        let mut other = sample(&[]);
        other.schema = 99;
        assert!(Comparison::with_earlier(&now, &other, "then.json", 1.5).is_err());
    }
}
