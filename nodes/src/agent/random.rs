//! Bytes that nobody can guess.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use flowforge_core::node::NodeError;

/// So many random bytes, as text that fits into headers.
pub(super) fn text<const BYTES: usize>() -> Result<String, NodeError> {
    let mut bytes = [0; BYTES];
    let filled = rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| NodeError::retry("NO_RANDOMNESS", "the machine gives no random bytes"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
