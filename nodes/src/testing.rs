//! The one way in which the nodes' tests run a node.

pub(crate) mod files;
pub(crate) mod purse;
pub(crate) mod remote;
pub(crate) mod server;
pub(crate) mod smtp;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use flowforge_core::{
    Awaiting, Catalog, NodeId, RunId, Timestamp, WorkflowId, WorkspaceId,
    node::{Await, BoxFuture, Context, LogSink, NodeError, Outcome, Output, Stream, Wake},
    secret::SecretHosts,
    template::{NoSecrets, Scope},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;
use uuid::Uuid;

use self::remote::Remote;
use crate::{Forwarder, JavaScriptConfig, ModelsConfig, SandboxConfig, SandboxPolicy, Services, ServicesConfig, catalog};

/// A node on the bench: give it what it needs, then run it.
#[derive(Clone)]
pub(crate) struct Bench {
    kind: String,
    catalog: Catalog,
    pub(crate) cx: Context,
    pub(crate) log: Arc<Lines>,
}

/// The log lines of a step.
#[derive(Default)]
pub(crate) struct Lines {
    lines: Mutex<Vec<(Stream, String)>>,
    more: Notify,
}

impl LogSink for Lines {
    fn line(&self, stream: Stream, text: String) -> BoxFuture<'_, ()> {
        self.lines.lock().unwrap().push((stream, text));
        self.more.notify_one();
        Box::pin(std::future::ready(()))
    }
}

impl Lines {
    pub(crate) fn all(&self) -> Vec<(Stream, String)> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits until a line was said for the n-th time.
    pub(crate) async fn says(&self, text: &str, times: usize) {
        while self.all().iter().filter(|(_, line)| line == text).count() < times {
            self.more.notified().await;
        }
    }
}

impl Bench {
    pub(crate) fn new(kind: &str) -> Self {
        Self::with(kind, &services())
    }

    pub(crate) fn with(kind: &str, services: &Services) -> Self {
        let log = Arc::new(Lines::default());
        Self { kind: kind.to_owned(), catalog: catalog(services), cx: context(log.clone()), log }
    }

    pub(crate) fn input(mut self, input: Value) -> Self {
        self.cx.input = Arc::new(input);
        self
    }

    /// The fields of which something is wrong, as whoever saves a workflow is told.
    #[track_caller]
    pub(crate) fn problems(&self, params: &Value) -> Vec<String> {
        let problems = self.catalog.get(&self.kind).unwrap().check(params.as_object().unwrap());
        assert!(problems.iter().all(|problem| problem.message.len() > 10), "{problems:?}");
        problems.into_iter().map(|problem| problem.field).collect()
    }

    /// The same run, another step.
    pub(crate) fn next(&self, kind: &str, effect: &str) -> Self {
        let mut next = Self { kind: kind.to_owned(), ..self.clone() };
        next.cx.effect_key = format!("ff-{effect}").into();
        next
    }

    /// Values that a shell parameter refers to.
    pub(crate) fn shell(mut self, values: &[(&str, &str)]) -> Self {
        self.cx.shell_values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self
    }

    /// A secret in the parameters that may only be sent to these hosts.
    pub(crate) fn secret_for(mut self, name: &str, hosts: &[&str]) -> Self {
        self.cx.secret_hosts.bind(name, hosts.iter().map(|host| host.parse().unwrap()).collect());
        self
    }

    pub(crate) fn trigger(self, trigger: Value) -> Self {
        self.scope(|scope| scope.trigger = Arc::new(trigger))
    }

    pub(crate) fn step(self, id: &str, output: Value) -> Self {
        self.scope(|scope| drop(scope.steps.insert(NodeId::from(id), Arc::new(output))))
    }

    /// Inside a map's body.
    pub(crate) fn item(self, item: Value, index: u32) -> Self {
        self.scope(|scope| (scope.item, scope.index) = (Some(Arc::new(item)), Some(index)))
    }

    pub(crate) fn woken(mut self) -> Self {
        self.cx.woken = Some(Timestamp(1));
        self
    }

    fn scope(mut self, change: impl FnOnce(&mut Scope)) -> Self {
        let mut scope = (*self.cx.scope).clone();
        change(&mut scope);
        self.cx.scope = Arc::new(scope);
        self
    }

    pub(crate) async fn run(&self, params: Value) -> Result<Outcome, NodeError> {
        self.catalog.get(&self.kind).unwrap().run(params, &self.cx).await
    }

    /// Runs to the end and compares what is put out.
    pub(crate) async fn done(&self, params: Value, expected: Value) {
        assert_eq!(*self.output(params).await.value, expected);
    }

    /// Runs to the end and compares what is put out and by which port it leaves.
    pub(crate) async fn leaves(&self, params: Value, expected: Value, port: &str) {
        let shown = params.to_string();
        let output = self.output(params).await;
        assert_eq!((&*output.value, output.port.as_deref()), (&expected, Some(port)), "{shown}");
    }

    /// Runs until it waits, and compares for what and how long.
    pub(crate) async fn awaits(&self, params: Value, what: Awaiting, until: Option<Wake>) {
        let shown = params.to_string();
        assert_eq!(self.run(params).await, Ok(Outcome::Await(Await { what, until })), "{shown}");
    }

