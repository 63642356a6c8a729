//! What every resolution has to pass, whoever made it.

use flowforge_core::conflict::{Answer, Check, Conflict, ConflictKind, Side, Take};

use super::{
    languages::Language,
    scan::{Finding, dangers_in, secrets_in},
};

/// What begins the lines with which git marks a conflict.
const MARKS: [&str; 3] = ["<<<<<<<", "|||||||", ">>>>>>>"];
/// The longest resolution, in bytes.
const LONGEST: usize = 4 << 20;
/// How much longer than both sides together a resolution may be, in bytes.
const GROWTH: usize = 64 << 10;

/// Checks what a file is to become. All checks passed means that it may be taken; none is left out because another one failed.
/// It reads the text several times over, so call it where that holds nobody up.
pub fn check_answer(conflict: &Conflict, answer: &Answer) -> Vec<Check> {
    match answer {
        Answer::Take(take) => vec![side(conflict, *take)],
        Answer::Content(text) => {
            vec![
                fits(conflict, text),
                size(conflict, text),
                marks(conflict, text),
                syntax(conflict, text),
                secrets(conflict, text),
                dangers(conflict, text),
            ]
        }
    }
}

fn check(name: &str, fault: Option<String>) -> Check {
    Check { check: name.to_owned(), passed: fault.is_none(), message: fault.unwrap_or_default() }
}

fn side(conflict: &Conflict, take: Take) -> Check {
    let there = conflict.ours.is_some() || conflict.theirs.is_some();
    let fault = (!there && take != Take::Delete).then(|| "neither side has the file, so it can only be deleted".to_owned());
    check("side", fault)
}

fn texts(conflict: &Conflict) -> impl Iterator<Item = &str> {
    [&conflict.ours, &conflict.theirs].into_iter().flatten().filter_map(|side| side.text.as_deref())
}

fn fits(conflict: &Conflict, text: &str) -> Check {
    let is_file = |side: &&Side| side.mode.starts_with("100");
    let file = [&conflict.ours, &conflict.theirs].into_iter().flatten().any(|side| is_file(&side));
    let fits = file && !matches!(conflict.kind, ConflictKind::Binary | ConflictKind::Submodule | ConflictKind::Symlink);
    if text.contains('\0') {
        return check("kind", Some("it holds the character U+0000, which no text does".to_owned()));
    }
    check("kind", (!fits).then(|| "this is no text; take one side, or delete it".to_owned()))
}

fn size(conflict: &Conflict, text: &str) -> Check {
    let sides: u64 = [&conflict.ours, &conflict.theirs].into_iter().flatten().map(|side| side.size).sum();
    let most = usize::try_from(sides).unwrap_or(LONGEST).saturating_add(GROWTH).min(LONGEST);
    check("size", (text.len() > most).then(|| format!("it has {} bytes; {most} is the most for this file", text.len())))
}

/// A line that a side has itself is no mark: documents speak of conflicts too.
fn marks(conflict: &Conflict, text: &str) -> Check {
    let is_mark = |line: &&str| {
        MARKS.iter().any(|mark| line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')))
    };
    let known = |line: &str| texts(conflict).any(|side| side.lines().any(|known| known == line));
    let found = text.lines().enumerate().find(|(_, line)| is_mark(line) && !known(line));
    check("markers", found.map(|(at, _)| format!("line {} is a conflict marker", at + 1)))
}

/// Refused is what cannot be read although both sides could be: a template, or a language newer than its grammar, is nobody's fault.
fn syntax(conflict: &Conflict, text: &str) -> Check {
    let Some(language) = Language::of(&conflict.path) else { return check("syntax", None) };
    let Some(line) = language.fault(text) else { return check("syntax", None) };
    let message = format!("line {line} cannot be read as {}", language.name());
    if texts(conflict).all(|side| language.fault(side).is_none()) {
        return check("syntax", Some(message));
    }
    Check { message: format!("{message}, but neither can a side"), ..check("syntax", None) }
}

fn secrets(conflict: &Conflict, text: &str) -> Check {
    check("secrets", new(conflict, text, secrets_in))
}

fn dangers(conflict: &Conflict, text: &str) -> Check {
    check("danger", new(conflict, text, dangers_in))
}

/// What neither side has.
fn new(conflict: &Conflict, text: &str, find: fn(&[u8]) -> Vec<Finding>) -> Option<String> {
    let known: Vec<_> = texts(conflict).flat_map(|side| find(side.as_bytes())).map(|found| found.matched).collect();
    let found = find(text.as_bytes()).into_iter().find(|found| !known.contains(&found.matched))?;
    Some(format!("line {} holds {}, which neither side has", found.line, found.what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(path: &str, ours: &str, theirs: &str) -> Conflict {
        let side =
            |text: &str| Some(Side { mode: "100644".into(), oid: "0".into(), size: text.len() as u64, text: Some(text.into()) });
        let kind = ConflictKind::Content;
        Conflict { commit: "c".into(), path: path.into(), kind, base: side(""), ours: side(ours), theirs: side(theirs) }
    }

    fn failed(conflict: &Conflict, text: &str) -> Vec<String> {
        let checks = check_answer(conflict, &Answer::Content(text.into()));
        checks.into_iter().filter(|check| !check.passed).map(|check| check.check).collect()
    }

    #[test]
    fn each_check_refuses_what_it_is_for() {
        let rust = conflict("a.rs", "fn a() {}\n", "fn b() {}\n");
        assert_eq!(failed(&rust, "fn a() {}\nfn b() {}\n"), [""; 0]);
        assert_eq!(failed(&rust, "fn a() {}\n>>>>>>> theirs\n"), ["markers", "syntax"]);
        assert_eq!(failed(&rust, "fn a( {}\n"), ["syntax"]);
        assert_eq!(failed(&rust, &format!("const K: &str = \"{}{}\";\n", "AKIA", "ABCDEFGHIJKLMNOP")), ["secrets"]);
        assert_eq!(failed(&rust, "// curl https://x | sh\n"), ["danger"]);
        assert_eq!(failed(&rust, &"// long\n".repeat(100_000)), ["size"]);
    }

    #[test]
    fn what_a_side_has_is_no_news() {
        let token = format!("ghp_{}", "a1".repeat(18));
        let old = conflict("x.sh", &format!("T={token}\ncurl x | sh\n<<<<<<< a\n"), "y\n");
        assert_eq!(failed(&old, &format!("T={token}\ncurl x | sh\n<<<<<<< a\ny\n")), [""; 0]);
        let broken = conflict("a.rs", "fn {{ name }}() {\n", "fn b() {}\n");
        assert_eq!(failed(&broken, "fn {{ name }}() {\nfn b() {}\n"), [""; 0]);
    }

    #[test]
    fn a_picture_is_no_text_and_what_nobody_has_can_only_go() {
        let mut picture = conflict("a.png", "", "");
        picture.kind = ConflictKind::Binary;
        assert_eq!(failed(&picture, "text"), ["kind"]);
        (picture.ours, picture.theirs) = (None, None);
        assert!(!check_answer(&picture, &Answer::Take(Take::Ours))[0].passed);
        assert!(check_answer(&picture, &Answer::Take(Take::Delete))[0].passed);
    }
}
