//! Where the project's own commands run: in the sandbox, on the run's files, which are put back afterwards. Files that the repository
//! ignores stay, so what earlier steps installed is there.

use std::path::{Path, PathBuf};

use flowforge_core::node::{BoxFuture, Context, NodeError, Stream};
use tokio::time::timeout;

use super::{Params, Plan, USUAL_TEST_S, duration, tree_of};
use crate::{
    git::{
        Git, STEPS, WorkTree,
        rebase::{Ground, LockFile},
    },
    sandbox::{Network, Program, Sandbox, Task, follow},
};

/// How much of the end of what the tests said is kept, in bytes.
const SAID: usize = 32 << 10;

/// The run's files, lent to commands.
pub(super) struct Place<'a> {
    sandbox: &'a Sandbox,
    tree: &'a WorkTree,
    plan: &'a Plan,
    params: &'a Params,
    cx: &'a Context,
    limit: std::time::Duration,
    /// The ref by which an attempt says that the files are not as they were.
    mark: String,
}

/// What the tests said.
pub(super) enum Tested {
    Passed,
    Failed { exit_code: i32, said: String },
}

impl<'a> Place<'a> {
    pub(super) async fn new(
        sandbox: &'a Sandbox,
        tree: &'a WorkTree,
        (plan, key): (&'a Plan, &str),
        params: &'a Params,
        cx: &'a Context,
    ) -> Result<Self, NodeError> {
        let limit = duration("test_timeout_s", params.test_timeout_s.unwrap_or(USUAL_TEST_S))?;
        if params.network {
            // Nobody sees what a command dials.
            cx.check_secret_host("any host")?;
        }
        Ok(Self { sandbox, tree, plan, params, cx, limit, mark: format!("{STEPS}/rebase/{key}/lent") })
    }

    /// Makes the files what they were, if commands have had them.
    pub(super) async fn restore(&self) -> Result<(), NodeError> {
        let mark = Git::objects(self.tree.path()).args(["rev-parse", "--verify", "--quiet", &self.mark]).find().await?;
        if mark.is_none() {
            return Ok(());
        }
        self.tree.put_back(&tree_of(self.tree, &self.plan.before).await?).await?;
        Git::objects(self.tree.path()).args(["update-ref", "-d", &self.mark]).run().await.map(drop)
    }

    /// Runs the author's tests on a commit, if there are any.
    pub(super) async fn test(&self, commit: &str) -> Result<Tested, NodeError> {
        let Some(script) = self.params.test.as_deref().filter(|script| !script.trim().is_empty()) else {
            return Ok(Tested::Passed);
        };
        self.lay_out(&tree_of(self.tree, commit).await?).await?;
        self.cx.log.line(Stream::System, format!("testing {commit}")).await;
        Ok(match self.run(script, Path::new(""), None).await? {
            Ok(_) => Tested::Passed,
            Err((exit_code, said)) => Tested::Failed { exit_code, said },
        })
    }

    async fn lay_out(&self, tree: &str) -> Result<(), NodeError> {
        Git::objects(self.tree.path()).args(["update-ref", &self.mark, &self.plan.before]).run().await?;
        self.tree.put_back(tree).await
    }

    /// Runs a command: nothing when it succeeds, else its exit code and the end of what it said.
    async fn run(&self, script: &str, workdir: &Path, lock: Option<&str>) -> Result<Result<(), (i32, String)>, NodeError> {
        let plain = self.sandbox.is_plain().await?;
        if plain {
            // Without a sandbox there is no way to keep it from the network.
            self.cx.check_secret_host("any host")?;
            let warning = "bubblewrap does not work here: this command runs without a sandbox, as the operator allowed";
            self.cx.log.line(Stream::System, warning.to_owned()).await;
        }
        if let Some(user) = self.sandbox.owner(plain) {
            self.tree.give_to(user).await?;
        }
        let own = [("CI".to_owned(), "true".to_owned()), ("FLOWFORGE_RUN".to_owned(), self.cx.run.to_string())];
        let lock = lock.map(|name| ("FLOWFORGE_LOCK_FILE".to_owned(), name.to_owned()));
        let name = format!("{}-{}", self.cx.effect_key, self.cx.attempt);
        let task = Task {
            program: Program::Shell(script),
            folder: self.tree.folder(),
            tree: self.tree.path(),
            workdir,
            env: own.into_iter().chain(lock).chain(self.cx.shell_values.iter().cloned()).collect(),
            network: if self.params.network { Network::Host } else { Network::None },
            home: None,
            read_only: Vec::new(),
            limits: self.sandbox.limits(),
            name: &name,
        };
        let running = self.sandbox.start(&task, plain).await?;
        let Ok(ended) = timeout(self.limit, follow(running, &*self.cx.log)).await else {
            return Ok(Err((124, format!("it was ended after {} seconds", self.limit.as_secs()))));
        };
        let ended =
            ended.map_err(|fault| NodeError::retry("COMMAND_LOST", format!("the command could not be followed: {fault}")))?;
        if ended.exit_code == 0 {
            return Ok(Ok(()));
        }
        let said = format!("{}\n{}", ended.stdout.trim_end(), ended.stderr.trim_end());
        let from = said.ceil_char_boundary(said.len().saturating_sub(SAID));
        Ok(Err((ended.exit_code, said[from..].trim().replace('\0', ""))))
    }

    async fn made(&self, lock: LockFile<'_>) -> Result<Result<String, String>, NodeError> {
        self.lay_out(lock.tree).await?;
        let path = PathBuf::from(lock.path);
        let (folder, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default().to_string_lossy());
        let command = self.params.lock_command.as_deref().filter(|command| !command.trim().is_empty()).unwrap_or(lock.command);
        self.cx.log.line(Stream::System, format!("making `{}` anew", lock.path)).await;
        if let Err((exit_code, said)) = self.run(command, folder, Some(&name)).await? {
            let last: String = said.lines().last().unwrap_or_default().chars().take(300).collect();
            return Ok(Err(format!("what makes it ended with exit code {exit_code}: {last}")));
        }
        // Read by git, which follows no link that the command may have left.
        let files = self.tree.snapshot().await?;
        let answer =
            Git::objects(self.tree.path()).args(["cat-file", "blob", &format!("{files}:{}", lock.path)]).answer().await?;
        let text = Some(answer.stdout).filter(|_| answer.code == 0).and_then(|content| String::from_utf8(content).ok());
        Ok(text.ok_or_else(|| "what makes it left no text in its place".to_owned()))
    }
}

impl Ground for Place<'_> {
    fn make<'a>(&'a self, lock: LockFile<'a>) -> BoxFuture<'a, Result<Result<String, String>, NodeError>> {
        Box::pin(self.made(lock))
    }
}
