//! Runs whose steps are executed by machines that share nothing but the place where files are kept.

use serde_json::json;

use crate::testing::{
    Bench,
    files::{Depot, Machine},
    git_in,
    remote::Remote,
};

#[tokio::test]
async fn each_step_may_run_on_a_machine_of_its_own() {
    let remote = Remote::start().await;
    let run = Bench::new("git.clone");
    let depot = Depot::new(run.cx.run, None);
    let does = async |effect: &str, kind: &str, params| Machine::new().does(&run, kind, effect, &depot, params).await;
    does("1", "git.clone", json!({"url": remote.url()})).await;
    does("2", "git.branch", json!({"name": "work"})).await;
    let edit = "echo more >>a.txt; rm sub/b.txt; echo new >'n ü'; chmod +x 'n ü'; printf '\\0\\1' >binary; echo i >ignored";
    does("3", "command", json!({"run": edit})).await;
    let seen = does(
        "4",
        "command",
        json!({"run": "cat a.txt; cat link; ls ignored 2>&1 || true; test -x 'n ü'; git status --porcelain"}),
    )
    .await;
    let stdout = seen["stdout"].as_str().unwrap();
    assert!(
        stdout.starts_with("one\nmore\none\nmore\n") && stdout.contains("ignored") && stdout.contains("D sub/b.txt"),
        "{stdout}"
    );
    let commit = does("5", "git.commit", json!({"message": "All of it"})).await;
    assert_eq!(commit["changed_files"], json!(["a.txt", "binary", "n ü", "sub/b.txt"]));
    does("6", "git.push", json!({})).await;
    assert_eq!(remote.git("rev-parse work").await, commit["commit"].as_str().unwrap());
}

#[tokio::test]
async fn a_machine_that_has_the_files_keeps_them() {
    let remote = Remote::start().await;
    let run = Bench::new("git.clone");
    let (depot, here, there) = (Depot::new(run.cx.run, None), Machine::new(), Machine::new());
    here.does(&run, "git.clone", "1", &depot, json!({"url": remote.url()})).await;
    here.does(&run, "command", "2", &depot, json!({"run": "echo cache >ignored"})).await;
    let kept = here.does(&run, "command", "3", &depot, json!({"run": "cat ignored"})).await;
    assert_eq!(kept["stdout"], "cache\n");
    there.does(&run, "command", "4", &depot, json!({"run": "echo there >>a.txt"})).await;
    let seen = here.does(&run, "command", "5", &depot, json!({"run": "cat a.txt; ls ignored || true"})).await;
    assert_eq!(seen["stdout"], "one\nthere\n", "what was changed elsewhere is here");
}

#[tokio::test]
async fn what_a_step_has_changed_is_kept_as_a_patch() {
    let remote = Remote::start().await;
    let run = Bench::new("git.clone");
    let (depot, machine) = (Depot::new(run.cx.run, None), Machine::new());
    machine.does(&run, "git.clone", "1", &depot, json!({"url": remote.url()})).await;
    machine
        .does(
            &run,
            "command",
            "2",
            &depot,
            json!({"run": "echo more >>a.txt; printf '\\0' >z; echo '* diff=evil' >.gitattributes"}),
        )
        .await;
    machine.does(&run, "command", "3", &depot, json!({"run": "true"})).await;
    machine.step(&run, "command", "4", &depot).fails(json!({"run": "echo x >>a.txt; exit 3"}), "COMMAND_FAILED", "3").await;
    let all = depot.all();
    let changes = |at: usize| all[at].changes.iter().map(|one| (&*one.path, one.added, one.removed)).collect::<Vec<_>>();
    assert_eq!(changes(0), []);
    assert_eq!(changes(1), [(".gitattributes", Some(1), Some(0)), ("a.txt", Some(1), Some(0)), ("z", None, None)]);
    assert_eq!(changes(2), []);
    assert_eq!(changes(3), [("a.txt", Some(1), Some(0))], "what a failed command left is there for what comes after it");
    let patch = depot.text(all[1].diff.as_ref().unwrap());
    assert!(patch.contains("+++ b/a.txt\n@@ -1 +1,2 @@\n one\n+more\n") && patch.contains("Binary files"), "{patch}");
    assert!(all[2].diff.is_none() && all[1].bundles.len() == 2);
}

