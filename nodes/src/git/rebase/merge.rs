//! One commit merged onto another: a tree, and what collides in it.

use std::collections::{BTreeMap, BTreeSet};

use flowforge_core::{conflict::ConflictKind, node::NodeError};

use super::super::{Git, git_said};

/// A file as it stands in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: String,
    pub(super) oid: String,
}

/// A path at which the sides collide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: String,
    /// What git says of it; what the files hold may say more.
    pub(super) kind: ConflictKind,
    pub(super) base: Option<Entry>,
    pub(super) ours: Option<Entry>,
    pub(super) theirs: Option<Entry>,
}

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Merged {
    /// The whole tree; where paths collide it holds something that nobody should use.
    pub(super) tree: String,
    /// In the order of their paths.
    pub(super) conflicts: Vec<Found>,
}

/// Brings what `theirs` changed since `base` onto `ours`.
pub(super) async fn merge(git: Git, base: &str, ours: &str, theirs: &str) -> Result<Merged, NodeError> {
    let base = format!("--merge-base={base}");
    let answer = git.args(["merge-tree", "--write-tree", "-z", "--messages", &base, ours, theirs]).answer().await?;
    if !matches!(answer.code, 0 | 1) {
        let message = format!("git could not merge {theirs} onto {ours}: {}", git_said(&answer.stderr));
        return Err(NodeError::retry("GIT_FAILED", message));
    }
    let text = String::from_utf8(answer.stdout).map_err(|_| {
        NodeError::fatal("REBASE_PATH_UNREADABLE", format!("{theirs} has a path that collides and is no text in UTF-8"))
    })?;
    parse(&text).ok_or_else(|| NodeError::fatal("GIT_FAILED", format!("git's answer for {theirs} on {ours} cannot be read")))
}

/// The tree, then `mode oid stage\tpath` for each version of each path, then messages: how many paths, the paths, a stable word, a
/// sentence. All ended by NUL, the first list by an empty entry.
fn parse(text: &str) -> Option<Merged> {
    let mut parts = text.split('\0');
    let tree = parts.next()?.to_owned();
    let mut stages: BTreeMap<String, [Option<Entry>; 3]> = BTreeMap::new();
    for part in parts.by_ref().take_while(|part| !part.is_empty()) {
        let (head, path) = part.split_once('\t')?;
        let [mode, oid, stage] = *head.split(' ').collect::<Vec<_>>() else { return None };
        let at = stage.parse::<usize>().ok()?.checked_sub(1)?;
        let entry = Entry { mode: mode.to_owned(), oid: oid.to_owned() };
        *stages.entry(path.to_owned()).or_default().get_mut(at)? = Some(entry);
    }
    let words = messages(parts)?;
    let found = |(path, [base, ours, theirs]): (String, [Option<Entry>; 3])| {
        let none = BTreeSet::new();
        let kind = kind([&base, &ours, &theirs], words.get(&path).unwrap_or(&none));
        Found { path, kind, base, ours, theirs }
    };
    Some(Merged { tree, conflicts: stages.into_iter().map(found).collect() })
}

/// The stable words about each path.
fn messages<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<BTreeMap<String, BTreeSet<&'a str>>> {
    let mut words: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    while let Some(count) = parts.next().filter(|count| !count.is_empty()) {
        let paths: Vec<_> = parts.by_ref().take(count.parse().ok()?).collect();
        let (word, _sentence) = (parts.next()?, parts.next()?);
        for path in paths {
            words.entry(path.to_owned()).or_default().insert(word);
        }
    }
    Some(words)
}

fn kind(stages: [&Option<Entry>; 3], words: &BTreeSet<&str>) -> ConflictKind {
    let has_mode = |mode: &str| stages.iter().any(|entry| entry.as_ref().is_some_and(|entry| entry.mode == mode));
    let says = |what: &str| words.iter().any(|word| word.starts_with("CONFLICT") && word.contains(what));
    let [base, ours, theirs] = stages;
    match (base, ours, theirs) {
        _ if has_mode("160000") => ConflictKind::Submodule,
        _ if says("file/directory") || says("directory rename") => ConflictKind::DirectoryFile,
        _ if has_mode("120000") => ConflictKind::Symlink,
        _ if says("rename/delete") => ConflictKind::RenameDelete,
        _ if says("rename") => ConflictKind::Rename,
        (_, None, None) => ConflictKind::Rename,
        (Some(_), None, Some(_)) | (Some(_), Some(_), None) => ConflictKind::ModifyDelete,
        (None, Some(_), None) | (None, None, Some(_)) => ConflictKind::Rename,
        _ if says("binary") => ConflictKind::Binary,
        (_, Some(ours), Some(theirs)) if ours.oid == theirs.oid => ConflictKind::Mode,
        (None, Some(ours), Some(theirs)) if ours.mode != theirs.mode => ConflictKind::Mode,
        (None, Some(_), Some(_)) => ConflictKind::AddAdd,
        (Some(_), Some(_), Some(_)) => ConflictKind::Content,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(String, ConflictKind)> {
        parse(&text.replace('\n', "\0")).unwrap().conflicts.into_iter().map(|found| (found.path, found.kind)).collect()
    }

    #[test]
    fn versions_and_messages_say_what_collides() {
        let text = "tree\n100644 a 1\td\n100644 b 2\td\n100644 a 1\tf g\n100644 b 2\tf g\n100644 c 3\tf g\n100644 a 1\tr\n100644 a 3\ts\n100644 a 2\tt\n\
            \n1\nd\nCONFLICT (modify/delete)\nsaid\n1\nf g\nAuto-merging\nsaid\n1\nf g\nCONFLICT (contents)\nsaid\n3\nr\nt\ns\nCONFLICT (rename/rename)\nsaid\n";
        let expected = [("d", ConflictKind::ModifyDelete), ("f g", ConflictKind::Content), ("r", ConflictKind::Rename)];
        let expected = expected.into_iter().chain([("s", ConflictKind::Rename), ("t", ConflictKind::Rename)]);
        assert_eq!(kinds(text), expected.map(|(path, kind)| (path.to_owned(), kind)).collect::<Vec<_>>());
        assert_eq!(kinds("tree\n"), []);
        assert_eq!(kinds("tree\n160000 a 1\tm\n160000 b 2\tm\n160000 c 3\tm\n\n"), [("m".to_owned(), ConflictKind::Submodule)]);
        assert_eq!(
            kinds("tree\n100644 b 3\tk~x\n\n2\nk~x\nk\nCONFLICT (file/directory)\nsaid\n"),
            [("k~x".to_owned(), ConflictKind::DirectoryFile)]
        );
    }
}
