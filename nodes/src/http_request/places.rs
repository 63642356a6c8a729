//! Places in JSON, as `data.items` names them.

use serde_json::Value;

/// A place in JSON: names and numbers, joined by dots; `-1` is the last of a list.
pub(super) fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(place(name, items.len())?),
        value => value.get(name),
    })
}

pub(super) fn find_mut<'v>(value: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    path.split('.').try_fold(value, |value, name| match value {
        Value::Array(items) => {
            let place = place(name, items.len())?;
            items.get_mut(place)
        }
        value => value.get_mut(name),
    })
}

fn place(name: &str, length: usize) -> Option<usize> {
    match name.strip_prefix('-') {
        Some(back) => length.checked_sub(back.parse().ok()?),
        None => name.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_page_is_found_or_not() {
        let page = serde_json::json!({"a": [{"b": 1}], "": 2});
        assert_eq!((find(&page, "a.0.b"), find(&page, "a.-1.b")), (Some(&1.into()), Some(&1.into())));
        for path in ["a.1", "a.b", "a.0.b.c", "x", "a..b", "a.-2", "a.-0", "a.--1", "a.-"] {
            assert_eq!(find(&page, path), None, "{path}");
        }
    }
}
