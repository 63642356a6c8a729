//! Money: what a turn of a model may cost and has cost, and who sees to it that budgets hold.

mod period;
mod room;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::{
    period::{Period, Span, Zone},
    room::Room,
};
use crate::{
    node::{BoxFuture, NodeError},
    time::Timestamp,
};

/// Millionths of a US dollar. Prices and bills are added up without rounding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From dollars, rounded up to the next millionth; nothing for what is negative or no number.
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which is what is wanted")]
    pub fn from_usd(dollars: f64) -> Self {
        Self((dollars.max(0.0) * 1e6).ceil() as i64)
    }

    /// As dollars, for people and JSON.
    #[expect(clippy::cast_precision_loss, reason = "nobody owes that many dollars")]
    pub fn usd(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The sum, as large as it can be at the most.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left after taking `other` away, nothing at the least.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${:.4}", self.usd())
    }
}

/// What a model has read and written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tokens {
    /// Read at the full price.
    pub input: u64,
    /// Written.
    pub output: u64,
    /// Read from the provider's cache.
    pub cache_read: u64,
    /// Put into the provider's cache.
    pub cache_write: u64,
}

/// A turn that is about to be paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The same for a turn that is asked for again after a crash, and for no other one of its step.
    pub key: String,
    /// The model's name.
    pub model: String,
    /// The most that it can cost.
    pub most: Micros,
    /// The most that all turns of the step may cost, if its author says so.
    pub step_cap: Option<Micros>,
}

/// Money that is set aside until the turn is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reservation(pub uuid::Uuid);

/// What a turn has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// What was read and written.
    pub tokens: Tokens,
    /// What that costs.
    pub cost: Micros,
    /// Whether nobody has said how much it was: the turn was cut short, and this is what it may have been.
    pub estimated: bool,
}

/// Why no money is set aside.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// A budget is used up.
    #[error("{0}")]
    Short(Box<Shortage>),
    /// The ledger cannot be asked.
    #[error(transparent)]
    Failed(#[from] NodeError),
}

/// A budget that is used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Which: `step`, `run`, or the id of a budget.
    pub budget: String,
    /// For people: whose money it is, for example `workspace, this month`.
    pub scope: String,
    /// How much may be spent.
    pub limit: Micros,
    /// How much was spent.
    pub spent: Micros,
    /// How much is set aside for turns under way.
    pub reserved: Micros,
    /// When it begins anew; never by itself when absent.
    pub resets_at: Option<Timestamp>,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, limit, spent, reserved, .. } = self;
        write!(f, "the budget of the {scope} is used up: {spent} spent and {reserved} set aside of {limit}")
    }
}

/// The money of one step. Whoever pays for turns asks before each of them and says afterwards what it was.
pub trait Purse: Send + Sync {
    /// Sets aside what a turn may cost in every budget that holds for the step: in all of them or in none. What an earlier
    /// attempt of the step set aside and never settled counts as spent from now on.
    fn reserve(&self, turn: Turn) -> BoxFuture<'_, Result<Reservation, Refused>>;

    /// Replaces what was set aside by what the turn has cost. Again for the same turn it changes nothing.
    fn settle(&self, reservation: Reservation, spent: Spent) -> BoxFuture<'_, Result<(), NodeError>>;
}

/// Lets everything be paid and writes nothing down.
#[derive(Debug, Clone, Copy)]
pub struct Unmetered;

impl Purse for Unmetered {
    fn reserve(&self, _turn: Turn) -> BoxFuture<'_, Result<Reservation, Refused>> {
        Box::pin(async { Ok(Reservation(uuid::Uuid::nil())) })
    }

    fn settle(&self, _reservation: Reservation, _spent: Spent) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_rounded_up_and_never_negative() {
        assert_eq!(Micros::from_usd(0.000_000_1), Micros(1));
        assert_eq!(Micros::from_usd(1.5), Micros(1_500_000));
        assert_eq!(Micros::from_usd(-3.0), Micros::ZERO);
        assert_eq!(Micros::from_usd(f64::NAN), Micros::ZERO);
        assert_eq!(Micros(3).less(Micros(5)), Micros::ZERO);
        assert_eq!(Micros(i64::MAX).plus(Micros(1)), Micros(i64::MAX));
        assert_eq!(Micros(1_234_500).to_string(), "$1.2345");
    }
}
