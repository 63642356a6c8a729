//! Slows down guessing: a bucket of tries for each account and address, and one for each address.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use flowforge_core::Timestamp;

use crate::error::{ApiError, Result};

/// How many buckets are kept; full ones go first.
const CAPACITY: usize = 10_000;

/// How many tries a bucket holds, and how fast it fills again.
#[derive(Debug, Clone, Copy)]
struct Rate {
    tries: u32,
    refill_ms: u32,
}

const ACCOUNT: Rate = Rate { tries: 10, refill_ms: 6_000 };
const ADDRESS: Rate = Rate { tries: 60, refill_ms: 1_000 };

/// The tries that are left.
#[derive(Debug, Default)]
pub(crate) struct SignInLimit {
    accounts: Buckets<(String, IpAddr)>,
    addresses: Buckets<IpAddr>,
}

impl SignInLimit {
    /// Takes a try.
    ///
    /// # Errors
    /// When none is left.
    pub(crate) fn take(&self, account: &str, address: IpAddr, now: Timestamp) -> Result<()> {
        let key = (account.trim().to_lowercase().chars().take(254).collect(), address);
        let wait = self.accounts.take(key, ACCOUNT, now).or_else(|| self.addresses.take(address, ADDRESS, now));
        match wait {
            None => Ok(()),
            Some(wait_ms) => Err(ApiError::too_many("too many attempts to sign in; wait and try again", wait_ms.div_ceil(1000))),
        }
    }

    /// Gives the tries of an account back, as somebody knew its password.
    pub(crate) fn forgive(&self, account: &str, address: IpAddr) {
        self.accounts.forget(&(account.trim().to_lowercase(), address));
    }
}

#[derive(Debug)]
struct Buckets<K>(Mutex<HashMap<K, Bucket>>);

/// A bucket as it was when a try was taken last: how many milliseconds of refill it lacks.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    lacks_ms: u64,
    at: Timestamp,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Takes a try, or says how long to wait for one.
    fn take(&self, key: K, rate: Rate, now: Timestamp) -> Option<u64> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CAPACITY {
            buckets.retain(|_, bucket| bucket.lacks_at(now) > 0);
        }
        let lacks_ms = buckets.get(&key).map_or(0, |bucket| bucket.lacks_at(now)) + u64::from(rate.refill_ms);
        let wait_ms = lacks_ms.saturating_sub(u64::from(rate.tries) * u64::from(rate.refill_ms));
        if wait_ms > 0 {
            return Some(wait_ms);
        }
        buckets.insert(key, Bucket { lacks_ms, at: now });
        None
    }

    fn forget(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Bucket {
    fn lacks_at(&self, now: Timestamp) -> u64 {
        self.lacks_ms.saturating_sub(now.ms_since(self.at))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const NOW: Timestamp = Timestamp(1_000_000);

    fn tries(limit: &SignInLimit, account: &str, at: Timestamp) -> usize {
        (0..1000).take_while(|_| limit.take(account, HERE, at).is_ok()).count()
    }

    #[test]
    fn ten_tries_and_then_one_every_six_seconds() {
        let limit = SignInLimit::default();
        assert_eq!(tries(&limit, "ada@example.org", NOW), 10);
        assert_eq!(tries(&limit, "ADA@example.org ", NOW), 0, "the same account");
        assert_eq!(tries(&limit, "ada@example.org", NOW.plus_ms(12_000)), 2);
    }

    #[test]
    fn an_address_has_its_own_limit() {
        let limit = SignInLimit::default();
        let all: usize = (0..100).map(|n| tries(&limit, &format!("{n}@example.org"), NOW)).sum();
        assert_eq!(all, 60);
    }

    #[test]
    fn knowing_the_password_gives_the_tries_back() {
        let limit = SignInLimit::default();
        assert_eq!(tries(&limit, "ada@example.org", NOW), 10);
        limit.forgive("ada@example.org", HERE);
        assert_eq!(tries(&limit, "ada@example.org", NOW), 10);
    }
}
