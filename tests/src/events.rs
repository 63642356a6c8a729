//! A reader of a run's event stream that can go away and come back.

use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::Value;

use crate::Client;

/// One frame with an id.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The frame's `id`.
    pub id: u64,
    /// The frame's `event`.
    pub kind: String,
    /// The frame's `data`.
    pub data: Value,
}

/// An open stream. Dropping it disconnects.
pub struct Events {
    body: futures::stream::BoxStream<'static, reqwest::Result<Vec<u8>>>,
    rest: Vec<u8>,
}

impl Events {
    /// Opens the stream of a run, from its beginning or after the event with this id.
    pub async fn open(client: &Client, run: &str, after: Option<u64>) -> Self {
        Self::try_open(client, run, after).await.expect("the stream opens")
    }

    /// Like [`Self::open`], for a server that may be killed meanwhile.
    pub async fn try_open(client: &Client, run: &str, after: Option<u64>) -> reqwest::Result<Self> {
        let mut request = client.request(Method::GET, &format!("/runs/{run}/events"));
        request = request.timeout(Duration::from_secs(120)).header("accept", "text/event-stream");
        if let Some(id) = after {
            request = request.header("last-event-id", id.to_string());
        }
        let response = request.send().await?.error_for_status()?;
        let kind = response.headers().get("content-type").expect("a content type");
        assert!(kind.as_bytes().starts_with(b"text/event-stream"), "{kind:?}");
        let body = response.bytes_stream().map(|chunk| chunk.map(|bytes| bytes.to_vec())).boxed();
        Ok(Self { body, rest: Vec::new() })
    }

    /// The next event, or nothing when the stream has ended or was cut. Panics after 30 silent seconds.
    pub async fn next(&mut self) -> Option<Event> {
        self.next_within(Duration::from_secs(30)).await.expect("an event or a heartbeat within 30 s")
    }

    /// Like [`Self::next`], for a stream that may fall silent: an error when nothing came for so long, not even a heartbeat.
    pub async fn next_within(&mut self, silence: Duration) -> Result<Option<Event>, tokio::time::error::Elapsed> {
        loop {
            while let Some(frame) = self.frame() {
                if let Some(event) = parse(&frame) {
                    return Ok(Some(event));
                }
            }
            match tokio::time::timeout(silence, self.body.next()).await? {
                Some(Ok(chunk)) => self.rest.extend(chunk),
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }

    /// Every event until the stream ends.
    pub async fn rest(mut self) -> Vec<Event> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }

    fn frame(&mut self) -> Option<String> {
        let end = self.rest.windows(2).position(|two| two == b"\n\n")?;
        let frame = self.rest.drain(..end + 2).collect();
        Some(String::from_utf8(frame).expect("frames are UTF-8"))
    }
}

/// Comments (heartbeats) and frames without an id are nothing.
fn parse(frame: &str) -> Option<Event> {
    let field = |name: &str| {
        let lines = frame.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.map(str::trim_start).collect::<Vec<_>>().join("\n")
    };
    let id = field("id").parse().ok()?;
    Some(Event { id, kind: field("event"), data: serde_json::from_str(&field("data")).expect("data is JSON") })
}
