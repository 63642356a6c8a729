//! Hints between processes, over Redis.
//!
//! The queues are laid out as apalis-redis lays them out and read with its script, one hint at a time. What it offers beyond
//! that is left alone: its workers end at the first error, keep every task for ever, and repeat what a dead worker had.
//! Here a hint is forgotten as soon as it is read, and what is lost with its reader the sweeper finds. A `Link` keeps the
//! connection and builds it anew; fetchers wait for it, and whoever offers a hint never does.

mod bell;
mod check;
mod fetch;
mod layout;
mod link;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{Client, RedisError, aio::MultiplexedConnection};
use tokio::sync::{Notify, mpsc, watch};

pub(crate) use self::link::Link;
pub(super) use self::{check::check, fetch::Fetcher};
use super::{Bell, Hint, Lane, Priority, memory};
use crate::clock;

/// The most words and hints that wait to be sent.
const WAITING: usize = 16_384;
/// How long an idle worker waits for a word before it looks anyway.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);

/// What waits to be sent.
#[derive(Debug)]
enum Outgoing {
    Hint(Hint, Priority),
    Bell(Bell),
}

/// Takes what is to be sent. Nothing here waits for Redis.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    sender: mpsc::Sender<Outgoing>,
    line: Arc<Line>,
}

impl Outbox {
    /// Takes a hint, unless there is no connection or too much waits: then it is given back.
    pub(super) fn offer(&self, hint: Hint, priority: Priority) -> Result<(), Hint> {
        if !self.line.is_up() {
            return Err(hint);
        }
        self.sender.try_send(Outgoing::Hint(hint, priority)).map_err(|fault| match fault.into_inner() {
            Outgoing::Hint(hint, _) => hint,
            Outgoing::Bell(Bell::Owner(run) | Bell::Watched(run) | Bell::News(run)) => Hint::Run(run),
        })
    }

    /// Takes a word, if there is a connection and room.
    pub(super) fn tell(&self, bell: Bell) {
        if self.line.is_up() && self.sender.try_send(Outgoing::Bell(bell)).is_err() {
            tracing::debug!(?bell, "a word to other processes was dropped: too many wait to be sent");
        }
    }
}

/// Gives out the ends that workers read from.
#[derive(Debug)]
pub(super) struct Inbox(Arc<Line>);

impl Inbox {
    pub(super) fn of(&self, lane: Lane) -> Fetcher {
        Fetcher::new(lane, self.0.clone())
    }
}

/// The ends of a queue on a Redis. Does not connect: that is what the link does, over and over.
pub(super) fn open(url: &str, here: memory::Senders) -> Result<(Outbox, Inbox, Link), RedisError> {
    let client = Client::open(url)?;
    let (sender, outgoing) = mpsc::channel(WAITING);
    let (line, broken) = Line::new();
    let line = Arc::new(line);
    Ok((Outbox { sender, line: line.clone() }, Inbox(line.clone()), Link::new(client, line, outgoing, broken, here)))
}

/// One connection, from its beginning to its end.
#[derive(Clone)]
struct Session {
    number: u64,
    connection: MultiplexedConnection,
}

/// What the ends share: the connection, if there is one, and who waits for what.
struct Line {
    session: watch::Sender<Option<Session>>,
    sessions: AtomicU64,
    /// Rings when there may be hints for a lane.
    wakes: [Notify; 2],
    /// Rings when Redis does not know any more what it knew.
    forgotten: Notify,
    /// Which connection has failed, and how.
    broken: mpsc::Sender<(u64, RedisError)>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({})", if self.is_up() { "up" } else { "down" })
    }
}

impl Line {
    fn new() -> (Self, mpsc::Receiver<(u64, RedisError)>) {
        let (broken, faults) = mpsc::channel(8);
        let (wakes, forgotten, session) = (Default::default(), Notify::new(), watch::Sender::new(None));
        (Self { session, sessions: AtomicU64::new(0), wakes, forgotten, broken }, faults)
    }

    fn is_up(&self) -> bool {
        self.session.borrow().is_some()
    }

    fn begin(&self, connection: MultiplexedConnection) -> u64 {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        self.session.send_replace(Some(Session { number, connection }));
        number
    }

    fn end(&self) {
        self.session.send_replace(None);
    }

    /// The connection, once there is one.
    async fn session(&self) -> Session {
        let mut sessions = self.session.subscribe();
        loop {
            let session = sessions.borrow_and_update().clone();
            match session {
                Some(session) => return session,
                // The sender lives as long as this line.
                None => drop(sessions.changed().await),
            }
        }
    }

    /// Waits for a word that there is a hint, not for long.
    async fn wait_for_hint(&self, lane: Lane) {
        let _ = tokio::time::timeout(clock::spread(LOOK_ANYWAY), self.wakes[lane as usize].notified()).await;
    }

    /// Says that a connection has failed, and waits until it has been given up.
    async fn give_up(&self, number: u64, fault: RedisError) {
        let mut sessions = self.session.subscribe();
        // When there is no room, others have said the same.
        let _ = self.broken.try_send((number, fault));
        let _ = sessions.wait_for(|session| session.as_ref().is_none_or(|session| session.number != number)).await;
    }
}
