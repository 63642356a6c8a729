//! A folder with a work tree, and tasks in it.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::{PermissionsExt, lchown},
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use crate::sandbox::{Forwarder, Network, Program, Running, Sandbox, SandboxConfig, SandboxLimits, SandboxPolicy, Task, running};

/// A run's folder and the sandbox that its tasks are played in.
pub(in crate::sandbox) struct Bench {
    pub(in crate::sandbox) sandbox: Sandbox,
    pub(in crate::sandbox) folder: TempDir,
    tree: PathBuf,
}

/// As servers have it, with this crate's own forwarder.
pub(in crate::sandbox) fn config(policy: SandboxPolicy) -> SandboxConfig {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("flowforge-sandbox-forward");
    assert!(program.exists(), "build it first: cargo build -p flowforge-nodes --bins");
    SandboxConfig { forwarder: Some(Forwarder { program, args: Vec::new() }), ..SandboxConfig::new(policy) }
}

/// What a task wrote and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Played {
    pub(in crate::sandbox) code: i32,
    pub(in crate::sandbox) stdout: String,
    pub(in crate::sandbox) stderr: String,
    pub(in crate::sandbox) breach: Option<String>,
}

impl Bench {
    pub(in crate::sandbox) fn new() -> Self {
        Self::with(Sandbox::new(config(SandboxPolicy::Bubblewrap)))
    }

    pub(in crate::sandbox) fn with(sandbox: Sandbox) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let bench = Self { sandbox, folder, tree };
        bench.hand_over(&bench.tree);
        bench
    }

    /// A folder beside the tree.
    pub(in crate::sandbox) fn beside(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    }

    pub(in crate::sandbox) fn hand_over(&self, path: &Path) {
        if let Some(user) = self.sandbox.owner(false) {
            lchown(path, Some(user), Some(user)).unwrap();
        }
    }

    pub(in crate::sandbox) fn task<'a>(&'a self, program: Program<'a>) -> Task<'a> {
        Task {
            program,
            folder: self.folder.path(),
            tree: &self.tree,
            workdir: Path::new(""),
            env: Vec::new(),
            network: Network::None,
            home: None,
            read_only: Vec::new(),
            limits: SandboxLimits::default(),
            name: "a-test",
        }
    }

    pub(in crate::sandbox) fn shell<'a>(&'a self, script: &'a str) -> Task<'a> {
        self.task(Program::Shell(script))
    }

    /// Starts a task.
    pub(in crate::sandbox) async fn start(&self, task: &Task<'_>) -> Running {
        self.sandbox.start(task, false).await.unwrap()
    }

    /// Plays a task to its end.
    pub(in crate::sandbox) async fn play(&self, task: &Task<'_>) -> Played {
        played(self.start(task).await).await
    }

    /// Plays a shell script that must succeed, and returns what it wrote.
    pub(in crate::sandbox) async fn says(&self, script: &str) -> String {
        let played = self.play(&self.shell(script)).await;
        assert_eq!((played.code, &*played.stderr), (0, ""), "{script}");
        played.stdout.trim_end().to_owned()
    }
}

pub(in crate::sandbox) async fn played(mut running: Running) -> Played {
    let (stdout, stderr) = (running.stdout.take().unwrap(), running.stderr.take().unwrap());
    let (stdout, stderr, code) = tokio::join!(all(stdout), all(stderr), running.wait());
    let breach = running.breach().map(|fault| fault.code.to_string());
    Played { code: code.unwrap(), stdout, stderr, breach }
}

async fn all(mut from: running::Output) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(in crate::sandbox) fn exec(argv: &[&str], stdin: impl Into<Vec<u8>>) -> Program<'static> {
    Program::Exec { argv: argv.iter().map(OsString::from).collect(), stdin: stdin.into() }
}
