//! Secrets as they are, however they may be written, cut, or spread over lines.

use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::GeneralPurpose, prelude::*};
use flowforge_core::node::{BoxFuture, LogSink, NodeError, Stream};
use serde_json::json;

use super::*;

const SECRET: &str = "pa\"ss\\wörd/+ &100%";

fn mask(values: &[&str]) -> Mask {
    Mask::of(values.iter().copied())
}

fn masked(text: &str) -> String {
    mask(&[SECRET]).text(text.to_owned(), Edges::Whole)
}

#[track_caller]
fn check(written: &str) {
    assert_eq!(masked(&format!("<{written}>")), "<***>", "{written}");
    assert_eq!(masked(written), "***", "{written}");
}

#[test]
fn a_secret_is_masked_wherever_it_stands_and_a_short_one_where_it_stands_alone() {
    let mask = mask(&["tok\"en-1", "ab", "four"]);
    let value = json!({"a": "x tok\"en-1 y", "b": ["{\"t\":\"tok\\\"en-1\"}"], "tok\"en-1": "ab", "c": "abc four-ab"});
    assert_eq!(mask.value(value), json!({"a": "x *** y", "b": ["{\"t\":\"***\"}"], "***": "***", "c": "abc ***-ab"}));
}

#[test]
fn a_number_that_is_a_secret_is_masked() {
    assert_eq!(mask(&["12345678"]).value(json!([12_345_678, 123_456_780, "x12345678"])), json!(["***", 123_456_780, "x***"]));
}

#[test]
fn encodings_of_texts_are_masked() {
    check(SECRET);
    let json = |text: &str| json!(text).to_string().trim_matches('"').to_owned();
    // Not `trim_matches`: the secret has a quote in it, but not at its ends.
    check(&json(SECRET));
    check(&json(&json(SECRET)));
    check(&SECRET.replace('ö', "\\u00f6").replace('"', "\\\"").replace('/', "\\/"));
    let percent = |keep: &str| {
        let byte = |byte: u8| if keep.as_bytes().contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        SECRET.bytes().map(byte).collect::<String>()
    };
    for keep in ["", "pasw", "paswrd100", "pawrd/&+", "paswrd100/+&"] {
        check(&percent(keep));
        check(&percent(keep).to_lowercase());
        check(&percent(keep).replace('%', "%25"));
    }
    check(&percent("paswrd100").replace("%20", "+"));
    assert_eq!(mask(&["50%25of%2Bit"]).text("<50%25of%2Bit>, <50%2525of%252Bit>".to_owned(), Edges::Whole), "<***>, <***>");
    let mask = mask(&["100%ab%25"]);
    for written in ["100%ab%25", "100%25ab%2525", "100%2525ab%252525", "100%ab%2525"] {
        assert_eq!(mask.text(format!("<{written}>"), Edges::Whole), "<***>", "{written}");
    }
    // In a URL's path.
    check(&SECRET.replace('\\', "/").replace('"', "%22").replace(' ', "%20").replace('ö', "%C3%B6"));
    // In a URL's host, and in the name of a variable.
    check(&SECRET.to_ascii_lowercase());
    check(&SECRET.to_ascii_uppercase());
    // A shell's way.
    check("pa\\\"ss\\\\wörd/+\\ \\&100%");
}

#[test]
fn base64_and_hexadecimal_are_masked_wherever_the_secret_stands_in_what_was_encoded() {
    let engines: [&GeneralPurpose; 4] = [&BASE64_STANDARD, &BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE, &BASE64_URL_SAFE_NO_PAD];
    let found = |encoded: &str, secret: &str| {
        let text = mask(&[secret]).text(encoded.to_owned(), Edges::Whole);
        assert!(text.contains(MASKED), "{encoded} {text}");
        // What is left tells a few bits at the edges and nothing more.
        let kept: usize = text.split(MASKED).map(str::len).sum();
        (kept, encoded.len())
    };
    for secret in [SECRET, "12345678", "ÿÿÿþþþ>>>???"] {
        for engine in engines {
            for (before, after) in [("", ""), ("u:", ""), ("user:", "\n"), ("x", "yz"), ("ab", "c"), ("robot:", "@host")] {
                let around = before.len() + after.len();
                let (kept, _) = found(&engine.encode(format!("{before}{secret}{after}")), secret);
                assert!(kept <= (around * 8).div_ceil(6) + 4, "{kept} {around}");
            }
        }
        for hex in [|byte| format!("{byte:02x}"), |byte: u8| format!("{byte:02X}")] {
            let hex: String = secret.bytes().map(hex).collect();
            assert_eq!(found(&format!("0x{hex}"), secret).0, 2);
        }
        let url = BASE64_STANDARD.encode(secret).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        assert!(found(&url, secret).0 <= 8);
    }
}

