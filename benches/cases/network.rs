//! What a request to an appliance costs over the bare round trip, and what eight threads make of it.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use luna_benches::calls::Laid;
use luna_benches::instance::{AES_KEY, Fleet, TOKEN};
use luna_benches::network::Echo;
use luna_benches::sure;
use luna_client::ck::*;

use crate::case;

const DATA: [u8; 64] = [0x5a; 64];

/// About as long as request and answer of the case beside it.
const MESSAGE: usize = 100;

const THREADS: u32 = 8;

pub(crate) fn cases(criterion: &mut Criterion, fleet: &Fleet) {
    let mut group = criterion.benchmark_group("network");
    let (gcm, mut out) = (Laid::gcm(&[1; 12]), [0; DATA.len() + 16]);
    let officer = || fleet.networked().officer().with_key(CKO_SECRET_KEY, AES_KEY);
    case(
        &mut group,
        BenchmarkId::new("aes-gcm", DATA.len()),
        officer,
        |bencher, (officer, key)| {
            bencher.iter(|| officer.calls.encrypt(officer.handle, &gcm, *key, &DATA, &mut out));
        },
    );
    let echo = || RefCell::new(sure("an echo", Echo::of(MESSAGE)));
    let mut message = [0x5a; MESSAGE];
    case(&mut group, BenchmarkId::new("aes-gcm-direct", DATA.len()), echo, |bencher, echo| {
        bencher.iter(|| sure("the echo", echo.borrow_mut().round_trip(&mut message)));
    });
    // The time of one operation, as all threads together do them.
    let id = BenchmarkId::new("aes-gcm-8-threads", DATA.len());
    case(&mut group, id, officer, |bencher, (officer, key)| {
        bencher.iter_custom(|count| {
            let share = count.div_ceil(u64::from(THREADS));
            let (calls, key) = (officer.calls, *key);
            let slot = fleet.networked().slot(TOKEN);
            let spent: Vec<Duration> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|_| {
                        scope.spawn(move || {
                            let own = calls.open(slot);
                            let gcm = Laid::gcm(&[1; 12]);
                            let mut out = [0; DATA.len() + 16];
                            let begun = Instant::now();
                            for _ in 0..share {
                                calls.encrypt(own, &gcm, key, &DATA, &mut out);
                            }
                            let spent = begun.elapsed();
                            calls.close(own);
                            spent
                        })
                    })
                    .collect();
                threads.into_iter().map(|it| it.join().unwrap_or_default()).collect()
            });
            spent.into_iter().max().unwrap_or_default()
        });
    });
    group.finish();
}
