//! Work trees that outlive their machine: after a step the tree is a commit on a hidden ref, and a bundle of what is new in it is
//! kept outside. Whoever executes the next step and has not the files as they were left makes them anew from the bundles.
//!
//! The commit holds the files, the message what a commit cannot: where the refs stood, and where the repository came from. Files
//! that git ignores are not kept.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use flowforge_core::{
    RunId,
    files::{Checkpoint, FileChange, KeptFile, Standing},
    node::{Context, NodeError, Stream},
};
use serde::{Deserialize, Serialize};

use super::{BEFORE, Git, Origin, STEPS, WorkTree, changes::Person, faults};

/// Where the newest checkpoint stands.
const CHECKPOINT: &str = "refs/flowforge/checkpoint";
/// The file beside the tree that says which checkpoint the tree goes on from.
const STANDING: &str = "standing.json";
/// After so many bundles a whole one is made, so that making the tree anew does not take ever longer.
const MOST_BUNDLES: usize = 16;
/// How many changed files are named.
const MOST_CHANGES: usize = 500;
/// How much of a patch is kept, in bytes.
const LONGEST_DIFF: usize = 4 << 20;

/// What the tree goes on from.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Local {
    run: RunId,
    number: u32,
    checkpoint: Checkpoint,
}

/// What a commit cannot hold: the message of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Rest {
    origin: Origin,
    /// A ref, or a commit that is checked out by itself.
    head: Head,
    refs: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Head {
    Ref(String),
    Commit(String),
}

impl WorkTree {
    /// Brings the tree to where the steps of the run have left it, if it is somewhere else: on another machine, or in a run that
    /// repeats another one.
    pub(super) async fn catch_up(&self, cx: &Context) -> Result<(), NodeError> {
        let Some(standing) = cx.files.latest().await? else { return Ok(()) };
        let is_here = |local: &Local| {
            (local.run, local.number, &*local.checkpoint.commit) == (standing.run, standing.number, &*standing.checkpoint.commit)
        };
        if self.local()?.is_some_and(|local| is_here(&local)) && self.origin().is_some() {
            return Ok(());
        }
        let line = format!("making the work tree anew from checkpoint {} of {}", standing.number, standing.run);
        cx.log.line(Stream::System, line).await;
        let fresh = self.aside().await?;
        let origin = self.unpack(cx, &standing, &fresh).await?;
        self.put_in_place(&fresh, &origin).await?;
        self.set_local(&Local { run: standing.run, number: standing.number, checkpoint: standing.checkpoint })
    }

    /// Leaves the tree for the steps after this one. Nothing is left where no repository was cloned.
    ///
    /// `attachments` are files that belong to the step beside the tree.
    pub(crate) async fn leave(&self, cx: &Context, attachments: &[(&str, &Path)]) -> Result<(), NodeError> {
        let Some(origin) = self.origin().filter(|_| cx.files.is_kept()) else { return Ok(()) };
        let before = self.before().await?;
        let more = before.clone().filter(|local| local.run == cx.run && local.checkpoint.bundles.len() < MOST_BUNDLES);
        let content = self.snapshot().await?;
        let rest = self.rest(origin).await?;
        let commit = self.commit_rest(&rest, &content, more.as_ref()).await?;
        let mut bundles = more.as_ref().map_or_else(Vec::new, |local| local.checkpoint.bundles.clone());
        if more.as_ref().is_none_or(|local| local.checkpoint.commit != commit) {
            bundles.push(self.bundle(cx, more.as_ref()).await?);
        }
        let mut kept = BTreeMap::new();
        for (name, path) in attachments {
            kept.insert((*name).to_owned(), cx.files.keep(path).await?);
        }
        let (changed, changes, diff) = self.changed(cx, before.as_ref(), &content).await?;
        let effect_key = cx.effect_key.to_string();
        let checkpoint = Checkpoint { effect_key, commit, bundles, attachments: kept, changed, changes, diff };
        match cx.files.checkpoint(checkpoint.clone()).await? {
            Some(number) => self.set_local(&Local { run: cx.run, number, checkpoint }),
            None => Ok(()),
        }
    }

