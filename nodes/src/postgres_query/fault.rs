//! What PostgreSQL's errors mean for a step. They may quote values, so only what cannot hold one is told.

use std::error::Error as _;

use flowforge_core::node::NodeError;
use serde_json::{Map, Value};
use tokio_postgres::{
    Error,
    error::{DbError, ErrorPosition, SqlState},
};

/// The shortest value that is looked for in messages: shorter ones would blot out ordinary words.
const SHORTEST: usize = 3;

/// What a failure means, with the values that must not be told.
pub(super) fn told(fault: &Error, values: &[String]) -> NodeError {
    match fault.as_db_error() {
        Some(fault) => of_database(fault, values),
        None => of_connection(fault),
    }
}

/// The connection failed, or the server broke the protocol.
fn of_connection(fault: &Error) -> NodeError {
    let cause = fault.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let text = fault.to_string();
    match text.as_str() {
        "error performing TLS handshake" => {
            let help = "check its certificate, give `ca_certificate`, or choose another `tls` for a network that you trust";
            NodeError::fatal("POSTGRES_TLS", format!("no encrypted connection came about{cause}; {help}"))
        }
        "authentication error" | "invalid configuration" => {
            NodeError::fatal("POSTGRES_AUTHENTICATION", format!("the database could not be signed in to{cause}"))
        }
        "error encoding message to server" => NodeError::fatal("POSTGRES_VALUE", format!("the statement cannot be sent{cause}")),
        _ => NodeError::retry("POSTGRES_CONNECTION", format!("the connection to the database failed: {text}{cause}")),
    }
}

/// A stable word for an SQLSTATE, and whether another attempt makes sense.
fn meaning(state: &SqlState) -> (&'static str, bool) {
    match state.code() {
        "57014" | "25P03" | "57P05" => ("POSTGRES_TIMEOUT", true),
        "55P03" => ("POSTGRES_LOCKED", true),
        "40001" => ("POSTGRES_SERIALIZATION", true),
        "40P01" => ("POSTGRES_DEADLOCK", true),
        "57P04" | "3D000" => ("POSTGRES_UNKNOWN_DATABASE", false),
        "42501" => ("POSTGRES_PERMISSION", false),
        "25006" => ("POSTGRES_READ_ONLY", false),
        "P0001" => ("POSTGRES_RAISED", false),
        code => match &code[..2] {
            "08" => ("POSTGRES_CONNECTION", true),
            "28" => ("POSTGRES_AUTHENTICATION", false),
            "53" | "57" | "58" => ("POSTGRES_UNAVAILABLE", true),
            "40" => ("POSTGRES_SERIALIZATION", true),
            "23" => ("POSTGRES_CONSTRAINT", false),
            "22" => ("POSTGRES_VALUE", false),
            "0A" | "25" | "26" | "2D" | "34" | "42" | "54" | "55" => ("POSTGRES_STATEMENT", false),
            _ => ("POSTGRES_ERROR", false),
        },
    }
}

fn of_database(fault: &DbError, values: &[String]) -> NodeError {
    let (code, retryable) = meaning(fault.code());
    let mut message = masked(fault.message(), fault.code(), values);
    if let Some(number) = parameter(fault.where_()) {
        message = format!("${number}: {message}");
    }
    let mut details = Map::new();
    details.insert("sqlstate".into(), fault.code().code().into());
    let named =
        [("constraint", fault.constraint()), ("schema", fault.schema()), ("table", fault.table()), ("column", fault.column())];
    details.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?)))));
    if let Some(ErrorPosition::Original(at)) = fault.position() {
        details.insert("position".into(), (*at).into());
    }
    let constraint = fault.constraint().map(|name| format!(" (constraint `{name}`)")).unwrap_or_default();
    let named = if message.contains(fault.constraint().unwrap_or_default()) { String::new() } else { constraint };
    let error = NodeError::fatal(code, format!("PostgreSQL says: {message}{named} [{}]", fault.code().code()));
    NodeError { retryable, ..error }.with_details(Value::Object(details))
}

