//! Steps that are killed at every moment at which they wait, and made again.

mod hostile;

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    task::Poll,
};

use serde_json::{Value, json};

use crate::testing::{Bench, allowing, cloned, git_in, remote::Remote, services, tree_of, work_dir};

/// Runs a step until it has waited so many times, then drops it, which kills its processes. Whether it came to its end.
async fn cut_after<T>(waits: u32, step: impl Future<Output = T>) -> bool {
    let (mut step, mut left) = (pin!(step), waits);
    std::future::poll_fn(|cx| match step.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending if left == 0 => Poll::Ready(false),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Cuts a step after one wait, after two, and so on, each time in the same run, until it comes through; then once more.
async fn cut_everywhere(bench: &Bench, params: &Value) -> Value {
    let mut waits = 0;
    while !cut_after(waits, bench.run(params.clone())).await {
        waits += 1;
        assert!(waits < 1_000, "it never comes to its end");
    }
    assert!(waits > 2, "it was cut {waits} times");
    (*bench.output(params.clone()).await.value).clone()
}

#[tokio::test]
async fn every_git_step_can_be_cut_anywhere_and_made_again() {
    let remote = Remote::start().await;
    let clone = Bench::with("git.clone", &allowing("127.0.0.0/8"));
    let head = remote.git("rev-parse main").await;
    assert_eq!(cut_everywhere(&clone, &json!({"url": remote.url()})).await, json!({"branch": "main", "commit": head}));
    let branch = clone.next("git.branch", "branch");
    assert_eq!(cut_everywhere(&branch, &json!({"name": "work"})).await, json!({"branch": "work", "commit": head}));
    let command = clone.next("command", "command");
    let edit = json!({"run": "echo more >>a.txt; rm sub/b.txt; echo n >>new; cat a.txt new"});
    assert_eq!(cut_everywhere(&command, &edit).await["stdout"], "one\nmore\nn\n", "one edit and not several");
    let commit = cut_everywhere(&clone.next("git.commit", "commit"), &json!({"message": "Once"})).await;
    assert_eq!(commit["changed_files"], json!(["a.txt", "new", "sub/b.txt"]));
    let push = cut_everywhere(&clone.next("git.push", "push"), &json!({})).await;
    assert_eq!(push, json!({"branch": "work", "commit": commit["commit"]}));
    assert_eq!(remote.git("log --format=%s main..work").await, "Once");
    let tree = tree_of(&clone);
    assert_eq!(git_in(&tree, "status --porcelain"), "");
    assert_eq!(git_in(&tree, "fsck --strict --no-dangling"), "");
    nothing_is_left_of(&tree);
}

/// No process names the run's files any more; the kernel takes a moment to end what was cut last.
fn nothing_is_left_of(tree: &Path) {
    let names_it = |process: PathBuf| {
        let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&*tree.to_string_lossy())
    };
    let left =
        || std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()).filter(|path| names_it(path.clone())).count();
    let gone = (0..100).any(|_| {
        std::process::Command::new("python3").args(["-c", "for n in range(1000000): pass"]).status().unwrap();
        left() == 0
    });
    assert!(gone, "{} processes are left", left());
}

#[tokio::test]
async fn a_commit_that_was_half_made_is_finished_and_not_doubled() {
    let remote = Remote::start().await;
    let bench = cloned("command", &remote).await;
    bench.output(json!({"run": "echo more >>a.txt"})).await;
    let commit = bench.next("git.commit", "commit");
    let made = commit.output(json!({"message": "Once"})).await.value["commit"].clone();
    let tree = tree_of(&bench);
    // As a process leaves it that is killed between the mark and the branch: the branch stands where it stood.
    git_in(&tree, "update-ref HEAD HEAD^");
    assert_eq!(commit.output(json!({"message": "Once"})).await.value["commit"], made);
    assert_eq!(git_in(&tree, "log --format=%s"), "Once\nFirst");
    // And a step after it makes its own.
    bench.next("command", "edit").output(json!({"run": "echo again >>a.txt"})).await;
    bench.next("git.commit", "second").output(json!({"message": "Twice"})).await;
    assert_eq!(git_in(&tree, "log --format=%s"), "Twice\nOnce\nFirst");
}

#[tokio::test]
async fn what_a_killed_git_left_locked_is_unlocked() {
    let remote = Remote::start().await;
    let bench = cloned("command", &remote).await;
    bench.output(json!({"run": "echo more >>a.txt"})).await;
    let repository = tree_of(&bench).join(".git");
    for lock in ["index.lock", "HEAD.lock", "flowforge-index.lock", "packed-refs.lock", "refs/heads/main.lock", "config.lock"] {
        std::fs::write(repository.join(lock), "").unwrap();
    }
    bench.next("git.commit", "commit").output(json!({"message": "x"})).await;
    bench.next("git.branch", "branch").output(json!({"name": "b"})).await;
}

#[tokio::test]
async fn steps_of_one_run_take_turns_and_runs_do_not_wait_for_each_other() {
    let remote = Remote::start().await;
    let bench = cloned("command", &remote).await;
    // Each step would overwrite the other's number if they ran at the same time.
    let count = json!({"run": "n=$(cat n 2>/dev/null || echo 0); python3 -c pass; echo $((n + 1)) >n"});
    let steps = (0..6).map(|n| {
        let (bench, count) = (bench.next("command", &n.to_string()), count.clone());
        async move { bench.output(count).await }
    });
    futures::future::join_all(steps).await;
    assert_eq!(std::fs::read_to_string(tree_of(&bench).join("n")).unwrap(), "6\n");
}

#[tokio::test]
async fn another_process_that_holds_the_files_is_waited_for() {
    let services = services();
    let bench = Bench::with("command", &services);
    bench.output(json!({"run": "true"})).await;
    let folder = work_dir().join(bench.cx.run.to_string());
    let held = std::fs::File::open(folder.join("lock")).unwrap();
    held.lock().unwrap();
    assert!(!cut_after(20, bench.run(json!({"run": "true"}))).await, "it goes on although the files are held");
    drop(held);
    bench.output(json!({"run": "true"})).await;
}

#[tokio::test]
async fn the_files_of_a_run_can_be_removed_even_when_a_command_shut_them() {
    let services = services();
    let bench = Bench::with("command", &services);
    bench.output(json!({"run": "mkdir -p a/b; echo x >a/b/c; chmod 0 a/b a"})).await;
    services.remove_work_tree(bench.cx.run).await.unwrap();
    assert!(!work_dir().join(bench.cx.run.to_string()).exists());
    services.remove_work_tree(bench.cx.run).await.unwrap();
    bench.output(json!({"run": "test ! -e a"})).await;
}
