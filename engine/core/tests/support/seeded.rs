//! Random cases from one seed, which a failure prints and `FLOWFORGE_SEED` sets.

use std::hash::{BuildHasher, RandomState};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestRunner},
};

/// Tries `cases` values, or as many as `PROPTEST_CASES` says; a failing one is made as small as it gets.
pub(crate) fn check<S: Strategy>(cases: u32, values: &S, test: impl Fn(S::Value)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("FLOWFORGE_SEED").unwrap_or_else(|| RandomState::new().hash_one(0) >> 32);
    let cases = number("PROPTEST_CASES").map_or(cases, |cases| cases as u32);
    let config = Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let tested = TestRunner::new(config).run(values, |value| {
        test(value);
        Ok(())
    });
    tested.unwrap_or_else(|fault| panic!("FLOWFORGE_SEED={seed} shows it again: {fault}"));
}
