//! JavaScript that authors wrote, evaluated in child processes.
//!
//! A script can take its whole process down: it may never return from a built-in, overflow the native stack or ask for more
//! memory than there is, and nothing inside an engine stops that. So scripts run in children (`worker`) that the kernel limits
//! and that are killed when they take too long; `pool` keeps a few of them. Plain paths never go there.

mod confine;
mod path;
mod pool;
mod position;
mod script;
mod wire;
pub(crate) mod worker;

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, time::Duration};

use flowforge_core::node::{BoxFuture, Context, Evaluate, NodeError};
use serde::Serialize;
use serde_json::Value;

pub(crate) use self::{path::is_true, wire::Mode};
use self::{pool::Pool, wire::Limits};

/// How scripts are evaluated.
#[derive(Debug, Clone)]
pub struct JavaScriptConfig {
    /// The program that calls `js_worker_main`: usually this one.
    pub program: PathBuf,
    /// What makes it do so, for example `js-worker`.
    pub args: Vec<OsString>,
    /// How many scripts run at the same time; the others wait.
    pub workers: usize,
    /// The longest a script may take.
    pub time: Duration,
    /// The most memory that a child may map, in bytes.
    pub memory: u64,
    /// The longest output, as JSON, in bytes.
    pub output: usize,
}

impl JavaScriptConfig {
    /// The usual limits: as many workers as processors, 10 seconds, 512 MiB, and 8 MiB of output.
    pub fn new(program: impl Into<PathBuf>, args: &[&str]) -> Self {
        Self {
            program: program.into(),
            args: args.iter().map(OsString::from).collect(),
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            time: Duration::from_secs(10),
            memory: 512 << 20,
            output: 8 << 20,
        }
    }
}

/// Evaluates scripts.
#[derive(Debug)]
pub(crate) struct JavaScript {
    pool: Pool,
    limits: Limits,
}

/// The names that a node's script sees.
#[derive(Serialize)]
struct Names<'a> {
    input: &'a Value,
    trigger: &'a Value,
    steps: BTreeMap<&'a str, Step<'a>>,
    run: &'a Value,
    workflow: &'a Value,
    item: Option<&'a Value>,
    index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<&'a [Value]>,
}

#[derive(Serialize)]
struct Step<'a> {
    output: &'a Value,
}

impl JavaScript {
    pub(crate) fn new(config: JavaScriptConfig) -> Self {
        let limits = Limits { seconds: config.time.as_secs() + 1, output: config.output };
        Self { pool: Pool::new(config), limits }
    }

    /// Runs code that sees the names of a node's context.
    pub(crate) async fn run(&self, mode: Mode, code: &str, cx: &Context, items: Option<&[Value]>) -> Result<Value, NodeError> {
        let scope = &cx.scope;
        let steps = scope.steps.iter().map(|(id, output)| (id.as_str(), Step { output }));
        let names = Names {
            input: &cx.input,
            trigger: &scope.trigger,
            steps: steps.collect(),
            run: &scope.run,
            workflow: &scope.workflow,
            item: scope.item.as_deref(),
            index: scope.index,
            items,
        };
        self.send(mode, code, &names).await
    }

    /// The value of an expression: a plain path is followed here, anything more is sent away.
    pub(crate) async fn expression(&self, code: &str, cx: &Context) -> Result<Value, NodeError> {
        let code = path::bare(code);
        match path::follow(code, cx) {
            Some(value) => Ok(value),
            None => self.run(Mode::Expression, code, cx, None).await,
        }
    }

    /// For each item, whether the expression says yes to it.
    pub(crate) async fn keep(&self, code: &str, items: &[Value], cx: &Context) -> Result<Vec<bool>, NodeError> {
        let code = path::bare(code);
        if items.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(kept) = path::of_items(code, items) {
            return Ok(kept);
        }
        let kept = self.run(Mode::Filter, code, cx, Some(items)).await?;
        serde_json::from_value(kept).map_err(|_| NodeError::fatal("SCRIPT_CRASHED", "the script's worker answered nonsense"))
    }

    async fn send(&self, mode: Mode, code: &str, names: &impl Serialize) -> Result<Value, NodeError> {
        if code.trim().is_empty() && mode != Mode::Body {
            return Err(NodeError::fatal("SCRIPT_ERROR", "the expression is empty; write one"));
        }
        let request = wire::request(mode, code, self.limits, names)?;
        self.pool.evaluate(&request).await
    }
}

impl Evaluate for JavaScript {
    fn evaluate<'a>(&'a self, code: &'a str, scope: &'a Value) -> BoxFuture<'a, Result<Value, NodeError>> {
        Box::pin(self.send(Mode::Expression, path::bare(code), scope))
    }
}

#[cfg(test)]
mod tests;
