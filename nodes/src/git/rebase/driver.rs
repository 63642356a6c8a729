//! The replay: commit by commit, each merged onto the one before, its conflicts resolved, and written anew.

use flowforge_core::{
    conflict::{Answer, Conflict, Conflicts, Method, Resolution, Take},
    node::{BoxFuture, LogSink, NodeError, Outcome, Stream},
};
use serde_json::{Value, json};

use super::{
    super::{Git, WorkTree},
    commit::{Edits, edit, rewrite, write_blob},
    merge::{Entry, Merged, merge},
    model::Resolver,
    plan::Plan,
    resolve::{Made, Resolving, Settled, mode, taken},
    rules,
    sides::conflict,
    tried::Tried,
};

/// Where commands can be run.
pub(crate) trait Ground: Send + Sync {
    /// Makes a lock file anew: its text, or why it could not be made.
    fn make<'a>(&'a self, lock: LockFile<'a>) -> BoxFuture<'a, Result<Result<String, String>, NodeError>>;
}

/// A lock file that is to be made anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockFile<'a> {
    /// Its path.
    pub(crate) path: &'a str,
    /// The tree in which it is made; there it is as on the branch that is rebased onto.
    pub(crate) tree: &'a str,
    /// What usually makes it.
    pub(crate) command: &'static str,
}

/// A replay.
pub(crate) struct Rebase<'a> {
    tree: &'a WorkTree,
    plan: &'a Plan,
    ground: &'a dyn Ground,
    most: usize,
    resolving: Resolving<'a>,
    met: Vec<(Conflict, Resolution)>,
}

/// How a replay ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It went through.
    Done {
        /// Where the branch is to stand.
        commit: String,
        /// How many commits were written anew.
        replayed: usize,
    },
    /// People have to answer first.
    Open(u32),
    /// A model cannot be asked yet.
    Waits(Box<Outcome>),
}

