//! Carries the faults of a plan out.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    backing::Backing,
    check::Tally,
    cluster::{Cluster, Node},
    observer::Observer,
    plan::{APIS, Fault},
};

/// Counts what was done. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    kills: AtomicU64,
    kills_hit: AtomicU64,
    pauses: AtomicU64,
    pauses_hit: AtomicU64,
    api_kills: AtomicU64,
    postgres_kills: AtomicU64,
    redis_wipes: AtomicU64,
    links: AtomicU64,
}

fn count(counter: &AtomicU64, yes: bool) {
    counter.fetch_add(u64::from(yes), Ordering::Relaxed);
}

impl Counters {
    /// What was done so far; the rest is counted by others.
    pub(crate) fn tally(&self) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            kills: read(&self.0.kills),
            kills_hit: read(&self.0.kills_hit),
            pauses: read(&self.0.pauses),
            pauses_hit: read(&self.0.pauses_hit),
            api_kills: read(&self.0.api_kills),
            postgres_kills: read(&self.0.postgres_kills),
            redis_wipes: read(&self.0.redis_wipes),
            links: read(&self.0.links),
            ..Tally::default()
        }
    }
}

/// What faults are done to.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) backing: Arc<Backing>,
    pub(crate) observer: Observer,
    pub(crate) counters: Counters,
    /// The workers that are paused: a kill would end the pause too soon.
    pub(crate) paused: Mutex<HashSet<String>>,
}

/// Carries out every fault at its time. Returns when the last one is over.
pub(crate) async fn inject(scene: Arc<Scene>, faults: Vec<(Duration, Fault)>) {
    let began = Instant::now();
    let all = faults.into_iter().map(|(at, fault)| {
        let scene = Arc::clone(&scene);
        tokio::spawn(async move {
            sleep_until(began + at).await;
            scene.carry_out(fault).await;
        })
    });
    for done in futures::future::join_all(all).await {
        done.expect("the harness does not panic");
    }
}

impl Scene {
    async fn carry_out(&self, fault: Fault) {
        match fault {
            Fault::Kill { node, down } if node < APIS => self.kill_api(node, down).await,
            Fault::Kill { node, down } => self.kill_worker(node, down).await,
            Fault::Pause { node, length } => self.pause(node, length).await,
            Fault::KillPostgres { down } => {
                self.observer.disturbed();
                self.backing.crash_postgres(down).await;
                self.observer.disturbed();
                count(&self.counters.0.postgres_kills, true);
            }
            Fault::KillRedis { down } => {
                self.backing.crash_redis(down).await;
                count(&self.counters.0.redis_wipes, true);
            }
            Fault::WipeRedis => count(&self.counters.0.redis_wipes, self.backing.wipe_redis().await),
            Fault::CutAtCommit { node, cut } => self.cluster.nodes[node].postgres.arm(cut),
            Fault::HalfOpen { .. } | Fault::Slow { .. } | Fault::Break { .. } => self.disturb_link(fault).await,
        }
    }

    /// The worker that is meant, or the next one that is up and not paused, as soon as there is one.
    async fn worker(&self, node: usize) -> (&Arc<Node>, u32) {
        let workers = &self.cluster.nodes[APIS..];
        for turn in 0.. {
            let worker = &workers[(node - APIS + turn) % workers.len()];
            if let Some(pid) = worker.pid().await.filter(|_| !self.is_paused(worker)) {
                return (worker, pid);
            }
            sleep(Duration::from_millis(20)).await;
        }
        unreachable!("the loop has no end")
    }

    fn is_paused(&self, worker: &Node) -> bool {
        self.paused.lock().expect("not poisoned").contains(&worker.name)
    }

    /// What a worker owns, as soon as it owns something: who is killed while idle shows little. Not waited for without end.
    async fn owned_soon(&self, pid: u32) -> Vec<(String, i64, i64)> {
        for _ in 0..40 {
            let owned = self.observer.owned_by(pid).await;
            if !owned.is_empty() {
                return owned;
            }
            sleep(Duration::from_millis(25)).await;
        }
        Vec::new()
    }

    async fn kill_worker(&self, node: usize, down: Duration) {
        let (worker, owned) = loop {
            let (worker, pid) = self.worker(node).await;
            let owned = self.owned_soon(pid).await;
            // It may have been paused or killed while it was waited for.
            if worker.pid().await == Some(pid) && !self.is_paused(worker) {
                break (worker, owned);
            }
        };
        let killed = worker.kill().await;
        count(&self.counters.0.kills, killed);
        count(&self.counters.0.kills_hit, killed && !owned.is_empty());
        self.observer.orphaned(owned);
        sleep(down).await;
        worker.revive().await;
    }

    async fn kill_api(&self, node: usize, down: Duration) {
        let api = &self.cluster.nodes[node];
        count(&self.counters.0.api_kills, api.kill().await);
        sleep(down).await;
        api.revive().await;
    }

    async fn pause(&self, node: usize, length: Duration) {
        // From here on nobody else kills it.
        let (worker, pid, owned) = loop {
            let (worker, pid) = self.worker(node).await;
            let owned = self.owned_soon(pid).await;
            let is_first = self.paused.lock().expect("not poisoned").insert(worker.name.clone());
            if is_first && worker.pid().await == Some(pid) {
                break (worker, pid, owned);
            }
            if is_first {
                self.paused.lock().expect("not poisoned").remove(&worker.name);
            }
        };
        self.observer.disturbed();
        worker.signal("-STOP").await;
        sleep(length).await;
        self.paused.lock().expect("not poisoned").remove(&worker.name);
        // One that was killed meanwhile was not paused for so long.
        let whole = worker.pid().await == Some(pid);
        worker.signal("-CONT").await;
        self.observer.disturbed();
        count(&self.counters.0.pauses, whole);
        count(&self.counters.0.pauses_hit, whole && !owned.is_empty());
    }

    async fn disturb_link(&self, fault: Fault) {
        let (Fault::HalfOpen { node, link, .. } | Fault::Slow { node, link, .. } | Fault::Break { node, link }) = fault else {
            return;
        };
        let Some(proxy) = self.cluster.nodes[node].proxy(link) else { return };
        self.observer.disturbed();
        count(&self.counters.0.links, true);
        match fault {
            Fault::HalfOpen { length, breaks, .. } => {
                proxy.hold();
                sleep(length).await;
                if breaks {
                    proxy.break_all();
                }
                proxy.pass();
            }
            Fault::Slow { delay, length, .. } => {
                proxy.slow(delay);
                sleep(length).await;
                proxy.pass();
            }
            _ => proxy.break_all(),
        }
        self.observer.disturbed();
    }
}
