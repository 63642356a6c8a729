//! A command that runs, and its end.

use std::{io, process::Stdio};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use crate::spawn::{Group, Started, die_with_parent, spawn_group};

/// A command that runs. Dropping it ends it and everything that it started.
#[derive(Debug)]
pub(crate) struct Running {
    pub(super) child: Child,
    /// Its process group. In a sandbox, those that make it; without one, whoever stays in it.
    pub(super) group: Group,
    pub(super) is_plain: bool,
}

impl Running {
    pub(super) async fn plain(mut command: Command) -> io::Result<Self> {
        die_with_parent(&mut command);
        let Started { child, group } = spawn_group(command).await?;
        Ok(Self { child, group, is_plain: true })
    }

    /// Starts a sandbox and shakes hands with the process inside.
    ///
    /// Until its first process says that it is there, a sandbox that loses its maker would be stuck or, worse, go on alone. So that
    /// process waits for a word from here: whoever dies or loses interest before has never said it, and what comes after is ended
    /// by the kernel.
    pub(super) async fn sandboxed(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::piped());
        let Started { child, group } = spawn_group(command).await?;
        let mut running = Self { child, group, is_plain: false };
        if let (Some(mut word), Some(out)) = (running.child.stdin.take(), &mut running.child.stdout) {
            if out.read_exact(&mut [0]).await.is_err() {
                return Err(running.what_it_said().await);
            }
            word.write_all(b"go\n").await?;
        }
        Ok(running)
    }

    async fn what_it_said(&mut self) -> io::Error {
        let mut words = Vec::new();
        if let Some(from) = self.child.stderr.take() {
            from.take(4 << 10).read_to_end(&mut words).await.ok();
        }
        let words = String::from_utf8_lossy(&words);
        io::Error::other(words.lines().next().unwrap_or("the sandbox could not be made").to_owned())
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
