//! `trigger.github`: what GitHub tells, and which of it begins runs.

mod event;

use globset::{GlobBuilder, GlobMatcher};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::event::{Event, Paths};
use super::{
    form::{optional, or_default},
    signature::{Auth, Scheme, is_secret_name},
    webhook::{LARGEST_BODY, templates},
};
use crate::params::ParamsProblem;

/// The longest pattern.
const LONGEST_PATTERN: usize = 256;
/// The most patterns in a list.
const MOST_PATTERNS: usize = 100;

/// What an author asks for. An empty list asks for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The name of the secret that the webhook at GitHub has, for example `GITHUB_WEBHOOK`.
    #[schemars(extend("x-widget" = "secret"))]
    pub secret: String,
    /// The name of the secret before it, which counts as well for 24 hours after the version that names it was published.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(extend("x-widget" = "secret"))]
    pub previous_secret: Option<String>,
    /// Repositories as `owner/name`; `*` stands for anything between two slashes, for example `acme/*`.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "tags", "x-placeholder" = "acme/shop"))]
    pub repositories: Vec<String>,
    /// Events, for example `push`, `pull_request`, `issues`, `issue_comment`, `check_run`.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "tags", "x-placeholder" = "push"))]
    pub events: Vec<String>,
    /// Actions of those events that have any, for example `opened`.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "tags", "x-placeholder" = "opened"))]
    pub actions: Vec<String>,
    /// Branches that are pushed to or that a pull request asks to be merged into; `*` stands for anything between two slashes, `**`
    /// for anything. Tags are no branches. Events without a branch pass.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "tags", "x-placeholder" = "main"))]
    pub branches: Vec<String>,
    /// Files that a push adds, changes or removes, for example `src/**`. Only pushes name their files: other events pass, and so
    /// does a push of which GitHub tells a part of the commits only.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "tags", "x-placeholder" = "src/**"))]
    pub paths: Vec<String>,
    /// Who has done it, by their GitHub names.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "tags", "x-placeholder" = "octocat"))]
    pub authors: Vec<String>,
    /// Whether what bots do begins no runs.
    #[serde(default, deserialize_with = "or_default")]
    pub ignore_bots: bool,
    /// What becomes of a pull request from a fork, and of what people from outside say about one: such a run would act on what a
    /// stranger wrote, with this workspace's secrets.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(title = "Pull requests from forks")]
    pub forks: Forks,
}

/// What becomes of what strangers ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Forks {
    /// It waits until somebody lets it go.
    #[default]
    #[schemars(title = "Held until somebody lets it go")]
    Hold,
    /// It begins no run.
    #[schemars(title = "Ignored")]
    Ignore,
}

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It begins a run.
    Start,
    /// It does not, for this reason.
    Filtered(String),
    /// Somebody has to let it go, for this reason.
    Held(String),
}

impl Params {
    /// What is asked of GitHub: a signature over the body, which does not cover the delivery's id.
    pub fn auth(&self) -> Auth {
        Auth {
            scheme: Scheme::Github,
            secret: Some(self.secret.clone()),
            previous_secret: self.previous_secret.clone(),
            ..Auth::default()
        }
    }

    /// The largest body that GitHub sends, in bytes.
    pub fn max_body_bytes(&self) -> u64 {
        LARGEST_BODY
    }

    /// What becomes of an event.
    pub fn judge(&self, event: &Event) -> Verdict {
        if let Some(reason) = self.refusal(event) {
            return Verdict::Filtered(reason);
        }
        match (event.stranger(), self.forks) {
            (None, _) => Verdict::Start,
            (Some(reason), Forks::Ignore) => Verdict::Filtered(reason.to_owned()),
            (Some(reason), Forks::Hold) => Verdict::Held(format!("{reason}: an editor has to let it go")),
        }
    }

