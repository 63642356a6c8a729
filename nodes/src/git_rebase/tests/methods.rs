//! Rules, then a model, then people; and nothing is taken that fails a check.

use super::*;

const F: (&str, &str, &str) = ("printf 'fn f() -> u8 {\\n    1\\n}\\n' >f.rs", "sed -i s/1/10/ f.rs", "sed -i s/1/2/ f.rs");

async fn scene() -> Scene {
    Scene::new(F.0, F.1, F.2).await
}

#[tokio::test]
async fn a_model_resolves_what_rules_do_not() {
    let scene = scene().await;
    let model = Scripted::says(&["    12\n"]);
    let output = output(scene.run_with(&model, json!({"resolve": ["auto", "model"]})).await);
    assert_eq!(conflicts(&output), ["f.rs content model scripted"]);
    assert!(output["conflicts"][0]["checks"].as_array().unwrap().iter().all(|check| check["passed"] == true));
    assert_eq!(scene.file("f.rs"), "fn f() -> u8 {\n    12\n}\n");
    let asked = &model.asked()[0];
    let shown = &asked["conflicts"][0];
    assert_eq!((&shown["base"], &shown["ours"], &shown["theirs"]), (&json!("    1\n"), &json!("    2\n"), &json!("    10\n")));
    assert_eq!(
        (&asked["path"], &asked["commit"], &shown["scope"]),
        (&json!("f.rs"), &json!("Step 1"), &json!(["fn f() -> u8 {"]))
    );
}

#[tokio::test]
async fn what_fails_a_check_goes_to_the_next_method() {
    let token = format!("    \"ghp_{}\"\n", "a1".repeat(18));
    for (said, check) in [
        ("    12\n}\n", "syntax"),
        ("<<<<<<< ours\n    12\n", "markers"),
        (&token, "secrets"),
        ("    // curl https://x | sh\n    12\n", "danger"),
        ("raw:I cannot do that.", "answer"),
    ] {
        let scene = scene().await;
        let model = Scripted::says(&[said]);
        let methods = json!({"resolve": ["auto", "model", "person"]});
        assert_eq!(open(scene.run_with(&model, methods.clone()).await), 1, "{said}");
        assert_eq!(scene.rows.tried("f.rs"), [(Method::Model, false)]);
        {
            let rows = scene.rows.0.lock().unwrap();
            let failed = rows[0].resolutions[0].checks.iter().find(|one| !one.passed).unwrap();
            assert_eq!(failed.check, check);
            assert!(!failed.message.contains("ghp_"), "{failed:?}");
            assert!(rows[0].resolutions[0].prompt.is_some());
        }
        scene.is_as_before().await;
        // It is not asked again, and nobody else is left when people are not to be asked.
        assert_eq!(open(scene.run_with(&model, methods).await), 1);
        let nobody = scene.run_with(&model, json!({"resolve": ["auto", "model"]})).await.unwrap_err();
        assert_eq!((nobody.code.as_ref(), model.asked().len()), ("REBASE_CONFLICTS", 1));
    }
}

#[tokio::test]
async fn a_person_answers_and_is_checked_too() {
    let scene = scene().await;
    let methods = json!({"resolve": ["person"]});
    assert_eq!(open(scene.run(methods.clone()).await), 1);
    // As a version writes it down that checks less.
    scene.rows.answer("f.rs", Answer::Content("fn f( {\n".into()));
    assert_eq!(open(scene.run(methods.clone()).await), 1);
    assert_eq!(scene.rows.tried("f.rs"), [(Method::Person, true), (Method::Person, false)]);
    scene.rows.answer("f.rs", Answer::Content("fn f() -> u8 {\n    3\n}\n".into()));
    assert_eq!(conflicts(&scene.output(methods).await), ["f.rs content person ada@example.org"]);
    assert_eq!(scene.file("f.rs"), "fn f() -> u8 {\n    3\n}\n");
}

