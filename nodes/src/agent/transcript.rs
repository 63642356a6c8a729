//! What an agent writes while it runs: kept in a file as it came, and told in the step's log so that a person can follow.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    time::Duration,
};

use flowforge_core::node::{LogSink, Stream};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    sync::Notify,
    time::{sleep, timeout},
};

use super::cli::Event;
use crate::sandbox::Running;

/// The name of its file.
pub(crate) const TRANSCRIPT: &str = "transcript.jsonl";
/// The longest line that is read; longer ones are left out.
const LONGEST_LINE: usize = 16 << 20;
/// How much a transcript may grow to.
const LARGEST: u64 = 256 << 20;
/// How many lines of a tool's result are shown, and how much of each.
const SHOWN: (usize, usize) = (6, 200);
/// How much of the end of the standard error is kept.
const KEPT: usize = 8 << 10;
/// How long a program may stay when it has said its last word, or when it is gone and something holds its streams.
const LINGERS: Duration = Duration::from_secs(20);

/// A file to which everything is added that an agent writes.
#[derive(Debug)]
pub(crate) struct Transcript {
    file: File,
    size: u64,
}

impl Transcript {
    /// Opens it, to be gone on with.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }

    #[cfg(test)]
    /// Its size, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds a line. When it is full, or its disk is, it takes no more; the session itself does not depend on it.
    fn add(&mut self, line: &[u8]) {
        if self.size < LARGEST && self.file.write_all(line).and_then(|()| self.file.write_all(b"\n")).is_ok() {
            self.size += line.len() as u64 + 1;
        }
    }
}

/// Takes what an agent writes to its standard output, a line at a time. It answers whether that was its last word.
pub(crate) trait Listen: Send {
    /// Takes a line without its end.
    fn line(&mut self, line: &[u8], log: &dyn LogSink) -> impl Future<Output = io::Result<bool>> + Send;
}

/// Follows an agent to its end: its exit code, and the end of its standard error.
pub(crate) async fn follow(
    mut running: Running,
    log: &dyn LogSink,
    transcript: &mut Transcript,
    listener: &mut impl Listen,
) -> io::Result<(i32, String)> {
    let (out, err, ended) = (running.stdout.take(), running.stderr.take(), Notify::new());
    let mut stderr = String::new();
    let code = {
        let listening = listen(out, log, transcript, listener, &ended);
        let reading = async { tokio::try_join!(listening, complain(err, log, &mut stderr)).map(drop) };
        let lingering = async {
            ended.notified().await;
            sleep(LINGERS).await;
        };
        tokio::pin!(reading);
        tokio::select! {
            read = &mut reading => {
                read?;
                timeout(LINGERS, running.wait()).await.unwrap_or(Ok(0))?
            }
            code = running.wait() => {
                if running.is_plain() {
                    // What it left running holds its streams open; of a sandbox nothing is left.
                    running.end();
                }
                timeout(LINGERS, reading).await.unwrap_or(Ok(()))?;
                code?
            }
            () = lingering => 0,
        }
    };
    Ok((code, stderr))
}

async fn listen(
    from: Option<impl AsyncRead + Unpin + Send>,
    log: &dyn LogSink,
    transcript: &mut Transcript,
    listener: &mut impl Listen,
    ended: &Notify,
) -> io::Result<()> {
    let Some(from) = from else { return Ok(()) };
    let mut lines = Lines { from: BufReader::new(from), is_cut: false };
    while let Some(line) = lines.next().await? {
        if std::mem::take(&mut lines.is_cut) {
            let note = format!("a line of more than {} MiB is left out", LONGEST_LINE >> 20);
            log.line(Stream::System, note).await;
            continue;
        }
        transcript.add(&line);
        if listener.line(&line, log).await? {
            ended.notify_one();
        }
    }
    Ok(())
}

/// Logs what comes by the standard error, and keeps its end.
async fn complain(from: Option<impl AsyncRead + Unpin + Send>, log: &dyn LogSink, kept: &mut String) -> io::Result<()> {
    let Some(from) = from else { return Ok(()) };
    let mut lines = Lines { from: BufReader::new(from), is_cut: false };
    while let Some(line) = lines.next().await? {
        let line = String::from_utf8_lossy(&line).into_owned();
        kept.push_str(&line);
        kept.push('\n');
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.ceil_char_boundary(kept.len() - KEPT));
        }
        log.line(Stream::Stderr, line).await;
    }
    Ok(())
}

