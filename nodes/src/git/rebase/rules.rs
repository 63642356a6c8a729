//! What can be resolved without judgement.

use flowforge_core::conflict::{Answer, Conflict, Take};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{
    hunks::{Hunk, Part},
    imports,
    languages::Language,
    sides::text_of,
    text::{self, Ending, lines},
};

/// Files that a program makes from others: merging their lines makes no sense.
const LOCK_FILES: [(&str, &str); 11] = [
    ("Cargo.lock", "cargo generate-lockfile --offline || cargo generate-lockfile"),
    ("Gemfile.lock", "bundle lock"),
    ("Pipfile.lock", "pipenv lock"),
    ("bun.lock", "bun install --lockfile-only"),
    ("composer.lock", "composer update --lock --no-scripts"),
    ("go.sum", "go mod tidy"),
    ("package-lock.json", "npm install --package-lock-only --ignore-scripts --no-audit --no-fund"),
    ("pnpm-lock.yaml", "pnpm install --lockfile-only --ignore-scripts"),
    ("poetry.lock", "poetry lock"),
    ("uv.lock", "uv lock"),
    ("yarn.lock", "yarn install --ignore-scripts"),
];
/// The longest hunk whose lines are compared one by one.
const LONGEST_HUNK: usize = 2_000;

/// Whether a program makes this file.
pub(crate) fn is_lock_file(path: &str) -> bool {
    lock_command(path).is_some()
}

/// What makes a file anew, when its author has not said.
pub(super) fn lock_command(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next()?;
    LOCK_FILES.iter().find_map(|(file, command)| (*file == name).then_some(*command))
}

/// What becomes of a path without looking at its lines, and by which rule.
pub(super) fn whole(conflict: &Conflict) -> Option<(Answer, &'static str)> {
    match (&conflict.ours, &conflict.theirs) {
        (None, None) => Some((Answer::Take(Take::Delete), "gone_on_both_sides")),
        (Some(ours), Some(theirs)) if ours.oid == theirs.oid && ours.mode == theirs.mode => {
            Some((Answer::Take(Take::Ours), "same_on_both_sides"))
        }
        _ => None,
    }
}

/// The three texts with line feeds only, and how the result is to end its lines. Texts that mix both ends are left as they are.
pub(super) fn normal(conflict: &Conflict) -> ([String; 3], Option<Ending>) {
    let sides = [&conflict.base, &conflict.ours, &conflict.theirs].map(text_of);
    let [base, ours, theirs] = sides.map(text::ending);
    let differ = [base, ours, theirs].contains(&Ending::CrLf);
    match text::wanted(base, ours, theirs).filter(|_| differ && base != Ending::Mixed) {
        Some(ending) => (sides.map(text::plain), Some(ending)),
        None => (sides.map(str::to_owned), None),
    }
}

/// Resolves the hunks that a rule is made for.
pub(super) fn hunks(parts: &mut [Part], path: &str) {
    let language = Language::of(path);
    let mut before = String::new();
    for part in parts {
        match part {
            Part::Same(same) => before += same,
            Part::Hunk(hunk) => {
                hunk.resolved = resolved(hunk, path, language, &before);
                before += hunk.resolved.as_ref().map_or(&hunk.ours, |(text, _)| text);
            }
        }
    }
}

fn resolved(hunk: &Hunk, path: &str, language: Option<Language>, before: &str) -> Option<(String, &'static str)> {
    let Hunk { base, ours, theirs, .. } = hunk;
    if ours == theirs || theirs == base {
        return Some((ours.clone(), "same_on_both_sides"));
    }
    if ours == base {
        return Some((theirs.clone(), "same_on_both_sides"));
    }
    let bare = [base, ours, theirs].map(|text| bare(text, path));
    if bare[1] == bare[2] || bare[2] == bare[0] {
        return Some((ours.clone(), "white_space"));
    }
    if bare[1] == bare[0] {
        return Some((theirs.clone(), "white_space"));
    }
    if let Some(text) = language.and_then(|language| imports::union(hunk, language, before)) {
        return Some((text, "import_list"));
    }
    adjacent(base, ours, theirs).map(|text| (text, "adjacent_lines"))
}

