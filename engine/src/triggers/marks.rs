//! Says of deliveries that their runs exist: many at once and a moment later, since nothing waits for it. What is never said is
//! found by looking, like everything else.

use std::time::Duration;

use flowforge_core::{DeliveryId, Timestamp};
use tokio::sync::mpsc;

use crate::store::Store;

/// How many marks may wait.
const WAITING: usize = 4_096;
/// The most that are made at once.
const AT_ONCE: usize = 500;
/// The pause between two lots.
const PAUSE: Duration = Duration::from_millis(50);

/// Where marks are handed in.
#[derive(Debug)]
pub(crate) struct Marks(mpsc::Sender<(DeliveryId, Timestamp)>);

impl Marks {
    /// Begins to make them, for as long as somebody hands them in.
    pub(crate) fn start(store: Store) -> Self {
        let (send, receive) = mpsc::channel(WAITING);
        tokio::spawn(make(store, receive));
        Self(send)
    }

    /// The run of a delivery is on disk.
    pub(super) fn started(&self, delivery: DeliveryId, at: Timestamp) {
        if self.0.try_send((delivery, at)).is_err() {
            tracing::debug!(%delivery, "too many marks wait; the sweeper will find that its run exists");
        }
    }
}

async fn make(store: Store, mut waiting: mpsc::Receiver<(DeliveryId, Timestamp)>) {
    let mut lot = Vec::with_capacity(AT_ONCE);
    while waiting.recv_many(&mut lot, AT_ONCE).await > 0 {
        let (ids, times): (Vec<_>, Vec<_>) = lot.drain(..).unzip();
        let at = times.into_iter().max().unwrap_or_default();
        if let Err(fault) = store.mark_started(&ids, at).await {
            tracing::warn!(count = ids.len(), %fault, "deliveries were not marked; the sweeper will find that their runs exist");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
