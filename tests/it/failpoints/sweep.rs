//! Runs a case undisturbed, then once for each crash.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use flowforge_tests::Database;
use futures::FutureExt;
use serde_json::Value;

use super::{
    cases::{Case, MESSAGE, World},
    life::{Life, Mould},
    rows::{difference, nonces, plain},
};

/// Places that every run passes.
const ALWAYS: [&str; 3] = ["commit", "committed", "executed"];
/// How many times of a place are swept on PostgreSQL, where a crash costs a lease.
const SAMPLES_POSTGRES: usize = 2;
/// Places where the second life may end as well: it finds what the first has left.
const SECOND: [&str; 3] = ["run-claimed:1", "committed:1", "executed:1"];

/// Where the server dies, life after life: a place and which time that it is passed in that life, like `committed:3`.
type Crashes = Vec<String>;

/// What came of a run.
struct Outcome {
    rows: Value,
    /// How often each mark was made.
    marks: BTreeMap<String, usize>,
    crashes: usize,
}

pub(super) async fn sweep(database: Database, case: fn(&World) -> Case) {
    let began = Instant::now();
    let world = World::start().await;
    let case = case(&world);
    let mould = Mould::make(database, &case).await;
    let (undisturbed, counts) = undisturbed(&world, &mould, &case).await;
    let crashes =
        if database == Database::Sqlite { plan(&counts, case.samples, true) } else { plan(&counts, SAMPLES_POSTGRES, false) };
    let (mut missed, mut faults) = (Vec::new(), Vec::new());
    for crashes in &crashes {
        let done = AssertUnwindSafe(disturbed(&world, &mould, &case, crashes, &undisturbed)).catch_unwind().await;
        match done {
            Ok(true) => {}
            Ok(false) => missed.push(crashes.join(", ")),
            Err(panic) => faults.push(format!("{}: {}", crashes.join(", "), said(panic.as_ref()))),
        }
    }
    println!("{} crashes in {:.1} s, of them not reached: {missed:?}", crashes.len(), began.elapsed().as_secs_f64());
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    // How many deltas come together in one transaction is a matter of moments, so the last of many may not be there to fail.
    let surely = |name: &String| !name.contains(',') && name.ends_with(":1");
    assert!(missed.len() * 2 <= crashes.len() && !missed.iter().any(surely), "too few crashes to prove much: {missed:?}");
}

/// Every time of a place that is passed seldom, and an even sample of the others, the first and the last among them; and for
/// some of them, if they are wanted, a second crash in the life after. Everything when it is asked for.
fn plan(counts: &BTreeMap<String, usize>, samples: usize, again: bool) -> Vec<Crashes> {
    let all = std::env::var("FLOWFORGE_SWEEP").is_ok_and(|value| value == "all");
    let mut plan = Vec::new();
    for (number, (point, count)) in counts.iter().enumerate() {
        let most = if all { *count } else { samples.min(*count) };
        let times: Vec<_> = (0..most).map(|k| if most == 1 { 1 } else { 1 + k * (count - 1) / (most - 1) }).collect();
        println!("{point}: passed {count} times, crashed at {times:?}");
        let firsts: Vec<_> = times.into_iter().map(|time| format!("{point}:{time}")).collect();
        let with = |first: &String, second: &str| vec![first.clone(), second.to_owned()];
        let seconds: Vec<_> = if all {
            firsts.iter().flat_map(|first| SECOND.map(|second| with(first, second))).collect()
        } else {
            firsts.last().filter(|_| again).map(|first| with(first, SECOND[number % SECOND.len()])).into_iter().collect()
        };
        plan.extend(firsts.into_iter().map(|first| vec![first]).chain(seconds));
    }
    plan
}

