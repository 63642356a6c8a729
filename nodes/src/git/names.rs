//! Names of branches, checked here before git sees them.

use flowforge_core::node::NodeError;

/// Longer names do not fit into a file's name beside a lock.
const LONGEST: usize = 200;

/// A branch's name by git's own rules (`git help check-ref-format`), and without what could be taken for something else: an option,
/// a full ref, `HEAD`.
pub(crate) fn branch_name(text: &str) -> Result<&str, NodeError> {
    let message = match fault(text) {
        None => return Ok(text),
        Some(fault) => {
            let shown: String = text.escape_debug().take(80).collect();
            format!("`{shown}` cannot be a branch's name: {fault}")
        }
    };
    Err(NodeError::fatal("GIT_REF_INVALID", message))
}

fn fault(text: &str) -> Option<&'static str> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\\u{7f}".contains(c);
    Some(match text {
        "" => "it is empty",
        "@" | "HEAD" => "git means something else by it",
        _ if text.len() > LONGEST => "it is longer than 200 bytes",
        _ if text.starts_with('-') => "it begins like an option",
        _ if text.starts_with("refs/") => "give the branch's own name, without `refs/heads/`",
        _ if text.contains(odd) => "it holds a space, a control character or one of ~^:?*[\\",
        _ if text.contains("..") || text.contains("@{") || text.contains("//") => "it holds `..`, `@{` or `//`",
        _ if text.starts_with('/') || text.ends_with(['/', '.']) => "it begins or ends with `/` or ends with `.`",
        _ if text.split('/').any(|part| part.starts_with('.') || part.ends_with(".lock")) => {
            "a part of it begins with `.` or ends with `.lock`"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_plain_names_pass() {
        for name in ["main", "feature/a-b_c.d", "überholt", "a@b", "1", "x/y/z", "HEADS"] {
            assert_eq!(super::branch_name(name).unwrap(), name);
        }
        let long = "x".repeat(300);
        for name in [
            "",
            "-x",
            "--upload-pack=x",
            "a..b",
            "a b",
            "a\nb",
            "a\tb",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[",
            "a\\b",
            "@",
            "HEAD",
            "a@{1}",
            "/a",
            "a/",
            "a.",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "refs/heads/x",
            "refs/heads/../../x",
            "a\u{0}b",
            "a\u{7f}",
            &long,
        ] {
            assert_eq!(super::branch_name(name).unwrap_err().code, "GIT_REF_INVALID", "{name:?}");
        }
    }
}
