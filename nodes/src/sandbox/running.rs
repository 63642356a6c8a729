//! A command that runs, and its end.

use std::{io, process::Stdio};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use crate::spawn::{spawn, spawn_free};

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
        command.process_group(0);
        let child = spawn(command).await?;
        Ok(Self { group: Group(child.id()), child, is_plain: true })
    }

    /// Starts a sandbox and shakes hands with the process inside.
    ///
    /// Until its first process says that it is there, a sandbox that loses its maker would be stuck or, worse, go on alone. So that
    /// process waits for a word from here: whoever dies or loses interest before has never said it, and what comes after is ended
    /// by the kernel.
    pub(super) async fn sandboxed(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::piped()).process_group(0);
        let child = spawn_free(command).await?;
        let mut running = Self { group: Group(child.id()), child, is_plain: false };
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
        // Of a sandbox that has ended nothing is left, and its number may belong to somebody else by now.
        if self.is_plain || self.child.id().is_some() {
            self.group.end();
        }
    }
}

/// A process group.
#[derive(Debug)]
pub(super) struct Group(Option<u32>);

impl Group {
    /// Ends whoever is in the group.
    #[expect(unsafe_code, reason = "signals to a group have no safe wrapper")]
    pub(super) fn end(&mut self) {
        if let Some(group) = self.0.take().and_then(|group| i32::try_from(group).ok()) {
            // SAFETY: the call touches no memory. The group's number stays taken while any process of it lives.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
    }
}
