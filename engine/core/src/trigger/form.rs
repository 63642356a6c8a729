//! How parameters are read that come from a form: a field that was left empty is absent.

use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::Value;

/// Reads an optional parameter.
///
/// # Errors
/// When it is neither empty nor what is expected.
pub(super) fn optional<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        value => serde_json::from_value(value).map(Some).map_err(D::Error::custom),
    }
}

/// Reads a parameter that has a default.
///
/// # Errors
/// When it is neither empty nor what is expected.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    optional(deserializer).map(Option::unwrap_or_default)
}
