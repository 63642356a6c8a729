//! Each kind of conflict, and what becomes of it.

use super::*;

/// What rules resolve: the conflicts in words, and what a file then holds.
async fn by_rule((base, work, main): (&str, &str, &str), expected: &[&str], (path, content): (&str, &str)) {
    let scene = Scene::new(base, work, main).await;
    let output = scene.output(json!({})).await;
    assert_eq!(conflicts(&output), expected, "{work}");
    assert_eq!(scene.file(path), content, "{work}");
    assert_eq!(output["commit"], scene.git("rev-parse HEAD"));
    assert_eq!(scene.git("log --format=%s -3"), "Step 1\nTheirs\nBase");
    assert_eq!(scene.git("fsck --strict --no-dangling"), "");
    assert_eq!(scene.git("branch --show-current"), "work");
}

/// What is left to people: the kinds, and what happens when there is nobody to ask.
async fn by_a_person((base, work, main): (&str, &str, &str), kinds: &[&str], answers: &[(&str, Answer)]) -> Scene {
    let scene = Scene::new(base, work, main).await;
    let refused = scene.run(json!({"resolve": ["auto"]})).await.unwrap_err();
    assert_eq!((&*refused.code, refused.retryable), ("REBASE_CONFLICTS", false));
    scene.is_as_before().await;
    assert_eq!(open(scene.run(json!({"resolve": ["auto", "model", "person"]})).await) as usize, kinds.len());
    scene.is_as_before().await;
    for (path, answer) in answers {
        let checks = scene.rows.answer(path, answer.clone());
        assert!(checks.iter().all(|check| check.passed), "{checks:?}");
    }
    let output = scene.output(json!({"resolve": ["auto", "model", "person"]})).await;
    let expected: Vec<_> = kinds.iter().map(|kind| format!("{kind} person ada@example.org")).collect();
    assert_eq!(conflicts(&output), expected);
    scene
}

#[tokio::test]
async fn without_conflicts_every_commit_is_written_anew_with_its_author() {
    let work = "printf 'x\\n' >x; git add -A; GIT_AUTHOR_NAME='Zoë' GIT_AUTHOR_DATE='1000000000 +0530' git commit -q -m \"$(printf 'One\\n\\nbody')\"
        git commit -q --allow-empty -m Empty; printf 'y\\n' >y; commit";
    let scene = Scene::new("", work, "printf 'z\\n' >z").await;
    let before = scene.git("rev-parse HEAD");
    let output = scene.output(json!({})).await;
    assert_eq!((&output["replayed"], &output["before"], &output["conflicts"]), (&json!(2), &json!(before), &json!([])));
    assert_eq!(output["onto"], scene.remote.git("rev-parse main").await);
    assert_eq!(output["base"], scene.remote.git("rev-parse main^").await);
    assert_eq!(scene.git("log --format=%s"), "Step 1\nOne\nTheirs\nBase\nFirst", "the empty commit is dropped");
    assert_eq!(
        scene.git("log -1 --skip=1 --format=%an|%ae|%ad|%cn|%b --date=raw"),
        "Zoë|grace@example.org|1000000000 +0530|FlowForge|body"
    );
    assert_eq!(
        scene.git("log -1 --format=%ct"),
        scene.git(&format!("log -1 --format=%ct {before}")),
        "the committer's time is the original's"
    );
    assert_eq!([scene.file("x"), scene.file("y"), scene.file("z")], ["x\n", "y\n", "z\n"]);
}

#[tokio::test]
async fn what_stands_right_already_is_left_alone() {
    let scene = Scene::new("", "printf 'x\\n' >x", "").await;
    let main = scene.remote.git("rev-parse main").await;
    let first = scene.output(json!({})).await;
    let again = Scene { bench: scene.bench.next("git.rebase", "again"), ..scene };
    let output = again.output(json!({"onto": main})).await;
    assert_eq!((&output["replayed"], &output["commit"], &output["before"]), (&json!(0), &first["commit"], &first["commit"]));
    // And a branch without commits of its own goes along.
    let behind = Scene::new("", "", "printf 'z\\n' >z").await;
    let output = behind.output(json!({})).await;
    assert_eq!((&output["replayed"], &output["commit"]), (&json!(0), &output["onto"]));
    assert_eq!(behind.file("z"), "z\n");
}

