//! Calls that do nothing but find their session: what the boundary itself costs.

use criterion::{BenchmarkId, Criterion};
use luna_benches::instance::{Fleet, TOKEN};

use crate::case;

pub(crate) fn cases(criterion: &mut Criterion, fleet: &Fleet) {
    let mut group = criterion.benchmark_group("session");
    case(
        &mut group,
        BenchmarkId::from_parameter("info"),
        || fleet.empty().officer(),
        |bencher, officer| bencher.iter(|| officer.calls.session_info(officer.handle)),
    );
    // Another session stays, as in an application with a pool: the last one to close also logs out.
    case(
        &mut group,
        BenchmarkId::from_parameter("open-close"),
        || (fleet.empty().officer(), fleet.empty().slot(TOKEN)),
        |bencher, (officer, slot)| {
            bencher.iter(|| officer.calls.close(officer.calls.open(*slot)));
        },
    );
    group.finish();
}
