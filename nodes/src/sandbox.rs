//! Where commands run: a place of their own in which only the work tree can be changed, and of which nothing is left afterwards.

mod bubblewrap;
mod limits;
mod output;
mod plain;
mod running;

use std::path::Path;

use flowforge_core::node::NodeError;
use tokio::sync::OnceCell;

pub(crate) use self::{
    output::{Ended, follow},
    running::Running,
};

/// What commands find on their path.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The longest single argument or variable that the kernel takes, less a little for its name.
const LONGEST_ARGUMENT: usize = 127 << 10;

/// How commands are confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxPolicy {
    /// By bubblewrap; where it does not work, commands are refused.
    Bubblewrap,
    /// By bubblewrap where it works, else not at all: a plain process with the rights of the server. Such a step says so in its log.
    Plain,
}

/// Starts commands.
#[derive(Debug)]
pub(crate) struct Sandbox {
    policy: SandboxPolicy,
    program: &'static str,
    works: OnceCell<()>,
}

/// What to run, and where.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    /// Shell; it ends with the first command that fails.
    pub(crate) script: &'a str,
    /// The folder of the run, in which the sandbox may keep files of its own.
    pub(crate) folder: &'a Path,
    /// The work tree.
    pub(crate) tree: &'a Path,
    /// Where in the work tree to begin; empty for its root.
    pub(crate) workdir: &'a Path,
    /// The whole environment beside `PATH`, `HOME` and the like.
    pub(crate) env: Vec<(String, String)>,
    /// Whether the network can be reached.
    pub(crate) network: bool,
}

impl Sandbox {
    pub(crate) fn new(policy: SandboxPolicy) -> Self {
        Self { policy, program: "bwrap", works: OnceCell::new() }
    }

    /// A sandbox on a machine without bubblewrap.
    #[cfg(test)]
    pub(crate) fn without_bubblewrap(policy: SandboxPolicy) -> Self {
        Self { policy, program: "bwrap-is-not-here", works: OnceCell::new() }
    }

    /// Whether a sandbox can be made here.
    pub(crate) async fn check(&self) -> Result<(), NodeError> {
        self.works.get_or_try_init(|| bubblewrap::probe(self.program)).await.copied()
    }

    /// Whether this command will run without a sandbox.
    pub(crate) async fn is_plain(&self) -> Result<bool, NodeError> {
        match (self.check().await, self.policy) {
            (Ok(()), _) => Ok(false),
            (Err(_), SandboxPolicy::Plain) => Ok(true),
            (Err(fault), SandboxPolicy::Bubblewrap) => Err(fault),
        }
    }

    /// The user to whom the work tree must belong for the command to change it, when that is not the server's own.
    pub(crate) fn owner(&self, plain: bool) -> Option<u32> {
        (!plain && bubblewrap::is_root()).then_some(bubblewrap::OUTER_USER)
    }

    pub(crate) async fn start(&self, task: &Task<'_>, plain: bool) -> Result<Running, NodeError> {
        let too_long = task.env.iter().map(|(_, value)| value.len()).chain([task.script.len()]).find(|n| *n > LONGEST_ARGUMENT);
        if let Some(length) = too_long {
            let message =
                format!("`run`, or a value in it, is {length} bytes, a command takes {LONGEST_ARGUMENT}; hand it over in a file");
            return Err(NodeError::fatal("COMMAND_TOO_LARGE", message));
        }
        let failed =
            |fault: std::io::Error| NodeError::retry("COMMAND_NOT_STARTED", format!("the command could not be started: {fault}"));
        if plain {
            return Running::plain(plain::command(task)).await.map_err(failed);
        }
        let command = bubblewrap::command(self.program, task).map_err(failed)?;
        Running::sandboxed(command).await.map_err(failed)
    }
}
