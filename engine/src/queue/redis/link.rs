//! Keeps the connection to Redis: builds it anew whenever it is lost, sends what waits, and hears what others say.

use std::{sync::Arc, time::Duration};

use flowforge_core::RunId;
use futures::StreamExt;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError,
    aio::{ConnectionLike, MultiplexedConnection, PubSub, PubSubSink, PubSubStream},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Lane, Line, Outgoing, Priority, bell,
    layout::{Keys, Trouble},
    memory,
};
use crate::{
    clock,
    queue::{Bell, Heard, Hint},
};

/// How long an answer may take. A Redis that is slower is as good as none.
pub(super) const ANSWER: Duration = Duration::from_secs(5);
/// The wait before the first new connection; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often it is said which runs are watched, and whether Redis is there.
const REPEAT: Duration = Duration::from_secs(5);
/// The most that is sent at once.
const BATCH: usize = 256;

/// The connection of this process to the others.
#[derive(Debug)]
pub(crate) struct Link {
    client: Client,
    line: Arc<Line>,
    /// What this process calls itself.
    name: String,
    outgoing: mpsc::Receiver<Outgoing>,
    broken: mpsc::Receiver<(u64, RedisError)>,
    /// Where hints go that Redis did not take.
    here: memory::Senders,
}

impl Link {
    pub(super) fn new(
        client: Client,
        line: Arc<Line>,
        outgoing: mpsc::Receiver<Outgoing>,
        broken: mpsc::Receiver<(u64, RedisError)>,
        here: memory::Senders,
    ) -> Self {
        Self { client, line, name: clock::new_uuid().simple().to_string(), outgoing, broken, here }
    }

    /// Keeps the connection until `stop`. `hear` is told what others say; `watched` names the runs that are watched here.
    pub(crate) async fn run(
        mut self,
        hear: impl Fn(Heard) + Send + Sync,
        watched: impl Fn() -> Vec<RunId> + Send + Sync,
        stop: CancellationToken,
    ) {
        let (mut wait, mut is_known) = (FIRST_WAIT, false);
        while !stop.is_cancelled() {
            let connected = tokio::select! {
                connected = self.connect() => connected,
                () = stop.cancelled() => return,
            };
            let fault = match connected {
                Ok((connection, words)) => {
                    if is_known {
                        tracing::info!("Redis is there again");
                    }
                    (is_known, wait) = (false, FIRST_WAIT);
                    hear(Heard::Lost);
                    let ended = self.attend(connection, words, &hear, &watched, &stop).await;
                    self.line.end();
                    ended
                }
                Err(fault) => Err(fault),
            };
            self.keep_what_waits();
            let Err(fault) = fault else { return };
            if !is_known {
                tracing::warn!(%fault, "Redis cannot be used; runs go on without it, and what other processes could do is found by looking");
            }
            is_known = true;
            tokio::select! {
                () = tokio::time::sleep(clock::spread(wait)) => {}
                () = stop.cancelled() => {}
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, PubSub), RedisError> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(ANSWER)).set_response_timeout(Some(ANSWER));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let words = async {
            let mut words = self.client.get_async_pubsub().await?;
            words.subscribe(bell::CHANNEL).await?;
            for (_, keys) in queues() {
                words.subscribe(keys.channel()).await?;
            }
            Ok::<_, RedisError>(words)
        };
        Ok((connection, timeout(ANSWER, words).await.map_err(|_| silent())??))
    }

    /// Uses a connection until it fails, which is an error, or until `stop`.
    async fn attend(
        &mut self,
        connection: MultiplexedConnection,
        words: PubSub,
        hear: &(impl Fn(Heard) + Sync),
        watched: &(impl Fn() -> Vec<RunId> + Sync),
        stop: &CancellationToken,
    ) -> Result<(), RedisError> {
        let Self { line, name, outgoing, broken, here, .. } = self;
        let number = line.begin(connection.clone());
        let (sink, stream) = words.split();
        let forgotten = async {
            loop {
                line.forgotten.notified().await;
                hear(Heard::Lost);
            }
        };
        let stopped = tokio::select! {
            fault = send_all(name, outgoing, connection.clone(), watched, here) => return Err(fault),
            fault = listen(line, name, sink, stream, hear) => return Err(fault),
            fault = fault_of(number, broken) => return Err(fault),
            () = forgotten => return Ok(()),
            () = stop.cancelled() => timeout(ANSWER, send_rest(name, outgoing, connection, here)).await,
        };
        stopped.unwrap_or_else(|_| Err(silent()))
    }

    /// What has not been sent can only be taken up here.
    fn keep_what_waits(&mut self) {
        while let Ok(waiting) = self.outgoing.try_recv() {
            keep(waiting, &self.here);
        }
    }
}

/// Every queue, with where it belongs.
fn queues() -> impl Iterator<Item = (Lane, Keys)> {
    Lane::ALL.into_iter().flat_map(|lane| Priority::ALL.map(|priority| (lane, Keys::of(lane, priority))))
}

fn silent() -> RedisError {
    (ErrorKind::Io, "Redis does not answer in time").into()
}

fn keep(waiting: Outgoing, here: &memory::Senders) {
    if let Outgoing::Hint(hint, priority) = waiting {
        // No room, or no worker in this process: the sweeper finds what it spoke of.
        here.send(hint, priority);
    }
}

