//! Whoever asks a server for runs: what they ask for, one after the other, and again when nobody has answered.

use std::time::Duration;

use flowforge_tests::{Client, Events, Reply, is_over};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    cases::{Case, World},
    rows::{items, rows},
};

/// The wait between two looks at what no event of one run tells.
const LOOK: Duration = Duration::from_millis(20);

/// What is done next. Whatever was acknowledged is not asked for again; what begins runs is, and has to find the same ones.
#[derive(Debug)]
pub(super) enum Act {
    /// Starts a run with so much more in its input. The acts after it are about this run.
    Start(Value),
    /// Sends a delivery to the trigger of this kind, which begins a run.
    Deliver(&'static str),
    /// Makes the run again from what did not complete, on the mended version of its workflow.
    Rerun,
    /// Waits until so many steps of a node have begun, in the run and in those that it has started.
    Begun(&'static str, usize),
    /// Waits until a step has ended.
    Ended(&'static str),
    /// Asks for `cancel` or `resume`.
    Ask(&'static str),
    /// Asks the run to begin nothing more, and waits until it says that it does not.
    Pause,
    /// Answers what the run's steps wait for.
    Answer,
    /// Nothing has left this mark so far.
    None(&'static str),
    /// Answers what is asked until there are so many runs that no step has started, and all have ended with all that they have
    /// started.
    End(usize),
}

/// Whoever asks. Their life is longer than the server's.
pub(super) struct Asker<'a> {
    pub(super) client: Client,
    /// Tells these runs from the others of the sweep, in the ledger, at the remote and as idempotency keys.
    pub(super) name: String,
    world: &'a World,
    case: &'a Case,
    workflow: &'a str,
    /// What every run is given.
    input: Value,
    /// How many acts are done.
    done: usize,
    /// The runs that were begun, each with the act that began it.
    begun: Vec<(usize, String)>,
    /// What was answered and acknowledged: it is not said twice.
    answered: Vec<String>,
}

impl<'a> Asker<'a> {
    pub(super) async fn new(world: &'a World, case: &'a Case, client: Client, name: String, workflow: &'a str) -> Self {
        let mut input = case.input.clone();
        input["case"] = json!(name.as_str());
        if case.pushes {
            input["url"] = json!(world.remote().await.url());
            input["branch"] = json!(name.as_str());
        }
        Self { client, name, world, case, workflow, input, done: 0, begun: Vec::new(), answered: Vec::new() }
    }

    /// Acts until everything is done or the server is gone.
    pub(super) async fn live(&mut self) -> reqwest::Result<Vec<String>> {
        // Whoever was cut off asks again, and is told of the run that there is.
        for (act, run) in self.begun.clone() {
            assert_eq!(self.begin(act).await?, run, "one request is one run");
        }
        while let Some(act) = self.case.acts.get(self.done) {
            self.act(act).await?;
            self.done += 1;
        }
        let mut runs: Vec<_> = self.roots().await?.iter().map(|run| text(&run["id"])).collect();
        // They are numbered in the order in which they came.
        runs.sort();
        Ok(runs)
    }

    async fn act(&mut self, act: &Act) -> reqwest::Result<()> {
        match act {
            Act::Start(_) | Act::Deliver(_) | Act::Rerun => {
                let run = self.begin(self.done).await?;
                self.begun.push((self.done, run));
            }
            Act::Begun(node, times) => self.until(|rows| steps(rows, node).len() >= *times).await?,
            Act::Ended(node) => {
                let ended = |step: &Value| !matches!(step["status"].as_str(), Some("running" | "waiting"));
                self.until(|rows| steps(rows, node).into_iter().any(ended)).await?;
            }
            Act::Ask(what) => self.ask(what).await?,
            Act::Pause => {
                self.ask("pause").await?;
                let path = format!("/runs/{}", self.run());
                while !is_paused(&self.get(&path).await?) {
                    tokio::time::sleep(LOOK).await;
                }
            }
            Act::Answer => {
                let run = self.run().to_owned();
                self.answer(&run).await?;
            }
            Act::None(mark) => assert_eq!(self.world.ledger.calls(&format!("{}.{mark}", self.name)), 0, "{mark}"),
            Act::End(runs) => self.end(*runs).await?,
        }
        Ok(())
    }

    /// The run that an act begins.
    async fn begin(&self, act: usize) -> reqwest::Result<String> {
        match self.case.acts[act] {
            Act::Deliver("schedule") => return self.backfill().await,
            Act::Deliver(kind) => return self.deliver(kind).await,
            _ => {}
        }
        let mut body = match &self.case.acts[act] {
            Act::Start(more) => {
                let mut input = self.input.clone();
                let fields = input.as_object_mut().expect("an object");
                fields.extend(more.as_object().expect("an object").clone());
                json!({"input": input})
            }
            _ => json!({"from_node": "failed", "version": 2}),
        };
        let path = match self.case.acts[act] {
            Act::Start(_) => format!("/workflows/{}/runs", self.workflow),
            _ => format!("/runs/{}/rerun", self.begun[0].1),
        };
        if self.case.mended.is_some() && body["version"].is_null() {
            body["version"] = json!(1);
        }
        let request = self.client.request(Method::POST, &path).header("idempotency-key", format!("{}-{act}", self.name));
        let reply = self.client.try_send(request.json(&body)).await?;
        assert!(matches!(reply.status, 200 | 201), "{}: {:#}", reply.status, reply.body);
        Ok(text(&reply.body["id"]))
    }

    /// The run that a delivery begins, however often it is sent.
    async fn deliver(&self, kind: &str) -> reqwest::Result<String> {
        let triggers = self.get(&format!("/triggers?kind={kind}&workflow_id={}", self.workflow)).await?;
        let token = text(&items(&triggers)[0]["url"]).rsplit('/').next().expect("a token").to_owned();
        let body = json!({"case": self.name, "sender": {"login": "ada"}}).to_string();
        let signature = crate::hooks::github_signature(flowforge_tests::Remote::PASSWORD, body.as_bytes());
        let request = self.client.request(Method::POST, &format!("//hooks/{token}")).body(body);
        let request = request.header("content-type", "application/json").header("idempotency-key", &self.name);
        let request = request.header("x-github-delivery", &self.name).header("x-github-event", "push");
        let reply = self.client.try_send(request.header("x-hub-signature-256", signature)).await?;
        assert_eq!(reply.status, 202, "{:#}", reply.body);
        Ok(text(&reply.body["run_id"]))
    }

    /// The run of a slot, however often it is asked for.
    async fn backfill(&self) -> reqwest::Result<String> {
        let triggers = self.get(&format!("/triggers?kind=schedule&workflow_id={}", self.workflow)).await?;
        let id = text(&items(&triggers)[0]["id"]);
        let new_year = "2026-01-01T00:00:00+01:00";
        let reply = self.post(&format!("/triggers/{id}/backfill"), json!({"from": new_year, "to": new_year})).await?;
        assert_eq!(reply.status, 202, "{:#}", reply.body);
        let deliveries = self.get(&format!("/deliveries?trigger_id={id}")).await?;
        Ok(text(&items(&deliveries)[0]["run_id"]))
    }

    /// The run that was begun last.
    fn run(&self) -> &str {
        &self.begun.last().expect("a run").1
    }

    async fn ask(&self, what: &str) -> reqwest::Result<()> {
        let reply = self.post(&format!("/runs/{}/{what}", self.run()), json!({})).await?;
        assert!(reply.status == 202 || is_late(&reply), "{what}: {}: {:#}", reply.status, reply.body);
        Ok(())
    }

    /// Waits until the rows of the run, and of those that it has started, are as they should be, or it is over.
    async fn until(&self, fits: impl Fn(&Value) -> bool) -> reqwest::Result<()> {
        loop {
            let rows = rows(&self.client, self.run()).await?;
            if fits(&rows) || is_over(&rows["run"]) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn end(&mut self, wanted: usize) -> reqwest::Result<()> {
        loop {
            let roots = self.roots().await?;
            assert!(roots.len() <= wanted, "{wanted} runs are wanted, and there are more: {roots:#?}");
            match roots.iter().find(|run| !is_over(run)) {
                Some(open) => self.follow(&text(&open["id"])).await?,
                None if roots.len() == wanted && self.all_over(&roots).await? => return Ok(()),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Whether everything that these runs have started has ended too: a run that is cancelled asks it to, and does not wait.
    async fn all_over(&self, roots: &[Value]) -> reqwest::Result<bool> {
        for run in roots {
            if !all_over(&rows(&self.client, &text(&run["id"])).await?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Answers what a run asks, to its end.
    async fn follow(&mut self, run: &str) -> reqwest::Result<()> {
        let mut events = Events::try_open(&self.client, run, None).await?;
        while let Some(event) = events.next().await {
            if event.kind == "step_waiting" {
                self.answer(run).await?;
            }
        }
        Ok(())
    }

    /// Answers what the steps of a run wait for.
    async fn answer(&mut self, run: &str) -> reqwest::Result<()> {
        let steps = self.get(&format!("/runs/{run}/steps")).await?;
        for step in items(&steps).iter().filter(|step| step["status"] == "waiting") {
            let node = text(&step["node_id"]);
            let (path, body) = match step["awaiting"]["kind"].as_str() {
                _ if self.answered.contains(&node) => continue,
                Some("signal") => {
                    let path = format!("/runs/{run}/signals/{}", text(&step["awaiting"]["name"]));
                    (path, json!({"amount": 220}))
                }
                Some("approval") => {
                    let asked = self.get("/approvals").await?;
                    let Some(asked) = items(&asked).iter().find(|asked| asked["node_id"] == node.as_str()) else { continue };
                    (format!("/runs/{run}/approvals/{node}"), json!({"decision": "approved", "digest": asked["digest"]}))
                }
                _ => continue,
            };
            let reply = self.post(&path, body).await?;
            assert!(matches!(reply.status, 200 | 202) || is_late(&reply), "{}: {:#}", reply.status, reply.body);
            self.answered.push(node);
        }
        Ok(())
    }

    /// The runs that no step has started.
    async fn roots(&self) -> reqwest::Result<Vec<Value>> {
        Ok(items(&self.get("/runs?limit=200").await?).to_vec())
    }

    async fn get(&self, path: &str) -> reqwest::Result<Value> {
        Ok(self.client.try_send(self.client.request(Method::GET, path)).await?.expect(200))
    }

    async fn post(&self, path: &str, body: Value) -> reqwest::Result<Reply> {
        self.client.try_send(self.client.request(Method::POST, path).json(&body)).await
    }
}

/// Whether what was asked for comes after the end.
fn is_late(reply: &Reply) -> bool {
    reply.status == 409 && matches!(reply.body["code"].as_str(), Some("approval_decided" | "run_finished"))
}

fn is_paused(run: &Value) -> bool {
    run["paused_at"].is_string() || is_over(run)
}

fn all_over(rows: &Value) -> bool {
    is_over(&rows["run"]) && rows["children"].as_array().expect("children").iter().all(|child| all_over(&child["rows"]))
}

/// The steps of a node, in a run and in those that it has started.
fn steps<'v>(rows: &'v Value, node: &str) -> Vec<&'v Value> {
    let own = rows["steps"].as_array().expect("steps").iter().filter(|step| step["node_id"] == node);
    let children = rows["children"].as_array().expect("children").iter();
    own.chain(children.flat_map(|child| steps(&child["rows"], node))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}")).to_owned()
}
