//! One round: start everything, break it while it works, let it come to rest, and judge what is left.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use flowforge_tests::{Client, Ledger, Server, leftovers};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tempfile::TempDir;

use crate::{
    args::Args,
    backing::Backing,
    check::{Tally, Violation, check, crashed, vacuous},
    clients::{Site, perform},
    cluster::{Cluster, database_url},
    evidence,
    inject::{Counters, Scene, inject},
    journal::Journal,
    observer::Observer,
    plan::{Plan, Quota, Trigger},
    recorder::{Recorder, Recordings},
    workload::{KINDS, Scenario},
    world::{self, World},
};

/// How long everything may take to come to rest once the faults have stopped.
const REST: Duration = Duration::from_secs(120);

/// What came of a round.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) runs: u64,
    pub(crate) steps: u64,
    pub(crate) events: u64,
    /// Runs that failed because too many workers died with them.
    pub(crate) crashed: u64,
    pub(crate) tally: Tally,
    /// How long it took to come to rest after the last fault.
    pub(crate) rest: Duration,
    pub(crate) recoveries: Vec<(Duration, bool)>,
    pub(crate) violations: Vec<Violation>,
    /// Why it proves nothing; empty when it does.
    pub(crate) vacuous: Vec<String>,
    /// Where its folder is, when it was kept.
    pub(crate) kept: Option<PathBuf>,
}

/// A round while it is played.
struct Round {
    seed: u64,
    folder: TempDir,
    canary: String,
    origin_ms: i64,
    ledger: Arc<Ledger>,
    backing: Arc<Backing>,
    cluster: Arc<Cluster>,
    observer: Observer,
    site: Arc<Site>,
    scenarios: Vec<Scenario>,
    database: String,
}

/// Plays one round.
pub(crate) async fn play(args: &Args, quota: Quota, seed: u64, backing: Arc<Backing>) -> Outcome {
    let round = Round::set_up(seed, backing).await;
    let plan = Plan::new(seed, Duration::from_secs(args.seconds), quota, round.backing.redis().is_some());
    std::fs::write(round.folder.path().join("plan.txt"), format!("{plan:#?}")).expect("the folder is ours");
    let postgres_crashes = round.backing.postgres_crashes();
    let counters = Counters::default();

    let looking_on = {
        let (observer, cluster, canary) = (round.observer.clone(), Arc::clone(&round.cluster), round.canary.clone());
        tokio::spawn(async move { observer.look_on(&cluster, &canary).await })
    };
    let spoiling = args.sabotage.map(|sabotage| {
        let (pool, canary) = (round.observer.pool().clone(), round.canary.clone());
        tokio::spawn(async move { sabotage.commit(&pool, &canary).await })
    });
    let clients = round.send(&plan.triggers, plan.readers.clone(), 0);
    let scene = Scene {
        cluster: Arc::clone(&round.cluster),
        backing: Arc::clone(&round.backing),
        observer: round.observer.clone(),
        counters: counters.clone(),
        paused: std::sync::Mutex::default(),
    };
    inject(Arc::new(scene), plan.faults.clone()).await;
    round.cluster.heal().await;
    let healed_ms = now_ms() - round.origin_ms;

    let stopped = Instant::now();
    let mut restless = round.come_to_rest(clients).await;
    let rest = stopped.elapsed();
    let calm = calm_triggers(seed);
    let clients = round.send(&calm, plan.readers.clone(), 1_000);
    restless = restless.or(round.come_to_rest(clients).await);
    // What is final now must be so in a moment.
    let _ = round.observer.snapshot().await;
    looking_on.abort();
    if let Some(spoiling) = spoiling {
        spoiling.abort();
    }

    let mut tally = counters.tally();
    tally.postgres_kills = round.backing.postgres_crashes() - postgres_crashes;
    let triggers: Vec<Trigger> = plan.triggers.into_iter().chain(calm.iter().cloned()).collect();
    let calm = calm.into_iter().map(|trigger| trigger.key).collect();
    let mut world = round.world(triggers, calm).await;
    world.restless = restless;
    world.healed_ms = healed_ms;
    round.judge(args, quota, tally, world, rest).await
}

/// Milliseconds since 1970, as clients and rows count them.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

/// Two runs of each kind, and some that are cancelled: some of these would go on for long.
fn calm_triggers(seed: u64) -> Vec<Trigger> {
    let trigger = |number: usize, kind: usize, cancel: Option<Duration>| Trigger {
        at: Duration::ZERO,
        kind,
        key: format!("k{seed}-calm-{number}"),
        copies: vec![Duration::ZERO],
        gives_up: false,
        cancel,
        answer: Duration::from_millis(400),
        recorded: true,
    };
    let mut all: Vec<Trigger> = (0..KINDS.len() * 2).map(|number| trigger(number, number % KINDS.len(), None)).collect();
    let long = KINDS.iter().position(|kind| kind.name == "parked").unwrap_or(0);
    for kind in [0, long, long] {
        all.push(trigger(all.len(), kind, Some(Duration::from_millis(200))));
    }
    all
}

