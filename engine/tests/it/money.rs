//! Money: steps that share a cap, die with it, wait for it and go on.

use std::time::Duration;

use flowforge_core::{
    Awaiting, RunId, RunStatus, UserId,
    money::{Micros, Period, Refused, Spent, Tokens, Turn, Zone},
    node::{Await, Context, Node, NodeError, NodeSpec, Outcome, Wake},
};
use flowforge_engine::{
    Engine, EngineConfig, Error, Reason, clock,
    store::money::{BudgetChange, BudgetRecord, BudgetScope, NewBudget, NewTopUp, UsageBy, UsageFilter},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::{
    forge::{Forge, Process, config, on_every_database, shown},
    nodes::World,
};

#[derive(Deserialize, JsonSchema)]
pub(crate) struct PayParams {
    #[serde(default = "one")]
    turns: u32,
    /// Millionths of a dollar.
    most: i64,
    cost: i64,
    #[serde(default)]
    step_cap: Option<i64>,
    /// Hangs between reserving and settling, the first time.
    #[serde(default)]
    hang: bool,
    /// Ends without settling.
    #[serde(default)]
    forget: bool,
    /// How soon it looks again by itself, in milliseconds.
    #[serde(default = "a_minute")]
    again: u64,
}

fn one() -> u32 {
    1
}

fn a_minute() -> u64 {
    60_000
}

/// Pays for turns one after the other; those that are settled are remembered outside.
pub(crate) struct Pay(pub(crate) World);

impl Node for Pay {
    const SPEC: NodeSpec = NodeSpec { kind: "pay", ..NodeSpec::BASE };
    type Params = PayParams;

    async fn run(&self, params: PayParams, cx: &Context) -> Result<Outcome, NodeError> {
        let begun = format!("begun {}", cx.effect_key);
        while self.0.calls_of(&cx.effect_key) < params.turns {
            let key = format!("turn-{}", self.0.calls_of(&cx.effect_key));
            let step_cap = params.step_cap.map(Micros);
            let turn = Turn { key, model: "small".to_owned(), most: Micros(params.most), step_cap };
            let reservation = match cx.purse.reserve(turn).await {
                Ok(reservation) => reservation,
                Err(Refused::Failed(fault)) => return Err(fault),
                Err(Refused::Short(shortage)) => {
                    let until = Some(Wake::After(Duration::from_millis(params.again)));
                    return Ok(Outcome::Await(Await { what: Awaiting::Funds(*shortage), until }));
                }
            };
            if params.hang && self.0.call(&begun) == 1 {
                std::future::pending::<()>().await;
            }
            if params.forget {
                return Ok(Outcome::done("forgotten"));
            }
            let tokens = Tokens { input: 10, output: 5, ..Tokens::default() };
            cx.purse.settle(reservation, Spent { tokens, cost: Micros(params.cost), estimated: false }).await?;
            self.0.call(&cx.effect_key);
        }
        Ok(Outcome::done(json!({ "turns": params.turns, "attempt": cx.attempt })))
    }
}

async fn budget(forge: &Forge, engine: &Engine, scope: BudgetScope, period: Period, limit: i64) -> BudgetRecord {
    let (workspace, zone, limit) = (forge.workspace, Zone::UTC, Micros(limit));
    engine.create_budget(NewBudget { workspace, scope, period, zone, limit, created_by: None }).await.unwrap()
}

fn top_up(amount: i64) -> NewTopUp {
    NewTopUp { amount: Micros(amount), note: String::new(), by: UserId::new(clock::new_uuid()), dedupe: None }
}

/// How many steps wait for money.
async fn waiting(forge: &Forge, steps: usize) {
    let query = format!(
        "SELECT 1 WHERE (SELECT count(*) FROM step_runs WHERE status = 'waiting' AND awaiting ->> 'kind' = 'funds' AND finished_seq IS NULL) = {steps}"
    );
    forge.until(&query).await;
}

/// Waits until so much of a budget is spent and nothing is set aside. A step that was called again may still look as if it waited.
async fn spent(forge: &Forge, micros: i64) {
    let query = format!("SELECT 1 FROM budget_totals WHERE run_id IS NULL AND open_turns = 0 AND spent_micros >= {micros}");
    forge.until(&query).await;
}

/// Where a budget stands: spent, set aside.
async fn stands(forge: &Forge, budget: &BudgetRecord) -> (i64, i64) {
    let BudgetRecord { spent, reserved, .. } = forge.store.budget(forge.workspace, budget.id).await.unwrap();
    (spent.0, reserved.0)
}

#[test]
fn fifty_parallel_steps_of_two_processes_share_one_cap() {
    on_every_database(async |forge| {
        let (first, second) = (forge.process().await, forge.process().await);
        let cap = budget(&forge, &first.engine, BudgetScope::Workspace, Period::Month, 1_000).await;
        let workflow = forge.workflow(json!([["a", "pay", {"turns": 1, "most": 100, "cost": 100, "again": 300}]]), &[]).await;
        let mut runs = Vec::new();
        for at in 0..50 {
            let process = if at % 2 == 0 { &first } else { &second };
            runs.push(forge.start(process, workflow).await.record.id);
        }
        spent(&forge, 1_000).await;
        waiting(&forge, 40).await;
        assert_eq!(stands(&forge, &cap).await, (1_000, 0));
        forge.world.called(10).await;
        assert_eq!(forge.world.calls().len(), 10);
        // Twenty more, and then all of them.
        first.engine.top_up_budget(forge.workspace, cap.id, top_up(2_000)).await.unwrap();
        spent(&forge, 3_000).await;
        waiting(&forge, 20).await;
        assert_eq!(stands(&forge, &cap).await, (3_000, 0));
        first.engine.change_budget(forge.workspace, cap.id, BudgetChange { limit: Some(Micros(3_000)) }).await.unwrap();
        for run in runs {
            assert_eq!(shown(&forge.ended(&first, run).await), r#"completed {"turns":1,"attempt":1}"#);
        }
        assert_eq!(stands(&forge, &cap).await, (5_000, 0));
    });
}

#[test]
fn a_cap_is_exceeded_by_one_turn_at_the_most() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let cap = budget(&forge, &process.engine, BudgetScope::Workspace, Period::Total, 1_000).await;
        // Each turn may cost more than what is left of the cap in the end.
        let nodes: Vec<_> =
            (0..20).map(|at| json!([format!("n{at}"), "pay", {"turns": 50, "most": 300, "cost": 290, "again": 200}])).collect();
        let workflow = forge.workflow(json!(nodes), &[]).await;
        forge.start(&process, workflow).await;
        spent(&forge, 1_000).await;
        waiting(&forge, 20).await;
        let (sum, reserved) = stands(&forge, &cap).await;
        assert_eq!(reserved, 0);
        assert!((1_000..1_000 + 290).contains(&sum), "{sum}");
    });
}

