//! RSA PKCS#1 signatures of a message of 64 bytes, SHA-256.

use criterion::{BenchmarkId, Criterion};
use emulator::crypto::hash::{self, Hash};
use emulator::crypto::rsa::RsaPrivateKey;
use luna_benches::calls::Laid;
use luna_benches::instance::Fleet;
use luna_benches::sure;
use luna_client::ck::*;

use crate::case;

const DATA: [u8; 64] = [0x5a; 64];

pub(crate) fn cases(criterion: &mut Criterion, fleet: &Fleet) {
    let mut group = criterion.benchmark_group("rsa");
    let mechanism = Laid::plain(CKM_SHA256_RSA_PKCS);
    for bits in [2048_u16, 4096] {
        let mut out = [0; 512];
        case(
            &mut group,
            BenchmarkId::new("sign", bits),
            || {
                let officer = fleet.empty().officer();
                let key = officer.new_rsa_key(bits.into());
                (officer, key)
            },
            |bencher, (officer, key)| {
                bencher
                    .iter(|| officer.calls.sign(officer.handle, &mechanism, *key, &DATA, &mut out));
            },
        );
        case(
            &mut group,
            BenchmarkId::new("sign-direct", bits),
            || sure("RSA", RsaPrivateKey::generate(bits.into(), &[1, 0, 1])),
            |bencher, key| {
                bencher.iter(|| {
                    let digest = sure("SHA-256", hash::digest(Hash::Sha256, &DATA));
                    sure("RSA", key.sign_pkcs1(Some(Hash::Sha256), &digest))
                });
            },
        );
    }
    group.finish();
}
