//! A process without a sandbox, for operators who allow it: it may do what the server may do.
//!
//! Its process group is ended with it. What leaves the group (`setsid`) stays, and so does everything when the server is killed;
//! only a sandbox can promise more.

use std::process::Stdio;

use tokio::process::Command;

use super::{PATH, Task, limits};

pub(super) fn command(task: &Task<'_>) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-e", "-c", task.script]).current_dir(task.tree.join(task.workdir)).process_group(0);
    command.env_clear().env("PATH", PATH).env("HOME", task.folder).env("LANG", "C.UTF-8").env("GIT_TERMINAL_PROMPT", "0");
    command.envs(task.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    limits::set(&mut command);
    command
}

/// A process group that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Group(pub(super) u32);

impl Drop for Group {
    #[expect(unsafe_code, reason = "signals to a group have no safe wrapper")]
    fn drop(&mut self) {
        let Ok(group) = i32::try_from(self.0) else {
            return;
        };
        // SAFETY: the call touches no memory. The group's number stays taken while any process of it lives.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
}