#[test]
fn a_secret_with_line_breaks_is_masked_line_by_line_and_a_wrapped_one_as_a_whole() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\nshort\n-----END KEY-----\n";
    let lines = mask(&[key]);
    for line in key.lines().filter(|line| *line != "short") {
        assert_eq!(lines.text(format!("> {line}"), Edges::Whole), "> ***");
    }
    assert_eq!(lines.text(format!("<{}>", key.trim().replace('\n', "\r\n")), Edges::Whole), "<***>");
    assert_eq!(mask(&["0123456789abcdef"]).text("0123456\n789a\r\nbcdef!".to_owned(), Edges::Whole), "***!");
}

#[test]
fn a_secret_that_a_shell_took_apart_is_masked_word_by_word() {
    let mask = mask(&["user passw0rd-of-theirs production"]);
    let said = "sh: passw0rd-of-theirs: not found in production of user".to_owned();
    assert_eq!(mask.text(said, Edges::Whole), "sh: ***: not found in production of user", "ordinary words are left");
}

#[test]
fn what_only_looks_like_the_beginning_of_a_secret_is_left() {
    let mask = mask(&["production-db-password"]);
    let left = json!(["production", "production-db", "a production-db-passwor", 5, {"production": null}]);
    assert_eq!(mask.value(left.clone()), left);
}

#[test]
fn a_text_that_was_cut_keeps_no_half_of_a_secret() {
    let secret = "0123456789abcdefghij";
    let error = |message: &str| {
        let error = NodeError::fatal("X", message).with_details(json!({"tail": message}));
        let Err(error) = mask(&[secret]).result(Err(error)) else { panic!() };
        assert_eq!(error.details["tail"], error.message);
        error.message
    };
    assert_eq!(error("said: 0123456789"), "said: ***");
    assert_eq!(error("cdefghij was said"), "*** was said");
    assert_eq!(error("cdefghij was said, and 01234567"), "*** was said, and ***");
    assert_eq!(error("said: 01234"), "said: 01234", "that may be chance");
}

/// Collects lines.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl LogSink for Lines {
    fn line(&self, _: Stream, text: String) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(text);
        Box::pin(std::future::ready(()))
    }
}

fn logged(mask: Mask, lines: &[&str]) -> Vec<String> {
    let sink = Arc::new(Lines::default());
    let log = MaskedLog::new(sink.clone(), mask);
    for line in lines {
        // Another stream does not come in between.
        drop(log.line(Stream::Stderr, "x".to_owned()));
        drop(log.line(Stream::Stdout, (*line).to_owned()));
    }
    let lines = sink.0.lock().unwrap();
    lines.iter().filter(|line| *line != "x").cloned().collect()
}

#[test]
fn a_secret_that_is_spread_over_lines_is_masked() {
    let secret = "0123456789abcdefghij";
    let mask = mask(&[secret]);
    assert_eq!(logged(mask.clone(), &["a 0123456789", "abcdefghij b", "c"]), ["a ***", "*** b", "c"]);
    assert_eq!(logged(mask.clone(), &["a 0123456789", "other", "abcdefghij"]), ["a ***", "other", "abcdefghij"]);
    for at in 1..secret.len() {
        let (head, tail) = secret.split_at(at);
        let lines = logged(mask.clone(), &[&format!("a {head}"), &format!("{tail} b"), secret]);
        assert_eq!((lines[1].as_str(), lines[2].as_str()), ("*** b", "***"), "{at}");
        assert!(at < 8 || lines[0] == "a ***", "{at}: {lines:?}");
    }
    let each: Vec<String> = secret.chars().map(String::from).collect();
    let lines = logged(mask.clone(), &each.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(lines[7..].iter().all(|line| line == MASKED), "{lines:?}");
    let encoded = BASE64_STANDARD.encode(format!("user:{secret}"));
    let (head, tail) = encoded.split_at(20);
    let lines = logged(mask, &[head, tail]);
    assert!(lines[0].ends_with(MASKED) && lines[1].starts_with(MASKED), "{lines:?}");
}
