//! Decisions: asked, listed, and made once however many decide.

use flowforge_tests::{Forge, Reply, graph};
use futures::future::join_all;
use serde_json::{Value, json};

on_each_database!(a_decision_takes_its_port, of_fifty_at_once_one_wins, a_decision_survives_the_death_of_the_server,);

fn asking() -> Value {
    let nodes = [
        ("start", "trigger.manual", json!({})),
        ("ask", "approval", json!({"title": "Go, {{ trigger.name }}?", "details": {"n": 1}})),
        ("yes", "set", json!({"value": {"yes": "{{ steps.ask.output }}"}})),
        ("no", "set", json!({"value": {"no": "{{ steps.ask.output }}"}})),
    ];
    graph(&nodes, "start -> ask; ask:approved -> yes; ask:rejected -> no")
}

/// A run that asks, and what it asks.
async fn asked(forge: &Forge, workflow: &str) -> (String, Value) {
    let run = forge.launch(workflow, json!({"name": "Ada"})).await;
    let of = |list: &Value| list["items"].as_array().expect("a list").iter().find(|item| item["run_id"] == json!(run)).cloned();
    let listed = forge.until("/approvals?status=waiting", |list| of(list).is_some()).await;
    let asks = of(&listed).expect("it was there");
    (run, asks)
}

async fn decide(forge: &Forge, run: &str, asks: &Value, decision: &str) -> Reply {
    let body = json!({"decision": decision, "digest": asks["digest"], "comment": decision});
    forge.owner.post(&format!("/runs/{run}/approvals/ask"), body).await
}

async fn a_decision_takes_its_port(forge: Forge) {
    let workflow = forge.workflow("asks", &asking()).await;
    for (decision, port) in [("approved", "yes"), ("rejected", "no")] {
        let (run, asks) = asked(&forge, &workflow).await;
        assert_eq!((&asks["title"], &asks["workflow_id"]), (&json!("Go, Ada?"), &json!(workflow)), "{asks:#}");
        let decided = decide(&forge, &run, &asks, decision).await.expect(200);
        assert_eq!((&decided["decision"], &decided["by"]), (&json!(decision), &json!("owner@example.org")));
        let ended = forge.end_of(&run).await;
        assert_eq!(ended["output"][port]["comment"], json!(decision), "{ended:#}");
        assert!(decided["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{decided:#}");
        assert_eq!(ended["output"][port]["at"], decided["at"], "a time is a text, as the node's output schema says");
        decide(&forge, &run, &asks, decision).await.problem(409, "approval_decided");
    }
}

async fn of_fifty_at_once_one_wins(forge: Forge) {
    let workflow = forge.workflow("asks", &asking()).await;
    for round in 0..5 {
        let (run, asks) = asked(&forge, &workflow).await;
        let (forge, run, asks) = (&forge, run.as_str(), &asks);
        let calls = (0..50).map(|number| async move {
            match number % 3 {
                0 => decide(forge, run, asks, "approved").await,
                1 => decide(forge, run, asks, "rejected").await,
                // In the first rounds nobody cancels, so that there must be a winner.
                _ if round < 2 => decide(forge, run, asks, "approved").await,
                _ => forge.owner.post(&format!("/runs/{run}/cancel"), json!({})).await,
            }
        });
        let replies = join_all(calls).await;
        let ended = forge.end_of(run).await;
        let step = forge.step(run, "ask").await;
        let won: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
        assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 202 | 409)), "{replies:#?}");
        match won.as_slice() {
            [winner] => {
                assert_eq!(step["port"], winner.body["decision"], "{step:#}");
                assert_eq!(step["output"]["comment"], winner.body["decision"], "{step:#}");
            }
            [] => assert_eq!((round >= 2, &ended["status"], &step["status"]), (true, &json!("cancelled"), &json!("cancelled"))),
            more => panic!("{} have won: {more:#?}", more.len()),
        }
    }
}

async fn a_decision_survives_the_death_of_the_server(mut forge: Forge) {
    let workflow = forge.workflow("asks", &asking()).await;
    let (first, asks) = asked(&forge, &workflow).await;
    let (second, others) = asked(&forge, &workflow).await;
    decide(&forge, &first, &asks, "approved").await.expect(200);
    forge.server.kill().await;
    forge.server.restart().await;
    assert_eq!(forge.end_of(&first).await["status"], "completed");
    let listed = forge.owner.get("/approvals").await.expect(200);
    assert_eq!(listed["items"], json!([others]), "what is asked is what was asked");
    decide(&forge, &second, &others, "rejected").await.expect(200);
    assert_eq!(forge.end_of(&second).await["status"], "completed");
}
