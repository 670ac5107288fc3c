//! What the application pays for a member that is lost: the time of the first call after that. Each sample is one
//! failover, with the member brought back before the next.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode};
use luna_benches::calls::Laid;
use luna_benches::instance::{AES_KEY, Fleet, GROUP, Instance, Officer};
use luna_benches::sure;
use luna_client::ck::*;

use crate::case;

const DATA: [u8; 64] = [0x5a; 64];

pub(crate) fn cases(criterion: &mut Criterion, fleet: &Fleet) {
    let mut group = criterion.benchmark_group("failover");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    let set_up = || officer(fleet.group());
    case(&mut group, BenchmarkId::from_parameter("embedded"), set_up, |bencher, (officer, key)| {
        bencher.iter_custom(|count| {
            let instance = fleet.group();
            failovers(count, instance, (officer, *key), |member, is_there| {
                sure("a member's link", instance.reach(member, is_there));
            })
        });
    });
    let set_up = || officer(fleet.pair().instance());
    case(&mut group, BenchmarkId::from_parameter("closed"), set_up, |bencher, (officer, key)| {
        bencher.iter_custom(|count| {
            let pair = fleet.pair();
            failovers(count, pair.instance(), (officer, *key), |member, is_there| {
                sure("an appliance", pair.serve(member, is_there));
            })
        });
    });
    group.finish();
}

fn officer(instance: &Instance) -> (Officer<'_>, CK_OBJECT_HANDLE) {
    instance.officer_of(GROUP).with_key(CKO_SECRET_KEY, AES_KEY)
}

/// The time of the first calls after so many losses, of which each is two. The members are lost in turns: it is
/// always the primary, since one that comes back stays behind the other.
fn failovers(
    count: u64,
    instance: &Instance,
    (officer, key): (&Officer<'_>, CK_OBJECT_HANDLE),
    set: impl Fn(u32, bool),
) -> Duration {
    let (gcm, mut out) = (Laid::gcm(&[1; 12]), [0; DATA.len() + 16]);
    let mut spent = Duration::ZERO;
    for _ in 0..count {
        for member in 0..2 {
            set(member, false);
            let begun = Instant::now();
            officer.calls.encrypt(officer.handle, &gcm, key, &DATA, &mut out);
            let first = begun.elapsed();
            set(member, true);
            instance.wait_for_members();
            spent += first / 2;
        }
    }
    spent
}