#[test]
fn money_that_comes_wakes_the_same_attempt_of_the_same_step() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = json!([["a", "pay", {"turns": 3, "most": 100, "cost": 100}]]);
        let workflow = forge.workflow_with(nodes, &[], json!({ "budget_usd": 0.0001 })).await;
        let run = forge.start(&process, workflow).await.record.id;
        waiting(&forge, 1).await;
        forge.until("SELECT 1 FROM runs WHERE status = 'waiting' AND owner IS NULL").await;
        let (_, reason) = process.engine.why(forge.workspace, run).await.unwrap();
        assert_eq!(
            reason.to_string(),
            "`a` waits for money: the budget of the run is used up: $0.0001 spent and $0.0000 set aside of $0.0001; an editor may add to it"
        );
        assert!(matches!(reason, Reason::Funds { .. }));
        let (budget, is_new) = process.engine.top_up_run(forge.workspace, run, None, top_up(100)).await.unwrap();
        assert!(is_new);
        assert_eq!((budget.cap, budget.topped_up), (Some(Micros(100)), Micros(100)));
        forge.until("SELECT 1 WHERE (SELECT count(*) FROM agent_usage WHERE state = 'settled') = 2").await;
        forge.until("SELECT 1 FROM runs WHERE status = 'waiting' AND owner IS NULL").await;
        process.engine.top_up_run(forge.workspace, run, None, top_up(500)).await.unwrap();
        assert_eq!(shown(&forge.ended(&process, run).await), r#"completed {"turns":3,"attempt":1}"#);
        assert_eq!(forge.attempts(run).await, "a:completed");
        let late = process.engine.top_up_run(forge.workspace, run, None, top_up(500)).await;
        assert!(matches!(late, Err(Error::Rejected(_))), "{late:?}");
        forge.check_record(&process, run).await;
    });
}

