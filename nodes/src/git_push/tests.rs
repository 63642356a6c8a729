//! Pushes to a real remote.

use serde_json::json;

use crate::testing::{Bench, cloned, git_in, pushing, remote::Remote, tree_of};

/// A run with one commit on `branch` that the remote does not have.
async fn committed(remote: &Remote, branch: &str) -> Bench {
    let bench = cloned("git.branch", remote).await;
    bench.output(json!({"name": branch})).await;
    bench.next("command", "edit").output(json!({"run": "echo more >>a.txt"})).await;
    bench.next("git.commit", "commit").output(json!({"message": "More"})).await;
    bench.next("git.push", "push")
}

#[tokio::test]
async fn the_branch_arrives_and_arriving_twice_is_no_fault() {
    let remote = Remote::start().await;
    let bench = committed(&remote, "work").await;
    let commit = git_in(&tree_of(&bench), "rev-parse HEAD");
    for force in [false, false, true] {
        bench.done(json!({"force_with_lease": force}), json!({"branch": "work", "commit": commit})).await;
    }
    bench.done(json!({"branch": "other/name"}), json!({"branch": "other/name", "commit": commit})).await;
    assert_eq!(remote.git("rev-parse work other/name").await, format!("{commit}\n{commit}"));
    assert_eq!(remote.git("for-each-ref --format='%(refname)'").await, "refs/heads/main\nrefs/heads/other/name\nrefs/heads/work");
}

#[tokio::test]
async fn what_others_pushed_is_replaced_only_when_asked_and_seen() {
    let remote = Remote::start().await;
    let other = "cd seed; git checkout -q -B work main; git commit -q --allow-empty -m Other; git push -qf origin work";
    remote.shell(other).await;
    // This run has seen the other commit at its clone, the next one has not.
    let seen = committed(&remote, "work").await;
    let fault = seen.fails(json!({}), "GIT_PUSH_REJECTED", "force_with_lease").await;
    assert!(!fault.retryable);
    let unseen = committed(&remote, "work2").await;
    remote.shell(&other.replace("work", "work2")).await;
    unseen.fails(json!({"force_with_lease": true}), "GIT_PUSH_REJECTED", "last seen").await;
    seen.output(json!({"force_with_lease": true})).await;
    assert_eq!(remote.git("log --format=%s main..work").await, "More");
    assert_eq!(remote.git("log --format=%s main..work2").await, "Other");
}

#[tokio::test]
async fn a_push_whose_answer_was_lost_has_landed() {
    let remote = Remote::start().await;
    let bench = committed(&remote, "work").await;
    remote.lose_an_answer();
    bench.output(json!({})).await;
    assert_eq!(remote.git("log --format=%s main..work").await, "More");
}

#[tokio::test]
async fn a_branch_that_is_locked_over_there_is_waited_for() {
    let remote = Remote::start().await;
    let bench = committed(&remote, "work").await;
    // The lock of another push is gone when this one comes back.
    let meet = "touch repo.git/refs/heads/work.lock
        printf '#!/bin/sh\\ntest ! -e came || rm -f refs/heads/work.lock\\ntouch came\\n' >repo.git/hooks/pre-receive
        chmod +x repo.git/hooks/pre-receive";
    remote.shell(meet).await;
    bench.output(json!({})).await;
    assert_eq!(remote.git("log --format=%s main..work").await, "More");
    assert_eq!(remote.shell("cat repo.git/came").await, "");
}

#[tokio::test]
async fn what_cannot_be_pushed_says_why() {
    let remote = Remote::start().await;
    let bench = committed(&remote, "work").await;
    bench.fails(json!({"branch": "a..b"}), "GIT_REF_INVALID", "").await;
    remote.shell("printf '#!/bin/sh\\necho not this one >&2\\nexit 1\\n' >repo.git/hooks/pre-receive; chmod +x repo.git/hooks/pre-receive").await;
    let fault = bench.fails(json!({}), "GIT_PUSH_REJECTED", "hook declined").await;
    assert!(fault.details["remote"].as_str().unwrap().contains("not this one"), "{fault:?}");
    remote.broken(true);
    assert!(bench.fails(json!({}), "GIT_PUSH_FAILED", "503").await.retryable);
    remote.broken(false);
    let remote = remote.private();
    bench.fails(json!({}), "GIT_AUTH_FAILED", "").await;
    bench.fails(json!({"credential": "robot:wrong"}), "GIT_AUTH_FAILED", "").await;
    remote.shell("rm repo.git/hooks/pre-receive").await;
    bench.output(json!({"credential": Remote::CREDENTIAL})).await;
}

#[tokio::test]
async fn only_the_address_that_was_cloned_is_pushed_to() {
    let (remote, evil) = (Remote::start().await, Remote::start().await);
    let bench = committed(&remote, "work").await;
    let tree = tree_of(&bench);
    for setting in ["remote.origin.url", "remote.origin.pushurl"] {
        git_in(&tree, &format!("config {setting} {}", evil.url()));
    }
    bench.output(json!({})).await;
    assert_eq!(evil.git("branch --list work").await, "");
    assert_eq!(remote.git("log --format=%s main..work").await, "More");
}

#[tokio::test]
async fn the_lease_is_the_commit_that_was_named() {
    let remote = Remote::start().await;
    let other = "cd seed; git checkout -q -B work main; git commit -q --allow-empty -m Other; git push -qf origin work";
    remote.shell(other).await;
    let stands = remote.git("rev-parse work").await;
    let bench = committed(&remote, "work").await;
    let base = remote.git("rev-parse main").await;
    bench.fails(json!({"force_with_lease": true, "lease": base}), "GIT_PUSH_REJECTED", "last seen").await;
    bench.fails(json!({"force_with_lease": true, "lease": "main"}), "INVALID_PARAMETER", "full id").await;
    assert_eq!(remote.git("rev-parse work").await, stands);
    // Again after it landed, as after a crash: the lease is no longer true, and the branch is where it should be.
    for _ in 0..2 {
        bench.output(json!({"force_with_lease": true, "lease": stands})).await;
    }
    assert_eq!(remote.git("log --format=%s main..work").await, "More");
}

