//! What runs in a sandbox, and what it may use there.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::SandboxLimits;

/// What to run, where, and with what at hand.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    pub(crate) program: Program<'a>,
    /// The folder of the run, in which the sandbox may keep files of its own.
    pub(crate) folder: &'a Path,
    /// The work tree: `/workspace` inside. Its `.git` cannot be written.
    pub(crate) tree: &'a Path,
    /// Where in the work tree to begin; empty for its root.
    pub(crate) workdir: &'a Path,
    /// The whole environment beside `PATH`, `HOME` and the like.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) network: Network<'a>,
    /// A folder that is kept between steps and is `HOME` inside; without it `HOME` is empty, private and in memory. Outside the work
    /// tree; its top is given to the user of the sandbox.
    pub(crate) home: Option<&'a Path>,
    /// Further files and folders: where they are here, and where they are found inside, where they can only be read.
    pub(crate) read_only: Vec<(PathBuf, PathBuf)>,
    pub(crate) limits: SandboxLimits,
    /// The attempt's name, the same whenever this attempt is started again: what its container, job or cgroup is called.
    pub(crate) name: &'a str,
}

/// What to run.
#[derive(Debug)]
pub(crate) enum Program<'a> {
    /// Shell; it ends with the first command that fails, and has nothing to read.
    Shell(&'a str),
    /// A program with its arguments, its own name first, and all that it can read from its standard input.
    Exec {
        /// Found by its `PATH`, or the path inside.
        argv: Vec<OsString>,
        stdin: Vec<u8>,
    },
}

impl Program<'_> {
    /// The length of the longest argument, in bytes.
    pub(super) fn longest(&self) -> usize {
        match self {
            Self::Shell(script) => script.len(),
            Self::Exec { argv, .. } => argv.iter().map(|argument| argument.len()).max().unwrap_or_default(),
        }
    }

    /// Whether it has something to read.
    pub(super) fn reads(&self) -> bool {
        matches!(self, Self::Exec { .. })
    }

    /// What it reads.
    pub(super) fn stdin(&self) -> Vec<u8> {
        match self {
            Self::Shell(_) => Vec::new(),
            Self::Exec { stdin, .. } => stdin.clone(),
        }
    }
}

/// What of the network can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network<'a> {
    /// Nothing but a loopback of its own.
    None,
    /// All that the server reaches.
    Host,
    /// Nothing but what a proxy lets through that listens on this unix socket, which is given to the user of the sandbox. Inside,
    /// the socket is `PROXY_SOCKET`, and a forwarder on `PROXY_ADDRESS` leads to it; `HTTPS_PROXY` and the like say so. In a
    /// plain process the forwarder's port is another, and variables that name the address are changed to it.
    Proxy(&'a Path),
}
