//! The harness itself: what the other tests lean on.

use std::path::Path;
use std::process::{Command, Output};

use base64::Engine;
use flowforge_tests::{Ledger, Postgres, Remote, Seed, chain, graph};
use serde_json::{Value, json};

#[tokio::test]
async fn the_ledger_records_an_effect_with_its_key_and_answers_its_nonce() {
    let ledger = Ledger::start().await;
    let answer = call(&ledger.url("a"), "key-1").await.expect("an answer");
    let effects = ledger.of("a");
    assert_eq!(effects.len(), 1);
    assert_eq!(effects[0].idempotency_key.as_deref(), Some("key-1"));
    assert_eq!(answer["nonce"], effects[0].nonce.as_str());
    ledger.reaches(1).await;
}

#[tokio::test]
async fn the_ledger_refuses_the_first_calls_when_asked_to() {
    let ledger = Ledger::start().await;
    let url = format!("{}?fail=2", ledger.url("b"));
    assert!(call(&url, "k").await.is_err());
    assert!(call(&url, "k").await.is_err());
    assert!(call(&url, "k").await.is_ok());
    assert_eq!((ledger.calls("b"), ledger.of("b").len()), (3, 1));
}

#[tokio::test]
async fn the_ledger_can_take_effect_and_lose_the_answer() {
    let ledger = Ledger::start().await;
    assert!(call(&format!("{}?mode=reset", ledger.url("c")), "k").await.is_err());
    assert_eq!(ledger.of("c").len(), 1);
}

#[tokio::test]
async fn the_remote_asks_for_a_password() {
    let remote = Remote::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let refused = git(folder.path(), &["clone", "-q", &remote.url(), "copy"]).await;
    assert!(!refused.status.success());
    assert_eq!(remote.requests()[0].status, 401);
}

#[tokio::test]
async fn the_remote_holds_a_project_whose_tests_pass() {
    let remote = Remote::start().await;
    let count: u32 = remote.git(&["rev-list", "--count", "--all"]).parse().expect("a number");
    assert!((20..40).contains(&count), "{count} commits");
    assert!(remote.git(&["tag"]).lines().count() >= 3);
    assert!(make_test(remote.checkout("main").path()), "main is green");
    assert!(!make_test(remote.checkout("characters").path()), "characters is not finished");
}

#[tokio::test]
async fn the_remote_takes_a_push_once_even_when_its_answer_is_lost() {
    let remote = Remote::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    assert!(signed_git(folder.path(), &["clone", "-q", "--filter=blob:none", &remote.url(), "."]).await.status.success());
    assert!(remote.requests().iter().any(|request| request.line.starts_with("POST /tally.git/git-upload-pack")));
    std::fs::write(folder.path().join("NEWS"), "news\n").expect("a file");
    signed_git(folder.path(), &["add", "NEWS"]).await;
    signed_git(folder.path(), &["commit", "-q", "-m", "Add news"]).await;
    remote.lose_answers(1);
    let push = ["push", "-q", "origin", "HEAD:refs/heads/news"];
    assert!(!signed_git(folder.path(), &push).await.status.success(), "the answer was lost");
    assert_eq!(remote.commits("news"), ["Add news"]);
    assert!(signed_git(folder.path(), &push).await.status.success(), "the same push again");
    assert_eq!(remote.commits("news"), ["Add news"]);
}

#[test]
fn a_throw_away_postgres_is_durable_and_each_database_its_own() {
    let (one, two) = (Postgres::start(), Postgres::start());
    assert_eq!(one.query("show fsync"), ["on"]);
    one.query("create table t (n int)");
    assert!(two.query("select 1 from pg_tables where tablename = 't'").is_empty());
}

#[test]
fn graphs_are_written_in_few_words() {
    let long = graph(&[("a", "x", json!({})), ("b", "y", json!({"p": 1, "+": {"timeout_s": 5}}))], "a:true -> b");
    assert_eq!(long["edges"], json!([{"source": "a", "port": "true", "target": "b"}]));
    assert_eq!(long["nodes"][1]["params"], json!({"p": 1}));
    assert_eq!(long["nodes"][1]["timeout_s"], 5);
    let short = chain(&[("a", "x", json!({})), ("b", "y", json!({})), ("c", "y", json!({}))]);
    assert_eq!(short["edges"], json!([{"source": "a", "target": "b"}, {"source": "b", "target": "c"}]));
}

#[test]
fn a_seed_makes_the_same_choices_again() {
    let seed = Seed::printed();
    let choose = |mut seed: Seed| (0..50).map(|_| seed.pick(3..9)).collect::<Vec<_>>();
    assert_eq!(choose(seed.clone()), choose(seed.clone()));
    assert!(choose(seed).iter().all(|choice| (3..9).contains(choice)));
}

async fn call(url: &str, key: &str) -> reqwest::Result<Value> {
    let request = flowforge_tests::plain_http().post(url).header("idempotency-key", key);
    let response = request.send().await?.error_for_status()?;
    response.json().await
}

fn make_test(folder: &Path) -> bool {
    Command::new("make").args(["-s", "test"]).current_dir(folder).output().expect("make starts").status.success()
}

async fn git(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new("git");
    command.args(arguments).current_dir(folder);
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", folder);
    command.output().await.expect("git starts")
}

async fn signed_git(folder: &Path, arguments: &[&str]) -> Output {
    let password = format!("{}:{}", Remote::USER, Remote::PASSWORD);
    let password = base64::engine::general_purpose::STANDARD.encode(password);
    let header = format!("http.extraHeader=Authorization: Basic {password}");
    let mut all = vec!["-c", &header, "-c", "user.name=Test", "-c", "user.email=test@example.org"];
    all.extend(arguments);
    git(folder, &all).await
}
