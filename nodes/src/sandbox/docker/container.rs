//! A container that runs.

use std::{fmt, io, pin::Pin};

use bollard::{
    Docker,
    container::{AttachContainerResults, LogOutput},
    errors::Error,
};
use flowforge_core::node::NodeError;
use futures::{Stream, StreamExt};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    runtime::Handle,
    task::AbortHandle,
};

use super::remove;
use crate::sandbox::running::Output;

/// How much of what it writes waits for its reader.
const WAITING: usize = 64 << 10;

/// A container that runs. Dropping it ends and removes it.
pub(in crate::sandbox) struct Container {
    client: Docker,
    id: String,
    /// What the first process inside holds on to.
    input: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    output: Option<(Output, Output)>,
    reading: AbortHandle,
    code: Option<i32>,
    /// Whether the kernel ended it for want of memory.
    pub(in crate::sandbox) out_of_memory: bool,
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Container {
    pub(super) fn new(client: Docker, id: String) -> Self {
        Self {
            client,
            id,
            input: None,
            output: None,
            reading: tokio::spawn(async {}).abort_handle(),
            code: None,
            out_of_memory: false,
        }
    }

    pub(super) fn attach(&mut self, attached: AttachContainerResults) {
        let (stdout, to_stdout) = duplex(WAITING);
        let (stderr, to_stderr) = duplex(WAITING);
        self.input = Some(attached.input);
        self.output = Some((Box::pin(stdout), Box::pin(stderr)));
        self.reading = tokio::spawn(hand_out(attached.output, to_stdout, to_stderr)).abort_handle();
    }

    pub(super) fn input(&mut self) -> Result<&mut Pin<Box<dyn AsyncWrite + Send>>, NodeError> {
        self.input.as_mut().ok_or_else(|| NodeError::retry("COMMAND_NOT_STARTED", "the container has no input"))
    }

    /// What it writes to its standard output and to its standard error.
    pub(in crate::sandbox) fn take_output(&mut self) -> Option<(Output, Output)> {
        self.output.take()
    }

    /// Waits for its end. It may be called again.
    pub(in crate::sandbox) async fn wait(&mut self) -> io::Result<i32> {
        loop {
            if let Some(code) = self.code {
                return Ok(code);
            }
            let answer = Box::pin(self.client.wait_container(&self.id, None)).next().await;
            let code = match answer {
                Some(Ok(answer)) => answer.status_code,
                Some(Err(Error::DockerContainerWaitError { code, .. })) => code,
                // The engine had nothing to say for a while.
                Some(Err(Error::RequestTimeoutError)) => continue,
                Some(Err(fault)) => return Err(io::Error::other(fault)),
                None => return Err(io::Error::other("the engine does not say how the container ended")),
            };
            self.out_of_memory = match self.client.inspect_container(&self.id, None).await {
                Ok(found) => found.state.and_then(|state| state.oom_killed).unwrap_or_default(),
                // Podman has a word that this client does not know for one that has only just ended.
                Err(Error::JsonDataError { .. }) => false,
                Err(fault) => return Err(io::Error::other(fault)),
            };
            self.code = Some(i32::try_from(code).unwrap_or(-1));
        }
    }

    /// Leaves it as the death of this process would.
    #[cfg(test)]
    pub(in crate::sandbox) fn lose_connection(&mut self) {
        self.input = None;
        self.reading.abort();
    }

    /// What ends it from elsewhere.
    pub(in crate::sandbox) fn ender(&self) -> impl Fn() + Send + Sync + use<> {
        let (client, id) = (self.client.clone(), self.id.clone());
        move || end(client.clone(), id.clone(), false)
    }
}

/// Parts what a container writes into its two streams. Who no longer reads one misses nothing of the other.
async fn hand_out(
    mut from: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    mut stdout: DuplexStream,
    mut stderr: DuplexStream,
) {
    while let Some(Ok(part)) = from.next().await {
        match part {
            LogOutput::StdErr { message } => stderr.write_all(&message).await.ok(),
            LogOutput::StdOut { message } | LogOutput::Console { message } => stdout.write_all(&message).await.ok(),
            LogOutput::StdIn { .. } => None,
        };
    }
}

fn end(client: Docker, id: String, all: bool) {
    // Without a runtime the process ends, and with it the connection that the first process inside holds on to.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move {
            let ended = if all { remove(&client, &id).await } else { client.kill_container(&id, None).await };
            if let Err(fault) = ended {
                tracing::warn!(%fault, id, "a container could not be ended; the next start removes it");
            }
        });
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.reading.abort();
        end(self.client.clone(), self.id.clone(), true);
    }
}
