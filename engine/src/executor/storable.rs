//! What both databases can keep. PostgreSQL's JSON has no place for U+0000, so it is written out as the six characters
//! `\u0000`, on SQLite as well, so that both tell the same.

use serde_json::Value;

/// The character that cannot be kept.
const NUL: char = '\0';
/// What stands in its place.
const WRITTEN: &str = "\\u0000";

/// Whether a value holds something that cannot be kept.
pub(super) fn is_unstorable(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(NUL),
        Value::Array(items) => items.iter().any(is_unstorable),
        Value::Object(fields) => fields.iter().any(|(key, field)| key.contains(NUL) || is_unstorable(field)),
        _ => false,
    }
}

/// The value as it can be kept.
pub(crate) fn storable(value: Value) -> Value {
    if !is_unstorable(&value) {
        return value;
    }
    match value {
        Value::String(string) => Value::String(text(&string)),
        Value::Array(items) => items.into_iter().map(storable).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, field)| (text(&key), storable(field))).collect(),
        other => other,
    }
}

/// A text as it can be kept.
pub(crate) fn text(text: &str) -> String {
    text.replace(NUL, WRITTEN)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_nul_is_written_out_in_texts_and_keys() {
        assert_eq!(storable(json!({"a\0": ["b\0c", 1]})), json!({"a\\u0000": ["b\\u0000c", 1]}));
        assert!(!is_unstorable(&json!({"a": ["plain", null]})));
    }
}
