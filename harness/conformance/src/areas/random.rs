//! Randomness.

use crate::check::{Mark, Needs, Registry, Row, ensure, refused, same};
use luna_client::ck::*;

const SECTION: &str = "section 5.15 (C_GenerateRandom)";

const ROWS: &[Row] = &[
    Row {
        id: "bytes.differ",
        title: "random bytes are others each time",
        source: (Mark::Standard, SECTION),
        needs: Needs::public,
        run: |stage| {
            let session = stage.session()?;
            let mut seen = std::collections::HashSet::new();
            for _ in 0..50 {
                ensure(seen.insert(session.random(16)?), "16 new bytes", "the same again")?;
            }
            Ok(())
        },
    },
    Row {
        id: "bytes.all",
        title: "all bytes asked for are written, for many lengths",
        source: (Mark::Standard, SECTION),
        needs: Needs::public,
        run: |stage| {
            let session = stage.session()?;
            for len in [1_usize, 7, 16, 31, 64, 255, 256, 1000, 4096] {
                // A byte that is never written stays 0 in each of eight tries.
                let mut seen = vec![0_u8; len];
                for _ in 0..8 {
                    for (all, byte) in seen.iter_mut().zip(session.random(len)?) {
                        *all |= byte;
                    }
                }
                let unwritten = seen.iter().filter(|byte| **byte == 0).count();
                same(&format!("bytes of {len} that were not written"), &0, &unwritten)?;
            }
            Ok(())
        },
    },
    Row {
        id: "bytes.spread",
        title: "every value of a byte comes up, about as often as the others",
        source: (Mark::Standard, SECTION),
        needs: Needs::public,
        run: |stage| {
            let session = stage.session()?;
            let mut counts = [0_u32; 256];
            for _ in 0..16 {
                for byte in session.random(4096)? {
                    if let Some(count) = counts.get_mut(usize::from(byte)) {
                        *count += 1;
                    }
                }
            }
            // 256 of each on average, with a standard deviation of 16.
            let odd = counts.iter().filter(|count| !(128..=400).contains(*count)).count();
            same("values that come up far too often or too seldom", &0, &odd)
        },
    },
    Row {
        id: "bytes.sessions",
        title: "two sessions have other bytes",
        source: (Mark::Standard, SECTION),
        needs: Needs::public,
        run: |stage| {
            let (one, other) = (stage.session()?, stage.session()?);
            ensure(one.random(32)? != other.random(32)?, "other bytes", "the same")
        },
    },
    Row {
        id: "seed.answered",
        title: "a seed is taken or refused",
        source: (Mark::Standard, "section 5.15 (C_SeedRandom)"),
        needs: Needs::public,
        run: |stage| match stage.session()?.seed_random(b"a seed of the harness") {
            Ok(()) => Ok(()),
            Err(error) => {
                let codes = [
                    CKR_RANDOM_SEED_NOT_SUPPORTED,
                    CKR_FUNCTION_NOT_SUPPORTED,
                    CKR_USER_NOT_LOGGED_IN,
                ];
                refused::<()>("C_SeedRandom", Err(error), &codes)
            }
        },
    },
    Row {
        id: "seed.adds",
        title: "the same seed does not give the same bytes",
        source: (Mark::Standard, "section 5.15 (C_SeedRandom): mixes into the generator"),
        needs: Needs::public,
        run: |stage| {
            let session = stage.session()?;
            let seeded = || {
                let _ = session.seed_random(b"a seed of the harness");
                session.random(32)
            };
            ensure(seeded()? != seeded()?, "other bytes", "the same")
        },
    },
];

pub(super) fn register(registry: &mut Registry) {
    registry.rows("random", ROWS);
}