/// The text without what no reader of it minds: white space at the ends of lines, which means something in Markdown, and in front
/// of them in JSON.
fn bare(text: &str, path: &str) -> Vec<String> {
    let trimmed = |line: &str| match path.rsplit('.').next() {
        Some("md" | "markdown") => line.to_owned(),
        Some("json") => line.trim().to_owned(),
        _ => line.trim_end().to_owned(),
    };
    text.lines().map(trimmed).collect()
}

/// Both sides' edits, when no line was changed by both and nothing was added by both at one place.
fn adjacent(base: &str, ours: &str, theirs: &str) -> Option<String> {
    let [base, ours, theirs] = [base, ours, theirs].map(lines);
    if [&base, &ours, &theirs].iter().any(|lines| lines.len() > LONGEST_HUNK) {
        return None;
    }
    let mut edits = edits(&base, &ours);
    edits.extend(self::edits(&base, &theirs));
    edits.sort_by_key(|edit| (edit.from, edit.to));
    let apart = |pair: &[Edit]| {
        let (first, second) = (&pair[0], &pair[1]);
        // What is put in where the other side takes lines away may have belonged to those.
        first.to <= second.from && !(first.from == first.to && first.to == second.from) && second.from != second.to
    };
    if edits.len() < 2 || !edits.windows(2).all(apart) {
        return None;
    }
    let (mut text, mut at) = (String::new(), 0);
    for edit in &edits {
        text += &base[at..edit.from].concat();
        text += &edit.lines;
        at = edit.to;
    }
    Some(text + &base[at..].concat())
}

/// Lines `from..to` of the base replaced.
struct Edit {
    from: usize,
    to: usize,
    lines: String,
}

fn edits(base: &[&str], side: &[&str]) -> Vec<Edit> {
    let ops = capture_diff_slices(Algorithm::Myers, base, side);
    let changed = ops.into_iter().filter(|op| !matches!(op, DiffOp::Equal { .. }));
    changed.map(|op| Edit { from: op.old_range().start, to: op.old_range().end, lines: side[op.new_range()].concat() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str, base: &str, ours: &str, theirs: &str) -> Option<(String, &'static str)> {
        let hunk = Hunk { base: base.into(), ours: ours.into(), theirs: theirs.into(), resolved: None };
        resolved(&hunk, path, Language::of(path), "")
    }

    #[test]
    fn edits_of_lines_beside_each_other_are_both_made() {
        let both = rule("x", "a\nb\n", "A\nb\n", "a\nB\n");
        assert_eq!(both, Some(("A\nB\n".to_owned(), "adjacent_lines")));
        assert_eq!(rule("x", "a\nb\nc\n", "A\nb\nc\n", "a\nb\n"), Some(("A\nb\n".to_owned(), "adjacent_lines")));
    }

    #[test]
    fn what_meets_is_left_to_others() {
        for (base, ours, theirs) in [
            ("a\n", "b\n", "c\n"),
            ("a\n", "a\nb\n", "a\nc\n"),
            ("", "b\n", "c\n"),
            // A function that was moved away here and changed there.
            ("f\n1\n}\n", "", "f\n2\n}\n"),
            ("a\nb\n", "A\nB\n", "a\nC\n"),
            ("a\nb\n", "A\nb\n", "a\nnew\nb\n"),
        ] {
            assert_eq!(rule("x", base, ours, theirs), None, "{base:?} {ours:?} {theirs:?}");
        }
    }

    #[test]
    fn white_space_that_nobody_minds_is_no_conflict() {
        assert_eq!(rule("x.py", "a\n", "a  \n", "b\n"), Some(("b\n".to_owned(), "white_space")));
        assert_eq!(rule("x.py", "a\n", "b\n", "a\t\n"), Some(("b\n".to_owned(), "white_space")));
        assert_eq!(rule("x.json", "[\n1]\n", "[\n  1]\n", "[\n\t1]\n").unwrap().1, "white_space");
        assert_eq!(rule("x.py", "a\n", "  a\n", "b\n"), None, "indentation means something");
        assert_eq!(rule("x.md", "a\n", "a  \n", "b\n"), None, "a line break");
    }

    #[test]
    fn lock_files_are_known_wherever_they_lie() {
        assert!(is_lock_file("Cargo.lock") && is_lock_file("web/package-lock.json"));
        assert!(!is_lock_file("Cargo.lock/x") && !is_lock_file("my-Cargo.lock"));
    }
}
