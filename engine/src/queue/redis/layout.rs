//! Where hints lie in Redis: the keys of apalis-redis 1.0.0, and the scripts that write what its own script reads.

use std::sync::LazyLock;

use apalis_redis::Config;
use redis::{RedisError, Script, aio::ConnectionLike};

use super::{Hint, Lane, Priority};
use crate::clock;

/// The most hints that wait in one queue. More are refused: the sweeper finds what they spoke of.
const CAPACITY: u32 = 5_000;
/// How long what is known of a hint is kept, in seconds. Older ones are thrown away unread.
const KEEP_S: u32 = 3_600;
/// The longest hint that is read, in bytes.
const LONGEST: usize = 4_096;

/// The queue of a lane and a priority. One for each, since apalis-redis knows no priorities.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) config: Config,
}

impl Keys {
    pub(super) fn of(lane: Lane, priority: Priority) -> Self {
        let priority = match priority {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        };
        let queue = format!("flowforge-{}-{priority}", lane.name());
        Self { config: Config::default().queue(queue).batch_size(1).lock_tasks(false).emit_events(false) }
    }

    /// Where it is told that there are hints.
    pub(super) fn channel(&self) -> String {
        format!("tasks:{}:available", self.config.active_jobs_list())
    }

    fn inflight(&self, worker: &str) -> String {
        format!("{}:{worker}", self.config.inflight_jobs_set())
    }

    /// Appends hints, each under a fresh id, and says so. How many found room.
    pub(super) async fn append<C: ConnectionLike>(&self, connection: &mut C, hints: &[&Hint]) -> Result<usize, RedisError> {
        let mut call = APPEND.prepare_invoke();
        call.key(self.config.active_jobs_list()).key(self.config.job_data_hash()).key(self.config.job_meta_hash());
        call.arg(CAPACITY).arg(KEEP_S);
        for hint in hints {
            call.arg(clock::new_uuid().simple().to_string()).arg(write(hint));
        }
        call.invoke_async(connection).await
    }

    /// Makes a worker's name known, without which nothing is given to it, and clears away what others have left behind.
    pub(super) async fn enrol<C: ConnectionLike>(&self, connection: &mut C, worker: &str) -> Result<(), RedisError> {
        let mut call = ENROL.prepare_invoke();
        call.key(self.config.workers_set()).key(self.config.active_jobs_list()).key(self.config.job_data_hash());
        call.key(self.config.inflight_jobs_set());
        call.arg(worker).arg(KEEP_S).invoke_async(connection).await
    }

    /// Forgets what a worker was given. How many hints that was.
    pub(super) async fn forget<C: ConnectionLike>(&self, connection: &mut C, worker: &str) -> Result<usize, RedisError> {
        let mut call = FORGET.prepare_invoke();
        call.key(self.inflight(worker)).key(self.config.job_data_hash()).key(self.config.job_meta_hash());
        call.invoke_async(connection).await
    }

    /// Throws the whole queue away, when something else than a queue lies in its place.
    pub(super) async fn wipe<C: ConnectionLike>(&self, connection: &mut C, worker: Option<&str>) -> Result<(), RedisError> {
        let config = &self.config;
        let mut delete = redis::cmd("DEL");
        delete.arg(config.active_jobs_list()).arg(config.job_data_hash()).arg(config.workers_set());
        delete.arg(config.scheduled_jobs_set()).arg(config.signal_list()).arg(config.done_jobs_set());
        delete.arg(config.dead_jobs_set()).arg(config.failed_jobs_set());
        worker.map(|worker| delete.arg(self.inflight(worker)));
        delete.query_async(connection).await
    }
}

/// What is wrong with a queue, and so what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Redis does not know the worker's name: it was emptied, or the name is new.
    Unknown,
    /// What was read is no hint.
    Unreadable,
    /// In place of the queue lies something that Redis cannot read as one.
    NoQueue,
    /// Anything else: the connection is given up.
    Other,
}

impl Trouble {
    pub(super) fn of(fault: &RedisError) -> Self {
        let text = fault.to_string();
        if text.contains("worker not registered") {
            Self::Unknown
        } else if text.contains("WRONGTYPE") || text.contains("too many results to unpack") {
            Self::NoQueue
        } else if fault.is_io_error() && !fault.is_connection_dropped() && !fault.is_timeout() {
            // apalis-redis reports so what it cannot take apart.
            Self::Unreadable
        } else {
            Self::Other
        }
    }
}

