//! Backoff: when a failed attempt is repeated.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often and when a failed attempt is repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    #[schemars(range(min = 1, max = 100))]
    pub max_attempts: u32,
    /// How the wait grows from attempt to attempt.
    pub backoff: Backoff,
    /// The wait after the first failed attempt, in milliseconds.
    pub initial_ms: u64,
    /// The longest wait, in milliseconds.
    pub max_ms: u64,
    /// The error codes that are worth another attempt; all that may pass by themselves when empty.
    pub codes: Vec<String>,
}

/// How the wait grows from attempt to attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backoff {
    /// initial, 2 × initial, 4 × initial, …
    Exponential,
    /// initial, 2 × initial, 3 × initial, …
    Linear,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 1, backoff: Backoff::Exponential, initial_ms: 1_000, max_ms: 30_000, codes: Vec::new() }
    }
}

impl RetryPolicy {
    /// The most attempts a policy may ask for.
    pub const MAX_ATTEMPTS: u32 = 100;
    /// The longest wait a policy or a `Retry-After` may ask for: one day, in milliseconds.
    pub const LONGEST_MS: u64 = 86_400_000;

    /// Whether an attempt that failed with `code` may be followed by another.
    pub fn allows(&self, attempt: u32, code: &str) -> bool {
        attempt < self.max_attempts && (self.codes.is_empty() || self.names(code))
    }

    /// Whether the author asked for another attempt after this very code.
    pub fn names(&self, code: &str) -> bool {
        self.codes.iter().any(|named| named == code)
    }

    /// The wait after failed attempt number `attempt` (from 1), in milliseconds.
    ///
    /// Equal jitter: half of the wait is fixed and half is drawn from `seed`, so that runs that failed together do not
    /// come back together (M. Brooker, "Exponential Backoff and Jitter", 2015).
    pub fn delay_ms(&self, attempt: u32, seed: u64) -> u64 {
        let steps = attempt.saturating_sub(1);
        let grown = match self.backoff {
            Backoff::Exponential => self.initial_ms.saturating_mul(1_u64.checked_shl(steps).unwrap_or(u64::MAX)),
            Backoff::Linear => self.initial_ms.saturating_mul(u64::from(attempt.max(1))),
        };
        let wait = grown.min(self.max_ms).min(Self::LONGEST_MS);
        let half = wait / 2;
        half + mix(seed ^ u64::from(attempt)) % (wait - half + 1)
    }
}

/// SplitMix64's finaliser (Steele, Lea, Flood 2014): spreads neighbouring seeds over the whole range.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(backoff: Backoff) -> RetryPolicy {
        RetryPolicy { max_attempts: 5, backoff, initial_ms: 100, max_ms: 350, codes: vec![] }
    }

    #[test]
    fn the_wait_lies_between_half_and_the_whole_and_is_capped() {
        for (backoff, whole) in [(Backoff::Exponential, [100, 200, 350, 350]), (Backoff::Linear, [100, 200, 300, 350])] {
            for (attempt, whole) in (1..).zip(whole) {
                for seed in 0..200 {
                    let wait = policy(backoff).delay_ms(attempt, seed);
                    assert!((whole / 2..=whole).contains(&wait), "{backoff:?} attempt {attempt} seed {seed}: {wait}");
                }
            }
        }
    }

    #[test]
    fn a_huge_attempt_number_does_not_overflow() {
        assert!(policy(Backoff::Exponential).delay_ms(u32::MAX, 7) <= 350);
    }

    #[test]
    fn only_listed_codes_are_repeated() {
        let policy = RetryPolicy { codes: vec!["RATE_LIMIT".into()], ..policy(Backoff::Linear) };
        assert!(policy.allows(4, "RATE_LIMIT"));
        assert!(!policy.allows(5, "RATE_LIMIT"));
        assert!(!policy.allows(1, "NETWORK_ERROR"));
    }
}