/// What a fetcher says of this connection; what is said of an earlier one is known.
async fn fault_of(number: u64, broken: &mut mpsc::Receiver<(u64, RedisError)>) -> RedisError {
    loop {
        match broken.recv().await {
            Some((broken, fault)) if broken == number => return fault,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// Sends what waits, as it comes, and says from time to time which runs are watched.
async fn send_all(
    name: &str,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    mut connection: MultiplexedConnection,
    watched: &(impl Fn() -> Vec<RunId> + Sync),
    here: &memory::Senders,
) -> RedisError {
    let mut repeat = tokio::time::interval(REPEAT);
    repeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let sent = tokio::select! {
            count = outgoing.recv_many(&mut batch, BATCH), if !outgoing.is_closed() || !outgoing.is_empty() => {
                tracing::trace!(count, "sending to Redis");
                send(name, &mut connection, &mut batch, here).await
            }
            _ = repeat.tick() => {
                batch.extend(watched().into_iter().map(|run| Outgoing::Bell(Bell::Watched(run))));
                let answered = redis::cmd("PING").query_async::<()>(&mut connection).await;
                match answered {
                    Ok(()) => send(name, &mut connection, &mut batch, here).await,
                    fault => fault,
                }
            }
        };
        if let Err(fault) = sent {
            return fault;
        }
    }
}

/// Sends what still waits when the process leaves: others are told at once what it hands back.
async fn send_rest(
    name: &str,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    mut connection: MultiplexedConnection,
    here: &memory::Senders,
) -> Result<(), RedisError> {
    let mut batch = Vec::new();
    while let Ok(waiting) = outgoing.try_recv() {
        batch.push(waiting);
    }
    send(name, &mut connection, &mut batch, here).await
}

/// Sends a batch. Of one that fails, hints are kept here.
async fn send<C: ConnectionLike>(
    name: &str,
    connection: &mut C,
    batch: &mut Vec<Outgoing>,
    here: &memory::Senders,
) -> Result<(), RedisError> {
    let sent = match send_hints(connection, batch).await {
        Ok(()) => send_bells(name, connection, batch).await,
        fault => fault,
    };
    let batch = batch.drain(..);
    if sent.is_err() {
        batch.for_each(|waiting| keep(waiting, here));
    }
    sent
}

async fn send_hints<C: ConnectionLike>(connection: &mut C, batch: &[Outgoing]) -> Result<(), RedisError> {
    for (lane, priority) in Lane::ALL.into_iter().flat_map(|lane| Priority::ALL.map(|priority| (lane, priority))) {
        let hints: Vec<&Hint> = batch
            .iter()
            .filter_map(|waiting| match waiting {
                Outgoing::Hint(hint, of) if hint.lane() == lane && *of == priority => Some(hint),
                _ => None,
            })
            .collect();
        if hints.is_empty() {
            continue;
        }
        let keys = Keys::of(lane, priority);
        let taken = match keys.append(connection, &hints).await {
            Err(fault) if Trouble::of(&fault) == Trouble::NoQueue => {
                tracing::warn!(name = %keys.config.queue, %fault, "something that is no queue lies in Redis under the queue's name; it is thrown away");
                keys.wipe(connection, None).await?;
                keys.append(connection, &hints).await?
            }
            taken => taken?,
        };
        if taken < hints.len() {
            tracing::debug!(
                dropped = hints.len() - taken,
                "hints were dropped because the queue is full; the sweeper will find what they spoke of"
            );
        }
    }
    Ok(())
}

async fn send_bells<C: ConnectionLike>(name: &str, connection: &mut C, batch: &[Outgoing]) -> Result<(), RedisError> {
    let mut calls = redis::pipe();
    let mut said: Vec<Bell> = Vec::new();
    for waiting in batch {
        if let Outgoing::Bell(bell) = waiting
            && !said.contains(bell)
        {
            said.push(*bell);
            calls.publish(bell::CHANNEL, bell::write(name, *bell)).ignore();
        }
    }
    if said.is_empty() { Ok(()) } else { calls.query_async(connection).await }
}

/// Hears what others say, and asks from time to time whether anything still can be heard.
async fn listen(
    line: &Line,
    name: &str,
    mut sink: PubSubSink,
    mut words: PubSubStream,
    hear: &(impl Fn(Heard) + Sync),
) -> RedisError {
    let channels: Vec<(Lane, String)> = queues().map(|(lane, keys)| (lane, keys.channel())).collect();
    let mut ask = tokio::time::interval(2 * REPEAT);
    ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            word = words.next() => {
                let Some(word) = word else { return (ErrorKind::Io, "Redis has closed the connection").into() };
                let channel = word.get_channel_name();
                if let Some((lane, _)) = channels.iter().find(|(_, queue)| queue == channel) {
                    line.wakes[*lane as usize].notify_one();
                } else if let Some(bell) = bell::read(name, word.get_payload_bytes()) {
                    hear(Heard::Bell(bell));
                }
            }
            _ = ask.tick() => match timeout(ANSWER, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => {}
                Ok(Err(fault)) => return fault,
                Err(_) => return silent(),
            },
        }
    }
}