    fn refusal(&self, event: &Event) -> Option<String> {
        if event.name == "ping" {
            return Some("GitHub asks whether anybody is there".to_owned());
        }
        let lists = [
            ("event", &self.events, Some(event.name), false),
            ("repository", &self.repositories, event.repository(), true),
            ("author", &self.authors, event.author(), true),
        ];
        for (what, wanted, is, any_case) in lists {
            if !wanted.is_empty() && !is.is_some_and(|is| fits(wanted, is, any_case)) {
                return Some(format!("the {what} is {}, which is not asked for", shown(is)));
            }
        }
        let action = event.action().filter(|action| !self.actions.is_empty() && !fits(&self.actions, action, false));
        if let Some(action) = action {
            return Some(format!("the action is `{action}`, which is not asked for"));
        }
        if self.ignore_bots && event.is_by_a_bot() {
            return Some("a bot has done it".to_owned());
        }
        self.refused_branch(event).or_else(|| self.refused_paths(event))
    }

    fn refused_branch(&self, event: &Event) -> Option<String> {
        if self.branches.is_empty() {
            return None;
        }
        match (event.branch(), event.tag()) {
            (Some(branch), _) if fits(&self.branches, branch, false) => None,
            (Some(branch), _) => Some(format!("the branch is `{branch}`, which is not asked for")),
            (None, Some(tag)) => Some(format!("`{tag}` is a tag and no branch")),
            (None, None) => None,
        }
    }

    fn refused_paths(&self, event: &Event) -> Option<String> {
        match event.paths() {
            Paths::All(paths) if !self.paths.is_empty() => {
                let patterns = compiled(&self.paths, false);
                let is_met = paths.iter().any(|path| patterns.iter().any(|pattern| pattern.is_match(path)));
                (!is_met).then(|| "none of the files that changed is asked for".to_owned())
            }
            _ => None,
        }
    }

    /// All that is wrong with them beyond what their schema says.
    pub fn check(&self) -> Vec<ParamsProblem> {
        let mut problems = templates(self);
        let mut fault = |field: String, message: &str| {
            problems.push(ParamsProblem { code: "invalid_parameter", field, message: message.to_owned() });
        };
        for (name, secret) in [("secret", Some(&self.secret)), ("previous_secret", self.previous_secret.as_ref())] {
            if secret.is_some_and(|name| !is_secret_name(name)) {
                fault(name.to_owned(), "must be the name of a secret, like GITHUB_WEBHOOK, and not its value");
            }
        }
        let lists = [
            ("repositories", &self.repositories),
            ("events", &self.events),
            ("actions", &self.actions),
            ("branches", &self.branches),
            ("paths", &self.paths),
            ("authors", &self.authors),
        ];
        for (name, list) in lists {
            if list.len() > MOST_PATTERNS {
                fault(name.to_owned(), "must have at most 100 entries");
            }
            for (at, pattern) in list.iter().enumerate() {
                if pattern.is_empty() || pattern.len() > LONGEST_PATTERN || glob(pattern, false).is_none() {
                    fault(format!("{name}.{at}"), "must be a pattern of 1 to 256 characters, like src/** or acme/*");
                } else if name == "repositories" && pattern.split('/').count() != 2 {
                    fault(format!("{name}.{at}"), "must be owner/name, where each may hold *");
                }
            }
        }
        problems
    }
}

fn fits(patterns: &[String], text: &str, any_case: bool) -> bool {
    compiled(patterns, any_case).iter().any(|pattern| pattern.is_match(text))
}

fn compiled(patterns: &[String], any_case: bool) -> Vec<GlobMatcher> {
    patterns.iter().filter_map(|pattern| glob(pattern, any_case)).collect()
}

fn glob(pattern: &str, any_case: bool) -> Option<GlobMatcher> {
    // A bot's name ends in `[bot]`, which is no class of characters.
    let pattern = pattern.replace('[', "[[]");
    let glob = GlobBuilder::new(&pattern).literal_separator(true).case_insensitive(any_case).backslash_escape(true).build();
    glob.ok().map(|glob| glob.compile_matcher())
}

fn shown(text: Option<&str>) -> String {
    text.map_or_else(|| "not told".to_owned(), |text| format!("`{}`", text.chars().take(100).collect::<String>()))
}

#[cfg(test)]
mod tests;
