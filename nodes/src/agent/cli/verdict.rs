//! What the end of a session means: done, to be gone on with, or failed, and whether another attempt makes sense.
//!
//! Neither the exit code nor the `subtype` decides: a failed request is a `success`, and everything that fails ends with 1.

use flowforge_core::{Timestamp, node::NodeError};

use super::event::Ending;

/// How a call of the program ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ended {
    /// As shells count.
    pub(crate) code: i32,
    /// Its last line; nothing when it was cut short.
    pub(crate) ending: Option<Ending>,
    /// The end of what it wrote to its standard error.
    pub(crate) stderr: String,
    /// Whether it wrote anything that it should.
    pub(crate) has_begun: bool,
    /// What it said of limits.
    pub(crate) quota: Option<Quota>,
}

/// How much may be asked is used up for now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Quota {
    /// When it begins anew, in seconds since 1970, if anybody said so.
    pub(crate) resets_at_s: Option<i64>,
}

impl Quota {
    /// When it begins anew, if anybody said so.
    pub(crate) fn resets_at(self) -> Option<Timestamp> {
        self.resets_at_s.map(|seconds| Timestamp(seconds.saturating_mul(1_000)))
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// The session has come to its end.
    Done(Box<Ending>),
    /// The same session can go on when the limit is lifted.
    Limited(Quota),
    /// There is no such session any more.
    Lost(String),
    /// It failed.
    Failed(NodeError),
}

/// The verdict on a session that was asked to go on, or on one that began.
pub(crate) fn verdict(ended: &Ended) -> Verdict {
    let Some(ending) = &ended.ending else { return cut(ended) };
    if !ending.is_error {
        return Verdict::Done(Box::new(ending.clone()));
    }
    let said = said(ending, ended);
    match ending.terminal_reason.as_deref() {
        Some("max_turns") => {
            fatal("AGENT_MAX_TURNS", format!("the agent has used all its turns: {said}; allow more, or ask for less"))
        }
        Some("budget_exhausted") => {
            fatal("AGENT_BUDGET", format!("the agent has used its budget up: {said}; raise `budget_usd`"))
        }
        Some("api_error") => api_error(ending, ended.quota, &said),
        // Only a session that is to go on and does not exist ends before anything was done.
        None if ending.turns == 0 => Verdict::Lost(said),
        Some("structured_output_retries" | "max_structured_output_retries") => output_invalid(&said),
        _ if ending.subtype.contains("structured_output") => output_invalid(&said),
        Some(reason) => retry("AGENT_CUT", format!("the agent was stopped ({reason}): {said}")),
        None => retry("AGENT_FAILED", format!("the agent failed: {said}")),
    }
}

/// There is no last line: it was killed, or never began.
fn cut(ended: &Ended) -> Verdict {
    let said = if ended.stderr.trim().is_empty() { "it said nothing".to_owned() } else { last_words(&ended.stderr) };
    if ended.stderr.contains("No conversation found") || ended.stderr.contains("is already in use") {
        return Verdict::Lost(said);
    }
    match ended.code {
        137 => retry("AGENT_KILLED", format!("the agent was killed, perhaps for want of memory: {said}")),
        code if code >= 128 => retry("AGENT_KILLED", format!("the agent was ended by signal {}: {said}", code - 128)),
        code if !ended.has_begun => fatal("AGENT_NOT_STARTED", format!("the agent did not begin (exit code {code}): {said}")),
        code => retry("AGENT_CUT", format!("the agent ended in the middle (exit code {code}): {said}")),
    }
}

fn api_error(ending: &Ending, quota: Option<Quota>, said: &str) -> Verdict {
    let resets = || quota.or_else(|| resets_at(said)).unwrap_or_default();
    match ending.api_error_status {
        Some(401 | 403) => fatal(
            "AGENT_AUTH_FAILED",
            format!("the model's service does not take the key: {said}; give another `api_key`, or ask the operator"),
        ),
        Some(404) => fatal("AGENT_MODEL_NOT_FOUND", format!("the model's service does not know the model: {said}")),
        Some(429 | 529) => Verdict::Limited(resets()),
        Some(408 | 500..) => retry("AGENT_API_FAILED", format!("the model's service failed: {said}")),
        Some(status) => fatal("AGENT_API_FAILED", format!("the model's service refused the request with {status}: {said}")),
        None if quota.is_some() || resets_at(said).is_some() => Verdict::Limited(resets()),
        None if said.contains("Not logged in") || said.contains("Invalid API key") => {
            fatal("AGENT_AUTH_FAILED", format!("the agent has no key: {said}"))
        }
        None => retry("AGENT_API_FAILED", format!("the model's service gave no proper answer: {said}")),
    }
}

/// When the program says in words that a limit is reached, it puts the time behind a bar: `… limit reached|1800000000`.
fn resets_at(said: &str) -> Option<Quota> {
    let (_, rest) = said.split_once("limit reached")?;
    let time: String = rest.strip_prefix('|').unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    Some(Quota { resets_at_s: time.parse().ok() })
}

fn output_invalid(said: &str) -> Verdict {
    fatal("AGENT_OUTPUT_INVALID", format!("the agent did not answer as `output_schema` asks: {said}"))
}

fn said(ending: &Ending, ended: &Ended) -> String {
    let text = ending.result.clone().filter(|text| !text.trim().is_empty());
    let text = text.or_else(|| Some(ending.errors.join("; ")).filter(|text| !text.is_empty()));
    text.map_or_else(|| last_words(&ended.stderr), |text| text.chars().take(2_000).collect())
}

fn last_words(stderr: &str) -> String {
    let lines: Vec<_> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(5)..].join("; ");
    if last.is_empty() { "it gave no reason".to_owned() } else { last.chars().take(1_000).collect() }
}

