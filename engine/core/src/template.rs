//! Templates: `{{ … }}` in any string parameter, parsed once per graph and resolved once per attempt.
//!
//! A parameter that is one whole `{{ … }}` keeps the JSON type of its value; inside a longer text the value is written as
//! text. Plain paths (`steps.fetch.output.body[0].id`) are resolved here; anything more is JavaScript, which the caller
//! evaluates elsewhere and hands to `render`. A value that was put in is never parsed again.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    expression::{Expression, Root, Segment},
    id::NodeId,
};

/// What expressions can see: the names `trigger`, `steps`, `run`, `workflow`, `item`, `index` and `secrets`.
#[derive(Clone)]
pub struct Scope {
    /// The run's input.
    pub trigger: Arc<Value>,
    /// Outputs by node: those that the node refers to, or all when that cannot be told.
    pub steps: BTreeMap<NodeId, Arc<Value>>,
    /// `{id, attempt?}` and the like.
    pub run: Arc<Value>,
    /// `{id, name, version}`.
    pub workflow: Arc<Value>,
    /// The map item, inside a map's body.
    pub item: Option<Arc<Value>>,
    /// The map item's place in its list, from 0.
    pub index: Option<u32>,
    /// What `secrets` stands for: what was looked up for this attempt, while its parameters are resolved, and nothing otherwise.
    pub secrets: Arc<dyn Secrets>,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("steps", &self.steps.keys()).finish_non_exhaustive()
    }
}

/// Secrets by name: those that were looked up for one attempt, or those of the process's environment.
pub trait Secrets: Send + Sync {
    /// The value, or nothing when there is no secret of that name.
    fn get(&self, name: &str) -> Option<&str>;
}

/// No secrets at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn get(&self, _name: &str) -> Option<&str> {
        None
    }
}

impl Scope {
    /// What JavaScript sees: everything but the secrets.
    pub fn to_json(&self) -> Value {
        let steps = self.steps.iter().map(|(id, output)| (id.to_string(), serde_json::json!({ "output": **output })));
        serde_json::json!({
            "trigger": *self.trigger,
            "steps": steps.collect::<Map<_, _>>(),
            "run": *self.run,
            "workflow": *self.workflow,
            "item": self.item.as_deref(),
            "index": self.index,
        })
    }

    /// Follows a path; `null` where it leads nowhere.
    fn lookup(&self, root: Root, path: &[Segment]) -> Result<Value, MissingSecret> {
        let walk = |value: &Value, path: &[Segment]| follow(value, path).cloned().unwrap_or_default();
        Ok(match root {
            Root::Trigger => walk(&self.trigger, path),
            Root::Run => walk(&self.run, path),
            Root::Workflow => walk(&self.workflow, path),
            Root::Item => self.item.as_deref().map(|item| walk(item, path)).unwrap_or_default(),
            Root::Index if path.is_empty() => self.index.into(),
            Root::Index => Value::Null,
            Root::Steps => match path {
                [Segment::Key(id), Segment::Key(output), rest @ ..] if output == "output" => {
                    self.steps.get(&NodeId::from(id.as_str())).map(|value| walk(value, rest)).unwrap_or_default()
                }
                [Segment::Key(id)] => match self.steps.get(&NodeId::from(id.as_str())) {
                    Some(output) => serde_json::json!({ "output": **output }),
                    None => Value::Null,
                },
                _ => Value::Null,
            },
            Root::Secrets => match path {
                [Segment::Key(name)] => self.secrets.get(name).ok_or_else(|| MissingSecret(name.clone()))?.into(),
                _ => Value::Null,
            },
        })
    }
}

fn follow<'v>(value: &'v Value, path: &[Segment]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get(key.as_str()),
        Segment::Index(index) => value.get(*index),
    })
}

/// An expression named a secret that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no secret named `{0}` in this workspace; save one, give the server FLOWFORGE_SECRET_{0}, or correct the name")]
pub struct MissingSecret(pub String);

