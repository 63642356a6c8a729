//! Why a request begins nothing.

use flowforge_core::{DeliveryId, trigger::signature};

use crate::error::Error;

/// A request that was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// Its sender is not believed.
    #[error("{0}")]
    Unproven(signature::Refusal),
    /// The secret that its sender should prove to know is not there: nobody is believed.
    #[error("there is no secret named `{0}` that can be read; save it, or correct the name in the trigger")]
    NoSecret(String),
    /// The method is another one.
    #[error("the trigger does not take this method")]
    Method,
    /// The body is too large, as it came or after it was inflated.
    #[error("the body is larger than the {limit} bytes that the trigger takes")]
    TooLarge {
        /// The most bytes that are taken.
        limit: u64,
    },
    /// The body did not come in time.
    #[error("the body did not come within {within_s} s")]
    TooSlow {
        /// How long it may take, in seconds.
        within_s: u64,
    },
    /// The body is packed in a way that is not taken.
    #[error("`Content-Encoding: {0}` is not taken; send the body as it is, or packed once with gzip")]
    Coding(String),
    /// The body is not what it is said to be.
    #[error("{0}")]
    Unreadable(String),
    /// The trigger tells deliveries apart by something that this one does not have.
    #[error("`{0}` is missing, by which deliveries are told apart")]
    NoId(String),
    /// Another body came under the same id.
    #[error("the id `{id}` came before with another body, as {first}")]
    OtherBody {
        /// What its sender calls it.
        id: String,
        /// The delivery that came first.
        first: DeliveryId,
    },
    /// More came than the trigger takes.
    #[error("more requests came than the trigger takes in a minute")]
    TooMany {
        /// How long to wait, in seconds.
        retry_after_s: u64,
    },
    /// Too much came from there that nobody's secret had signed.
    #[error("too much came from this address that no trigger's secret has signed")]
    Guessing {
        /// How long to wait, in seconds.
        retry_after_s: u64,
    },
    /// Too much is held back already.
    #[error("{held} deliveries are held back already; they have to be let go or dropped before more are kept")]
    Full {
        /// How many there are.
        held: u64,
    },
    /// Too many triggers and calls led to it: it goes round in a circle.
    #[error("too many runs stand above this request: its workflow calls itself")]
    Loop,
    /// It is not known whether it was taken.
    #[error(transparent)]
    Fault(#[from] Error),
}

impl NotTaken {
    /// Whether it was decided that it is not taken.
    pub(super) fn is_refusal(&self) -> bool {
        !matches!(self, Self::Fault(_))
    }
}