/// Lines of a stream, of any length up to a limit.
struct Lines<R> {
    from: BufReader<R>,
    /// Whether the line that was read last was too long, and is not whole.
    is_cut: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let most = LONGEST_LINE as u64 + 1;
        if (&mut self.from).take(most).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            return Ok(Some(line));
        }
        if line.len() as u64 == most {
            self.is_cut = true;
            self.skip().await?;
        }
        Ok(Some(line))
    }

    /// The rest of a line, without keeping it.
    async fn skip(&mut self) -> io::Result<()> {
        loop {
            let chunk = self.from.fill_buf().await?;
            let (length, found) = match chunk.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (chunk.len(), chunk.is_empty()),
            };
            self.from.consume(length);
            if found {
                return Ok(());
            }
        }
    }
}

/// Tells of an event in the step's log.
pub(crate) async fn tell(event: &Event, log: &dyn LogSink) {
    match event {
        Event::Said(text) => {
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                log.line(Stream::Stdout, line.to_owned()).await;
            }
        }
        Event::Uses { tool, input } => log.line(Stream::Stdout, format!("→ {tool}: {input}")).await,
        Event::Got { text, is_error } => {
            for line in excerpt(text, *is_error) {
                log.line(Stream::Stdout, line).await;
            }
        }
        Event::Note(text) => log.line(Stream::System, text.clone()).await,
        Event::Limited(_) => log.line(Stream::System, "the limit of the model's service is reached".to_owned()).await,
        Event::Began { .. } | Event::Answered(_) | Event::Ended(_) => {}
    }
}

/// The first lines of a tool's result, and how many more there are.
fn excerpt(text: &str, is_error: bool) -> Vec<String> {
    let (most, width) = SHOWN;
    let mark = if is_error { "✗ " } else { "  " };
    let mut lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let more = lines.len().saturating_sub(most);
    lines.truncate(most);
    let cut = |line: &str| match line.char_indices().nth(width) {
        None => format!("{mark}{line}"),
        Some((at, _)) => format!("{mark}{}…", &line[..at]),
    };
    let rest = (more > 0).then(|| format!("{mark}… {more} more lines"));
    lines.into_iter().map(cut).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: Vec<u8>) -> Vec<(usize, bool)> {
        let mut lines = Lines { from: BufReader::new(io::Cursor::new(bytes)), is_cut: false };
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push((line.len(), std::mem::take(&mut lines.is_cut)));
        }
        found
    }

    #[tokio::test]
    async fn lines_are_long_but_not_endless() {
        assert_eq!(read(b"a\n\nbc".to_vec()).await, [(1, false), (0, false), (2, false)]);
        let mut bytes = vec![b'x'; LONGEST_LINE];
        bytes.extend(b"\n");
        bytes.extend(vec![b'y'; LONGEST_LINE + 500]);
        bytes.extend(b"\nend\n");
        assert_eq!(read(bytes).await, [(LONGEST_LINE, false), (LONGEST_LINE + 1, true), (3, false)]);
        assert_eq!(read(vec![b'z'; LONGEST_LINE + 1]).await, [(LONGEST_LINE + 1, true)]);
    }

    #[test]
    fn results_are_shown_by_their_beginning() {
        assert_eq!(excerpt("one\n\n two", false), ["  one", "   two"]);
        assert_eq!(excerpt("", true), Vec::<String>::new());
        let many = "ü".repeat(300) + "\n" + &"x\n".repeat(10);
        let shown = excerpt(&many, true);
        assert_eq!((shown.len(), shown.last().unwrap().as_str()), (7, "✗ … 5 more lines"));
        assert_eq!(shown[0].chars().count(), 203);
    }

    #[test]
    fn a_transcript_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        Transcript::open(&path).unwrap().add(b"one");
        let mut transcript = Transcript::open(&path).unwrap();
        transcript.add(b"two");
        assert_eq!((transcript.size(), std::fs::read_to_string(&path).unwrap().as_str()), (8, "one\ntwo\n"));
    }
}
