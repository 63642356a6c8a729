//! What survives a crash at any moment.

use std::{future::Future, pin::pin, task::Poll};

use super::*;

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

#[tokio::test]
async fn a_rebase_can_be_cut_anywhere_and_makes_the_same_commits() {
    let work = "sed -i s/a/w1/ f; printf 'x\\n' >x; commit; sed -i s/w1/w2/ f; commit";
    let scripts = ("printf 'a\\n' >f", work, "sed -i s/a/m/ f");
    let scene = Scene::new(scripts.0, scripts.1, scripts.2).await;
    let model = Scripted::says(&["m1\n", "m2\n"]);
    let params = json!({"resolve": ["auto", "model"], "test": "cat x; echo dirt >>x"});
    let mut waits = 0;
    while !Box::pin(cut_after(waits, scene.run_with(&model, params.clone()))).await {
        // Closer together at the beginning, where there is more to go wrong.
        waits += 1 + waits / 10;
        assert!(waits < 100_000, "it never comes to its end");
    }
    assert!(waits > 20, "it was cut {waits} times");
    assert_eq!(model.asked().len(), 2, "nothing is asked twice");
    let output = output(scene.run_with(&model, params).await);
    assert_eq!((&output["commit"], &output["replayed"]), (&json!(scene.git("rev-parse HEAD")), &json!(2)));
    assert_eq!([scene.file("f"), scene.file("x")], ["m2\n", "x\n"]);
    assert_eq!(scene.git("log --format=%s"), "Step 2\nStep 1\nTheirs\nBase\nFirst");
    assert_eq!(scene.git("fsck --strict --no-dangling"), "");
}

#[tokio::test]
async fn the_same_replay_makes_the_same_commits_elsewhere() {
    let scene = Scene::new("printf '1\\n2\\n' >f", "sed -i s/1/one/ f", "sed -i s/2/two/ f").await;
    let first = scene.output(json!({})).await;
    let mut other = Bench::with("git.clone", &allowing("127.0.0.0/8"));
    other.output(json!({"url": scene.remote.url(), "branch": "work"})).await;
    other = other.next("git.rebase", "other");
    let second = other.output(Scene::params(json!({}))).await;
    assert_eq!(second.value["commit"], first["commit"]);
}

#[tokio::test]
async fn the_target_is_what_it_was_when_the_step_began() {
    let scene = Scene::new("printf 'a\\n' >f", "sed -i s/a/w/ f", "sed -i s/a/m/ f").await;
    let main = scene.remote.git("rev-parse main").await;
    assert_eq!(open(scene.run(json!({"resolve": ["person"]})).await), 1);
    scene.remote.shell("cd seed; printf 'late\\n' >late; git add -A; git commit -q -m Late; git push -q origin main").await;
    scene.rows.answer("f", take(Take::Theirs));
    scene.remote.broken(true);
    assert_eq!(scene.output(json!({"resolve": ["person"]})).await["onto"], main);
}

#[tokio::test]
async fn a_branch_that_another_step_moved_is_not_moved_back() {
    let scene = Scene::new("printf 'a\\n' >f", "sed -i s/a/w/ f", "sed -i s/a/m/ f").await;
    assert_eq!(open(scene.run(json!({"resolve": ["person"]})).await), 1);
    scene.bench.next("command", "edit").output(json!({"run": "echo more >>a.txt"})).await;
    scene.bench.next("git.commit", "commit").output(json!({"message": "Meanwhile"})).await;
    scene.rows.answer("f", take(Take::Theirs));
    assert_eq!(scene.run(json!({"resolve": ["person"]})).await.unwrap_err().code, "GIT_HEAD_MOVED");
    assert_eq!(scene.git("log -1 --format=%s"), "Meanwhile");
}
