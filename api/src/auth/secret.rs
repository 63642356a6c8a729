//! The one place that asks the system for secret random bytes.

use std::io;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};

/// So many secret random bytes.
///
/// # Errors
/// When the system gives none.
pub(super) fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// A text that nobody guesses and that fits into a URL.
///
/// # Errors
/// When the system gives no randomness.
pub(super) fn token() -> io::Result<String> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes::<24>()?))
}

/// Whether two texts are the same, without telling by the time it takes where they differ.
pub(super) fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (Sha256::digest(a), Sha256::digest(b));
    a.iter().zip(b.iter()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