impl Round {
    async fn set_up(seed: u64, backing: Arc<Backing>) -> Self {
        let folder = tempfile::Builder::new().prefix("ff-chaos-").tempdir().expect("a temporary folder");
        let database = format!("chaos_{seed}_{}", uuid::Uuid::new_v4().simple());
        let mut admin = PgConnection::connect(&database_url(backing.postgres(), "postgres")).await.expect("PostgreSQL answers");
        let create = AssertSqlSafe(format!("CREATE DATABASE {database}"));
        sqlx::raw_sql(create).execute(&mut admin).await.expect("a database of our own");
        let canary = format!("canary-{}", uuid::Uuid::new_v4().simple());
        let cluster = Arc::new(Cluster::start(folder.path(), &backing, &database, &canary).await);
        let origin_ms = now_ms();
        let ledger = Arc::new(Ledger::start().await);
        let scenarios: Vec<Scenario> = KINDS.iter().map(|kind| (kind.scenario)(&ledger)).collect();
        let apis = sign_in(&cluster.apis()).await;
        let workflows = publish(&apis[0], &scenarios).await;
        let site = Site {
            apis,
            scenarios: scenarios.clone(),
            workflows,
            journal: Journal::create(folder.path()),
            recordings: Recordings::default(),
            ledger: Arc::clone(&ledger),
            deadline: Instant::now() + Duration::from_secs(600),
        };
        let observer = Observer::new(&database_url(backing.postgres(), &database));
        Self { seed, folder, canary, origin_ms, ledger, backing, cluster, observer, site: Arc::new(site), scenarios, database }
    }

    /// Sets a client to work for each trigger.
    fn send(&self, triggers: &[Trigger], mut readers: flowforge_tests::Seed, first: usize) -> tokio::task::JoinSet<()> {
        let mut clients = tokio::task::JoinSet::new();
        let began = tokio::time::Instant::now();
        for (number, trigger) in triggers.iter().cloned().enumerate() {
            let recorder = trigger.recorded.then(|| Recorder(readers.fork()));
            let site = Arc::clone(&self.site);
            clients.spawn(async move {
                tokio::time::sleep_until(began + trigger.at).await;
                perform(site, trigger, first + number, recorder).await;
            });
        }
        clients
    }

