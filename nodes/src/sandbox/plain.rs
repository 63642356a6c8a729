//! A process without a sandbox, for operators who allow it: it may do what the server may do.
//!
//! Its process group is ended with it. What leaves the group (`setsid`) stays, and so does everything when the server is killed;
//! only a sandbox can promise more.

use std::process::Stdio;

use tokio::process::Command;

use super::{PATH, Task, limits};

pub(super) fn command(task: &Task<'_>) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-e", "-c", task.script]).current_dir(task.tree.join(task.workdir));
    command.env_clear().env("PATH", PATH).env("HOME", task.folder).env("LANG", "C.UTF-8").env("GIT_TERMINAL_PROMPT", "0");
    command.envs(task.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    limits::set(&mut command);
    command
}
