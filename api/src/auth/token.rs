//! Access tokens: JWTs that say which session is asking, good for a quarter of an hour.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use flowforge_core::{SessionId, Timestamp, UserId, WorkspaceId};
use flowforge_engine::store::accounts::Member;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::key::Key;

/// How long an access token is good, in seconds.
pub(super) const LIFE_S: u64 = 15 * 60;
/// How far two servers' clocks may be apart, in seconds.
const LEEWAY_S: i64 = 10;
const ISSUER: &str = "flowforge";
const AUDIENCE: &str = "flowforge-api";

/// How many tokens are remembered as verified. When there are more, all are forgotten and verified anew.
const KEPT: usize = 4_096;

/// What an access token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    /// The person.
    pub(super) sub: UserId,
    /// The session.
    pub(super) sid: SessionId,
    /// The workspace.
    pub(super) ws: WorkspaceId,
    /// The person's token version.
    pub(super) tv: i32,
}

/// Issues and verifies access tokens.
pub(super) struct AccessTokens {
    header: Header,
    /// The first part of every token that we issue. A token that begins otherwise, with another algorithm or with a hint
    /// where to find a key, is not ours and is not looked at.
    prefix: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    /// Whose signature and claims were found good: a program sends the same token with thousands of requests. Whether its
    /// time has come or is over is asked each time.
    verified: Mutex<HashMap<Box<str>, Arc<Claims>>>,
}

impl std::fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessTokens")
    }
}

impl AccessTokens {
    pub(super) fn new(key: &Key) -> Self {
        let key = key.for_purpose("access");
        let header = Header::new(Algorithm::HS256);
        let encoding = EncodingKey::from_secret(&key);
        let sample = jsonwebtoken::encode(&header, &(), &encoding).unwrap_or_default();
        let prefix = sample.split_inclusive('.').next().unwrap_or_default().to_owned();
        let (decoding, verified) = (DecodingKey::from_secret(&key), Mutex::default());
        Self { header, prefix, encoding, decoding, validation: validation(), verified }
    }

    /// A token for a session.
    pub(super) fn issue(
        &self,
        session: SessionId,
        member: &Member,
        at: Timestamp,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let now = at.0 / 1000;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            iat: now,
            nbf: now,
            exp: now + LIFE_S.cast_signed(),
            sub: member.user,
            sid: session,
            ws: member.workspace,
            tv: member.token_version,
        };
        jsonwebtoken::encode(&self.header, &claims, &self.encoding)
    }

    /// What a token says, when it is ours and good at this time.
    pub(super) fn verify(&self, token: &str, at: Timestamp) -> Option<Arc<Claims>> {
        let claims = self.claims(token)?;
        let now = at.0 / 1000;
        let good = claims.nbf <= now + LEEWAY_S && now < claims.exp + LEEWAY_S;
        let ordinary = claims.exp - claims.iat == LIFE_S.cast_signed();
        (good && ordinary).then_some(claims)
    }

    /// What a token says, when we have signed it.
    fn claims(&self, token: &str) -> Option<Arc<Claims>> {
        if self.prefix.is_empty() || !token.starts_with(&self.prefix) {
            return None;
        }
        let known = self.verified().get(token).cloned();
        if known.is_some() {
            return known;
        }
        let claims: Claims = jsonwebtoken::decode(token, &self.decoding, &self.validation).ok()?.claims;
        let claims = Arc::new(claims);
        let mut verified = self.verified();
        if verified.len() >= KEPT {
            verified.clear();
        }
        verified.insert(token.into(), claims.clone());
        Some(claims)
    }

    fn verified(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Claims>>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Times are compared above, with the clock of the database and not with the process's.
fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use flowforge_engine::store::accounts::Role;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn key() -> Key {
        Key::from_setting("0123456789abcdef0123456789abcdef").unwrap()
    }

    fn issued() -> String {
        let (user, workspace) = (UserId::new(Uuid::from_u128(1)), WorkspaceId::new(Uuid::from_u128(2)));
        let member = Member { user, workspace, role: Role::Owner, token_version: 0 };
        AccessTokens::new(&key()).issue(SessionId::new(Uuid::from_u128(3)), &member, NOW).unwrap()
    }

    #[track_caller]
    fn check(token: &str, at: Timestamp, good: bool) {
        assert_eq!(AccessTokens::new(&key()).verify(token, at).is_some(), good, "{token}");
    }

    /// A token signed with the right key that differs in its claims.
    fn forged(change: Value) -> String {
        let payload = issued().split('.').nth(1).unwrap().to_owned();
        let mut claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let key = EncodingKey::from_secret(&key().for_purpose("access"));
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
    }

    #[test]
    fn a_token_is_good_for_a_quarter_of_an_hour() {
        let token = issued();
        check(&token, NOW, true);
        check(&token, NOW.plus_ms(14 * 60_000), true);
        check(&token, NOW.plus_ms(15 * 60_000 + 61_000), false);
        check(&token, Timestamp(NOW.0 - 61_000), false);
    }

    #[test]
    fn a_token_that_was_verified_before_still_expires() {
        let (tokens, token) = (AccessTokens::new(&key()), issued());
        for _ in 0..2 {
            assert!(tokens.verify(&token, NOW).is_some());
            assert!(tokens.verify(&token, NOW.plus_ms(16 * 60_000)).is_none());
            assert!(tokens.verify(&token[..token.len() - 1], NOW).is_none());
        }
    }

    #[test]
    fn claims_must_be_ours() {
        check(&forged(json!({})), NOW, true);
        let odd = [
            json!({"aud": "another"}),
            json!({"iss": "another"}),
            json!({"exp": null}),
            json!({"exp": NOW.0}),
            json!({"nbf": NOW.0 / 1000 + 100}),
            json!({"sub": "usr_a00000000000000000000000000000001"}),
            json!({"sub": " usr_00000000000000000000000000000001"}),
            json!({"sub": "ws_00000000000000000000000000000001"}),
            json!({"sid": null}),
        ];
        for change in odd {
            check(&forged(change), NOW, false);
        }
    }

    #[test]
    fn the_header_must_be_ours() {
        let token = issued();
        let rest = token.split_once('.').unwrap().1;
        let unsigned = rest.split_once('.').unwrap().0;
        for header in [
            json!({"alg": "none"}),
            json!({"typ": "JWT", "alg": "none"}),
            json!({"typ": "JWT", "alg": "HS384"}),
            json!({"typ": "JWT", "alg": "HS256", "kid": "../../dev/null"}),
            json!({"typ": "JWT", "alg": "HS256", "jku": "https://evil.example"}),
            json!({"typ": "JWT", "alg": "HS256", "crit": ["x"], "x": 1}),
        ] {
            let header = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
            check(&format!("{header}.{rest}"), NOW, false);
            check(&format!("{header}.{unsigned}."), NOW, false);
        }
    }

    #[test]
    fn another_key_another_token() {
        let other = Key::from_setting("another key that is long enough!!").unwrap();
        assert!(AccessTokens::new(&other).verify(&issued(), NOW).is_none());
    }
}
