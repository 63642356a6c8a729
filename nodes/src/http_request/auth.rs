//! How a call signs in.

use base64::{Engine, prelude::BASE64_STANDARD};
use flowforge_core::node::NodeError;
use reqwest::header::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::request::add;
use crate::params::{Text, optional, or_default};

/// How to sign in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "scheme", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Auth {
    /// User and password.
    Basic {
        /// The user.
        user: Text,
        /// The password, best as `{{ secrets.NAME }}`.
        #[schemars(extend("x-widget" = "secret"))]
        password: Text,
    },
    /// A token in `Authorization`.
    Bearer {
        /// The token, best as `{{ secrets.NAME }}`.
        #[schemars(extend("x-widget" = "secret"))]
        token: Text,
    },
    /// A header of your choice.
    Header {
        /// The header's name.
        name: Text,
        /// Its value, best as `{{ secrets.NAME }}`.
        #[schemars(extend("x-widget" = "secret"))]
        value: Text,
    },
    /// A token that is fetched with a client's own credentials (OAuth 2.0) and kept until it expires. A secret that is bound to
    /// hosts must list the host of the token's address and the host that is called.
    #[schemars(title = "OAuth 2.0 client credentials")]
    OAuth2(ClientCredentials),
}

/// What a token is asked for with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientCredentials {
    /// Where tokens are given out.
    #[schemars(extend("x-placeholder" = "https://login.example.org/oauth2/token"))]
    pub(super) token_url: String,
    /// The client's name there.
    pub(super) client_id: Text,
    /// The client's secret, best as `{{ secrets.NAME }}`.
    #[schemars(extend("x-widget" = "secret"))]
    pub(super) client_secret: Text,
    /// What the token is to allow, separated by spaces.
    #[serde(default, deserialize_with = "optional")]
    pub(super) scope: Option<Text>,
    /// Whom the token is for, where the server asks for that.
    #[serde(default, deserialize_with = "optional")]
    pub(super) audience: Option<Text>,
    /// Where the client's name and secret are sent.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) credentials_in: CredentialsIn,
}

/// Where a client's name and secret are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum CredentialsIn {
    /// In `Authorization`.
    #[default]
    Header,
    /// In the form that asks for the token.
    Body,
}

impl Auth {
    /// Signs in with what is there already.
    pub(super) fn sign(&self, headers: &mut HeaderMap) -> Result<(), NodeError> {
        match self {
            Self::Basic { user, password } => add(headers, "authorization", &basic(user, password)),
            Self::Bearer { token } => add(headers, "authorization", &format!("Bearer {token}")),
            Self::Header { name, value } => add(headers, name, value),
            Self::OAuth2(_) => Ok(()),
        }
    }

    /// What a token is to be fetched with.
    pub(super) fn grant(&self) -> Option<&ClientCredentials> {
        match self {
            Self::OAuth2(credentials) => Some(credentials),
            Self::Basic { .. } | Self::Bearer { .. } | Self::Header { .. } => None,
        }
    }
}

pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}
