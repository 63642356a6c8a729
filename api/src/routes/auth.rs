//! Setting up, signing in and out.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    Json,
    extract::{ConnectInfo, FromRequestParts, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::App,
    auth::{SignedIn, cookie, principal::Principal},
    error::{ApiError, ProblemBody, Result},
    examples,
    extract::Body,
};

/// Whether this installation has an owner.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuthStatus {
    /// True until the first owner is made with the link that the server printed.
    setup_required: bool,
}

/// The first owner.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setup {
    /// The token of the printed link.
    token: String,
    /// The owner's e-mail address.
    email: String,
    /// 12 to 128 characters.
    password: String,
    /// The name of the first workspace.
    workspace: String,
}

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The e-mail address.
    email: String,
    /// The password.
    password: String,
}

/// An access token. The refresh token comes as an HttpOnly cookie.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    /// To be sent as `Authorization: Bearer …`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// For how many seconds it is good.
    expires_in: u64,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileAnswer {
    /// The person.
    user: ProfileUser,
    /// The workspace that the token is for.
    workspace: ProfileWorkspace,
    /// `owner`, `admin`, `editor` or `viewer`.
    role: &'static str,
}

/// The person.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileUser {
    /// `usr_…`
    id: String,
    /// The e-mail address.
    email: String,
}

/// The workspace.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileWorkspace {
    /// `ws_…`
    id: String,
    /// The name.
    name: String,
}

/// Says whether the first owner has yet to be made.
#[utoipa::path(get, path = "/auth/status", operation_id = "auth_status", tag = "auth", security(()), responses((status = 200, body = AuthStatus)))]
pub(crate) async fn status(State(app): State<App>) -> Result<Json<AuthStatus>> {
    Ok(Json(AuthStatus { setup_required: app.auth.setup_required().await? }))
}

/// Makes the first owner and their workspace, once, with the token of the link that the server printed.
#[utoipa::path(post, path = "/auth/setup", operation_id = "set_up", tag = "auth", security(()), request_body = Setup, responses(
    (status = 201, body = TokenAnswer),
    (status = 400, body = ProblemBody<'_>),
    (status = 403, description = "wrong token, or there is an owner already", body = ProblemBody<'_>),
))]
pub(crate) async fn setup(State(app): State<App>, address: ClientAddress, Body(ask): Body<Setup>) -> Result<Response> {
    app.auth.limit.take("", address.0, app.engine.clock().now())?;
    if !app.auth.setup_required().await? {
        return Err(ApiError::forbidden("already_set_up", "somebody owns this installation already; sign in instead"));
    }
    if !app.auth.is_setup_token(&ask.token) {
        let detail = "the set-up token is not right; use the link that the server printed at its last start";
        return Err(ApiError::forbidden("invalid_setup_token", detail));
    }
    let owner = app.auth.create_first_owner(&ask.email, &ask.password, &ask.workspace).await.map_err(lost_race)?;
    examples::load(&app, &owner).await;
    answer(&app, StatusCode::CREATED, app.auth.open(owner).await?)
}

/// Signs in.
#[utoipa::path(post, path = "/auth/login", operation_id = "log_in", tag = "auth", security(()), request_body = Login, responses(
    (status = 200, body = TokenAnswer),
    (status = 401, description = "`invalid_credentials`", body = ProblemBody<'_>),
    (status = 429, description = "too many attempts", body = ProblemBody<'_>),
))]
pub(crate) async fn login(State(app): State<App>, address: ClientAddress, Body(ask): Body<Login>) -> Result<Response> {
    app.auth.limit.take(&ask.email, address.0, app.engine.clock().now())?;
    let signed_in = app.auth.sign_in(&ask.email, &ask.password).await?;
    app.auth.limit.forgive(&ask.email, address.0);
    answer(&app, StatusCode::OK, signed_in)
}

/// Exchanges the refresh cookie for a new one and a new access token.
#[utoipa::path(post, path = "/auth/refresh", operation_id = "refresh_token", tag = "auth", security(()), responses(
    (status = 200, body = TokenAnswer),
    (status = 401, description = "signed out", body = ProblemBody<'_>),
))]
pub(crate) async fn refresh(State(app): State<App>, headers: HeaderMap) -> Result<Response> {
    let token = cookie::read(&headers).ok_or_else(ApiError::unauthenticated)?;
    answer(&app, StatusCode::OK, app.auth.exchange(token).await?)
}

/// Ends the session of the refresh cookie.
#[utoipa::path(post, path = "/auth/logout", operation_id = "log_out", tag = "auth", security(()), responses((status = 204, description = "signed out")))]
pub(crate) async fn logout(State(app): State<App>, headers: HeaderMap) -> Result<Response> {
    if let Some(token) = cookie::read(&headers) {
        app.auth.sign_out(token).await?;
    }
    let cookie = cookie::clear(app.settings.is_secure());
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Says who is signed in, to which workspace, with which role.
#[utoipa::path(get, path = "/auth/profile", operation_id = "get_profile", tag = "auth", responses((status = 200, body = ProfileAnswer)))]
pub(crate) async fn profile(State(app): State<App>, principal: Principal) -> Result<Json<ProfileAnswer>> {
    let profile = app.store().profile(principal.user, principal.workspace).await?;
    Ok(Json(ProfileAnswer {
        user: ProfileUser { id: principal.user.to_string(), email: profile.email },
        workspace: ProfileWorkspace { id: principal.workspace.to_string(), name: profile.workspace },
        role: principal.role.as_str(),
    }))
}

fn answer(app: &App, status: StatusCode, signed_in: SignedIn) -> Result<Response> {
    let cookie = cookie::keep(&signed_in.refresh_token, app.settings.is_secure());
    let body = TokenAnswer { access_token: signed_in.access_token, token_type: "Bearer", expires_in: signed_in.expires_in };
    Ok((status, [(header::SET_COOKIE, cookie)], Json(body)).into_response())
}

/// Two may follow the link at once; the slower one is told what everybody later is told.
fn lost_race(fault: ApiError) -> ApiError {
    match fault.status() {
        StatusCode::CONFLICT => ApiError::forbidden("already_set_up", "somebody owns this installation already; sign in instead"),
        _ => fault,
    }
}

/// Where a request comes from, as far as the proxies in front can be trusted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub IpAddr);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.0.ip());
        Ok(Self(forwarded(&parts.headers, app.settings.trusted_proxies).unwrap_or(peer)))
    }
}

/// Each trusted proxy has added one address at the end; what stands before them is the client's own claim.
fn forwarded(headers: &HeaderMap, proxies: u8) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let hops: Vec<_> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    hops.iter().rev().nth(usize::from(proxies.checked_sub(1)?))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_choose_its_address() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "6.6.6.6, 9.9.9.9".parse().unwrap());
        headers.append("x-forwarded-for", "10.0.0.1".parse().unwrap());
        assert_eq!(forwarded(&headers, 0), None);
        assert_eq!(forwarded(&headers, 1), "10.0.0.1".parse().ok());
        assert_eq!(forwarded(&headers, 2), "9.9.9.9".parse().ok());
        assert_eq!(forwarded(&headers, 4), None);
    }
}
