//! As much of PostgreSQL's protocol as it takes to see that a client is about to write.

use std::collections::HashSet;

/// What a client has sent over one connection.
#[derive(Debug, Default)]
pub(super) struct Frontend {
    started: bool,
    buffer: Vec<u8>,
    /// Prepared statements that write, by name.
    writing: HashSet<Vec<u8>>,
    /// Whether the statement that was bound last writes.
    bound: bool,
}

/// The code of a request for TLS, in the place of a protocol version.
const SSL_REQUEST: u32 = 80_877_103;

impl Frontend {
    /// Takes the next bytes and says whether a statement that writes is executed with them.
    pub(super) fn writes(&mut self, bytes: &[u8]) -> bool {
        self.buffer.extend_from_slice(bytes);
        let mut writes = false;
        while let Some((kind, body)) = self.message() {
            writes |= self.take(kind, &body);
        }
        writes
    }

    /// The next whole message: its type, and what follows its length. The first ones of a connection have no type.
    fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = usize::from(self.started);
        let length = u32::from_be_bytes(self.buffer.get(head..head + 4)?.try_into().ok()?) as usize;
        let end = head + length.max(4);
        if self.buffer.len() < end {
            return None;
        }
        let message: Vec<u8> = self.buffer.drain(..end).collect();
        Some((if self.started { message[0] } else { 0 }, message[head + 4..].to_vec()))
    }

    fn take(&mut self, kind: u8, body: &[u8]) -> bool {
        let mut texts = body.split(|byte| *byte == 0);
        match kind {
            0 => self.started = body.get(..4) != Some(&SSL_REQUEST.to_be_bytes()),
            b'Q' => return texts.next().is_some_and(is_write),
            b'P' => {
                let (name, sql) = (texts.next().unwrap_or_default().to_vec(), texts.next().unwrap_or_default());
                if is_write(sql) {
                    self.writing.insert(name)
                } else {
                    self.writing.remove(&name)
                };
            }
            b'B' => self.bound = texts.nth(1).is_some_and(|statement| self.writing.contains(statement)),
            b'E' => return self.bound,
            _ => {}
        }
        false
    }
}

/// Whether a statement changes runs, steps, logs or messages. Heartbeats and accounts are left alone: they are not what a
/// commit is lost of.
fn is_write(sql: &[u8]) -> bool {
    let sql = String::from_utf8_lossy(sql).trim_start().to_ascii_lowercase();
    let verbs = ["insert", "update", "delete", "with"];
    let tables = ["runs", "step_", "run_inbox"];
    verbs.iter().any(|verb| sql.starts_with(verb)) && tables.iter().any(|table| sql.contains(table))
}

#[cfg(test)]
pub(super) fn startup() -> Vec<u8> {
    [&8_u32.to_be_bytes()[..], &196_608_u32.to_be_bytes()[..]].concat()
}

#[cfg(test)]
pub(super) fn simple(sql: &str) -> Vec<u8> {
    message(b'Q', &[sql.as_bytes(), b"\0"].concat())
}

#[cfg(test)]
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prepared_write_is_seen_when_it_is_executed() {
        let mut frontend = Frontend::default();
        assert!(!frontend.writes(&[&8_u32.to_be_bytes()[..], &SSL_REQUEST.to_be_bytes()[..]].concat()));
        assert!(!frontend.writes(&startup()));
        let parse = message(b'P', b"s1\0WITH inserted AS (INSERT INTO runs VALUES ($1)) SELECT 1\0\0\0");
        assert!(!frontend.writes(&[parse, message(b'S', b"")].concat()), "it is only prepared");
        let execute = [message(b'B', b"\0s1\0\0\0"), message(b'E', b"\0\0\0\0\0"), message(b'S', b"")].concat();
        let (first, rest) = execute.split_at(7);
        assert!(!frontend.writes(first));
        assert!(frontend.writes(rest));
        let heartbeat = message(b'P', b"s2\0INSERT INTO workers VALUES ($1)\0\0\0");
        let beat = [heartbeat, message(b'B', b"\0s2\0\0\0"), message(b'E', b"\0\0\0\0\0")].concat();
        assert!(!frontend.writes(&beat));
    }
}
