//! AES-256 under a token key. The same IV again and again is no way to use GCM, and costs the same.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};
use emulator::crypto::aes::AesKey;
use emulator::crypto::block::Padding;
use luna_benches::calls::Laid;
use luna_benches::instance::{AES_KEY, Fleet, Instance};
use luna_benches::sure;
use luna_client::ck::*;

use crate::case;

const GCM_IV: [u8; 12] = [1; 12];
const CBC_IV: [u8; 16] = [1; 16];
const TAG_LEN: usize = 16;

pub(crate) fn cases(criterion: &mut Criterion, fleet: &Fleet) {
    let mut group = criterion.benchmark_group("aes-gcm");
    let gcm = Laid::gcm(&GCM_IV);
    for len in [64_usize, 16_384, 1 << 20] {
        encrypt(&mut group, BenchmarkId::new("encrypt", len), || fleet.empty(), &gcm, len);
        if len == 64 {
            let id = BenchmarkId::new("encrypt-of-10000", len);
            encrypt(&mut group, id, || fleet.full(), &gcm, len);
        }
        let (data, mut out) = (vec![0x5a; len], vec![0; len + TAG_LEN]);
        case(&mut group, BenchmarkId::new("encrypt-direct", len), key, |bencher, key| {
            bencher.iter(|| {
                sure("GCM", key.gcm_seal_into(&GCM_IV, &[], &data, TAG_LEN, &mut out));
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("aes-cbc-pad");
    let cbc = Laid::cbc_pad(&CBC_IV);
    for len in [64_usize, 16_384] {
        encrypt(&mut group, BenchmarkId::new("encrypt", len), || fleet.empty(), &cbc, len);
        let (data, mut text) = (vec![0x5a; len], Vec::with_capacity(len + CBC_IV.len()));
        case(&mut group, BenchmarkId::new("encrypt-direct", len), key, |bencher, key| {
            bencher.iter(|| {
                text.clear();
                text.extend_from_slice(&data);
                Padding::Pkcs7.pad(&mut text, 16);
                sure("CBC", key.cbc_encrypt(&mut { CBC_IV }, &mut text));
            });
        });
    }
    group.finish();
}

fn key() -> AesKey {
    sure("an AES key", AesKey::new(&[7; 32]))
}

fn encrypt<'a>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    instance: impl Fn() -> &'a Instance,
    mechanism: &Laid<'_>,
    len: usize,
) {
    let (data, mut out) = (vec![0x5a; len], vec![0; len + TAG_LEN]);
    let set_up = || instance().officer().with_key(CKO_SECRET_KEY, AES_KEY);
    case(group, id, set_up, |bencher, (officer, key)| {
        bencher.iter(|| officer.calls.encrypt(officer.handle, mechanism, *key, &data, &mut out));
    });
}
