//! Random choices that can be made again: every seed is printed, and `FLOWFORGE_SEED` sets it.

/// A sequence of random numbers from one printed seed.
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// The seed of `FLOWFORGE_SEED`, or a fresh one; printed either way, so that a failure can be repeated.
    pub fn printed() -> Self {
        let seed = match std::env::var("FLOWFORGE_SEED") {
            Ok(text) => text.parse().expect("FLOWFORGE_SEED is a whole number"),
            Err(_) => uuid::Uuid::new_v4().as_u64_pair().0 >> 32,
        };
        println!("FLOWFORGE_SEED={seed}");
        Self(seed)
    }

    /// The sequence of this very seed.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Another sequence that this one decides: what is drawn from it does not shift what is drawn from this one later.
    pub fn fork(&mut self) -> Self {
        Self(self.pick(0..u64::MAX))
    }

    /// Whether something of this probability, in percent, comes about.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.pick(0..100) < chance
    }

    /// A number from `range`, end not included (splitmix64, the bias of the modulo does not matter here).
    pub fn pick(&mut self, range: std::ops::Range<u64>) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        range.start + (z ^ (z >> 31)) % (range.end - range.start)
    }
}
