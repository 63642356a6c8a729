//! Who is asking. A sign-in opens a session; short access tokens say which session, refresh tokens prolong it.
//!
//! A session's rights are read from the database at most every 30 s (`gate`), so that a sign-out, a changed password or a
//! lowered role takes effect within a minute everywhere, without a query for each request.

pub(crate) mod cookie;
mod gate;
mod key;
pub(crate) mod limit;
mod password;
pub(crate) mod principal;
mod refresh;
mod secret;
mod token;

use std::sync::atomic::{AtomicBool, Ordering};

use flowforge_core::{SessionId, Timestamp};
use flowforge_engine::{
    Clock, Store, clock,
    store::accounts::{Exchange, Exchanged, Member, NewOwner, NewSession},
};

pub(crate) use self::key::Key;
use self::{
    gate::Gate, limit::SignInLimit, password::Passwords, principal::Principal, refresh::RefreshTokens, token::AccessTokens,
};
use crate::error::{ApiError, Result};

/// How long a session lasts, however often it is refreshed.
pub(crate) const SESSION_S: u64 = 30 * 24 * 3600;
/// How long after an exchange the same refresh token gets the same answer: two tabs may ask at once.
const GRACE_MS: u64 = 10_000;

/// Everything that signing in stands on.
#[derive(Debug)]
pub(crate) struct Auth {
    store: Store,
    clock: Clock,
    passwords: Passwords,
    access: AccessTokens,
    refresh: RefreshTokens,
    gate: Gate,
    /// Slows down guessing.
    pub limit: SignInLimit,
    setup_token: String,
    has_owner: AtomicBool,
}

/// What a sign-in gives.
#[derive(Debug)]
pub(crate) struct SignedIn {
    /// The access token.
    pub access_token: String,
    /// For how many seconds it is good.
    pub expires_in: u64,
    /// The refresh token, for the cookie.
    pub refresh_token: String,
}

