//! The one place that calls a node: resolves its parameters, holds it to its time, masks secrets, and refuses what cannot be
//! stored.

mod checked;
mod mask;
mod opened;
mod storable;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use flowforge_core::{
    Awaiting, Kind, NodeId, RunId, StepIx, Timestamp, WorkflowId, WorkspaceId,
    cache::Answers,
    conflict::{Conflicts, Unrecorded},
    expression::Expression,
    files::{Files, Unkept},
    graph::Param,
    node::{Context, Evaluate, LogSink, NodeError, Outcome},
    secret::SecretHosts,
    template::{MissingSecret, Scope},
};
use futures::FutureExt;
use serde_json::{Map, Value};

pub(crate) use self::mask::Mask;
use self::mask::MaskedLog;
pub(crate) use self::storable::{DEEPEST, is_too_deep, json_text, roughly, storable, storable_input, text as storable_text};
use crate::{
    answers::KeptAnswers,
    blob::Blobs,
    clock::{self, Clock},
    conflicts::StepConflicts,
    failpoint::{Point, reached},
    files::StepFiles,
    money::{Ledger, StepPurse},
    queue::StepRef,
    record::effect_key,
    secrets::{Found, Vault},
    store::{Store, money::Asked},
};

/// The longest message of an error, in bytes; the rest of a longer one is cut off.
const LONGEST_MESSAGE: usize = 64 * 1024;

/// Calls nodes.
#[derive(Clone)]
pub(crate) struct Executor {
    pub(crate) evaluate: Arc<dyn Evaluate>,
    pub(crate) vault: Vault,
    pub(crate) blobs: Blobs,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) ledger: Ledger,
}

/// An attempt to be made.
pub(crate) struct Task {
    pub(crate) workspace: WorkspaceId,
    pub(crate) workflow: WorkflowId,
    pub(crate) run: RunId,
    /// How many runs stand above it.
    pub(crate) depth: u32,
    pub(crate) step: StepIx,
    pub(crate) node: NodeId,
    pub(crate) kind: Kind,
    pub(crate) params: Arc<Vec<(String, Param)>>,
    /// The secrets that the run's version names anywhere.
    pub(crate) secrets: Arc<BTreeSet<String>>,
    pub(crate) timeout_s: u64,
    pub(crate) attempt: u32,
    /// The lease under which it is executed, if it is dispatched.
    pub(crate) lease: Option<(StepRef, i64)>,
    pub(crate) woken: Option<Timestamp>,
    pub(crate) awaited: Option<Arc<Awaiting>>,
    /// As it is kept.
    pub(crate) input: Arc<Value>,
    /// As it is kept.
    pub(crate) scope: Arc<Scope>,
    /// Whether what is kept is what users wrote: nothing lies elsewhere.
    pub(crate) plain: bool,
    /// The input as it is kept, where it lay elsewhere and was fetched.
    pub(crate) kept_input: Option<Arc<Value>>,
    pub(crate) log: Arc<dyn LogSink>,
}

impl Task {
    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.params.iter().flat_map(|(_, param)| expressions(param))
    }
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

/// What came of an attempt for which no node was called. `output_json` is its output as it is kept.
pub(crate) fn finished(
    step: StepIx,
    attempt: u32,
    started_at: Timestamp,
    finished_at: Timestamp,
    result: Result<(Outcome, String), NodeError>,
) -> Executed {
    let (result, output_json) = match result {
        Ok((outcome, json)) => (Ok(outcome), Some(json)),
        Err(error) => (Err(checked::told(error)), None),
    };
    Executed { step, attempt, started_at, finished_at, input: None, result, output_json }
}

/// Parameters with their values put in.
struct Resolved {
    params: Value,
    shell_values: Vec<(String, String)>,
    secret_hosts: SecretHosts,
    mask: Mask,
}

impl Executor {
    /// Makes an attempt. Dropping the future stops it.
    pub(crate) async fn execute(&self, mut task: Task) -> Executed {
        let started_at = self.clock.now();
        // What is fetched is held until the attempt has ended.
        let opened = if task.plain { None } else { Some(self.opened(&mut task).boxed().await) };
        let (input, result) = match opened {
            Some(Err(error)) => (None, Err(error)),
            Some(Ok(_)) | None => match self.resolve(&task).await {
                Ok(resolved) => self.call(&task, resolved).await,
                Err(error) => (None, Err(error)),
            },
        };
        let (result, output_json) = self.checked(&task, result).await;
        reached(Point::Executed);
        Executed { step: task.step, attempt: task.attempt, started_at, finished_at: self.clock.now(), input, result, output_json }
    }

