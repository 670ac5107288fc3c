//! What a group costs over its member while nothing is wrong.

use criterion::{BenchmarkId, Criterion};
use luna_benches::calls::Laid;
use luna_benches::instance::{AES_KEY, Fleet, GROUP, TOKEN};
use luna_client::ck::*;

use crate::case;

const DATA: [u8; 64] = [0x5a; 64];

pub(crate) fn cases(criterion: &mut Criterion, fleet: &Fleet) {
    let mut group = criterion.benchmark_group("ha");
    let (gcm, mut out) = (Laid::gcm(&[1; 12]), [0; DATA.len() + 16]);
    for (name, token) in [("aes-gcm-member", TOKEN), ("aes-gcm-group", GROUP)] {
        case(
            &mut group,
            BenchmarkId::new(name, DATA.len()),
            || fleet.group().officer_of(token).with_key(CKO_SECRET_KEY, AES_KEY),
            |bencher, (officer, key)| {
                bencher.iter(|| officer.calls.encrypt(officer.handle, &gcm, *key, &DATA, &mut out));
            },
        );
    }
    group.finish();
}
