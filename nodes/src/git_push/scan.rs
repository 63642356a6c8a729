//! What a push would carry that nobody over there has seen: every file and message of every commit is looked through for keys and
//! tokens. What cannot be looked through is not pushed.

use std::collections::BTreeMap;

use flowforge_core::node::NodeError;
use globset::GlobSet;
use serde_json::json;

use crate::{
    git::{Git, WorkTree, branch_patterns, rebase::secrets_in},
    params::invalid,
};

/// The largest file that is looked through, in bytes.
const LARGEST: u64 = 32 << 20;
/// How many places are named.
const NAMED: usize = 20;

/// A version of a file that is new, with the one before it.
#[derive(Debug, PartialEq, Eq)]
struct New {
    path: String,
    before: String,
}

/// Refuses to push a commit when it, or one that goes along, brings a key or a token that the file did not hold before.
pub(super) async fn check(tree: &WorkTree, commit: &str, except: &[String]) -> Result<(), NodeError> {
    let except: Vec<_> = except.iter().map(|pattern| pattern.trim()).filter(|pattern| !pattern.is_empty()).collect();
    let except = branch_patterns(&except).map_err(invalid)?;
    let scan = Scan { tree, except };
    let mut found = scan.messages(commit).await?;
    for (oid, new) in scan.files(commit).await? {
        found.extend(scan.file(&oid, &new).await?);
        if found.len() >= NAMED {
            break;
        }
    }
    let Some((path, line, what)) = found.first() else { return Ok(()) };
    let message = format!(
        "nothing was pushed: line {line} of {path} holds {what}; take it out of the commit, or name the file in `scan_except` if it \
         is none"
    );
    let places: Vec<_> = found.iter().map(|(path, line, what)| json!({"path": path, "line": line, "what": what})).collect();
    Err(NodeError::fatal("GIT_PUSH_SECRET", message).with_details(json!({"found": places})))
}

/// Where it was found, in which line, and what it is.
type Found = (String, usize, &'static str);

struct Scan<'a> {
    tree: &'a WorkTree,
    except: Option<GlobSet>,
}

impl Scan<'_> {
    async fn log(&self, commit: &str, format: &[&str]) -> Result<Vec<u8>, NodeError> {
        let range = [commit, "--not", "--remotes=origin"];
        let answer = Git::objects(self.tree.path()).args(["log"]).args(format).args(range).args(["--"]).answer().await?;
        match answer.code {
            0 => Ok(answer.stdout),
            _ => Err(unscanned(&format!("the commits of {commit} cannot be listed: {}", answer.stderr.trim()))),
        }
    }

    async fn messages(&self, commit: &str) -> Result<Vec<Found>, NodeError> {
        let text = self.log(commit, &["-z", "--format=%B%n%an%n%ae"]).await?;
        let found = secrets_in(&text).into_iter().map(|found| ("a commit's message".to_owned(), 1, found.what));
        Ok(found.take(1).collect())
    }

    /// The new contents, by their ids.
    async fn files(&self, commit: &str) -> Result<BTreeMap<String, New>, NodeError> {
        let format =
            ["--format=", "--raw", "-r", "-z", "-m", "--root", "--no-renames", "--no-abbrev", "--ignore-submodules=none"];
        let raw = self.log(commit, &format).await?;
        let mut files = parse(&String::from_utf8_lossy(&raw));
        if let Some(except) = &self.except {
            files.retain(|_, new| !except.is_match(&new.path));
        }
        Ok(files)
    }

    async fn file(&self, oid: &str, new: &New) -> Result<Vec<Found>, NodeError> {
        let mut found = secrets_in(&self.read(oid, &new.path).await?);
        if !found.is_empty() && new.before.contains(|c| c != '0') {
            let known = secrets_in(&self.read(&new.before, &new.path).await?);
            found.retain(|one| !known.iter().any(|known| known.is_same_text(one)));
        }
        Ok(found.into_iter().map(|found| (format!("`{}`", new.path), found.line, found.what)).collect())
    }

    async fn read(&self, oid: &str, path: &str) -> Result<Vec<u8>, NodeError> {
        let git = || Git::objects(self.tree.path());
        let size: u64 = git().args(["cat-file", "-s", oid]).run().await?.parse().unwrap_or(u64::MAX);
        if size > LARGEST {
            return Err(unscanned(&format!("`{path}` has {size} bytes, and {LARGEST} is the most that is looked through")));
        }
        let answer = git().args(["cat-file", "blob", oid]).answer().await?;
        match answer.code {
            0 => Ok(answer.stdout),
            _ => Err(unscanned(&format!("`{path}` cannot be read: {}", answer.stderr.trim()))),
        }
    }
}

fn unscanned(why: &str) -> NodeError {
    let message = format!("nothing was pushed, since it cannot be looked through for keys and tokens: {why}; see `scan_except`");
    NodeError::fatal("GIT_PUSH_UNSCANNED", message)
}

/// Pairs of `:<old mode> <new mode> <old> <new> <letter>` and a path, ended by NUL, with empty entries between commits.
fn parse(raw: &str) -> BTreeMap<String, New> {
    let (mut files, mut parts) = (BTreeMap::new(), raw.split('\0'));
    while let Some(part) = parts.next() {
        let Some(head) = part.trim_start_matches('\n').strip_prefix(':') else { continue };
        let fields: Vec<_> = head.split(' ').collect();
        let (&[_, mode, before, oid, _], Some(path)) = (fields.as_slice(), parts.next()) else { continue };
        // What is gone, and repositories of their own, have nothing to look at.
        if mode.starts_with("10") || mode.starts_with("12") {
            let new = New { path: path.to_owned(), before: before.to_owned() };
            files.entry(oid.to_owned()).or_insert(new);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_contents_are_read_from_raw_differences() {
        let raw = ":000000 100644 00 a1 A\0a b\0:100644 000000 b1 00 D\0gone\0\0:100644 160000 c1 c2 T\0sub\0:120000 120000 d1 d2 M\0l\0";
        let found: Vec<_> = parse(raw).into_iter().map(|(oid, new)| (oid, new.path, new.before)).collect();
        let expected = [("a1", "a b", "00"), ("d2", "l", "d1")];
        assert_eq!(found, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    }
}
