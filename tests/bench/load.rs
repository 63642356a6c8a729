//! A lean HTTP/1.1 client: fixed bytes out, one answer in, on kept connections.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a series of requests took.
#[derive(Default)]
pub(crate) struct Load {
    /// How long each answer took.
    pub(crate) times: Vec<Duration>,
    /// How long all of it took.
    pub(crate) total: Duration,
    /// Answers that were not what they should be.
    pub(crate) wrong: usize,
}

/// Asks `count` times on one connection, each time after the answer.
pub(crate) async fn sequence(address: &str, request: &[u8], count: usize) -> Load {
    let began = Instant::now();
    let mut line = Line::open(address, request).await;
    let mut load = Load::default();
    for _ in 0..count {
        line.ask(&mut load).await;
    }
    load.total = began.elapsed();
    load
}

/// Asks on `clients` connections at once for this long.
pub(crate) async fn together(address: &str, request: &[u8], clients: usize, time: Duration) -> Load {
    let began = Instant::now();
    let each = (0..clients).map(|_| async {
        let mut line = Line::open(address, request).await;
        let mut load = Load::default();
        while began.elapsed() < time {
            line.ask(&mut load).await;
        }
        load
    });
    let mut all = Load::default();
    for load in futures::future::join_all(each).await {
        all.times.extend(load.times);
        all.wrong += load.wrong;
    }
    all.total = began.elapsed();
    all
}

struct Line<'a> {
    stream: TcpStream,
    request: &'a [u8],
    answer: Vec<u8>,
}

impl<'a> Line<'a> {
    async fn open(address: &str, request: &'a [u8]) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP option");
        Self { stream, request, answer: Vec::with_capacity(16 << 10) }
    }

    async fn ask(&mut self, load: &mut Load) {
        let began = Instant::now();
        self.stream.write_all(self.request).await.expect("the server reads");
        self.answer.clear();
        let end = loop {
            let read = self.stream.read_buf(&mut self.answer).await.expect("the server answers");
            assert!(read > 0, "the server hung up");
            if let Some(end) = whole(&self.answer) {
                break end;
            }
        };
        load.times.push(began.elapsed());
        load.wrong += usize::from(!self.is_good(end));
    }

    /// The run was accepted, and it has completed if that was to be waited for.
    fn is_good(&self, end: usize) -> bool {
        let answer = &self.answer[..end];
        let awaited = contains(self.request, b"wait=");
        answer.starts_with(b"HTTP/1.1 201") && (!awaited || contains(answer, b"\"status\":\"completed\""))
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// Where the answer ends, once it is all there.
fn whole(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..head]).expect("headers are text");
    let length = text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
    let end = head + 4 + length.expect("the answer says how long it is");
    (answer.len() >= end).then_some(end)
}
