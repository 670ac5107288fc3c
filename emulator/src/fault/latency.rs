//! How long a model takes, and how many requests it serves at once.
//!
//! Source: performance.md sections 4 and 6 of the fact pack: models, saturation and round trips are
//! the vendor's (Documented), service times follow from its rates by Little's law (Assumed).

use std::fmt;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Deserializer, Serialize};

use crate::ck::{CKK_EC, CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, Purpose};
use crate::mechanisms::{self, Mechanism};
use crate::wire::Request;

/// The models: `emulator/profiles/latency.toml`.
const TABLE: &str = include_str!("../../profiles/latency.toml");

/// How much a time differs from one request to the next (Assumed).
const JITTER: f64 = 0.2;

/// A model of HSM, by its times.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(into = "String")]
pub struct Latency {
    name: String,
    model: Model,
}

impl From<Latency> for String {
    fn from(latency: Latency) -> Self {
        latency.name
    }
}

/// Times in microseconds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
struct Model {
    in_parallel: usize,
    round_trip_us: u64,
    rsa_private_us: u64,
    ec_us: u64,
    symmetric_us: u64,
    rsa_generation_us: u64,
}

impl Latency {
    /// The model of that name.
    ///
    /// # Errors
    /// What models there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let table = table()?;
        match table.get(name) {
            Some(model) => Ok(Self { name: name.to_owned(), model: *model }),
            None => {
                let names: Vec<_> = table.keys().map(String::as_str).collect();
                Err(format!("no model is named `{name}`; there is {}", names.join(", ")))
            }
        }
    }

    /// How many requests the HSM works on at once.
    pub(super) fn in_parallel(&self) -> usize {
        self.model.in_parallel.max(1)
    }

    /// How long the HSM works on a request, and how long request and answer are on their way.
    /// `draw` is from 0 to 1.
    pub(super) fn of(&self, request: &Request<'_>, draw: f64) -> (Duration, Duration) {
        let work = Duration::from_micros(self.work_us(request));
        let factor = 1.0 - JITTER + 2.0 * JITTER * draw.clamp(0.0, 1.0);
        (work.mul_f64(factor), Duration::from_micros(self.model.round_trip_us))
    }

    fn work_us(&self, request: &Request<'_>) -> u64 {
        let model = &self.model;
        let private = |mechanism: &Mechanism| match mechanisms::find(mechanism.kind) {
            Some(row) if row.takes(Some(CKK_RSA)) => model.rsa_private_us,
            Some(row) if row.takes(Some(CKK_EC)) => model.ec_us,
            _ => model.symmetric_us,
        };
        match request {
            Request::Perform { operation, .. } | Request::Begin(operation) => {
                let mechanism = &operation.mechanism;
                match operation.purpose {
                    Purpose::Sign | Purpose::Decrypt => private(mechanism),
                    Purpose::Verify if private(mechanism) == model.ec_us => model.ec_us,
                    _ => model.symmetric_us,
                }
            }
            Request::Derive(_, mechanism, ..) | Request::Unwrap(_, mechanism, ..) => {
                private(mechanism)
            }
            Request::GenerateKeyPair(_, mechanism, ..) => {
                let rsa = mechanism.kind == CKM_RSA_PKCS_KEY_PAIR_GEN
                    || private(mechanism) == model.rsa_private_us;
                if rsa { model.rsa_generation_us } else { model.ec_us }
            }
            Request::Update { .. }
            | Request::Finish { .. }
            | Request::GenerateKey(..)
            | Request::Wrap(..)
            | Request::Extract(..)
            | Request::Insert(..) => model.symmetric_us,
            _ => 0,
        }
    }
}

fn table() -> Result<std::collections::BTreeMap<String, Model>, String> {
    toml::from_str(TABLE).map_err(|error| error.to_string())
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::named(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The places at which an HSM works. Of one process: several that share an embedded HSM have as many
/// each.
#[derive(Debug, Default)]
pub(super) struct Counter {
    taken: Mutex<usize>,
    freed: Condvar,
}

impl Counter {
    /// Waits for one of `places`, and holds it while `work` runs.
    pub(super) fn hold<T>(&self, places: usize, work: impl FnOnce() -> T) -> T {
        let mut taken = self.taken.lock();
        while *taken >= places {
            self.freed.wait(&mut taken);
        }
        *taken += 1;
        drop(taken);
        let _place = Place(self);
        work()
    }
}

/// Given back even by a panic.
struct Place<'a>(&'a Counter);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.0.taken.lock();
        *taken = taken.saturating_sub(1);
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::ck::{CKM_AES_KEY_GEN, CKM_EC_KEY_PAIR_GEN, SessionHandle};
    use crate::mechanisms::Params;
    use crate::object::Template;

    fn mechanism(kind: u64) -> Cow<'static, Mechanism> {
        Cow::Owned(Mechanism { kind, params: Params::None })
    }

    #[test]
    fn a_model_takes_its_time_by_the_request() {
        let model = Latency::named("a790").unwrap();
        let empty = || Cow::Owned(Template::default());
        let session = SessionHandle(1);
        let pair = |kind| Request::GenerateKeyPair(session, mechanism(kind), empty(), empty());
        let key = Request::GenerateKey(session, mechanism(CKM_AES_KEY_GEN), empty());
        let work = |request: &Request<'_>| model.of(request, 0.5).0.as_micros();
        assert_eq!(work(&pair(CKM_RSA_PKCS_KEY_PAIR_GEN)), 300_000);
        assert_eq!(work(&pair(CKM_EC_KEY_PAIR_GEN)), 1_400);
        assert_eq!(work(&key), 1_800);
        assert_eq!(work(&Request::Describe), 0);
        assert_eq!(model.of(&key, 0.0).0.as_micros(), 1_440);
        assert_eq!(model.of(&key, 1.0).1.as_micros(), 700);
        assert!(Latency::named("k9").unwrap_err().contains("a790"));
    }

    #[test]
    fn no_more_than_that_many_at_once() {
        let (counter, now, most) = (Counter::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        counter.hold(2, || {
                            let here = now.fetch_add(1, Ordering::SeqCst) + 1;
                            most.fetch_max(here, Ordering::SeqCst);
                            std::thread::yield_now();
                            now.fetch_sub(1, Ordering::SeqCst);
                        });
                    }
                });
            }
        });
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }
}
