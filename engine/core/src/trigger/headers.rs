//! The headers of a request, as triggers see them.

use serde_json::{Map, Value};

/// Headers that prove who sends, or are meant for the server alone: they are read and never kept.
const NOT_KEPT: [&str; 12] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "stripe-signature",
    "x-api-key",
    "x-gitlab-token",
    "x-hub-signature",
    "x-hub-signature-256",
    "x-slack-signature",
    "x-twilio-signature",
    "webhook-signature",
    "x-signature",
];

/// Headers in the order in which they came, their names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The value of a header that came once. Two of them would mean whatever their reader picks.
    pub fn only(&self, name: &str) -> Option<&str> {
        let mut all = self.all(name);
        all.next().filter(|_| all.next().is_none())
    }

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_ascii_lowercase();
        self.0.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// What is kept of them: an object of texts, those of one name joined by commas, without what proves who sends and without
    /// those named in `secret`.
    pub fn kept(&self, secret: &[&str]) -> Value {
        let mut kept = Map::new();
        for (name, value) in &self.0 {
            if NOT_KEPT.contains(&name.as_str()) || secret.iter().any(|secret| secret.eq_ignore_ascii_case(name)) {
                continue;
            }
            match kept.get_mut(name) {
                Some(Value::String(known)) => *known = format!("{known}, {value}"),
                _ => drop(kept.insert(name.clone(), value.as_str().into())),
            }
        }
        kept.into()
    }
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        Self(headers.into_iter().map(|(name, value)| (name.as_ref().to_ascii_lowercase(), value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_proves_who_sends_is_not_kept() {
        let headers: Headers = NOT_KEPT.iter().map(|name| (name.to_uppercase(), "hush")).collect();
        assert_eq!(headers.kept(&[]), json!({}));
        let headers: Headers = [("X-Key", "hush"), ("Accept", "a"), ("accept", "b"), ("X-Event", "push")].into_iter().collect();
        assert_eq!(headers.kept(&["x-KEY"]), json!({"accept": "a, b", "x-event": "push"}));
    }

    #[test]
    fn a_header_that_came_twice_is_not_one() {
        let headers: Headers = [("Accept", "a"), ("accept", "b"), ("Host", "h")].into_iter().collect();
        assert_eq!((headers.get("ACCEPT"), headers.only("accept"), headers.only("host")), (Some("a"), None, Some("h")));
    }
}
