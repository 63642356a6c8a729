//! Where models are, whose key is used, and what they cost: what the operator decides.

use std::sync::Arc;

use flowforge_core::{
    node::{Context, NodeError},
    secret::{SecretHosts, SecretValue},
};
use reqwest::{Url, header::HeaderValue};

use super::{InvalidPrices, Prices};
use crate::params::invalid;

/// Anthropic's own address.
const ANTHROPIC: &str = "https://api.anthropic.com";

/// How models are reached and what they cost.
#[derive(Debug, Clone)]
pub struct ModelsConfig {
    base_url: Url,
    api_key: Option<SecretValue>,
    prices: Arc<Prices>,
}

/// Settings for models that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidModels {
    /// The address is none.
    #[error("FLOWFORGE_ANTHROPIC_BASE_URL must be of the form https://host or https://host/path")]
    BaseUrl,
    /// The key cannot be sent.
    #[error("FLOWFORGE_ANTHROPIC_API_KEY holds a sign that no key has")]
    ApiKey,
    /// The prices are none.
    #[error("FLOWFORGE_PRICES: {0}")]
    Prices(#[from] InvalidPrices),
}

impl ModelsConfig {
    /// An address (Anthropic's own when absent), a key for all whose nodes name none of their own, and prices in JSON (those of this
    /// version when absent).
    ///
    /// # Errors
    /// Says which of them cannot be used.
    pub fn new(base_url: Option<&str>, api_key: Option<String>, prices: Option<&str>) -> Result<Self, InvalidModels> {
        let base_url = base(base_url.unwrap_or(ANTHROPIC)).ok_or(InvalidModels::BaseUrl)?;
        let api_key = api_key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        if api_key.as_deref().is_some_and(|key| HeaderValue::from_str(key).is_err()) {
            return Err(InvalidModels::ApiKey);
        }
        let prices = prices.map_or_else(Prices::built_in, Prices::read)?;
        Ok(Self { base_url, api_key: api_key.map(SecretValue::new), prices: Arc::new(prices) })
    }
}

/// An address without credentials and query, its path without a slash at the end.
fn base(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim().trim_end_matches('/')).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    (is_plain && matches!(url.scheme(), "https" | "http") && url.has_host()).then_some(url)
}

/// How models are reached, for the nodes of this process.
#[derive(Debug)]
pub(crate) struct Models(ModelsConfig);

impl Models {
    pub(crate) fn new(config: ModelsConfig) -> Self {
        Self(config)
    }

    pub(crate) fn prices(&self) -> Arc<Prices> {
        self.0.prices.clone()
    }

    /// Where an attempt asks: with its own key if it has one, else with the operator's.
    ///
    /// # Errors
    /// `API_KEY_MISSING` when there is neither; `INVALID_PARAMETER` when its own is none.
    pub(crate) fn upstream(&self, own: Option<&str>, cx: &Context) -> Result<Upstream, NodeError> {
        let own = own.map(str::trim).filter(|key| !key.is_empty());
        if own.is_some_and(|key| HeaderValue::from_str(key).is_err()) {
            return Err(invalid("`api_key` holds a sign that no key has"));
        }
        let api_key = own.map(|key| SecretValue::new(key.to_owned())).or_else(|| self.0.api_key.clone()).ok_or_else(|| {
            let message = "there is no key for the model: give `api_key`, best as {{ secrets.ANTHROPIC_API_KEY }}, or let the \
                           operator set FLOWFORGE_ANTHROPIC_API_KEY";
            NodeError::fatal("API_KEY_MISSING", message)
        })?;
        Ok(Upstream { base_url: self.0.base_url.clone(), api_key, secret_hosts: cx.secret_hosts.clone() })
    }
}

/// A server that speaks the Messages API, and the key for it.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    /// What stands before `/v1/messages`.
    pub(crate) base_url: Url,
    /// The real key. It is given to this server and to nobody else.
    pub(crate) api_key: SecretValue,
    /// Where the secrets of the attempt may be sent.
    pub(crate) secret_hosts: SecretHosts,
}

impl Upstream {
    /// The address of a path that begins with a slash.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base_url.clone();
        url.set_path(&format!("{}{path}", self.base_url.path().trim_end_matches('/')));
        url
    }

    /// The key as a header, which is not printed.
    pub(crate) fn key(&self) -> Result<HeaderValue, NodeError> {
        let mut key =
            HeaderValue::from_str(self.api_key.expose()).map_err(|_| invalid("the key holds a sign that no key has"))?;
        key.set_sensitive(true);
        Ok(key)
    }

    /// A text of the server's, without the key, should it have repeated it.
    pub(crate) fn without_key(&self, text: &str) -> String {
        text.replace(self.api_key.expose(), "…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_path() {
        for (base, url) in [
            ("https://gateway.example.org/anthropic/", "https://gateway.example.org/anthropic/v1/messages"),
            ("https://api.anthropic.com", "https://api.anthropic.com/v1/messages"),
        ] {
            let config = ModelsConfig::new(Some(base), Some(" key\n".to_owned()), None).unwrap();
            let cx = crate::testing::Bench::new("set").cx;
            let upstream = Models::new(config).upstream(None, &cx).unwrap();
            assert_eq!((upstream.url("/v1/messages").as_str(), upstream.api_key.expose()), (url, "key"));
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for base in ["", "api.anthropic.com", "ftp://x", "https://user:pass@x", "https://x?key=1"] {
            assert!(matches!(ModelsConfig::new(Some(base), None, None), Err(InvalidModels::BaseUrl)), "{base}");
        }
        assert!(matches!(ModelsConfig::new(None, Some("a\nb".to_owned()), None), Err(InvalidModels::ApiKey)));
        assert!(matches!(ModelsConfig::new(None, None, Some("[]")), Err(InvalidModels::Prices(_))));
        let keyless = Models::new(ModelsConfig::new(None, Some(String::new()), None).unwrap());
        let cx = crate::testing::Bench::new("set").cx;
        assert_eq!(keyless.upstream(Some(""), &cx).unwrap_err().code, "API_KEY_MISSING");
        assert!(!format!("{:?}", keyless.upstream(Some("sk-1"), &cx).unwrap()).contains("sk-1"));
    }
}
