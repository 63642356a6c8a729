//! Whether a branch may be pushed to.

use flowforge_core::node::NodeError;

use crate::{
    git::{Git, PushPolicy, Remote, WorkTree, branch_patterns, network_fault},
    params::invalid,
};

/// Refuses a branch that the operator or the author does not list and, where neither lists any, the one that is the repository's own.
pub(super) async fn check(
    branch: &str,
    listed: &[String],
    policy: &PushPolicy,
    (tree, remote): (&WorkTree, &Remote),
) -> Result<(), NodeError> {
    let by_operator = policy.allows(branch);
    if by_operator == Some(false) {
        return Err(refused(branch, "the operator's list, FLOWFORGE_PUSH_BRANCHES, does not name it"));
    }
    let listed: Vec<_> = listed.iter().map(|pattern| pattern.trim()).filter(|pattern| !pattern.is_empty()).collect();
    match branch_patterns(&listed).map_err(invalid)? {
        Some(patterns) if patterns.is_match(branch) => Ok(()),
        Some(_) => Err(refused(branch, "`branches` does not name it")),
        None if by_operator == Some(true) => Ok(()),
        None if own_branch(tree, remote).await?.as_deref() == Some(branch) => {
            Err(refused(branch, "it is the repository's default branch; push another one, or name it in `branches`"))
        }
        None => Ok(()),
    }
}

fn refused(branch: &str, why: &str) -> NodeError {
    NodeError::fatal("GIT_BRANCH_REFUSED", format!("`{branch}` is not pushed to: {why}"))
}

/// The branch that the repository's `HEAD` names over there; nothing while it has no commit.
async fn own_branch(tree: &WorkTree, remote: &Remote) -> Result<Option<String>, NodeError> {
    let git = remote.allow(Git::at(tree.path())).args(["ls-remote", "--symref", "--", remote.url(), "HEAD"]);
    let answer = git.answer().await?;
    if answer.code != 0 {
        let what = format!("{} could not be asked for its default branch", remote.url());
        return Err(network_fault("GIT_PUSH_FAILED", &what, &answer));
    }
    let text = String::from_utf8_lossy(&answer.stdout);
    let has_commit = text.lines().any(|line| !line.starts_with("ref: ") && line.ends_with("\tHEAD"));
    let named = text.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
    Ok(named.filter(|_| has_commit).map(str::to_owned))
}
