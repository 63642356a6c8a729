//! Begins a run by hand, with a typed form.

use std::sync::Arc;

use flowforge_core::node::{Context, Group, Node, NodeError, NodeSpec, Outcome, Output};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::params::{Text, optional, or_default};

/// The form.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The fields of the form that starts a run; without fields, any JSON is accepted.
    #[serde(default, deserialize_with = "or_default")]
    fields: Vec<Field>,
}

/// One field of the form.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Field {
    /// The name by which expressions refer to it: `trigger.<name>`.
    name: String,
    /// What the form shows; the name when absent.
    #[serde(default, deserialize_with = "optional")]
    label: Option<Text>,
    /// What may be entered.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    kind: FieldKind,
    /// Whether the run cannot start without it.
    #[serde(default, deserialize_with = "or_default")]
    required: bool,
    /// The value when none is given.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "json"))]
    default: Option<Value>,
    /// What can be chosen.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-shown-when" = {"type": ["select"]}))]
    options: Vec<Value>,
}

/// What may be entered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum FieldKind {
    /// A line.
    #[default]
    #[schemars(title = "Text")]
    Text,
    /// Any number of lines.
    #[schemars(title = "Long text")]
    TextArea,
    /// A number.
    #[schemars(title = "Number")]
    Number,
    /// Yes or no.
    #[schemars(title = "Switch")]
    Boolean,
    /// One of the options.
    #[schemars(title = "Choice")]
    Select,
    /// Anything, as JSON.
    #[schemars(title = "JSON")]
    Json,
}

/// The node.
pub(crate) struct TriggerManual;

impl Node for TriggerManual {
    const SPEC: NodeSpec = NodeSpec {
        kind: "trigger.manual",
        title: "Manual start",
        description: "Begins a run by hand or by API, with an input form that you design.",
        group: Group::Triggers,
        icon: "player-play",
        pure: true,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        if params.fields.is_empty() {
            return Ok(Outcome::pass(cx, None));
        }
        let given = match &*cx.input {
            Value::Object(given) => given.clone(),
            Value::Null => Map::new(),
            _ => return Err(invalid(vec!["the input must be an object with the form's fields".to_owned()])),
        };
        let (filled, faults) = fill(&params.fields, given);
        if !faults.is_empty() {
            return Err(invalid(faults));
        }
        Ok(Outcome::Done(Output { value: Arc::new(Value::Object(filled)), port: None }))
    }
}

/// The input with defaults filled in, and all that is wrong with it.
fn fill(fields: &[Field], mut input: Map<String, Value>) -> (Map<String, Value>, Vec<String>) {
    let mut faults = Vec::new();
    for field in fields {
        let given = input.get(&field.name).filter(|value| !is_blank(value));
        match (given, &field.default) {
            (Some(value), _) => faults.extend(fault(field, value)),
            (None, Some(default)) => {
                input.insert(field.name.clone(), default.clone());
            }
            (None, None) if field.required => faults.push(format!("{} is required", called(field))),
            (None, None) => {}
        }
    }
    (input, faults)
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value == ""
}

fn fault(field: &Field, value: &Value) -> Option<String> {
    let expected = match field.kind {
        FieldKind::Text | FieldKind::TextArea if !value.is_string() => "a text".to_owned(),
        FieldKind::Number if !value.is_number() => "a number".to_owned(),
        FieldKind::Boolean if !value.is_boolean() => "true or false".to_owned(),
        FieldKind::Select if !field.options.contains(value) => {
            format!("one of: {}", Value::from(field.options.clone()))
        }
        _ => return None,
    };
    let shown: String = value.to_string().chars().take(80).collect();
    Some(format!("{} must be {expected}, not {shown}", called(field)))
}

fn called(field: &Field) -> String {
    match &field.label {
        Some(label) => format!("`{}` ({label})", field.name),
        None => format!("`{}`", field.name),
    }
}

fn invalid(faults: Vec<String>) -> NodeError {
    let message = format!("the run's input does not fit the form: {}", faults.join("; "));
    NodeError::fatal("INVALID_INPUT", message).with_details(json!({ "faults": faults }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn form() -> Value {
        json!({"fields": [
            {"name": "url", "label": "Address", "type": "text", "required": true},
            {"name": "count", "type": "number", "default": 3},
            {"name": "dry", "type": "boolean"},
            {"name": "size", "type": "select", "options": ["s", "m"]},
            {"name": "more", "type": "json"}]})
    }

    #[tokio::test]
    async fn without_fields_any_input_is_handed_on() {
        for input in [json!(null), json!([1]), json!({"a": 1})] {
            Bench::new("trigger.manual").input(input.clone()).done(json!({}), input).await;
        }
    }

    #[tokio::test]
    async fn defaults_are_filled_in_and_unknown_fields_kept() {
        let bench = Bench::new("trigger.manual").input(json!({"url": "u", "size": "m", "other": 1}));
        bench.done(form(), json!({"url": "u", "size": "m", "other": 1, "count": 3})).await;
    }

    #[tokio::test]
    async fn every_fault_is_named_at_once() {
        let bench = Bench::new("trigger.manual").input(json!({"count": "x", "dry": 1, "size": "xl", "more": [1]}));
        let fault = bench.fails(form(), "INVALID_INPUT", "`url` (Address) is required").await;
        assert_eq!(fault.details["faults"].as_array().unwrap().len(), 4, "{fault}");
        assert!(!fault.retryable);
        Bench::new("trigger.manual").input(json!("text")).fails(form(), "INVALID_INPUT", "object").await;
        Bench::new("trigger.manual").input(json!(null)).fails(form(), "INVALID_INPUT", "required").await;
    }
}
