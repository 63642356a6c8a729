//! Where in the author's code a fault lies, read from the engine's message.

/// How many lines the engine sees before the author's first one.
const HEAD: u32 = 1;
/// The longest message that is kept, in characters.
const LONGEST: usize = 2_000;

/// The message without the engine's notes, its line named in front, and that line.
pub(super) fn of(text: &str) -> (String, Option<u32>) {
    let (message, trace) = text.split_once("\n    at ").unwrap_or((text, ""));
    let (message, noted) = match message.rsplit_once(" (unknown at :") {
        Some((message, place)) => (message, first_number(place)),
        None => (message.strip_suffix(" (native)").unwrap_or(message), None),
    };
    let (message, noted) = match message.rsplit_once(" at line ") {
        Some((before, place)) if message.starts_with("SyntaxError") => (before, first_number(place)),
        _ => (message, noted),
    };
    let traced = || trace.split("(unknown at :").nth(1).and_then(first_number);
    let line = noted.or_else(traced).and_then(|line| line.checked_sub(HEAD)).filter(|line| *line > 0);
    let message: String = message.chars().take(LONGEST).collect();
    (line.map_or_else(|| message.clone(), |line| format!("line {line}: {message}")), line)
}

fn first_number(text: &str) -> Option<u32> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    fn check(text: &str, message: &str, line: Option<u32>) {
        assert_eq!(super::of(text), (message.to_owned(), line));
    }

    #[test]
    fn the_line_is_the_author_s() {
        check("TypeError: no (unknown at :3:12)\n    at anonymous (unknown at :3:12)", "line 2: TypeError: no", Some(2));
        check(
            "SyntaxError: unexpected token ';' at line 3, col 11 (native)",
            "line 2: SyntaxError: unexpected token ';'",
            Some(2),
        );
        check("Error: a (native)\n    at f (native)\n    at g (unknown at :5:1)", "line 4: Error: a", Some(4));
        check("Error: look at line 3", "Error: look at line 3", None);
        check("\"text\"", "\"text\"", None);
    }
}
