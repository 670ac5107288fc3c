//! What an application does as a whole, with 10,000 objects on the token.

use std::cell::Cell;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use luna_benches::calls::{Laid, Template};
use luna_benches::instance::{CRYPTO_OFFICER, EC_KEY, Fleet, TOKEN};
use luna_benches::{startup, sure};
use luna_client::ck::*;

use crate::case;

const DIGEST: [u8; 32] = [0x5a; 32];

pub(crate) fn cases(criterion: &mut Criterion, fleet: &Fleet) {
    let mut group = criterion.benchmark_group("application");
    let class = CKO_PRIVATE_KEY.to_ne_bytes();
    let template = Template::of(&[(CKA_CLASS, &class), (CKA_LABEL, EC_KEY.as_bytes())]);
    let ecdsa = Laid::plain(CKM_ECDSA);
    let mut signature = [0; 64];
    // No other session is open: each request logs in, and its end logs out.
    case(
        &mut group,
        BenchmarkId::new("find-login-sign-close", 10_000),
        || (&fleet.full().calls, fleet.full().slot(TOKEN)),
        |bencher, (calls, slot)| {
            bencher.iter(|| {
                let session = calls.open(*slot);
                calls.login(session, CRYPTO_OFFICER.as_bytes());
                let key = calls.find(session, &template);
                calls.sign(session, &ecdsa, key, &DIGEST, &mut signature);
                calls.close(session);
            });
        },
    );
    group.sample_size(10);
    let peak_kib = Cell::new(0);
    case(
        &mut group,
        BenchmarkId::new("load-to-login", 10_000),
        || fleet.full(),
        |bencher, instance| {
            bencher.iter_custom(|processes| {
                let mut taken = Duration::ZERO;
                for _ in 0..processes {
                    let started = startup::measure(instance.module(), instance.directory(), TOKEN);
                    let started = sure("a process of its own", started);
                    taken += started.time;
                    peak_kib.set(started.peak_kib.max(peak_kib.get()));
                }
                taken
            });
        },
    );
    if peak_kib.get() > 0 {
        println!("application/load-to-login/10000: at most {} KiB; goal 16384", peak_kib.get());
    }
    group.finish();
}
