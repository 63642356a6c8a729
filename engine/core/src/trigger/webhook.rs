//! `trigger.webhook`: what its author may ask for, and what tells that a delivery is sent again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    form::{optional, or_default},
    headers::Headers,
    signature::{Auth, Scheme, hex, is_header_name},
};
use crate::params::ParamsProblem;

/// The largest body when its author does not say, in bytes.
const USUAL_BODY: u64 = 10 << 20;
/// The largest body that any author may ask for, in bytes.
pub const LARGEST_BODY: u64 = 25 << 20;
/// How many requests a minute are taken when the author does not say.
const USUAL_RATE: u32 = 6_000;
/// The most that an author may ask for.
const HIGHEST_RATE: u32 = 600_000;
/// How long a caller waits when the author does not say, in seconds.
const USUAL_WAIT_S: u32 = 30;
/// The longest that a caller may wait, in seconds.
pub const LONGEST_WAIT_S: u32 = 60;
/// The longest name of a delivery that is kept as it is.
const LONGEST_ID: usize = 255;

/// What an author asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// How callers prove who they are.
    #[serde(default, deserialize_with = "or_default")]
    pub auth: Auth,
    /// What tells that a delivery is sent again: `auto` for what the scheme's sender calls it (or `Webhook-Id`, or
    /// `Idempotency-Key`), the name of a header, a path into a JSON body like `body.id`, or `none`.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(title = "Told apart by", extend("x-placeholder" = "auto"))]
    pub dedupe: Option<String>,
    /// JavaScript over `trigger`, for example `trigger.body.total > 100`: what it is not true for begins no run.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "expression", "x-language" = "javascript"))]
    pub filter: Option<String>,
    /// When the caller is answered.
    #[serde(default, deserialize_with = "or_default")]
    pub respond: Respond,
    /// How many requests a minute each server takes; 6,000 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 600_000))]
    pub rate_per_minute: Option<u32>,
    /// The largest body, in bytes, as it is sent and after it was inflated; 10 MiB when absent, at most 25 MiB.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 26_214_400))]
    pub max_body_bytes: Option<u64>,
    /// Which methods are taken; `POST` when none is named.
    #[serde(default, deserialize_with = "or_default")]
    pub methods: Vec<Method>,
}

/// When the caller is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Respond {
    /// At once, or by the run.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(title = "Answered")]
    pub mode: RespondMode,
    /// How long the caller waits for a `respond` node before it is answered 202, in seconds; 30 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 60), extend("x-shown-when" = {"mode": ["wait"]}))]
    pub timeout_s: Option<u32>,
}

/// Who answers the caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RespondMode {
    /// 202 as soon as the delivery is on disk.
    #[default]
    #[schemars(title = "At once, with 202")]
    AtOnce,
    /// A `respond` node of the run.
    #[schemars(title = "By a respond step of its run")]
    Wait,
}

/// A method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// The usual one.
    #[default]
    #[schemars(title = "POST")]
    Post,
    /// For senders that know nothing else.
    #[schemars(title = "PUT")]
    Put,
}

/// What a delivery is called by its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Called {
    /// This.
    Id(String),
    /// Nothing, and nobody said that it would be.
    Nothing,
    /// Nothing, where the author says it has a name: here.
    Missing(String),
}

impl Params {
    /// The largest body, in bytes.
    pub fn max_body_bytes(&self) -> u64 {
        self.max_body_bytes.unwrap_or(USUAL_BODY).min(LARGEST_BODY)
    }

    /// How many requests a minute are taken.
    pub fn rate_per_minute(&self) -> u32 {
        self.rate_per_minute.unwrap_or(USUAL_RATE)
    }

    /// How long a caller waits for the run's answer, in seconds, if it does.
    pub fn wait_s(&self) -> Option<u32> {
        let wait = self.respond.timeout_s.unwrap_or(USUAL_WAIT_S).min(LONGEST_WAIT_S);
        (self.respond.mode == RespondMode::Wait).then_some(wait)
    }

    /// Whether a method is taken.
    pub fn takes(&self, method: Method) -> bool {
        if self.methods.is_empty() { method == Method::Post } else { self.methods.contains(&method) }
    }