async fn undisturbed(world: &World, mould: &Mould, case: &Case) -> (Outcome, BTreeMap<String, usize>) {
    let counts = tempfile::NamedTempFile::new().expect("a file");
    let environment = vec![("FLOWFORGE_COUNT_POINTS".to_owned(), counts.path().to_string_lossy().into_owned())];
    let outcome = outcome(world, mould, case, environment, &[]).await;
    assert_eq!(outcome.crashes, 0);
    let wanted: BTreeMap<_, _> = case.marks.iter().map(|(place, times)| ((*place).to_owned(), *times)).collect();
    assert_eq!(outcome.marks, wanted, "left: the marks that were made without any crash; right: what they have to be");
    let mut passed = BTreeMap::<String, usize>::new();
    let counts = std::fs::read_to_string(counts.path()).expect("a text");
    println!("undisturbed: {}", counts.trim().replace('\n', " "));
    for point in counts.lines() {
        *passed.entry(point.to_owned()).or_default() += 1;
    }
    assert!(!passed.is_empty(), "the server counts no places: it must be a debug build (FLOWFORGE_BIN)");
    for point in ALWAYS.iter().chain(case.passes) {
        assert!(passed.contains_key(*point), "{point} was not passed: {passed:?}");
    }
    (outcome, passed)
}

/// Whether the crashes came about. Panics when anything is not as in the undisturbed run.
async fn disturbed(world: &World, mould: &Mould, case: &Case, crashes: &[String], undisturbed: &Outcome) -> bool {
    let outcome = outcome(world, mould, case, Vec::new(), crashes).await;
    if let Some(difference) = difference(&undisturbed.rows, &outcome.rows) {
        panic!("{difference}");
    }
    let places: Vec<_> = outcome.marks.keys().collect();
    assert_eq!(places, undisturbed.marks.keys().collect::<Vec<_>>(), "the marks in the ledger");
    let again: Vec<_> = outcome.marks.iter().map(|(place, times)| times.saturating_sub(undisturbed.marks[place])).collect();
    let (once, all) = (again.iter().all(|times| *times <= outcome.crashes), again.iter().sum::<usize>());
    let most = case.at_once * outcome.crashes;
    assert!(once && all <= most, "a crash repeats what was under way and no more, {most} effects here: {:?}", outcome.marks);
    outcome.crashes == crashes.len()
}

/// Runs the case to its end, through its crashes, and looks at what is left.
async fn outcome(world: &World, mould: &Mould, case: &Case, environment: Vec<(String, String)>, plan: &[String]) -> Outcome {
    let mut life = Life::start(world, mould, case, environment, plan).await;
    let raw = life.left().await;
    let (name, crashes) = (&life.asker.name, life.crashes);
    let marks = marks(world, name, &raw);
    in_turn(world, name, case.in_turn);
    if case.pushes {
        assert_eq!(world.remote().await.commits(name), [MESSAGE], "the commits on {name}");
    }
    let rows = plain(&raw, name);
    life.server.kill().await;
    life.doctor().await;
    Outcome { rows, marks, crashes }
}

/// Nothing has happened at a place that comes later before everything was over at the one before, crashes or not.
fn in_turn(world: &World, case: &str, places: &[&str]) {
    let numbers = |place: &str| world.ledger.of(&format!("{case}.{place}")).into_iter().map(|effect| effect.n);
    for pair in places.windows(2) {
        let (before, after) = (numbers(pair[0]).max(), numbers(pair[1]).min());
        assert!(before < after, "{} is not over before {}: {:#?}", pair[0], pair[1], world.ledger.effects());
    }
}

/// The effects of a case: what was recorded is one of them, and all of one place carry the same key.
fn marks(world: &World, case: &str, rows: &Value) -> BTreeMap<String, usize> {
    let prefix = format!("{case}.");
    let effects: Vec<_> = world.ledger.effects().into_iter().filter(|effect| effect.key.starts_with(&prefix)).collect();
    for nonce in nonces(rows) {
        assert!(effects.iter().any(|effect| effect.nonce == nonce), "an effect is recorded that never was: {nonce}");
    }
    let mut marks = BTreeMap::new();
    for effect in &effects {
        *marks.entry(effect.key[prefix.len()..].to_owned()).or_default() += 1;
        let same = effects.iter().filter(|other| other.key == effect.key);
        let same = same.into_iter().all(|other| other.idempotency_key == effect.idempotency_key);
        assert!(same, "{} was called again with another key: {effects:#?}", effect.key);
    }
    marks
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic").to_owned()
}
