//! Which database is meant: separate parameters, or one URL.

use std::{borrow::Cow, net::IpAddr};

use flowforge_core::node::NodeError;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Params;
use crate::{
    egress::{OwnServer, OwnService, is_same},
    params::invalid,
};

/// Where PostgreSQL listens when nobody says otherwise.
const USUAL_PORT: u16 = 5432;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tls {
    /// Encrypted, to a server whose certificate is good for its name.
    Require,
    /// Encrypted where the server offers it, whoever it is: only for networks that you trust.
    Prefer,
    /// Never encrypted: only for networks that you trust.
    Disable,
}

/// A database and who asks for it. Has no `Debug`, since it holds a password.
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) password: Option<String>,
    /// As the author chose.
    pub(super) tls: Option<Tls>,
    pub(super) ca_certificate: Option<String>,
}

impl Target {
    /// Reads the parameters of the connection.
    pub(super) fn of(params: &Params) -> Result<Self, NodeError> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let mut target = match given(&params.url) {
            Some(url) => {
                let beside = [("host", &params.host), ("database", &params.database), ("user", &params.user)];
                if let Some((name, _)) = beside.iter().find(|(_, text)| !text.is_empty()) {
                    return Err(invalid(format!("`{name}` cannot stand beside `url`; remove one of them")));
                }
                Self::from_url(&url)?
            }
            None => Self {
                host: given(&params.host).ok_or_else(|| invalid("`host` or `url` is required"))?,
                port: USUAL_PORT,
                database: given(&params.database).ok_or_else(|| invalid("`database` is required"))?,
                user: given(&params.user).ok_or_else(|| invalid("`user` is required"))?,
                password: None,
                tls: None,
                ca_certificate: None,
            },
        };
        target.port = params.port.unwrap_or(target.port);
        target.password = given(&params.password).or(target.password);
        target.tls = params.tls.or(target.tls);
        target.ca_certificate = given(&params.ca_certificate);
        target.checked()
    }

    /// Reads `postgres://user:password@host:port/database?sslmode=require`. Nothing of the URL is ever shown.
    pub(super) fn from_url(text: &str) -> Result<Self, NodeError> {
        let url = Url::parse(text).map_err(|fault| invalid(format!("`url` is not an address: {fault}")))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(invalid("`url` must begin with postgres:// or postgresql://"));
        }
        let mut tls = None;
        for (name, value) in url.query_pairs() {
            match &*name {
                "sslmode" => tls = Some(tls_of(&value)?),
                _ => return Err(invalid(format!("`url` has the setting `{}`, which is not read here", name.escape_debug()))),
            }
        }
        let user = plain(url.username())?;
        let database = plain(url.path().trim_start_matches('/'))?;
        Ok(Self {
            host: plain(url.host_str().unwrap_or_default())?.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(USUAL_PORT),
            database: if database.is_empty() { user.clone() } else { database },
            user,
            password: url.password().map(plain).transpose()?,
            tls,
            ca_certificate: None,
        })
    }

    /// The protocol ends its texts with U+0000, so none may hold one.
    fn checked(self) -> Result<Self, NodeError> {
        let texts = [("host", &self.host), ("database", &self.database), ("user", &self.user)];
        if let Some((name, _)) = texts.iter().find(|(_, text)| text.is_empty()) {
            return Err(invalid(format!("`url` names no {name}")));
        }
        let password = self.password.iter().map(|text| ("password", text));
        let fault = texts.into_iter().chain(password).find(|(_, text)| text.contains('\0')).map(|(name, _)| name);
        match fault {
            Some(name) => Err(invalid(format!("the {name} holds U+0000, which no {name} can"))),
            None => Ok(self),
        }
    }

    /// How it is named in messages: without user and password.
    pub(super) fn shown(&self) -> String {
        format!("`{}:{}/{}`", self.host.escape_debug(), self.port, self.database.escape_debug())
    }
}

/// Undoes percent-encoding.
fn plain(text: &str) -> Result<String, NodeError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| invalid("`url` holds bytes that are no UTF-8"))
}

/// The words of libpq.
fn tls_of(mode: &str) -> Result<Tls, NodeError> {
    match mode {
        "disable" => Ok(Tls::Disable),
        "allow" | "prefer" => Ok(Tls::Prefer),
        "require" | "verify-ca" | "verify-full" => Ok(Tls::Require),
        _ => Err(invalid("`sslmode` in `url` must be disable, prefer, require or verify-full")),
    }
}

/// The database in which FlowForge itself keeps its rows: no step may reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnDatabase {
    host: String,
    port: u16,
    database: String,
}

impl OwnDatabase {
    /// Reads the URL that the server itself connects with; the password in it is not kept. Nothing, when it is none of PostgreSQL's.
    pub fn from_url(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok().filter(|url| url.scheme().starts_with("postgres"))?;
        let given = |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
        let host = given("host").or_else(|| plain(url.host_str()?).ok()).unwrap_or_default();
        let path = plain(url.path().trim_start_matches('/')).ok()?;
        let named = given("dbname").or(Some(path).filter(|name| !name.is_empty()));
        Some(Self {
            host: if host.is_empty() || host.starts_with('/') { "localhost".to_owned() } else { host },
            port: given("port").and_then(|port| port.parse().ok()).or(url.port()).unwrap_or(USUAL_PORT),
            database: named.or_else(|| plain(url.username()).ok())?,
        })
    }

    /// Whether this is what is about to be asked, at the address that was dialled.
    pub(super) async fn is(&self, target: &Target, address: IpAddr) -> bool {
        if (self.port, &self.database) != (target.port, &target.database) {
            return false;
        }
        let host = self.host.trim_matches(['[', ']']);
        let found = tokio::net::lookup_host((host, self.port)).await;
        let is_own = found.is_ok_and(|mut found| found.any(|own| is_same(own.ip(), address)));
        // When its own name cannot be resolved just now, the name itself must do.
        is_own || host.eq_ignore_ascii_case(&target.host)
    }

    /// The server that it is in.
    pub(crate) fn server(&self) -> OwnServer {
        OwnServer::new(OwnService::Database, &self.host, self.port)
    }
}
