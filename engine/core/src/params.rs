//! Checks a node's parameters against their schema, before any template in them is resolved.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

use crate::template::has_braces;

/// The JSON Schema of a kind's parameters, with everything inlined, as the form needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(Value);

/// One thing wrong with parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamsProblem {
    /// `missing_parameter`, `unknown_parameter` or `invalid_parameter`.
    pub code: &'static str,
    /// Where, for example `headers.accept`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Schema {
    /// The schema of a Rust type.
    pub fn of<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
        Self(settings.into_generator().into_root_schema_for::<T>().to_value())
    }

    /// The schema as JSON.
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// All that is wrong with parameters. A string that holds `{{ … }}` may stand for anything, except in `scripts`.
    pub fn check(&self, params: &Map<String, Value>, scripts: &[&str]) -> Vec<ParamsProblem> {
        let mut problems = Vec::new();
        check_object(&self.0, params, "", scripts, &mut problems);
        problems
    }
}

fn check_object(schema: &Value, object: &Map<String, Value>, at: &str, scripts: &[&str], problems: &mut Vec<ParamsProblem>) {
    let none = Map::new();
    let fields = schema["properties"].as_object().unwrap_or(&none);
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let schema = fields.get(name).unwrap_or(&Value::Bool(true));
        if object.get(name).is_none_or(|value| is_blank(value, schema)) {
            problems.push(problem("missing_parameter", join(at, name), "is required".to_owned()));
        }
    }
    check_alternatives(schema, object, at, problems);
    for (name, value) in object {
        let field = join(at, name);
        match (fields.get(name), &schema["additionalProperties"]) {
            (Some(_), _) if value == "" || value.is_null() => {}
            (Some(_), _) if has_braces(value) && !value.is_object() && !value.is_array() && !scripts.contains(&name.as_str()) => {
            }
            (Some(expected), _) => check_value(expected, value, &field, problems),
            (None, Value::Object(expected)) => check_value(&Value::Object(expected.clone()), value, &field, problems),
            (None, Value::Bool(true)) => {}
            (None, _) if fields.is_empty() && schema["additionalProperties"].is_null() && !at.is_empty() => {}
            (None, _) => {
                let known = fields.keys().cloned().collect::<Vec<_>>().join(", ");
                problems.push(problem("unknown_parameter", field, format!("is not a parameter here; known are: {known}")));
            }
        }
    }
}

/// A `oneOf` of nothing but `required`: exactly one of these parameters is given.
fn check_alternatives(schema: &Value, object: &Map<String, Value>, at: &str, problems: &mut Vec<ParamsProblem>) {
    let bare = schema["oneOf"].as_array().into_iter().flatten().filter(|one| one.get("properties").is_none());
    let alternatives: Vec<&str> = bare.filter_map(|one| one["required"][0].as_str()).collect();
    let is_given = |name: &&&str| object.get(**name).is_some_and(|value| !value.is_null() && value != "");
    let given: Vec<&str> = alternatives.iter().filter(is_given).copied().collect();
    match (alternatives.as_slice(), given.as_slice()) {
        ([first, others @ ..], []) => {
            let others = others.iter().map(|name| format!("or `{name}` ")).collect::<String>();
            problems.push(problem("missing_parameter", join(at, first), format!("{others}is required")));
        }
        (_, [first, second, ..]) => {
            problems.push(problem(
                "invalid_parameter",
                join(at, second),
                format!("cannot stand beside `{first}`; remove one of them"),
            ));
        }
        _ => {}
    }
}

/// Whether a value says no more than its absence would: an empty text where text is wanted, `null` where it means nothing.
fn is_blank(value: &Value, schema: &Value) -> bool {
    match (value, &schema["type"]) {
        (Value::Null, Value::Null) => schema.get("anyOf").is_some() || schema.get("oneOf").is_some(),
        (Value::Null, expected) => !expected.as_array().is_some_and(|kinds| kinds.contains(&"null".into())),
        (Value::String(text), Value::String(kind)) => text.is_empty() && kind == "string",
        _ => false,
    }
}

