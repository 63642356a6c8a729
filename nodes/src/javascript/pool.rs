//! The parent's side: a few children, each lent to one evaluation at a time.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
};

use flowforge_core::node::NodeError;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    sync::Semaphore,
    time::timeout,
};

use super::{
    JavaScriptConfig,
    wire::{FAULT, Fault, VALUE},
};
use crate::spawn::spawn;

/// After so many evaluations a child is replaced, so that nothing that leaks can add up.
const LIFETIME: u32 = 5_000;
/// How much of what a child said before it died is read.
const LAST_WORDS: u64 = 8 << 10;

/// A few children and a place in the queue for each.
#[derive(Debug)]
pub(super) struct Pool {
    config: JavaScriptConfig,
    places: Semaphore,
    idle: Mutex<Vec<Worker>>,
}

/// A child. It is killed when this is dropped, so whoever does not bring it back has stopped it.
#[derive(Debug)]
struct Worker {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    words: ChildStderr,
    left: u32,
}

impl Pool {
    pub(super) fn new(config: JavaScriptConfig) -> Self {
        Self { places: Semaphore::new(config.workers.max(1)), idle: Mutex::default(), config }
    }

    /// Sends a request to a free child; waits for one when all are busy.
    pub(super) async fn evaluate(&self, request: &[u8]) -> Result<Value, NodeError> {
        let _place = self.places.acquire().await.map_err(|_| unavailable(&io::Error::other("the pool is closed")))?;
        if let Some(worker) = self.take() {
            match self.lend(worker, request).await {
                Err(Death::FromOutside) => {}
                Err(Death::ByScript(fault)) => return Err(fault),
                Ok(value) => return value,
            }
        }
        let worker = self.start().await.map_err(|fault| unavailable(&fault))?;
        self.lend(worker, request).await.unwrap_or_else(|death| Err(death.into()))
    }

    async fn lend(&self, mut worker: Worker, request: &[u8]) -> Result<Result<Value, NodeError>, Death> {
        match timeout(self.config.time, worker.ask(request, self.config.output)).await {
            Err(_) => Err(Death::ByScript(self.too_slow())),
            Ok(Err(_)) => Err(self.autopsy(worker).await),
            Ok(Ok(answer)) => {
                self.give_back(worker);
                Ok(read(&answer))
            }
        }
    }

    fn take(&self) -> Option<Worker> {
        // A child may have died while it was idle; it is dropped and the next one taken.
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find_map(|mut worker| matches!(worker.child.try_wait(), Ok(None)).then_some(worker))
    }

    fn give_back(&self, mut worker: Worker) {
        worker.left -= 1;
        if worker.left > 0 {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        }
    }

    async fn start(&self) -> io::Result<Worker> {
        let mut command = Command::new(&self.config.program);
        command.args(&self.config.args).arg(self.config.memory.to_string()).env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(command).await?;
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(to), Some(from), Some(words)) => Ok(Worker { child, to, from, words, left: LIFETIME }),
            _ => Err(io::Error::other("the child has no pipes")),
        }
    }

    fn too_slow(&self) -> NodeError {
        let seconds = self.config.time.as_secs_f64();
        NodeError::fatal("SCRIPT_TIMEOUT", format!("the script was stopped after {seconds} seconds; make it do less"))
    }

    #[cfg(test)]
    pub(super) fn idle_pids(&self) -> Vec<u32> {
        self.idle.lock().unwrap().iter().filter_map(|worker| worker.child.id()).collect()
    }

    /// Why a child died, from its last words and its signal.
    async fn autopsy(&self, mut worker: Worker) -> Death {
        let mut words = Vec::new();
        // A child that closed its pipe but lives on is killed with its handle.
        let seen = timeout(self.config.time, async {
            (&mut worker.words).take(LAST_WORDS).read_to_end(&mut words).await.ok();
            worker.child.wait().await.ok()
        });
        let status = seen.await.ok().flatten();
        let words = String::from_utf8_lossy(&words);
        tracing::debug!(?status, %words, "a JavaScript worker died");
        match status.and_then(|status| status.signal()) {
            Some(libc::SIGKILL) => Death::FromOutside,
            Some(libc::SIGXCPU) => Death::ByScript(self.too_slow()),
            _ => Death::ByScript(self.cause(&words, status)),
        }
    }

    fn cause(&self, words: &str, status: Option<ExitStatus>) -> NodeError {
        let megabytes = self.config.memory >> 20;
        if words.contains("memory allocation of") || words.contains("capacity overflow") {
            return NodeError::fatal("OUT_OF_MEMORY", format!("the script needed more than the {megabytes} MiB it may use"));
        }
        if words.contains("overflowed its stack") {
            return NodeError::fatal("SCRIPT_CRASHED", "the script nested too deeply and overflowed its stack");
        }
        let how = status.map_or_else(|| "without a trace".to_owned(), |status| status.to_string());
        NodeError::fatal("SCRIPT_CRASHED", format!("the script ended its worker ({how}); it was limited to {megabytes} MiB"))
    }
}

/// How a child came to its end.
enum Death {
    /// Somebody killed it, perhaps while it was idle: the script has nothing to do with it.
    FromOutside,
    /// The script did something that ended it.
    ByScript(NodeError),
}

impl From<Death> for NodeError {
    fn from(death: Death) -> Self {
        match death {
            Death::FromOutside => Self::retry("SCRIPT_CRASHED", "the script's worker was killed from outside; try again"),
            Death::ByScript(fault) => fault,
        }
    }
}

impl Worker {
    async fn ask(&mut self, request: &[u8], largest: usize) -> io::Result<Vec<u8>> {
        self.to.write_all(request).await?;
        self.to.flush().await?;
        let length = self.from.read_u32().await? as usize;
        // A fault may be a little longer than the longest value; anything far longer did not come from our code.
        if length == 0 || length > largest + (64 << 10) {
            return Err(io::Error::other("the child's answer has a wrong length"));
        }
        let mut answer = vec![0; length];
        self.from.read_exact(&mut answer).await?;
        Ok(answer)
    }
}

fn read(answer: &[u8]) -> Result<Value, NodeError> {
    let nonsense = || NodeError::fatal("SCRIPT_CRASHED", "the script's worker answered nonsense");
    match answer.split_first() {
        Some((&VALUE, json)) => serde_json::from_slice(json)
            .map_err(|fault| NodeError::fatal("SCRIPT_ERROR", format!("the script's value cannot be taken as JSON: {fault}"))),
        Some((&FAULT, json)) => {
            let fault: Fault = serde_json::from_slice(json).map_err(|_| nonsense())?;
            let details = fault.line.map_or(Value::Null, |line| json!({ "line": line }));
            Err(NodeError { code: fault.code.into(), details, ..NodeError::fatal("SCRIPT_ERROR", fault.message) })
        }
        _ => Err(nonsense()),
    }
}

fn unavailable(fault: &io::Error) -> NodeError {
    NodeError::retry("SCRIPT_UNAVAILABLE", format!("no process could be started for the script: {fault}"))
}
