//! What is looked for: a secret's value, and what it looks like where it was encoded.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};

/// Values that are shorter are looked for as they are only: a few encoded characters would turn up by chance.
const SHORTEST_ENCODED: usize = 8;
/// Longer words are not left because they might be ordinary ones.
const LONGEST_ORDINARY: usize = 16;
/// The most of a secret at the edge of a text that is left, in characters; less of a short one.
const LEFT_AT_EDGES: usize = 8;

/// One form of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Not empty.
    pub(super) chars: Vec<char>,
    pub(super) form: Form,
    /// How many characters at the edge of a text that was cut are taken for the secret.
    pub(super) enough: usize,
}

/// How the characters of a form are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    Exact,
    /// Without regard to case: the host of a URL is written in small letters.
    Plain,
    /// `-` and `_` are other ways to write `+` and `/`.
    Base64,
}

impl Form {
    pub(super) fn is_same(self, pattern: char, text: char) -> bool {
        match self {
            Self::Exact => pattern == text,
            // In the path of a URL a backslash becomes a slash.
            Self::Plain => pattern == text || pattern.eq_ignore_ascii_case(&text) || (pattern, text) == ('\\', '/'),
            Self::Base64 => pattern == text || matches!((pattern, text), ('+', '-') | ('/', '_')),
        }
    }
}

impl Pattern {
    fn new(text: &str, form: Form, has_edges: bool) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let enough = if has_edges { chars.len().div_ceil(2).min(LEFT_AT_EDGES) } else { usize::MAX };
        Self { chars, form, enough }
    }

    /// The characters that it may begin with.
    pub(super) fn firsts(&self) -> impl Iterator<Item = char> {
        let first = self.chars.first().copied();
        let other = first.and_then(|first| match (self.form, first) {
            (Form::Base64, '+') => Some('-'),
            (Form::Base64, '/') => Some('_'),
            (Form::Plain, '\\') => Some('/'),
            (Form::Plain, first) if first.is_ascii_lowercase() => Some(first.to_ascii_uppercase()),
            (Form::Plain, first) if first.is_ascii_uppercase() => Some(first.to_ascii_lowercase()),
            _ => None,
        });
        first.into_iter().chain(other)
    }
}

/// The forms of a value: as it is, each of its lines by itself since logs are written line by line, each of its words since shells
/// take values apart, in hexadecimal, and in base64 at each of the three places where it can stand in a longer text.
pub(super) fn patterns(value: &str) -> Vec<Pattern> {
    if value.chars().count() < SHORTEST_ENCODED {
        return vec![Pattern::new(value, Form::Exact, false)];
    }
    let lines = value.lines().map(str::trim).filter(|line| line.chars().count() >= SHORTEST_ENCODED);
    let words = value.split_whitespace().filter(|word| is_telling(word));
    let parts: BTreeSet<&str> = lines.chain(words).chain([value]).collect();
    let mut patterns: Vec<Pattern> = parts.into_iter().map(|part| Pattern::new(part, Form::Plain, true)).collect();
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    patterns.push(Pattern::new(&hex, Form::Plain, true));
    patterns.extend((0..3).map(|shift| Pattern::new(&base64_core(value, shift), Form::Base64, true)));
    patterns
}

/// Whether a word of a secret is none that is found in ordinary texts too.
fn is_telling(word: &str) -> bool {
    let length = word.chars().count();
    length >= LONGEST_ORDINARY || length >= SHORTEST_ENCODED && !word.chars().all(char::is_alphabetic)
}

/// The characters of base64 that say nothing about what stands around the value, when so many bytes stand before it.
fn base64_core(value: &str, shift: usize) -> String {
    let bytes = [&[0; 2][..shift], value.as_bytes()].concat();
    let encoded = BASE64_STANDARD_NO_PAD.encode(&bytes);
    let (first, last) = ((shift * 8).div_ceil(6), bytes.len() * 8 / 6);
    encoded[first..last].to_owned()
}