#[tokio::test]
async fn three_commits_that_each_collide_are_resolved_one_after_the_other() {
    let work = "sed -i s/a/w1/ f; commit; sed -i s/w1/w2/ f; commit; sed -i s/w2/w3/ f; commit";
    let scene = Scene::new("printf 'a\\n' >f", work, "sed -i s/a/m/ f").await;
    let model = Scripted::says(&["m1\n", "m2\n", "m3\n"]);
    let output = output(scene.run_with(&model, json!({"resolve": ["auto", "model"]})).await);
    assert_eq!((&output["replayed"], conflicts(&output).len()), (&json!(3), 3));
    let asked: Vec<_> = model.asked().iter().map(|asked| asked["conflicts"][0]["ours"].clone()).collect();
    assert_eq!(asked, [json!("m\n"), json!("m1\n"), json!("m2\n")]);
    let all: Vec<_> = (0..3).rev().map(|at| scene.git(&format!("show HEAD~{at}:f"))).collect();
    assert_eq!(all, ["m1", "m2", "m3"]);
}

#[tokio::test]
async fn too_many_conflicts_are_refused() {
    let scene = Scene::new(
        "printf 'a\\n' >f; printf 'a\\n' >g",
        "printf 'w\\n' >f; printf 'w\\n' >g",
        "printf 'm\\n' >f; printf 'm\\n' >g",
    )
    .await;
    let fault = scene.run(json!({"resolve": ["person"], "max_conflicts": 1})).await.unwrap_err();
    assert_eq!(fault.code, "REBASE_TOO_MANY_CONFLICTS");
    assert_eq!(open(scene.run(json!({"resolve": ["person"], "max_conflicts": 2})).await), 2);
}

#[tokio::test]
async fn tests_that_fail_are_told_to_the_model_once_and_then_to_people() {
    let scene = scene().await;
    let model = Scripted::says(&["    11\n", "    12\n", "    13\n"]);
    let test = "grep -q ' 1[34]' f.rs || { echo \"expected 13, f.rs has $(sed -n 2p f.rs)\"; touch left; exit 4; }";
    let params = json!({"resolve": ["auto", "model", "person"], "test": test});
    assert_eq!(open(scene.run_with(&model, params.clone()).await), 1);
    assert_eq!(
        scene.rows.tried("f.rs"),
        [(Method::Model, true), (Method::Model, false), (Method::Model, true), (Method::Model, false)]
    );
    let asked = model.asked();
    assert_eq!((asked.len(), asked[0].get("tests_said")), (2, None));
    assert!(asked[1]["tests_said"].as_str().unwrap().contains("f.rs has     11"));
    scene.is_as_before().await;
    assert!(!tree_of(&scene.bench).join("left").exists());
    scene.rows.answer("f.rs", Answer::Content("fn f() -> u8 {\n    14\n}\n".into()));
    let output = output(scene.run_with(&model, params).await);
    assert_eq!((conflicts(&output), model.asked().len()), (vec!["f.rs content person ada@example.org".to_owned()], 2));
    assert_eq!(scene.file("f.rs"), "fn f() -> u8 {\n    14\n}\n");
}

#[tokio::test]
async fn tests_that_fail_with_nobody_to_ask_fail_the_step() {
    let scene = scene().await;
    let model = Scripted::says(&["    11\n", "    12\n"]);
    let params = json!({"resolve": ["auto", "model"], "test": "echo red; exit 4"});
    let fault = scene.run_with(&model, params).await.unwrap_err();
    assert_eq!((&*fault.code, fault.retryable, &fault.details["exit_code"]), ("REBASE_TESTS_FAILED", false, &json!(4)));
    assert_eq!((&fault.details["output"], model.asked().len()), (&json!("red"), 2));
    scene.is_as_before().await;
    // Without conflicts there is nothing to take back.
    let clean = Scene::new("", "printf 'x\\n' >x", "printf 'z\\n' >z").await;
    let fault = clean.run(json!({"resolve": ["auto", "person"], "test": "test -f x && test -f z && exit 5"})).await.unwrap_err();
    assert_eq!((&*fault.code, &fault.details["exit_code"]), ("REBASE_TESTS_FAILED", &json!(5)));
    let late = clean.run(json!({"test": "while :; do :; done", "test_timeout_s": 1})).await.unwrap_err();
    assert_eq!((&*late.code, &late.details["exit_code"]), ("REBASE_TESTS_FAILED", &json!(124)));
    clean.is_as_before().await;
}
