//! What GitHub tells of an event, wherever each kind of event has it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// From so many commits on GitHub tells of some of them only.
const MOST_COMMITS: usize = 2_048;
/// What GitHub says of people who may write to the repository.
const INSIDERS: [&str; 3] = ["OWNER", "MEMBER", "COLLABORATOR"];

/// An event.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// What GitHub calls it, for example `push`.
    pub name: &'a str,
    /// What it tells.
    pub payload: &'a Value,
}

/// The files that a push changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paths<'a> {
    /// It is no push, or not all of its commits are told.
    Unknown,
    /// These.
    All(BTreeSet<&'a str>),
}

impl<'a> Event<'a> {
    /// `owner/name`.
    pub fn repository(&self) -> Option<&'a str> {
        self.text("/repository/full_name")
    }

    /// What was done, for example `opened`.
    pub fn action(&self) -> Option<&'a str> {
        self.text("/action")
    }

    /// Who has done it.
    pub fn author(&self) -> Option<&'a str> {
        self.text("/sender/login")
    }

    /// The number of the issue or pull request.
    pub fn number(&self) -> Option<u64> {
        let places = ["/number", "/pull_request/number", "/issue/number"];
        places.iter().find_map(|place| self.payload.pointer(place)?.as_u64())
    }

    /// The branch that was pushed to, or that a pull request asks to be merged into.
    pub fn branch(&self) -> Option<&'a str> {
        match self.name {
            "push" => self.text("/ref")?.strip_prefix("refs/heads/"),
            "create" | "delete" if self.text("/ref_type") == Some("branch") => self.text("/ref"),
            "create" | "delete" => None,
            _ => {
                let places = [
                    "/pull_request/base/ref",
                    "/workflow_run/head_branch",
                    "/check_suite/head_branch",
                    "/check_run/check_suite/head_branch",
                    "/workflow_job/head_branch",
                ];
                places.iter().find_map(|place| self.text(place))
            }
        }
    }

    /// The tag that was pushed, made or removed.
    pub fn tag(&self) -> Option<&'a str> {
        match self.name {
            "push" => self.text("/ref")?.strip_prefix("refs/tags/"),
            "create" | "delete" if self.text("/ref_type") == Some("tag") => self.text("/ref"),
            _ => self.text("/release/tag_name"),
        }
    }

    /// The commit that it is about.
    pub fn commit(&self) -> Option<&'a str> {
        let places = [
            "/pull_request/head/sha",
            "/check_run/head_sha",
            "/check_suite/head_sha",
            "/workflow_run/head_sha",
            "/workflow_job/head_sha",
            "/comment/commit_id",
            "/sha",
            "/after",
        ];
        places.iter().find_map(|place| self.text(place))
    }

    /// The files that a push changes.
    pub fn paths(&self) -> Paths<'a> {
        let commits = self.payload["commits"].as_array().filter(|commits| self.name == "push" && commits.len() < MOST_COMMITS);
        let Some(commits) = commits else { return Paths::Unknown };
        let lists = commits.iter().flat_map(|commit| ["added", "modified", "removed"].map(|list| commit[list].as_array()));
        Paths::All(lists.flatten().flatten().filter_map(Value::as_str).collect())
    }

    /// Whether a program has done it.
    pub fn is_by_a_bot(&self) -> bool {
        self.text("/sender/type") == Some("Bot") || self.author().is_some_and(|author| author.ends_with("[bot]"))
    }

    /// Why it is to be taken as what a stranger has written, if it is.
    pub fn stranger(&self) -> Option<&'static str> {
        let payload = self.payload;
        if let Some(pull_request) = payload.get("pull_request").filter(|one| one.is_object()) {
            // A fork that was deleted is null.
            let repository = |end: &str| pull_request.pointer(&format!("/{end}/repo/id")).and_then(Value::as_u64);
            let is_own = repository("base").is_some() && repository("head") == repository("base");
            if !is_own {
                return Some("the pull request comes from a fork");
            }
        }
        if let Some(run) = payload.get("workflow_run").filter(|run| run.is_object()) {
            let is_own = run.pointer("/head_repository/id").is_some_and(|head| Some(head) == payload.pointer("/repository/id"));
            if !is_own {
                return Some("what was run comes from a fork");
            }
        }
        // GitHub tells no branch for what stands in a fork.
        let suites = [payload.get("check_suite"), payload.pointer("/check_run/check_suite")];
        if suites.into_iter().flatten().any(|suite| suite.is_object() && suite["head_branch"].is_null()) {
            return Some("what was checked comes from a fork");
        }
        // Who talks about a pull request may be anybody, and where it comes from is not told.
        let is_about_a_pull_request = self.name == "issue_comment" && payload.pointer("/issue/pull_request").is_some();
        let is_insider = self.text("/comment/author_association").is_some_and(|word| INSIDERS.contains(&word));
        (is_about_a_pull_request && !is_insider).then_some("somebody from outside comments on a pull request")
    }

    /// What runs see beside headers and body.
    pub fn summary(&self) -> Map<String, Value> {
        let summary = json!({
            "event": self.name, "action": self.action(), "repository": self.repository(), "branch": self.branch(),
            "tag": self.tag(), "commit": self.commit(), "number": self.number(), "author": self.author(),
        });
        match summary {
            Value::Object(summary) => summary,
            _ => Map::new(),
        }
    }

    fn text(&self, pointer: &str) -> Option<&'a str> {
        self.payload.pointer(pointer)?.as_str()
    }
}
