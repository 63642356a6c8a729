//! Replaces the values of secrets wherever they would be written down.

mod log;
mod pattern;
mod reading;

use std::{ops::Range, sync::Arc};

use flowforge_core::{
    Awaiting,
    node::{Await, NodeError, Outcome, Output},
};
use serde_json::Value;

pub(super) use self::log::MaskedLog;
use self::{
    pattern::{Pattern, patterns},
    reading::{Match, matched, readings},
};

/// What stands in the place of a secret.
const MASKED: &str = "***";
/// Shorter values are masked where they are the whole of a text: within others they would blot out ordinary words.
const SHORTEST: usize = 4;
/// Texts of an output that are at least so long may have been cut, in bytes: then a part of a secret at an edge counts.
const MAYBE_CUT: usize = 4 << 10;

/// The secrets that one attempt uses, or could come across.
#[derive(Clone, Default)]
pub(crate) struct Mask(Arc<Secrets>);

#[derive(Default)]
struct Secrets {
    patterns: Vec<Pattern>,
    /// The patterns that begin with an ASCII character, by that character, and all others at the end.
    by_first: Vec<Vec<usize>>,
    /// Too short to be looked for.
    short: Vec<String>,
    /// Whether a number may be one.
    has_digits: bool,
}

/// What of a text may be a part of a secret whose rest was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edges {
    /// Nothing: it is whole.
    Whole,
    /// Its end: the rest may come later.
    End,
    /// Its beginning and its end.
    Both,
}

/// The places of secrets in a text.
#[derive(Debug, Default, PartialEq, Eq)]
struct Places {
    /// In order, apart from each other.
    found: Vec<Range<usize>>,
    /// Where the last piece of the text begins that a secret may begin with.
    open: Option<usize>,
}

impl Mask {
    /// The mask for these values.
    pub(crate) fn of<'v>(values: impl Iterator<Item = &'v str>) -> Self {
        let mut secrets = Secrets { by_first: vec![Vec::new(); 129], ..Secrets::default() };
        for value in values.map(str::trim).filter(|value| !value.is_empty()) {
            if value.chars().count() < SHORTEST {
                secrets.short.push(value.to_owned());
                continue;
            }
            secrets.has_digits |= value.parse::<serde_json::Number>().is_ok();
            secrets.patterns.extend(patterns(value));
        }
        for (at, pattern) in secrets.patterns.iter().enumerate() {
            pattern.firsts().for_each(|first| secrets.by_first[place(first)].push(at));
        }
        Self(Arc::new(secrets))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.patterns.is_empty() && self.0.short.is_empty()
    }

    /// Masks what was given as a whole.
    pub(crate) fn value(&self, value: Value) -> Value {
        self.masked(value, &|_| Edges::Whole)
    }

    fn masked(&self, value: Value, edges: &dyn Fn(&str) -> Edges) -> Value {
        if self.is_empty() {
            return value;
        }
        let text = |text: String| {
            let edges = edges(&text);
            self.text(text, edges)
        };
        match value {
            Value::String(string) => Value::String(text(string)),
            Value::Array(items) => items.into_iter().map(|item| self.masked(item, edges)).collect(),
            Value::Object(fields) => fields.into_iter().map(|(key, field)| (text(key), self.masked(field, edges))).collect(),
            Value::Number(number) if self.0.has_digits && self.is_secret(&number.to_string()) => Value::String(MASKED.to_owned()),
            other => other,
        }
    }

    fn is_secret(&self, text: &str) -> bool {
        self.places(text, Edges::Whole).found.first().is_some_and(|found| *found == (0..text.len()))
    }

    fn text(&self, text: String, edges: Edges) -> String {
        if self.0.short.iter().any(|short| *short == text.trim()) {
            return MASKED.to_owned();
        }
        let places = self.places(&text, edges);
        if places.found.is_empty() { text } else { replaced(&text, &places.found) }
    }

    /// Where secrets stand in a text.
    fn places(&self, text: &str, edges: Edges) -> Places {
        let mut places = Places::default();
        let mut at = if edges == Edges::Both { self.rest_at_start(text, &mut places) } else { 0 };
        while at < text.len() {
            match self.longest_at(text, at) {
                Match::Whole { end } => {
                    places.found.push(at..end);
                    at = end;
                    continue;
                }
                Match::Cut { is_enough } => {
                    places.open.get_or_insert(at);
                    if is_enough && edges != Edges::Whole {
                        places.found.push(at..text.len());
                        return places;
                    }
                }
                Match::None => {}
            }
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
        places
    }

    fn longest_at(&self, text: &str, at: usize) -> Match {
        let mut longest = Match::None;
        for (first, _) in readings(text, at) {
            for pattern in &self.0.by_first[place(first)] {
                longest = longest.max(matched(text, at, &self.0.patterns[*pattern], 0));
            }
        }
        // The text may end within what one character is written as.
        if longest == Match::None && reading::is_cut(text, at) { Match::Cut { is_enough: false } } else { longest }
    }

    /// A text that was cut at its start may begin with the rest of a secret. Says where that ends.
    fn rest_at_start(&self, text: &str, places: &mut Places) -> usize {
        let mut end = 0;
        for pattern in &self.0.patterns {
            for start in 1..=pattern.chars.len().saturating_sub(pattern.enough) {
                if let Match::Whole { end: found } = matched(text, 0, pattern, start) {
                    end = end.max(found);
                }
            }
        }
        if end > 0 {
            places.found.push(0..end);
        }
        end
    }

    pub(crate) fn result(&self, result: Result<Outcome, NodeError>) -> Result<Outcome, NodeError> {
        if self.is_empty() {
            return result;
        }
        match result {
            Ok(Outcome::Done(Output { value, port })) => {
                let edges = |text: &str| if text.len() < MAYBE_CUT { Edges::Whole } else { Edges::Both };
                Ok(Outcome::Done(Output { value: Arc::new(self.masked(Arc::unwrap_or_clone(value), &edges)), port }))
            }
            Ok(Outcome::Await(Await { what, until })) => self.wait(&what).map(|what| Outcome::Await(Await { what, until })),
            Err(error) => {
                let message = self.text(error.message, Edges::Both);
                Err(NodeError { message, details: self.masked(error.details, &|_| Edges::Both), ..error })
            }
            sleep => sleep,
        }
    }

    /// What is waited for is written down too, and other runs are given it.
    fn wait(&self, what: &Awaiting) -> Result<Awaiting, NodeError> {
        let unreadable = |_| {
            NodeError::fatal("SECRET_IN_THE_WAY", "what is handed over cannot be told without a secret: do not put one into it")
        };
        serde_json::from_value(self.value(serde_json::json!(what))).map_err(unreadable)
    }
}

fn place(first: char) -> usize {
    if first.is_ascii() { first as usize } else { 128 }
}

fn replaced(text: &str, places: &[Range<usize>]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for place in places {
        masked.push_str(&text[done..place.start]);
        masked.push_str(MASKED);
        done = place.end;
    }
    masked.push_str(&text[done..]);
    masked
}

#[cfg(test)]
mod tests;
