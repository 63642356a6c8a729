//! Who sends a request: signatures over its bytes exactly as they came, and passwords. Nothing is compared in a time that depends
//! on how much of it is right.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    form::{optional, or_default},
    headers::Headers,
};
use crate::{params::ParamsProblem, time::Timestamp};

/// How far the time that a signature covers may be from now, in seconds.
const TOLERANCE_S: i64 = 300;
/// The header of GitHub's signature, and how many bytes that has.
const GITHUB: &str = "x-hub-signature-256";
const GITHUB_BYTES: usize = 32;
/// The most signatures that one header may offer.
const MOST_OFFERED: usize = 10;

/// How callers prove who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// What they send.
    #[serde(default, deserialize_with = "or_default")]
    pub scheme: Scheme,
    /// The name of the secret that they share with this workspace, for example `ORDERS_KEY`; for `basic` its value is
    /// `user:password`.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "secret", "x-shown-when" = with_secret()))]
    pub secret: Option<String>,
    /// The name of the secret before it, which counts as well for 24 hours after the version that names it was published.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "secret", "x-shown-when" = with_secret()))]
    pub previous_secret: Option<String>,
    /// The header of the signature or the token; `X-Signature` or `Authorization` when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-placeholder" = "X-Signature", "x-shown-when" = {"scheme": ["hmac_sha256", "bearer"]}))]
    pub header: Option<String>,
    /// What stands before the signature in that header, for example `sha256=`.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-placeholder" = "sha256=", "x-shown-when" = {"scheme": ["hmac_sha256"]}))]
    pub prefix: Option<String>,
    /// How the signature is written.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-shown-when" = {"scheme": ["hmac_sha256"]}))]
    pub encoding: Encoding,
    /// The header with the time in seconds that the sender signs as `time.body`; the body alone is signed when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-placeholder" = "X-Timestamp", "x-shown-when" = {"scheme": ["hmac_sha256"]}))]
    pub timestamp_header: Option<String>,
    /// Whether the same signed bytes begin one run only, whatever the sender calls them, for 30 days. Yes when the signature covers
    /// a time, and for GitHub, whose signatures do not cover the delivery's id; else no when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-shown-when" = {"scheme": ["hmac_sha256", "github", "slack", "stripe"]}))]
    pub once: Option<bool>,
}

/// Fields that every scheme has but `none`.
fn with_secret() -> serde_json::Value {
    serde_json::json!({"scheme": ["hmac_sha256", "github", "gitlab", "slack", "stripe", "bearer", "basic"]})
}

/// What callers send to prove who they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Nothing: whoever knows the address may call.
    #[default]
    #[schemars(title = "Nothing")]
    None,
    /// A header with an HMAC-SHA256 of the body.
    #[schemars(title = "HMAC-SHA256 signature")]
    HmacSha256,
    /// `X-Hub-Signature-256`, as GitHub does.
    #[schemars(title = "GitHub signature")]
    Github,
    /// `X-Gitlab-Token`, as GitLab does.
    #[schemars(title = "GitLab token")]
    Gitlab,
    /// `X-Slack-Signature`, as Slack does.
    #[schemars(title = "Slack signature")]
    Slack,
    /// `Stripe-Signature`, as Stripe does.
    #[schemars(title = "Stripe signature")]
    Stripe,
    /// `Authorization: Bearer …`, or the bare token in a header of your own.
    #[schemars(title = "Bearer token")]
    Bearer,
    /// `Authorization: Basic …`.
    #[schemars(title = "User and password")]
    Basic,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hexadecimal digits in lower case.
    #[default]
    #[schemars(title = "Hexadecimal digits")]
    Hex,
    /// Base64.
    #[schemars(title = "Base64")]
    Base64,
}

/// Why a request is not believed. Says nothing that helps to guess.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing that proves anything.
    #[error("the header `{0}` is missing, or there are several")]
    Missing(String),
    /// It has another form.
    #[error("the header `{0}` is not of the form that the scheme has")]
    Malformed(String),
    /// It is not right.
    #[error("the signature or the password is not right")]
    Wrong,
    /// The time that it covers is too far from now.
    #[error("the request was signed more than {TOLERANCE_S} s ago, or in the future")]
    Stale,
}

