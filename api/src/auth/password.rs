//! Passwords: argon2id, a few at a time, since each takes 19 MiB and tens of milliseconds.

use std::{
    sync::{Arc, OnceLock},
    thread,
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use axum::http::StatusCode;
use tokio::sync::Semaphore;

use crate::error::{ApiError, Result};

/// How many characters a password may have.
const LENGTH: std::ops::RangeInclusive<usize> = 12..=128;
/// How many may wait for their turn.
const QUEUE: usize = 64;

/// Hashes and checks passwords.
#[derive(Debug)]
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// What an unknown account is checked against, so that it takes as long as a known one.
    decoy: Arc<str>,
    decoy_hash: Arc<OnceLock<String>>,
}

impl Passwords {
    /// The decoy is any text that nobody knows.
    pub(super) fn new(decoy: &str) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            turns: Arc::new(Semaphore::new((cores / 2).max(1))),
            queue: Arc::new(Semaphore::new(QUEUE)),
            decoy: decoy.into(),
            decoy_hash: Arc::default(),
        }
    }

    /// The hash of a new password.
    pub(super) async fn hash(&self, password: &str) -> Result<String> {
        if !LENGTH.contains(&password.chars().count()) {
            let detail = format!("the password must have {} to {} characters", LENGTH.start(), LENGTH.end());
            return Err(ApiError::bad_request("invalid_password", detail));
        }
        let password = password.to_owned();
        self.turn(move || hash(&password)).await?.map_err(ApiError::internal)
    }

    /// Whether the password is the one that was hashed; with no hash, the same work for nothing.
    pub(super) async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool> {
        let fits = password.chars().count() <= *LENGTH.end();
        let password = if fits { password.to_owned() } else { String::new() };
        let (known, hash) = (hash.is_some(), hash.map(str::to_owned));
        let (decoy, decoy_hash) = (self.decoy.clone(), self.decoy_hash.clone());
        let work = move || {
            let hash = hash.unwrap_or_else(|| decoy_hash.get_or_init(|| self::hash(&decoy).unwrap_or_default()).clone());
            matches(&password, &hash)
        };
        Ok(self.turn(work).await? && known && fits)
    }

    async fn turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let busy = || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many people sign in at once; try again");
        let _place = self.queue.clone().try_acquire_owned().map_err(|_| busy())?;
        let _turn = self.turns.acquire().await.map_err(|_| busy())?;
        tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
    }
}

fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

fn matches(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else {
        return false;
    };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_matches() {
        let passwords = Passwords::new("decoy");
        let hash = passwords.hash("correct horse battery").await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        for (password, expected) in [("correct horse battery", true), ("correct horse battery ", false), ("", false)] {
            assert_eq!(passwords.verify(password, Some(&hash)).await.ok(), Some(expected), "{password}");
        }
    }

    #[tokio::test]
    async fn nobody_gets_in_with_the_decoy_or_with_a_megabyte() {
        let passwords = Passwords::new("decoy");
        for password in ["decoy", "", &"x".repeat(1 << 20), "\0"] {
            assert_eq!(passwords.verify(password, None).await.ok(), Some(false));
        }
    }

    #[tokio::test]
    async fn passwords_have_a_length() {
        let passwords = Passwords::new("decoy");
        assert!(passwords.hash("elevenchars").await.is_err());
        assert!(passwords.hash(&"x".repeat(129)).await.is_err());
    }
}
