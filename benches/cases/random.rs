//! `C_GenerateRandom`.

use criterion::{BenchmarkId, Criterion};
use emulator::crypto::random;
use luna_benches::instance::Fleet;
use luna_benches::sure;

use crate::case;

pub(crate) fn cases(criterion: &mut Criterion, fleet: &Fleet) {
    let mut group = criterion.benchmark_group("random");
    for len in [32_usize, 4096] {
        let mut out = vec![0; len];
        case(
            &mut group,
            BenchmarkId::new("generate", len),
            || fleet.empty().officer(),
            |bencher, officer| bencher.iter(|| officer.calls.random(officer.handle, &mut out)),
        );
        group.bench_function(BenchmarkId::new("generate-direct", len), |bencher| {
            bencher.iter(|| sure("random", random::fill(&mut out)));
        });
    }
    group.finish();
}
