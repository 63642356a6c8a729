//! What a branch is replayed onto: fetched from where the work tree came from.

use flowforge_core::node::{Context, NodeError};

use crate::{
    egress::Egress,
    git::{Git, Remote, WorkTree, branch_name, network_fault},
};

/// The commit of a branch over there, or the commit of this id.
pub(super) async fn fetch(
    tree: &WorkTree,
    onto: &str,
    credential: Option<&str>,
    egress: &Egress,
    cx: &Context,
) -> Result<String, NodeError> {
    let onto = onto.trim();
    let origin = tree.repository()?;
    let (from, to) = if is_commit(onto) {
        if let Some(commit) = tree.commit(onto).await? {
            return Ok(commit);
        }
        (onto.to_owned(), onto.to_owned())
    } else {
        let name = branch_name(onto)?;
        let seen = format!("refs/remotes/origin/{name}");
        (format!("+refs/heads/{name}:{seen}"), seen)
    };
    let remote = Remote::open(&origin.url, credential, egress, cx).await?;
    let git = remote.allow(Git::at(tree.path())).args([
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
        "--",
        remote.url(),
        &from,
    ]);
    let answer = git.answer().await?;
    if answer.code != 0 {
        let what = format!("`{onto}` could not be fetched from {}", remote.url());
        return Err(match answer.stderr.contains("couldn't find remote ref") || answer.stderr.contains("not our ref") {
            true => NodeError::fatal("GIT_REF_NOT_FOUND", format!("{what}: it is not there")),
            false => network_fault("GIT_FETCH_FAILED", &what, &answer),
        });
    }
    let missing = || NodeError::fatal("GIT_REF_NOT_FOUND", format!("`{onto}` is no commit"));
    tree.commit(&to).await?.ok_or_else(missing)
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.chars().all(|c| c.is_ascii_hexdigit())
}
