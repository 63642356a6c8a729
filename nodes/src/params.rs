//! How parameters are read: forms send empty fields, and templates put numbers where texts stand.

use std::{borrow::Cow, fmt, ops::Deref, time::Duration};

use flowforge_core::{
    node::{NodeError, Wake},
    params::ParamsProblem,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use serde_json::Value;

/// The longest wait: ten years, in seconds.
const LONGEST_WAIT_S: f64 = 315_360_000.0;

/// A text; numbers and booleans that a template put there are written out, and `null` is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Null => Ok(Self::default()),
            value @ (Value::Number(_) | Value::Bool(_)) => Ok(Self(value.to_string())),
            Value::Array(_) => Err(D::Error::custom("a text is expected, not an array")),
            Value::Object(_) => Err(D::Error::custom("a text is expected, not an object")),
        }
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// Reads an optional parameter: a field that was left empty is absent.
pub(crate) fn optional<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        value => serde_json::from_value(value).map(Some).map_err(D::Error::custom),
    }
}

/// Reads a parameter with a default: a field that was left empty has it.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    optional(deserializer).map(Option::unwrap_or_default)
}

/// The error of a parameter that makes no sense.
pub(crate) fn invalid(message: impl Into<String>) -> NodeError {
    NodeError::fatal("INVALID_PARAMETER", message)
}

/// Whether a text is not what it will be when its step runs.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// A text of which is known what it will be.
pub(crate) fn known(text: Option<&Text>) -> Option<&Text> {
    text.filter(|text| !is_template(text))
}

/// What is wrong with parameters whose templates are not resolved yet.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<ParamsProblem>);

impl Problems {
    /// Takes note of a parameter that makes no sense; its path is like `server.host` or `to.0`.
    pub(crate) fn note<T>(&mut self, field: &str, checked: Result<T, NodeError>) {
        if let Err(fault) = checked {
            self.0.push(ParamsProblem { code: "invalid_parameter", field: field.to_owned(), message: fault.message });
        }
    }

    /// Takes note of a parameter that is not there.
    pub(crate) fn missing(&mut self, field: &str, message: &str) {
        self.0.push(ParamsProblem { code: "missing_parameter", field: field.to_owned(), message: message.to_owned() });
    }

    /// All of them.
    pub(crate) fn all(self) -> Vec<ParamsProblem> {
        self.0
    }
}

/// A limit of so many seconds, which the parameter of this name gives.
pub(crate) fn duration(name: &str, seconds: f64) -> Result<Duration, NodeError> {
    let read = Duration::try_from_secs_f64(seconds).ok().filter(|limit| !limit.is_zero());
    read.ok_or_else(|| invalid(format!("`{name}` cannot be {seconds}")))
}

/// A wait of so many seconds, which the parameter of this name gives.
pub(crate) fn wait(name: &str, seconds: f64) -> Result<Wake, NodeError> {
    if !(0.0..=LONGEST_WAIT_S).contains(&seconds) {
        return Err(invalid(format!("`{name}` must be 0 to {LONGEST_WAIT_S}, not {seconds}")));
    }
    Ok(Wake::After(Duration::from_secs_f64(seconds)))
}

/// The limit of a wait that has one.
pub(crate) fn within(timeout_s: Option<f64>) -> Result<Option<Wake>, NodeError> {
    timeout_s.map(|seconds| wait("timeout_s", seconds)).transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Params {
        text: Text,
        #[serde(default, deserialize_with = "optional")]
        count: Option<u64>,
        #[serde(default, deserialize_with = "or_default")]
        flag: bool,
    }

    #[test]
    fn an_empty_field_is_absent_and_a_number_may_stand_for_a_text() {
        let params: Params = serde_json::from_value(json!({"text": 5, "count": "", "flag": null})).unwrap();
        assert_eq!((&*params.text, params.count, params.flag), ("5", None, false));
        assert!(serde_json::from_value::<Params>(json!({"text": [1]})).is_err());
        assert!(serde_json::from_value::<Params>(json!({"text": "", "count": "many"})).is_err());
    }
}
