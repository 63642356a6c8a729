//! Refresh tokens: a session's id, how often it was refreshed, and a signature of both.
//!
//! Each token has exactly one successor, which only we can compute. So two tabs that exchange the same token at the same
//! moment get the same next one, and a token that was ours once is told from noise without being stored.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use flowforge_core::SessionId;
use hmac::Mac;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::key::{Key, mac};

const ID: usize = 16;
const BODY: usize = ID + 4;
const SIGNATURE: usize = 32;

/// Issues refresh tokens and recognises them.
pub(super) struct RefreshTokens {
    key: Vec<u8>,
}

impl std::fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshTokens")
    }
}

/// A token that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefreshToken {
    session: SessionId,
    generation: u32,
    text: String,
}

impl RefreshToken {
    /// The session that it prolongs.
    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// What the database keeps of it.
    pub(super) fn hash(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&self.text))
    }

    /// What the cookie holds.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl RefreshTokens {
    pub(super) fn new(key: &Key) -> Self {
        Self { key: key.for_purpose("refresh") }
    }

    /// The token that a session begins with.
    pub(super) fn first(&self, session: SessionId) -> RefreshToken {
        self.sign(session, 0)
    }

    /// The one token that may follow another.
    pub(super) fn after(&self, token: &RefreshToken) -> RefreshToken {
        self.sign(token.session, token.generation.wrapping_add(1))
    }

    /// Recognises a token that was ours once.
    pub(super) fn parse(&self, text: &str) -> Option<RefreshToken> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == BODY + SIGNATURE)?;
        let (body, signature) = bytes.split_at(BODY);
        mac(&self.key).chain_update(body).verify_slice(signature).ok()?;
        let (id, generation) = body.split_at(ID);
        let session = SessionId::new(Uuid::from_slice(id).ok()?);
        Some(RefreshToken { session, generation: u32::from_be_bytes(generation.try_into().ok()?), text: text.to_owned() })
    }

    fn sign(&self, session: SessionId, generation: u32) -> RefreshToken {
        let mut bytes = session.uuid().as_bytes().to_vec();
        bytes.extend(generation.to_be_bytes());
        let signature = mac(&self.key).chain_update(&bytes).finalize().into_bytes();
        bytes.extend(signature);
        RefreshToken { session, generation, text: BASE64_URL_SAFE_NO_PAD.encode(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> RefreshTokens {
        RefreshTokens::new(&Key::from_setting("0123456789abcdef0123456789abcdef").unwrap())
    }

    #[test]
    fn a_token_is_recognised_and_has_one_successor() {
        let first = tokens().first(SessionId::new(Uuid::from_u128(7)));
        assert_eq!(tokens().parse(&first.text), Some(first.clone()));
        assert_eq!(tokens().after(&first), tokens().after(&first));
        assert_ne!(tokens().after(&first).text, first.text);
    }

    #[test]
    fn noise_is_not_ours() {
        let token = tokens().first(SessionId::new(Uuid::from_u128(7))).text;
        let other = format!("{}{}", if token.starts_with('A') { 'B' } else { 'A' }, &token[1..]);
        for text in ["", "x", &token[1..], &other, &format!("{token}A"), "eyJhbGciOiJub25lIn0.e30."] {
            assert_eq!(tokens().parse(text), None, "{text}");
        }
    }
}
