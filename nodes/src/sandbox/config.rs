//! What the operator decides about sandboxes.

use std::path::PathBuf;

/// How commands are confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxPolicy {
    /// By bubblewrap; where it does not work, commands are refused.
    Bubblewrap,
    /// By bubblewrap where it works, else not at all: a plain process with the rights of the server. Such a step says so in its log.
    Plain,
}

/// How commands are confined, and what they may use.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// By what.
    pub policy: SandboxPolicy,
    /// What a step may use when it does not say less itself.
    pub limits: SandboxLimits,
    /// What leads from inside to a proxy; without it tasks that need one are refused.
    pub forwarder: Option<Forwarder>,
    /// Makes containers of this engine instead of using bubblewrap.
    pub docker: Option<DockerConfig>,
}

/// An engine that speaks the Docker API, on this machine or with the same folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerConfig {
    /// Where it listens: `unix:///var/run/docker.sock`, or `http://host:port`.
    pub host: String,
    /// What containers are made from; it needs a `/bin/sh`. It is not pulled.
    pub image: String,
    /// The engine's name for what runs containers, for example `runsc`; its usual one when absent.
    pub runtime: Option<String>,
}

/// A program that calls `sandbox_forward_main`: usually this one.
#[derive(Debug, Clone)]
pub struct Forwarder {
    /// Where it is; every user must be able to execute it.
    pub program: PathBuf,
    /// What makes it do so, for example `sandbox-forward`: plain words.
    pub args: Vec<&'static str>,
}

impl SandboxConfig {
    /// With the usual limits and without a forwarder.
    pub fn new(policy: SandboxPolicy) -> Self {
        Self { policy, limits: SandboxLimits::default(), forwarder: None, docker: None }
    }
}

/// What everything inside a sandbox may use together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SandboxLimits {
    /// Memory, in bytes, files in memory included.
    pub memory: u64,
    /// Processors; 0.5 is half the time of one.
    pub cpus: f64,
    /// Processes and threads.
    pub processes: u32,
    /// What the work tree and the home may grow to together, in bytes.
    pub disk: u64,
}

impl Default for SandboxLimits {
    /// 8 GiB of memory, 4 processors, 4,096 processes, 20 GiB of disk.
    fn default() -> Self {
        Self { memory: 8 << 30, cpus: 4.0, processes: 4_096, disk: 20 << 30 }
    }
}
