//! Hints inside one process: bounded channels, one for each lane and priority.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::sync::mpsc;

use super::{Hint, Lane, Priority};

/// The most hints that wait in a channel. More are dropped: the sweeper finds what they spoke of.
const CAPACITY: usize = 65_536;

/// The ends that hints are pushed into.
#[derive(Debug, Clone)]
pub(super) struct Senders([[mpsc::Sender<Hint>; 3]; 2]);

/// The ends that workers read.
#[derive(Debug)]
pub(super) struct Receivers([Receiver; 2]);

/// One lane's ends. They are shared, so that a worker that is built anew goes on where the old one stopped.
#[derive(Debug, Clone)]
pub(super) struct Receiver(Arc<Mutex<Channels>>);

#[derive(Debug)]
struct Channels {
    receivers: [mpsc::Receiver<Hint>; 3],
    turn: u64,
}

pub(super) fn channels() -> (Senders, Receivers) {
    let [(runs, runs_end), (steps, steps_end)] = std::array::from_fn(|_| lane());
    (Senders([runs, steps]), Receivers([runs_end, steps_end]))
}

fn lane() -> ([mpsc::Sender<Hint>; 3], Receiver) {
    let [(high, high_end), (normal, normal_end), (low, low_end)] = std::array::from_fn(|_| mpsc::channel(CAPACITY));
    let channels = Channels { receivers: [high_end, normal_end, low_end], turn: 0 };
    ([high, normal, low], Receiver(Arc::new(Mutex::new(channels))))
}

impl Senders {
    /// Whether there was room.
    pub(super) fn send(&self, hint: Hint, priority: Priority) -> bool {
        self.0[hint.lane() as usize][priority as usize].try_send(hint).is_ok()
    }

    /// Whether nothing waits in a lane.
    pub(super) fn is_drained(&self, lane: Lane) -> bool {
        self.0[lane as usize].iter().all(|sender| sender.capacity() == sender.max_capacity())
    }
}

impl Receivers {
    pub(super) fn of(&self, lane: Lane) -> Receiver {
        self.0[lane as usize].clone()
    }
}

impl Receiver {
    /// The next hint; nothing when there can be no more.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Hint>> {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut closed = 0;
        for priority in Priority::order(channels.turn) {
            match channels.receivers[priority as usize].poll_recv(cx) {
                Poll::Ready(Some(hint)) => {
                    channels.turn = channels.turn.wrapping_add(1);
                    return Poll::Ready(Some(hint));
                }
                Poll::Ready(None) => closed += 1,
                Poll::Pending => {}
            }
        }
        if closed == Priority::ALL.len() { Poll::Ready(None) } else { Poll::Pending }
    }
}