#[test]
fn caps_nest_and_children_spend_the_money_of_the_run_above() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = json!([["a", "pay", {"turns": 1, "most": 100, "cost": 100, "again": 1000}]]);
        let callee = forge.workflow(nodes, &[]).await;
        let wide = budget(&forge, &process.engine, BudgetScope::Workspace, Period::Day, 10_000).await;
        let spawn = json!([["s", "spawn", {"items": [1, 2, 3, 4, 5], "workflow": callee.to_string(), "max_parallel": 5}]]);
        let caller = forge.workflow_with(spawn, &[], json!({ "budget_usd": 0.0003 })).await;
        let run = forge.start(&process, caller).await.record.id;
        waiting(&forge, 2).await;
        // A third one may still be paying.
        forge.until("SELECT 1 WHERE (SELECT count(*) FROM agent_usage WHERE state = 'settled') = 3").await;
        assert_eq!(stands(&forge, &wide).await, (300, 0));
        let above = process.engine.run_budget(forge.workspace, run).await.unwrap();
        assert_eq!((above.spent, above.steps.len(), above.steps[0].node.as_str()), (Micros(300), 1, "s"));
        process.engine.top_up_run(forge.workspace, run, None, top_up(100)).await.unwrap();
        waiting(&forge, 1).await;
        // A budget of the caller holds for what it calls, too; what it has spent before counts by its own turns only.
        let narrow = budget(&forge, &process.engine, BudgetScope::Workflow(caller), Period::Total, 50).await;
        process.engine.top_up_run(forge.workspace, run, None, top_up(200)).await.unwrap();
        assert_eq!(forge.ended(&process, run).await.status, RunStatus::Completed);
        assert_eq!((stands(&forge, &narrow).await, stands(&forge, &wide).await), ((100, 0), (500, 0)));
    });
}

#[test]
fn what_a_dead_worker_had_set_aside_counts_as_spent() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        let cap = budget(&forge, &first.engine, BudgetScope::Workspace, Period::Week, 1_000).await;
        let workflow = forge.workflow(json!([["a", "pay", {"most": 300, "cost": 100, "hang": true}]]), &[]).await;
        let run = forge.start(&first, workflow).await.record.id;
        forge.world.called(1).await;
        assert_eq!(stands(&forge, &cap).await, (0, 300));
        first.kill();
        let second = forge.process_with(EngineConfig { exclusive: true, ..config() }).await;
        assert_eq!(forge.ended(&second, run).await.status, RunStatus::Completed);
        assert_eq!(stands(&forge, &cap).await, (400, 0), "300 that nobody knows of, 100 that were paid");
        forge.until("SELECT 1 WHERE (SELECT count(*) FROM agent_usage WHERE state = 'estimated') = 1").await;
    });
}

#[test]
fn a_dead_worker_s_money_is_given_up_without_its_step() {
    on_every_database(async |forge| {
        let first = forge.process().await;
        let cap = budget(&forge, &first.engine, BudgetScope::Workspace, Period::Week, 1_000).await;
        let workflow = forge.workflow(json!([["a", "pay", {"most": 300, "cost": 100, "hang": true}]]), &[]).await;
        let run = forge.start(&first, workflow).await.record.id;
        forge.world.called(1).await;
        first.engine.cancel(forge.workspace, run).await.unwrap();
        assert_eq!(forge.ended(&first, run).await.status, RunStatus::Cancelled);
        forge.until("SELECT 1 FROM agent_usage WHERE state = 'estimated'").await;
        assert_eq!(stands(&forge, &cap).await, (300, 0));
    });
}

