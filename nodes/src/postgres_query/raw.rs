//! Statements of the author's own: which kinds are run.

use flowforge_core::node::NodeError;

/// What a statement may begin with. What steers the session or the transaction is missing, since it would undo limits that hold
/// for the whole step; so is what moves data past the protocol of rows, such as COPY.
const ALLOWED: [&str; 22] = [
    "SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE", "CALL", "EXPLAIN", "SHOW", "CREATE", "ALTER",
    "DROP", "TRUNCATE", "COMMENT", "GRANT", "REVOKE", "REFRESH", "ANALYZE", "LOCK", "REINDEX",
];

/// Refuses statements of other kinds. That it is only one statement is seen to by the server: the extended protocol has no
/// place for a second.
pub(super) fn check(sql: &str) -> Result<(), NodeError> {
    if sql.contains('\0') {
        return Err(crate::params::invalid("`sql` holds U+0000, which no statement can"));
    }
    let word = first_word(sql).to_uppercase();
    if ALLOWED.contains(&&*word) {
        return Ok(());
    }
    let shown = if word.is_empty() { "nothing that is run".to_owned() } else { format!("`{word}`") };
    let message = format!("`sql` begins with {shown}; a statement here begins with one of {}", ALLOWED.join(", "));
    Err(NodeError::fatal("POSTGRES_STATEMENT_REFUSED", message))
}

/// The first word, past blanks, comments, parentheses and empty statements.
fn first_word(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ';'));
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.find(['\n', '\r']).map_or("", |end| &comment[end..]);
        } else if rest.starts_with("/*") {
            rest = after_comment(rest);
        } else {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            return &rest[..end];
        }
    }
}

/// Comments lie in each other.
fn after_comment(sql: &str) -> &str {
    let (mut depth, mut rest) = (0_u32, sql);
    loop {
        if let Some(inner) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, inner);
        } else if let Some(outer) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, outer);
            if depth == 0 {
                return rest;
            }
        } else {
            let mut chars = rest.chars();
            if chars.next().is_none() {
                return "";
            }
            rest = chars.as_str();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_and_changing_rows_is_run() {
        for sql in
            ["select 1", " -- a\n/* b /* c */ */ ; (SELECT 1)", "With x as (select 1) select 1", "TABLE x", "explain select 1"]
        {
            assert_eq!(check(sql), Ok(()), "{sql}");
        }
    }

    #[test]
    fn what_steers_the_session_or_goes_past_rows_is_not() {
        for sql in [
            "",
            "  -- only a comment",
            "/* not closed",
            ";;",
            "COPY t FROM PROGRAM 'id'",
            "/**/copy t to stdout",
            "; COMMIT",
            "begin",
            "ROLLBACK",
            "END",
            "SAVEPOINT a",
            "SET ROLE postgres",
            "RESET ALL",
            "DISCARD ALL",
            "LISTEN x",
            "PREPARE TRANSACTION 'x'",
            "DO $$ BEGIN END $$",
            "VACUUM",
            "select\0 1",
            "ＣＯＰＹ t",
        ] {
            assert!(check(sql).is_err(), "{sql}");
        }
    }
}
