//! What git's words mean: who has to act, and whether another attempt makes sense.

use flowforge_core::node::NodeError;

use super::runner::Answer;

/// The longest excerpt of git's words that is shown, in characters.
const LONGEST: usize = 1_000;

/// Git's words for a person: without progress, colours and control characters.
pub(crate) fn said(stderr: &str) -> String {
    let lines = stderr.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Cloning into"));
    let lines: Vec<_> = lines.collect();
    let from = lines.len().saturating_sub(12);
    let text: String = lines[from..].join("; ").chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    if text.is_empty() { "it said nothing".to_owned() } else { text }
}

/// A failed call over the network.
pub(crate) fn of_network(code: &'static str, what: &str, answer: &Answer) -> NodeError {
    let said = said(&answer.stderr);
    let has = |words: &[&str]| words.iter().any(|word| answer.stderr.contains(word));
    if has(&[
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "returned error: 401",
        "returned error: 403",
    ]) {
        let message = format!("{what}: the remote refused the credential, or asks for one: {said}");
        return NodeError::fatal("GIT_AUTH_FAILED", message);
    }
    let message = format!("{what}: {said}");
    let lasting =
        ["not found", "returned error: 40", "fsck error", "Remote branch", "redirect", "not valid: is this a git repository"];
    if has(&lasting) { NodeError::fatal(code, message) } else { NodeError::retry(code, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stderr: &str, code: &str, retryable: bool) {
        let answer = Answer { code: 128, stdout: Vec::new(), stderr: stderr.to_owned() };
        let fault = of_network("GIT_CLONE_FAILED", "clone", &answer);
        assert_eq!((&*fault.code, fault.retryable), (code, retryable), "{stderr}");
    }

    #[test]
    fn words_say_who_has_to_act() {
        check("fatal: Authentication failed for 'http://h/x.git/'", "GIT_AUTH_FAILED", false);
        check("fatal: could not read Username for 'http://h': terminal prompts disabled", "GIT_AUTH_FAILED", false);
        check("fatal: repository 'http://h/x.git/' not found", "GIT_CLONE_FAILED", false);
        check(
            "warning: Could not find remote branch x\nfatal: Remote branch x not found in upstream origin",
            "GIT_CLONE_FAILED",
            false,
        );
        check("fatal: unable to access 'http://h/': The requested URL returned error: 503", "GIT_CLONE_FAILED", true);
        check("fatal: unable to access 'http://h/': Failed to connect to h port 1", "GIT_CLONE_FAILED", true);
        check("error: RPC failed; curl 18\nfatal: early EOF", "GIT_CLONE_FAILED", true);
    }

    #[test]
    fn words_are_shown_without_progress_and_colour() {
        assert_eq!(
            said("Cloning into 'x'...\nReceiving 1%\rReceiving 9%\n\u{1b}[31mfatal: no\n"),
            "Receiving 1%; Receiving 9%; [31mfatal: no"
        );
        assert_eq!(said(""), "it said nothing");
    }
}