fn fatal(code: &'static str, message: String) -> Verdict {
    Verdict::Failed(NodeError::fatal(code, message))
}

fn retry(code: &'static str, message: String) -> Verdict {
    Verdict::Failed(NodeError::retry(code, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ending: Ending) -> Verdict {
        verdict(&Ended { code: 1, ending: Some(ending), has_begun: true, ..Ended::default() })
    }

    fn error(reason: &str, status: Option<u64>) -> Ending {
        let terminal_reason = Some(reason.to_owned());
        Ending { subtype: "success".into(), is_error: true, terminal_reason, api_error_status: status, ..Ending::default() }
    }

    fn check(found: &Verdict, code: &str, retryable: bool) {
        let Verdict::Failed(fault) = found else { panic!("{found:?} is not {code}") };
        assert_eq!((&*fault.code, fault.retryable), (code, retryable), "{fault}");
    }

    #[test]
    fn what_the_service_answered_says_who_has_to_act() {
        for (status, code, retryable) in [
            (Some(401), "AGENT_AUTH_FAILED", false),
            (Some(403), "AGENT_AUTH_FAILED", false),
            (Some(404), "AGENT_MODEL_NOT_FOUND", false),
            (Some(400), "AGENT_API_FAILED", false),
            (Some(413), "AGENT_API_FAILED", false),
            (Some(408), "AGENT_API_FAILED", true),
            (Some(500), "AGENT_API_FAILED", true),
            (Some(503), "AGENT_API_FAILED", true),
            (None, "AGENT_API_FAILED", true),
        ] {
            check(&of(error("api_error", status)), code, retryable);
        }
        check(&of(error("max_turns", None)), "AGENT_MAX_TURNS", false);
        check(&of(error("budget_exhausted", None)), "AGENT_BUDGET", false);
        check(&of(error("aborted_tools", None)), "AGENT_CUT", true);
        let unread =
            Ending { subtype: "error_max_structured_output_retries".into(), is_error: true, turns: 3, ..Ending::default() };
        check(&of(unread), "AGENT_OUTPUT_INVALID", false);
    }

    #[test]
    fn limits_are_waited_for_and_not_failed_on() {
        assert_eq!(of(error("api_error", Some(429))), Verdict::Limited(Quota::default()));
        assert_eq!(of(error("api_error", Some(529))), Verdict::Limited(Quota::default()));
        let told = Quota { resets_at_s: Some(1_800_000_000) };
        let said = Ending { result: Some("Claude AI usage limit reached|1800000000".into()), ..error("api_error", None) };
        assert_eq!(of(said), Verdict::Limited(told));
        let ended = Ended { ending: Some(error("api_error", Some(429))), quota: Some(told), ..Ended::default() };
        assert_eq!(verdict(&ended), Verdict::Limited(told));
    }

    #[test]
    fn a_success_that_is_an_error_is_none() {
        let fine = Ending { subtype: "success".into(), result: Some("Done".into()), ..Ending::default() };
        assert_eq!(of(fine.clone()), Verdict::Done(Box::new(fine)));
        assert!(matches!(of(error("api_error", Some(401))), Verdict::Failed(_)));
    }

    #[test]
    fn without_a_last_line_the_exit_and_the_words_decide() {
        let cut =
            |code, has_begun, stderr: &str| verdict(&Ended { code, has_begun, stderr: stderr.to_owned(), ..Ended::default() });
        check(&cut(143, true, ""), "AGENT_KILLED", true);
        check(&cut(137, true, ""), "AGENT_KILLED", true);
        check(&cut(0, true, ""), "AGENT_CUT", true);
        check(&cut(1, false, "error: unknown option '--x'"), "AGENT_NOT_STARTED", false);
        for said in ["No conversation found with session ID: x", "Error: Session ID x is already in use."] {
            assert_eq!(cut(1, false, said), Verdict::Lost(said.to_owned()));
        }
        let lost = Ending { subtype: "error_during_execution".into(), is_error: true, ..Ending::default() };
        assert!(matches!(of(lost), Verdict::Lost(_)));
    }
}
