//! Subscribers to a run's events, as in `engine/src/feed.rs`: they first learn how far the record goes and then read up to there.

use crate::{
    bug::Bug,
    cover::Rare,
    ghost::{Checked, Entry, Kind, broken, ended},
    store::RunRow,
    world::{Ev, World},
};

pub(crate) struct Watcher {
    run: u32,
    /// The last number that was delivered.
    cursor: i64,
    /// The same, of the sequence that all runs would share.
    shared_cursor: u64,
    held: Vec<Entry>,
    /// What was read of the run's own row.
    row: Option<Seen>,
    /// What a planted bug has read too early.
    early: Vec<Entry>,
    pub(crate) over: bool,
}

struct Seen {
    mark: i64,
    of_run: Vec<Entry>,
}

impl Watcher {
    pub(crate) fn new(run: u32) -> Self {
        Self { run, cursor: 0, shared_cursor: 0, held: Vec::new(), row: None, early: Vec::new(), over: false }
    }
}

impl World {
    /// A subscriber reads: the run's row at one moment, its attempts and log lines at another.
    pub(crate) fn watch(&mut self, at: usize) {
        if self.bug == Bug::GlobalCursor {
            return self.watch_globally(at);
        }
        let watcher = &mut self.watchers[at];
        let Some(row) = self.store.run(watcher.run) else { return };
        let Some(seen) = watcher.row.take() else {
            watcher.row = Some(Seen { mark: row.next_seq - 1, of_run: of_run(row) });
            if self.bug == Bug::MarkAfterRows {
                watcher.early = entries(row, &of_run(row), 0);
            }
            let wait = self.net();
            return self.later(wait, Ev::Watch(at));
        };
        let (mark, found) = if self.bug == Bug::MarkAfterRows {
            (row.next_seq - 1, watcher.early.iter().filter(|entry| entry.seq > watcher.cursor).copied().collect())
        } else {
            (seen.mark, entries(row, &seen.of_run, watcher.cursor))
        };
        let found: Vec<Entry> = found.into_iter().filter(|entry| entry.seq <= mark).collect();
        let checked = self.delivered(at, mark, found);
        self.check(checked);
        self.look_again(at);
    }

    fn look_again(&mut self, at: usize) {
        if !self.watchers[at].over {
            let wait = self.rng.between(100, 6_000);
            self.later(wait, Ev::Watch(at));
        }
    }

    fn delivered(&mut self, at: usize, mark: i64, found: Vec<Entry>) -> Checked {
        let watcher = &self.watchers[at];
        if found.len() as i64 != mark - watcher.cursor {
            let (run, cursor, count) = (watcher.run, watcher.cursor, found.len());
            return broken("D6", format!("run {run} has {count} events after {cursor} and up to {mark}"));
        }
        // The connection breaks: what was not delivered is read again from where it broke.
        let count = found.len();
        let breaks = count > 0 && self.fault(self.swarm.drop);
        let whole = if breaks { self.rng.below(count as u64) as usize } else { count };
        if breaks && whole + 1 < count {
            self.cover.sometimes(Rare::ResumedWithGap);
        }
        let watcher = &mut self.watchers[at];
        watcher.cursor += whole as i64;
        watcher.held.extend(&found[..whole]);
        self.is_prefix(at)
    }

    /// What a subscriber holds is the beginning of what was committed.
    fn is_prefix(&mut self, at: usize) -> Checked {
        let watcher = &mut self.watchers[at];
        let record = &self.ghosts[watcher.run as usize].record;
        let news = watcher.held.len().saturating_sub(16);
        if let Some((held, committed)) = watcher.held.iter().zip(record).skip(news).find(|(held, committed)| held != committed) {
            return broken("D6", format!("a subscriber of run {} holds {held:?} and not {committed:?}", watcher.run));
        }
        if watcher.held.len() > record.len() {
            return broken("D6", format!("a subscriber of run {} holds what was not committed", watcher.run));
        }
        watcher.over = watcher.held.last().is_some_and(|entry| entry.kind == Kind::RunFinished);
        Ok(())
    }

    /// What a cursor over one sequence of all runs would give.
    fn watch_globally(&mut self, at: usize) {
        let watcher = &mut self.watchers[at];
        let ghost = &self.ghosts[watcher.run as usize];
        let committed = ghost.record.iter().zip(&ghost.shared_ids);
        let mut news: Vec<(u64, Entry)> =
            committed.filter(|(_, id)| **id > watcher.shared_cursor).map(|(entry, id)| (*id, *entry)).collect();
        news.sort_by_key(|(id, entry)| (*id, entry.seq));
        watcher.shared_cursor = news.last().map_or(watcher.shared_cursor, |(id, _)| *id);
        watcher.held.extend(news.iter().map(|(_, entry)| *entry));
        let checked = self.is_prefix(at);
        self.check(checked);
        self.look_again(at);
    }
}

fn entry(seq: Option<i64>, kind: Kind, step: u32, attempt: u32) -> Option<Entry> {
    seq.map(|seq| Entry { seq, kind, step, attempt })
}

fn of_run(row: &RunRow) -> Vec<Entry> {
    let entries = [(row.started, Kind::RunStarted), (row.cancelled, Kind::RunCancelling), (row.finished, Kind::RunFinished)];
    entries.into_iter().filter_map(|(seq, kind)| entry(seq, kind, 0, 0)).collect()
}

/// All events after a cursor, in their order.
fn entries(row: &RunRow, of_run: &[Entry], cursor: i64) -> Vec<Entry> {
    let mut found = of_run.to_vec();
    for step in &row.steps {
        let add = |seq, kind| entry(seq, kind, step.step.0, step.attempt);
        found.extend(add(step.started, Kind::StepStarted));
        found.extend(add(step.waiting, Kind::StepWaiting));
        found.extend(add(step.finished, ended(step.status, step.wake_at)));
    }
    found.extend(row.logs.iter().filter_map(|(seq, kind, step, attempt)| entry(Some(*seq), *kind, step.0, *attempt)));
    found.retain(|entry| entry.seq > cursor);
    found.sort_unstable_by_key(|entry| entry.seq);
    found
}