/// G12: only branches that somebody allows, and nothing but branches.
#[tokio::test]
async fn only_branches_that_are_allowed_are_pushed_to() {
    let remote = Remote::start().await;
    let bench = committed(&remote, "work").await;
    let before = remote.git("for-each-ref --format='%(refname) %(objectname)'").await;
    for branch in ["refs/heads/*:*", ":main", "refs/tags/v1", "HEAD", "work:main", "-d", "work main"] {
        bench.fails(json!({"branch": branch}), "GIT_REF_INVALID", "").await;
    }
    bench.fails(json!({"branch": "main"}), "GIT_BRANCH_REFUSED", "default branch").await;
    bench.fails(json!({"branch": "main", "force_with_lease": true}), "GIT_BRANCH_REFUSED", "default branch").await;
    bench.fails(json!({"branches": ["flowforge/*"]}), "GIT_BRANCH_REFUSED", "`branches`").await;
    bench.fails(json!({"branches": ["a["]}), "INVALID_PARAMETER", "pattern").await;
    assert_eq!(remote.git("for-each-ref --format='%(refname) %(objectname)'").await, before);
    bench.output(json!({"branch": "main", "branches": ["ma*"]})).await;
    let commit = git_in(&tree_of(&bench), "rev-parse HEAD");
    assert_eq!(remote.git("rev-parse main").await, commit);
    bench.output(json!({"branches": ["work"]})).await;
}

/// G12: the operator's list comes first.
#[tokio::test]
async fn the_operators_list_is_never_widened() {
    let remote = Remote::start().await;
    let bench = committed(&remote, "work").await;
    let strict = |list: &str, key: &str| {
        let mut strict = Bench::with("git.push", &pushing(list)).next("git.push", key);
        strict.cx.run = bench.cx.run;
        strict
    };
    strict("flowforge/*", "a").fails(json!({"branches": ["work"]}), "GIT_BRANCH_REFUSED", "FLOWFORGE_PUSH_BRANCHES").await;
    assert_eq!(remote.git("branch --list work").await, "");
    strict("work,main", "b").output(json!({})).await;
    strict("work,main", "c").fails(json!({"branch": "main", "branches": ["x"]}), "GIT_BRANCH_REFUSED", "`branches`").await;
    strict("work,main", "d").output(json!({"branch": "main"})).await;
}

#[tokio::test]
async fn a_key_or_a_token_is_not_pushed() {
    let remote = Remote::start().await;
    let bench = cloned("git.branch", &remote).await;
    bench.output(json!({"name": "work"})).await;
    // It is gone from the files, and still in a commit that goes along.
    let token = format!("ghp_{}", "a1".repeat(18));
    let step = |kind: &str, key: &str| bench.next(kind, key);
    step("command", "1").output(json!({"run": format!("printf 'x\\n{token}\\n' >'k e y'")})).await;
    step("git.commit", "2").output(json!({"message": "Leak"})).await;
    step("command", "3").output(json!({"run": "rm 'k e y'; echo y >y"})).await;
    step("git.commit", "4").output(json!({"message": "Hide"})).await;
    let fault = step("git.push", "5").fails(json!({}), "GIT_PUSH_SECRET", "line 2 of `k e y` holds a GitHub token").await;
    assert!(!fault.retryable && !fault.message.contains("ghp_") && !fault.details.to_string().contains("ghp_"), "{fault:?}");
    assert_eq!(fault.details["found"][0]["line"], 2);
    assert_eq!(remote.git("branch --list work").await, "");
    step("git.push", "6").fails(json!({"scan_except": ["other"]}), "GIT_PUSH_SECRET", "").await;
    step("git.push", "7").output(json!({"scan_except": ["k*"]})).await;
    // What is over there already is no news.
    step("command", "8").output(json!({"run": "git show HEAD~1:'k e y' >'k e y'; echo z >>'k e y'"})).await;
    step("git.commit", "9").output(json!({"message": format!("Say {token}")})).await;
    step("git.push", "10").fails(json!({"scan_except": ["k*"]}), "GIT_PUSH_SECRET", "message").await;
}

#[tokio::test]
async fn a_file_that_held_a_token_before_may_change() {
    let remote = Remote::start().await;
    let token = format!("ghp_{}", "a1".repeat(18));
    remote.shell(&format!("cd seed; echo {token} >key; git add key; git commit -q -m Old; git push -q origin main")).await;
    let bench = committed(&remote, "work").await;
    bench.next("command", "more").output(json!({"run": "echo more >>key"})).await;
    bench.next("git.commit", "again").output(json!({"message": "More of it"})).await;
    bench.output(json!({})).await;
}

#[tokio::test]
async fn what_cannot_be_looked_through_is_not_pushed() {
    let remote = Remote::start().await;
    let bench = committed(&remote, "work").await;
    bench.next("command", "large").output(json!({"run": "head -c 34000000 /dev/zero >large"})).await;
    bench.next("git.commit", "again").output(json!({"message": "Large"})).await;
    bench.fails(json!({}), "GIT_PUSH_UNSCANNED", "large").await;
    assert_eq!(remote.git("branch --list work").await, "");
    bench.output(json!({"scan_except": ["large"]})).await;
}
