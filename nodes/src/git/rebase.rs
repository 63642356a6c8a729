//! Replays commits on another one without touching a file: every commit is a function of the ids it is made from, so an attempt
//! after a crash makes the same commits again. What collides comes as data, and is resolved by what is asked in turn.

mod checks;
mod commit;
mod driver;
mod hunks;
mod imports;
mod languages;
mod merge;
mod model;
mod plan;
mod resolve;
mod rules;
mod scan;
mod sides;
mod text;
mod tried;

pub use self::checks::check_answer;
pub(crate) use self::{
    driver::{Ended, Ground, LockFile, Rebase},
    model::{Question, Resolver, Unheard},
    plan::Plan,
    scan::secrets_in,
};
