//! The node contract: what a kind says of itself, what it is given, and what it answers.

use std::{borrow::Cow, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    awaiting::Awaiting,
    cache::Answers,
    conflict::Conflicts,
    files::Files,
    id::{NodeId, RunId, WorkflowId, WorkspaceId},
    money::Purse,
    params::ParamsProblem,
    secret::SecretHosts,
    template::Scope,
    time::Timestamp,
};

/// The port by which a step that failed for good leaves, when an edge is drawn from it. Every kind has it.
pub const ERROR_PORT: &str = "error";

/// A future on the heap, as trait objects need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A kind of node: one file in `nodes/src` and one line in its catalogue.
pub trait Node: Send + Sync + 'static {
    /// What the kind says of itself.
    const SPEC: NodeSpec;
    /// The parameters: serde checks them, their schema draws the form, their doc comments are the help texts.
    type Params: DeserializeOwned + JsonSchema + Send;

    /// Does the work of one attempt. Dropping the future cancels it, so it must leave nothing running behind.
    fn run(&self, params: Self::Params, cx: &Context) -> impl Future<Output = Result<Outcome, NodeError>> + Send;

    /// What is wrong with parameters that fit the schema and hold no templates, beyond what a schema can say.
    fn check(params: &Self::Params) -> Vec<ParamsProblem> {
        let _ = params;
        Vec::new()
    }

    /// The JSON Schema of what the node puts out; anything when the kind cannot say.
    fn output_schema() -> Value {
        Value::Bool(true)
    }
}

/// What a kind says of itself: the palette, the form and the planner read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeSpec {
    /// The kind's name, for example `http.request`.
    pub kind: &'static str,
    /// What the palette shows.
    pub title: &'static str,
    /// One sentence: what the node does.
    pub description: &'static str,
    /// The palette's section.
    pub group: Group,
    /// The name of a Tabler icon.
    pub icon: &'static str,
    /// The output ports; the first one is taken by an edge that names none.
    pub ports: &'static [&'static str],
    /// Ports that are taken only when an edge leaves by them; without one the step leaves by its first port.
    pub side_ports: &'static [&'static str],
    /// Where its steps are executed.
    pub lane: Lane,
    /// No effect, and the same output for the same input: running it again after a crash is harmless.
    pub pure: bool,
    /// An array parameter whose objects' `port` fields are further output ports, for example `cases`.
    pub ports_from: Option<&'static str>,
    /// A parameter that holds a graph of its own, for example `body`: its templates are resolved where it runs.
    pub body: Option<&'static str>,
    /// Whether what it does is in the files of its run, so that another run cannot take it over.
    pub leaves_files: bool,
    /// Whether its output is what whoever started the run is answered with, at once: `{status, headers, body}`.
    pub responds: bool,
    /// Parameters that are JavaScript or SQL and not templates, for example `code`: `{{` has no meaning in them. A path leads
    /// into a parameter, for example `statements.*.sql`.
    pub scripts: &'static [&'static str],
    /// Parameters that are shell: the values of their `{{ … }}` arrive as environment variables, never as text.
    pub shell: &'static [&'static str],
    /// The longest an attempt may take when its author gives no limit, in seconds.
    pub timeout_s: u64,
}

impl NodeSpec {
    /// A pure data node with one port `out`: what most kinds differ from in a field or two.
    pub const BASE: Self = Self {
        kind: "",
        title: "",
        description: "",
        group: Group::Data,
        icon: "box",
        ports: &["out"],
        side_ports: &[],
        ports_from: None,
        body: None,
        leaves_files: false,
        responds: false,
        lane: Lane::Inline,
        pure: false,
        scripts: &[],
        shell: &[],
        timeout_s: 60,
    };

    /// The paths of scripts inside a parameter.
    pub(crate) fn scripts_in(&self, name: &str) -> Vec<&'static str> {
        self.scripts.iter().filter_map(|path| path.strip_prefix(name)?.strip_prefix('.')).collect()
    }

    /// Whether the node begins a run instead of taking part in it.
    pub fn is_trigger(&self) -> bool {
        self.group == Group::Triggers
    }
}

/// The palette's sections, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// What begins a run.
    Triggers,
    /// What computes.
    Data,
    /// What waits.
    Wait,
    /// What acts on the world.
    Effects,
    /// What acts on a repository.
    Git,
    /// What lets a model act.
    Agent,
}

/// Where steps are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Inside the run's owner, many at once: cheap steps.
    Inline,
    /// On any worker that offers the lane, with a lease of its own: heavy steps.
    Dispatched,
}