/// A request that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// SHA-256 of everything that was signed, in hexadecimal digits, when the same bytes may count once only.
    pub once: Option<String>,
}

/// A request whose sender is in question.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Its headers.
    pub headers: &'a Headers,
    /// Its body, exactly as it came.
    pub body: &'a [u8],
    /// The time now.
    pub now: Timestamp,
}

impl Auth {
    /// Whether there is anything to prove, and with it a secret.
    pub fn is_asked_for(&self) -> bool {
        self.scheme != Scheme::None
    }

    /// Believes a request or does not. An empty secret is nobody's.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(&self, secret: &[u8], claim: Claim) -> Result<Proof, Refusal> {
        if self.is_asked_for() && secret.is_empty() {
            return Err(Refusal::Wrong);
        }
        match self.scheme {
            Scheme::None => Ok(Proof { once: None }),
            Scheme::HmacSha256 => self.plain(secret, claim),
            Scheme::Github => self.signed(secret, &[claim.body], &[one(claim, GITHUB, "sha256=", Encoding::Hex)?], true),
            Scheme::Gitlab => password(secret, claim, "x-gitlab-token", ""),
            Scheme::Slack => self.slack(secret, claim),
            Scheme::Stripe => self.stripe(secret, claim),
            Scheme::Bearer => match &self.header {
                Some(header) if !header.eq_ignore_ascii_case("authorization") => password(secret, claim, header, ""),
                _ => password(secret, claim, "authorization", "bearer "),
            },
            Scheme::Basic => password(STANDARD.encode(secret).as_bytes(), claim, "authorization", "basic "),
        }
    }

    /// Refuses what cannot be GitHub's signature of anything, before a body is read for it.
    ///
    /// # Errors
    /// What is missing or malformed.
    pub fn check_github(headers: &Headers) -> Result<(), Refusal> {
        let claim = Claim { headers, body: &[], now: Timestamp(0) };
        let offered = one(claim, GITHUB, "sha256=", Encoding::Hex)?;
        <[u8; GITHUB_BYTES]>::try_from(offered).map(drop).map_err(|_| Refusal::Malformed(GITHUB.to_owned()))
    }

    fn plain(&self, secret: &[u8], claim: Claim) -> Result<Proof, Refusal> {
        let header = self.header.as_deref().unwrap_or("x-signature");
        let offered = one(claim, header, self.prefix.as_deref().unwrap_or_default(), self.encoding)?;
        match &self.timestamp_header {
            None => self.signed(secret, &[claim.body], &[offered], false),
            Some(name) => {
                let time = fresh(get(claim, name)?, name, claim.now)?;
                self.signed(secret, &[time.as_bytes(), b".", claim.body], &[offered], true)
            }
        }
    }

    fn slack(&self, secret: &[u8], claim: Claim) -> Result<Proof, Refusal> {
        let offered = one(claim, "x-slack-signature", "v0=", Encoding::Hex)?;
        let time = "x-slack-request-timestamp";
        let time = fresh(get(claim, time)?, time, claim.now)?;
        self.signed(secret, &[b"v0:", time.as_bytes(), b":", claim.body], &[offered], true)
    }

    /// `t=…,v1=…`, with several of the latter while its sender changes secrets.
    fn stripe(&self, secret: &[u8], claim: Claim) -> Result<Proof, Refusal> {
        const HEADER: &str = "stripe-signature";
        let parts: Vec<_> = get(claim, HEADER)?.split(',').filter_map(|part| part.trim().split_once('=')).collect();
        let malformed = || Refusal::Malformed(HEADER.to_owned());
        let times: Vec<_> = parts.iter().filter(|(name, _)| *name == "t").collect();
        let [(_, time)] = times.as_slice() else { return Err(malformed()) };
        let offered = parts.iter().filter(|(name, _)| *name == "v1").take(MOST_OFFERED);
        let offered: Option<Vec<_>> = offered.map(|(_, text)| decoded(text, Encoding::Hex)).collect();
        let offered = offered.filter(|offered| !offered.is_empty()).ok_or_else(malformed)?;
        let time = fresh(time, HEADER, claim.now)?;
        self.signed(secret, &[time.as_bytes(), b".", claim.body], &offered, true)
    }

    /// Whether one of the signatures offered is that of these parts.
    fn signed(&self, secret: &[u8], parts: &[&[u8]], offered: &[Vec<u8>], once: bool) -> Result<Proof, Refusal> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| Refusal::Wrong)?;
        parts.iter().for_each(|part| mac.update(part));
        let right = mac.finalize().into_bytes();
        if !offered.iter().fold(false, |found, offered| found | same(&right, offered)) {
            return Err(Refusal::Wrong);
        }
        let hash = || parts.iter().fold(Sha256::new(), Sha256::chain_update).finalize();
        Ok(Proof { once: self.once.unwrap_or(once).then(|| hex(&hash())) })
    }

    /// All that is wrong with it.
    pub fn check(&self, field: &str) -> Vec<ParamsProblem> {
        let mut problems = Vec::new();
        let mut fault = |code, name: &str, message: String| {
            problems.push(ParamsProblem { code, field: format!("{field}.{name}"), message });
        };
        if self.is_asked_for() && self.secret.is_none() {
            let message = "is required: the name of the secret that callers share with this workspace".to_owned();
            fault("missing_parameter", "secret", message);
        }
        for (name, secret) in [("secret", &self.secret), ("previous_secret", &self.previous_secret)] {
            if secret.as_deref().is_some_and(|name| !is_secret_name(name)) {
                fault("invalid_parameter", name, "must be the name of a secret, like ORDERS_KEY, and not its value".to_owned());
            }
        }
        for (name, header) in [("header", &self.header), ("timestamp_header", &self.timestamp_header)] {
            if header.as_deref().is_some_and(|name| !is_header_name(name)) {
                fault("invalid_parameter", name, "must be the name of a header, like X-Signature".to_owned());
            }
        }
        if self.prefix.as_deref().is_some_and(|prefix| prefix.len() > 64 || !prefix.bytes().all(|b| (0x20..0x7f).contains(&b))) {
            fault("invalid_parameter", "prefix", "must be at most 64 visible characters".to_owned());
        }
        problems
    }
}

