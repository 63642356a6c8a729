//! What an answer of a model has said so far, read from JSON or from the events of a stream while they pass.

use flowforge_core::money::Tokens;
use serde_json::Value;

/// The longest line of a stream that is looked at, in bytes; longer ones pass unread.
const LONGEST_LINE: usize = 4 << 20;
/// How many bytes of text are one token at the least, as a guess for what nobody has counted.
const BYTES_PER_TOKEN: u64 = 3;

/// What an answer has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) tokens: Tokens,
    /// How many of the tokens put into the cache stay there for an hour.
    pub(crate) cache_write_1h: u64,
    /// How often the provider has searched the web.
    pub(crate) web_searches: u64,
}

/// An answer, as far as it has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    /// What was used, as far as it was said.
    pub(crate) usage: Usage,
    /// Whether it has begun: what was read is billed.
    pub(crate) has_begun: bool,
    /// Whether it has said what was written in the end.
    pub(crate) is_billed: bool,
    /// Whether it has come to its end.
    pub(crate) is_over: bool,
    /// What the model says.
    pub(crate) text: String,
    /// Which model.
    pub(crate) model: String,
    /// Why it ends.
    pub(crate) stop_reason: Option<String>,
    /// An error that came instead of an end: its type and its message.
    pub(crate) error: Option<(String, String)>,
    /// How many bytes of content have come.
    written: u64,
    line: Vec<u8>,
    is_skipping: bool,
}

impl Heard {
    /// Reads the next bytes of a stream of events.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let is_whole = part.ends_with(b"\n");
            if !self.is_skipping {
                self.line.extend_from_slice(part);
                self.is_skipping = self.line.len() > LONGEST_LINE;
            }
            if self.is_skipping {
                self.line.clear();
            }
            if is_whole {
                let line = std::mem::take(&mut self.line);
                self.is_skipping = false;
                self.read_line(&line);
            }
        }
    }

    fn read_line(&mut self, line: &[u8]) {
        let data = line.strip_prefix(b"data:").unwrap_or_default();
        if let Ok(event) = serde_json::from_slice::<Value>(data) {
            self.read_event(&event);
        }
    }

    fn read_event(&mut self, event: &Value) {
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => {
                self.has_begun = true;
                self.model = event["message"]["model"].as_str().unwrap_or_default().to_owned();
                self.count(&event["message"]["usage"]);
            }
            "content_block_start" => self.write(&event["content_block"]),
            "content_block_delta" => self.write(&event["delta"]),
            "message_delta" => {
                self.is_billed |= event["usage"]["output_tokens"].is_u64();
                self.count(&event["usage"]);
                self.stop_reason = event["delta"]["stop_reason"].as_str().map(str::to_owned);
            }
            "message_stop" => self.is_over = true,
            "error" => self.error = Some(error_of(event)),
            _ => {}
        }
    }

    /// Reads a whole answer. Whatever is no message changes nothing.
    pub(crate) fn read(&mut self, message: &Value) {
        if message["type"] != "message" {
            return;
        }
        (self.has_begun, self.is_over) = (true, true);
        self.is_billed = message["usage"]["output_tokens"].is_u64();
        self.model = message["model"].as_str().unwrap_or_default().to_owned();
        self.stop_reason = message["stop_reason"].as_str().map(str::to_owned);
        self.count(&message["usage"]);
        message["content"].as_array().into_iter().flatten().for_each(|block| self.write(block));
    }

    /// What was used: as it was said, or guessed from what has come when nobody has said it.
    pub(crate) fn used(&self) -> Usage {
        let mut usage = self.usage;
        if !self.is_billed {
            usage.tokens.output = usage.tokens.output.max(self.written.div_ceil(BYTES_PER_TOKEN));
        }
        usage
    }

    fn write(&mut self, block: &Value) {
        for name in ["text", "thinking", "partial_json"] {
            let text = block[name].as_str().unwrap_or_default();
            self.written += text.len() as u64;
            if name == "text" {
                self.text.push_str(text);
            }
        }
    }

    /// Takes over what is said of the usage. What comes later is the sum of all that came before.
    fn count(&mut self, said: &Value) {
        let take = |into: &mut u64, said: &Value| *into = said.as_u64().unwrap_or(*into);
        let Usage { tokens, cache_write_1h, web_searches } = &mut self.usage;
        take(&mut tokens.input, &said["input_tokens"]);
        take(&mut tokens.output, &said["output_tokens"]);
        take(&mut tokens.cache_read, &said["cache_read_input_tokens"]);
        take(&mut tokens.cache_write, &said["cache_creation_input_tokens"]);
        take(cache_write_1h, &said["cache_creation"]["ephemeral_1h_input_tokens"]);
        take(web_searches, &said["server_tool_use"]["web_search_requests"]);
    }
}

/// How many tokens so many bytes are at the most, as a guess.
pub(super) fn tokens_of(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_PER_TOKEN)
}

/// The type and the message of the API's error object.
pub(super) fn error_of(body: &Value) -> (String, String) {
    let text = |name: &str| body["error"][name].as_str().unwrap_or_default().chars().take(2000).collect();
    (text("type"), text("message"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(data: &Value) -> String {
        format!("event: x\ndata: {data}\n\n")
    }

    fn stream() -> String {
        let usage = json!({"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 4,
            "cache_creation_input_tokens": 6, "cache_creation": {"ephemeral_1h_input_tokens": 5}});
        [
            json!({"type": "message_start", "message": {"model": "m", "usage": usage}}),
            json!({"type": "ping"}),
            json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Grüße"}}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
            json!({"type": "message_stop"}),
        ]
        .iter()
        .map(event)
        .collect()
    }

    #[test]
    fn a_stream_is_understood_however_it_is_cut_into_pieces() {
        for size in [1, 2, 7, 10_000] {
            let mut heard = Heard::default();
            stream().as_bytes().chunks(size).for_each(|piece| heard.hear(piece));
            let tokens = Tokens { input: 10, output: 9, cache_read: 4, cache_write: 6 };
            assert_eq!(heard.used(), Usage { tokens, cache_write_1h: 5, web_searches: 0 }, "{size}");
            assert!(heard.is_over && heard.is_billed && heard.text == "Grüße" && heard.model == "m");
        }
    }

    #[test]
    fn what_nobody_has_counted_is_guessed() {
        let mut heard = Heard::default();
        let cut = stream().find("event: x\ndata: {\"type\":\"message_delta").unwrap();
        heard.hear(&stream().as_bytes()[..cut]);
        assert!(heard.has_begun && !heard.is_billed && !heard.is_over);
        assert_eq!((heard.used().tokens.input, heard.used().tokens.output), (10, 3));
    }

    #[test]
    fn lines_without_end_are_not_kept() {
        let mut heard = Heard::default();
        heard.hear(b"data: ");
        for _ in 0..=LONGEST_LINE >> 20 {
            heard.hear(&vec![b'x'; 1 << 20]);
        }
        assert!(heard.line.is_empty());
        heard.hear(b"\n");
        heard.hear(stream().as_bytes());
        assert!(heard.is_over);
    }

    #[test]
    fn a_message_is_read_whole_and_nothing_else_is_one() {
        let mut heard = Heard::default();
        heard.read(&json!({"type": "error", "error": {"type": "x"}}));
        assert!(!heard.has_begun);
        let content =
            json!([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
        heard.read(&json!({"type": "message", "content": content, "usage": {"input_tokens": 1, "output_tokens": 2}}));
        assert!(heard.is_billed && heard.text == "ab");
    }
}
