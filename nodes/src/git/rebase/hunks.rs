//! Two texts brought together as far as their changes do not meet, and the hunks that remain.

use std::path::Path;

use flowforge_core::node::NodeError;

use super::super::{Git, git_said};

/// A part of a merged text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Lines that both sides agree on.
    Same(String),
    /// Lines that they do not agree on.
    Hunk(Hunk),
}

/// Lines that both sides changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hunk {
    pub(super) base: String,
    pub(super) ours: String,
    pub(super) theirs: String,
    /// What they become, and by which rule.
    pub(super) resolved: Option<(String, &'static str)>,
}

/// The texts merged by git, told apart by marks that are longer than any that they hold themselves.
pub(super) async fn merged(folder: &Path, base: &str, ours: &str, theirs: &str) -> Result<Vec<Part>, NodeError> {
    let size = longest_mark([base, ours, theirs]).max(6) + 1;
    let place = folder.join("rebase-texts");
    let failed = |fault: std::io::Error| NodeError::retry("WORK_TREE_FAILED", format!("texts could not be laid out: {fault}"));
    std::fs::create_dir_all(&place).map_err(failed)?;
    let mut paths = Vec::new();
    for (name, text) in [("ours", ours), ("base", base), ("theirs", theirs)] {
        let path = place.join(name);
        std::fs::write(&path, text).map_err(failed)?;
        paths.push(path);
    }
    let git = Git::anywhere().args(["merge-file", "-p", "--diff3", &format!("--marker-size={size}"), "--"]).args(&paths);
    let answer = git.answer().await?;
    // It ends with the number of hunks, 127 at the most; what is above is a fault.
    if !(0..=127).contains(&answer.code) {
        let message = format!("two versions of a file could not be merged: {}", git_said(&answer.stderr));
        return Err(NodeError::fatal("GIT_FAILED", message));
    }
    let text = String::from_utf8(answer.stdout).map_err(|_| NodeError::fatal("GIT_FAILED", "a merged text is no UTF-8"))?;
    Ok(parse(&text, size))
}

/// The longest row of one of the marks' characters with which a line begins.
fn longest_mark(texts: [&str; 3]) -> usize {
    let row = |line: &str| match line.chars().next() {
        Some(first) if "<|=>".contains(first) => line.chars().take_while(|c| *c == first).count(),
        _ => 0,
    };
    texts.iter().flat_map(|text| text.lines()).map(row).max().unwrap_or(0)
}

fn parse(text: &str, size: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut same, mut hunk) = (String::new(), Hunk::default());
    let mut at = ' ';
    for line in text.split_inclusive('\n') {
        let mark = line.chars().next().filter(|first| is_mark(line, *first, size)).unwrap_or(' ');
        match (at, mark) {
            (' ', '<') => {
                if !same.is_empty() {
                    parts.push(Part::Same(std::mem::take(&mut same)));
                }
                at = '<';
            }
            ('<', '|') | ('|', '=') => at = mark,
            ('=', '>') => {
                parts.push(Part::Hunk(std::mem::take(&mut hunk)));
                at = ' ';
            }
            ('<', _) => hunk.ours += line,
            ('|', _) => hunk.base += line,
            ('=', _) => hunk.theirs += line,
            _ => same += line,
        }
    }
    if !same.is_empty() {
        parts.push(Part::Same(same));
    }
    parts
}

fn is_mark(line: &str, first: char, size: usize) -> bool {
    let rest = line.trim_start_matches(first);
    "<|=>".contains(first) && line.len() - rest.len() == size && (rest.starts_with([' ', '\r', '\n']) || rest.is_empty())
}

/// The whole text, if every hunk has been resolved.
pub(super) fn joined(parts: &[Part]) -> Option<String> {
    parts.iter().try_fold(String::new(), |text, part| match part {
        Part::Same(same) => Some(text + same),
        Part::Hunk(hunk) => hunk.resolved.as_ref().map(|(resolved, _)| text + resolved),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hunks_are_told_from_lines_that_look_like_marks() {
        let folder = tempfile::tempdir().unwrap();
        let base = "top\n<<<<<<< a\n=======\n>>>>>>> b\nx\nend";
        let (ours, theirs) = (base.replace("x\n", "o\n"), base.replace("x\n", "t\r\n"));
        let parts = merged(folder.path(), base, &ours, &theirs).await.unwrap();
        let hunk = Hunk { base: "x\n".into(), ours: "o\n".into(), theirs: "t\r\n".into(), resolved: None };
        let same = Part::Same("top\n<<<<<<< a\n=======\n>>>>>>> b\n".into());
        assert_eq!(parts, [same, Part::Hunk(hunk), Part::Same("end".into())]);
        assert_eq!(joined(&parts), None);
        let clean =
            merged(folder.path(), "1\n2\n3\n4\n5\n6\n7\n", "0\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\n4\n5\n6\n8\n").await.unwrap();
        assert_eq!(joined(&clean).unwrap(), "0\n2\n3\n4\n5\n6\n8\n");
    }
}
