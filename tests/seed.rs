//! Chance that can be repeated.

/// A source of numbers that gives the same ones for the same seed (SplitMix64).
#[derive(Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// The seed of `LUNA_SEED`, or a new one. It is printed, and shown when the test fails.
    pub fn new() -> Self {
        let seed = match std::env::var("LUNA_SEED") {
            Ok(text) => text.parse().expect("LUNA_SEED is a number"),
            Err(_) => std::process::id().into(),
        };
        println!("LUNA_SEED={seed}");
        Self(seed)
    }

    /// From a seed known beforehand.
    pub fn from(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// One of several.
    pub fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(choices.len() as u64)).expect("an index");
        choices.get(at).expect("below the length")
    }
}

impl Default for Seeded {
    fn default() -> Self {
        Self::new()
    }
}
