//! Making keys, reading attributes, finding objects.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};
use luna_benches::calls::{Asked, Laid, Template};
use luna_benches::instance::{AES_KEY, Fleet, Instance, Officer};
use luna_client::ck::*;

use crate::case;

/// Keys made between two looks at the clock, and destroyed after the second: few enough for the partition's memory.
const MADE_AT_ONCE: u64 = 100;

pub(crate) fn cases(criterion: &mut Criterion, fleet: &Fleet) {
    let mut group = criterion.benchmark_group("object");
    for (name, token) in [("session", CK_FALSE), ("token", CK_TRUE)] {
        case(
            &mut group,
            BenchmarkId::new("aes-key", name),
            || fleet.empty().officer(),
            |bencher, officer| bencher.iter_custom(|keys| time_to_make(officer, token, keys)),
        );
    }
    let mut asked = Asked::room(&[CKA_LABEL, CKA_KEY_TYPE, CKA_TOKEN]);
    case(
        &mut group,
        BenchmarkId::new("attributes", 3),
        || fleet.empty().officer().with_key(CKO_SECRET_KEY, AES_KEY),
        |bencher, (officer, key)| {
            bencher.iter(|| officer.calls.attributes(officer.handle, *key, &mut asked));
        },
    );
    find(&mut group, 100, || fleet.hundred());
    find(&mut group, 10_000, || fleet.full());
    find(&mut group, 100_000, || fleet.vast());
    group.finish();
}

fn time_to_make(officer: &Officer<'_>, token: CK_BBOOL, keys: u64) -> Duration {
    let (token, len) = ([token], CK_ULONG::from(32_u8).to_ne_bytes());
    let template = Template::of(&[
        (CKA_TOKEN, &token),
        (CKA_LABEL, b"made"),
        (CKA_VALUE_LEN, &len),
        (CKA_ENCRYPT, &[CK_TRUE]),
        (CKA_DECRYPT, &[CK_TRUE]),
    ]);
    let generation = Laid::plain(CKM_AES_KEY_GEN);
    let mut taken = Duration::ZERO;
    let mut left = keys;
    let mut made = Vec::new();
    while left > 0 {
        let now = left.min(MADE_AT_ONCE);
        let start = Instant::now();
        for _ in 0..now {
            made.push(officer.calls.generate_key(officer.handle, &generation, &template));
        }
        taken += start.elapsed();
        left -= now;
        for key in made.drain(..) {
            officer.calls.destroy(officer.handle, key);
        }
    }
    taken
}

fn find<'a>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    objects: u32,
    instance: impl Fn() -> &'a Instance,
) {
    let template = Template::of(&[(CKA_LABEL, AES_KEY.as_bytes())]);
    let id = BenchmarkId::new("find-by-label", objects);
    case(
        group,
        id,
        || instance().officer(),
        |bencher, officer| {
            bencher.iter(|| officer.calls.find(officer.handle, &template));
        },
    );
}
