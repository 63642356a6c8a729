//! How bodies of strangers are read: never more than is taken, never longer than is waited, and all of them out of one allowance of
//! memory.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use flowforge_engine::{Error, NotTaken, clock};
use futures::StreamExt;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// How long a body may take to come.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How much all bodies together may take that are being read or worked through, in KiB.
const MEMORY_KIB: u32 = 256 << 10;
/// How much is taken of it at a time, in KiB.
const STEP_KIB: u32 = 64;
/// How many callers may wait for the answers of runs.
const WAITING: usize = 256;

/// What this process can take from strangers at once.
#[derive(Debug)]
pub(crate) struct Hooks {
    memory: Semaphore,
    waiting: Semaphore,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { memory: Semaphore::new(MEMORY_KIB as usize), waiting: Semaphore::new(WAITING) }
    }
}

impl Hooks {
    /// A place among those who wait, if there is one.
    pub(crate) fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.waiting.try_acquire().ok()
    }

    /// Reads a body. It counts until the permit is dropped.
    ///
    /// # Errors
    /// When it is too large or too slow, breaks off, or there is no memory for it.
    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        limit: u64,
    ) -> Result<(Bytes, SemaphorePermit<'_>), NotTaken> {
        let announced = announced(headers)?;
        if announced.is_some_and(|length| length > limit) {
            return Err(NotTaken::TooLarge { limit });
        }
        self.collected(body, limit).await
    }

    /// Takes room for what has come, and not for what is announced: a caller that sends nothing takes no room from others.
    async fn collected(&self, body: Body, limit: u64) -> Result<(Bytes, SemaphorePermit<'_>), NotTaken> {
        let mut stream = body.into_data_stream();
        let mut whole = BytesMut::new();
        let mut room = self.room(1).await?;
        // Only the caller's own time counts, not that of a wait for room.
        let mut left = BODY_TIME;
        loop {
            let began = clock::monotonic();
            let next = timeout(left, stream.next()).await;
            let Some(part) = next.map_err(|_| NotTaken::TooSlow { within_s: BODY_TIME.as_secs() })? else { break };
            left = left.saturating_sub(began.elapsed());
            let part = part.map_err(|_| NotTaken::Unreadable("the body broke off before its end".to_owned()))?;
            let length = whole.len() + part.len();
            if length as u64 > limit {
                return Err(NotTaken::TooLarge { limit });
            }
            while room.num_permits() * 1_024 < length {
                room.merge(self.room(STEP_KIB).await?);
            }
            whole.extend_from_slice(&part);
        }
        Ok((whole.freeze(), room))
    }

    async fn room(&self, kib: u32) -> Result<SemaphorePermit<'_>, NotTaken> {
        let busy = || NotTaken::Fault(Error::Busy);
        timeout(BODY_TIME, self.memory.acquire_many(kib)).await.map_err(|_| busy())?.map_err(|_| busy())
    }
}

/// How long the body is that will come, when its sender says so.
pub(crate) fn announced(headers: &HeaderMap) -> Result<Option<u64>, NotTaken> {
    let Some(length) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = length.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| NotTaken::Unreadable("`Content-Length` is no number".to_owned()))
}
