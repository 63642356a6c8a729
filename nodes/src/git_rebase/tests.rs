//! Real repositories, a real remote, a real sandbox; the model is scripted, and people answer into the rows.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use flowforge_core::{
    Awaiting,
    conflict::{Answer, Check, Conflict, Conflicts, Method, Recorded, Resolution, Take},
    node::{Await, BoxFuture, Node, NodeError, Outcome},
};
use serde_json::{Value, json};

use super::{GitRebase, Params};
use crate::{
    git::rebase::{Question, Resolver, Unheard, check_answer},
    testing::{Bench, allowing, git_in, remote::Remote, tree_of},
};

mod kinds;
mod lasting;
mod methods;

/// The rows of a step, in memory.
#[derive(Default)]
struct Rows(Mutex<Vec<Recorded>>);

impl Conflicts for Rows {
    fn record(&self, conflict: Conflict, resolution: Option<Resolution>) -> BoxFuture<'_, Result<(), NodeError>> {
        let mut rows = self.0.lock().unwrap();
        let at = rows.iter().position(|row| row.conflict.key() == conflict.key()).unwrap_or_else(|| {
            rows.push(Recorded { conflict, resolutions: Vec::new() });
            rows.len() - 1
        });
        rows[at].resolutions.extend(resolution);
        Box::pin(async { Ok(()) })
    }

    fn recorded(&self) -> BoxFuture<'_, Result<Vec<Recorded>, NodeError>> {
        let rows = self.0.lock().unwrap().clone();
        Box::pin(async { Ok(rows) })
    }
}

impl Rows {
    /// Answers what is open at a path, as the API does.
    fn answer(&self, path: &str, answer: Answer) -> Vec<Check> {
        let mut rows = self.0.lock().unwrap();
        let open = |row: &&mut Recorded| row.conflict.path == path && row.resolutions.last().is_none_or(|last| !last.accepted);
        let row = rows.iter_mut().find(open).unwrap_or_else(|| panic!("nothing is open at {path}"));
        let checks = check_answer(&row.conflict, &answer);
        row.resolutions.push(Resolution {
            method: Method::Person,
            by: "ada@example.org".into(),
            prompt: None,
            answer: Some(answer),
            checks: checks.clone(),
            accepted: true,
        });
        checks
    }

    fn tried(&self, path: &str) -> Vec<(Method, bool)> {
        let rows = self.0.lock().unwrap();
        let row = rows.iter().find(|row| row.conflict.path == path).unwrap();
        row.resolutions.iter().map(|one| (one.method, one.accepted)).collect()
    }
}

/// A model that says what it was told to say, in turn; asked the same again it says the same, as answers that are kept do.
#[derive(Default)]
struct Scripted {
    answers: Mutex<Vec<String>>,
    asked: Mutex<Vec<Value>>,
    kept: Mutex<BTreeMap<String, String>>,
}

impl Scripted {
    fn says(answers: &[&str]) -> Arc<Self> {
        let hunk = |text: &&str| match text.strip_prefix("raw:") {
            Some(raw) => raw.to_owned(),
            None => json!({"hunks": [{"number": 1, "text": text}]}).to_string(),
        };
        Arc::new(Self { answers: Mutex::new(answers.iter().rev().map(hunk).collect()), ..Self::default() })
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolver for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<String, Unheard>> {
        let kept = self.kept.lock().unwrap().get(&question.prompt).cloned();
        let answer = kept.or_else(|| {
            self.asked.lock().unwrap().push(serde_json::from_str(&question.prompt).unwrap());
            let answer = self.answers.lock().unwrap().pop()?;
            self.kept.lock().unwrap().insert(question.prompt.clone(), answer.clone());
            Some(answer)
        });
        Box::pin(async move { answer.ok_or_else(|| NodeError::fatal("AGENT_AUTH_FAILED", "nothing left to say").into()) })
    }
}

/// A run whose work tree has the branch `work`, which parted from `main`.
struct Scene {
    remote: Remote,
    bench: Bench,
    rows: Arc<Rows>,
}

impl Scene {
    /// Three scripts, each run in a clone and committed: what both have, what the branch does, what `main` does. A line `commit` makes
    /// a commit in between.
    async fn new(base: &str, work: &str, main: &str) -> Self {
        let remote = Remote::start().await;
        let script = format!(
            "cd seed
             save() {{ git add -A; git commit -q --allow-empty -m \"$1\"; }}
             commit() {{ save \"Step $((n=n+1))\"; }}
             n=0
             {base}
             save Base; git push -q origin main
             git checkout -q -b work
             {work}
             test -z \"$(git status --porcelain)\" || commit
             git push -q origin work; git checkout -q main
             {main}
             save Theirs; git push -q origin main"
        );
        remote.shell(&script).await;
        let mut bench = Bench::with("git.clone", &allowing("127.0.0.0/8"));
        bench.output(json!({"url": remote.url(), "branch": "work"})).await;
        let rows = Arc::new(Rows::default());
        bench.cx.conflicts = rows.clone();
        Self { remote, bench: bench.next("git.rebase", "rebase"), rows }
    }

    fn params(more: Value) -> Value {
        let mut params = json!({"onto": "main", "resolve": ["auto"]});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    }

    async fn run(&self, more: Value) -> Result<Outcome, NodeError> {
        self.bench.run(Self::params(more)).await
    }

    /// With a model that says these things.
    async fn run_with(&self, model: &Arc<Scripted>, more: Value) -> Result<Outcome, NodeError> {
        let mut node = GitRebase::new(&allowing("127.0.0.0/8"));
        node.resolver = Some(model.clone());
        let params: Params = serde_json::from_value(Self::params(more)).unwrap();
        node.run(params, &self.bench.cx).await
    }

    async fn output(&self, more: Value) -> Value {
        output(self.run(more).await)
    }

    fn git(&self, args: &str) -> String {
        git_in(&tree_of(&self.bench), args)
    }

    /// The file on the branch, which is the one in the work tree too.
    fn file(&self, path: &str) -> String {
        let here = std::fs::read(tree_of(&self.bench).join(path)).unwrap();
        assert_eq!(self.git("status --porcelain"), "", "the files are the branch's");
        String::from_utf8_lossy(&here).into_owned()
    }

    /// Nothing was touched.
    async fn is_as_before(&self) {
        assert_eq!(self.git("rev-parse HEAD"), self.remote.git("rev-parse work").await);
        assert_eq!(self.git("status --porcelain"), "");
    }
}

fn output(result: Result<Outcome, NodeError>) -> Value {
    match result {
        Ok(Outcome::Done(output)) => (*output.value).clone(),
        other => panic!("{other:?}"),
    }
}

fn open(result: Result<Outcome, NodeError>) -> u32 {
    match result {
        Ok(Outcome::Await(Await { what: Awaiting::Resolutions { open }, until: Some(_) })) => open,
        other => panic!("{other:?}"),
    }
}

/// Each conflict's path, kind, method and rule.
fn conflicts(output: &Value) -> Vec<String> {
    let word = |one: &Value, name: &str| one[name].as_str().unwrap_or("-").to_owned();
    let list = output["conflicts"].as_array().unwrap();
    list.iter().map(|one| ["path", "kind", "method", "by"].map(|name| word(one, name)).join(" ")).collect()
}

fn take(take: Take) -> Answer {
    Answer::Take(take)
}
