//! ECDSA over P-256, of a digest the caller has.

use criterion::{BenchmarkId, Criterion};
use emulator::crypto::ec::{Curve, EcPrivateKey};
use luna_benches::calls::Laid;
use luna_benches::instance::{EC_KEY, Fleet};
use luna_benches::sure;
use luna_client::ck::*;

use crate::case;

const DIGEST: [u8; 32] = [0x5a; 32];

pub(crate) fn cases(criterion: &mut Criterion, fleet: &Fleet) {
    let mut group = criterion.benchmark_group("ecdsa");
    let ecdsa = Laid::plain(CKM_ECDSA);
    let mut signature = [0; 64];
    case(
        &mut group,
        BenchmarkId::new("sign", "p256"),
        || fleet.empty().officer().with_key(CKO_PRIVATE_KEY, EC_KEY),
        |bencher, (officer, key)| {
            bencher
                .iter(|| officer.calls.sign(officer.handle, &ecdsa, *key, &DIGEST, &mut signature));
        },
    );
    case(&mut group, BenchmarkId::new("sign-direct", "p256"), key, |bencher, key| {
        bencher.iter(|| sure("ECDSA", key.sign(&DIGEST)));
    });
    case(
        &mut group,
        BenchmarkId::new("verify", "p256"),
        || {
            let officer = fleet.empty().officer();
            let (key, mut signature) = (officer.key(CKO_PRIVATE_KEY, EC_KEY), [0; 64]);
            officer.calls.sign(officer.handle, &ecdsa, key, &DIGEST, &mut signature);
            (officer.with_key(CKO_PUBLIC_KEY, EC_KEY), signature)
        },
        |bencher, ((officer, key), signature)| {
            bencher.iter(|| officer.calls.verify(officer.handle, &ecdsa, *key, &DIGEST, signature));
        },
    );
    case(
        &mut group,
        BenchmarkId::new("verify-direct", "p256"),
        || {
            let key = key();
            (sure("EC", key.public()), sure("ECDSA", key.sign(&DIGEST)))
        },
        |bencher, (key, signature)| {
            bencher.iter(|| sure("ECDSA", key.verify(&DIGEST, signature)));
        },
    );
    group.finish();
}

fn key() -> EcPrivateKey {
    sure("EC", EcPrivateKey::generate(Curve::P256))
}
