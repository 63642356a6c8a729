//! When a provider takes requests again that it has refused for want of quota.

use std::time::Duration;

use chrono::DateTime;
use flowforge_core::Timestamp;
use reqwest::{
    StatusCode,
    header::{self, HeaderMap},
};

/// What is counted, by the names in `anthropic-ratelimit-…-reset`.
const COUNTED: [&str; 5] = ["requests", "tokens", "input-tokens", "output-tokens", "unified"];

/// A refusal for want of quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// 429, or 529 when the provider has too much to do.
    pub(crate) status: u16,
    /// When it was refused, by the provider's clock.
    pub(crate) asked_at: Option<Timestamp>,
    /// When requests are taken again, by the provider's clock, if it says so.
    pub(crate) resets_at: Option<Timestamp>,
    /// The wait that was asked for.
    pub(crate) after: Option<Duration>,
}

impl Quota {
    /// What an answer says; nothing unless it is such a refusal.
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        if !matches!(status.as_u16(), 429 | 529) {
            return None;
        }
        let asked_at =
            text(headers, header::DATE.as_str()).and_then(|date| Some(DateTime::parse_from_rfc2822(date).ok()?.into()));
        let asked_at: Option<Timestamp> = asked_at.map(|date: DateTime<chrono::Utc>| Timestamp(date.timestamp_millis()));
        let after = wait(headers);
        let waited = after.and_then(|wait| Some(asked_at?.plus_ms(u64::try_from(wait.as_millis()).ok()?)));
        Some(Self { status: status.as_u16(), asked_at, resets_at: waited.or_else(|| reset(headers)), after })
    }
}

/// The wait that an answer asks for.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = text(headers, header::RETRY_AFTER.as_str())?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// When the last of the quotas that are used up begins anew; of all of them when nobody says which are.
fn reset(headers: &HeaderMap) -> Option<Timestamp> {
    let resets = |only_empty: bool| {
        let name = |what: &&&str| !only_empty || text(headers, &format!("anthropic-ratelimit-{what}-remaining")) == Some("0");
        COUNTED.iter().filter(name).filter_map(|what| time(text(headers, &format!("anthropic-ratelimit-{what}-reset"))?)).max()
    };
    resets(true).or_else(|| resets(false))
}

/// RFC 3339, or seconds since 1970.
fn time(text: &str) -> Option<Timestamp> {
    let seconds = text.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1000));
    seconds.or_else(|| Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis())).map(Timestamp)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resets(status: u16, headers: &[(&'static str, &str)]) -> Option<Option<i64>> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Quota::of(StatusCode::from_u16(status).unwrap(), &headers).map(|quota| quota.resets_at.map(|at| at.0 / 1000))
    }

    #[test]
    fn the_end_of_a_quota_is_read_from_whatever_header_there_is() {
        let date = ("date", "Thu, 01 Jan 1970 00:01:00 GMT");
        assert_eq!(resets(429, &[date, ("retry-after", "7")]), Some(Some(67)));
        assert_eq!(resets(529, &[date, ("retry-after", "1.5")]), Some(Some(61)));
        assert_eq!(resets(429, &[("anthropic-ratelimit-unified-reset", "500")]), Some(Some(500)));
        let several = [
            ("anthropic-ratelimit-requests-reset", "1970-01-01T00:02:00Z"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-tokens-reset", "1970-01-01T01:00:00Z"),
            ("anthropic-ratelimit-tokens-remaining", "40"),
        ];
        assert_eq!(resets(429, &several), Some(Some(120)), "only what is used up counts");
        assert_eq!(resets(429, &[]), Some(None));
        assert_eq!(resets(429, &[date, ("retry-after", "soon")]), Some(None));
        assert_eq!(resets(500, &[("retry-after", "7")]), None);
    }
}
