//! The module beside the reference model: sequences of calls by chance, every answer judged.
//!
//! `LUNA_MODEL_CASES` sets how many sequences, `LUNA_SEED` which. A failing one is printed as calls in C, cut
//! down to what is needed; it becomes a named test of the theme it belongs to.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

mod liar;
mod planted;
mod verb;

use luna_ck::{CKU_CRYPTO_USER, CKU_SO, CKU_USER};
use luna_client::{Context, Module};
use luna_model::{Effort, Token, check};
use luna_tests::{CRYPTO_OFFICER, Instance, Seeded, first_slot};

/// Steps of the longest sequence.
const STEPS: usize = 60;

/// Sequences unless `LUNA_MODEL_CASES` says otherwise.
const CASES: u32 = 300;

/// A token of our own, and the module that serves it.
pub(crate) struct Subject {
    pub(crate) token: Token,
    pub(crate) module: Module,
    _context: Context,
    _instance: Instance,
}

impl Subject {
    #[track_caller]
    pub(crate) fn up(options: &[&str]) -> Self {
        let instance = Instance::up(options);
        let context = instance.context();
        let pin = |user, pin: &str| (user, pin.as_bytes().to_vec());
        let credentials = vec![
            pin(CKU_USER, CRYPTO_OFFICER),
            pin(CKU_CRYPTO_USER, "crypto-user"),
            pin(CKU_SO, "partition-so"),
        ];
        let token = Token::new(first_slot(&context).0, credentials);
        Self { token, module: context.module(), _context: context, _instance: instance }
    }
}

fn cases() -> u32 {
    let cases = std::env::var("LUNA_MODEL_CASES").ok();
    cases.map_or(CASES, |text| text.parse().expect("LUNA_MODEL_CASES is a number"))
}

#[track_caller]
fn agrees(mut subject: Subject) {
    let effort =
        Effort { cases: cases(), steps: STEPS, seed: Seeded::new().number(), shrink: 2000 };
    match check(&mut subject.module, &subject.token, effort) {
        Ok(calls) => {
            println!("{} sequences, {calls} calls", effort.cases);
            assert!(calls > u64::from(effort.cases) * 5, "{calls} calls: next to nothing was done");
        }
        Err(failure) => panic!("an answer that is not allowed:\n{failure}"),
    }
}

#[test]
fn one_partition() {
    agrees(Subject::up(&["--fips", "off"]));
}

/// A group answers as one partition does.
#[test]
fn a_group() {
    agrees(Subject::up(&["--fips", "off", "--ha", "LUNAHA=OKV,OKV", "--ha-only"]));
}