/// A `{{ … }}` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// No closing braces.
    #[error("`{{{{` without the closing `}}}}`")]
    Unclosed,
    /// Nothing between the braces.
    #[error("`{{{{ }}}}` is empty; write an expression between the braces")]
    Empty,
}

/// What is left of the paths that lead through this key.
fn below<'p>(paths: &[&'p str], key: &str) -> Vec<&'p str> {
    let split = |path: &'p str| path.split_once('.').unwrap_or((path, ""));
    paths.iter().filter_map(|path| Some(split(path)).filter(|(first, _)| *first == key).map(|(_, rest)| rest)).collect()
}

/// A parameter with its expressions parsed.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// Holds no expression.
    Literal(Value),
    /// One whole `{{ … }}`: keeps the type of its value.
    Whole(Expression),
    /// Text with expressions in it.
    Text(Vec<Part>),
    /// An array with expressions somewhere in it.
    Array(Vec<Template>),
    /// An object with expressions somewhere in its values.
    Object(Vec<(String, Template)>),
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// The value of an expression, written as text.
    Value(Expression),
}

impl Template {
    /// Parses every string in a value; stops at the first fault and names where it is.
    pub fn parse(value: &Value) -> Result<Self, (String, InvalidTemplate)> {
        Self::parse_except(value, &[])
    }

    /// As `parse`, with texts that are no templates: paths such as `*.sql`, where `*` is any place in a list.
    pub fn parse_except(value: &Value, scripts: &[&str]) -> Result<Self, (String, InvalidTemplate)> {
        match value {
            _ if scripts.contains(&"") => Ok(Self::Literal(value.clone())),
            Value::String(text) => Self::parse_text(text).map_err(|fault| (String::new(), fault)),
            Value::Array(items) if has_braces(value) => {
                let items = items.iter().enumerate();
                items
                    .map(|(i, item)| {
                        Self::parse_except(item, &below(scripts, "*")).map_err(|(at, e)| (join(&i.to_string(), &at), e))
                    })
                    .collect::<Result<_, _>>()
                    .map(Self::Array)
            }
            Value::Object(fields) if has_braces(value) => {
                let fields = fields.iter();
                fields
                    .map(|(key, field)| match Self::parse_except(field, &below(scripts, key)) {
                        Ok(template) => Ok((key.clone(), template)),
                        Err((at, fault)) => Err((join(key, &at), fault)),
                    })
                    .collect::<Result<_, _>>()
                    .map(Self::Object)
            }
            _ => Ok(Self::Literal(value.clone())),
        }
    }

    /// Parses one text.
    pub fn parse_text(text: &str) -> Result<Self, InvalidTemplate> {
        let mut parts = split(text)?;
        Ok(match parts.as_slice() {
            [] | [Part::Text(_)] => Self::Literal(Value::String(text.to_owned())),
            [Part::Value(_)] => match parts.pop() {
                Some(Part::Value(expression)) => Self::Whole(expression),
                _ => Self::Literal(Value::String(text.to_owned())),
            },
            _ => Self::Text(parts),
        })
    }