    /// What the sender calls a delivery. The body's hash never stands for it.
    pub fn called(&self, headers: &Headers, body: &Value) -> Called {
        let header = |name: &str| headers.get(name).and_then(id);
        let named = |found: Option<String>, place: &str| found.map_or_else(|| Called::Missing(place.to_owned()), Called::Id);
        let found = match self.dedupe.as_deref().unwrap_or("auto") {
            "none" => None,
            "auto" => match self.auth.scheme {
                Scheme::Github => header("x-github-delivery"),
                Scheme::Gitlab => header("idempotency-key").or_else(|| header("webhook-id")),
                Scheme::Slack => at(body, "body.event_id"),
                Scheme::Stripe => at(body, "body.id"),
                Scheme::None | Scheme::HmacSha256 | Scheme::Bearer | Scheme::Basic => {
                    header("webhook-id").or_else(|| header("idempotency-key"))
                }
            },
            path if path.starts_with("body.") => return named(at(body, path), path),
            name => return named(header(name), name),
        };
        found.map_or(Called::Nothing, Called::Id)
    }

    /// All that is wrong with them beyond what their schema says.
    pub fn check(&self) -> Vec<ParamsProblem> {
        let mut problems = self.auth.check("auth");
        // Only the filter may hold braces: it is JavaScript.
        let templated = Self { filter: None, ..self.clone() };
        problems.extend(templates(&templated));
        let mut fault = |field: &str, message: &str| {
            let (field, message) = (field.to_owned(), message.to_owned());
            problems.push(ParamsProblem { code: "invalid_parameter", field, message });
        };
        let is_dedupe = |text: &str| if text.starts_with("body.") { is_path(text) } else { is_header_name(text) };
        if self.dedupe.as_deref().is_some_and(|text| !is_dedupe(text)) {
            fault("dedupe", "must be `auto`, `none`, the name of a header, or a path like `body.id`");
        }
        if self.filter.as_deref().is_some_and(|code| code.len() > 10_000) {
            fault("filter", "must have at most 10,000 characters");
        }
        if self.rate_per_minute.is_some_and(|rate| !(1..=HIGHEST_RATE).contains(&rate)) {
            fault("rate_per_minute", "must be 1 to 600,000");
        }
        if self.max_body_bytes.is_some_and(|size| !(1..=LARGEST_BODY).contains(&size)) {
            fault("max_body_bytes", "must be 1 to 26,214,400, which is 25 MiB");
        }
        if self.respond.timeout_s.is_some_and(|wait| !(1..=LONGEST_WAIT_S).contains(&wait)) {
            fault("respond.timeout_s", "must be 1 to 60");
        }
        problems
    }
}

/// Templates, which cannot stand where nothing is known yet that they could refer to.
pub(super) fn templates(params: &impl Serialize) -> Vec<ParamsProblem> {
    let mut problems = Vec::new();
    refuse_templates("", &serde_json::to_value(params).unwrap_or_default(), &mut problems);
    problems
}

fn refuse_templates(field: &str, value: &Value, problems: &mut Vec<ParamsProblem>) {
    let inner = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
    match value {
        Value::String(text) if text.contains("{{") => {
            let message = "cannot hold `{{ … }}`: a trigger begins the run, so there is nothing yet to refer to".to_owned();
            problems.push(ParamsProblem { code: "invalid_parameter", field: field.to_owned(), message });
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| refuse_templates(&inner(&at.to_string()), item, problems));
        }
        Value::Object(fields) => fields.iter().for_each(|(name, value)| refuse_templates(&inner(name), value, problems)),
        _ => {}
    }
}

/// `body.` and names or numbers between dots.
fn is_path(text: &str) -> bool {
    text.len() <= 200 && text.strip_prefix("body.").is_some_and(|rest| rest.split('.').all(|part| !part.is_empty()))
}

/// The text or number at a path like `body.event.id`.
fn at(body: &Value, path: &str) -> Option<String> {
    let found = path.split('.').skip(1).try_fold(body, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        value => value.get(part),
    });
    match found? {
        Value::String(text) => id(text),
        Value::Number(number) => id(&number.to_string()),
        _ => None,
    }
}

