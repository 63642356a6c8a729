//! Decisions: listing what is asked, deciding once, and who may.

use flowforge_engine::store::accounts::Role;
use futures::future::join_all;
use serde_json::{Value, json};

use super::{EMAIL, Forge, Reply, chain};

const LIST: &str = "/api/v1/approvals";

/// Asks by a step `ask`; what was decided is the run's output.
fn asking(params: Value) -> Value {
    let mut graph = chain(json!([["start", "trigger.manual", {}], ["ask", "approval", params]]));
    for port in ["approved", "rejected", "timeout"] {
        let node = json!({"id": port, "type": "set", "params": {"value": {"port": port, "said": "{{ steps.ask.output }}"}}});
        graph["nodes"].as_array_mut().unwrap().push(node);
        graph["edges"].as_array_mut().unwrap().push(json!({"source": "ask", "port": port, "target": port}));
    }
    graph
}

/// A run of a workflow that asks, and what it asks.
async fn asked(forge: &Forge, params: Value) -> (String, Value) {
    let run = forge.launch(&forge.save("asks", asking(params)).await, json!({"version": "2.0"})).await;
    let is_ours = |item: &&Value| item["run_id"] == json!(run);
    let listed = forge.until(LIST, |list| list["items"].as_array().unwrap().iter().any(|item| is_ours(&item))).await;
    let asks = listed["items"].as_array().unwrap().iter().find(is_ours).unwrap().clone();
    (run, asks)
}

async fn decide(forge: &Forge, token: &str, asks: &Value, decision: &str) -> Reply {
    let path = format!("/api/v1/runs/{}/approvals/{}", asks["run_id"].as_str().unwrap(), asks["node_id"].as_str().unwrap());
    let body = json!({"decision": decision, "digest": asks["digest"], "comment": "fine"});
    forge.send(axum::http::Method::POST, &path, Some(token), Some(body)).await
}

#[tokio::test]
async fn a_decision_sends_the_run_on_its_way() {
    for forge in Forge::each().await {
        let params = json!({"title": "Publish {{ trigger.version }}?", "details": {"b": 1, "a": [null]}, "timeout_s": 86400});
        let (run, asks) = asked(&forge, params).await;
        assert_eq!((&asks["title"], &asks["details"]), (&json!("Publish 2.0?"), &json!({"b": 1, "a": [null]})), "{asks:#}");
        assert_eq!((&asks["attempt"], &asks["approvers"]), (&json!(1), &json!([])), "{asks:#}");
        assert!(asks["expires_at"].as_str() > asks["requested_at"].as_str() && asks["digest"].is_string(), "{asks:#}");
        let steps = forge.get(&format!("/api/v1/runs/{run}/steps")).await.expect(200);
        let waits = &steps["items"][1];
        assert_eq!((&waits["status"], &waits["awaiting"]["kind"]), (&json!("waiting"), &json!("approval")), "{waits:#}");

        let decided = decide(&forge, &forge.token, &asks, "rejected").await.expect(200);
        assert_eq!(
            (&decided["decision"], &decided["by"], &decided["comment"]),
            (&json!("rejected"), &json!(EMAIL), &json!("fine"))
        );
        let ended = forge.end_of(&run).await;
        assert_eq!((&ended["status"], &ended["output"]["port"]), (&json!("completed"), &json!("rejected")), "{ended:#}");
        assert_eq!(ended["output"]["said"]["by"], EMAIL);
        assert_eq!(forge.get(LIST).await.expect(200)["items"], json!([]));
        decide(&forge, &forge.token, &asks, "approved").await.problem(409, "approval_decided");
        decide(&forge, &forge.token, &asks, "rejected").await.problem(409, "approval_decided");
    }
}

#[tokio::test]
async fn only_what_was_shown_is_decided_and_only_by_those_who_may() {
    for forge in Forge::each().await {
        let (_, asks) = asked(&forge, json!({"title": "Go?", "approvers": ["Bob@example.org", "admin"]})).await;
        for role in [Role::Editor, Role::Viewer] {
            let token = forge.stranger(role, true).await;
            let code = if role == Role::Viewer { "forbidden" } else { "not_an_approver" };
            decide(&forge, &token, &asks, "approved").await.problem(403, code);
        }
        let other = json!({"run_id": asks["run_id"], "node_id": "ask", "digest": "0".repeat(64)});
        decide(&forge, &forge.token, &other, "approved").await.problem(409, "approval_changed");
        for (odd, code) in [("maybe", "invalid_body"), ("", "invalid_body")] {
            decide(&forge, &forge.token, &asks, odd).await.problem(400, code);
        }
        let missing = json!({"run_id": asks["run_id"], "node_id": "start", "digest": asks["digest"]});
        decide(&forge, &forge.token, &missing, "approved").await.problem(404, "not_found");
        let long = json!({"decision": "approved", "digest": asks["digest"], "comment": "x".repeat(4001)});
        let path = format!("/api/v1/runs/{}/approvals/ask", asks["run_id"].as_str().unwrap());
        forge.post(&path, long).await.problem(400, "invalid_input");
        let stranger = forge.stranger(Role::Owner, false).await;
        decide(&forge, &stranger, &asks, "approved").await.problem(404, "not_found");
        let theirs = forge.send(axum::http::Method::GET, LIST, Some(&stranger), None).await.expect(200);
        assert_eq!(theirs["items"], json!([]));
        decide(&forge, &forge.token, &asks, "approved").await.expect(200);
    }
}

