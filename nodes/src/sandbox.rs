//! Where commands run: a place of their own in which only the work tree can be changed, and of which nothing is left afterwards.

mod bubblewrap;
mod cgroup;
mod config;
mod disk;
mod docker;
mod forward;
mod limits;
mod output;
mod plain;
mod running;
mod seccomp;
mod task;

use std::{io, os::unix::fs::lchown, path::Path};

use flowforge_core::node::NodeError;
use tokio::{sync::OnceCell, task::spawn_blocking};

use self::{
    cgroup::{Cgroup, Hierarchy},
    docker::Engine,
    running::Bounds,
};

pub use self::{
    config::{DockerConfig, Forwarder, SandboxConfig, SandboxLimits, SandboxPolicy},
    forward::sandbox_forward_main,
};
pub(crate) use self::{
    output::{Ended, follow},
    running::Running,
    task::{Network, Program, Task},
};

/// What commands find on their path.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The longest single argument or variable that the kernel takes, less a little for its name.
const LONGEST_ARGUMENT: usize = 127 << 10;

/// Where the work tree is inside.
const TREE: &str = "/workspace";
const HOME: &str = "/home/flowforge";
/// The unix socket of a task's proxy, as it is found inside.
pub(crate) const PROXY_SOCKET: &str = "/run/flowforge/proxy.sock";

/// Where inside the way to the proxy begins.
pub(crate) const PROXY_ADDRESS: &str = "127.0.0.1:3128";
const PROXY_PORT: u16 = 3128;

/// Starts commands.
#[derive(Debug)]
pub(crate) struct Sandbox {
    config: SandboxConfig,
    program: &'static str,
    works: OnceCell<()>,
    cgroups: OnceCell<Option<Hierarchy>>,
    engine: Option<Engine>,
}

impl Sandbox {
    pub(crate) fn new(config: SandboxConfig) -> Self {
        let engine = config.docker.clone().map(Engine::new);
        Self { config, program: "bwrap", works: OnceCell::new(), cgroups: OnceCell::new(), engine }
    }

    /// A sandbox on a machine without bubblewrap.
    #[cfg(test)]
    pub(crate) fn without_bubblewrap(policy: SandboxPolicy) -> Self {
        Self { program: "bwrap-is-not-here", ..Self::new(SandboxConfig::new(policy)) }
    }

    /// What a step may use when it does not say less itself.
    pub(crate) fn limits(&self) -> SandboxLimits {
        self.config.limits
    }

    /// Whether a sandbox can be made here.
    pub(crate) async fn check(&self) -> Result<(), NodeError> {
        if let Some(engine) = &self.engine {
            return engine.check().await;
        }
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
        let folders = [Some(task.tree), task.home].into_iter().flatten().map(Path::to_owned).collect();
        if let (Some(engine), false) = (&self.engine, plain) {
            let container = engine.start(task, bubblewrap::outer_user(), self.config.forwarder.as_ref()).await?;
            return Ok(Running::contained(container, Bounds { cgroup: None, disk: task.limits.disk, folders }));
        }
        let forwarder = self.config.forwarder.as_ref();
        let made = if plain { plain::command(task, forwarder) } else { bubblewrap::command(self.program, task, forwarder) };
        let mut command = made.map_err(failed)?;
        let cgroup = self.cgroup(task).await.map_err(failed)?;
        limits::set(&mut command, &task.limits, cgroup.is_some());
        if let Some(cgroup) = &cgroup {
            cgroup.enter(&mut command).map_err(failed)?;
        }
        let bounds = Bounds { cgroup, disk: task.limits.disk, folders };
        let stdin = task.program.stdin();
        let running =
            if plain { Running::plain(command, stdin, bounds).await } else { Running::sandboxed(command, stdin, bounds).await };
        running.map_err(failed)
    }

    /// A control group for a task, where there can be any.
    async fn cgroup(&self, task: &Task<'_>) -> io::Result<Option<Cgroup>> {
        let find = || async { spawn_blocking(Hierarchy::find).await.unwrap_or_default() };
        let hierarchy = self.cgroups.get_or_init(find).await;
        hierarchy.as_ref().map(|hierarchy| hierarchy.create(task.name, &task.limits)).transpose()
    }
}

/// What makes git inside trust the repository, which belongs to the server, and leave it alone.
fn git_environment() -> [(&'static str, &'static str); 5] {
    [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("GIT_CONFIG_VALUE_0", "*"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ]
}

/// What tells programs inside that the way out is a proxy.
fn proxy_environment() -> [(&'static str, &'static str); 8] {
    const URL: &str = "http://127.0.0.1:3128";
    const NEAR: &str = "127.0.0.1,localhost,::1";
    [
        ("HTTP_PROXY", URL),
        ("http_proxy", URL),
        ("HTTPS_PROXY", URL),
        ("https_proxy", URL),
        ("ALL_PROXY", URL),
        ("NO_PROXY", NEAR),
        ("no_proxy", NEAR),
        ("NODE_USE_ENV_PROXY", "1"),
    ]
}

#[cfg(test)]
mod tests;