    pub(crate) async fn output(&self, params: Value) -> Output {
        let shown = params.to_string();
        match self.run(params).await {
            Ok(Outcome::Done(output)) => output,
            other => panic!("{} {shown}: {other:?}", self.kind),
        }
    }

    /// Runs into an error with this code and with these words in its message.
    pub(crate) async fn fails(&self, params: Value, code: &str, words: &str) -> NodeError {
        let shown: String = params.to_string().chars().take(200).collect();
        match self.run(params).await {
            Err(fault) if fault.code == code && fault.message.contains(words) => fault,
            other => panic!("{} {shown} should fail with {code} …{words}…: {other:?}", self.kind),
        }
    }
}

/// Services with the usual limits and no way to private networks.
pub(crate) fn services() -> Services {
    allowing("")
}

/// Services that may reach the given networks.
pub(crate) fn allowing(networks: &str) -> Services {
    allowing_in(networks, work_dir())
}

/// The same with work trees elsewhere.
pub(crate) fn allowing_in(networks: &str, work_dir: PathBuf) -> Services {
    Services::new(ServicesConfig { work_dir, ..config(networks, ModelsConfig::new(None, None, None).unwrap()) })
}

/// Services that may reach the given networks and ask models there.
pub(crate) fn asking(networks: &str, models: ModelsConfig) -> Services {
    Services::new(config(networks, models))
}

/// Services that may reach this machine, of an operator who lists the branches that are pushed to.
pub(crate) fn pushing(branches: &str) -> Services {
    let config = config("127.0.0.0/8", ModelsConfig::new(None, None, None).unwrap());
    Services::new(ServicesConfig { push: branches.parse().unwrap(), ..config })
}

/// How such services are made.
pub(crate) fn config(networks: &str, models: ModelsConfig) -> ServicesConfig {
    ServicesConfig {
        javascript: JavaScriptConfig::new(worker(), &[]),
        egress: networks.parse().unwrap(),
        sandbox: SandboxConfig { forwarder: Some(forwarder()), ..SandboxConfig::new(SandboxPolicy::Bubblewrap) },
        work_dir: work_dir(),
        own_database: None,
        own_redis: None,
        models,
        push: crate::PushPolicy::default(),
        claude: flowforge_tests::claude().map(PathBuf::from),
    }
}

/// What leads from a sandbox to a proxy; cargo builds it beside the tests.
fn forwarder() -> Forwarder {
    Forwarder { program: worker().with_file_name("flowforge-sandbox-forward"), args: Vec::new() }
}

/// Names the folder of another test process, which that process then uses.
pub(crate) const WORK_DIR: &str = "FLOWFORGE_TEST_WORK_DIR";

/// A folder for this test process: its tests share it, and tell their files apart by their runs.
pub(crate) fn work_dir() -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let own = || FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path().to_owned();
    std::env::var_os(WORK_DIR).map_or_else(own, PathBuf::from).join("work")
}

/// A step of this kind in a run that has cloned the remote.
pub(crate) async fn cloned(kind: &str, remote: &Remote) -> Bench {
    let bench = Bench::with("git.clone", &allowing("127.0.0.0/8"));
    bench.output(json!({"url": remote.url()})).await;
    bench.next(kind, kind)
}

/// Where the files of a bench's run lie.
pub(crate) fn tree_of(bench: &Bench) -> PathBuf {
    work_dir().join(bench.cx.run.to_string()).join("tree")
}

/// What git says in a work tree, run as a person would.
pub(crate) fn git_in(tree: &Path, args: &str) -> String {
    let mut command = std::process::Command::new("git");
    command.args(args.split(' ')).env("GIT_DIR", tree.join(".git")).env("GIT_WORK_TREE", tree).current_dir(tree);
    let done = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(done.status.success(), "git {args}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// The JavaScript worker, which cargo builds beside the tests.
pub(crate) fn worker() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("flowforge-js-worker");
    assert!(program.exists(), "build it first: cargo build -p flowforge-nodes --bins");
    program
}

fn context(log: Arc<Lines>) -> Context {
    static RUNS: AtomicU64 = AtomicU64::new(1);
    let run = RunId::new(Uuid::from_u128(RUNS.fetch_add(1, Ordering::Relaxed).into()));
    let scope = Scope {
        trigger: Arc::new(Value::Null),
        steps: [].into(),
        run: Arc::new(json!({"id": run.to_string()})),
        workflow: Arc::new(json!({})),
        item: None,
        index: None,
        secrets: Arc::new(NoSecrets),
    };
    Context {
        workspace: WorkspaceId::new(Uuid::from_u128(1)),
        workflow: WorkflowId::new(Uuid::from_u128(2)),
        run,
        depth: 0,
        node: NodeId::from("node"),
        attempt: 1,
        effect_key: "ff-00000000-0000-5000-8000-000000000001".into(),
        input: Arc::new(Value::Null),
        scope: Arc::new(scope),
        shell_values: Vec::new(),
        secret_hosts: SecretHosts::default(),
        woken: None,
        awaited: None,
        log,
        purse: Arc::new(flowforge_core::money::Unmetered),
        answers: Arc::new(flowforge_core::cache::Forgetful),
        conflicts: Arc::new(flowforge_core::conflict::Unrecorded),
        files: Arc::new(flowforge_core::files::Unkept),
    }
}
