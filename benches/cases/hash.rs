//! SHA-256 and its HMAC.

use criterion::{BenchmarkId, Criterion};
use emulator::crypto::hash::{self, Hash};
use emulator::crypto::hmac::HmacKey;
use luna_benches::calls::Laid;
use luna_benches::instance::{Fleet, HMAC_KEY};
use luna_benches::sure;
use luna_client::ck::*;

use crate::case;

const DATA: [u8; 64] = [0x5a; 64];

pub(crate) fn cases(criterion: &mut Criterion, fleet: &Fleet) {
    let mut out = [0; 32];
    let mut group = criterion.benchmark_group("sha256");
    let sha256 = Laid::plain(CKM_SHA256);
    case(
        &mut group,
        BenchmarkId::new("digest", DATA.len()),
        || fleet.empty().officer(),
        |bencher, officer| {
            bencher.iter(|| officer.calls.digest(officer.handle, &sha256, &DATA, &mut out));
        },
    );
    group.bench_function(BenchmarkId::new("digest-direct", DATA.len()), |bencher| {
        bencher.iter(|| sure("SHA-256", hash::digest(Hash::Sha256, &DATA)));
    });
    group.finish();
    let mut group = criterion.benchmark_group("hmac-sha256");
    let hmac = Laid::plain(CKM_SHA256_HMAC);
    case(
        &mut group,
        BenchmarkId::new("sign", DATA.len()),
        || fleet.empty().officer().with_key(CKO_SECRET_KEY, HMAC_KEY),
        |bencher, (officer, key)| {
            bencher.iter(|| officer.calls.sign(officer.handle, &hmac, *key, &DATA, &mut out));
        },
    );
    case(
        &mut group,
        BenchmarkId::new("sign-direct", DATA.len()),
        || sure("an HMAC key", HmacKey::new(Hash::Sha256, &[7; 32])),
        |bencher, key| bencher.iter(|| sure("HMAC", key.sign(&DATA))),
    );
    group.finish();
}
