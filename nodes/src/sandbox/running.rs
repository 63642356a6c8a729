//! A command that runs, and its end.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    pin::Pin,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use flowforge_core::node::NodeError;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    task::AbortHandle,
};

use super::{cgroup::Cgroup, disk, docker::Container};
use crate::spawn::{Group, Started, die_with_parent, spawn_group};

/// What a command writes, as it writes it.
pub(crate) type Output = Pin<Box<dyn AsyncRead + Send>>;

/// A command that runs. Dropping it ends it and everything that it started.
///
/// Both streams must be read, or taken and dropped, else a command that writes much waits for its reader forever.
pub(crate) struct Running {
    /// To be taken by who reads it.
    pub(crate) stdout: Option<Output>,
    /// To be taken by who reads it.
    pub(crate) stderr: Option<Output>,
    what: What,
    cgroup: Option<Cgroup>,
    watch: Option<AbortHandle>,
    /// What it held when it was ended for holding too much, in bytes.
    held: Arc<OnceLock<u64>>,
    disk: u64,
}

enum What {
    Process(Process),
    Container(Container),
}

struct Process {
    child: Child,
    /// Its process group. In a sandbox, those that make it; without one, whoever stays in it.
    group: Arc<Mutex<Group>>,
    is_plain: bool,
}

/// What a command may use, and how it is kept to it.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    pub(super) cgroup: Option<Cgroup>,
    /// What the folders may hold together, in bytes.
    pub(super) disk: u64,
    /// The folders that it can write; none where nothing is measured.
    pub(super) folders: Vec<PathBuf>,
}

impl Running {
    pub(super) async fn plain(mut command: Command, stdin: Vec<u8>, bounds: Bounds) -> io::Result<Self> {
        die_with_parent(&mut command);
        let mut started = spawn_group(command).await?;
        feed(started.child.stdin.take(), stdin);
        Ok(Self::process(started, true, bounds))
    }

    /// Starts a sandbox and shakes hands with the process inside.
    ///
    /// Until its first process says that it is there, a sandbox that loses its maker would be stuck or, worse, go on alone. So that
    /// process waits for a word from here: whoever dies or loses interest before has never said it, and what comes after is ended
    /// by the kernel.
    pub(super) async fn sandboxed(mut command: Command, stdin: Vec<u8>, bounds: Bounds) -> io::Result<Self> {
        command.stdin(Stdio::piped());
        let mut started = spawn_group(command).await?;
        let word = started.child.stdin.take();
        let mut running = Self::process(started, false, bounds);
        if let (Some(mut word), Some(out)) = (word, &mut running.stdout) {
            if out.read_exact(&mut [0]).await.is_err() {
                return Err(running.what_it_said().await);
            }
            word.write_all(b"go\n").await?;
            feed(Some(word), stdin);
        }
        Ok(running)
    }

    /// A container that was started.
    pub(super) fn contained(mut container: Container, bounds: Bounds) -> Self {
        let (stdout, stderr) = container.take_output().unzip();
        Self::new(stdout, stderr, What::Container(container), bounds)
    }

    fn process(started: Started, is_plain: bool, bounds: Bounds) -> Self {
        let Started { mut child, group } = started;
        let stdout = child.stdout.take().map(|from| Box::pin(from) as Output);
        let stderr = child.stderr.take().map(|from| Box::pin(from) as Output);
        let group = Arc::new(Mutex::new(group));
        Self::new(stdout, stderr, What::Process(Process { child, group, is_plain }), bounds)
    }

    fn new(stdout: Option<Output>, stderr: Option<Output>, what: What, bounds: Bounds) -> Self {
        let Bounds { cgroup, disk, folders } = bounds;
        let mut running = Self { stdout, stderr, what, cgroup, watch: None, held: Arc::default(), disk };
        if !folders.is_empty() {
            running.watch(folders);
        }
        running
    }

    /// Ends the command when its folders hold too much.
    fn watch(&mut self, folders: Vec<PathBuf>) {
        let (end, held, disk) = (self.what.ender(), self.held.clone(), self.disk);
        let watching = tokio::spawn(async move {
            let size = disk::exceeds(folders, disk).await;
            held.set(size).ok();
            end();
        });
        self.watch = Some(watching.abort_handle());
    }

    /// Waits for its end: the exit code as shells count, 128 and the signal's number for a command that was killed. It may be called
    /// again, and while the streams are read; whoever stops waiting loses nothing.
    pub(crate) async fn wait(&mut self) -> io::Result<i32> {
        let code = match &mut self.what {
            What::Container(container) => container.wait().await?,
            What::Process(process) => {
                let status = process.child.wait().await?;
                status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
            }
        };
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
        Ok(code)
    }

    /// After its end: which limit it was ended for, if it was.
    pub(crate) fn breach(&self) -> Option<NodeError> {
        if let Some(held) = self.held.get() {
            let message = format!(
                "the command was ended since its files took {} MiB of disk and {} are allowed; write less, or let the operator \
                 raise FLOWFORGE_SANDBOX_DISK_MB",
                held >> 20,
                self.disk >> 20
            );
            return Some(NodeError::fatal("SANDBOX_DISK_FULL", message));
        }
        let contained = matches!(&self.what, What::Container(container) if container.out_of_memory);
        let memory = contained || self.cgroup.as_ref().is_some_and(Cgroup::ran_out_of_memory);
        memory.then(|| {
            let message = "something in the command was ended since all of it together took more memory than is allowed; use \
                           less, or let the operator raise FLOWFORGE_SANDBOX_MEMORY_MB";
            NodeError::fatal("SANDBOX_OUT_OF_MEMORY", message)
        })
    }

    #[cfg(test)]
    pub(super) fn lose_connection(&mut self) {
        if let What::Container(container) = &mut self.what {
            container.lose_connection();
        }
    }

    /// Whether it runs without a sandbox.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(&self.what, What::Process(process) if process.is_plain)
    }

    /// Ends it and everything that it started.
    pub(crate) fn end(&mut self) {
        self.what.ender()();
    }

    async fn what_it_said(&mut self) -> io::Error {
        let mut words = Vec::new();
        if let Some(from) = self.stderr.take() {
            from.take(4 << 10).read_to_end(&mut words).await.ok();
        }
        let words = String::from_utf8_lossy(&words);
        io::Error::other(words.lines().next().unwrap_or("the sandbox could not be made").to_owned())
    }
}

/// Feeds a command apart from whoever reads what it writes, so that neither waits for the other. It ends with the command, which
/// may read as much of it as it likes.
fn feed(to: Option<ChildStdin>, stdin: Vec<u8>) {
    if let (Some(mut to), false) = (to, stdin.is_empty()) {
        tokio::spawn(async move { to.write_all(&stdin).await.ok() });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
    }
}

impl What {
    /// What ends it from elsewhere.
    fn ender(&self) -> Box<dyn Fn() + Send + Sync> {
        match self {
            Self::Container(container) => Box::new(container.ender()),
            Self::Process(process) => {
                let group = process.group.clone();
                Box::new(move || locked(&group).end())
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut group = locked(&self.group);
        // Of a sandbox that has ended nothing is left.
        if !self.is_plain && self.child.id().is_none() {
            group.forget();
        }
        // Not left to the watch, which may hold it for a moment longer.
        group.end();
    }
}

/// A number can be read whatever happened to who held it.
fn locked(group: &Mutex<Group>) -> MutexGuard<'_, Group> {
    group.lock().unwrap_or_else(PoisonError::into_inner)
}
