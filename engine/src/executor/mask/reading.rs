//! How a character may be written: as it is, percent-encoded, escaped in JSON or for a shell, and encoded more than once.

use super::pattern::Pattern;

/// How often a percent sign may have been encoded.
const DEEPEST: usize = 4;

/// Whether a pattern stands at a place; the more of it the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    /// It does not.
    None,
    /// Its beginning does, up to the text's end.
    Cut {
        /// Whether so much of it is there that it is not left to chance.
        is_enough: bool,
    },
    /// All of it.
    Whole {
        /// Where it ends.
        end: usize,
    },
}

/// Compares a text from a place on with the characters of a pattern from `done` on.
pub(super) fn matched(text: &str, mut at: usize, pattern: &Pattern, mut done: usize) -> Match {
    let (chars, from) = (&pattern.chars, done);
    let cut = |done: usize| Match::Cut { is_enough: done - from >= pattern.enough };
    let mut best = Match::None;
    while done < chars.len() {
        let wanted = chars[done];
        if done > from && !matches!(wanted, '\r' | '\n') {
            at += text[at..].len() - text[at..].trim_start_matches(['\r', '\n']).len();
        }
        if at == text.len() {
            return best.max(cut(done));
        }
        if wanted == '\\' {
            // However often they were escaped, there are more of them and not fewer.
            let (wanted, there) = (run(&chars[done..]), text[at..].len() - text[at..].trim_start_matches('\\').len());
            if there >= wanted {
                (done, at) = (done + wanted, at + there);
                continue;
            }
        }
        done += 1;
        let mut fitting = readings(text, at).filter(|(read, _)| pattern.form.is_same(wanted, *read));
        let Some((_, end)) = fitting.next() else { return if is_cut(text, at) { best.max(cut(done - 1)) } else { best } };
        // Only `%25` can be read in several ways, and only one of them leads far.
        for (_, end) in fitting {
            best = best.max(rest(text, end, pattern, (from, done)));
        }
        at = end;
    }
    best.max(Match::Whole { end: at })
}

/// The same in the middle of a match that began with the character `from`.
fn rest(text: &str, at: usize, pattern: &Pattern, (from, done): (usize, usize)) -> Match {
    match matched(text, at, pattern, done) {
        Match::Cut { .. } => Match::Cut { is_enough: done - from >= pattern.enough },
        other => other,
    }
}

fn run(chars: &[char]) -> usize {
    chars.iter().take_while(|c| **c == '\\').count()
}

/// What may be meant at a place, each with where it ends.
pub(super) fn readings(text: &str, at: usize) -> impl Iterator<Item = (char, usize)> {
    let rest = &text[at..];
    let plain = rest.chars().next().map(|c| (c, at + c.len_utf8()));
    let space = rest.starts_with('+').then_some((' ', at + 1));
    let line = rest.starts_with("\r\n").then_some(('\n', at + 2));
    let percent = |again: bool| if rest.starts_with('%') { percent_encoded(rest, again) } else { None };
    // A percent sign that was encoded, and that again.
    let signs = rest.strip_prefix('%').map_or(0, |rest| (rest.len() - rest.trim_start_matches("25").len()) / 2);
    let signs = (1..=signs.min(DEEPEST)).map(move |times| ('%', at + 1 + 2 * times));
    let escape = if rest.starts_with('\\') { escaped(rest) } else { None };
    let once = percent(false);
    let further = [once, percent(true).filter(|again| Some(*again) != once), escape]
        .into_iter()
        .flatten()
        .map(move |(c, length)| (c, at + length));
    plain.into_iter().chain(space).chain(line).chain(further).chain(signs)
}

/// Whether a text ends within what one character is written as.
pub(super) fn is_cut(text: &str, at: usize) -> bool {
    const LONGEST: usize = 12;
    let rest = &text.as_bytes()[at..];
    rest.len() < LONGEST
        && match rest.split_first() {
            Some((b'%', rest)) => rest.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'%'),
            Some((b'\\', rest)) => rest.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'\\' | b'u')),
            _ => false,
        }
}

/// A character in percent-encoding, encoded again or not, and its length.
fn percent_encoded(text: &str, again: bool) -> Option<(char, usize)> {
    let mut bytes = [0; 4];
    let mut at = 0;
    for count in 0..4 {
        let (byte, length) = percent_byte(&text[at..], again)?;
        bytes[count] = byte;
        at += length;
        if let Ok(text) = std::str::from_utf8(&bytes[..=count]) {
            return text.chars().next().map(|c| (c, at));
        }
    }
    None
}

fn percent_byte(text: &str, again: bool) -> Option<(u8, usize)> {
    let rest = text.strip_prefix('%')?;
    let inner = rest.trim_start_matches("25");
    let (byte, rest) = hex(if again { inner } else { rest })?;
    Some((byte, text.len() - rest.len()))
}

fn hex(text: &str) -> Option<(u8, &str)> {
    let (digits, rest) = text.split_at_checked(2)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok()).flatten().map(|byte| (byte, rest))
}

/// A character behind backslashes, as JSON, most languages and shells have it, and its length.
fn escaped(text: &str) -> Option<(char, usize)> {
    let rest = text.trim_start_matches('\\');
    let mut chars = rest.chars();
    let (read, rest) = match chars.next()? {
        'n' => ('\n', chars.as_str()),
        'r' => ('\r', chars.as_str()),
        't' => ('\t', chars.as_str()),
        'b' => ('\u{8}', chars.as_str()),
        'f' => ('\u{c}', chars.as_str()),
        'u' => unicode(chars.as_str())?,
        other if !other.is_ascii_alphanumeric() => (other, chars.as_str()),
        _ => return None,
    };
    Some((read, text.len() - rest.len()))
}

fn unicode(text: &str) -> Option<(char, &str)> {
    let unit = |text: &str| {
        let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    };
    let high = unit(text)?;
    let rest = &text[4..];
    if let Some(read) = char::from_u32(high.into()) {
        return Some((read, rest));
    }
    let low = rest.trim_start_matches('\\').strip_prefix('u')?;
    let read = char::decode_utf16([high, unit(low)?]).next()?.ok()?;
    Some((read, &low[4..]))
}
