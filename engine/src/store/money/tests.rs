//! The ledger on SQLite and PostgreSQL against a simple model of it, from printed seeds; and many who ask at once.
//!
//! `FLOWFORGE_LEDGER_SEED` repeats one sequence.

use std::{collections::BTreeMap, sync::Arc};

use flowforge_core::{
    BudgetId, NodeId, RunId, UserId, WorkerId, WorkflowId, WorkspaceId,
    money::{Micros, Period, Room, Spent, Tokens, Turn, Zone},
};
use flowforge_migrations::{Migrator, MigratorTrait};
use sea_orm::EntityTrait;
use uuid::Uuid;

use super::{Asked, BudgetChange, BudgetScope, Link, NewBudget, NewTopUp, TotalKey};
use crate::store::{Location, Store, differential::rows::fresh_database, entity::money::total};

/// Operations of one sequence.
const LENGTH: usize = 120;

async fn stores(folder: &tempfile::TempDir) -> Vec<(&'static str, Location)> {
    let mut all = vec![("SQLite", Location::Sqlite(folder.path().join("ledger.db")))];
    if let Ok(server) = std::env::var("FLOWFORGE_TEST_POSTGRES") {
        all.push(("PostgreSQL", Location::Postgres(fresh_database(&server).await)));
    }
    for (_, location) in &all {
        Migrator::up(Store::connect(location).await.unwrap().connection(), None).await.unwrap();
    }
    all
}

/// Numbers that follow from a seed: splitmix64.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

fn id(seed: u64, at: u64) -> Uuid {
    Uuid::from_u64_pair(seed, at)
}

/// Three runs: the first stands above the second, the third is of another workflow.
fn chain(seed: u64, run: u64) -> Vec<Link> {
    let link = |run: u64, workflow: u64, cap: Option<i64>| Link {
        run: RunId::new(id(seed, 10 + run)),
        workflow: WorkflowId::new(id(seed, 20 + workflow)),
        cap: cap.map(Micros),
        started_by: Some(UserId::new(id(seed, 30))),
    };
    match run {
        0 => vec![link(0, 0, Some(500))],
        1 => vec![link(1, 1, Some(300)), link(0, 0, Some(500))],
        _ => vec![link(2, 1, None)],
    }
}

fn asked(seed: u64, run: u64, node: u64, holder: u64) -> Asked {
    let chain = chain(seed, run);
    Asked {
        workspace: WorkspaceId::new(id(seed, 1)),
        workflow: chain[0].workflow,
        run: chain[0].run,
        node: NodeId::from(["a", "b"][node as usize]),
        attempt: 1,
        holder: id(seed, 1_000 + holder * 10 + run * 2 + node),
        worker: WorkerId::new(id(seed, 2)),
    }
}

#[derive(Debug, Clone)]
enum Op {
    Reserve { run: u64, node: u64, holder: u64, key: u64, most: i64, step_cap: Option<i64> },
    Settle { turn: usize, cost: i64, estimated: bool },
    GiveUp { run: u64, node: u64, holder: u64 },
    TopUp { budget: usize, amount: i64 },
    Limit { budget: usize, limit: i64 },
}

