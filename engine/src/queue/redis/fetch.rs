//! Reading hints: the three queues of a lane in weighted order, one hint at a time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use apalis::prelude::WorkerContext;
use apalis_redis::queries::fetch_next;
use redis::{RedisError, aio::MultiplexedConnection};

use super::{
    Hint, Lane, Line, Priority,
    layout::{self, Keys, Trouble},
};

/// How often one look repairs a queue before it gives the connection up.
const REPAIRS: u32 = 3;

/// Reads the hints of a lane.
#[derive(Debug, Clone)]
pub(in crate::queue) struct Fetcher {
    lane: Lane,
    line: Arc<Line>,
    queues: Arc<[Keys; 3]>,
    /// For each queue, the connection over which a name was last enrolled.
    enrolled: Arc<[AtomicU64; 3]>,
}

impl Fetcher {
    pub(super) fn new(lane: Lane, line: Arc<Line>) -> Self {
        let queues = Arc::new(Priority::ALL.map(|priority| Keys::of(lane, priority)));
        Self { lane, line, queues, enrolled: Arc::default() }
    }

    /// The next hint, however long it takes to come and whatever happens to Redis meanwhile.
    pub(in crate::queue) async fn next(self, worker: WorkerContext, turn: u64) -> Hint {
        loop {
            let mut session = self.line.session().await;
            match self.look(session.number, &mut session.connection, &worker, turn).await {
                Ok(Some(hint)) => return hint,
                Ok(None) => self.line.wait_for_hint(self.lane).await,
                Err(fault) => self.line.give_up(session.number, fault).await,
            }
        }
    }

    async fn look(
        &self,
        session: u64,
        connection: &mut MultiplexedConnection,
        worker: &WorkerContext,
        turn: u64,
    ) -> Result<Option<Hint>, RedisError> {
        let mut repairs = 0;
        for priority in Priority::order(turn) {
            let queue = &self.queues[priority as usize];
            let enrolled = &self.enrolled[priority as usize];
            loop {
                match take(queue, connection, worker).await {
                    Ok(None) => break,
                    Ok(Some(payload)) => match layout::read(&payload) {
                        Some(hint) => return Ok(Some(hint)),
                        None => tracing::debug!(bytes = payload.len(), "something that is no hint was thrown away"),
                    },
                    Err(fault) => {
                        let trouble = Trouble::of(&fault);
                        repairs += u32::from(trouble != Trouble::Unreadable);
                        if repairs > REPAIRS {
                            return Err(fault);
                        }
                        self.repair(queue, connection, worker.name(), fault).await?;
                        if trouble == Trouble::Unknown && enrolled.swap(session, Ordering::Relaxed) == session {
                            tracing::debug!(name = %queue.config.queue, "Redis did not know this worker any more");
                            self.line.forgotten.notify_one();
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    async fn repair(
        &self,
        queue: &Keys,
        connection: &mut MultiplexedConnection,
        worker: &str,
        fault: RedisError,
    ) -> Result<(), RedisError> {
        let name = &queue.config.queue;
        match Trouble::of(&fault) {
            Trouble::Unknown => queue.enrol(connection, worker).await,
            Trouble::Unreadable => match queue.forget(connection, worker).await? {
                0 => Err(fault),
                _ => Ok(()),
            },
            Trouble::NoQueue => {
                tracing::warn!(%name, %fault, "something that is no queue lies in Redis under the queue's name; it is thrown away");
                queue.wipe(connection, Some(worker)).await?;
                self.line.forgotten.notify_one();
                Ok(())
            }
            Trouble::Other => Err(fault),
        }
    }
}

/// Takes one hint out of a queue. Nothing of it is left there: what is lost with this process the sweeper finds.
async fn take(
    queue: &Keys,
    connection: &mut MultiplexedConnection,
    worker: &WorkerContext,
) -> Result<Option<Vec<u8>>, RedisError> {
    let tasks = fetch_next(connection, worker, &queue.config).await.map_err(as_redis)?;
    let Some(task) = tasks.into_iter().next() else { return Ok(None) };
    queue.forget(connection, worker.name()).await?;
    Ok(Some(task.args))
}

/// What is not Redis's own fault is a hint that cannot be taken apart.
fn as_redis(fault: apalis_redis::Error) -> RedisError {
    match fault {
        apalis_redis::Error::Database(fault) => fault,
        fault => std::io::Error::new(std::io::ErrorKind::InvalidData, fault).into(),
    }
}