fn check_value(schema: &Value, value: &Value, at: &str, problems: &mut Vec<ParamsProblem>) {
    if value.as_str().is_some_and(|text| text.contains("{{")) || !schema.is_object() {
        return;
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[word].as_array() {
            return check_choices(choices, value, at, problems);
        }
    }
    if let Some(expected) = wrong_type(schema, value) {
        return problems.push(problem("invalid_parameter", at.to_owned(), format!("must be {expected}, not {}", name_of(value))));
    }
    if let Some(fault) = out_of_bounds(schema, value) {
        return problems.push(problem("invalid_parameter", at.to_owned(), fault));
    }
    match value {
        Value::Object(object) if schema.get("properties").is_some() || schema.get("additionalProperties").is_some() => {
            check_object(schema, object, at, &[], problems);
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, item)| check_value(&schema["items"], item, &join(at, &i.to_string()), problems));
        }
        _ => {}
    }
}

/// A value must fit one of several shapes; when it fits none, the nearest one's faults are reported.
fn check_choices(choices: &[Value], value: &Value, at: &str, problems: &mut Vec<ParamsProblem>) {
    let faults_of = |choice: &Value| {
        let mut faults = Vec::new();
        check_value(choice, value, at, &mut faults);
        faults
    };
    let all: Vec<_> = choices.iter().map(faults_of).collect();
    match all.iter().min_by_key(|faults| (faults.iter().any(|f| f.field == at), faults.len())) {
        Some(best) if best.is_empty() => {}
        Some(best) => {
            problems.extend(constants(choices).map_or_else(|| best.clone(), |words| vec![one_of(at, words.into_iter())]))
        }
        None => {}
    }
}

/// The words to choose from, when the choices are nothing but words (and perhaps `null`, for a parameter left out).
fn constants(choices: &[Value]) -> Option<Vec<&Value>> {
    let words = choices.iter().filter(|choice| choice["type"] != "null").map(|choice| {
        let one = choice.get("const").map(|word| vec![word]);
        one.or_else(|| choice["enum"].as_array().map(|words| words.iter().collect()))
            .or_else(|| choice["oneOf"].as_array().and_then(|nested| constants(nested)))
    });
    words.collect::<Option<Vec<_>>>().map(|words| words.concat())
}

fn wrong_type(schema: &Value, value: &Value) -> Option<String> {
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let fits = allowed.iter().any(|kind| match *kind {
        "integer" => value.is_i64() || value.is_u64(),
        kind => kind == name_of(value).trim_start_matches("an ").trim_start_matches("a "),
    });
    let words = allowed.iter().filter(|kind| **kind != "null").map(|kind| match *kind {
        "integer" => "a whole number".to_owned(),
        "array" | "object" => format!("an {kind}"),
        kind => format!("a {kind}"),
    });
    (!fits).then(|| words.collect::<Vec<_>>().join(" or "))
}

fn out_of_bounds(schema: &Value, value: &Value) -> Option<String> {
    if let Some(expected) = schema.get("const").filter(|expected| *expected != value) {
        return Some(format!("must be {expected}"));
    }
    if let Some(choices) = schema["enum"].as_array().filter(|choices| !choices.contains(value)) {
        return Some(must_be_one_of(choices.iter()));
    }
    let number = value.as_f64()?;
    let minimum = schema["minimum"].as_f64().filter(|minimum| number < *minimum);
    let maximum = schema["maximum"].as_f64().filter(|maximum| number > *maximum);
    minimum.map(|m| format!("must be at least {m}")).or_else(|| maximum.map(|m| format!("must be at most {m}")))
}

fn one_of<'v>(at: &str, choices: impl Iterator<Item = &'v Value>) -> ParamsProblem {
    problem("invalid_parameter", at.to_owned(), must_be_one_of(choices))
}

