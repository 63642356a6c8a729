//! sea-orm entities: the rows as they are stored. Private to the store.

pub(super) mod accounts;
pub(super) mod conflicts;
pub(super) mod engine;
pub(super) mod money;
pub(super) mod secrets;
pub(super) mod triggers;
pub(super) mod workflows;