#[tokio::test]
async fn lines_beside_each_other_are_both_changed() {
    let scripts = ("printf '1\\n2\\n3\\n4\\n' >f", "sed -i s/2/two/ f", "sed -i s/3/three/ f");
    by_rule(scripts, &["f content auto adjacent_lines"], ("f", "1\ntwo\nthree\n4\n")).await;
}

#[tokio::test]
async fn imports_that_both_added_stand_beside_each_other() {
    let scripts = ("printf 'import os\\n\\nprint(os)\\n' >f.py", "sed -i '1a import sys' f.py", "sed -i '1a import re' f.py");
    by_rule(scripts, &["f.py content auto import_list"], ("f.py", "import os\nimport re\nimport sys\n\nprint(os)\n")).await;
}

#[tokio::test]
async fn ends_of_lines_are_no_conflict_of_content() {
    let scripts = ("printf '1\\n2\\n3\\n4\\n5\\n' >f", "sed -i s/2/two/ f", "sed -i 's/$/\\r/' f");
    by_rule(scripts, &["f line_endings auto line_endings"], ("f", "1\r\ntwo\r\n3\r\n4\r\n5\r\n")).await;
    // Both changed the ends, and different lines too.
    let scripts = ("printf '1\\n2\\n3\\n4\\n5\\n' >f", "sed -i 's/1/one/; s/$/\\r/' f", "sed -i s/5/five/ f");
    by_rule(scripts, &["f content auto line_endings"], ("f", "one\r\n2\r\n3\r\n4\r\nfive\r\n")).await;
}

#[tokio::test]
async fn white_space_at_the_end_is_no_conflict() {
    let scripts = ("printf '1\\n2\\n3\\n' >f", "sed -i s/2/two/ f", "sed -i 's/2/2  /' f");
    by_rule(scripts, &["f content auto white_space"], ("f", "1\ntwo\n3\n")).await;
}

#[tokio::test]
async fn a_lock_file_is_made_anew_from_what_was_merged() {
    let make = "cat deps >package-lock.json; echo end >>package-lock.json";
    let base = format!("printf '1\\n2\\n3\\n4\\n5\\n6\\n' >deps; {make}");
    let scene = Scene::new(
        &base,
        &format!("sed -i s/1/one/ deps; {make}; sed -i s/end/w/ package-lock.json"),
        &format!("sed -i s/6/six/ deps; {make}; sed -i s/end/m/ package-lock.json"),
    )
    .await;
    let refused = scene.run(json!({"lock_command": "echo no >&2; exit 3"})).await.unwrap_err();
    assert_eq!(refused.code, "REBASE_CONFLICTS");
    scene.is_as_before().await;
    assert_eq!(scene.rows.tried("package-lock.json"), [(Method::Auto, false)]);
    let scene = Scene { rows: Arc::default(), ..scene };
    let mut bench = scene.bench.clone();
    bench.cx.conflicts = scene.rows.clone();
    let scene = Scene { bench, ..scene };
    let output = scene
        .output(json!({"lock_command": "cat deps >\"$FLOWFORGE_LOCK_FILE\"; echo end >>$FLOWFORGE_LOCK_FILE; echo x >left"}))
        .await;
    assert_eq!(conflicts(&output), ["package-lock.json content auto lock_file"]);
    assert_eq!(scene.file("package-lock.json"), "one\n2\n3\n4\n5\nsix\nend\n");
    assert!(!tree_of(&scene.bench).join("left").exists(), "what else the command wrote is gone");
}

#[tokio::test]
async fn both_added_a_file() {
    let scripts = ("", "printf 'one\\nsame\\n' >f", "printf 'two\\nsame\\n' >f");
    let scene = by_a_person(scripts, &["f add_add"], &[("f", Answer::Content("both\nsame\n".into()))]).await;
    assert_eq!(scene.file("f"), "both\nsame\n");
}

