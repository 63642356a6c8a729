//! Pages of a list, newest first.

use uuid::Uuid;

/// Which part of a list is wanted. Lists run from the newest id to the oldest; ids sort by the time they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// The most items to return, 1 to 200.
    pub limit: u64,
    /// Only items after this one in the list's order: older ones, unless the list says otherwise.
    pub before: Option<Uuid>,
}

impl PageRequest {
    /// The most items that one page holds.
    pub const MAX: u64 = 200;
    /// How many items a page holds when nobody says.
    pub const DEFAULT: u64 = 50;
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: Self::DEFAULT, before: None }
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// The last item's id when there are more.
    pub next: Option<Uuid>,
}

impl<T> Page<T> {
    /// Makes a page of one item more than was asked for: the extra one only says that there are more.
    pub(crate) fn of(mut items: Vec<T>, limit: u64, id: impl Fn(&T) -> Uuid) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().map(id).filter(|_| more);
        Self { items, next }
    }

    /// The same page with each item turned into something else.
    ///
    /// # Errors
    /// The first error that `turn` returns.
    pub fn try_map<U, E>(self, turn: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        Ok(Page { items: self.items.into_iter().map(turn).collect::<Result<_, _>>()?, next: self.next })
    }
}
