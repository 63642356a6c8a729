//! Which git this is: what is done without a work tree needs one that is not too old.

use flowforge_core::node::NodeError;
use tokio::sync::OnceCell;

use super::Git;

/// The first version with `merge-tree --merge-base`. Those since then also have the repairs of the faults by which a repository
/// could make a clone run something.
const OLDEST: (u32, u32) = (2, 40);

/// Makes sure that git is there and new enough.
pub(crate) async fn check() -> Result<(), NodeError> {
    static CHECKED: OnceCell<()> = OnceCell::const_new();
    CHECKED.get_or_try_init(|| async { judge(&Git::anywhere().args(["--version"]).run().await?) }).await.copied()
}

fn judge(said: &str) -> Result<(), NodeError> {
    let numbers = said.split(' ').nth(2).unwrap_or_default().split('.');
    let numbers: Vec<u32> = numbers.map_while(|number| number.parse().ok()).collect();
    match *numbers.as_slice() {
        [major, minor, ..] if (major, minor) >= OLDEST => Ok(()),
        _ => Err(NodeError::fatal(
            "GIT_TOO_OLD",
            format!(
                "git {}.{} or newer is needed here, and `git --version` says `{said}`; install a newer git",
                OLDEST.0, OLDEST.1
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_compared_by_their_numbers() {
        for said in ["git version 2.40.0", "git version 2.47.3", "git version 3.0", "git version 2.50.1 (Apple Git-155)"] {
            assert!(super::judge(said).is_ok(), "{said}");
        }
        for said in ["git version 2.39.5", "git version 1.99.9", "", "nonsense"] {
            assert_eq!(super::judge(said).unwrap_err().code, "GIT_TOO_OLD", "{said}");
        }
    }
}