#[tokio::test]
async fn one_changed_what_the_other_deleted() {
    let scripts = ("printf 'a\\n' >f; printf 'b\\n' >g", "printf 'A\\n' >f; git rm -q g", "git rm -q f; printf 'B\\n' >g");
    let answers = [("f", take(Take::Theirs)), ("g", take(Take::Delete))];
    let scene = by_a_person(scripts, &["f modify_delete", "g modify_delete"], &answers).await;
    assert_eq!(scene.file("f"), "A\n");
    assert!(!tree_of(&scene.bench).join("g").exists());
}

#[tokio::test]
async fn a_picture_is_taken_whole() {
    let scripts = ("printf 'a\\0' >p", "printf 'w\\0' >p", "printf 'm\\0' >p");
    let scene = by_a_person(scripts, &["p binary"], &[("p", take(Take::Theirs))]).await;
    assert_eq!(scene.file("p"), "w\0");
    let latin = ("printf 'a\\344\\n' >p", "printf 'w\\344\\n' >p", "printf 'm\\344\\n' >p");
    by_a_person(latin, &["p binary"], &[("p", take(Take::Ours))]).await;
}

#[tokio::test]
async fn a_file_was_given_two_names() {
    let scripts = ("seq 20 >a", "git mv a w", "git mv a m");
    let answers = [("w", take(Take::Theirs)), ("m", take(Take::Ours))];
    let scene = Scene::new(scripts.0, scripts.1, scripts.2).await;
    assert_eq!(open(scene.run(json!({"resolve": ["auto", "person"]})).await), 2);
    for (path, answer) in answers {
        scene.rows.answer(path, answer);
    }
    let output = scene.output(json!({"resolve": ["auto", "person"]})).await;
    assert_eq!(
        conflicts(&output),
        ["a rename auto gone_on_both_sides", "m rename person ada@example.org", "w rename person ada@example.org"]
    );
    assert_eq!(scene.git("ls-files a m w"), "m\nw");
}

#[tokio::test]
async fn one_renamed_and_both_changed() {
    let scripts = ("seq 20 >a", "git mv a b; sed -i s/^5$/five/ b", "sed -i s/^5$/V/ a");
    let scene = by_a_person(scripts, &["b content"], &[("b", take(Take::Theirs))]).await;
    assert!(scene.file("b").contains("five") && scene.git("ls-files a").is_empty());
}

#[tokio::test]
async fn one_renamed_what_the_other_deleted() {
    let scene = by_a_person(("seq 20 >a", "git mv a b", "git rm -q a"), &["b rename_delete"], &[("b", take(Take::Theirs))]).await;
    assert_eq!(scene.git("ls-files a b"), "b");
}

#[tokio::test]
async fn links_modes_repositories_and_folders_are_left_to_people() {
    let link = ("ln -s x l", "ln -sf w l", "ln -sf m l");
    let scene = by_a_person(link, &["l symlink"], &[("l", take(Take::Theirs))]).await;
    assert_eq!(scene.git("cat-file blob HEAD:l"), "w");
    let mode = ("", "printf 'x\\n' >s; chmod +x s", "printf 'x\\n' >s");
    let scene = by_a_person(mode, &["s mode"], &[("s", take(Take::Theirs))]).await;
    assert!(scene.git("ls-files -s s").starts_with("100755"));
    let sub = |commit: &str| format!("git update-index --add --cacheinfo 160000,{},m", commit.repeat(40));
    let commit = |commit: &str| format!("{}; git commit -q -m Sub", sub(commit));
    let scene = Scene::new(&sub_script(&commit("1")), &sub_script(&commit("2")), &sub_script(&commit("3"))).await;
    assert_eq!(open(scene.run(json!({"resolve": ["auto", "person"]})).await), 1);
    scene.rows.answer("m", take(Take::Theirs));
    let output = scene.output(json!({"resolve": ["auto", "person"]})).await;
    assert_eq!(conflicts(&output), ["m submodule person ada@example.org"]);
    assert!(scene.git("ls-tree HEAD m").contains(&"2".repeat(40)));
    let folder = ("", "printf 'x\\n' >k", "mkdir k; printf 'z\\n' >k/z");
    let scene = Scene::new(folder.0, folder.1, folder.2).await;
    assert_eq!(open(scene.run(json!({"resolve": ["auto", "person"]})).await), 1);
    let path = scene.rows.0.lock().unwrap()[0].conflict.path.clone();
    assert!(path.starts_with("k~"), "{path}");
    scene.rows.answer(&path, take(Take::Delete));
    assert_eq!(conflicts(&scene.output(json!({"resolve": ["auto", "person"]})).await).len(), 1);
    assert_eq!(scene.git("ls-files k"), "k/z");
}

