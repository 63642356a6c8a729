//! The objects of a replay: trees with some paths changed, and commits that differ from others in their tree and their parent only.

use std::path::Path;

use flowforge_core::node::NodeError;

use super::{super::Git, merge::Entry};

/// Who every replayed commit was committed by. The time is the original's, so that the same replay makes the same commits.
const COMMITTER: &str = "FlowForge <flowforge@localhost>";
/// Headers that are true of the original only, or are written anew.
const DROPPED: [&str; 6] = ["tree", "parent", "committer", "gpgsig", "gpgsig-sha256", "mergetag"];

/// Some paths of a tree: what each becomes; nothing when it goes.
pub(super) type Edits = Vec<(String, Option<Entry>)>;

/// The tree with some paths changed. The index that it is made in lies beside the repository and is used for nothing else.
pub(super) async fn edit(repository: &Path, index: &Path, tree: &str, edits: &Edits) -> Result<String, NodeError> {
    if edits.is_empty() {
        return Ok(tree.to_owned());
    }
    // A git that was killed has left its lock; nobody else uses this index.
    if let Err(fault) = std::fs::remove_file(index.with_extension("lock"))
        && fault.kind() != std::io::ErrorKind::NotFound
    {
        return Err(NodeError::retry("WORK_TREE_FAILED", format!("an index could not be unlocked: {fault}")));
    }
    let git = || Git::objects(repository).env("GIT_INDEX_FILE", index);
    git().args(["read-tree", "--empty"]).run().await?;
    git().args(["read-tree", tree]).run().await?;
    let mut lines = String::new();
    for (path, entry) in edits {
        // Goes first, since a file may come to stand where a folder was.
        lines += &format!("0 {}\t{path}\0", "0".repeat(tree.len()));
        if let Some(Entry { mode, oid }) = entry {
            lines += &format!("{mode} {oid}\t{path}\0");
        }
    }
    git().args(["update-index", "-z", "--index-info"]).stdin(lines).run().await?;
    git().args(["write-tree"]).run().await
}

/// Writes a file's content.
pub(super) async fn write_blob(repository: &Path, content: impl Into<Vec<u8>>) -> Result<String, NodeError> {
    Git::objects(repository).args(["hash-object", "-t", "blob", "-w", "--no-filters", "--stdin"]).stdin(content).run().await
}

/// Reads a file's content.
pub(super) async fn read_blob(repository: &Path, oid: &str) -> Result<Vec<u8>, NodeError> {
    read(repository, "blob", oid).await
}

async fn read(repository: &Path, kind: &str, oid: &str) -> Result<Vec<u8>, NodeError> {
    let answer = Git::objects(repository).args(["cat-file", kind, oid]).answer().await?;
    match answer.code {
        0 => Ok(answer.stdout),
        _ => Err(NodeError::fatal("GIT_FAILED", format!("the {kind} {oid} cannot be read: {}", answer.stderr.trim()))),
    }
}

/// The commit with another tree and another parent. Author, message and encoding are kept to the byte.
pub(super) async fn rewrite(repository: &Path, commit: &str, tree: &str, parent: &str) -> Result<String, NodeError> {
    let original = read(repository, "commit", commit).await?;
    let unreadable = || NodeError::fatal("GIT_FAILED", format!("the commit {commit} cannot be read"));
    let written = rewritten(&original, tree, parent).ok_or_else(unreadable)?;
    let answer = Git::objects(repository).args(["hash-object", "-t", "commit", "-w", "--stdin"]).stdin(written).answer().await?;
    match answer.code {
        0 => Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned()),
        _ => Err(NodeError::fatal("GIT_FAILED", format!("the commit {commit} cannot be written anew: {}", answer.stderr.trim()))),
    }
}

fn rewritten(original: &[u8], tree: &str, parent: &str) -> Option<Vec<u8>> {
    let end = original.windows(2).position(|pair| pair == b"\n\n")?;
    let (head, message) = original.split_at(end + 1);
    let mut written = format!("tree {tree}\nparent {parent}\n").into_bytes();
    let mut kept = false;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b' ').next()?;
        if !name.is_empty() {
            kept = !DROPPED.iter().any(|dropped| dropped.as_bytes() == name);
        }
        if name == b"committer" {
            written.extend(format!("committer {COMMITTER} {}", time_of(line)?).into_bytes());
        } else if kept {
            written.extend(line);
        }
    }
    written.extend(message);
    Some(written)
}

/// The seconds and the zone at the end of a line of a person.
fn time_of(line: &[u8]) -> Option<String> {
    let after = line.iter().rposition(|byte| *byte == b'>')?;
    let text = std::str::from_utf8(&line[after + 1..]).ok()?.trim();
    let (seconds, zone) = text.split_once(' ')?;
    (seconds.parse::<i64>().is_ok() && zone.len() >= 5).then(|| format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_keeps_its_author_and_message_and_loses_its_signature() {
        let original = b"tree t\nparent p\nauthor .A\xff <a@b> 1 +0200\ncommitter C <c@d> 2 -0330\ngpgsig -----BEGIN\n lines\n \n -----END\nencoding latin1\n\nHi\r\n\n\xe4";
        let written = rewritten(original, "T", "P").unwrap();
        let expected = b"tree T\nparent P\nauthor .A\xff <a@b> 1 +0200\ncommitter FlowForge <flowforge@localhost> 2 -0330\nencoding latin1\n\nHi\r\n\n\xe4";
        assert_eq!(written, expected, "{}", String::from_utf8_lossy(&written));
        assert_eq!(rewritten(b"tree t\nauthor x", "T", "P"), None);
        assert_eq!(rewritten(b"tree t\ncommitter x <y> soon\n\nHi", "T", "P"), None);
    }
}