pub(super) fn write(hint: &Hint) -> Vec<u8> {
    // Two strings, an id and a number are JSON whatever they are.
    serde_json::to_vec(hint).unwrap_or_default()
}

/// Nothing when it is no hint that this version could have written.
pub(super) fn read(payload: &[u8]) -> Option<Hint> {
    if payload.len() > LONGEST {
        return None;
    }
    serde_json::from_slice(payload).ok()
}

/// KEYS: the list, the payloads, the prefix of what is known of each hint. ARGV: the capacity, how long to keep, then id and
/// payload of each hint.
static APPEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local room = tonumber(ARGV[1]) - redis.call('llen', KEYS[1])
local taken = 0
for i = 3, #ARGV, 2 do
    if taken >= room then break end
    local known = KEYS[3] .. ':' .. ARGV[i]
    redis.call('hset', KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call('hset', known, 'attempts', 0, 'max_attempts', 1, 'status', 'Pending')
    redis.call('expire', known, ARGV[2])
    redis.call('rpush', KEYS[1], ARGV[i])
    taken = taken + 1
end
if taken > 0 then redis.call('publish', 'tasks:' .. KEYS[1] .. ':available', taken) end
return taken",
    )
});

/// KEYS: the workers, the list, the payloads, the prefix of what workers were given. ARGV: the worker, after how long one is
/// forgotten.
static ENROL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local now = tonumber(redis.call('time')[1])
for _, name in ipairs(redis.call('zrangebyscore', KEYS[1], 0, now - ARGV[2], 'limit', 0, 100)) do
    redis.call('del', KEYS[4] .. ':' .. name)
    redis.call('zrem', KEYS[1], name)
end
redis.call('zadd', KEYS[1], now, ARGV[1])
if redis.call('llen', KEYS[2]) == 0 then redis.call('del', KEYS[3]) end",
    )
});

/// KEYS: what the worker was given, the payloads, the prefix of what is known of each hint.
static FORGET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local ids = redis.call('smembers', KEYS[1])
for _, id in ipairs(ids) do
    redis.call('hdel', KEYS[2], id)
    redis.call('del', KEYS[3] .. ':' .. id)
end
redis.call('del', KEYS[1])
return #ids",
    )
});

#[cfg(test)]
mod tests {
    use flowforge_core::RunId;

    use super::*;
    use crate::queue::StepRef;

    #[test]
    fn a_hint_is_read_as_it_was_written() {
        let run = RunId::new(clock::new_uuid());
        let step = StepRef { run, node: "a".into(), item: "outer/3".to_owned(), attempt: 2 };
        for hint in [Hint::Run(run), Hint::Step(step)] {
            assert_eq!(read(&write(&hint)), Some(hint));
        }
    }

    #[tokio::test]
    async fn a_queue_that_is_full_takes_no_more() {
        let Ok(url) = std::env::var("FLOWFORGE_TEST_REDIS") else { return };
        let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        let queue = format!("flowforge-test-{}", clock::new_uuid().simple());
        let keys = Keys { config: Config::default().queue(queue) };
        let hints: Vec<Hint> = (0..CAPACITY + 100).map(|_| Hint::Run(RunId::new(clock::new_uuid()))).collect();
        let mut taken = 0;
        for some in hints.chunks(300) {
            taken += keys.append(&mut connection, &some.iter().collect::<Vec<_>>()).await.unwrap();
        }
        assert_eq!(taken, CAPACITY as usize);
        keys.wipe(&mut connection, None).await.unwrap();
        assert_eq!(keys.append(&mut connection, &[&hints[0]]).await.unwrap(), 1);
        keys.wipe(&mut connection, None).await.unwrap();
    }

    #[test]
    fn what_is_no_hint_is_not_read() {
        let long = format!(r#"{{"step":{{"run":"run_{:032}","node":"{}","item":"","attempt":1}}}}"#, 0, "x".repeat(LONGEST));
        for garbage in ["", "{}", "null", r#"{"run":"wf_1"}"#, r#"{"of_tomorrow":1}"#, "\u{fffd}", &long] {
            assert_eq!(read(garbage.as_bytes()), None, "{garbage}");
        }
    }
}
