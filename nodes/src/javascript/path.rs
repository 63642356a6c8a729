//! What needs no JavaScript: plain paths, and what JavaScript calls true.

use std::{collections::BTreeMap, sync::Arc};

use flowforge_core::{
    expression::{Expression, Root, Segment},
    node::Context,
    template::Template,
};
use serde_json::Value;

/// An expression without what people add to it out of habit: a semicolon, or the braces of a template.
pub(super) fn bare(code: &str) -> &str {
    let code = code.trim();
    let inner = code.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).map_or(code, str::trim);
    inner.trim_end_matches(|c: char| c == ';' || c.is_whitespace())
}

/// The value of a plain path; nothing when it is more than that.
pub(super) fn follow(code: &str, cx: &Context) -> Option<Value> {
    // `input` is the node's own, so the template language does not know it: it is read as the item of a scope of one.
    if let Some(rest) = code.strip_prefix("input") {
        return item_path(&format!("item{rest}")).map(|path| walk(&cx.input, &path).cloned().unwrap_or_default());
    }
    match Expression::parse(code) {
        path @ Expression::Path(..) => Template::Whole(path).render(&cx.scope, &BTreeMap::new()).ok(),
        Expression::Script(_) => None,
    }
}

/// For each item, whether a plain path from `item` leads to something true; nothing when the code is more than that.
pub(super) fn of_items(code: &str, items: &[Value]) -> Option<Vec<bool>> {
    let path = item_path(code)?;
    Some(items.iter().map(|item| walk(item, &path).is_some_and(is_true)).collect())
}

fn item_path(code: &str) -> Option<Arc<[Segment]>> {
    match Expression::parse(code) {
        Expression::Path(Root::Item, path) => Some(path.into()),
        _ => None,
    }
}

fn walk<'v>(value: &'v Value, path: &[Segment]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get(key.as_str()),
        Segment::Index(index) => value.get(*index),
    })
}

/// Whether JavaScript takes a value for true.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}
