//! Replaces the values of secrets wherever they would be written down.

use std::sync::Arc;

use flowforge_core::{
    Awaiting,
    expression::Expression,
    node::{Await, NodeError, Outcome, Output},
    template::Secrets,
};
use serde_json::Value;

/// What stands in the place of a secret.
const MASKED: &str = "***";
/// Shorter values are not masked: they would blot out ordinary words.
const SHORTEST: usize = 4;

/// The secrets that one attempt uses.
#[derive(Clone, Default)]
pub(crate) struct Mask(Arc<Vec<String>>);

impl Mask {
    /// The mask for the secrets that these expressions name.
    pub(crate) fn of<'e>(expressions: impl Iterator<Item = &'e Expression>, secrets: &dyn Secrets) -> Self {
        let values = expressions.filter_map(Expression::secret).filter_map(|name| secrets.get(name));
        let mut forms: Vec<String> = values.filter(|value| value.len() >= SHORTEST).flat_map(forms).collect();
        // The longest first, so that no piece of a longer form is left standing.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        Self(Arc::new(forms))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn text(&self, text: String) -> String {
        self.0
            .iter()
            .fold(text, |text, secret| if text.contains(secret.as_str()) { text.replace(secret.as_str(), MASKED) } else { text })
    }

    pub(crate) fn value(&self, value: Value) -> Value {
        if self.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => fields.into_iter().map(|(key, field)| (self.text(key), self.value(field))).collect(),
            other => other,
        }
    }

    pub(crate) fn result(&self, result: Result<Outcome, NodeError>) -> Result<Outcome, NodeError> {
        if self.is_empty() {
            return result;
        }
        match result {
            Ok(Outcome::Done(Output { value, port })) => {
                Ok(Outcome::Done(Output { value: Arc::new(self.value(Arc::unwrap_or_clone(value))), port }))
            }
            Ok(Outcome::Await(Await { what, until })) => self.wait(&what).map(|what| Outcome::Await(Await { what, until })),
            Err(error) => Err(NodeError { message: self.text(error.message), details: self.value(error.details), ..error }),
            sleep => sleep,
        }
    }
}

impl Mask {
    /// What is waited for is written down too, and other runs are given it.
    fn wait(&self, what: &Awaiting) -> Result<Awaiting, NodeError> {
        let unreadable = |_| {
            NodeError::fatal("SECRET_IN_THE_WAY", "what is handed over cannot be told without a secret: do not put one into it")
        };
        serde_json::from_value(self.value(serde_json::json!(what))).map_err(unreadable)
    }
}

/// The ways in which a secret may turn up: as it is, and as it stands inside a JSON string.
fn forms(secret: String) -> Vec<String> {
    let quoted = Value::String(secret.clone()).to_string();
    let escaped = quoted[1..quoted.len() - 1].to_owned();
    if escaped == secret { vec![secret] } else { vec![secret, escaped] }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Fixed;

    impl Secrets for Fixed {
        fn get(&self, name: &str) -> Option<String> {
            match name {
                "TOKEN" => Some("tok\"en-1".to_owned()),
                "SHORT" => Some("ab".to_owned()),
                _ => None,
            }
        }
    }

    #[test]
    fn a_secret_is_masked_wherever_it_stands_and_a_short_one_is_left() {
        let used = [Expression::parse("secrets.TOKEN"), Expression::parse("secrets.SHORT")];
        let mask = Mask::of(used.iter(), &Fixed);
        let value = json!({"a": "x tok\"en-1 y", "b": ["{\"t\":\"tok\\\"en-1\"}"], "tok\"en-1": "ab"});
        assert_eq!(mask.value(value), json!({"a": "x *** y", "b": ["{\"t\":\"***\"}"], "***": "ab"}));
    }
}