    /// Where its files are kept; only a dispatched step has any.
    fn files(&self, task: &Task) -> Arc<dyn Files> {
        let Some((step, epoch)) = task.lease.clone() else { return Arc::new(Unkept) };
        let (store, blobs, workspace) = (self.store.clone(), self.blobs.clone(), task.workspace);
        Arc::new(StepFiles { store, blobs, workspace, step, epoch })
    }

    /// Where its conflicts are written down; only a dispatched step has any.
    fn conflicts(&self, task: &Task, mask: &Mask) -> Arc<dyn Conflicts> {
        if task.lease.is_none() {
            return Arc::new(Unrecorded);
        }
        let (workspace, run, node) = (task.workspace, task.run, task.node.clone());
        Arc::new(StepConflicts { store: self.store.clone(), workspace, run, node, mask: mask.clone() })
    }

    async fn call(&self, task: &Task, resolved: Resolved) -> (Option<Value>, Result<Outcome, NodeError>) {
        let Resolved { params, shell_values, secret_hosts, mask } = resolved;
        let input = storable::noted(mask.value(params.clone()));
        let purse = self.purse(task, &mask);
        let cx = Context {
            workspace: task.workspace,
            workflow: task.workflow,
            run: task.run,
            depth: task.depth,
            node: task.node.clone(),
            attempt: task.attempt,
            effect_key: if task.kind.spec.pure { Arc::default() } else { effect_key(task.run, &task.node, "").into() },
            input: task.input.clone(),
            scope: task.scope.clone(),
            shell_values,
            secret_hosts,
            woken: task.woken,
            awaited: task.awaited.clone(),
            purse: Arc::new(purse.clone()),
            answers: self.remembered(task),
            conflicts: self.conflicts(task, &mask),
            files: self.files(task),
            log: if mask.is_empty() { task.log.clone() } else { Arc::new(MaskedLog::new(task.log.clone(), mask.clone())) },
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
        purse.close().await;
        (Some(input), mask.result(result))
    }

    /// What models have answered before in the attempt's workspace.
    fn remembered(&self, task: &Task) -> Arc<dyn Answers> {
        Arc::new(KeptAnswers { store: self.store.clone(), workspace: task.workspace })
    }

    /// What this execution pays from. Another execution of the same attempt pays from another one.
    fn purse(&self, task: &Task, mask: &Mask) -> StepPurse {
        let who = Asked {
            workspace: task.workspace,
            workflow: task.workflow,
            run: task.run,
            node: task.node.clone(),
            attempt: task.attempt,
            holder: clock::new_uuid(),
            worker: self.ledger.worker,
        };
        StepPurse::new(self.ledger.clone(), who, mask.clone())
    }

    async fn resolve(&self, task: &Task) -> Result<Resolved, NodeError> {
        let answers = self.answers(task).await?;
        let used: BTreeSet<String> = task.expressions().filter_map(Expression::secret).map(str::to_owned).collect();
        let found = self.secrets(task, &used).await?;
        let (secret_hosts, mask) = (found.hosts(&used)?, Mask::of(found.values()));
        let scope = if used.is_empty() { None } else { Some(Scope { secrets: Arc::new(found), ..(*task.scope).clone() }) };
        let scope = scope.as_ref().unwrap_or(&task.scope);
        let missing = |fault: MissingSecret| NodeError::fatal("SECRET_NOT_FOUND", fault.to_string());
        let mut params = Map::with_capacity(task.params.len());
        let mut shell_values = Vec::new();
        for (name, param) in task.params.iter() {
            let value = match param {
                Param::Script(code) => code.clone(),
                Param::Template(template) => template.render(scope, &answers).map_err(missing)?,
                Param::Shell(template) => {
                    let (text, values) = template.render_shell(scope, &answers).map_err(missing)?;
                    shell_values.extend(values);
                    text
                }
            };
            params.insert(name.clone(), value);
        }
        Ok(Resolved { params: Value::Object(params), shell_values, secret_hosts, mask })
    }

    /// Those that the parameters name and, for what can come across the others too, all that the version names: what one step has
    /// sent out or written down another one may read.
    async fn secrets(&self, task: &Task, used: &BTreeSet<String>) -> Result<Found, NodeError> {
        let asked = if task.kind.spec.pure { used } else { &task.secrets };
        if asked.is_empty() {
            return Ok(Found::default());
        }
        self.vault.found_at_last(task.workspace, asked.clone()).await
    }

    /// Evaluates what is JavaScript in the templates, each text once.
    async fn answers(&self, task: &Task) -> Result<BTreeMap<String, Value>, NodeError> {
        let mut answers = BTreeMap::new();
        let mut scope = None;
        for expression in task.expressions() {
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

fn panicked(node: &NodeId, panic: &(dyn std::any::Any + Send)) -> NodeError {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    NodeError::fatal(
        "NODE_PANICKED",
        format!("`{node}` stopped on a fault in FlowForge itself: {}", text.unwrap_or("no message")),
    )
}