fn op(draw: &mut Draw) -> Op {
    let (run, node, holder) = (draw.below(3), draw.below(2), draw.below(3));
    match draw.below(10) {
        0..5 => {
            let step_cap = (draw.below(4) == 0).then(|| draw.below(200) as i64);
            Op::Reserve { run, node, holder, key: draw.below(3), most: draw.below(120) as i64, step_cap }
        }
        5..8 => {
            Op::Settle { turn: draw.below(LENGTH as u64) as usize, cost: draw.below(150) as i64, estimated: draw.below(5) == 0 }
        }
        8 => Op::GiveUp { run, node, holder },
        _ if draw.below(2) == 0 => Op::TopUp { budget: draw.below(2) as usize, amount: 1 + draw.below(80) as i64 },
        _ => Op::Limit { budget: draw.below(2) as usize, limit: draw.below(900) as i64 },
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Open,
    Estimated,
    Settled,
}

#[derive(Debug, Clone)]
struct ModelTurn {
    step: (u64, u64),
    holder: u64,
    key: u64,
    most: i64,
    cost: i64,
    state: State,
    charged: Vec<String>,
}

/// The rules, said once more and without a database. Totals go by a word each.
#[derive(Default)]
struct Model {
    limits: [i64; 2],
    rooms: BTreeMap<String, Room>,
    topped_up: BTreeMap<String, i64>,
    turns: Vec<ModelTurn>,
}

impl Model {
    fn settle(&mut self, turn: usize, cost: i64, state: State) {
        let ModelTurn { charged, most, cost: before, state: was, .. } = self.turns[turn].clone();
        for word in charged {
            let room = self.rooms.entry(word).or_default();
            room.spent.0 += cost - before;
            if was == State::Open {
                room.reserved.0 -= most;
                room.open -= 1;
            }
        }
        (self.turns[turn].cost, self.turns[turn].state) = (cost, state);
    }

    fn give_up(&mut self, which: impl Fn(&ModelTurn) -> bool) {
        for turn in 0..self.turns.len() {
            if self.turns[turn].state == State::Open && which(&self.turns[turn]) {
                self.settle(turn, self.turns[turn].most, State::Estimated);
            }
        }
    }

    /// The answer in a word: the number of the turn, the budget that is used up, or nothing.
    fn apply(&mut self, op: &Op) -> String {
        match op.clone() {
            Op::Reserve { run, node, holder, key, most, step_cap } => {
                self.give_up(|turn| turn.step == (run, node) && turn.holder != holder);
                let same = |turn: &ModelTurn| {
                    turn.step == (run, node) && turn.holder == holder && turn.key == key && turn.state == State::Open
                };
                if let Some(turn) = self.turns.iter().position(same) {
                    return turn.to_string();
                }
                let mut claims = vec![(format!("step {run} {node}"), step_cap, "step".to_owned())];
                for link in chain(0, run) {
                    let above = link.run.uuid().as_u64_pair().1 - 10;
                    claims.push((format!("run {above}"), link.cap.map(|cap| cap.0), "run".to_owned()));
                }
                // The first budget is that of the first workflow, which the last run has nothing to do with.
                if run < 2 {
                    claims.push(("budget 0".to_owned(), Some(self.limits[0]), "budget 0".to_owned()));
                }
                claims.push(("budget 1".to_owned(), Some(self.limits[1]), "budget 1".to_owned()));
                for (word, limit, told) in &claims {
                    let added = self.topped_up.get(word).copied().unwrap_or_default();
                    let room = self.rooms.entry(word.clone()).or_default();
                    let limit = limit.map(|limit| limit + added);
                    let fits = limit.is_none_or(|limit| {
                        room.spent.0 + room.reserved.0 + most <= limit || room.open == 0 && room.spent.0 < limit
                    });
                    if !fits {
                        return told.clone();
                    }
                }
                let charged: Vec<String> = claims.into_iter().map(|(word, ..)| word).collect();
                for word in &charged {
                    let room = self.rooms.entry(word.clone()).or_default();
                    room.reserved.0 += most;
                    room.open += 1;
                }
                self.turns.push(ModelTurn { step: (run, node), holder, key, most, cost: 0, state: State::Open, charged });
                (self.turns.len() - 1).to_string()
            }
            Op::Settle { turn, cost, estimated } => {
                let state = if estimated { State::Estimated } else { State::Settled };
                match self.turns.get(turn).map(|turn| turn.state) {
                    Some(State::Open) => self.settle(turn, cost, state),
                    Some(State::Estimated) if !estimated => self.settle(turn, cost, state),
                    _ => {}
                }
                String::new()
            }
            Op::GiveUp { run, node, holder } => {
                self.give_up(|turn| turn.step == (run, node) && turn.holder == holder);
                String::new()
            }
            Op::TopUp { budget, amount } => {
                *self.topped_up.entry(format!("budget {budget}")).or_default() += amount;
                String::new()
            }
            Op::Limit { budget, limit } => {
                self.limits[budget] = limit;
                String::new()
            }
        }
    }
}

/// A database under test, with what it calls the things that the model has words for.
struct Subject {
    name: &'static str,
    store: Store,
    budgets: Vec<BudgetId>,
    turns: Vec<Uuid>,
}

impl Subject {
    async fn open(name: &'static str, location: &Location, seed: u64) -> Self {
        let store = Store::connect(location).await.unwrap();
        let workflow = WorkflowId::new(id(seed, 20));
        let workspace = WorkspaceId::new(id(seed, 1));
        let sql = "INSERT INTO workflows (id, workspace_id, name, description, status, version, created_at, updated_at) \
             VALUES ($1, $2, 'w', '', 'active', 1, 0, 0)";
        store.execute(sql.to_owned(), [workflow.uuid().into(), workspace.uuid().into()]).await.unwrap();
        let mut budgets = Vec::new();
        for scope in [BudgetScope::Workflow(workflow), BudgetScope::Workspace] {
            let (period, zone, limit) = (Period::Total, Zone::UTC, Micros(400));
            budgets
                .push(store.create_budget(&NewBudget { workspace, scope, period, zone, limit, created_by: None }).await.unwrap());
        }
        Self { name, store, budgets, turns: Vec::new() }
    }

    async fn apply(&mut self, seed: u64, op: &Op) -> String {
        let workspace = WorkspaceId::new(id(seed, 1));
        match op.clone() {
            Op::Reserve { run, node, holder, key, most, step_cap } => {
                let turn = Turn {
                    key: format!("turn-{key}"),
                    model: "model".to_owned(),
                    most: Micros(most),
                    step_cap: step_cap.map(Micros),
                };
                match self.store.reserve(&asked(seed, run, node, holder), &chain(seed, run), &turn).await.unwrap() {
                    Ok(id) => {
                        let known = self.turns.iter().position(|turn| *turn == id);
                        known
                            .unwrap_or_else(|| {
                                self.turns.push(id);
                                self.turns.len() - 1
                            })
                            .to_string()
                    }
                    Err(shortage) => {
                        let budget = self.budgets.iter().position(|id| id.to_string() == shortage.budget);
                        budget.map_or(shortage.budget, |at| format!("budget {at}"))
                    }
                }
            }
            Op::Settle { turn, cost, estimated } => {
                if let Some(id) = self.turns.get(turn) {
                    self.store.settle(*id, Spent { tokens: Tokens::default(), cost: Micros(cost), estimated }).await.unwrap();
                }
                String::new()
            }
            Op::GiveUp { run, node, holder } => {
                self.store.give_up(asked(seed, run, node, holder).holder).await.unwrap();
                String::new()
            }
            Op::TopUp { budget, amount } => {
                let new = NewTopUp { amount: Micros(amount), note: String::new(), by: UserId::new(id(seed, 30)), dedupe: None };
                self.store.top_up_budget(workspace, self.budgets[budget], &new).await.unwrap();
                String::new()
            }
            Op::Limit { budget, limit } => {
                let change = BudgetChange { limit: Some(Micros(limit)) };
                self.store.change_budget(workspace, self.budgets[budget], change).await.unwrap();
                String::new()
            }
        }
    }

    async fn rooms(&self, seed: u64) -> BTreeMap<String, Room> {
        let mut words: BTreeMap<TotalKey, String> = BTreeMap::new();
        for run in 0..3 {
            let run_id = chain(seed, run)[0].run;
            words.insert(TotalKey::of_run(run_id), format!("run {run}"));
            for node in 0..2 {
                words.insert(TotalKey::of_step(run_id, ["a", "b"][node]), format!("step {run} {node}"));
            }
        }
        for (at, budget) in self.budgets.iter().enumerate() {
            words.insert(TotalKey(budget.uuid(), 0), format!("budget {at}"));
        }
        let rows = total::Entity::find().all(&self.store.read).await.unwrap();
        let named =
            rows.iter().filter_map(|row| Some((words.get(&TotalKey(row.id, row.since))?.clone(), super::room(None, row))));
        named.filter(|(_, room)| *room != Room::default()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_postgresql_and_the_model_keep_the_same_ledger() {
    let first = std::env::var("FLOWFORGE_LEDGER_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = first.map_or_else(
        || {
            let from = u64::from(std::process::id()) * 1_000;
            from..from + 20
        },
        |seed| seed..seed + 1,
    );
    println!("seeds {seeds:?}");
    let folder = tempfile::tempdir().unwrap();
    let locations = stores(&folder).await;
    let (mut refused, mut granted) = (0, 0);
    for seed in seeds {
        let mut draw = Draw(seed);
        let mut model = Model { limits: [400; 2], ..Model::default() };
        let mut subjects = Vec::new();
        for (name, location) in &locations {
            subjects.push(Subject::open(name, location, seed).await);
        }
        for at in 0..LENGTH {
            let op = op(&mut draw);
            let expected = model.apply(&op);
            if matches!(op, Op::Reserve { .. }) {
                *(if expected.parse::<usize>().is_ok() { &mut granted } else { &mut refused }) += 1;
            }
            for subject in &mut subjects {
                let answer = subject.apply(seed, &op).await;
                assert_eq!(answer, expected, "seed {seed}, operation {at} on {}: {op:?}", subject.name);
            }
        }
        let expected: BTreeMap<_, _> = model.rooms.into_iter().filter(|(_, room)| *room != Room::default()).collect();
        for subject in &subjects {
            assert_eq!(subject.rooms(seed).await, expected, "seed {seed} on {}", subject.name);
        }
    }
    println!("{granted} turns were granted, {refused} refused");
    assert!(granted > 100 && refused > 100, "the sequences try too little");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_ask_at_once_never_overspend_together() {
    let folder = tempfile::tempdir().unwrap();
    for (at, (name, location)) in (0..).zip(stores(&folder).await) {
        let seed = u64::from(std::process::id()) * 10 + at;
        let subject = Subject::open(name, &location, seed).await;
        let workspace = WorkspaceId::new(id(seed, 1));
        // Three processes, fifty steps, one cap that some of them fit into.
        let mut stores = Vec::new();
        for _ in 0..3 {
            stores.push(Arc::new(Store::connect(&location).await.unwrap()));
        }
        let asking = (0..50_u64).map(|step| {
            let store = stores[step as usize % 3].clone();
            tokio::spawn(async move {
                let link = Link { run: RunId::new(id(seed, 5_000 + step)), cap: None, ..chain(seed, 0)[0].clone() };
                let who = Asked { run: link.run, holder: id(seed, 6_000 + step), ..asked(seed, 0, 0, 0) };
                let mut paid = 0;
                for turn in 0..4 {
                    let (key, model) = (format!("turn-{turn}"), "model".to_owned());
                    let turn = Turn { key, model, most: Micros(30), step_cap: None };
                    let Ok(reservation) = store.reserve(&who, std::slice::from_ref(&link), &turn).await.unwrap() else {
                        continue;
                    };
                    tokio::task::yield_now().await;
                    // Dearer than anybody had thought.
                    let spent = Spent { tokens: Tokens::default(), cost: Micros(25), estimated: false };
                    store.settle(reservation, spent).await.unwrap();
                    paid += 25;
                }
                paid
            })
        });
        let asking: Vec<_> = asking.collect();
        let mut paid = 0;
        for step in asking {
            paid += step.await.unwrap();
        }
        for budget in subject.store.budgets(workspace).await.unwrap() {
            assert_eq!((budget.spent, budget.reserved), (Micros(paid), Micros::ZERO), "{name}");
            assert!(budget.spent <= Micros(400), "{name}: {paid}");
            assert!(budget.spent > Micros(400 - 30), "{name}: money is left that nobody was given, {paid}");
        }
    }
}
