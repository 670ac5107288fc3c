//! The cases, a file for each family. What they stand on, and how to add one: the library's own page.

mod aes;
mod application;
mod ec;
mod failover;
mod ha;
mod hash;
mod network;
mod object;
mod random;
mod rsa;
mod session;

use std::cell::LazyCell;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{Bencher, BenchmarkGroup, BenchmarkId, Criterion};
use luna_benches::budget::Figures;
use luna_benches::instance::Fleet;
use luna_benches::{startup, sure};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, what, module, directory, token] = arguments.as_slice()
        && what == startup::ARGUMENT
    {
        return match startup::run(Path::new(module), directory, token) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::from(2)
            }
        };
    }
    measure();
    ExitCode::SUCCESS
}

fn measure() {
    // Beside the build this program belongs to, wherever that is: criterion's own guess may be another.
    let program = sure("this program", std::env::current_exe());
    let directory = program.ancestors().nth(3).unwrap_or(Path::new("target")).join("criterion");
    let figures = Figures::appearing_in(&directory);
    let mut criterion = Criterion::default()
        .output_directory(&directory)
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .nresamples(10_000)
        .without_plots()
        .configure_from_args();
    let fleet = Fleet::default();
    for family in [
        session::cases,
        random::cases,
        hash::cases,
        aes::cases,
        rsa::cases,
        ec::cases,
        object::cases,
        application::cases,
        ha::cases,
        network::cases,
        failover::cases,
    ] {
        family(&mut criterion, &fleet);
    }
    criterion.final_summary();
    sure("the budgets", figures.print());
}

/// Adds a case. Its set-up is done once, and only where the filter lets the case run: what criterion is given it calls
/// anew for each sample.
fn case<S>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    set_up: impl FnOnce() -> S,
    mut run: impl FnMut(&mut Bencher<'_>, &S),
) {
    let state = LazyCell::new(set_up);
    group.bench_function(id, |bencher| run(bencher, &state));
}
