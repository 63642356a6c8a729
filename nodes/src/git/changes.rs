//! What differs between two trees, and who did it.

use flowforge_core::node::NodeError;

use super::{Git, WorkTree, faults};

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: String,
    /// Whether it became a repository of its own.
    pub(crate) is_repository: bool,
}

impl WorkTree {
    /// The files that differ between two commits or trees; from nothing when there is no first one.
    pub(crate) async fn changes(&self, from: Option<&str>, to: &str) -> Result<Vec<Change>, NodeError> {
        let from = match from {
            Some(from) => from.to_owned(),
            None => Git::at(self.path()).args(["mktree"]).run().await?,
        };
        let git =
            Git::at(self.path()).args(["diff-tree", "-r", "-z", "--raw", "--no-renames", "--ignore-submodules=none", &from, to]);
        Ok(parse(&git.run().await?))
    }

    /// What differs between two commits or trees, as text; of a long one the first `most` bytes, with a line that says so.
    pub(crate) async fn diff(&self, from: &str, to: &str, most: usize) -> Result<String, NodeError> {
        let how = ["diff-tree", "-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames"];
        let git = Git::at(self.path()).args(how).args(["--src-prefix=a/", "--dst-prefix=b/", from, to]);
        let answer = git.answer().await?;
        if answer.code != 0 {
            return Err(NodeError::retry("GIT_FAILED", format!("git could not compare: {}", faults::said(&answer.stderr))));
        }
        let mut text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let left_out = text.len().saturating_sub(most);
        if left_out > 0 {
            let at = text.floor_char_boundary(most);
            text.truncate(text[..at].rfind('\n').map_or(at, |line| line + 1));
            text.push_str(&format!("[… about {left_out} bytes are left out here; all of it is in the work tree …]\n"));
        }
        Ok(text)
    }
}

/// Pairs of `:<old mode> <new mode> <old> <new> <letter>` and a path, all ended by NUL.
fn parse(raw: &str) -> Vec<Change> {
    let mut parts = raw.split('\0').filter(|part| !part.is_empty());
    let pairs = std::iter::from_fn(|| Some((parts.next()?, parts.next()?)));
    pairs
        .map(|(modes, path)| Change { path: path.to_owned(), is_repository: modes.split(' ').nth(1) == Some("160000") })
        .collect()
}

/// An author or a committer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    name: String,
    email: String,
}

impl Default for Person {
    fn default() -> Self {
        Self { name: "FlowForge".to_owned(), email: "flowforge@localhost".to_owned() }
    }
}

impl Person {
    /// Reads `Name <address>`.
    pub(crate) fn parse(text: &str) -> Result<Self, NodeError> {
        let parts = text.trim().strip_suffix('>').and_then(|text| text.split_once('<'));
        let parts = parts.map(|(name, email)| (name.trim(), email.trim()));
        let plain = |text: &str| !text.is_empty() && !text.contains(['<', '>']) && !text.contains(char::is_control);
        match parts {
            Some((name, email)) if plain(name) && plain(email) && !email.contains(' ') => {
                Ok(Self { name: name.to_owned(), email: email.to_owned() })
            }
            _ => Err(NodeError::fatal(
                "INVALID_PARAMETER",
                format!("`author` must be of the form `Name <address>`, not `{}`", text.escape_debug()),
            )),
        }
    }

    /// Makes a call of git act for this author, and for FlowForge as the committer.
    pub(crate) fn sign(&self, git: Git) -> Git {
        let committer = Self::default();
        git.env("GIT_AUTHOR_NAME", &self.name)
            .env("GIT_AUTHOR_EMAIL", &self.email)
            .env("GIT_COMMITTER_NAME", committer.name)
            .env("GIT_COMMITTER_EMAIL", committer.email)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_differences_are_read_with_odd_names_and_modes() {
        let raw = ":000000 100644 0 1 A\0a b\nc\0:100644 160000 1 2 T\0sub\0:160000 000000 2 0 D\0old\0";
        let found: Vec<_> = parse(raw).into_iter().map(|change| (change.path, change.is_repository)).collect();
        assert_eq!(found, [("a b\nc".to_owned(), false), ("sub".to_owned(), true), ("old".to_owned(), false)]);
        assert_eq!(parse(""), []);
    }

    #[test]
    fn an_author_is_a_name_and_an_address() {
        let ada = Person { name: "Ada L.".to_owned(), email: "ada@example.org".to_owned() };
        assert_eq!(Person::parse(" Ada L. <ada@example.org> ").unwrap(), ada);
        for text in ["", "Ada", "<a@b>", "Ada <>", "Ada <a@b", "Ada <a b>", "A\nB <a@b>", "Ada <a@b> <c@d>", "Ada <a@b>\u{1b}"] {
            assert!(Person::parse(text).is_err(), "{text:?}");
        }
    }
}
