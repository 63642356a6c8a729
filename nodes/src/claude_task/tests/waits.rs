//! Sessions that wait for money or for a limit to be lifted.

use flowforge_core::{
    Awaiting, Timestamp,
    money::Micros,
    node::{Await, Outcome, Wake},
};

use super::{
    super::pause::{Limit, for_limit},
    *,
};
use crate::testing::{files::Depot, purse::TestPurse};

#[tokio::test]
async fn without_money_it_waits_and_the_same_session_goes_on() {
    let Some(mut scene) = scene([read("a.txt"), write("b.txt", "b"), Reply::text("done")]).await else { return };
    // One turn is paid for, though it costs more than there is; the next finds nothing left.
    scene.bench.cx.purse = TestPurse::of(Micros(1));
    let Ok(Outcome::Await(Await { what: Awaiting::Funds(shortage), until: Some(Wake::After(wait)) })) =
        scene.bench.run(task()).await
    else {
        panic!("{}", scene.log())
    };
    assert!(shortage.budget == "run" && wait.as_secs() <= 60);
    assert_eq!((scene.api.asked().len(), calls(&scene)), (1, 1), "{}", scene.log());
    // Nobody has put anything in: nothing is started.
    let waiting = scene.bench.clone().woken().run(task()).await;
    assert!(matches!(waiting, Ok(Outcome::Await(_))), "{waiting:?}");
    assert_eq!((scene.api.asked().len(), calls(&scene)), (1, 1), "{}", scene.log());
    scene.bench.cx.purse = TestPurse::of(Micros(1_000_000_000));
    let output = scene.bench.clone().woken().output(task()).await.value;
    assert_eq!((&output["result"], scene.api.asked().len(), calls(&scene)), (&json!("done"), 3, 2), "{}", scene.log());
    assert!(scene.file("b.txt").exists());
}

#[tokio::test]
async fn the_steps_own_budget_is_not_waited_for() {
    let Some(mut scene) = scene([Reply { repeat: Some(-1), ..read("a.txt") }]).await else { return };
    scene.bench.cx.purse = TestPurse::named("step", Micros(1));
    assert!(!scene.bench.fails(task(), "AGENT_BUDGET", "budget_usd").await.retryable);
}

/// How often the program was called.
fn calls(scene: &Scene) -> usize {
    let log = scene.log();
    log.lines().filter(|line| line.starts_with("session ") && (line.ends_with(" begins") || line.ends_with(" goes on"))).count()
}

#[tokio::test]
async fn a_limit_of_the_service_is_slept_through() {
    let limited = Reply { repeat: Some(2), ..Reply::error(429) };
    let Some(scene) = scene([read("a.txt"), limited, Reply::text("done")]).await else { return };
    let slept = scene.bench.run(task()).await;
    assert!(matches!(slept, Ok(Outcome::Sleep(_))), "{slept:?}\n{}", scene.log());
    let output = scene.bench.clone().woken().output(task()).await.value;
    assert_eq!(output["result"], "done", "{}", scene.log());
    assert!(scene.last_asked().contains("1\\tone"), "the same session: {}", scene.last_asked());
}

#[tokio::test]
async fn a_limit_that_says_its_end_is_waited_for_until_then() {
    let date = "Thu, 01 Jan 2026 00:00:00 GMT";
    let limited = Reply { repeat: Some(2), ..Reply::error(429) }.header("retry-after", "3600").header("date", date);
    let Some(scene) = scene([limited, Reply::text("done")]).await else { return };
    let since = Timestamp(1_767_225_600_000);
    let until = Some(Wake::At(since.plus_ms(3_600_000)));
    let waits = scene.bench.run(task()).await;
    assert_eq!(waits, Ok(Outcome::Await(Await { what: Awaiting::Quota { since }, until })), "{}", scene.log());
}

#[tokio::test]
async fn waits_grow_when_the_end_was_told_wrongly() {
    let Some(scene) = scene([]).await else { return };
    let mut record = crate::agent::session::Record::default();
    let told = Limit { resets_at: Some(Timestamp(1_800_000_000_000)), ..Limit::default() };
    let sleep = async |record: &mut _, limit| for_limit(limit, record, &scene.bench.cx).await;
    assert_eq!(sleep(&mut record, told).await, Ok(Outcome::Sleep(Wake::At(Timestamp(1_800_000_000_000)))));
    let Ok(Outcome::Sleep(Wake::After(second))) = sleep(&mut record, told).await else { panic!() };
    let Ok(Outcome::Sleep(Wake::After(third))) = sleep(&mut record, Limit::default()).await else { panic!() };
    assert!(third > second, "{second:?} {third:?}");
    record.waits = 1_000;
    assert_eq!(sleep(&mut record, Limit::default()).await.unwrap_err().code, "AGENT_LIMITED");
}

#[tokio::test]
async fn another_machine_goes_on_with_the_same_session() {
    let limited = Reply { repeat: Some(2), ..Reply::error(429) };
    let Some(mut scene) = scene([write("b.txt", "b"), limited, Reply::text("done")]).await else { return };
    scene.bench.cx.files = Depot::new(scene.bench.cx.run, None);
    let slept = scene.bench.run(task()).await;
    assert!(matches!(slept, Ok(Outcome::Sleep(_))), "{slept:?}\n{}", scene.log());
    let elsewhere = tempfile::tempdir().unwrap();
    let services = Services::new(crate::ServicesConfig { work_dir: elsewhere.path().to_owned(), ..how(&scene.api) });
    let mut other = Bench::with("claude.task", &services).woken();
    (other.cx.run, other.cx.effect_key) = (scene.bench.cx.run, scene.bench.cx.effect_key.clone());
    other.cx.files = scene.bench.cx.files.clone();
    let output = other.output(task()).await.value;
    let log: String = other.log.all().into_iter().map(|(_, line)| line + "\n").collect();
    assert_eq!((&output["result"], &output["changed_files"]), (&json!("done"), &json!(["b.txt"])), "{log}");
    assert!(scene.last_asked().contains("/workspace/b.txt") && log.contains("was fetched"), "{log}\n{}", scene.last_asked());
    assert!(scene.log().contains(output["session_id"].as_str().unwrap()), "it is the same session");
}