fn must_be_one_of<'v>(choices: impl Iterator<Item = &'v Value>) -> String {
    let choices = choices
        .filter(|choice| !choice.is_null())
        .map(|choice| choice.as_str().map_or_else(|| choice.to_string(), str::to_owned));
    format!("must be one of: {}", choices.collect::<Vec<_>>().join(", "))
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn problem(code: &'static str, field: String, fault: String) -> ParamsProblem {
    let message = format!("`{field}` {fault}");
    ParamsProblem { code, field, message }
}

fn join(head: &str, tail: &str) -> String {
    if head.is_empty() { tail.to_owned() } else { format!("{head}.{tail}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::{Expect, expect};
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    #[serde(deny_unknown_fields)]
    struct Params {
        /// Where.
        url: String,
        method: Option<Method>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[schemars(range(min = 1, max = 60))]
        timeout_s: Option<u64>,
        body: Option<Value>,
        auth: Option<Auth>,
        code: Option<String>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "UPPERCASE")]
    enum Method {
        Get,
        /// Sends.
        Post,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    #[serde(tag = "scheme", rename_all = "lowercase")]
    enum Auth {
        Basic { user: String },
        Bearer { token: String },
    }

    fn check(params: Value, expected: Expect) {
        let problems = Schema::of::<Params>().check(params.as_object().unwrap(), &["code"]);
        let lines = problems.iter().map(|p| format!("{} {}\n", p.code, p.message));
        expected.assert_eq(&lines.collect::<String>());
    }

    #[test]
    fn what_fits_is_silent() {
        check(
            json!({"url": "x", "method": "GET", "headers": {"a": "b"}, "timeout_s": 5, "body": [1], "auth": {"scheme": "basic", "user": "u"}}),
            expect![[""]],
        );
        check(
            json!({"url": "{{ x }}", "method": "{{ x }}", "headers": "{{ x }}", "timeout_s": "{{ x }}", "auth": "{{ x }}"}),
            expect![[""]],
        );
    }

    #[test]
    fn anything_may_be_null_or_empty_and_a_text_may_not() {
        #[derive(Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only its schema is used")]
        struct Set {
            value: Value,
            text: String,
        }
        let codes = |params: Value| Schema::of::<Set>().check(params.as_object().unwrap(), &[]).len();
        assert_eq!(codes(json!({"value": null, "text": "a"})), 0);
        assert_eq!(codes(json!({"value": "", "text": "a"})), 0);
        assert_eq!(codes(json!({"value": 1, "text": ""})), 1);
        assert_eq!(codes(json!({"value": 1, "text": null})), 1);
        assert_eq!(codes(json!({"text": "a"})), 1);
    }

    #[test]
    fn of_alternatives_exactly_one_is_given() {
        #[derive(Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only its schema is used")]
        #[schemars(extend("oneOf" = [{"required": ["body"]}, {"required": ["workflow"]}]))]
        struct Each {
            body: Option<Value>,
            workflow: Option<String>,
        }
        let told = |params: Value| {
            let problems = Schema::of::<Each>().check(params.as_object().unwrap(), &[]);
            problems.into_iter().map(|problem| format!("{} {}", problem.field, problem.message)).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(told(json!({"body": {}})), "");
        assert_eq!(told(json!({"body": "", "workflow": "{{ x }}"})), "");
        assert_eq!(told(json!({"workflow": null})), "body `body` or `workflow` is required");
        let both = "workflow `workflow` cannot stand beside `body`; remove one of them";
        assert_eq!(told(json!({"workflow": "Hello", "body": {}})), both);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        check(
            json!({"url": "", "method": "PUT", "headers": {"a": 1}, "timeout_s": 99, "colour": "red"}),
            expect![[r#"
                missing_parameter `url` is required
                invalid_parameter `method` must be one of: GET, POST
                invalid_parameter `headers.a` must be a string, not a number
                invalid_parameter `timeout_s` must be at most 60
                unknown_parameter `colour` is not a parameter here; known are: url, method, headers, timeout_s, body, auth, code
            "#]],
        );
        check(
            json!({"url": 1, "timeout_s": "soon", "code": {}}),
            expect![[r#"
            invalid_parameter `url` must be a string, not a number
            invalid_parameter `timeout_s` must be a whole number, not a string
            invalid_parameter `code` must be a string, not an object
        "#]],
        );
        check(
            json!({"url": "x", "auth": {"scheme": "basic"}}),
            expect![[r#"
            missing_parameter `auth.user` is required
        "#]],
        );
    }
}
