//! Lists of imports: lines that do nothing but name what a file uses, so that both sides' additions can stand beside each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use regex::Regex;

use super::{hunks::Hunk, languages::Language, text::lines};

/// The hunk with what both sides added and without what one of them removed; nothing when a line does something else, or when one
/// name would stand for two things.
pub(super) fn union(hunk: &Hunk, language: Language, before: &str) -> Option<String> {
    let [base, ours, theirs] = [&hunk.base, &hunk.ours, &hunk.theirs].map(|text| lines(text));
    if ours.is_empty() || theirs.is_empty() || (language == Language::Go && !in_go_block(before)) {
        return None;
    }
    let all = || base.iter().chain(&ours).chain(&theirs).copied();
    if !all().all(|line| line.ends_with('\n') && names(line, language).is_some()) {
        return None;
    }
    let removed = |side: &[&str]| base.iter().copied().filter(|line| !side.contains(line)).collect::<BTreeSet<_>>();
    let removed: BTreeSet<_> = removed(&ours).union(&removed(&theirs)).copied().collect();
    let mut kept: Vec<&str> = Vec::new();
    for line in ours.iter().chain(&theirs).copied() {
        if !removed.contains(line) && !kept.contains(&line) {
            kept.push(line);
        }
    }
    if ours.is_sorted() && theirs.is_sorted() {
        kept.sort_unstable();
    }
    one_meaning_each(&kept, language).then(|| kept.concat())
}

/// Whether no name is brought in by two lines.
fn one_meaning_each(lines: &[&str], language: Language) -> bool {
    let mut known = BTreeMap::new();
    lines.iter().all(|line| {
        let names = names(line, language).unwrap_or_default();
        names.into_iter().all(|name| known.insert(name, *line).is_none())
    })
}

/// Whether what comes next stands between the parentheses of an `import (`.
fn in_go_block(before: &str) -> bool {
    before.lines().rev().find(|line| line.contains('(') || line.contains(')')).is_some_and(|line| line.trim() == "import (")
}

/// A line of one import in each language, whole and by itself: what it names is in the group.
static PATTERNS: LazyLock<BTreeMap<&'static str, Vec<Regex>>> = LazyLock::new(|| {
    let patterns: [(&str, &[&str]); 5] = [
        ("Go", &[r#"^\s+(?:([\w.]+) )?"[^"\s]*?([^/"\s]+)"$"#]),
        ("Java", &[r"^import (?:static )?[\w.]+\.(\w+);$"]),
        (
            "JavaScript",
            &[
                r#"^import (?:type )?(\w+) from (?:'[^']+'|"[^"]+");?$"#,
                r#"^import (?:type )?\{([\w ,$]+)\} from (?:'[^']+'|"[^"]+");?$"#,
                r#"^import (?:type )?(\w+), \{([\w ,$]+)\} from (?:'[^']+'|"[^"]+");?$"#,
                r#"^import \* as (\w+) from (?:'[^']+'|"[^"]+");?$"#,
            ],
        ),
        ("Python", &[r"^import ([\w., ]+)$", r"^from [\w.]+ import ([\w, ]+)$"]),
        (
            "Rust",
            &[
                r"^(?:pub(?:\([a-z]+\))? )?use [\w:]+::\{([\w, ]+)\};$",
                r"^(?:pub(?:\([a-z]+\))? )?use (?:[\w]+::)*(\w+(?: as \w+)?);$",
            ],
        ),
    ];
    // The test below sees to it that each of them can be read.
    let compiled = |patterns: &[&str]| patterns.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect();
    patterns.iter().map(|(language, patterns)| (*language, compiled(patterns))).collect()
});

