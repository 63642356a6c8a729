//! The schema that an answer must fit: as it is asked for, and as it is checked.

use flowforge_core::node::NodeError;
use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::params::invalid;

/// What the API's structured output does not take. It is said in the description instead, and checked here.
const UNSUPPORTED: [&str; 15] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
];
/// How many problems of an answer are told.
const TOLD: usize = 5;

/// What an answer must be.
pub(super) struct Wanted {
    /// The schema as the API takes it.
    pub(super) asked: Value,
    check: Validator,
}

impl Wanted {
    pub(super) fn new(schema: &Value) -> Result<Self, NodeError> {
        let check = jsonschema::validator_for(schema);
        let check = check.map_err(|fault| invalid(format!("`output_schema` is no JSON Schema: {fault}")))?;
        let mut asked = schema.clone();
        restrict(&mut asked);
        Ok(Self { asked, check })
    }

    /// The JSON of an answer that fits, or what is wrong with it.
    pub(super) fn read(&self, text: &str) -> Result<Value, String> {
        let value = serde_json::from_str(bare(text)).map_err(|fault| format!("it is no JSON: {fault}"))?;
        let told = |fault: jsonschema::ValidationError<'_>| {
            let place = fault.instance_path().to_string();
            let place = if place.is_empty() { "the whole".to_owned() } else { place };
            format!("{place}: {}", fault.masked())
        };
        let problems: Vec<String> = self.check.iter_errors(&value).take(TOLD).map(told).collect();
        if problems.is_empty() { Ok(value) } else { Err(problems.join("; ")) }
    }
}

/// A text without the fence that models like to put around JSON.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let inside = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inside.map_or(text, |inside| inside.strip_prefix("json").unwrap_or(inside))
}

/// Brings a schema into the form that the API takes: closed objects, and no limits.
fn restrict(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    describe_limits(fields);
    if let Some(one) = fields.remove("oneOf") {
        fields.entry("anyOf").or_insert(one);
    }
    let is_object = fields.contains_key("properties") || fields.get("type").is_some_and(|kind| kind == "object");
    if is_object {
        fields.insert("additionalProperties".to_owned(), false.into());
    }
    for (name, value) in fields.iter_mut() {
        match (name.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(schemas)) => schemas.values_mut().for_each(restrict),
            ("anyOf" | "allOf" | "prefixItems", Value::Array(schemas)) => schemas.iter_mut().for_each(restrict),
            ("items" | "not", schema) => restrict(schema),
            _ => {}
        }
    }
}

fn describe_limits(fields: &mut Map<String, Value>) {
    let limits = UNSUPPORTED.iter().filter_map(|name| Some(format!("{name}: {}", fields.remove(*name)?)));
    let limits: Vec<String> = limits.collect();
    if !limits.is_empty() {
        let said = fields.get("description").and_then(Value::as_str).unwrap_or_default();
        let told = format!("{said} ({})", limits.join(", "));
        fields.insert("description".to_owned(), told.trim().into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_asked_for_without_limits_and_checked_with_them() {
        let schema = json!({"type": "object", "required": ["minimum"], "properties": {
            "minimum": {"type": "integer", "minimum": 3, "description": "How many."},
            "kind": {"oneOf": [{"const": "a"}, {"type": "object", "properties": {}}]},
        }});
        let wanted = Wanted::new(&schema).unwrap();
        let expected = json!({"type": "object", "required": ["minimum"], "properties": {
            "minimum": {"type": "integer", "description": "How many. (minimum: 3)"},
            "kind": {"anyOf": [{"const": "a"}, {"type": "object", "properties": {}, "additionalProperties": false}]},
        }, "additionalProperties": false});
        assert_eq!(wanted.asked, expected);
        assert_eq!(wanted.read("```json\n{\"minimum\": 3}\n```"), Ok(json!({"minimum": 3})));
        let problem = wanted.read(r#"{"minimum": 2}"#).unwrap_err();
        assert!(problem.starts_with("/minimum: ") && problem.contains('3'), "{problem}");
        assert!(wanted.read("so").unwrap_err().contains("no JSON"));
        assert!(wanted.read("{}").unwrap_err().contains("required"));
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for schema in [json!({"type": "thing"}), json!(7), json!({"$ref": "https://example.org/schema"})] {
            assert_eq!(Wanted::new(&schema).err().unwrap().code, "INVALID_PARAMETER", "{schema}");
        }
    }
}