impl Auth {
    /// Prepares everything.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn new(store: Store, clock: Clock, key: &Key) -> std::io::Result<Self> {
        Ok(Self {
            passwords: Passwords::new(&secret::token()?),
            access: AccessTokens::new(key),
            refresh: RefreshTokens::new(key),
            gate: Gate::default(),
            limit: SignInLimit::default(),
            setup_token: secret::token()?,
            has_owner: AtomicBool::new(false),
            store,
            clock,
        })
    }

    /// Whether nobody owns this installation yet.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn setup_required(&self) -> Result<bool> {
        if !self.has_owner.load(Ordering::Relaxed) {
            self.has_owner.store(self.store.has_owner().await?, Ordering::Relaxed);
        }
        Ok(!self.has_owner.load(Ordering::Relaxed))
    }

    /// What the set-up link carries; good until there is an owner or the process ends.
    pub(crate) fn setup_token(&self) -> &str {
        &self.setup_token
    }

    /// Whether a set-up link is the one that this process printed.
    pub(crate) fn is_setup_token(&self, token: &str) -> bool {
        secret::is_same(token, &self.setup_token)
    }

    /// Makes the first owner, once.
    ///
    /// # Errors
    /// When there is an owner already, or a value is not acceptable.
    pub(crate) async fn create_first_owner(&self, email: &str, password: &str, workspace: &str) -> Result<Member> {
        let email = check_email(email)?;
        let workspace = check_name("workspace", workspace)?;
        let password_hash = self.passwords.hash(password).await?;
        let owner = NewOwner { email, password_hash, workspace, at: self.clock.now() };
        let member = self.store.create_first_owner(owner).await?;
        self.has_owner.store(true, Ordering::Relaxed);
        Ok(member)
    }

    /// Signs in. An unknown address, a wrong password and a disabled account get the same answer after the same work.
    ///
    /// # Errors
    /// When they do not match.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Result<SignedIn> {
        let account = self.store.account(email.trim()).await?;
        let matches = self.passwords.verify(password, account.as_ref().map(|account| account.password_hash.as_str())).await?;
        let user = account.filter(|account| matches && !account.disabled).ok_or_else(invalid_credentials)?.user;
        let member = self.store.home(user).await?.ok_or_else(invalid_credentials)?;
        self.open(member).await
    }

    /// Opens a session for somebody who has shown who they are.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn open(&self, member: Member) -> Result<SignedIn> {
        let (id, at) = (SessionId::new(clock::new_uuid()), self.clock.now());
        let refresh = self.refresh.first(id);
        let session = NewSession {
            id,
            user: member.user,
            workspace: member.workspace,
            token_hash: refresh.hash(),
            at,
            expires_at: at.plus_ms(SESSION_S * 1000),
        };
        self.store.open_session(session).await?;
        self.signed_in(id, &member, refresh.into_text(), at)
    }

    /// Exchanges a refresh token for the next one and an access token.
    ///
    /// # Errors
    /// When the token is not ours, its session is over, or it was exchanged before, which ends its session.
    pub(crate) async fn exchange(&self, token: &str) -> Result<SignedIn> {
        let token = self.refresh.parse(token).ok_or_else(ApiError::unauthenticated)?;
        let (session, successor, at) = (token.session(), self.refresh.after(&token), self.clock.now());
        let ask = Exchange { session, token_hash: token.hash(), successor_hash: successor.hash(), at, grace_ms: GRACE_MS };
        match self.store.exchange(&ask).await? {
            Exchanged::Granted(member) => self.signed_in(session, &member, successor.into_text(), at),
            Exchanged::Gone => Err(ApiError::unauthenticated()),
            Exchanged::Reused => {
                self.gate.forget(session);
                tracing::warn!(%session, "an old refresh token was used again; the session is revoked");
                Err(ApiError::unauthenticated())
            }
        }
    }

    /// Ends the session of a refresh token; one that is not ours ends nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn sign_out(&self, token: &str) -> Result<()> {
        if let Some(token) = self.refresh.parse(token) {
            self.store.revoke_session(token.session(), self.clock.now()).await?;
            self.gate.forget(token.session());
        }
        Ok(())
    }

    /// Who an access token speaks for.
    ///
    /// # Errors
    /// When it is not ours, has expired, or its session is over.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Principal> {
        let at = self.clock.now();
        let claims = self.access.verify(token, at).ok_or_else(ApiError::unauthenticated)?;
        let member = self.gate.member(&self.store, claims.sid, at).await?.ok_or_else(ApiError::unauthenticated)?;
        let current = (member.user, member.workspace, member.token_version) == (claims.sub, claims.ws, claims.tv);
        let principal = Principal { session: claims.sid, user: member.user, workspace: member.workspace, role: member.role };
        if current { Ok(principal) } else { Err(ApiError::unauthenticated()) }
    }

    /// Whether a principal would be let in again now; for streams that outlive their access token.
    pub(crate) async fn is_still_in(&self, principal: &Principal) -> bool {
        let member = self.gate.member(&self.store, principal.session, self.clock.now()).await;
        matches!(member, Ok(Some(member)) if (member.user, member.workspace) == (principal.user, principal.workspace))
    }

    fn signed_in(&self, session: SessionId, member: &Member, refresh_token: String, at: Timestamp) -> Result<SignedIn> {
        let access_token = self.access.issue(session, member, at).map_err(ApiError::internal)?;
        Ok(SignedIn { access_token, expires_in: token::LIFE_S, refresh_token })
    }
}

fn invalid_credentials() -> ApiError {
    let detail = "the e-mail address or the password is not right";
    ApiError::new(axum::http::StatusCode::UNAUTHORIZED, "invalid_credentials", detail)
}

fn check_email(email: &str) -> Result<String> {
    let email = email.trim();
    let odd = |c: char| c.is_whitespace() || c.is_control();
    let parts: Vec<_> = email.split('@').collect();
    let fits = email.len() <= 254 && parts.len() == 2 && parts.iter().all(|part| !part.is_empty()) && !email.contains(odd);
    if fits { Ok(email.to_lowercase()) } else { Err(ApiError::bad_request("invalid_email", "`email` is not an e-mail address")) }
}

/// A name for people: not empty, not endless, without control characters.
///
/// # Errors
/// When it is one of these.
pub(crate) fn check_name(field: &str, name: &str) -> Result<String> {
    let name = name.trim();
    if (1..=200).contains(&name.chars().count()) && !name.contains(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(ApiError::bad_request("invalid_name", format!("`{field}` must have 1 to 200 characters and no control characters")))
}
