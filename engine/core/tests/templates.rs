//! Templates and expressions on random values and random text.

#[path = "support/seeded.rs"]
mod seeded;

use std::{collections::BTreeMap, sync::Arc};

use flowforge_core::{
    expression::{Expression, references_in_script},
    template::{NoSecrets, Scope, Template},
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::Index,
};
use serde_json::{Value, json};

use crate::seeded::check;

#[test]
fn a_value_survives_a_whole_expression() {
    check(500, &values(), |value| assert_eq!(rendered(&json!("{{ trigger }}"), &value), value));
}

#[test]
fn a_path_leads_to_its_value() {
    check(1_000, &(values(), vec(any::<Index>(), 0..6)), |(value, way)| {
        let (path, found) = walk(&value, &way);
        assert_eq!(rendered(&json!(format!("{{{{trigger{path}}}}}")), &value), *found, "{path}");
    });
}

#[test]
fn a_path_that_leads_out_is_null() {
    check(500, &(values(), vec(any::<Index>(), 0..6)), |(value, way)| {
        let (path, _) = walk(&value, &way);
        assert_eq!(rendered(&json!(format!("{{{{ trigger{path}.nowhere[7] }}}}")), &value), Value::Null, "{path}");
    });
}

#[test]
fn in_a_text_a_string_stands_as_it_is() {
    check(500, &(tricky(), "[^{]{0,8}", "[^{]{0,8}"), |(value, before, after)| {
        let text = format!("{before}{{{{ trigger }}}}{after}");
        let whole = before.is_empty() && after.is_empty();
        assert!(whole || rendered(&json!(text), &json!(value)) == json!(format!("{before}{value}{after}")));
    });
}

#[test]
fn every_string_of_a_parameter_is_filled_in() {
    check(300, &(values(), values()), |(parameter, value)| {
        let expected = fill(&parameter, &value);
        assert_eq!(rendered(&fill(&parameter, &json!("{{ trigger }}")), &value), expected);
    });
}

#[test]
fn what_holds_no_braces_is_left_alone() {
    check(500, &values(), |value| assert_eq!(Template::parse(&value), Ok(Template::Literal(value))));
}

#[test]
fn no_text_makes_the_parser_panic() {
    check(3_000, &tricky(), |text| {
        drop(Expression::parse(&text).references());
        drop(references_in_script(&text));
        if let Ok(template) = Template::parse_text(&text) {
            template.expressions().into_iter().for_each(|expression| drop(expression.references()));
            drop(template.render(&scope(&Value::Null), &BTreeMap::new()));
            drop(template.render_shell(&scope(&Value::Null), &BTreeMap::new()));
        }
    });
}

/// Text of any letters, with many of those that mean something.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            "{{", "}}", "{", "}", "\"", "'", "`", "\\", ".", "[", "]", "...", " ", "é", "\u{202e}", "\u{0}", "steps", "trigger",
            "secrets", "item", "a", "0", "-", "length",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// JSON without braces in its strings.
fn values() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from)
    ];
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number, "[^{]{0,8}".prop_map(Value::from)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::from), btree_map(keys(), inner, 0..4).prop_map(|map| json!(map))]
    })
}

/// Keys that a path can hold; `length` and what needs escapes is JavaScript's business.
fn keys() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z_$é][a-zA-Z0-9_$é]{0,4}", "[^\\]\"\\\\]{0,6}", Just("__proto__".to_owned())]
        .prop_filter("length", |key| key != "length")
}

/// Follows a way down a value as far as it leads, and writes it as a path.
fn walk<'v>(mut value: &'v Value, way: &[Index]) -> (String, &'v Value) {
    let mut path = String::new();
    for index in way {
        match value {
            Value::Array(items) if !items.is_empty() => {
                let at = index.index(items.len());
                (path, value) = (format!("{path}[{at}]"), &items[at]);
            }
            Value::Object(fields) if !fields.is_empty() => {
                let Some((key, field)) = fields.iter().nth(index.index(fields.len())) else { break };
                (path, value) = (format!("{path}[\"{key}\"]"), field);
            }
            _ => break,
        }
    }
    (path, value)
}

/// The same shape with every string replaced.
fn fill(shape: &Value, with: &Value) -> Value {
    match shape {
        Value::String(_) => with.clone(),
        Value::Array(items) => items.iter().map(|item| fill(item, with)).collect(),
        Value::Object(fields) => Value::Object(fields.iter().map(|(key, field)| (key.clone(), fill(field, with))).collect()),
        other => other.clone(),
    }
}

fn rendered(parameter: &Value, trigger: &Value) -> Value {
    let template = Template::parse(parameter).unwrap_or_else(|fault| panic!("{fault:?}"));
    template.render(&scope(trigger), &BTreeMap::new()).unwrap_or_else(|fault| panic!("{fault}"))
}

fn scope(trigger: &Value) -> Scope {
    Scope {
        trigger: Arc::new(trigger.clone()),
        steps: BTreeMap::new(),
        run: Arc::default(),
        workflow: Arc::default(),
        index: None,
        item: None,
        secrets: Arc::new(NoSecrets),
    }
}