    /// What belonged to a step beside the tree, as it was left last; nothing when the step has left nothing.
    pub(crate) async fn attachment(&self, cx: &Context, name: &str, to: &Path) -> Result<bool, NodeError> {
        let standing = cx.files.latest().await?.filter(|standing| *standing.checkpoint.effect_key == *cx.effect_key);
        match standing.and_then(|standing| standing.checkpoint.attachments.get(name).cloned()) {
            Some(file) => cx.files.fetch(&file, to).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn unpack(&self, cx: &Context, standing: &Standing, fresh: &Path) -> Result<Origin, NodeError> {
        Git::anywhere().args(["init", "--quiet", "--template=", "--"]).args([fresh]).run().await?;
        for (number, file) in standing.checkpoint.bundles.iter().enumerate() {
            let bundle = self.folder().join(format!("fetched-{number}.bundle"));
            cx.files.fetch(file, &bundle).await?;
            let unpacked = Git::at(fresh).args(["bundle", "unbundle", "--"]).args([&bundle]).run().await;
            fs::remove_file(&bundle).ok();
            unpacked?;
        }
        let commit = &*standing.checkpoint.commit;
        let rest = read_rest(fresh, commit).await?;
        set_refs(fresh, &rest, commit).await?;
        Git::at(fresh).args(["read-tree", "--reset", "-u", commit]).run().await?;
        // The index is the branch's own: what the steps have changed since is to be seen as changed.
        let index = if let Head::Ref(name) = &rest.head { self.known(fresh, name).await? } else { Some("HEAD".to_owned()) };
        let index = index.map_or_else(|| vec!["--empty".to_owned()], |name| vec![name]);
        Git::at(fresh).args(["read-tree"]).args(index).run().await?;
        Git::at(fresh).args(["update-index", "-q", "--refresh"]).answer().await?;
        Ok(rest.origin)
    }

    async fn known(&self, fresh: &Path, name: &str) -> Result<Option<String>, NodeError> {
        let found = Git::at(fresh).args(["rev-parse", "--verify", "--quiet", name]).find().await?;
        Ok(found.map(|_| name.to_owned()))
    }

    async fn rest(&self, origin: Origin) -> Result<Rest, NodeError> {
        let head = match Git::at(self.path()).args(["symbolic-ref", "--quiet", "HEAD"]).find().await? {
            Some(name) => Head::Ref(name),
            None => Head::Commit(Git::at(self.path()).args(["rev-parse", "--verify", "HEAD"]).run().await?),
        };
        let patterns = ["refs/heads", "refs/remotes", "refs/tags", STEPS, BEFORE];
        let listed =
            Git::at(self.path()).args(["for-each-ref", "--format=%(refname) %(objectname)"]).args(patterns).run().await?;
        let refs = listed.lines().filter_map(|line| line.split_once(' '));
        Ok(Rest { origin, head, refs: refs.map(|(name, object)| (name.to_owned(), object.to_owned())).collect() })
    }

    /// The checkpoint's commit. It stands on the branch's and on the checkpoint before, so that a bundle holds all that both need.
    async fn commit_rest(&self, rest: &Rest, content: &str, before: Option<&Local>) -> Result<String, NodeError> {
        let head = match &rest.head {
            Head::Ref(name) => rest.refs.get(name).cloned(),
            Head::Commit(commit) => Some(commit.clone()),
        };
        let parents: Vec<_> = head.into_iter().chain(before.map(|local| local.checkpoint.commit.clone())).collect();
        let message = serde_json::to_vec(rest).map_err(|fault| failed(fault.to_string()))?;
        let git = Person::default().sign(Git::at(self.path())).env("GIT_AUTHOR_DATE", "@0 +0000");
        let git = git.env("GIT_COMMITTER_DATE", "@0 +0000").args(["commit-tree", content]);
        let commit = git.args(parents.iter().flat_map(|parent| ["-p", parent])).args(["-F", "-"]).stdin(message).run().await?;
        Git::at(self.path()).args(["update-ref", CHECKPOINT, &commit]).run().await?;
        Ok(commit)
    }

    async fn bundle(&self, cx: &Context, before: Option<&Local>) -> Result<KeptFile, NodeError> {
        let path = self.folder().join("leaving.bundle");
        // A git that was killed has left its lock; whoever holds the tree's lock is the only one to write here.
        gone(&path.with_extension("bundle.lock"))?;
        let mut git = Git::at(self.path()).args(["bundle", "create", "--quiet"]).args([&path]).args([
            CHECKPOINT,
            "--branches",
            "--remotes",
            "--tags",
            &format!("--glob={STEPS}/*"),
        ]);
        if let Some(local) = before {
            let known = read_rest(self.path(), &local.checkpoint.commit).await?.refs;
            let known = known.into_iter().filter(|(name, _)| !name.starts_with(BEFORE)).map(|(_, object)| object);
            git = git.args(["--not", &local.checkpoint.commit]).args(known);
        }
        let answer = git.answer().await?;
        if answer.code != 0 {
            return Err(failed(faults::said(&answer.stderr)));
        }
        let kept = cx.files.keep(&path).await;
        fs::remove_file(&path).ok();
        kept
    }

    /// What the step has changed: the files that it found are those that it remembered, or those of the checkpoint before.
    async fn changed(
        &self,
        cx: &Context,
        before: Option<&Local>,
        content: &str,
    ) -> Result<(u64, Vec<FileChange>, Option<KeptFile>), NodeError> {
        let remembered = format!("{BEFORE}/{}", cx.effect_key);
        let found = match Git::at(self.path()).args(["rev-parse", "--verify", "--quiet", &remembered]).find().await? {
            Some(tree) => Some(tree),
            None => before.map(|local| format!("{}^{{tree}}", local.checkpoint.commit)),
        };
        let Some(found) = found else { return Ok((0, Vec::new(), None)) };
        let diff =
            |args: &[&str]| Git::at(self.path()).args(["diff-tree", "-r", "--no-renames"]).args(args).args([&*found, content]);
        let numbers = parse_numbers(&diff(&["-z", "--numstat"]).run().await?);
        if numbers.is_empty() {
            return Ok((0, numbers, None));
        }
        let answer = diff(&["-p", "--no-color", "--no-ext-diff", "--no-textconv"]).answer().await?;
        let patch = self.folder().join("leaving.patch");
        fs::write(&patch, shortened(answer.stdout)).map_err(|fault| failed(fault.to_string()))?;
        let kept = cx.files.keep(&patch).await;
        fs::remove_file(&patch).ok();
        Ok((numbers.len() as u64, numbers.into_iter().take(MOST_CHANGES).collect(), Some(kept?)))
    }

    /// What the tree goes on from, if the repository knows it: one that was just cloned does not.
    async fn before(&self) -> Result<Option<Local>, NodeError> {
        let Some(local) = self.local()? else { return Ok(None) };
        Ok(self.commit(&local.checkpoint.commit).await?.map(|_| local))
    }

    fn local(&self) -> Result<Option<Local>, NodeError> {
        match fs::read(self.standing()) {
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(None),
            // What cannot be read is as good as none: the tree is made anew.
            read => Ok(serde_json::from_slice(&read.map_err(|fault| failed(fault.to_string()))?).ok()),
        }
    }

    fn set_local(&self, local: &Local) -> Result<(), NodeError> {
        let (path, aside) = (self.standing(), self.standing().with_extension("new"));
        let text = serde_json::to_vec(local).map_err(|fault| failed(fault.to_string()))?;
        fs::write(&aside, text).and_then(|()| fs::rename(&aside, &path)).map_err(|fault| failed(fault.to_string()))
    }

    fn standing(&self) -> PathBuf {
        self.folder().join(STANDING)
    }
}

async fn read_rest(tree: &Path, commit: &str) -> Result<Rest, NodeError> {
    let text = Git::at(tree).args(["cat-file", "commit", commit]).run().await?;
    let message = text.split_once("\n\n").map_or("", |(_, message)| message);
    serde_json::from_str(message).map_err(|fault| failed(format!("the checkpoint {commit} cannot be read: {fault}")))
}

/// Refs to what no bundle holds, such as the tree that an earlier step found, are left out.
async fn set_refs(tree: &Path, rest: &Rest, commit: &str) -> Result<(), NodeError> {
    let objects: String = rest.refs.values().flat_map(|object| [object.as_str(), "\n"]).collect();
    let there = Git::at(tree).args(["cat-file", "--batch-check=%(objectname) %(objecttype)"]).stdin(objects).run().await?;
    let is_there = there.lines().map(|line| !line.ends_with(" missing"));
    let refs = rest.refs.iter().zip(is_there).filter(|(_, there)| *there);
    let lines: String = refs.map(|((name, object), _)| format!("update {name} {object}\n")).collect();
    let lines = format!("{lines}update {CHECKPOINT} {commit}\n");
    Git::at(tree).args(["update-ref", "--stdin"]).stdin(lines).run().await?;
    match &rest.head {
        Head::Ref(name) => Git::at(tree).args(["symbolic-ref", "HEAD", name]).run().await.map(drop),
        Head::Commit(commit) => Git::at(tree).args(["update-ref", "--no-deref", "HEAD", commit]).run().await.map(drop),
    }
}

/// Lines `<added>\t<removed>\t<path>`, each ended by NUL; `-` for a binary file.
fn parse_numbers(listed: &str) -> Vec<FileChange> {
    let line = |line: &str| {
        let mut parts = line.trim_start_matches('\n').splitn(3, '\t');
        let (added, removed, path) = (parts.next()?, parts.next()?, parts.next()?);
        Some(FileChange { path: path.to_owned(), added: added.parse().ok(), removed: removed.parse().ok() })
    };
    listed.split('\0').filter_map(line).collect()
}

fn shortened(mut patch: Vec<u8>) -> Vec<u8> {
    if patch.len() > LONGEST_DIFF {
        patch.truncate(LONGEST_DIFF);
        let end = patch.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        patch.truncate(end);
        patch.extend_from_slice(b"\\ The rest of this patch is left out.\n");
    }
    patch
}

fn gone(path: &Path) -> Result<(), NodeError> {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => Err(failed(fault.to_string())),
        _ => Ok(()),
    }
}

fn failed(what: String) -> NodeError {
    NodeError::retry("WORK_TREE_FAILED", format!("the work tree could not be kept or made anew: {what}"))
}

#[cfg(test)]
mod tests;
