//! Where commands run: a place of their own in which only the work tree can be changed, and of which nothing is left afterwards.

mod bubblewrap;
mod config;
mod limits;
mod output;
mod plain;
mod running;
mod task;

use std::{io, os::unix::fs::lchown};

use flowforge_core::node::NodeError;
use tokio::sync::OnceCell;

pub use self::config::{SandboxConfig, SandboxLimits, SandboxPolicy};
pub(crate) use self::{
    output::{Ended, follow},
    running::Running,
    task::{Network, Program, Task},
};

/// What commands find on their path.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The longest single argument or variable that the kernel takes, less a little for its name.
const LONGEST_ARGUMENT: usize = 127 << 10;

/// The unix socket of a task's proxy, as it is found inside.
pub(crate) const PROXY_SOCKET: &str = "/run/flowforge/proxy.sock";

/// Starts commands.
#[derive(Debug)]
pub(crate) struct Sandbox {
    config: SandboxConfig,
    program: &'static str,
    works: OnceCell<()>,
}

impl Sandbox {
    pub(crate) fn new(config: SandboxConfig) -> Self {
        Self { config, program: "bwrap", works: OnceCell::new() }
    }

    /// A sandbox on a machine without bubblewrap.
    #[cfg(test)]
    pub(crate) fn without_bubblewrap(policy: SandboxPolicy) -> Self {
        Self { config: SandboxConfig::new(policy), program: "bwrap-is-not-here", works: OnceCell::new() }
    }

    /// What a step may use when it does not say less itself.
    pub(crate) fn limits(&self) -> SandboxLimits {
        self.config.limits
    }

    /// Whether a sandbox can be made here.
    pub(crate) async fn check(&self) -> Result<(), NodeError> {
        self.works.get_or_try_init(|| bubblewrap::probe(self.program)).await.copied()
    }

    /// Whether this command will run without a sandbox.
    pub(crate) async fn is_plain(&self) -> Result<bool, NodeError> {
        match (self.check().await, self.config.policy) {
            (Ok(()), _) => Ok(false),
            (Err(_), SandboxPolicy::Plain) => Ok(true),
            (Err(fault), SandboxPolicy::Bubblewrap) => Err(fault),
        }
    }

    /// The user to whom the work tree must belong for the command to change it, when that is not the server's own.
    pub(crate) fn owner(&self, plain: bool) -> Option<u32> {
        (!plain && bubblewrap::is_root()).then_some(bubblewrap::OUTER_USER)
    }

    /// Gives what the command has to write to its user.
    fn hand_over(&self, task: &Task<'_>, plain: bool) -> io::Result<()> {
        let Some(user) = self.owner(plain) else { return Ok(()) };
        let socket = if let Network::Proxy(socket) = task.network { Some(socket) } else { None };
        task.home.into_iter().chain(socket).try_for_each(|path| lchown(path, Some(user), Some(user)))
    }

    /// Starts it. Whoever drops what is running ends everything inside.
    pub(crate) async fn start(&self, task: &Task<'_>, plain: bool) -> Result<Running, NodeError> {
        let too_long =
            task.env.iter().map(|(_, value)| value.len()).chain([task.program.longest()]).find(|n| *n > LONGEST_ARGUMENT);
        if let Some(length) = too_long {
            let message = format!(
                "the command, or a value in it, is {length} bytes, and {LONGEST_ARGUMENT} is the most; hand it over in a file"
            );
            return Err(NodeError::fatal("COMMAND_TOO_LARGE", message));
        }
        let failed =
            |fault: io::Error| NodeError::retry("COMMAND_NOT_STARTED", format!("the command could not be started: {fault}"));
        self.hand_over(task, plain).map_err(failed)?;
        let stdin = task.program.stdin();
        if plain {
            return Running::plain(plain::command(task), stdin).await.map_err(failed);
        }
        let command = bubblewrap::command(self.program, task).map_err(failed)?;
        Running::sandboxed(command, stdin).await.map_err(failed)
    }
}

#[cfg(test)]
mod tests;
