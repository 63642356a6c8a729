//! Identifiers: what may be one, and how it is written into a statement.

use flowforge_core::node::NodeError;

use crate::params::invalid;

/// The longest identifier, in bytes: PostgreSQL would silently cut a longer one off and mean another.
const LONGEST: usize = 63;

/// A name that can be an identifier.
pub(super) fn checked<'n>(name: &'n str, field: &str) -> Result<&'n str, NodeError> {
    let fault = if name.is_empty() {
        "is empty"
    } else if name.contains('\0') {
        "holds U+0000"
    } else if name.len() > LONGEST {
        "is longer than 63 bytes"
    } else {
        return Ok(name);
    };
    Err(invalid(format!("`{field}` {fault}, which no name in PostgreSQL can be")))
}

/// A name as it stands in a statement: it can be nothing but a name.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The parts of `schema.table` or `table`: each is a name of its own, and one that begins with `"` goes to the next `"`.
pub(super) fn parts(text: &str) -> Result<(Option<String>, String), NodeError> {
    let mut parts = Vec::new();
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (part, after) = match text.strip_prefix('"') {
            Some(text) => in_quotes(text).ok_or_else(|| invalid("`table` has a `\"` that is not closed, or text after one"))?,
            None => text.split_once('.').map_or((text.to_owned(), None), |(part, after)| (part.to_owned(), Some(after))),
        };
        parts.push(checked(&part, "table")?.to_owned());
        rest = after;
    }
    match <[String; 2]>::try_from(parts) {
        Ok([schema, table]) => Ok((Some(schema), table)),
        Err(mut parts) if parts.len() == 1 => Ok((None, parts.remove(0))),
        Err(_) => Err(invalid("`table` must be `table` or `schema.table`; write a part that holds a dot itself in \"…\"")),
    }
}

/// What stands before the closing quotation mark, and what follows the dot behind it.
fn in_quotes(text: &str) -> Option<(String, Option<&str>)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                part.push('"');
                rest = after;
            }
            None if after.is_empty() => return Some((part, None)),
            None => return Some((part, Some(after.strip_prefix('.')?))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Option<(Option<String>, String)> {
        parts(text).ok()
    }

    #[test]
    fn a_table_is_one_name_or_two() {
        let two = |schema: &str, table: &str| Some((Some(schema.to_owned()), table.to_owned()));
        assert_eq!(split("orders"), Some((None, "orders".to_owned())));
        assert_eq!(split("Sales.Größe"), two("Sales", "Größe"));
        assert_eq!(split("\"a.b\".\"c\"\"d\""), two("a.b", "c\"d"));
        assert_eq!(split("a\"; DROP TABLE x; --"), Some((None, "a\"; DROP TABLE x; --".to_owned())));
        for wrong in ["", ".", "a.", ".b", "a.b.c", "\"a", "\"a\"b", "a\0b", &"x".repeat(64)] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
        assert!(split(&"ü".repeat(31)).is_some() && split(&"ü".repeat(32)).is_none(), "bytes are counted");
    }

    #[test]
    fn a_quoted_name_cannot_end_early() {
        assert_eq!(quoted("a\"; --"), "\"a\"\"; --\"");
    }
}
