//! Which language a file is written in, whether it can be read, and what stands around a line.

use tree_sitter::{Node, Parser, Tree};

/// A language with a grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Go,
    Java,
    JavaScript,
    Json,
    Python,
    Rust,
    TypeScript,
    Tsx,
}

/// The longest text that is parsed, in bytes.
const LONGEST: usize = 2 << 20;
/// What the grammars call something that has a name and a body.
const SCOPES: [&str; 10] =
    ["function", "method", "class", "impl_item", "struct", "mod_item", "interface", "trait_item", "enum", "constructor"];

impl Language {
    /// By the file's ending.
    pub(super) fn of(path: &str) -> Option<Self> {
        let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
        Some(match ending {
            "go" => Self::Go,
            "java" => Self::Java,
            "js" | "jsx" | "mjs" | "cjs" => Self::JavaScript,
            "json" => Self::Json,
            "py" | "pyi" => Self::Python,
            "rs" => Self::Rust,
            "ts" | "mts" | "cts" => Self::TypeScript,
            "tsx" => Self::Tsx,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Go => "Go",
            Self::Java => "Java",
            Self::JavaScript => "JavaScript",
            Self::Json => "JSON",
            Self::Python => "Python",
            Self::Rust => "Rust",
            Self::TypeScript | Self::Tsx => "TypeScript",
        }
    }

    fn grammar(self) -> tree_sitter::Language {
        match self {
            Self::Go => tree_sitter_go::LANGUAGE.into(),
            Self::Java => tree_sitter_java::LANGUAGE.into(),
            Self::JavaScript => tree_sitter_javascript::LANGUAGE.into(),
            Self::Json => tree_sitter_json::LANGUAGE.into(),
            Self::Python => tree_sitter_python::LANGUAGE.into(),
            Self::Rust => tree_sitter_rust::LANGUAGE.into(),
            Self::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
            Self::Tsx => tree_sitter_typescript::LANGUAGE_TSX.into(),
        }
    }

    fn parse(self, text: &str) -> Option<Tree> {
        let mut parser = Parser::new();
        parser.set_language(&self.grammar()).ok()?;
        parser.parse(text, None).filter(|_| text.len() <= LONGEST)
    }

    /// The line, from 1, at which the text stops making sense; nothing when all of it does, or nobody can say.
    pub(super) fn fault(self, text: &str) -> Option<usize> {
        let tree = self.parse(text)?;
        let root = tree.root_node();
        root.has_error().then(|| first_fault(root).unwrap_or(root).start_position().row + 1)
    }

    /// The first lines of what a line, from 0, stands in: outermost first.
    pub(super) fn scope(self, text: &str, line: usize) -> Vec<String> {
        let Some(tree) = self.parse(text) else { return Vec::new() };
        let (mut node, mut scope) = (tree.root_node(), Vec::new());
        let mut cursor = tree.walk();
        while let Some(inner) = node.children(&mut cursor).find(|child| holds(*child, line)) {
            if SCOPES.iter().any(|kind| inner.kind().contains(kind)) && inner.is_named() {
                scope.extend(text.lines().nth(inner.start_position().row).map(|line| line.trim().chars().take(200).collect()));
            }
            node = inner;
        }
        scope.dedup();
        scope
    }
}

fn holds(node: Node<'_>, line: usize) -> bool {
    (node.start_position().row..=node.end_position().row).contains(&line)
}

fn first_fault(node: Node<'_>) -> Option<Node<'_>> {
    if node.is_error() || node.is_missing() {
        return Some(node);
    }
    let mut cursor = node.walk();
    node.children(&mut cursor).filter(|child| child.has_error() || child.is_missing()).find_map(first_fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grammar_reads_what_is_right_and_refuses_what_is_not() {
        for (path, good, bad) in [
            ("a.go", "package a\nfunc f() int { return 1 }\n", "package a\nfunc f( int { return 1 }\n"),
            ("A.java", "class A { int f() { return 1; } }\n", "class A { int f() { return 1; }\n"),
            ("a.mjs", "export const f = () => 1;\n", "export const = () => 1;\n"),
            ("x/a.json", "{\"a\": [1, 2]}\n", "{\"a\": [1, 2}\n"),
            ("a.py", "def f():\n    return 1\n", "def f(:\n    return 1\n"),
            ("a.rs", "fn f() -> u8 { 1 }\n", "fn f() -> u8 { 1 \n"),
            ("a.ts", "const a: number = 1;\n", "const a: = 1;\n"),
            ("a.tsx", "const a = <b>c</b>;\n", "const a = <b>c</;\n"),
        ] {
            let language = Language::of(path).unwrap();
            assert_eq!(language.fault(good), None, "{path}");
            assert!(language.fault(bad).is_some(), "{path}");
            assert!(language.fault(&format!("{good}<<<<<<< ours\n{good}=======\n{good}>>>>>>> theirs\n")).is_some(), "{path}");
        }
        assert_eq!(Language::of("Makefile"), None);
        assert_eq!(Language::Python.fault("a = 1\nb = (\n"), Some(2));
    }

    #[test]
    fn a_line_knows_what_it_stands_in() {
        let text = "impl Foo {\n    fn bar(&self) {\n        1\n    }\n}\n";
        assert_eq!(Language::Rust.scope(text, 2), ["impl Foo {", "fn bar(&self) {"]);
        assert_eq!(Language::Rust.scope(text, 9), [""; 0]);
    }
}