/// The one comparison of everything that is secret: the time that it takes says nothing about where two texts differ.
fn same(right: &[u8], offered: &[u8]) -> bool {
    Sha256::digest(right).ct_eq(&Sha256::digest(offered)).into()
}

fn password(secret: &[u8], claim: Claim, header: &str, scheme: &str) -> Result<Proof, Refusal> {
    let text = get(claim, header)?;
    let has_scheme = text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let offered = text.get(scheme.len()..).filter(|_| has_scheme).ok_or_else(|| Refusal::Malformed(header.to_owned()))?;
    if same(secret, offered.as_bytes()) { Ok(Proof { once: None }) } else { Err(Refusal::Wrong) }
}

fn get<'a>(claim: Claim<'a>, header: &str) -> Result<&'a str, Refusal> {
    claim.headers.only(header).ok_or_else(|| Refusal::Missing(header.to_owned()))
}

/// The one signature in a header.
fn one(claim: Claim, header: &str, prefix: &str, encoding: Encoding) -> Result<Vec<u8>, Refusal> {
    let bytes = get(claim, header)?.strip_prefix(prefix).and_then(|text| decoded(text, encoding));
    bytes.ok_or_else(|| Refusal::Malformed(header.to_owned()))
}

/// A time that is near enough, as it was written: that is what was signed.
fn fresh<'a>(text: &'a str, header: &str, now: Timestamp) -> Result<&'a str, Refusal> {
    let seconds: i64 = text.parse().map_err(|_| Refusal::Malformed(header.to_owned()))?;
    let away = (now.0 / 1_000).abs_diff(seconds);
    if away <= TOLERANCE_S.unsigned_abs() { Ok(text) } else { Err(Refusal::Stale) }
}

fn decoded(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Base64 => STANDARD.decode(text).ok(),
        Encoding::Hex => {
            let digit = |byte: u8| match byte {
                b'0'..=b'9' => Some(byte - b'0'),
                b'a'..=b'f' => Some(byte - b'a' + 10),
                _ => None,
            };
            let (pairs, rest) = text.as_bytes().as_chunks::<2>();
            let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
            bytes.collect::<Option<_>>().filter(|_| rest.is_empty())
        }
    }
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn is_secret_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

pub(super) fn is_header_name(name: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=128).contains(&name.len()) && name.bytes().all(is_token)
}

#[cfg(test)]
mod tests;
