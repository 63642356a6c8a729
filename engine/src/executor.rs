//! The one place that calls a node: resolves its parameters, holds it to its time, masks secrets, and refuses what cannot be
//! stored.

mod mask;
mod storable;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use flowforge_core::{
    Awaiting, Kind, NodeId, RunId, StepIx, Timestamp, WorkflowId, WorkspaceId,
    expression::Expression,
    graph::Param,
    node::{Await, BoxFuture, Context, Evaluate, LogSink, NodeError, Outcome, Stream},
    template::{MissingSecret, Scope, Secrets},
};
use futures::FutureExt;
use serde_json::{Map, Value};

pub(crate) use self::storable::{json_text, storable, text as storable_text};
use self::{
    mask::Mask,
    storable::{DEEPEST, LARGEST},
};
use crate::{
    clock::Clock,
    failpoint::{Point, reached},
    record::effect_key,
};

/// The longest message of an error, in bytes; the rest of a longer one is cut off.
const LONGEST_MESSAGE: usize = 64 * 1024;

/// Calls nodes.
#[derive(Clone)]
pub(crate) struct Executor {
    pub(crate) evaluate: Arc<dyn Evaluate>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) clock: Clock,
}

/// An attempt to be made.
pub(crate) struct Task {
    pub(crate) workspace: WorkspaceId,
    pub(crate) workflow: WorkflowId,
    pub(crate) run: RunId,
    pub(crate) step: StepIx,
    pub(crate) node: NodeId,
    pub(crate) kind: Kind,
    pub(crate) params: Arc<Vec<(String, Param)>>,
    pub(crate) timeout_s: u64,
    pub(crate) attempt: u32,
    pub(crate) woken: Option<Timestamp>,
    pub(crate) input: Arc<Value>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) log: Arc<dyn LogSink>,
}

/// What came of an attempt.
pub(crate) struct Executed {
    pub(crate) step: StepIx,
    pub(crate) attempt: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) finished_at: Timestamp,
    /// The resolved parameters, secrets masked.
    pub(crate) input: Option<Value>,
    pub(crate) result: Result<Outcome, NodeError>,
    /// The output, serialised once.
    pub(crate) output_json: Option<String>,
}

/// What came of an attempt for which no node was called.
pub(crate) fn finished(
    step: StepIx,
    attempt: u32,
    started_at: Timestamp,
    finished_at: Timestamp,
    result: Result<Outcome, NodeError>,
) -> Executed {
    let (result, output_json) = checked(result);
    Executed { step, attempt, started_at, finished_at, input: None, result, output_json }
}

/// Parameters with their values put in.
struct Resolved {
    params: Value,
    shell_values: Vec<(String, String)>,
    mask: Mask,
}

impl Executor {
    /// Makes an attempt. Dropping the future stops it.
    pub(crate) async fn execute(&self, task: Task) -> Executed {
        let started_at = self.clock.now();
        let (input, result) = match self.resolve(&task).await {
            Ok(resolved) => self.call(&task, resolved).await,
            Err(error) => (None, Err(error)),
        };
        let (result, output_json) = checked(result);
        reached(Point::Executed);
        Executed { step: task.step, attempt: task.attempt, started_at, finished_at: self.clock.now(), input, result, output_json }
    }

