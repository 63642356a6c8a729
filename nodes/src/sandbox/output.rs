//! What a command writes: line by line to the log, and in whole, up to a limit, into the step's output.

use std::{io, time::Duration};

use flowforge_core::node::{LogSink, NodeError, Stream};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

use super::Running;

/// How much of the beginning and of the end of each stream is kept.
const KEPT: usize = 512 << 10;
/// The longest line that the log takes; longer ones are cut into several.
const LONGEST_LINE: usize = 16 << 10;
/// How much of each stream the log takes.
const LOGGED: usize = 16 << 20;
/// How long to wait for the ends of the streams once the command has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// As shells count: 128 and the signal's number for a command that was killed.
    pub(crate) exit_code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Which limit it was ended for.
    pub(crate) breach: Option<NodeError>,
}

/// Follows a command to its end.
pub(crate) async fn follow(mut running: Running, log: &dyn LogSink) -> io::Result<Ended> {
    let mut stdout = Reader::new(running.stdout.take(), Stream::Stdout);
    let mut stderr = Reader::new(running.stderr.take(), Stream::Stderr);
    let exit_code = {
        let reading = async { tokio::join!(stdout.read(log), stderr.read(log)) };
        tokio::pin!(reading);
        tokio::select! {
            (out, err) = &mut reading => {
                out.and(err)?;
                running.wait().await?
            }
            exit_code = running.wait() => {
                // Of a sandbox nothing is left, so its streams have ended. What a plain command left running holds them open.
                let (out, err) = if running.is_plain() {
                    running.end();
                    timeout(LAST_WORDS, reading).await.unwrap_or((Ok(()), Ok(())))
                } else {
                    reading.await
                };
                out.and(err)?;
                exit_code?
            }
        }
    };
    Ok(Ended { exit_code, stdout: stdout.kept.text(), stderr: stderr.kept.text(), breach: running.breach() })
}

struct Reader<R> {
    from: Option<R>,
    stream: Stream,
    line: Vec<u8>,
    logged: usize,
    kept: Kept,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    fn new(from: Option<R>, stream: Stream) -> Self {
        Self { from, stream, line: Vec::new(), logged: 0, kept: Kept::default() }
    }

    async fn read(&mut self, log: &dyn LogSink) -> io::Result<()> {
        let mut from = self.from.take();
        let mut chunk = vec![0; 8 << 10];
        while let Some(reader) = &mut from {
            let length = reader.read(&mut chunk).await?;
            if length == 0 {
                break;
            }
            self.kept.add(&chunk[..length]);
            for byte in &chunk[..length] {
                if *byte == b'\n' || self.line.len() == LONGEST_LINE {
                    self.log(log).await;
                }
                if *byte != b'\n' {
                    self.line.push(*byte);
                }
            }
        }
        if !self.line.is_empty() {
            self.log(log).await;
        }
        Ok(())
    }

    async fn log(&mut self, log: &dyn LogSink) {
        let line = std::mem::take(&mut self.line);
        if self.logged > LOGGED {
            return;
        }
        self.logged += line.len() + 1;
        log.line(self.stream, String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()).await;
        if self.logged > LOGGED {
            log.line(Stream::System, format!("the log takes {} MiB of each stream; the rest is left out", LOGGED >> 20)).await;
        }
    }
}

/// The beginning and the end of a stream.
#[derive(Debug, Default)]
struct Kept {
    head: Vec<u8>,
    tail: Vec<u8>,
    left_out: usize,
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(KEPT - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(rest);
        // Cut only now and then, so that a byte is moved a bounded number of times.
        if self.tail.len() > 2 * KEPT {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let over = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..over);
        self.left_out += over;
    }

    fn text(&mut self) -> String {
        self.cut();
        let (head, tail) = (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&self.tail));
        match self.left_out {
            0 => {
                let mut whole = std::mem::take(&mut self.head);
                whole.append(&mut self.tail);
                String::from_utf8_lossy(&whole).into_owned()
            }
            bytes => format!("{head}\n[… {bytes} bytes are left out here …]\n{tail}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_are_kept_with_a_mark_between() {
        let mut kept = Kept::default();
        kept.add("aü".as_bytes());
        assert_eq!(kept.text(), "aü");
        let mut kept = Kept::default();
        kept.add(b"first ");
        (0..5_000).for_each(|_| kept.add(&[b'x'; 1_000]));
        kept.add(b" last");
        let text = kept.text();
        assert!(text.starts_with("first x") && text.ends_with("x last"), "{}", text.len());
        let left_out = 5_000_011 - 2 * KEPT;
        assert!(text.contains(&format!("[… {left_out} bytes are left out here …]")));
    }
}
