//! A lean HTTP/1.1 client: fixed bytes out, one answer in, on kept connections.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request as it goes over the wire, the same each time, and how a right answer to it looks.
pub(crate) struct Ask {
    address: String,
    bytes: Vec<u8>,
    /// What stands in a right answer, beside a status of 2xx.
    word: &'static str,
}

impl Ask {
    /// A POST with a JSON body.
    pub(crate) fn post(address: &str, path: &str, headers: &[(&str, &str)], body: &str, word: &'static str) -> Self {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let bytes = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        Self { address: address.to_owned(), bytes: bytes.into_bytes(), word }
    }
}

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
pub(crate) async fn sequence(ask: &Ask, count: usize) -> Load {
    let mut line = Line::open(ask).await;
    let (began, mut load) = (Instant::now(), Load::default());
    for _ in 0..count {
        line.ask(&mut load).await;
    }
    load.total = began.elapsed();
    load
}

/// Asks on `clients` connections at once for this long.
pub(crate) async fn together(ask: &Ask, clients: usize, time: Duration) -> Load {
    shared_out(ask, clients, |_, began| began.elapsed() < time).await
}

/// Asks so often, on `clients` connections at once.
pub(crate) async fn burst(ask: &Ask, clients: usize, count: usize) -> Load {
    shared_out(ask, clients, |done, _| done < count.div_ceil(clients)).await
}

async fn shared_out(ask: &Ask, clients: usize, goes_on: impl Fn(usize, Instant) -> bool) -> Load {
    let lines = futures::future::join_all((0..clients).map(|_| Line::open(ask))).await;
    let began = Instant::now();
    let goes_on = &goes_on;
    let each = lines.into_iter().map(|mut line| async move {
        let mut load = Load::default();
        while goes_on(load.times.len(), began) {
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
    ask: &'a Ask,
    answer: Vec<u8>,
}

impl<'a> Line<'a> {
    async fn open(ask: &'a Ask) -> Self {
        let stream = TcpStream::connect(&ask.address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP option");
        Self { stream, ask, answer: Vec::with_capacity(16 << 10) }
    }

    async fn ask(&mut self, load: &mut Load) {
        let began = Instant::now();
        self.stream.write_all(&self.ask.bytes).await.expect("the server reads");
        self.answer.clear();
        while !is_whole(&self.answer) {
            let read = self.stream.read_buf(&mut self.answer).await.expect("the server answers");
            assert!(read > 0, "the server hung up");
        }
        load.times.push(began.elapsed());
        if !self.is_good() {
            if load.wrong == 0 {
                println!("a wrong answer: {}", String::from_utf8_lossy(&self.answer));
            }
            load.wrong += 1;
        }
    }

    fn is_good(&self) -> bool {
        text(&self.answer).is_some_and(|answer| answer.starts_with("HTTP/1.1 2") && answer.contains(self.ask.word))
    }
}

/// Whether the answer is all there. Searching texts is fast in the standard library: what this costs, the server lacks.
fn is_whole(answer: &[u8]) -> bool {
    let Some((head, body)) = text(answer).and_then(|answer| answer.split_once("\r\n\r\n")) else { return false };
    let length = ["content-length: ", "Content-Length: "].iter().find_map(|name| head.split_once(name));
    match length.and_then(|(_, length)| length.split("\r\n").next()?.parse::<usize>().ok()) {
        Some(length) => body.len() >= length,
        None => body.ends_with("0\r\n\r\n"),
    }
}

/// The bytes as text, unless the answer breaks off within a character.
fn text(answer: &[u8]) -> Option<&str> {
    std::str::from_utf8(answer).ok()
}