    /// Every expression, in the order in which `render` meets them.
    pub fn expressions(&self) -> Vec<&Expression> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'t>(&'t self, found: &mut Vec<&'t Expression>) {
        match self {
            Self::Literal(_) => {}
            Self::Whole(expression) => found.push(expression),
            Self::Text(parts) => found.extend(parts.iter().filter_map(|part| match part {
                Part::Value(expression) => Some(expression),
                Part::Text(_) => None,
            })),
            Self::Array(items) => items.iter().for_each(|item| item.collect(found)),
            Self::Object(fields) => fields.iter().for_each(|(_, field)| field.collect(found)),
        }
    }

    /// Puts the values in. `script` answers for the expressions that are JavaScript, by their source text.
    pub fn render(&self, scope: &Scope, script: &BTreeMap<String, Value>) -> Result<Value, MissingSecret> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Whole(expression) => value_of(expression, scope, script)?,
            Self::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Text(literal) => text.push_str(literal),
                        Part::Value(expression) => text.push_str(&as_text(&value_of(expression, scope, script)?)),
                    }
                }
                Value::String(text)
            }
            Self::Array(items) => Value::Array(items.iter().map(|item| item.render(scope, script)).collect::<Result<_, _>>()?),
            Self::Object(fields) => {
                let fields = fields.iter().map(|(key, field)| Ok((key.clone(), field.render(scope, script)?)));
                Value::Object(fields.collect::<Result<_, MissingSecret>>()?)
            }
        })
    }

    /// Puts a name in the place of every expression and hands out the values beside: how text reaches a shell as data.
    pub fn render_shell(
        &self,
        scope: &Scope,
        script: &BTreeMap<String, Value>,
    ) -> Result<(Value, Vec<(String, String)>), MissingSecret> {
        let mut values = Vec::new();
        let mut bind = |expression: &Expression| -> Result<String, MissingSecret> {
            let name = format!("FLOWFORGE_VALUE_{}", values.len() + 1);
            values.push((name.clone(), as_text(&value_of(expression, scope, script)?)));
            Ok(format!("${{{name}}}"))
        };
        let text = match self {
            Self::Whole(expression) => Value::String(bind(expression)?),
            Self::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Text(literal) => text.push_str(literal),
                        Part::Value(expression) => text.push_str(&bind(expression)?),
                    }
                }
                Value::String(text)
            }
            other => other.render(scope, script)?,
        };
        Ok((text, values))
    }
}

fn value_of(expression: &Expression, scope: &Scope, script: &BTreeMap<String, Value>) -> Result<Value, MissingSecret> {
    match expression {
        Expression::Path(root, path) => scope.lookup(*root, path),
        Expression::Script(code) => Ok(script.get(code.as_str()).cloned().unwrap_or_default()),
    }
}

/// How a value is written inside a longer text: strings as they are, nothing for `null`, JSON for the rest.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Whether any string in a value holds `{{`.
pub fn has_braces(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{"),
        Value::Array(items) => items.iter().any(has_braces),
        Value::Object(fields) => fields.values().any(has_braces),
        _ => false,
    }
}

fn join(head: &str, tail: &str) -> String {
    if tail.is_empty() { head.to_owned() } else { format!("{head}.{tail}") }
}