/// The names that a line of imports brings in; nothing when it is something else.
fn names(line: &str, language: Language) -> Option<Vec<String>> {
    let line = line.trim_end();
    if line.is_empty() {
        return Some(Vec::new());
    }
    // What comes from there changes how the file is read, and has to stand first.
    if line.contains("__future__") {
        return None;
    }
    let language = if language == Language::Tsx || language == Language::TypeScript { Language::JavaScript } else { language };
    let found = PATTERNS.get(language.name())?.iter().find_map(|pattern| pattern.captures(line))?;
    let groups: Vec<&str> = found.iter().skip(1).flatten().map(|group| group.as_str()).collect();
    // In Go the first of two names counts.
    let groups = if language == Language::Go { &groups[..groups.len().min(1)] } else { &groups[..] };
    let listed = groups.iter().flat_map(|group| group.split(',')).map(str::trim).filter(|name| !name.is_empty());
    let bound = |name: &str| name.rsplit_once(" as ").map_or(name, |(_, name)| name).trim().to_owned();
    Some(listed.map(bound).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn union_of(path: &str, base: &str, ours: &str, theirs: &str) -> Option<String> {
        let hunk = Hunk { base: base.into(), ours: ours.into(), theirs: theirs.into(), resolved: None };
        union(&hunk, Language::of(path).unwrap(), "package x\nimport (\n\t\"fmt\"\n")
    }

    #[test]
    fn every_pattern_can_be_read() {
        let counts: Vec<_> = PATTERNS.iter().map(|(language, patterns)| (*language, patterns.len())).collect();
        assert_eq!(counts, [("Go", 1), ("Java", 1), ("JavaScript", 4), ("Python", 2), ("Rust", 2)]);
    }

    #[test]
    fn what_both_added_stands_beside_each_other_in_order() {
        for (path, base, ours, theirs, expected) in [
            ("a.py", "", "import b\n", "import a\n", "import a\nimport b\n"),
            ("a.py", "import x\n", "import a\nimport x\n", "import b\n", "import a\nimport b\n"),
            ("a.rs", "", "use b::C;\nuse a::B;\n", "use z::{D, E as F};\n", "use b::C;\nuse a::B;\nuse z::{D, E as F};\n"),
            ("a.ts", "", "import a from 'a';\n", "import { b } from \"b\";\n", "import a from 'a';\nimport { b } from \"b\";\n"),
            ("a.go", "", "\t\"os\"\n", "\tlog \"x/logging\"\n", "\tlog \"x/logging\"\n\t\"os\"\n"),
            ("A.java", "", "import a.B;\n", "import static a.C;\n", "import a.B;\nimport static a.C;\n"),
        ] {
            let got = union_of(path, base, ours, theirs);
            let mut sorted: Vec<_> = lines(expected);
            sorted.sort_unstable();
            assert!(got.as_deref() == Some(expected) || got == Some(sorted.concat()), "{path}: {got:?}");
        }
    }

    #[test]
    fn what_is_more_than_a_list_is_left_to_others() {
        for (path, ours, theirs) in [
            ("a.py", "import json\n", "import ujson as json\n"),
            ("a.py", "import a\nprint(1)\n", "import b\n"),
            ("a.py", "from __future__ import annotations\n", "import b\n"),
            ("a.py", "    import a\n", "import b\n"),
            ("a.js", "import { a } from 'x';\n", "import { a, b } from 'x';\n"),
            ("a.js", "import 'side-effect';\n", "import b from 'b';\n"),
            ("a.rs", "use a::B;\n", "use c::B;\n"),
            ("a.rs", "use a::*;\n", "use c::B;\n"),
            ("A.java", "import a.B;\n", "import c.B;\n"),
            ("a.py", "", "import b\n"),
        ] {
            assert_eq!(union_of(path, "", ours, theirs), None, "{ours} {theirs}");
        }
        let list = Hunk { base: String::new(), ours: "\t\"a\"\n".into(), theirs: "\t\"b\"\n".into(), resolved: None };
        assert_eq!(
            union(&list, Language::Go, "var names = []string{\n\tf(\"x\"),\n"),
            None,
            "a list of strings is no list of imports"
        );
    }
}