/// A message without values. Those of data exceptions quote what they do not like; others may quote a bound value.
fn masked(message: &str, state: &SqlState, values: &[String]) -> String {
    let mut text = message.to_owned();
    if state.code().starts_with("22") {
        text = unquoted(&text);
    }
    let mut values: Vec<_> = values.iter().filter(|value| value.len() >= SHORTEST).collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.into_iter().fold(text, |text, value| if text.contains(&**value) { text.replace(&**value, "…") } else { text })
}

/// Everything from the first quotation mark to the last is left out: a value may hold some itself.
fn unquoted(text: &str) -> String {
    match (text.find('"'), text.rfind('"')) {
        (Some(first), Some(last)) if first < last => format!("{}\"…\"{}", &text[..first], &text[last + 1..]),
        _ => text.to_owned(),
    }
}

/// Which parameter the context of an error names: PostgreSQL 14 and later do.
pub(super) fn parameter(context: Option<&str>) -> Option<usize> {
    let (_, after) = context?.rsplit_once("parameter $")?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// As `told`, with the name of the parameter in place of its number.
pub(super) fn of_values(fault: &Error, values: &[String], labels: &[String]) -> NodeError {
    let number = fault.as_db_error().and_then(|fault| parameter(fault.where_()));
    let mut error = told(fault, values);
    if let Some((number, label)) = number.and_then(|number| Some((number, labels.get(number.checked_sub(1)?)?))) {
        error.message = error.message.replacen(&format!("${number}"), &format!("`{label}`"), 1);
        if let Value::Object(details) = &mut error.details {
            details.insert("parameter".into(), label.as_str().into());
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_word_and_says_whether_to_try_again() {
        for (state, code, retryable) in [
            ("08006", "POSTGRES_CONNECTION", true),
            ("57P01", "POSTGRES_UNAVAILABLE", true),
            ("57P03", "POSTGRES_UNAVAILABLE", true),
            ("53300", "POSTGRES_UNAVAILABLE", true),
            ("40001", "POSTGRES_SERIALIZATION", true),
            ("40P01", "POSTGRES_DEADLOCK", true),
            ("57014", "POSTGRES_TIMEOUT", true),
            ("55P03", "POSTGRES_LOCKED", true),
            ("28P01", "POSTGRES_AUTHENTICATION", false),
            ("3D000", "POSTGRES_UNKNOWN_DATABASE", false),
            ("23505", "POSTGRES_CONSTRAINT", false),
            ("22P02", "POSTGRES_VALUE", false),
            ("42601", "POSTGRES_STATEMENT", false),
            ("42501", "POSTGRES_PERMISSION", false),
            ("25006", "POSTGRES_READ_ONLY", false),
            ("P0001", "POSTGRES_RAISED", false),
            ("XX000", "POSTGRES_ERROR", false),
        ] {
            assert_eq!(meaning(&SqlState::from_code(state)), (code, retryable), "{state}");
        }
    }

    #[test]
    fn a_message_tells_no_value() {
        let data = SqlState::INVALID_TEXT_REPRESENTATION;
        assert_eq!(masked("invalid input: \"a\"b\" here", &data, &[]), "invalid input: \"…\" here");
        let raised = SqlState::RAISE_EXCEPTION;
        assert_eq!(masked("no Ada Lovelace, no ab", &raised, &["Ada", "Ada Lovelace", "ab"].map(str::to_owned)), "no …, no ab");
    }

    #[test]
    fn a_parameter_is_found_in_the_context() {
        assert_eq!(parameter(Some("JSON data, line 1: x\nportal \"p1\" parameter $12 = 'x'")), Some(12));
        assert_eq!(parameter(Some("SQL function \"f\"")), None);
    }
}
