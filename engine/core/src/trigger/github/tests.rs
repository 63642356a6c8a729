//! Each filter with what it lets through and what it does not, and what strangers can and cannot do.

use serde_json::{Value, json};

use super::*;

fn params(value: Value) -> Params {
    let mut value = value;
    value["secret"] = json!("S");
    serde_json::from_value(value).unwrap()
}

#[track_caller]
fn judged(asked: Value, name: &str, payload: &Value) -> Verdict {
    params(asked).judge(&Event { name, payload })
}

/// Whether it begins a run.
#[track_caller]
fn starts(asked: Value, name: &str, payload: &Value) -> bool {
    matches!(judged(asked, name, payload), Verdict::Start)
}

fn push(git_ref: &str, files: &[&str]) -> Value {
    json!({"ref": git_ref, "after": "c1", "repository": {"id": 1, "full_name": "Acme/Shop"}, "sender": {"login": "Ada", "type": "User"},
        "commits": [{"added": files, "modified": [], "removed": ["gone.txt"]}]})
}

fn pull_request(head: Value) -> Value {
    json!({"action": "opened", "number": 7, "repository": {"id": 1, "full_name": "acme/shop"},
        "sender": {"login": "mallory", "type": "User"},
        "pull_request": {"number": 7, "base": {"ref": "main", "repo": {"id": 1}}, "head": {"sha": "c2", "repo": head}}})
}

#[test]
fn an_empty_list_asks_for_everything() {
    assert!(starts(json!({}), "push", &push("refs/heads/main", &[])));
    assert!(starts(json!({"events": "", "paths": null}), "watch", &json!({})));
}

#[test]
fn repositories_are_compared_part_by_part_and_without_case() {
    let push = push("refs/heads/main", &[]);
    for (pattern, fits) in [
        ("acme/shop", true),
        ("ACME/*", true),
        ("*/shop", true),
        ("acme/sho?", true),
        ("*", false),
        ("acme/s", false),
        ("ac*/x", false),
    ] {
        assert_eq!(starts(json!({"repositories": [pattern]}), "push", &push), fits, "{pattern}");
    }
    assert!(!starts(json!({"repositories": ["acme/*"]}), "push", &json!({})), "nothing is known of where it comes from");
}

#[test]
fn events_and_actions_are_picked() {
    let opened = pull_request(json!({"id": 1}));
    assert!(starts(json!({"events": ["push", "pull_request"], "actions": ["opened"]}), "pull_request", &opened));
    assert!(!starts(json!({"events": ["push"]}), "pull_request", &opened));
    assert!(!starts(json!({"actions": ["closed"]}), "pull_request", &opened));
    assert!(starts(json!({"actions": ["closed"]}), "push", &push("refs/heads/main", &[])), "a push has no action");
}

#[test]
fn branches_are_those_of_pushes_and_of_a_pull_requests_base() {
    for (pattern, git_ref, fits) in [
        ("main", "refs/heads/main", true),
        ("main", "refs/heads/maintenance", false),
        ("release/*", "refs/heads/release/1", true),
        ("release/*", "refs/heads/release/1/fix", false),
        ("release/**", "refs/heads/release/1/fix", true),
        ("*", "refs/heads/a/b", false),
        ("**", "refs/heads/a/b", true),
        ("**", "refs/tags/v1", false),
    ] {
        assert_eq!(starts(json!({"branches": [pattern]}), "push", &push(git_ref, &[])), fits, "{pattern} {git_ref}");
    }
    assert!(starts(json!({"branches": ["main"]}), "pull_request", &pull_request(json!({"id": 1}))));
    assert!(!starts(json!({"branches": ["next"]}), "pull_request", &pull_request(json!({"id": 1}))));
    assert!(starts(json!({"branches": ["main"]}), "issues", &json!({"action": "opened"})), "an issue has no branch");
}

#[test]
fn paths_are_those_of_every_commit_that_is_told() {
    let push = push("refs/heads/main", &["src/a/b.rs"]);
    for (pattern, fits) in [("src/**", true), ("src/*", false), ("**/*.rs", true), ("gone.txt", true), ("docs/**", false)] {
        assert_eq!(starts(json!({"paths": [pattern]}), "push", &push), fits, "{pattern}");
    }
    let none = json!({"ref": "refs/heads/new", "commits": []});
    assert!(!starts(json!({"paths": ["src/**"]}), "push", &none), "a new branch without commits changes nothing");
}

#[test]
fn what_github_has_cut_passes() {
    let commit = json!({"added": ["docs/a.md"], "modified": [], "removed": []});
    let cut = json!({"ref": "refs/heads/main", "commits": vec![commit.clone(); 2_048]});
    let whole = json!({"ref": "refs/heads/main", "commits": vec![commit; 2_047]});
    assert!(starts(json!({"paths": ["src/**"]}), "push", &cut));
    assert!(!starts(json!({"paths": ["src/**"]}), "push", &whole));
    assert!(starts(json!({"paths": ["src/**"]}), "pull_request", &pull_request(json!({"id": 1}))), "it names no files");
}

