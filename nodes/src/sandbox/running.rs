//! A command that runs, and its end.

use std::{io, os::unix::process::ExitStatusExt, pin::Pin, process::Stdio};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
};

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
    child: Child,
    /// Its process group. In a sandbox, those that make it; without one, whoever stays in it.
    group: Group,
    is_plain: bool,
}

impl Running {
    pub(super) async fn plain(mut command: Command, stdin: Vec<u8>) -> io::Result<Self> {
        die_with_parent(&mut command);
        let mut running = Self::new(spawn_group(command).await?, true);
        feed(running.child.stdin.take(), stdin);
        Ok(running)
    }

    /// Starts a sandbox and shakes hands with the process inside.
    ///
    /// Until its first process says that it is there, a sandbox that loses its maker would be stuck or, worse, go on alone. So that
    /// process waits for a word from here: whoever dies or loses interest before has never said it, and what comes after is ended
    /// by the kernel.
    pub(super) async fn sandboxed(mut command: Command, stdin: Vec<u8>) -> io::Result<Self> {
        command.stdin(Stdio::piped());
        let mut running = Self::new(spawn_group(command).await?, false);
        if let (Some(mut word), Some(out)) = (running.child.stdin.take(), &mut running.stdout) {
            if out.read_exact(&mut [0]).await.is_err() {
                return Err(running.what_it_said().await);
            }
            word.write_all(b"go\n").await?;
            feed(Some(word), stdin);
        }
        Ok(running)
    }

    fn new(started: Started, is_plain: bool) -> Self {
        let Started { mut child, group } = started;
        let stdout = child.stdout.take().map(|from| Box::pin(from) as Output);
        let stderr = child.stderr.take().map(|from| Box::pin(from) as Output);
        Self { stdout, stderr, child, group, is_plain }
    }

    /// Waits for its end: the exit code as shells count, 128 and the signal's number for a command that was killed. It may be called
    /// again, and while the streams are read; whoever stops waiting loses nothing.
    pub(crate) async fn wait(&mut self) -> io::Result<i32> {
        let status = self.child.wait().await?;
        Ok(status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1))
    }

    /// Whether it runs without a sandbox.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Ends it and everything that it started.
    pub(crate) fn end(&mut self) {
        self.group.end();
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
        // Of a sandbox that has ended nothing is left.
        if !self.is_plain && self.child.id().is_none() {
            self.group.forget();
        }
    }
}