#[tokio::test]
async fn a_run_goes_on_from_the_files_of_another_one() {
    let remote = Remote::start().await;
    let (first, machine) = (Bench::new("git.clone"), Machine::new());
    let depot = Depot::new(first.cx.run, None);
    machine.does(&first, "git.clone", "1", &depot, json!({"url": remote.url()})).await;
    machine.does(&first, "git.branch", "2", &depot, json!({"name": "work"})).await;
    machine.does(&first, "command", "3", &depot, json!({"run": "echo kept >>a.txt"})).await;
    let taken = depot.standing();
    machine.does(&first, "command", "4", &depot, json!({"run": "echo lost >>a.txt"})).await;

    let second = Bench::new("git.clone");
    let forked = Depot::new(second.cx.run, taken);
    let seen = machine
        .does(&second, "command", "4", &forked, json!({"run": "cat a.txt; git branch --show-current; echo own >>a.txt"}))
        .await;
    assert_eq!(seen["stdout"], "one\nkept\nwork\n");
    // The bundles of the other run may go; those of this one are enough.
    assert_eq!(forked.all()[0].bundles.len(), 1);
    drop(depot);
    let seen = Machine::new().does(&second, "command", "5", &forked, json!({"run": "cat a.txt"})).await;
    assert_eq!(seen["stdout"], "one\nkept\nown\n");
}

#[tokio::test]
async fn a_detached_head_and_an_empty_repository_are_made_anew() {
    let remote = Remote::start().await;
    remote.shell("git init -q --bare -b trunk empty.git; git -C empty.git config http.receivepack true").await;
    let run = Bench::new("git.clone");
    let depot = Depot::new(run.cx.run, None);
    let does = async |effect: &str, kind: &str, params| Machine::new().does(&run, kind, effect, &depot, params).await;
    does("1", "git.clone", json!({"url": remote.url().replace("repo", "empty")})).await;
    does("2", "command", json!({"run": "echo x >x"})).await;
    let commit = does("3", "git.commit", json!({"message": "First"})).await["commit"].clone();
    let machine = Machine::new();
    machine.does(&run, "command", "4", &depot, json!({"run": "cat x"})).await;
    assert_eq!(
        git_in(&machine.tree(&run), "rev-parse HEAD trunk").replace('\n', " "),
        format!("{0} {0}", commit.as_str().unwrap())
    );
}

#[tokio::test]
async fn many_steps_leave_few_bundles() {
    let remote = Remote::start().await;
    let run = Bench::new("git.clone");
    let (depot, machine) = (Depot::new(run.cx.run, None), Machine::new());
    machine.does(&run, "git.clone", "0", &depot, json!({"url": remote.url()})).await;
    for n in 1..20 {
        machine.does(&run, "command", &n.to_string(), &depot, json!({"run": format!("echo {n} >>a.txt")})).await;
    }
    let most = depot.all().iter().map(|checkpoint| checkpoint.bundles.len()).max();
    assert_eq!((most, depot.all().last().unwrap().bundles.len()), (Some(16), 4));
    let seen = Machine::new().does(&run, "command", "20", &depot, json!({"run": "wc -l <a.txt"})).await;
    assert_eq!(seen["stdout"].as_str().unwrap().trim(), "20");
}

#[tokio::test]
async fn what_belongs_to_a_step_beside_the_tree_comes_along() {
    let remote = Remote::start().await;
    let run = Bench::new("git.clone");
    let (depot, folder) = (Depot::new(run.cx.run, None), tempfile::tempdir().unwrap());
    Machine::new().does(&run, "git.clone", "1", &depot, json!({"url": remote.url()})).await;
    let (here, there) = (folder.path().join("session"), folder.path().join("fetched"));
    std::fs::write(&here, "remember").unwrap();
    let machine = Machine::new();
    let step = machine.step(&run, "command", "2", &depot);
    let tree = machine.open(&step).await;
    assert!(!tree.attachment(&step.cx, "session", &there).await.unwrap(), "nothing was left yet");
    tree.leave(&step.cx, &[("session", &here)]).await.unwrap();
    let again = Machine::new();
    let step = again.step(&run, "command", "2", &depot);
    assert!(again.open(&step).await.attachment(&step.cx, "session", &there).await.unwrap());
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "remember");
    let other = again.step(&run, "command", "3", &depot);
    assert!(!again.open(&other).await.attachment(&other.cx, "session", &there).await.unwrap(), "it is another step's");
}

#[tokio::test]
async fn what_a_killed_git_left_behind_is_no_hindrance() {
    let remote = Remote::start().await;
    let run = Bench::new("git.clone");
    let (depot, machine) = (Depot::new(run.cx.run, None), Machine::new());
    machine.does(&run, "git.clone", "1", &depot, json!({"url": remote.url()})).await;
    let folder = machine.tree(&run).parent().unwrap().to_owned();
    for name in ["leaving.bundle.lock", "leaving.bundle", "leaving.patch", "standing.new"] {
        std::fs::write(folder.join(name), "half").unwrap();
    }
    machine.does(&run, "command", "2", &depot, json!({"run": "echo more >>a.txt"})).await;
    let seen = Machine::new().does(&run, "command", "3", &depot, json!({"run": "cat a.txt"})).await;
    assert_eq!(seen["stdout"], "one\nmore\n");
}
