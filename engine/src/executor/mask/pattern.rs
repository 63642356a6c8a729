//! What is looked for: a secret's value, and what it looks like where it was encoded.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};

/// Values that are shorter are looked for as they are only: a few encoded characters would turn up by chance.
const SHORTEST_ENCODED: usize = 8;
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
            Self::Plain => pattern == text || pattern.eq_ignore_ascii_case(&text),
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
            (Form::Plain, first) if first.is_ascii_lowercase() => Some(first.to_ascii_uppercase()),
            (Form::Plain, first) if first.is_ascii_uppercase() => Some(first.to_ascii_lowercase()),
            _ => None,
        });
        first.into_iter().chain(other)
    }
}

/// The forms of a value: as it is, each of its lines by itself since logs are written line by line, in hexadecimal, and in base64
/// at each of the three places where it can stand in a longer text.
pub(super) fn patterns(value: &str) -> Vec<Pattern> {
    if value.chars().count() < SHORTEST_ENCODED {
        return vec![Pattern::new(value, Form::Exact, false)];
    }
    let mut patterns = vec![Pattern::new(value, Form::Plain, true)];
    if value.contains('\n') {
        let lines = value.lines().map(str::trim).filter(|line| line.chars().count() >= SHORTEST_ENCODED);
        patterns.extend(lines.map(|line| Pattern::new(line, Form::Plain, true)));
    }
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    patterns.push(Pattern::new(&hex, Form::Plain, true));
    patterns.extend((0..3).map(|shift| Pattern::new(&base64_core(value, shift), Form::Base64, true)));
    patterns
}

/// The characters of base64 that say nothing about what stands around the value, when so many bytes stand before it.
fn base64_core(value: &str, shift: usize) -> String {
    let bytes = [&[0; 2][..shift], value.as_bytes()].concat();
    let encoded = BASE64_STANDARD_NO_PAD.encode(&bytes);
    let (first, last) = ((shift * 8).div_ceil(6), bytes.len() * 8 / 6);
    encoded[first..last].to_owned()
}
