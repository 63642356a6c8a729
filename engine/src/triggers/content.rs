//! What came, as runs see it: inflated, and read by what its sender says that it is.

use std::io::Read;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};

use super::NotTaken;

/// Looks a header up.
pub(super) type Header<'a> = &'a (dyn Fn(&str) -> Option<&'a str> + Sync);

/// Refuses what is packed in a way that is not unpacked here, or more than once.
pub(super) fn is_packed(coding: Option<&str>) -> Result<bool, NotTaken> {
    match coding.map(|coding| coding.trim().to_ascii_lowercase()).as_deref() {
        None | Some("" | "identity") => Ok(false),
        Some("gzip" | "x-gzip") => Ok(true),
        Some(other) => Err(NotTaken::Coding(other.chars().take(100).collect())),
    }
}

/// The value of a body. What is not said to be JSON and is none is a text, or base64 when it is not even that.
pub(super) fn read(header: Header, raw: &[u8], limit: u64) -> Result<Value, NotTaken> {
    let inflated;
    let bytes = if is_packed(header("content-encoding"))? {
        inflated = inflate(raw, limit)?;
        inflated.as_slice()
    } else {
        raw
    };
    let kind = header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        _ if bytes.is_empty() => Ok(Value::Null),
        "application/x-www-form-urlencoded" => Ok(form(bytes)),
        "" => Ok(json(bytes).unwrap_or_else(|_| text(bytes))),
        kind if kind == "application/json" || kind.ends_with("+json") => json(bytes),
        _ => Ok(text(bytes)),
    }
}

/// Never more than so many bytes, whatever comes out of it.
fn inflate(packed: &[u8], limit: u64) -> Result<Vec<u8>, NotTaken> {
    let mut bytes = Vec::new();
    let read = MultiGzDecoder::new(packed).take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|fault| NotTaken::Unreadable(format!("the body is not packed with gzip as it says: {fault}")))?;
    if bytes.len() as u64 > limit { Err(NotTaken::TooLarge { limit }) } else { Ok(bytes) }
}

fn json(bytes: &[u8]) -> Result<Value, NotTaken> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|fault| NotTaken::Unreadable(format!("the body is not JSON that can be read: {fault}")))
}

fn text(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).map_or_else(|_| STANDARD.encode(bytes).into(), Into::into)
}

/// The fields of a form; those of one name become an array.
pub(super) fn form(bytes: &[u8]) -> Value {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        let value = Value::from(value.into_owned());
        match fields.get_mut(name.as_ref()) {
            Some(Value::Array(all)) => all.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
            None => drop(fields.insert(name.into_owned(), value)),
        }
    }
    fields.into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use serde_json::json;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn read_as(kind: &str, coding: Option<&str>, raw: &[u8]) -> Result<Value, NotTaken> {
        let header = |name: &str| match name {
            "content-type" => Some(kind),
            "content-encoding" => coding,
            _ => None,
        };
        read(&header, raw, 1_000)
    }

    #[test]
    fn a_body_is_what_its_sender_says() {
        let found = |kind, raw: &[u8]| read_as(kind, None, raw).unwrap();
        assert_eq!(found("application/json; charset=utf-8", b"{\"a\":1}"), json!({"a": 1}));
        assert_eq!(found("application/vnd.github+json", b"[1]"), json!([1]));
        assert_eq!(found("application/json", "\u{feff}{}".as_bytes()), json!({}));
        assert_eq!(found("application/x-www-form-urlencoded", b"a=1&b=%20x&a=2&a=3"), json!({"a": ["1", "2", "3"], "b": " x"}));
        assert_eq!(found("text/plain", b"{}"), json!("{}"));
        assert_eq!((found("", b"{}"), found("", b"a{")), (json!({}), json!("a{")));
        assert_eq!(found("image/png", &[0xff, 0xfe]), json!("//4="));
        assert_eq!(found("application/json", b""), json!(null));
    }

    #[test]
    fn json_that_cannot_be_read_is_refused() {
        for raw in ["{", "\u{feff}\u{feff}{}", "{} {}", "\"\\ud800\"", &"[".repeat(500)] {
            assert!(matches!(read_as("application/json", None, raw.as_bytes()), Err(NotTaken::Unreadable(_))), "{raw:.20}");
        }
        assert!(read_as("application/json", None, format!("{}{}", "[".repeat(100), "]".repeat(100)).as_bytes()).is_ok());
    }

    #[test]
    fn one_packing_is_undone_and_never_to_more_than_may_come() {
        let found = |coding, raw: &[u8]| read_as("application/json", Some(coding), raw);
        assert_eq!(found("gzip", &packed(b"{\"a\":1}")).unwrap(), json!({"a": 1}));
        assert_eq!(found("identity", b"[]").unwrap(), json!([]));
        let bomb = packed(&vec![b' '; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert!(matches!(found("gzip", &bomb), Err(NotTaken::TooLarge { limit: 1_000 })));
        let two = [packed(b"["), packed(&vec![b' '; 2_000])].concat();
        assert!(matches!(found("gzip", &two), Err(NotTaken::TooLarge { .. })), "parts count together");
        assert!(matches!(found("gzip", b"{}"), Err(NotTaken::Unreadable(_))));
        assert!(matches!(found("gzip", &packed(b"{}")[..10]), Err(NotTaken::Unreadable(_))));
        for coding in ["br", "zstd", "deflate", "gzip,gzip,br", "gzip, gzip", "GZIP,identity"] {
            assert!(matches!(found(coding, b"x"), Err(NotTaken::Coding(_))), "{coding}");
        }
    }
}