    /// Waits until all clients are done and no run is open. Says why, if that does not come about.
    async fn come_to_rest(&self, mut clients: tokio::task::JoinSet<()>) -> Option<String> {
        let limit = Instant::now() + REST;
        let done = async {
            while clients.join_next().await.is_some_and(|done| done.map_err(|fault| panic!("a client: {fault}")).is_ok()) {}
        };
        let in_time = tokio::time::timeout(REST, done).await.is_ok();
        if !in_time {
            clients.abort_all();
        }
        let sql = "SELECT count(*) FROM runs WHERE finished_at IS NULL";
        loop {
            let open: sqlx::Result<i64> = sqlx::query_scalar(sql).fetch_one(self.observer.pool()).await;
            match open {
                Ok(0) if in_time => return None,
                Ok(0) => return Some(format!("clients or readers were not done after {} s", REST.as_secs())),
                open if Instant::now() > limit => {
                    self.write_what_hangs().await;
                    return Some(format!("open runs after {} s without faults: {open:?}", REST.as_secs()));
                }
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Writes down everything that the tables say of what does not end.
    async fn write_what_hangs(&self) {
        let sql = "SELECT 'now ' || (extract(epoch from clock_timestamp()) * 1000)::bigint UNION ALL SELECT 'worker ' || to_jsonb(w) FROM workers w \
             UNION ALL SELECT 'run ' || to_jsonb(r) FROM runs r WHERE finished_at IS NULL UNION ALL SELECT 'step ' || to_jsonb(s) FROM step_runs s \
             JOIN runs r ON r.id = s.run_id WHERE r.finished_at IS NULL UNION ALL SELECT 'lease ' || to_jsonb(l) FROM step_leases l \
             UNION ALL SELECT 'message ' || to_jsonb(i) FROM run_inbox i UNION ALL SELECT 'backend ' || to_jsonb(a) FROM pg_stat_activity a \
             WHERE datname = current_database()";
        let lines: Vec<String> = sqlx::query_scalar(sql).fetch_all(self.observer.pool()).await.unwrap_or_default();
        if let Err(fault) = std::fs::write(self.folder.path().join("hangs.txt"), lines.join("\n")) {
            eprintln!("what hangs was not written down: {fault}");
        }
    }

    /// Everything that the checker needs, read while the processes still live.
    async fn world(&self, triggers: Vec<Trigger>, calm: Vec<String>) -> World {
        let pool = self.observer.pool();
        let mut effects = std::collections::HashMap::<String, Vec<_>>::new();
        for effect in self.ledger.effects() {
            effects.entry(effect.key.clone()).or_default().push(effect);
        }
        let read = "the rows can be read";
        World {
            runs: world::runs(pool, self.origin_ms).await.expect(read),
            steps: world::steps(pool).await.expect(read),
            logs: world::logs(pool).await.expect(read),
            leftovers: settled_leftovers(pool).await,
            scenarios: self.scenarios.clone(),
            triggers: triggers.into_iter().map(|trigger| (trigger.key.clone(), trigger)).collect(),
            calm,
            journal: self.site.journal.entries(),
            effects,
            calls: self.ledger.all_calls(),
            recordings: self.site.recordings.all(),
            observed: self.observer.observed(),
            canary: self.canary.clone(),
            ..World::default()
        }
    }

    async fn judge(self, args: &Args, quota: Quota, mut tally: Tally, mut world: World, rest: Duration) -> Outcome {
        let deaths = self.deaths().await;
        self.cluster.kill().await;
        world.leftovers.processes = self.dead_soon().await;
        let logs: Vec<(String, String)> = self.cluster.nodes.iter().map(|node| (node.name.clone(), node.log())).collect();
        world.alarms = evidence::alarms(&logs, &self.backing.postgres_log()).into_iter().chain(deaths).collect();
        world.canary_found = evidence::secret(&self.canary, &self.haystacks(&logs, &world).await);
        tally.fenced = evidence::fenced(&logs);
        tally.cuts = self.cluster.nodes.iter().map(|node| node.postgres.cuts()).sum();
        tally.replays = world.journal.values().map(|entry| entry.sent.saturating_sub(1)).sum();
        (tally.resumes, tally.fruitful) = self.site.recordings.resumes();
        let (violations, vacuous) = (check(&world), vacuous(&world, &tally, &quota));
        let keep = args.keep || !violations.is_empty();
        evidence::write(self.folder.path(), &world, &violations);
        self.observer.pool().close().await;
        Outcome {
            seed: self.seed,
            runs: world.runs.len() as u64,
            steps: world.steps.values().map(Vec::len).sum::<usize>() as u64,
            events: world.runs.iter().map(|run| run.next_seq - 1).sum::<i64>() as u64,
            crashed: crashed(&world),
            tally,
            rest,
            recoveries: world.observed.recoveries.clone(),
            violations,
            vacuous,
            kept: keep.then(|| self.folder.keep()),
        }
    }

    async fn deaths(&self) -> Vec<String> {
        let mut all = Vec::new();
        for node in &self.cluster.nodes {
            all.extend(node.deaths().await);
        }
        all
    }

    /// What still lives of the round's processes some seconds after they were all killed.
    async fn dead_soon(&self) -> Vec<String> {
        let marker = self.folder.path().to_string_lossy().into_owned();
        let mut left = Vec::new();
        for _ in 0..100 {
            left = leftovers(&marker);
            if left.is_empty() {
                return left;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        left
    }

    /// Every place where the secret must not be.
    async fn haystacks(&self, logs: &[(String, String)], world: &World) -> Vec<(String, Vec<u8>)> {
        let mut all: Vec<(String, Vec<u8>)> =
            logs.iter().map(|(name, log)| (format!("the log of {name}"), log.clone().into_bytes())).collect();
        all.push(("the log of PostgreSQL".to_owned(), self.backing.postgres_log().into_bytes()));
        all.push(("the event streams".to_owned(), format!("{:?}", world.recordings).into_bytes()));
        all.push(("Redis".to_owned(), self.backing.redis_dump(self.folder.path()).await));
        let url = database_url(self.backing.postgres(), &self.database);
        all.push(("the database".to_owned(), evidence::dump(&url).await));
        all
    }
}

/// Leases and messages of runs that ended a moment ago may be on their way out.
async fn settled_leftovers(pool: &PgPool) -> world::Leftovers {
    let mut found = world::Leftovers::default();
    for _ in 0..50 {
        found = world::leftovers(pool).await.expect("the rows can be read");
        if found.leases.is_empty() && found.messages.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    found
}

/// One client for each API, with one token: it is good at both.
async fn sign_in(apis: &[String]) -> Vec<Client> {
    let reply =
        Client::anonymous(&apis[0]).post("/auth/login", json!({"email": Server::EMAIL, "password": Server::PASSWORD})).await;
    let body = reply.expect(200);
    let token = body["access_token"].as_str().expect("a token");
    apis.iter().map(|base| Client::anonymous(base).with_token(token)).collect()
}

async fn publish(api: &Client, scenarios: &[Scenario]) -> Vec<String> {
    let mut workflows = Vec::new();
    for (kind, scenario) in KINDS.iter().zip(scenarios) {
        let saved = api.post("/workflows", json!({"name": kind.name, "graph": scenario.graph})).await.expect(201);
        let id = saved["id"].as_str().expect("an id").to_owned();
        api.post(&format!("/workflows/{id}/publish"), json!({"version": 1})).await.expect(200);
        workflows.push(id);
    }
    workflows
}

/// Whether a binary knows a flag of `serve`.
pub(crate) fn knows(binary: &Path, flag: &str) -> bool {
    let help = std::process::Command::new(binary).args(["serve", "--help"]).output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains(flag))
}
