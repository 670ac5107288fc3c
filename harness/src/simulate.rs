//! `luna-harness simulate`: fault schedules by the thousand against the emulator's own code for HA groups, and
//! the shortest one that fails.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use luna_simulate::{Schedule, run, run_in_detail, shrink};
use serde::Serialize;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The first seed.
    pub first: u64,
    /// How many seeds, one after the other.
    pub seeds: u64,
    /// Steps of each schedule.
    pub steps: usize,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Schedules that were run.
    pub schedules: u64,
    /// Steps of each.
    pub steps: usize,
    /// Schedules a second.
    pub per_second: f64,
    /// Objects that the simulated processes tried to make.
    pub objects: u64,
    /// The first failure, by seed.
    pub failure: Option<Failure>,
}

/// A schedule that fails.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What may not be and was.
    pub violation: String,
    /// The shortest schedule found that fails too; `--schedule` runs it again.
    pub schedule: Schedule,
    /// What happened in it, every request included.
    pub trace: Vec<String>,
}

/// Runs the schedules of the seeds on all processors, until one fails.
///
/// # Errors
/// When a world cannot be made.
pub fn seeds(request: Request) -> Result<Summary> {
    let begun = Instant::now();
    let (next, objects) = (AtomicU64::new(0), AtomicU64::new(0));
    let (over, failed) = (AtomicBool::new(false), AtomicU64::new(u64::MAX));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || -> Result<u64> {
        let mut done = 0;
        while !over.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= request.seeds {
                break;
            }
            let seed = request.first.wrapping_add(number);
            let outcome = run(&Schedule::of_seed(seed, request.steps), None)?;
            objects.fetch_add(outcome.objects as u64, Ordering::Relaxed);
            done += 1;
            if outcome.violation.is_some() {
                failed.fetch_min(number, Ordering::Relaxed);
                over.store(true, Ordering::Relaxed);
            }
        }
        Ok(done)
    };
    let schedules = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut done = 0;
        for worker in workers {
            done += worker.join().map_err(|_| anyhow!("a simulation panicked"))??;
        }
        Ok::<_, anyhow::Error>(done)
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    let failure = match failed.into_inner() {
        u64::MAX => None,
        number => {
            let seed = request.first.wrapping_add(number);
            explain(&Schedule::of_seed(seed, request.steps), seed)?
        }
    };
    let per_second = schedules as f64 / seconds.max(f64::MIN_POSITIVE);
    let objects = objects.into_inner();
    Ok(Summary { schedules, steps: request.steps, per_second, objects, failure })
}

/// Runs one schedule from a file.
///
/// # Errors
/// When the file cannot be read or is no schedule; when a world cannot be made.
pub fn schedule(file: &Path) -> Result<Summary> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let schedule: Schedule =
        serde_json::from_str(&text).with_context(|| file.display().to_string())?;
    schedule.shape.check().map_err(|what| anyhow!("{}: {what}", file.display()))?;
    let begun = Instant::now();
    let outcome = run(&schedule, None)?;
    let steps = schedule.steps.len();
    let failure = if outcome.violation.is_some() { explain(&schedule, 0)? } else { None };
    Ok(Summary {
        schedules: 1,
        steps,
        per_second: 1.0 / begun.elapsed().as_secs_f64().max(f64::MIN_POSITIVE),
        objects: outcome.objects as u64,
        failure,
    })
}

fn explain(schedule: &Schedule, seed: u64) -> Result<Option<Failure>> {
    let fails =
        |tried: &Schedule| matches!(run(tried, None), Ok(outcome) if outcome.violation.is_some());
    let short = shrink(schedule, &mut { fails });
    let outcome = run_in_detail(&short, None)?;
    Ok(outcome.violation.map(|violation| Failure {
        seed,
        violation,
        schedule: short,
        trace: outcome.trace,
    }))
}

/// The result for people.
///
/// # Errors
/// When the schedule cannot be written, which a test rules out.
pub fn told(summary: &Summary) -> Result<String> {
    let mut text = format!(
        "{} schedules of {} steps, {:.0} a second, {} objects: ",
        summary.schedules, summary.steps, summary.per_second, summary.objects
    );
    match &summary.failure {
        None => text.push_str("nothing lost, nothing doubled, no wrong key, no login too many\n"),
        Some(failure) => {
            text.push_str(&format!("seed {} fails: {}\n\n", failure.seed, failure.violation));
            for line in &failure.trace {
                text.push_str(line);
                text.push('\n');
            }
            let schedule = serde_json::to_string(&failure.schedule)?;
            text.push_str(&format!("\nin a file, for --schedule:\n{schedule}\n"));
        }
    }
    Ok(text)
}
