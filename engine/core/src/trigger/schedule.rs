//! Schedules: a cron expression in a time zone, and what becomes of slots that were missed or met by an earlier run.
//!
//! A **slot** is an instant. Whether it has fired is asked by its instant alone, so nothing depends on which process asks, how
//! often, or in which zone.

mod due;
mod shown;
mod slots;

use std::str::FromStr;

use chrono_tz::Tz;
use croner::{Cron, parser::CronParser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    due::{Due, Slot},
    shown::{Dst, Fire},
};
use crate::{params::ParamsProblem, time::Timestamp};

/// The longest jitter, in seconds.
const LONGEST_JITTER_S: u32 = 3_600;
/// The longest window for missed slots: 30 days, in seconds.
const LONGEST_WINDOW_S: u32 = 30 * 86_400;
/// Where the search for a first slot begins: 2024-01-01, a leap year.
const SOME_LEAP_YEAR: Timestamp = Timestamp(1_704_067_200_000);

/// When runs begin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Minute, hour, day of month, month, day of week; seconds may stand before them. Also `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    #[schemars(extend("x-widget" = "cron", "x-placeholder" = "0 9 * * 1-5"))]
    pub cron: String,
    /// The time zone that the clock on the wall shows, for example `Europe/Berlin`; UTC when absent.
    #[serde(default = "utc")]
    #[schemars(extend("x-widget" = "timezone", "x-placeholder" = "Europe/Berlin"))]
    pub timezone: String,
    /// What becomes of slots that passed while no server was running.
    #[serde(default)]
    #[schemars(title = "Missed slots")]
    pub missed: Missed,
    /// How old a missed slot may be to be made up for, in seconds; a day when absent.
    #[serde(default = "a_day")]
    #[schemars(title = "Made up for within (seconds)", range(min = 60, max = 2_592_000))]
    #[schemars(extend("x-shown-when" = {"missed": ["one", "all"]}))]
    pub missed_within_s: u32,
    /// What becomes of a slot while the run of an earlier one is still under way.
    #[serde(default)]
    #[schemars(title = "A slot during the run before it")]
    pub overlap: Overlap,
    /// Each slot fires up to so many seconds later, always the same for the same slot, so that not everything begins at once.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3_600))]
    pub jitter_s: u32,
}

/// What becomes of slots that passed while no server was running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They are left out.
    #[schemars(title = "Left out")]
    Skip,
    /// The last one fires for all of them.
    #[default]
    #[schemars(title = "Made up for once")]
    One,
    /// Each fires, the oldest first.
    #[schemars(title = "Made up for one by one")]
    All,
}

/// What becomes of a slot while the run of an earlier one is still under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It fires all the same.
    #[default]
    #[schemars(title = "Fires all the same")]
    Allow,
    /// It is left out.
    #[schemars(title = "Is left out")]
    Skip,
    /// It waits for its turn.
    #[schemars(title = "Waits for its turn")]
    Queue,
    /// The earlier run is cancelled, and it fires when that has ended.
    #[schemars(title = "Cancels the earlier run")]
    CancelPrevious,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn a_day() -> u32 {
    86_400
}

/// A schedule that fires some day.
#[derive(Debug, Clone)]
pub struct Schedule {
    params: Params,
    cron: Cron,
    zone: Tz,
    /// Whether it names times of the day, and not a distance between times.
    is_fixed: bool,
    /// What tells its jitter from that of others.
    seed: u64,
}

impl Schedule {
    /// The schedule that parameters describe. `seed` spreads its jitter.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn new(params: Params, seed: u64) -> Result<Self, Vec<ParamsProblem>> {
        let cron = cron(&params.cron).map_err(|fault| problem("cron", fault));
        let zone = Tz::from_str(params.timezone.trim()).map_err(|_| {
            problem(
                "timezone",
                format!("`{}` is no time zone; use a name like Europe/Berlin or UTC", shortened(&params.timezone)),
            )
        });
        let mut problems = bounds(&params);
        match (cron, zone) {
            (Ok(cron), Ok(zone)) if problems.is_empty() => {
                let is_fixed = is_fixed(&params.cron);
                let schedule = Self { params, cron, zone, is_fixed, seed };
                match schedule.next_after(SOME_LEAP_YEAR) {
                    Some(_) => Ok(schedule),
                    None => Err(vec![problem("cron", "never comes: no such date exists; change day or month".to_owned())]),
                }
            }
            (cron, zone) => {
                problems.extend(cron.err());
                problems.extend(zone.err());
                Err(problems)
            }
        }
    }

    /// What its author asked for.
    pub fn params(&self) -> &Params {
        &self.params
    }
}

/// All that is wrong with parameters.
pub fn check(params: &Params) -> Vec<ParamsProblem> {
    Schedule::new(params.clone(), 0).err().unwrap_or_default()
}

fn bounds(params: &Params) -> Vec<ParamsProblem> {
    let mut problems = Vec::new();
    if params.jitter_s > LONGEST_JITTER_S {
        problems.push(problem("jitter_s", format!("must be 0 to {LONGEST_JITTER_S}")));
    }
    if !(60..=LONGEST_WINDOW_S).contains(&params.missed_within_s) {
        problems.push(problem("missed_within_s", format!("must be 60 to {LONGEST_WINDOW_S}")));
    }
    problems
}

fn cron(text: &str) -> Result<Cron, String> {
    const LONGEST: usize = 200;
    if text.len() > LONGEST {
        return Err(format!("has more than {LONGEST} characters"));
    }
    if text.contains("{{") {
        return Err("cannot be a template: a schedule is known before any run is".to_owned());
    }
    let fault = |fault: croner::errors::CronError| {
        let fault = fault.to_string();
        format!("cannot be read: {}; write five fields, for example `0 9 * * 1-5`", fault.trim_end_matches('.'))
    };
    CronParser::builder().year(croner::parser::Year::Disallowed).build().parse(text.trim()).map_err(fault)
}

/// Whether an expression names times of the day: then a time that the clock skips is made up for, and one that it shows twice
/// is used once. An hour or a minute that begins with `*` names a distance instead, as in Vixie cron.
fn is_fixed(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    if text.starts_with('@') {
        return text != "@hourly";
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let hour_and_minute = fields.iter().rev().skip(3).take(2);
    hour_and_minute.into_iter().all(|field| !field.starts_with(['*', '?']))
}

fn problem(field: &str, message: String) -> ParamsProblem {
    ParamsProblem { code: "invalid_parameter", field: field.to_owned(), message: format!("`{field}` {message}") }
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}