    async fn call(&self, task: &Task, resolved: Resolved) -> (Option<Value>, Result<Outcome, NodeError>) {
        let Resolved { params, shell_values, mask } = resolved;
        let input = storable::noted(mask.value(params.clone()));
        let cx = Context {
            workspace: task.workspace,
            workflow: task.workflow,
            run: task.run,
            node: task.node.clone(),
            attempt: task.attempt,
            effect_key: if task.kind.spec.pure { Arc::default() } else { effect_key(task.run, &task.node, "").into() },
            input: task.input.clone(),
            scope: task.scope.clone(),
            shell_values,
            woken: task.woken,
            log: if mask.is_empty() {
                task.log.clone()
            } else {
                Arc::new(MaskedLog { log: task.log.clone(), mask: mask.clone() })
            },
        };
        let limit = Duration::from_secs(task.timeout_s);
        let attempt = std::panic::AssertUnwindSafe(task.kind.run(params, &cx)).catch_unwind();
        let result = match tokio::time::timeout(limit, attempt).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(panicked(&task.node, panic.as_ref())),
            Err(_) => {
                Err(NodeError::retry("TIMEOUT", format!("`{}` took longer than its limit of {} s", task.node, task.timeout_s)))
            }
        };
        (Some(input), mask.result(result))
    }

    async fn resolve(&self, task: &Task) -> Result<Resolved, NodeError> {
        let answers = self.answers(task).await?;
        let missing = |fault: MissingSecret| NodeError::fatal("SECRET_MISSING", fault.to_string());
        let mut params = Map::with_capacity(task.params.len());
        let mut shell_values = Vec::new();
        for (name, param) in task.params.iter() {
            let value = match param {
                Param::Script(code) => code.clone(),
                Param::Template(template) => template.render(&task.scope, &answers).map_err(missing)?,
                Param::Shell(template) => {
                    let (text, values) = template.render_shell(&task.scope, &answers).map_err(missing)?;
                    shell_values.extend(values);
                    text
                }
            };
            params.insert(name.clone(), value);
        }
        let mask = Mask::of(task.params.iter().flat_map(|(_, param)| expressions(param)), &*self.secrets);
        Ok(Resolved { params: Value::Object(params), shell_values, mask })
    }

    /// Evaluates what is JavaScript in the templates, each text once.
    async fn answers(&self, task: &Task) -> Result<BTreeMap<String, Value>, NodeError> {
        let mut answers = BTreeMap::new();
        let mut scope = None;
        for expression in task.params.iter().flat_map(|(_, param)| expressions(param)) {
            let Expression::Script(code) = expression else { continue };
            if !answers.contains_key(code) {
                let scope = scope.get_or_insert_with(|| task.scope.to_json());
                answers.insert(code.clone(), self.evaluate.evaluate(code, scope).await?);
            }
        }
        Ok(answers)
    }
}

fn expressions(param: &Param) -> Vec<&Expression> {
    match param {
        Param::Script(_) => Vec::new(),
        Param::Template(template) | Param::Shell(template) => template.expressions(),
    }
}

/// Makes an output storable and refuses one that is too large or too deep.
fn checked(result: Result<Outcome, NodeError>) -> (Result<Outcome, NodeError>, Option<String>) {
    match result {
        Ok(Outcome::Done(output)) if storable::is_too_deep(&output.value) => {
            let message = format!("the output is nested more than {DEEPEST} levels deep: put out less, or a text that holds it");
            (Err(NodeError::fatal("OUTPUT_TOO_DEEP", message)), None)
        }
        Ok(Outcome::Done(mut output)) => {
            if storable::is_unstorable(&output.value) {
                output.value = Arc::new(storable(Arc::unwrap_or_clone(output.value)));
            }
            let json = json_text(&output.value);
            if json.len() > LARGEST {
                let message =
                    format!("the output has {} bytes; the most is {LARGEST}: put out less, or a reference to it", json.len());
                return (Err(NodeError::fatal("OUTPUT_TOO_LARGE", message)), None);
            }
            (Ok(Outcome::Done(output)), Some(json))
        }
        Ok(Outcome::Await(Await { what, until })) => {
            (storable_wait(what).map(|what| Outcome::Await(Await { what, until })), None)
        }
        Err(mut error) => {
            error.message.truncate(error.message.floor_char_boundary(LONGEST_MESSAGE));
            error.message = storable::text(&error.message);
            error.details = storable::noted(error.details);
            (Err(error), None)
        }
        sleep => (sleep, None),
    }
}

/// What is waited for is recorded like an output, and is held to the same limits.
fn storable_wait(what: Awaiting) -> Result<Awaiting, NodeError> {
    let value = serde_json::json!(what);
    if storable::is_too_deep(&value) {
        return Err(NodeError::fatal(
            "OUTPUT_TOO_DEEP",
            format!("what is handed over is nested more than {DEEPEST} levels deep"),
        ));
    }
    let json = json_text(&value);
    if json.len() > LARGEST {
        let message =
            format!("what is handed over has {} bytes; the most is {LARGEST}: hand over less, or references", json.len());
        return Err(NodeError::fatal("OUTPUT_TOO_LARGE", message));
    }
    if !storable::is_unstorable(&value) {
        return Ok(what);
    }
    let unreadable =
        |fault: serde_json::Error| NodeError::fatal("OUTPUT_UNREADABLE", format!("what is handed over cannot be kept: {fault}"));
    serde_json::from_value(storable(value)).map_err(unreadable)
}

fn panicked(node: &NodeId, panic: &(dyn std::any::Any + Send)) -> NodeError {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    NodeError::fatal(
        "NODE_PANICKED",
        format!("`{node}` stopped on a fault in FlowForge itself: {}", text.unwrap_or("no message")),
    )
}

struct MaskedLog {
    log: Arc<dyn LogSink>,
    mask: Mask,
}

impl LogSink for MaskedLog {
    fn line(&self, stream: Stream, text: String) -> BoxFuture<'_, ()> {
        self.log.line(stream, self.mask.text(text))
    }
}