impl<'a> Rebase<'a> {
    /// Prepares a replay; `most` is how many conflicts there may be.
    pub(crate) async fn new(
        (tree, plan): (&'a WorkTree, &'a Plan),
        (methods, model): (&'a [Method], Option<&'a dyn Resolver>),
        (ground, rows, log): (&'a dyn Ground, &'a dyn Conflicts, &'a dyn LogSink),
        most: usize,
    ) -> Result<Self, NodeError> {
        let resolving = Resolving { tree, methods, model, log, tried: Tried::load(rows).await? };
        Ok(Self { tree, plan, ground, most, resolving, met: Vec::new() })
    }

    /// Replays the commits.
    pub(crate) async fn run(&mut self) -> Result<Ended, NodeError> {
        self.met.clear();
        let (mut parent, mut replayed) = (self.plan.onto.clone(), 0);
        for commit in &self.plan.commits {
            let merged = self.merged(commit, &parent).await?;
            let tree = if merged.conflicts.is_empty() {
                merged.tree
            } else {
                match self.resolved(commit, &merged).await? {
                    Ok(tree) => tree,
                    Err(ended) => return Ok(ended),
                }
            };
            if tree != self.tree_of(&parent).await? {
                parent = rewrite(self.tree.path(), commit, &tree, &parent).await?;
                replayed += 1;
            }
        }
        Ok(Ended::Done { commit: parent, replayed })
    }

    /// The conflicts that a replay would meet if each were resolved by what the replayed commit has.
    pub(crate) async fn preview(&self) -> Result<Value, NodeError> {
        let (mut parent, mut conflicts) = (self.plan.onto.clone(), Vec::new());
        for commit in &self.plan.commits {
            let merged = self.merged(commit, &parent).await?;
            let mut edits = Edits::new();
            for found in &merged.conflicts {
                let conflict = conflict(self.tree.path(), commit, found).await?;
                edits.push((conflict.path.clone(), taken(&conflict, Take::Theirs)));
                conflicts.push(json!({"commit": commit, "path": conflict.path, "kind": conflict.kind}));
            }
            let tree = self.edited(&merged.tree, &edits).await?;
            parent = rewrite(self.tree.path(), commit, &tree, &parent).await?;
        }
        Ok(Value::Array(conflicts))
    }

    /// The conflicts of the last replay and how each was resolved.
    pub(crate) fn report(&self) -> Value {
        let shown = |(conflict, resolution): &(Conflict, Resolution)| {
            json!({
                "commit": conflict.commit,
                "path": conflict.path,
                "kind": conflict.kind,
                "method": resolution.method,
                "by": resolution.by,
                "checks": resolution.checks,
            })
        };
        self.met.iter().map(shown).collect()
    }

    /// Takes resolutions back, since the project's tests fail with them: a model's if it may be asked once more, else all of them if
    /// a person may be asked. Whether it makes sense to replay again.
    pub(crate) async fn refuse(&mut self, said: &str) -> Result<bool, NodeError> {
        let model = self.resolving.methods.contains(&Method::Model) && self.resolving.model.is_some();
        let tried = &self.resolving.tried;
        let may_ask = |conflict: &Conflict| conflict.kind.is_text() && tried.refused(conflict, Method::Model) == 0;
        let by_model =
            |(conflict, resolution): &&(Conflict, Resolution)| model && resolution.method == Method::Model && may_ask(conflict);
        let mut back: Vec<_> = self.met.iter().filter(by_model).map(|(conflict, _)| conflict.clone()).collect();
        if back.is_empty() && self.resolving.methods.contains(&Method::Person) {
            back = self.met.iter().map(|(conflict, _)| conflict.clone()).collect();
        }
        for conflict in &back {
            self.resolving.tried.refuse(conflict, said).await?;
        }
        Ok(!back.is_empty())
    }

    async fn merged(&self, commit: &str, parent: &str) -> Result<Merged, NodeError> {
        merge(Git::objects(self.tree.path()), &format!("{commit}^"), parent, commit).await
    }

    async fn tree_of(&self, commit: &str) -> Result<String, NodeError> {
        Git::objects(self.tree.path()).args(["rev-parse", "--verify", &format!("{commit}^{{tree}}")]).run().await
    }

    async fn edited(&self, tree: &str, edits: &Edits) -> Result<String, NodeError> {
        edit(self.tree.path(), &self.tree.folder().join("rebase-index"), tree, edits).await
    }

    /// The tree with its conflicts resolved; lock files come last, since they are made from the others.
    async fn resolved(&mut self, commit: &str, merged: &Merged) -> Result<Result<String, Ended>, NodeError> {
        let subject = Git::objects(self.tree.path()).args(["log", "-1", "--format=%s", commit]).run().await?;
        let mut conflicts = Vec::new();
        for found in &merged.conflicts {
            conflicts.push(conflict(self.tree.path(), commit, found).await?);
        }
        if self.met.len() + conflicts.len() > self.most {
            let message = format!(
                "there are more than {} conflicts, which is the limit; raise `max_conflicts`, or rebase more often",
                self.most
            );
            return Err(NodeError::fatal("REBASE_TOO_MANY_CONFLICTS", message));
        }
        let (locks, others): (Vec<_>, Vec<_>) =
            conflicts.into_iter().partition(|one| one.kind.is_text() && rules::is_lock_file(&one.path));
        let mut round = Round::default();
        for conflict in others {
            self.settle(conflict, &subject, None, &mut round).await?;
        }
        if let Some(ended) = round.ended(locks.len())? {
            return Ok(Err(ended));
        }
        for conflict in locks {
            self.settle_lock(conflict, &subject, merged, &mut round).await?;
        }
        match round.ended(0)? {
            Some(ended) => Ok(Err(ended)),
            None => self.edited(&merged.tree, &round.edits).await.map(Ok),
        }
    }

    async fn settle_lock(
        &mut self,
        conflict: Conflict,
        subject: &str,
        merged: &Merged,
        round: &mut Round,
    ) -> Result<(), NodeError> {
        let may = self.resolving.methods.contains(&Method::Auto) && self.resolving.tried.refused(&conflict, Method::Auto) == 0;
        let done = self.resolving.tried.accepted(&conflict).is_some();
        let command = rules::lock_command(&conflict.path).filter(|_| may && !done);
        let made = match command {
            None => None,
            Some(command) => {
                let mut edits = round.edits.clone();
                edits.push((conflict.path.clone(), taken(&conflict, Take::Ours)));
                let tree = self.edited(&merged.tree, &edits).await?;
                Some(self.ground.make(LockFile { path: &conflict.path, tree: &tree, command }).await?)
            }
        };
        self.settle(conflict, subject, made, round).await
    }

    async fn settle(
        &mut self,
        conflict: Conflict,
        subject: &str,
        made: Option<Made>,
        round: &mut Round,
    ) -> Result<(), NodeError> {
        let settled = match self.resolving.decided(&conflict).await? {
            Some(resolution) => Settled::Taken(resolution),
            None => self.resolving.settle(&conflict, subject, made).await?,
        };
        match settled {
            Settled::Open => round.open += 1,
            Settled::Unresolved => {
                round.unresolved.push(json!({"commit": conflict.commit, "path": conflict.path, "kind": conflict.kind}))
            }
            Settled::Waits(outcome) => round.waits = Some(outcome),
            Settled::Taken(resolution) => {
                let entry = self.entry(&conflict, resolution.answer.as_ref()).await?;
                round.edits.push((conflict.path.clone(), entry));
                let line = format!("`{}` ({}) is resolved by {}", conflict.path, conflict.kind.as_str(), resolution.by);
                self.resolving.log.line(Stream::System, line).await;
                self.met.push((conflict, resolution));
            }
        }
        Ok(())
    }

    async fn entry(&self, conflict: &Conflict, answer: Option<&Answer>) -> Result<Option<Entry>, NodeError> {
        Ok(match answer {
            Some(Answer::Content(text)) => {
                let oid = write_blob(self.tree.path(), text.as_str()).await?;
                Some(Entry { mode: mode(conflict), oid })
            }
            Some(Answer::Take(take)) => taken(conflict, *take),
            None => None,
        })
    }
}

/// The conflicts of one commit.
#[derive(Default)]
struct Round {
    edits: Edits,
    open: u32,
    unresolved: Vec<Value>,
    waits: Option<Box<Outcome>>,
}

impl Round {
    /// Why the commit cannot be written yet; `later` are those that have not been looked at.
    fn ended(&mut self, later: usize) -> Result<Option<Ended>, NodeError> {
        if let Some(first) = self.unresolved.first() {
            let more = self.unresolved.len() + later - 1;
            let message = format!(
                "{} ({}) of {} collides and none of the methods in `resolve` resolves it; {more} more of this commit",
                first["path"], first["kind"], first["commit"]
            );
            return Err(NodeError::fatal("REBASE_CONFLICTS", message).with_details(json!({"conflicts": self.unresolved})));
        }
        if let Some(outcome) = self.waits.take() {
            return Ok(Some(Ended::Waits(outcome)));
        }
        Ok((self.open > 0).then_some(Ended::Open(self.open)))
    }
}