fn split(text: &str) -> Result<Vec<Part>, InvalidTemplate> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        if start > 0 {
            parts.push(Part::Text(rest[..start].to_owned()));
        }
        let body = &rest[start + 2..];
        let end = closing(body).ok_or(InvalidTemplate::Unclosed)?;
        let code = body[..end].trim();
        if code.is_empty() {
            return Err(InvalidTemplate::Empty);
        }
        parts.push(Part::Value(Expression::parse(code)));
        rest = &body[end + 2..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// Where the `}}` stands that ends an expression: not inside a JavaScript string, and not closing the expression's own braces.
fn closing(body: &str) -> Option<usize> {
    let bytes = body.as_bytes();
    let (mut depth, mut quote, mut at) = (0_usize, None, 0);
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(q), b) if b == q => quote = None,
            (Some(_), _) => {}
            (None, b @ (b'"' | b'\'' | b'`')) => quote = Some(b),
            (None, b'{') => depth += 1,
            (None, b'}') if depth > 0 => depth -= 1,
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            (None, _) => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    struct One;

    impl Secrets for One {
        fn get(&self, name: &str) -> Option<&str> {
            (name == "TOKEN").then_some("s3cret")
        }
    }

    fn scope() -> Scope {
        Scope {
            trigger: Arc::new(json!({"name": "Ada", "n": 3, "list": [{"id": 7}], "evil": "{{ secrets.TOKEN }}"})),
            steps: [(NodeId::from("fetch"), Arc::new(json!({"body": {"size": 12}})))].into(),
            run: Arc::new(json!({"id": "run_1"})),
            workflow: Arc::new(json!({"name": "W"})),
            index: None,
            item: None,
            secrets: Arc::new(One),
        }
    }

    fn check(value: Value, expected: Expect) {
        let script = [("1 + 1".to_owned(), json!(2))].into();
        let answer = match Template::parse(&value) {
            Err((at, fault)) => format!("error at `{at}`: {fault}"),
            Ok(template) => match template.render(&scope(), &script) {
                Ok(value) => value.to_string(),
                Err(fault) => format!("error: {fault}"),
            },
        };
        expected.assert_eq(&answer);
    }

    #[test]
    fn a_whole_expression_keeps_its_type() {
        check(json!("{{ trigger.n }}"), expect!["3"]);
        check(json!("{{steps.fetch.output.body}}"), expect![[r#"{"size":12}"#]]);
        check(json!("{{ trigger.list[0].id }}"), expect!["7"]);
        check(json!("{{ trigger['name'] }}"), expect![[r#""Ada""#]]);
    }

    #[test]
    fn inside_a_text_a_value_is_written_as_text() {
        check(json!("Hello {{ trigger.name }}, {{ trigger.n }}!"), expect![[r#""Hello Ada, 3!""#]]);
        check(json!("x{{ trigger.list }}y{{ trigger.none }}"), expect![[r#""x[{\"id\":7}]y""#]]);
    }

    #[test]
    fn what_leads_nowhere_is_null() {
        check(json!(["{{ trigger.a.b[3] }}", "{{ steps.fetch.output.none }}", "{{ item }}"]), expect!["[null,null,null]"]);
    }

    #[test]
    fn a_value_that_was_put_in_is_not_parsed_again() {
        check(json!("{{ trigger.evil }}!"), expect![[r#""{{ secrets.TOKEN }}!""#]]);
    }

    #[test]
    fn objects_and_arrays_are_searched() {
        check(
            json!({"a": ["{{ trigger.n }}"], "b": {"c": "{{ run.id }}"}, "d": 1}),
            expect![[r#"{"a":[3],"b":{"c":"run_1"},"d":1}"#]],
        );
    }

    #[test]
    fn a_text_that_is_a_script_is_no_template_wherever_it_lies() {
        let value = json!([{"sql": "SELECT '{{1}}'", "to": ["{{ item }}"], "deep": {"sql": "{{ item }}"}}]);
        let template = Template::parse_except(&value, &["*.sql"]).unwrap();
        assert_eq!(template.expressions().len(), 2, "{template:?}");
        assert_eq!(Template::parse(&value).unwrap().expressions().len(), 3);
        assert!(
            Template::parse(&json!({"sql": "{{"})).is_err() && Template::parse_except(&json!({"sql": "{{"}), &["sql"]).is_ok()
        );
    }

    #[test]
    fn scripts_get_their_answer_from_outside_and_may_hold_braces() {
        check(json!("{{ 1 + 1 }}"), expect!["2"]);
        let code = r#"({a: {b: "}}"}})"#;
        let template = Template::parse(&json!(format!("{{{{ {code} }}}}"))).unwrap();
        assert_eq!(template.expressions(), [&Expression::Script(code.to_owned())]);
    }

    #[test]
    fn faults_are_named_with_their_place() {
        check(json!({"a": ["x", "{{ trigger.n"]}), expect!["error at `a.1`: `{{` without the closing `}}`"]);
        check(json!("{{  }}"), expect!["error at ``: `{{ }}` is empty; write an expression between the braces"]);
        check(
            json!("{{ secrets.NONE }}"),
            expect![
                "error: there is no secret named `NONE` in this workspace; save one, give the server FLOWFORGE_SECRET_NONE, or correct the name"
            ],
        );
    }

    #[test]
    fn a_shell_sees_names_and_never_the_text() {
        let template = Template::parse(&json!("echo \"{{ trigger.name }}\" {{ trigger.evil }}")).unwrap();
        let (text, values) = template.render_shell(&scope(), &BTreeMap::new()).unwrap();
        assert_eq!(text, json!("echo \"${FLOWFORGE_VALUE_1}\" ${FLOWFORGE_VALUE_2}"));
        assert_eq!(values[1].1, "{{ secrets.TOKEN }}");
    }
}
