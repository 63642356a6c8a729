//! Which statuses are meant: `404`, `2xx`, `200-299`.

use std::{borrow::Cow, ops::RangeInclusive};

use reqwest::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};

use crate::params::Text;

/// Some statuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatusPattern(RangeInclusive<u16>);

impl StatusPattern {
    /// Whether one of these patterns means this status.
    pub(super) fn any(patterns: &[Self], status: StatusCode) -> bool {
        patterns.iter().any(|pattern| pattern.0.contains(&status.as_u16()))
    }

    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")).filter(|class| class.len() == 1);
        let range = match (digits, text.split_once('-')) {
            (Some(class), _) => {
                let first = class.parse::<u16>().ok()? * 100;
                first..=first + 99
            }
            (None, Some((first, last))) => first.trim().parse().ok()?..=last.trim().parse().ok()?,
            (None, None) => {
                let one = text.parse().ok()?;
                one..=one
            }
        };
        let is_real = |status: &u16| (100..=599).contains(status);
        (is_real(range.start()) && is_real(range.end()) && !range.is_empty()).then_some(Self(range))
    }
}

impl<'de> Deserialize<'de> for StatusPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        let odd = || D::Error::custom(format!("`{text}` is no status; write 404, 2xx or 200-299"));
        Self::read(&text).ok_or_else(odd)
    }
}

impl JsonSchema for StatusPattern {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StatusPattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "integer"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_say() {
        for (text, first, last) in [("404", 404, 404), (" 2xx", 200, 299), ("5XX", 500, 599), ("200-204", 200, 204)] {
            assert_eq!(StatusPattern::read(text), Some(StatusPattern(first..=last)), "{text}");
        }
        for text in ["", "99", "600", "xx", "22xx", "9xx", "0xx", "300-200", "2x", "-200", "200-", "two", "éxx"] {
            assert_eq!(StatusPattern::read(text), None, "{text}");
        }
    }
}
