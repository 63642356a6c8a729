//! Looking for canaries, however they may be written.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use flowforge_tests::Forge;

/// What every canary begins with.
pub(super) const MARK: &str = "cAn4ry";

/// Values that are recognised wherever they turn up, by the names of their secrets.
pub(super) struct Canaries(pub(super) Vec<(&'static str, String)>);

impl Canaries {
    /// One of letters and digits that fits everywhere, one that has to be escaped in most places, and one of several lines.
    pub(super) fn new() -> Self {
        let fresh = || uuid::Uuid::new_v4().simple().to_string();
        let plain = format!("{MARK}{}", fresh());
        let odd = format!("{MARK}\"{}\\+/=&% ü{}", &fresh()[..12], &fresh()[..12]);
        let lines = format!("{MARK}-{}\n{MARK}-{}\n", fresh(), fresh());
        Self(vec![("PLAIN", plain), ("ODD", odd), ("LINES", lines)])
    }

    /// Panics when one of them is in `bytes`.
    #[track_caller]
    pub(super) fn absent(&self, place: &str, bytes: &[u8]) {
        // The search in texts is a fast one.
        let text = String::from_utf8_lossy(bytes);
        for (name, form) in self.forms() {
            if let Some(at) = text.find(&form) {
                let (start, end) =
                    (text.floor_char_boundary(at.saturating_sub(200)), text.floor_char_boundary(at + form.len() + 100));
                panic!("{name} is in {place}, written as {form:?}: …{}…", &text[start..end]);
            }
        }
    }

    pub(super) fn absent_in_database(&self, forge: &Forge) {
        let tables = match forge.postgres {
            Some(_) => forge.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"),
            None => forge.query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"),
        };
        assert!(
            tables.iter().any(|table| table == "secrets") && tables.iter().any(|table| table == "step_logs" || table == "logs"),
            "{tables:?}"
        );
        for table in tables {
            let rows = match forge.postgres {
                Some(_) => forge.query(&format!("SELECT t::text FROM \"{table}\" t")),
                None => forge.query(&format!("SELECT * FROM \"{table}\"")),
            };
            self.absent(&format!("the table {table}"), rows.join("\n").as_bytes());
        }
    }

    /// Looks through all files but the work trees: what a command writes there is its author's.
    pub(super) fn absent_in_files(&self, folder: &Path) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if path.file_name().is_some_and(|name| name != "work") {
                    self.absent_in_files(&path);
                }
            } else {
                self.absent(&path.display().to_string(), &std::fs::read(&path).unwrap_or_default());
            }
        }
    }

    /// Every way of writing that is looked for: the value, its halves, its words, and their encodings.
    fn forms(&self) -> Vec<(&'static str, String)> {
        let mut forms = Vec::new();
        for (name, value) in &self.0 {
            let mut parts: Vec<&str> = value.lines().collect();
            // Whatever became of what stands between them.
            parts.extend(value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() >= 12));
            for line in value.lines() {
                // The beginning that all have in common is no secret by itself.
                let middle = (line.len() / 2..line.len()).find(|at| line.is_char_boundary(*at)).unwrap_or(0);
                parts.extend([&line[..middle], &line[middle..]]);
            }
            for part in parts {
                let quoted = serde_json::json!(part).to_string();
                let percent = |keep: fn(&u8) -> bool| {
                    part.bytes()
                        .map(|b| if keep(&b) { char::from(b).to_string() } else { format!("%{b:02X}") })
                        .collect::<String>()
                };
                let hex: String = part.bytes().map(|byte| format!("{byte:02x}")).collect();
                let mut written = vec![part.to_owned(), quoted[1..quoted.len() - 1].to_owned(), hex.to_uppercase(), hex];
                written.push(serde_json::json!(written[1]).to_string().trim_matches('"').to_owned());
                written.push(percent(u8::is_ascii_alphanumeric));
                written.push(percent(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(b)));
                written.push(percent(u8::is_ascii_alphanumeric).replace("%20", "+"));
                written.push(percent(u8::is_ascii_alphanumeric).to_lowercase());
                for shift in 0..3 {
                    let bytes = [&[0; 2][..shift], part.as_bytes()].concat();
                    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                        let encoded = engine.encode(&bytes);
                        written.push(encoded[4..encoded.len() - 2].to_owned());
                    }
                }
                forms.extend(written.into_iter().map(|form| (*name, form)));
            }
        }
        forms.sort();
        forms.dedup();
        forms
    }
}
