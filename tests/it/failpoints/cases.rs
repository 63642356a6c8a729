//! A small workflow for every kind of node, mostly an example of `workflows/`, with a mark in the ledger behind it.

mod whole;

use std::sync::OnceLock;

use flowforge_tests::{
    Ledger, Postgres, Remote, chain,
    messages_api::{MessagesApi, Reply, Scenario},
    root,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::acts::Act;

/// What workflows have an effect on.
pub(super) struct World {
    pub(super) ledger: Ledger,
    pub(super) models: MessagesApi,
    remote: OnceCell<Remote>,
    postgres: OnceLock<Postgres>,
}

impl World {
    pub(super) async fn start() -> Self {
        let models = MessagesApi::start(Scenario::of([Reply::text("ok").repeat(-1)])).await;
        Self { ledger: Ledger::start().await, models, remote: OnceCell::new(), postgres: OnceLock::new() }
    }

    /// The remote, for those who need one.
    pub(super) async fn remote(&self) -> &Remote {
        self.remote.get_or_init(Remote::start).await
    }

    /// A database that is not FlowForge's.
    fn postgres(&self) -> &Postgres {
        self.postgres.get_or_init(|| {
            let postgres = Postgres::start();
            postgres.query("create table effects (run text not null)");
            postgres
        })
    }

    /// A node that marks in the ledger that a run has come here; `trigger.case` tells the runs apart.
    fn mark(&self, place: &str) -> Value {
        let url = self.ledger.url(&format!("{{{{ trigger.case }}}}.{place}"));
        json!({"id": "mark", "type": "http.request", "position": {"x": 0, "y": 300}, "params": {"method": "POST", "url": url}})
    }

    /// An example with a mark behind one of its nodes.
    fn marked(&self, file: &str, node: &str) -> Value {
        let mut graph = example(file);
        self.put_behind(&mut graph, node, "mark");
        graph
    }

    fn put_behind(&self, graph: &mut Value, node: &str, place: &str) {
        push(graph, "nodes", self.mark(place));
        push(graph, "edges", json!({"source": node, "target": "mark"}));
    }

    /// A trigger, one node, and a mark.
    fn small(&self, kind: &str, params: Value) -> Value {
        let mark = self.mark("mark")["params"].clone();
        chain(&[("start", "trigger.manual", json!({})), ("it", kind, params), ("mark", "http.request", mark)])
    }
}

/// What is swept.
pub(super) struct Case {
    /// The kinds that it is about.
    pub(super) kinds: &'static [&'static str],
    /// Workflows by name; the last one is run.
    pub(super) workflows: Vec<(&'static str, Value)>,
    /// A second version of the last one; runs are started on the first.
    pub(super) mended: Option<Value>,
    /// What it is started with; `case` is added.
    pub(super) input: Value,
    /// What is asked for.
    pub(super) acts: Vec<Act>,
    /// Places that it has to pass, beside those that every run passes.
    pub(super) passes: &'static [&'static str],
    /// The marks that it leaves in the ledger undisturbed, and how often each.
    pub(super) marks: &'static [(&'static str, usize)],
    /// Marks of which each has to be over before the next is made.
    pub(super) in_turn: &'static [&'static str],
    /// How many effects can be under way at once.
    pub(super) at_once: usize,
    /// How many times of a place are swept at the most, unless all are.
    pub(super) samples: usize,
    /// Whether it needs the remote: `url` and `branch` are added to its input.
    pub(super) pushes: bool,
}

