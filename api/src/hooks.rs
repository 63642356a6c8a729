//! How bodies of strangers are read: never more than is taken, never longer than is waited, and all of them out of one allowance of
//! memory.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use flowforge_engine::{Error, NotTaken};
use futures::StreamExt;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// How long a body may take to come.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How much all bodies together may take that are being read or worked through, in KiB.
const MEMORY_KIB: u32 = 256 << 10;
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
        let kib = u32::try_from(announced.unwrap_or(limit).div_ceil(1_024)).unwrap_or(u32::MAX).clamp(1, MEMORY_KIB);
        let busy = || NotTaken::Fault(Error::Busy);
        let room = timeout(BODY_TIME, self.memory.acquire_many(kib)).await.map_err(|_| busy())?.map_err(|_| busy())?;
        let slow = |_| NotTaken::TooSlow { within_s: BODY_TIME.as_secs() };
        let bytes = timeout(BODY_TIME, collected(body, limit)).await.map_err(slow)??;
        Ok((bytes, room))
    }
}

/// How long the body is that will come, when its sender says so.
pub(crate) fn announced(headers: &HeaderMap) -> Result<Option<u64>, NotTaken> {
    let Some(length) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = length.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| NotTaken::Unreadable("`Content-Length` is no number".to_owned()))
}

async fn collected(body: Body, limit: u64) -> Result<Bytes, NotTaken> {
    let mut stream = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(part) = stream.next().await {
        let part = part.map_err(|_| NotTaken::Unreadable("the body broke off before its end".to_owned()))?;
        if (whole.len() + part.len()) as u64 > limit {
            return Err(NotTaken::TooLarge { limit });
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}
