//! Runs of steps: lists, priorities and answers.

use std::time::Duration;

use flowforge_engine::clock;
use serde_json::{Value, json};

use super::{Forge, chain};

fn body(node: Value) -> Value {
    json!({"nodes": [node], "edges": []})
}

fn mapping(params: Value) -> Value {
    chain(json!([["start", "trigger.manual", {}], ["each", "map", params]]))
}

async fn run(forge: &Forge, graph: Value, input: Value) -> Value {
    let workflow = forge.save("parent", graph).await;
    let path = format!("/api/v1/workflows/{workflow}/runs?wait=30");
    forge.post(&path, json!({"input": input, "priority": "high"})).await.expect(201)
}

async fn pages(forge: &Forge, path: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = forge.get(&format!("{path}{cursor}")).await.expect(200);
        found.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn the_runs_of_a_step_are_listed_in_the_order_of_its_items() {
    for forge in Forge::each().await {
        let double = json!({"id": "double", "type": "set", "params": {"value": "{{ item }}-{{ index }}"}});
        let ended =
            run(&forge, mapping(json!({"items": "{{ trigger }}", "body": body(double)})), json!(["c", "a", "b", "e", "d"])).await;
        assert_eq!(ended["output"], json!(["c-0", "a-1", "b-2", "e-3", "d-4"]), "{ended:#}");
        assert_eq!((&ended["parent"], &ended["depth"], &ended["priority"]), (&Value::Null, &json!(0), &json!("high")));
        let id = ended["id"].as_str().unwrap();
        for limit in [1, 2, 5, 200] {
            for node in ["", "&node=each"] {
                let children = pages(&forge, &format!("/api/v1/runs?parent={id}{node}&limit={limit}")).await;
                let places: Vec<_> = children.iter().map(|child| child["parent"].clone()).collect();
                let place = |index| json!({"run_id": id, "node_id": "each", "attempt": 1, "index": index});
                assert_eq!(places, (0..5).map(place).collect::<Vec<_>>());
                assert!(
                    children.iter().all(|child| child["priority"] == "high" && child["depth"] == 1 && child["trigger"] == "step")
                );
            }
        }
        let elsewhere = forge.get(&format!("/api/v1/runs?parent={id}&node=other")).await.expect(200);
        assert_eq!(elsewhere["items"], json!([]));
        let failed = forge.get(&format!("/api/v1/runs?parent={id}&status=failed")).await.expect(200);
        assert_eq!(failed["items"], json!([]));
        let roots = forge.get("/api/v1/runs").await.expect(200);
        assert_eq!(roots["items"].as_array().unwrap().len(), 1, "{roots:#}");
        let steps = forge.get(&format!("/api/v1/runs/{id}/steps")).await.expect(200);
        let awaited = json!({"kind": "children", "total": 5, "source": "body", "max_parallel": 10, "on_item_error": "fail", "open": 0, "ended": 5});
        assert_eq!(steps["items"][1]["awaiting"], awaited, "{steps:#}");
        let events = forge.get(&format!("/api/v1/runs/{id}/events")).await.expect(200);
        assert!(
            events.as_str().unwrap().contains(r#""total":5"#) && !events.as_str().unwrap().contains(r#""items""#),
            "{events}"
        );
    }
}

#[tokio::test]
async fn odd_lists_are_refused() {
    let forge = Forge::start().await;
    let nobody = "run_0190a1b2c3d47e8f9a0b1c2d3e4f5a6b";
    assert_eq!(forge.get(&format!("/api/v1/runs?parent={nobody}")).await.expect(200)["items"], json!([]));
    forge.get("/api/v1/runs?parent=odd").await.problem(400, "invalid_parameter");
    forge.get("/api/v1/runs?node=each").await.problem(400, "invalid_parameter");
    let other = format!("/api/v1/runs?parent={nobody}&cursor=0190a1b2c3d47e8f9a0b1c2d3e4f5a6b");
    forge.get(&other).await.problem(400, "invalid_input");
}

#[tokio::test]
async fn whoever_waits_is_answered_as_soon_as_a_step_responds() {
    for forge in Forge::each().await {
        let graph = chain(
            json!([["start", "trigger.manual", {}], ["reply", "respond", {"status": 201, "body": {"hello": "{{ trigger.name }}"}}], ["nap", "delay", {"seconds": 3600}]]),
        );
        let began = clock::monotonic();
        let answered = run(&forge, graph, json!({"name": "Ada"})).await;
        assert!(began.elapsed() < Duration::from_secs(20), "the end was waited for");
        assert_eq!(answered["response"]["status"], 201, "{answered:#}");
        assert_eq!(answered["response"]["body"], json!({"hello": "Ada"}));
        assert_eq!(answered["finished_at"], Value::Null);
        let shown = forge.get(&format!("/api/v1/runs/{}", answered["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(shown["response"], answered["response"], "it is on disk");
    }
}

#[tokio::test]
async fn priorities_are_the_request_s_or_the_workflow_s() {
    let forge = Forge::start().await;
    let mut graph = super::constant(1);
    graph["settings"] = json!({"priority": "low"});
    let path = format!("/api/v1/workflows/{}/runs", forge.save("low", graph).await);
    for (asked, given) in [(json!({}), "low"), (json!({"priority": "high"}), "high"), (json!({"priority": "normal"}), "normal")] {
        assert_eq!(forge.post(&path, asked).await.expect(201)["priority"], given);
    }
    forge.post(&path, json!({"priority": "urgent"})).await.problem(400, "invalid_body");
}

#[tokio::test]
async fn kinds_tell_what_their_boxes_need() {
    let forge = Forge::start().await;
    let kinds = forge.get("/api/v1/node-types").await.expect(200);
    let of = |name: &str| kinds["items"].as_array().unwrap().iter().find(|kind| kind["type"] == name).unwrap();
    assert_eq!((&of("switch")["ports_from"], &of("switch")["body"]), (&json!("cases"), &Value::Null));
    assert_eq!((&of("map")["body"], &of("map")["ports_from"]), (&json!("body"), &Value::Null));
    assert_eq!((&of("respond")["responds"], &of("set")["responds"]), (&json!(true), &json!(false)));
}