/// `git add -A` would drop a repository that has no files here.
fn sub_script(commit: &str) -> String {
    format!("{commit}; mkdir -p m; git -C m init -q 2>/dev/null; save() {{ git commit -q --allow-empty -m \"$1\"; }}")
}

#[tokio::test]
async fn a_function_that_moved_away_is_not_doubled_by_a_rule() {
    let base = "printf 'fn a() {\\n    1\\n}\\n\\nfn b() {\\n    2\\n}\\n\\nfn c() {\\n    3\\n}\\n' >f.rs";
    let moved = "printf 'fn b() {\\n    2\\n}\\n\\nfn c() {\\n    3\\n}\\n\\nfn a() {\\n    1\\n}\\n' >f.rs";
    let scene = Scene::new(base, "sed -i s/1/10/ f.rs", moved).await;
    assert_eq!(scene.run(json!({})).await.unwrap_err().code, "REBASE_CONFLICTS");
    scene.is_as_before().await;
}

#[tokio::test]
async fn what_cannot_be_replayed_says_why() {
    let scene = Scene::new("", "printf 'x\\n' >x; commit; git checkout -q -b side HEAD^; printf 's\\n' >s; commit; git checkout -q work; git merge -q --no-edit side", "printf 'z\\n' >z").await;
    let merges = scene.run(json!({})).await.unwrap_err();
    assert_eq!((&*merges.code, merges.retryable), ("REBASE_MERGES", false));
    assert_eq!(scene.run(json!({"onto": "none"})).await.unwrap_err().code, "GIT_REF_NOT_FOUND");
    assert_eq!(scene.run(json!({"onto": "0".repeat(40)})).await.unwrap_err().code, "GIT_REF_NOT_FOUND");
    assert_eq!(scene.run(json!({"onto": "--upload-pack=x"})).await.unwrap_err().code, "GIT_REF_INVALID");
    let scene = Scene::new("", "printf 'x\\n' >x", "printf 'z\\n' >z").await;
    scene.remote.shell("cd seed; git checkout -q --orphan other; git commit -q -m Other; git push -q origin other").await;
    assert_eq!(scene.run(json!({"onto": "other"})).await.unwrap_err().code, "REBASE_UNRELATED");
    scene.bench.next("command", "edit").output(json!({"run": "echo more >>x"})).await;
    assert_eq!(scene.run(json!({})).await.unwrap_err().code, "GIT_WORK_TREE_DIRTY");
    Bench::new("git.rebase").fails(json!({"onto": "main"}), "NO_WORK_TREE", "git.clone").await;
}

#[tokio::test]
async fn a_preview_says_what_would_collide_and_changes_nothing() {
    let work = "sed -i s/1/w/ f; commit; sed -i s/w/w2/ f; printf 'w\\0' >p; commit";
    let scene = Scene::new("printf '1\\n' >f", work, "sed -i s/1/m/ f; printf 'm\\0' >p").await;
    let output = scene.output(json!({"preview": true})).await;
    assert_eq!(conflicts(&output), ["f content - -", "p binary - -"]);
    assert_eq!((&output["preview"], &output["replayed"]), (&json!(true), &json!(2)));
    scene.is_as_before().await;
    assert_eq!(scene.rows.0.lock().unwrap().len(), 0);
}