/// What an attempt is given beside its parameters.
#[derive(Clone)]
pub struct Context {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The run.
    pub run: RunId,
    /// How many runs stand above this one: calls, items, and hops over other servers.
    pub depth: u32,
    /// The node.
    pub node: NodeId,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The same for all attempts of this step, sent with every effect: `ff-` and a UUID. Empty for a pure kind, which has none.
    pub effect_key: Arc<str>,
    /// The predecessor's output, an object by node id when there are several, the run's input when there is none.
    pub input: Arc<Value>,
    /// What expressions can see.
    pub scope: Arc<Scope>,
    /// The values of the templates in shell parameters, by the name of their environment variable.
    pub shell_values: Vec<(String, String)>,
    /// Where the secrets in its parameters may be sent; ask with [`Context::check_secret_host`].
    pub secret_hosts: SecretHosts,
    /// Until when this attempt has slept, if it asked to sleep and was woken.
    pub woken: Option<Timestamp>,
    /// What this attempt has waited for, if it waited and was called again.
    pub awaited: Option<Arc<Awaiting>>,
    /// Where its log lines go.
    pub log: Arc<dyn LogSink>,
    /// Who pays for its turns with models.
    pub purse: Arc<dyn Purse>,
    /// What models have answered before in its workspace.
    pub answers: Arc<dyn Answers>,
    /// Where the conflicts that it meets are written down.
    pub conflicts: Arc<dyn Conflicts>,
    /// Where the files of its run are kept.
    pub files: Arc<dyn Files>,
}

impl Context {
    /// Refuses a host that a secret in this attempt's parameters may not be sent to. Every node that sends parameters anywhere asks
    /// before it dials, and again for each redirect; the host is a URL's, without port.
    ///
    /// # Errors
    /// `SECRET_HOST_DENIED`.
    pub fn check_secret_host(&self, host: &str) -> Result<(), NodeError> {
        self.secret_hosts.check(host)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({} {} attempt {})", self.run, self.node, self.attempt)
    }
}

/// Takes a step's log lines. Waits when the reader is slower than the writer, and never fails the step.
pub trait LogSink: Send + Sync {
    /// Takes one line, without its line feed.
    fn line(&self, stream: Stream, text: String) -> BoxFuture<'_, ()>;
}

/// Evaluates JavaScript, out of this process and under limits: what `{{ … }}` holds when it is more than a plain path.
pub trait Evaluate: Send + Sync {
    /// The value of an expression whose names are the fields of `scope`.
    fn evaluate<'a>(&'a self, code: &'a str, scope: &'a Value) -> BoxFuture<'a, Result<Value, NodeError>>;
}

/// Where a log line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// The program's standard output.
    Stdout,
    /// The program's standard error.
    Stderr,
    /// FlowForge itself.
    System,
}

impl Stream {
    /// The word used in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::System => "system",
        }
    }
}

/// How an attempt ended well, or why it pauses.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The step is complete.
    Done(Output),
    /// Call the node again, with `woken` set, when the time has come. Holds no worker meanwhile.
    Sleep(Wake),
    /// Wait for something from outside the run. Holds no worker meanwhile.
    Await(Await),
}

/// What an attempt waits for, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Await {
    /// What completes the step when it comes.
    pub what: Awaiting,
    /// When the node is called again, with `woken` set, if it has not come by then.
    pub until: Option<Wake>,
}

impl Outcome {
    /// Completes with a value on the first port.
    pub fn done(value: impl Into<Value>) -> Self {
        Self::Done(Output { value: Arc::new(value.into()), port: None })
    }

    /// Completes with the step's own input, unchanged and uncopied, on the given port.
    pub fn pass(cx: &Context, port: Option<&'static str>) -> Self {
        Self::Done(Output { value: cx.input.clone(), port: port.map(Cow::Borrowed) })
    }

    /// Completes with a value on the given port.
    pub fn on_port(value: impl Into<Value>, port: &'static str) -> Self {
        Self::Done(Output { value: Arc::new(value.into()), port: Some(Cow::Borrowed(port)) })
    }
}

/// What a completed step puts out.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The value that successors see.
    pub value: Arc<Value>,
    /// The port by which it leaves; the first one when absent.
    pub port: Option<Cow<'static, str>>,
}

/// When a sleeping step is to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// So long after now.
    After(Duration),
    /// At this time.
    At(Timestamp),
}

/// Why an attempt failed, and whether another one makes sense.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct NodeError {
    /// A stable word in capitals, for example `NETWORK_ERROR`.
    pub code: Cow<'static, str>,
    /// What happened, where, and what to do.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// The shortest wait that the other side asked for, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What else is known, for example a response body.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

impl NodeError {
    /// A failure that may pass: another attempt makes sense.
    pub fn retry(code: &'static str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), retryable: true, retry_after_ms: None, details: Value::Null }
    }

    /// A failure that will not pass by itself.
    pub fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        Self { retryable: false, ..Self::retry(code, message) }
    }

    /// Adds what else is known.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// Adds the wait that the other side asked for.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after_ms = u64::try_from(wait.as_millis()).ok();
        self
    }
}
