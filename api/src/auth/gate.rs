//! What sessions may do, remembered for 30 s.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use flowforge_core::{SessionId, Timestamp};
use flowforge_engine::{Result, Store, store::accounts::Member};

/// How long an answer of the database is believed.
const FRESH_MS: u64 = 30_000;
/// How many sessions are remembered.
const CAPACITY: usize = 10_000;

/// Remembers who is behind a session. Only sessions whose token was verified are asked for, so noise fills nothing.
#[derive(Debug, Default)]
pub(super) struct Gate {
    known: Mutex<HashMap<SessionId, (Member, Timestamp)>>,
}

impl Gate {
    /// Who is behind a session now, give or take 30 s.
    pub(super) async fn member(&self, store: &Store, session: SessionId, now: Timestamp) -> Result<Option<Member>> {
        let known = self.known().get(&session).copied();
        if let Some((member, asked)) = known
            && now.ms_since(asked) < FRESH_MS
        {
            return Ok(Some(member));
        }
        let member = store.session_member(session, now).await?;
        self.remember(session, member, now);
        Ok(member)
    }

    /// Has the database asked again at the next request.
    pub(super) fn forget(&self, session: SessionId) {
        self.known().remove(&session);
    }

    fn remember(&self, session: SessionId, member: Option<Member>, now: Timestamp) {
        let mut known = self.known();
        if known.len() >= CAPACITY {
            known.retain(|_, (_, asked)| now.ms_since(*asked) < FRESH_MS);
        }
        match member {
            Some(member) if known.len() < CAPACITY => drop(known.insert(session, (member, now))),
            _ => drop(known.remove(&session)),
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<SessionId, (Member, Timestamp)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