impl Case {
    fn of(kinds: &'static [&'static str], graph: Value) -> Self {
        let (workflows, marks, in_turn) = (vec![("swept", graph)], &[("mark", 1)], &[]);
        let (input, acts, passes) = (json!({}), vec![Act::Start(json!({})), Act::End(1)], &[]);
        Self { kinds, workflows, mended: None, input, acts, passes, marks, in_turn, at_once: 1, samples: 4, pushes: false }
    }

    fn with(self, input: Value) -> Self {
        Self { input, ..self }
    }

    fn passing(self, passes: &'static [&'static str]) -> Self {
        Self { passes, ..self }
    }

    pub(super) fn trigger_manual(world: &World) -> Self {
        let fields = json!({"fields": [{"name": "name", "label": "Name", "type": "text", "default": "Ada"}]});
        let graph = chain(&[("start", "trigger.manual", fields), ("mark", "http.request", world.mark("mark")["params"].clone())]);
        Self::of(&["trigger.manual"], graph)
    }

    /// The case's name comes in the delivery's body.
    fn delivered(world: &World, kind: &'static str, params: Value) -> Self {
        let url = world.ledger.url("{{ trigger.body.case }}.mark");
        let kinds: &[&str] = if kind == "github" { &["trigger.github"] } else { &["trigger.webhook"] };
        let mark = ("mark", "http.request", json!({"method": "POST", "url": url}));
        let case = Self::of(kinds, chain(&[("hook", kinds[0], params), mark]));
        Self { acts: vec![Act::Deliver(kind), Act::End(1)], ..case }.passing(&["delivered", "begun"])
    }

    pub(super) fn trigger_webhook(world: &World) -> Self {
        Self::delivered(world, "webhook", json!({}))
    }

    pub(super) fn trigger_github(world: &World) -> Self {
        Self::delivered(world, "github", json!({"secret": "GIT_PASSWORD", "events": ["push"]}))
    }

    pub(super) fn trigger_schedule(_: &World) -> Self {
        let yearly = ("tick", "trigger.schedule", json!({"cron": "@yearly", "timezone": "Europe/Berlin"}));
        let keep = ("keep", "set", json!({"value": "{{ trigger.scheduled_at }}"}));
        let case = Self::of(&["trigger.schedule"], chain(&[yearly, keep, ("wait", "delay", json!({"seconds": 0.1}))]));
        Self { acts: vec![Act::Deliver("schedule"), Act::End(1)], marks: &[], ..case }.passing(&["begun"])
    }

    pub(super) fn set(world: &World) -> Self {
        Self::of(&["set"], world.marked("hello.json", "greeting")).with(json!({"name": "Ada"}))
    }

    pub(super) fn transform(world: &World) -> Self {
        Self::of(&["transform"], world.marked("hello.json", "shout")).with(json!({"name": "Ada"}))
    }

    pub(super) fn filter(world: &World) -> Self {
        Self::of(&["filter"], world.marked("filter.json", "sum"))
    }

    pub(super) fn condition(world: &World) -> Self {
        let input = json!({"customer": "Ada", "total": 120});
        Self::of(&["condition"], world.marked("branching.json", "receipt")).with(input)
    }

    pub(super) fn switch(world: &World) -> Self {
        Self::of(&["switch"], world.marked("switch.json", "ticket")).with(json!({"kind": "invoice"}))
    }

    /// Each item leaves a mark of its own.
    pub(super) fn map(world: &World) -> Self {
        let mut graph = world.marked("map.json", "sum");
        let body = &mut node(&mut graph, "each")["params"]["body"];
        world.put_behind(body, "line", "item-{{ index }}");
        let marks = &[("item-0", 1), ("item-1", 1), ("item-2", 1), ("mark", 1)];
        Self { marks, at_once: 3, ..Self::of(&["map"], graph) }.passing(&["call", "called", "gather"])
    }

    /// The called workflow leaves a mark of its own.
    pub(super) fn call(world: &World) -> Self {
        let (mut called, mut graph) = (example("hello.json"), world.marked("call.json", "letter"));
        world.put_behind(&mut called, "shout", "called");
        node(&mut graph, "hello")["params"]["input"]["case"] = json!("{{ trigger.case }}");
        node(&mut graph, "letter")["params"]["value"] = json!("{{ steps.hello.output.nonce }}");
        let workflows = vec![("Hello", called), ("swept", graph)];
        let case = Self { workflows, marks: &[("called", 1), ("mark", 1)], ..Self::of(&["call"], json!({})) };
        case.with(json!({"name": "Ada"})).passing(&["call", "called", "gather"])
    }

    pub(super) fn respond(world: &World) -> Self {
        let mut graph = world.marked("respond.json", "pack");
        node(&mut graph, "pack")["params"]["seconds"] = json!(0.1);
        Self::of(&["respond"], graph)
    }

    pub(super) fn delay(world: &World) -> Self {
        Self::of(&["delay"], world.marked("delay.json", "wait")).with(json!({"seconds": 0.3}))
    }

    pub(super) fn wait_signal(world: &World) -> Self {
        let graph = world.small("wait.signal", json!({"name": "go", "timeout_s": 600}));
        Self::of(&["wait.signal"], graph).passing(&["send", "sent", "run-claimed"])
    }

    pub(super) fn approval(world: &World) -> Self {
        let input = json!({"what": "A desk", "amount": 220});
        Self::of(&["approval"], world.marked("approval.json", "book")).with(input).passing(&["send", "sent", "run-claimed"])
    }

    /// Two attempts take effect and lose their answers.
    pub(super) fn http_request(world: &World) -> Self {
        let url = world.ledger.url("{{ trigger.case }}.it?mode=reset");
        let retry = json!({"max_attempts": 2, "backoff": "linear", "initial_ms": 50, "max_ms": 100});
        let params = json!({"method": "POST", "url": url, "+": {"retry": retry, "on_error": "continue"}});
        Self { marks: &[("it", 2), ("mark", 1)], ..Self::of(&["http.request"], world.small("http.request", params)) }
    }

    /// The message is an effect as well, its subject is its key.
    pub(super) fn email_send(world: &World) -> Self {
        let server = json!({"host": "127.0.0.1", "port": world.ledger.mail_port(), "security": "none",
            "user": Ledger::MAIL_USER, "password": "{{ secrets.SMTP_PASSWORD }}"});
        let params = json!({"server": server, "from": "a@example.org", "to": ["b@example.net"], "text": "Hello",
            "subject": "{{ trigger.case }}.it"});
        Self { marks: &[("it", 1), ("mark", 1)], ..Self::of(&["email.send"], world.small("email.send", params)) }
    }

    /// The message is an effect as well.
    pub(super) fn slack_message(world: &World) -> Self {
        let params = json!({"token": "{{ secrets.SLACK_TOKEN }}", "channel": "C123", "text": "Hello",
            "api_url": world.ledger.slack_url("{{ trigger.case }}.it")});
        Self { marks: &[("it", 1), ("mark", 1)], ..Self::of(&["slack.message"], world.small("slack.message", params)) }
    }

    /// A model that answers the same whenever it is asked, though each time is billed.
    pub(super) fn claude_message(world: &World) -> Self {
        let params = json!({"prompt": "Hello", "model": "claude-haiku-5-5", "api_key": "{{ secrets.ANTHROPIC_API_KEY }}"});
        Self { marks: &[("mark", 1)], ..Self::of(&["claude.message"], world.small("claude.message", params)) }
    }

    /// Where Claude Code is not here, what is swept is how the step says so.
    pub(super) fn claude_task(world: &World) -> Self {
        let params = json!({"prompt": "Say ok.", "model": "claude-haiku-5-5", "api_key": "{{ secrets.ANTHROPIC_API_KEY }}"});
        let mut graph = world.small("claude.task", params);
        node(&mut graph, "it")["on_error"] = json!("continue");
        Self { samples: 1, ..Self::of(&["claude.task"], graph) }.passing(&["step-claimed", "report", "reported"])
    }

    pub(super) fn agent_command(world: &World) -> Self {
        let params = json!({"program": "sh", "args": ["-c", "tee -a task.md; wc -l <task.md"], "prompt": "One line."});
        let case = Self::of(&["agent.command"], world.small("agent.command", params));
        Self { samples: 2, ..case }.passing(&["step-claimed", "report", "reported"])
    }

    /// Takes effect in a database, once wherever it dies: how often is part of the mark.
    pub(super) fn postgres_query(world: &World) -> Self {
        let url = world.postgres().url();
        let insert = json!({"mode": "insert", "table": "effects", "values": {"run": "{{ trigger.case }}"}});
        let count = json!({"mode": "query", "sql": "SELECT count(*) AS n FROM effects WHERE run = $1", "parameters": ["{{ trigger.case }}"]});
        let mark = world.mark("effects-{{ steps.count.output.rows[0].n }}")["params"].clone();
        let graph = chain(&[
            ("start", "trigger.manual", json!({})),
            ("it", "postgres.query", json!({"url": url, "statement": insert, "once": true})),
            ("count", "postgres.query", json!({"url": url, "statement": count, "read_only": true})),
            ("mark", "http.request", mark),
        ]);
        Self { marks: &[("effects-1", 1)], ..Self::of(&["postgres.query"], graph) }
    }

    pub(super) fn command(world: &World) -> Self {
        let run = "echo one; echo two >&2; echo three > file; cat file";
        let passes = &["step-claimed", "report", "reported"];
        Self::of(&["command"], world.small("command", json!({"run": run}))).passing(passes)
    }

    pub(super) fn git(world: &World) -> Self {
        let input = json!({"command": "echo 0.3.0 >VERSION", "message": MESSAGE});
        let case = Self::of(&["git.clone", "git.branch", "git.commit", "git.push"], world.marked("git-job.json", "push"));
        Self { pushes: true, samples: 3, ..case }.with(input).passing(&["step-claimed", "report", "reported"])
    }

    /// One commit on an old branch, replayed on `main`: it is the same commit however often it is made.
    pub(super) fn rebase(world: &World) -> Self {
        let credential = format!("{}:{{{{ secrets.GIT_PASSWORD }}}}", Remote::USER);
        let graph = chain(&[
            ("start", "trigger.manual", json!({})),
            ("clone", "git.clone", json!({"url": "{{ trigger.url }}", "branch": "options", "credential": credential})),
            ("branch", "git.branch", json!({"name": "{{ trigger.branch }}"})),
            ("work", "command", json!({"run": "echo one >NOTES"})),
            ("commit", "git.commit", json!({"message": MESSAGE})),
            ("it", "git.rebase", json!({"onto": "main", "test": "test -f VERSION && test -f NOTES", "credential": credential})),
            ("push", "git.push", json!({"branch": "{{ trigger.branch }}", "credential": credential})),
            ("mark", "http.request", world.mark("mark")["params"].clone()),
        ]);
        Self { pushes: true, samples: 3, ..Self::of(&["git.rebase"], graph) }.passing(&["step-claimed", "report", "reported"])
    }
}

/// The commit that is pushed.
pub(super) const MESSAGE: &str = "Release 0.3.0";

fn example(file: &str) -> Value {
    let text = std::fs::read_to_string(root().join("workflows").join(file)).expect("an example");
    let example: Value = serde_json::from_str(&text).expect("a workflow file is JSON");
    example["graph"].clone()
}

fn node<'a>(graph: &'a mut Value, id: &str) -> &'a mut Value {
    let nodes = graph["nodes"].as_array_mut().expect("nodes");
    nodes.iter_mut().find(|node| node["id"] == id).unwrap_or_else(|| panic!("no node {id}"))
}

fn push(graph: &mut Value, list: &str, item: Value) {
    graph[list].as_array_mut().expect("a list").push(item);
}