#[test]
fn a_step_that_ends_without_settling_has_spent_the_most() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let cap = budget(&forge, &process.engine, BudgetScope::Workspace, Period::Total, 1_000).await;
        let workflow = forge.workflow(json!([["a", "pay", {"most": 300, "cost": 100, "forget": true}]]), &[]).await;
        assert_eq!(shown(&forge.run(&process, workflow).await), r#"completed "forgotten""#);
        assert_eq!(stands(&forge, &cap).await, (300, 0));
    });
}

#[test]
fn a_step_has_a_cap_of_its_own_and_a_new_period_wakes_whoever_waits() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let nodes = json!([["a", "pay", {"turns": 2, "most": 100, "cost": 100, "step_cap": 100}]]);
        let workflow = forge.workflow(nodes, &[]).await;
        let run = forge.start(&process, workflow).await.record.id;
        waiting(&forge, 1).await;
        let no_cap = process.engine.top_up_run(forge.workspace, run, None, top_up(100)).await;
        assert!(matches!(no_cap, Err(Error::Conflict { code: "no_run_budget", .. })), "{no_cap:?}");
        let node = "a".into();
        process.engine.top_up_run(forge.workspace, run, Some(&node), top_up(100)).await.unwrap();
        assert_eq!(forge.ended(&process, run).await.status, RunStatus::Completed);
        // A day that is over: what waits says that it has passed.
        let cap = budget(&forge, &process.engine, BudgetScope::Workspace, Period::Day, 200).await;
        let next = forge.start(&process, workflow).await.record.id;
        waiting(&forge, 1).await;
        let yesterday = "UPDATE budget_totals SET since = since - 86400000 WHERE run_id IS NULL";
        forge.sql(yesterday).await;
        forge.sql(&passed(&forge)).await;
        forge.until("SELECT 1 WHERE (SELECT count(*) FROM agent_usage WHERE state = 'settled') = 3").await;
        assert_eq!(stands(&forge, &cap).await, (100, 0));
        process.engine.cancel(forge.workspace, next).await.unwrap();
        forge.ended(&process, next).await;
    });
}

/// Makes the budget that a step waits for begin anew in the past.
fn passed(forge: &Forge) -> String {
    use flowforge_engine::Location;

    match forge.location {
        Location::Sqlite(_) => {
            "UPDATE step_runs SET awaiting = json_set(awaiting, '$.resets_at', 1) WHERE status = 'waiting'".to_owned()
        }
        Location::Postgres(_) => {
            "UPDATE step_runs SET awaiting = jsonb_set(awaiting, '{resets_at}', '1') WHERE status = 'waiting'".to_owned()
        }
    }
}

#[test]
fn usage_is_added_up_by_whatever_is_asked_for() {
    on_every_database(async |forge| {
        let process: Process = forge.process().await;
        let workflow = forge
            .workflow(json!([["a", "pay", {"turns": 2, "most": 100, "cost": 70}], ["b", "pay", {"most": 9, "cost": 5}]]), &[])
            .await;
        let run: RunId = forge.run(&process, workflow).await.id;
        let to = forge.store.now().await.unwrap().plus_ms(1);
        let told = async |by| {
            let (from, zone) = (flowforge_core::Timestamp(0), Zone::UTC);
            let filter = UsageFilter { by, from, to, zone, workflow: None, run: None };
            let (lines, total) = forge.store.usage(forge.workspace, filter).await.unwrap();
            assert_eq!((total.cost, total.turns, total.tokens.input), (Micros(145), 3, 30));
            lines.into_iter().map(|line| format!("{} {} {}", line.key, line.name, line.cost.0)).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(told(UsageBy::Model).await, "small small 145");
        assert_eq!(told(UsageBy::Workflow).await, format!("{workflow} test 145"));
        assert_eq!(told(UsageBy::Run).await, format!("{run} test 145"));
        assert_eq!(told(UsageBy::Node).await, format!("{workflow}/a test / a 140; {workflow}/b test / b 5"));
        assert_eq!(told(UsageBy::User).await, "  145");
        let day = told(UsageBy::Day).await;
        assert!(day.ends_with(" 145") && day.len() == "2026-11-20 2026-11-20 145".len(), "{day}");
    });
}
