//! Random graphs on several processes that are killed and started at random moments. The seed is printed; `FLOWFORGE_SEED`
//! gives it back.

use std::{collections::BTreeMap, time::Duration};

use flowforge_core::{RunId, RunStatus, StepStatus, WorkflowId};
use flowforge_engine::{EngineConfig, RunRecord, clock};
use serde_json::{Value, json};

use crate::forge::{Forge, Process, config, on_every_database, shown};

const PROCESSES: usize = 3;
const WORKFLOWS: usize = 4;
const RUNS: usize = 16;
/// Fewer than the crashes that a step is given up for.
const KILLS: usize = 2;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    /// A seed of its own, or the one that is asked for.
    fn new() -> Self {
        let asked = std::env::var("FLOWFORGE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = asked.unwrap_or_else(|| clock::new_uuid().as_u64_pair().1);
        println!("FLOWFORGE_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn ms(&mut self, bound: usize) -> Duration {
        Duration::from_millis(self.below(bound) as u64)
    }
}

/// A graph in which each node but the first has one to three predecessors.
fn graph(random: &mut Random) -> (Value, Vec<String>) {
    let len = 3 + random.below(10);
    let nodes: Vec<Value> = (0..len).map(|at| node(at, random)).collect();
    let mut edges = Vec::new();
    for at in 1..len {
        let mut sources: Vec<usize> = (0..=random.below(3)).map(|_| random.below(at)).collect();
        sources.sort_unstable();
        sources.dedup();
        edges.extend(sources.iter().map(|source| format!("n{source} -> n{at}")));
    }
    (json!(nodes), edges)
}

fn node(at: usize, random: &mut Random) -> Value {
    let id = format!("n{at}");
    let ms = random.below(250);
    match random.below(6) {
        0 => json!([id, "set", {"value": at}]),
        1 => json!([id, "think", {"ms": 0}]),
        2 => json!([id, "nap", {"ms": ms}]),
        3 => json!([id, "job", {"ms": ms}]),
        4 => {
            let retry = json!({"max_attempts": 3, "backoff": "linear", "initial_ms": 20, "max_ms": 200});
            json!([id, "flaky", {"fails": random.below(3), "digest": true}, {"retry": retry}])
        }
        _ => json!([id, "effect", {"ms": ms}]),
    }
}

async fn process(forge: &Forge) -> Process {
    forge.process_with(EngineConfig { lease: Duration::from_millis(2_500), ..config() }).await
}

/// The calls of every effect whose end is on disk: nobody may call one of these again.
async fn settled(forge: &Forge, runs: &[(RunId, usize)], into: &mut BTreeMap<String, u32>) {
    for (run, _) in runs {
        for step in forge.steps(*run).await.into_iter().filter(|step| step.status == StepStatus::Completed) {
            into.entry(step.effect_key.clone()).or_insert_with(|| forge.world.calls_of(&step.effect_key));
        }
    }
}

#[test]
fn runs_end_as_if_nothing_had_happened_whoever_dies() {
    on_every_database(async |forge| {
        let mut random = Random::new();
        let mut processes = Vec::new();
        for _ in 0..PROCESSES {
            processes.push(process(&forge).await);
        }
        let mut expected: Vec<(WorkflowId, RunRecord)> = Vec::new();
        for _ in 0..WORKFLOWS {
            let (nodes, edges) = graph(&mut random);
            let edges: Vec<&str> = edges.iter().map(String::as_str).collect();
            let workflow = forge.workflow(nodes, &edges).await;
            expected.push((workflow, forge.run(&processes[0], workflow).await));
        }
        let mut runs: Vec<(RunId, usize)> = Vec::new();
        for at in 0..RUNS {
            let process = &processes[random.below(PROCESSES)];
            runs.push((forge.start(process, expected[at % WORKFLOWS].0).await.record.id, at % WORKFLOWS));
        }
        let cancelled = runs[random.below(RUNS)].0;
        let mut settled_calls = BTreeMap::new();
        for kill in 0..=KILLS {
            tokio::time::sleep(random.ms(700)).await;
            settled(&forge, &runs, &mut settled_calls).await;
            let victim = processes.swap_remove(random.below(PROCESSES));
            if kill == KILLS {
                // Whether it comes in time is nobody's business here.
                let _ = processes[0].engine.cancel(forge.workspace, cancelled).await;
                victim.engine.shutdown().await;
            } else {
                victim.kill();
            }
            processes.push(process(&forge).await);
        }
        for (run, workflow) in &runs {
            let record = forge.ended(&processes[random.below(PROCESSES)], *run).await;
            let expected = &expected[*workflow].1;
            let is_same = (record.status, &record.output) == (expected.status, &expected.output);
            let was_cancelled = *run == cancelled && record.status == RunStatus::Cancelled;
            assert!(is_same || was_cancelled, "{} and not {}", shown(&record), shown(expected));
            forge.check_record(&processes[0], *run).await;
            for step in forge.steps(*run).await {
                assert!(step.seqs.finished.is_some(), "{step:?} has not ended");
            }
        }
        for (key, calls) in settled_calls {
            assert_eq!(forge.world.calls_of(&key), calls, "{key} was called again after its end was on disk");
        }
        forge.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM step_leases)").await;
    });
}