#[tokio::test]
async fn what_asks_no_more_cannot_be_decided() {
    for forge in Forge::each().await {
        let (run, asks) = asked(&forge, json!({"title": "Go?"})).await;
        forge.post(&format!("/api/v1/runs/{run}/cancel"), json!({})).await.expect(202);
        assert_eq!(forge.end_of(&run).await["status"], "cancelled");
        decide(&forge, &forge.token, &asks, "approved").await.problem(409, "run_finished");
        let run = forge.launch(&forge.save("asks", asking(json!({"title": "Go?", "timeout_s": 0.05}))).await, json!({})).await;
        let ended = forge.end_of(&run).await;
        assert_eq!(ended["output"], json!({"port": "timeout", "said": null}), "{ended:#}");
        let late = json!({"run_id": run, "node_id": "ask", "digest": asks["digest"]});
        decide(&forge, &forge.token, &late, "approved").await.problem(409, "run_finished");
        assert_eq!(forge.get(LIST).await.expect(200)["items"], json!([]));
    }
}

#[tokio::test]
async fn of_many_at_once_one_decides() {
    for forge in Forge::each().await {
        for round in 0..4 {
            let (run, asks) = asked(&forge, json!({"title": "Go?"})).await;
            let cancel = format!("/api/v1/runs/{run}/cancel");
            let cancel = cancel.as_str();
            let (forge, asks) = (&forge, &asks);
            let calls = (0..50).map(|number| async move {
                match number % 5 {
                    // Every other round nobody cancels.
                    0 if round % 2 == 1 => forge.post(cancel, json!({})).await,
                    number if number % 2 == 0 => decide(forge, &forge.token, asks, "rejected").await,
                    _ => decide(forge, &forge.token, asks, "approved").await,
                }
            });
            let replies = join_all(calls).await;
            let won: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
            let refused = |reply: &&Reply| !matches!(reply.status.as_u16(), 200 | 202 | 409);
            assert!(!replies.iter().any(|reply| refused(&reply)), "{:#?}", replies.iter().find(refused).map(|odd| &odd.body));
            assert!(won.len() <= 1, "{} have won", won.len());
            let ended = forge.end_of(&run).await;
            let step = forge.get(&format!("/api/v1/runs/{run}/steps")).await.expect(200)["items"][1].clone();
            match won.first() {
                Some(winner) => assert_eq!(step["port"], winner.body["decision"], "{ended:#}"),
                None => assert_eq!((round % 2, &ended["status"]), (1, &json!("cancelled")), "{ended:#}"),
            }
        }
    }
}

#[tokio::test]
async fn what_is_asked_is_listed_page_by_page() {
    for forge in Forge::each().await {
        let mut graph = chain(json!([["start", "trigger.manual", {}]]));
        for node in ["b", "a", "c"] {
            let node = json!({"id": node, "type": "approval", "params": {"title": node}});
            graph["edges"].as_array_mut().unwrap().push(json!({"source": "start", "target": node["id"]}));
            graph["nodes"].as_array_mut().unwrap().push(node);
        }
        let workflow = forge.save("asks thrice", graph).await;
        let mut expected = Vec::new();
        for _ in 0..3 {
            let run = forge.launch(&workflow, json!({})).await;
            expected.splice(0..0, ["a", "b", "c"].map(|node| (json!(run), json!(node))));
        }
        forge.until(LIST, |list| list["items"].as_array().unwrap().len() == 9).await;
        for limit in [1, 2, 4, 9] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = forge.get(&format!("{LIST}?status=waiting&limit={limit}&cursor={cursor}")).await.expect(200);
                let items = page["items"].as_array().unwrap();
                assert!(items.len() <= limit);
                seen.extend(items.iter().map(|item| (item["run_id"].clone(), item["node_id"].clone())));
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            }
            assert_eq!(seen, expected, "by {limit}");
        }
        for odd in ["status=decided", "limit=0", "limit=201", "cursor=odd", "cursor=run_1/a"] {
            forge.get(&format!("{LIST}?{odd}")).await.problem(400, "invalid_parameter");
        }
    }
}