#[test]
fn authors_and_bots() {
    let mut push = push("refs/heads/main", &[]);
    assert!(starts(json!({"authors": ["ada"], "ignore_bots": true}), "push", &push));
    assert!(!starts(json!({"authors": ["bob"]}), "push", &push));
    push["sender"] = json!({"login": "dependabot[bot]", "type": "Bot"});
    assert!(starts(json!({"authors": ["dependabot[bot]"]}), "push", &push));
    assert!(!starts(json!({"ignore_bots": true}), "push", &push));
    push["sender"]["type"] = json!("User");
    assert!(!starts(json!({"ignore_bots": true}), "push", &push));
}

#[test]
fn a_pull_request_from_a_fork_waits_for_a_person() {
    for fork in [json!({"id": 2}), json!(null), json!({"id": "1"}), json!({})] {
        let payload = pull_request(fork.clone());
        for name in ["pull_request", "pull_request_review", "pull_request_review_comment", "pull_request_target"] {
            let verdict = judged(json!({}), name, &payload);
            assert!(matches!(&verdict, Verdict::Held(reason) if reason.contains("fork")), "{name} {fork}: {verdict:?}");
        }
        assert!(matches!(judged(json!({"forks": "ignore"}), "pull_request", &payload), Verdict::Filtered(_)), "{fork}");
    }
    assert!(starts(json!({}), "pull_request", &pull_request(json!({"id": 1}))), "one of the repository's own does not");
    let filtered = judged(json!({"branches": ["next"]}), "pull_request", &pull_request(json!({"id": 2})));
    assert!(matches!(filtered, Verdict::Filtered(_)), "what is not asked for is not held either");
}

#[test]
fn what_else_strangers_can_do_waits_too() {
    let is_held = |name: &str, payload: Value| matches!(judged(json!({}), name, &payload), Verdict::Held(_));
    let comment = |who: &str, issue: Value| json!({"issue": issue, "comment": {"author_association": who}});
    assert!(is_held("issue_comment", comment("NONE", json!({"pull_request": {}}))));
    assert!(is_held("issue_comment", comment("CONTRIBUTOR", json!({"pull_request": {}}))));
    assert!(is_held("issue_comment", json!({"issue": {"pull_request": {}}})));
    assert!(!is_held("issue_comment", comment("MEMBER", json!({"pull_request": {}}))));
    assert!(!is_held("issue_comment", comment("NONE", json!({"number": 1}))), "an issue brings no code");
    let run = |head: u64| json!({"repository": {"id": 1}, "workflow_run": {"head_repository": {"id": head}}});
    assert!(is_held("workflow_run", run(2)) && !is_held("workflow_run", run(1)));
    let check = |branch: Value| json!({"check_run": {"check_suite": {"head_branch": branch}}});
    assert!(is_held("check_run", check(json!(null))) && !is_held("check_run", check(json!("main"))));
}

#[test]
fn runs_see_what_it_is_about() {
    let payload = push("refs/heads/main", &[]);
    let summary = Event { name: "push", payload: &payload }.summary();
    let expected = json!({"event": "push", "action": null, "repository": "Acme/Shop", "branch": "main", "tag": null, "commit": "c1",
        "number": null, "author": "Ada"});
    assert_eq!(Value::from(summary), expected);
    let payload = pull_request(json!({"id": 1}));
    let summary = Event { name: "pull_request", payload: &payload }.summary();
    assert_eq!((&summary["number"], &summary["commit"], &summary["action"]), (&json!(7), &json!("c2"), &json!("opened")));
}

#[test]
fn a_ping_begins_nothing() {
    assert!(matches!(judged(json!({}), "ping", &json!({"zen": "…"})), Verdict::Filtered(_)));
}

#[test]
fn what_makes_no_sense_is_told() {
    let faults = |value: Value| params(value).check().into_iter().map(|fault| fault.field).collect::<Vec<_>>();
    assert_eq!(faults(json!({"repositories": ["acme"], "branches": ["", "{a"]})), ["repositories.0", "branches.0", "branches.1"]);
    assert_eq!(faults(json!({"previous_secret": "a-b", "paths": ["x".repeat(257)]})), ["previous_secret", "paths.0"]);
    assert!(faults(json!({"branches": ["{{ trigger.x }}"]})).contains(&"branches.0".to_owned()));
    assert!(faults(json!({"repositories": ["acme/*"], "paths": ["**/*.rs"], "authors": ["dependabot[bot]"]})).is_empty());
}