/// What a sender calls a delivery, as an index can hold it: a long name is told from others by its hash.
pub(super) fn id(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = text.len() <= LONGEST_ID && !text.contains('\0');
    match text {
        "" => None,
        _ if is_plain => Some(text.to_owned()),
        _ => Some(format!("sha256:{}", hex(&Sha256::digest(text.as_bytes())))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn params(value: Value) -> Params {
        serde_json::from_value(value).unwrap()
    }

    #[track_caller]
    fn called(asked: Value, headers: &[(&str, &str)], body: Value) -> Called {
        params(asked).called(&headers.iter().copied().collect(), &body)
    }

    fn id_of(text: &str) -> Called {
        Called::Id(text.to_owned())
    }

    #[test]
    fn a_form_that_was_left_empty_is_what_is_usual() {
        let empty =
            params(json!({"auth": null, "dedupe": "", "filter": "", "respond": "", "rate_per_minute": null, "methods": ""}));
        assert_eq!(empty, Params::default());
        assert_eq!((empty.max_body_bytes(), empty.rate_per_minute(), empty.wait_s()), (10 << 20, 6_000, None));
        assert!(empty.takes(Method::Post) && !empty.takes(Method::Put) && empty.check().is_empty());
        let put = params(json!({"methods": ["PUT"], "respond": {"mode": "wait"}, "max_body_bytes": 5}));
        assert!(put.takes(Method::Put) && !put.takes(Method::Post));
        assert_eq!((put.wait_s(), put.max_body_bytes()), (Some(30), 5));
    }

    #[test]
    fn each_sender_has_its_own_word_for_a_delivery() {
        let scheme = |scheme: &str| json!({"auth": {"scheme": scheme, "secret": "S"}});
        let headers = [("X-GitHub-Delivery", "g"), ("Idempotency-Key", "k")];
        assert_eq!(called(scheme("github"), &headers, json!(null)), id_of("g"));
        assert_eq!(called(scheme("gitlab"), &headers, json!(null)), id_of("k"));
        assert_eq!(called(scheme("stripe"), &headers, json!({"id": "evt_1"})), id_of("evt_1"));
        assert_eq!(called(scheme("slack"), &headers, json!({"event_id": "Ev1"})), id_of("Ev1"));
        assert_eq!(called(json!({}), &[("idempotency-key", "k"), ("webhook-id", "w")], json!(null)), id_of("w"));
        assert_eq!(called(json!({"dedupe": "none"}), &headers, json!(null)), Called::Nothing);
        assert_eq!(called(json!({}), &[], json!({"id": 1})), Called::Nothing, "the body alone says nothing");
    }

    #[test]
    fn an_author_may_say_where_it_stands() {
        let body = json!({"a": [{"id": 7}], "flag": true, "empty": " "});
        assert_eq!(called(json!({"dedupe": "body.a.0.id"}), &[], body.clone()), id_of("7"));
        assert_eq!(called(json!({"dedupe": "X-Id"}), &[("x-id", " 8 ")], body.clone()), id_of("8"));
        for place in ["body.a.1.id", "body.flag", "body.empty", "body.a.x", "X-Id"] {
            assert_eq!(called(json!({"dedupe": place}), &[], body.clone()), Called::Missing(place.to_owned()));
        }
    }

    #[test]
    fn a_name_of_any_length_fits_the_index() {
        let Called::Id(long) = called(json!({"dedupe": "X-Id"}), &[("x-id", &"x".repeat(100_000))], json!(null)) else {
            panic!()
        };
        assert!(long.starts_with("sha256:") && long.len() < 100);
        let Called::Id(other) = called(json!({"dedupe": "X-Id"}), &[("x-id", &"x".repeat(100_001))], json!(null)) else {
            panic!()
        };
        assert_ne!(long, other);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let faults = |value: Value| params(value).check().into_iter().map(|fault| fault.field).collect::<Vec<_>>();
        assert_eq!(faults(json!({"auth": {"scheme": "github"}})), ["auth.secret"]);
        assert_eq!(faults(json!({"auth": {"scheme": "bearer", "secret": "not a name"}})), ["auth.secret"]);
        assert_eq!(faults(json!({"auth": {"header": "a b", "timestamp_header": "ä"}})), ["auth.header", "auth.timestamp_header"]);
        for dedupe in ["body.", "a b", "body..id"] {
            assert_eq!(faults(json!({"dedupe": dedupe})), ["dedupe"], "{dedupe}");
        }
        let bounds = json!({"rate_per_minute": 0, "max_body_bytes": 26_214_401, "respond": {"timeout_s": 61}});
        assert_eq!(faults(bounds), ["rate_per_minute", "max_body_bytes", "respond.timeout_s"]);
    }

    #[test]
    fn templates_are_refused_wherever_they_stand() {
        let mut problems = Vec::new();
        let value = json!({"a": "{{ trigger.x }}", "b": ["x", {"c": "{{ secrets.S }}"}], "d": "{ x }"});
        refuse_templates("", &value, &mut problems);
        assert_eq!(problems.iter().map(|fault| fault.field.as_str()).collect::<Vec<_>>(), ["a", "b.1.c"]);
    }
}
