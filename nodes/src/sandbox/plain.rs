//! A process without a sandbox, for operators who allow it: it may do what the server may do.
//!
//! Its process group is ended with it. What leaves the group (`setsid`) stays, and so does everything when the server is killed;
//! only a sandbox can promise more.

use std::{ffi::OsString, process::Stdio};

use tokio::process::Command;

use super::{PATH, Program, Task, limits};

pub(super) fn command(task: &Task<'_>) -> Command {
    let mut command = match &task.program {
        Program::Shell(script) => shell(script),
        Program::Exec { argv, .. } => exec(argv),
    };
    command.current_dir(task.tree.join(task.workdir));
    command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", task.home.unwrap_or(task.folder))
        .env("LANG", "C.UTF-8")
        .env("GIT_TERMINAL_PROMPT", "0");
    command.envs(task.env.iter().map(|(name, value)| (name, value)));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    limits::set(&mut command);
    command
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-e", "-c", script]).stdin(Stdio::null());
    command
}

fn exec(argv: &[OsString]) -> Command {
    let mut words = argv.iter();
    let mut command = Command::new(words.next().map_or(OsString::new(), OsString::clone));
    command.args(words).stdin(Stdio::piped());
    command
}
