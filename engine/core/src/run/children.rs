//! How far the children of a step have come.

use std::collections::BTreeSet;

use crate::awaiting::{Children, OnItemError};

/// How far the runs that were started for a step have come. Rebuilt from the children's own rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    total: u32,
    max_parallel: usize,
    /// Whether one failure stops the rest.
    fails_together: bool,
    unstarted: BTreeSet<u32>,
    open: BTreeSet<u32>,
    has_failed: bool,
    is_cancelled: bool,
}

/// What a step with children can do next without the outside world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// Call for the run of this item.
    Start(u32),
    /// Ask the open ones to stop.
    Cancel,
    /// Go on: no child is open and none is to come.
    Resume,
}

impl Progress {
    pub(super) fn new(children: &Children) -> Self {
        Self {
            total: children.total(),
            max_parallel: children.max_parallel.max(1) as usize,
            fails_together: children.on_item_error == OnItemError::Fail,
            unstarted: (0..children.total()).collect(),
            open: BTreeSet::new(),
            has_failed: false,
            is_cancelled: false,
        }
    }

    pub(super) fn next(&self) -> Option<Move> {
        let stops = self.is_cancelled || self.has_failed && self.fails_together;
        match self.unstarted.first() {
            _ if stops && self.open.is_empty() => Some(Move::Resume),
            _ if stops => (!self.is_cancelled).then_some(Move::Cancel),
            Some(index) => (self.open.len() < self.max_parallel).then_some(Move::Start(*index)),
            None => self.open.is_empty().then_some(Move::Resume),
        }
    }

    pub(super) fn started(&mut self, index: u32) {
        if self.unstarted.remove(&index) {
            self.open.insert(index);
        }
    }

    /// Whether the child was not known to have ended.
    pub(super) fn is_outstanding(&self, index: u32) -> bool {
        self.open.contains(&index) || self.unstarted.contains(&index)
    }

    pub(super) fn ended(&mut self, index: u32, failed: bool) {
        self.unstarted.remove(&index);
        self.open.remove(&index);
        self.has_failed |= failed;
    }

    pub(super) fn cancelled(&mut self) {
        self.is_cancelled = true;
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled
    }

    /// Those that were started and have not ended, by their place in the list.
    pub fn open(&self) -> impl ExactSizeIterator<Item = u32> {
        self.open.iter().copied()
    }

    /// How many there are in all.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// How many have ended.
    pub fn count_ended(&self) -> u32 {
        self.total - (self.unstarted.len() + self.open.len()) as u32
    }
}
