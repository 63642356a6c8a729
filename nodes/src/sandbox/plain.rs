//! A process without a sandbox, for operators who allow it: it may do what the server may do.
//!
//! Its process group is ended with it, and where there are control groups so is what left it (`setsid`). Where there are none that
//! stays, and what a killed server leaves is ended by the next one at the earliest; only a sandbox can promise more.

use std::{ffi::OsString, io, path::Path, process::Stdio};

use tokio::process::Command;

use super::{Forwarder, Network, PATH, Program, Task, proxy_environment};

pub(super) fn command(task: &Task<'_>, forwarder: Option<&Forwarder>) -> io::Result<Command> {
    let argv = match &task.program {
        Program::Shell(script) => ["/bin/sh", "-e", "-c", script].map(OsString::from).to_vec(),
        Program::Exec { argv, .. } => argv.clone(),
    };
    let argv = match (task.network, forwarder) {
        (Network::Proxy(socket), Some(forwarder)) => forwarded(argv, socket, forwarder),
        (Network::Proxy(_), None) => return Err(io::Error::other("the server does not know its forwarder")),
        (Network::None | Network::Host, _) => argv,
    };
    let mut words = argv.iter();
    let mut command = Command::new(words.next().map_or(OsString::new(), OsString::clone));
    command.args(words);
    command.current_dir(task.tree.join(task.workdir));
    command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", task.home.unwrap_or(task.folder))
        .env("LANG", "C.UTF-8")
        .env("GIT_TERMINAL_PROMPT", "0");
    if let Network::Proxy(_) = task.network {
        command.envs(proxy_environment());
    }
    command.envs(task.env.iter().map(|(name, value)| (name, value)));
    command
        .stdin(if task.program.reads() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// By a forwarder on a port that the system chooses: others may run beside it.
fn forwarded(argv: Vec<OsString>, socket: &Path, forwarder: &Forwarder) -> Vec<OsString> {
    let mut all = vec![forwarder.program.clone().into_os_string()];
    all.extend(forwarder.args.iter().map(OsString::from));
    all.extend([socket.as_os_str().to_owned(), "0".into()]);
    all.extend(argv);
    all
}
