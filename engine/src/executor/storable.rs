//! What both databases can keep, and give back. PostgreSQL's JSON has no place for U+0000, so it is written out as the six characters
//! `\u0000`, on SQLite as well, so that both tell the same. A key that looks like the mark of a reference is kept as another one.

use serde_json::Value;

use crate::{
    blob::{INLINE, is_mark, marked},
    error::{Error, Result},
};

/// The deepest nesting of a value. What is read back may have 127 levels, a few of which are the record's own.
pub(crate) const DEEPEST: usize = 100;

/// The character that cannot be kept.
const NUL: char = '\0';
/// What stands in its place.
const WRITTEN: &str = "\\u0000";

/// Whether a value holds something that cannot be kept.
pub(super) fn is_unstorable(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(NUL),
        Value::Array(items) => items.iter().any(is_unstorable),
        Value::Object(fields) => fields.iter().any(|(key, field)| key.contains(NUL) || is_mark(key) || is_unstorable(field)),
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
        Value::Object(fields) => fields.into_iter().map(|(key, field)| (marked(text(&key)), storable(field))).collect(),
        other => other,
    }
}

/// What comes from outside, as it can be kept.
///
/// # Errors
/// `BadInput` when it is nested deeper than what can be read back.
pub(crate) fn storable_input(value: Value) -> Result<Value> {
    match is_too_deep(&value, 0) {
        true => {
            Err(Error::BadInput(format!("the value is nested more than {DEEPEST} levels deep: send it as a text that holds it")))
        }
        false => Ok(storable(value)),
    }
}

/// Whether a value is nested too deep to be kept under so many levels more.
pub(crate) fn is_too_deep(value: &Value, above: usize) -> bool {
    size(value, DEEPEST.saturating_sub(above)).is_none()
}

/// The value as JSON. Much faster than its `Display`, which goes through a formatter.
pub(crate) fn json_text(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| value.to_string())
}

/// A text as it can be kept.
pub(crate) fn text(text: &str) -> String {
    text.replace(NUL, WRITTEN)
}

/// What is recorded for those who look at it and for nothing else: what is too large or too deep is left out.
pub(super) fn noted(value: Value) -> Value {
    match size(&value, DEEPEST) {
        Some(bytes) if bytes <= INLINE => storable(value),
        Some(bytes) => Value::String(format!("(not recorded: about {bytes} bytes)")),
        None => Value::String(format!("(not recorded: nested more than {DEEPEST} levels deep)")),
    }
}

/// About how many bytes a value has as JSON: not less than a sixth.
pub(crate) fn roughly(value: &Value) -> usize {
    size(value, usize::MAX).unwrap_or(usize::MAX)
}

/// About how many bytes a value has as JSON; nothing when it has more levels than these.
pub(super) fn size(value: &Value, levels: usize) -> Option<usize> {
    let below = || levels.checked_sub(1);
    match value {
        Value::String(text) => Some(text.len() + 2),
        Value::Array(items) => below().and_then(|levels| items.iter().map(|item| Some(size(item, levels)? + 1)).sum()),
        Value::Object(fields) => {
            below().and_then(|levels| fields.iter().map(|(key, field)| Some(size(field, levels)? + key.len() + 4)).sum())
        }
        _ => Some(4),
    }
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
