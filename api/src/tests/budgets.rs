//! Budgets and usage over HTTP: who may see them, who may change them, and what a run is told.

use axum::http::{Method, Request, header};
use flowforge_engine::store::accounts::Role;
use serde_json::{Value, json};

use super::{Forge, chain, quoted};

const PATH: &str = "/api/v1/budgets";

async fn put_with_key(forge: &Forge, path: &str, key: &str, body: &Value) -> super::Reply {
    let request = Request::builder().method(Method::POST).uri(path).header("idempotency-key", key);
    let request = request.header(header::AUTHORIZATION, format!("Bearer {}", forge.token));
    let request = request.header(header::CONTENT_TYPE, "application/json");
    forge.answer(request.body(body.to_string().into()).unwrap()).await
}

#[tokio::test]
async fn a_budget_is_made_listed_raised_topped_up_and_deleted() {
    for forge in Forge::each().await {
        let workflow = forge.workflow("Pays").await;
        let ask = json!({"period": "month", "limit_usd": 12.5, "time_zone": "Europe/Berlin", "workflow_id": workflow});
        let made = forge.post(PATH, ask.clone()).await.expect(201);
        assert_eq!(
            (&made["scope"], &made["workflow_name"], &made["limit_usd"]),
            (&json!("workflow"), &json!("Pays"), &json!(12.5))
        );
        assert_eq!(
            (&made["spent_usd"], &made["waiting_steps"], &made["time_zone"]),
            (&json!(0.0), &json!(0), &json!("Europe/Berlin"))
        );
        assert!(made["resets_at"].is_string() && made["period_from"].is_string(), "{made}");
        forge.post(PATH, ask).await.problem(409, "budget_exists");
        let total = forge.post(PATH, json!({"period": "total", "limit_usd": 1})).await.expect(201);
        assert_eq!((&total["scope"], &total["resets_at"]), (&json!("workspace"), &Value::Null));
        let listed = forge.get(PATH).await.expect(200);
        assert_eq!(listed["items"], json!([total, made]), "the workspace's come first");
        let one = format!("{PATH}/{}", made["id"].as_str().unwrap());
        let raised = forge.send(Method::PATCH, &one, Some(&forge.token), Some(json!({"limit_usd": 20}))).await.expect(200);
        assert_eq!(raised["limit_usd"], 20.0);
        let money = json!({"amount_usd": 2.25, "note": "for the release"});
        let top_ups = format!("{one}/top-ups");
        assert_eq!(put_with_key(&forge, &top_ups, "k", &money).await.expect(201)["topped_up_usd"], 2.25);
        assert_eq!(put_with_key(&forge, &top_ups, "k", &money).await.expect(200)["topped_up_usd"], 2.25);
        put_with_key(&forge, &top_ups, "k", &json!({"amount_usd": 3})).await.problem(409, "idempotency_conflict");
        let added = forge.get(&top_ups).await.expect(200);
        assert_eq!(added["items"].as_array().unwrap().len(), 1, "{added}");
        assert_eq!((&added["items"][0]["note"], &added["items"][0]["by"]), (&json!("for the release"), &json!(super::EMAIL)));
        assert_eq!(forge.send(Method::DELETE, &one, Some(&forge.token), None).await.status.as_u16(), 204);
        forge.send(Method::DELETE, &one, Some(&forge.token), None).await.problem(404, "not_found");
        forge.get(&top_ups).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let forge = Forge::start().await;
    for (body, code) in [
        (json!({"period": "year", "limit_usd": 1}), "invalid_body"),
        (json!({"period": "day", "limit_usd": -1}), "invalid_input"),
        (json!({"period": "day", "limit_usd": 1e12}), "invalid_input"),
        (json!({"period": "day", "limit_usd": 1, "time_zone": "Mars/Olympus"}), "invalid_input"),
        (json!({"period": "day", "limit_usd": 1, "scope": "x"}), "invalid_body"),
    ] {
        forge.post(PATH, body).await.problem(400, code);
    }
    let nobody_s = json!({"period": "day", "limit_usd": 1, "workflow_id": "wf_00000000000000000000000000000000"});
    forge.post(PATH, nobody_s).await.problem(404, "not_found");
    for query in [
        "group_by=colour",
        "from=yesterday",
        "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "from=2020-01-01T00:00:00Z",
        "run_id=7",
    ] {
        forge.get(&format!("/api/v1/usage?{query}")).await.problem(400, "invalid_parameter");
    }
    forge.get("/api/v1/usage?time_zone=Mars/Olympus").await.problem(400, "invalid_input");
}

#[tokio::test]
async fn viewers_look_editors_raise_runs_and_owners_have_the_budgets() {
    let forge = Forge::start().await;
    let budget = forge.post(PATH, json!({"period": "day", "limit_usd": 1})).await.expect(201);
    let one = format!("{PATH}/{}", budget["id"].as_str().unwrap());
    let mut graph = chain(json!([["a", "wait.signal", {"name": "go"}]]));
    graph["settings"] = json!({"budget_usd": 0.5});
    let workflow = forge.save("Capped", graph).await;
    let run = forge.launch(&workflow, json!({})).await;
    let of_run = format!("/api/v1/runs/{run}/budget");
    let ask = json!({"amount_usd": 1});
    for role in [Role::Viewer, Role::Editor, Role::Admin] {
        let token = forge.stranger(role, true).await;
        let send = async |method: Method, path: &str, body: Option<Value>| forge.send(method, path, Some(&token), body).await;
        for path in [PATH, &format!("{one}/top-ups"), &of_run, "/api/v1/usage"] {
            send(Method::GET, path, None).await.expect(200);
        }
        send(Method::POST, PATH, Some(json!({"period": "week", "limit_usd": 1}))).await.problem(403, "forbidden");
        send(Method::PATCH, &one, Some(json!({"limit_usd": 2}))).await.problem(403, "forbidden");
        send(Method::POST, &format!("{one}/top-ups"), Some(ask.clone())).await.problem(403, "forbidden");
        send(Method::DELETE, &one, None).await.problem(403, "forbidden");
        let raised = send(Method::POST, &of_run, Some(ask.clone())).await;
        if role == Role::Viewer { drop(raised.problem(403, "forbidden")) } else { drop(raised.expect(201)) }
    }
    let token = forge.stranger(Role::Owner, false).await;
    let send = async |method: Method, path: &str, body: Option<Value>| forge.send(method, path, Some(&token), body).await;
    assert_eq!(send(Method::GET, PATH, None).await.expect(200)["items"], json!([]));
    send(Method::PATCH, &one, Some(json!({"limit_usd": 2}))).await.problem(404, "not_found");
    send(Method::GET, &of_run, None).await.problem(404, "not_found");
    send(Method::POST, &of_run, Some(ask)).await.problem(404, "not_found");
    let stands = forge.get(&of_run).await.expect(200);
    assert_eq!((&stands["budget_usd"], &stands["topped_up_usd"]), (&json!(0.5), &json!(2.0)));
}

#[tokio::test]
async fn a_run_s_cap_is_raised_once_a_key_and_not_after_its_end() {
    for forge in Forge::each().await {
        let mut graph = chain(json!([["a", "wait.signal", {"name": "go"}]]));
        graph["settings"] = json!({"budget_usd": -1});
        forge.post("/api/v1/workflows", json!({"name": "Negative", "graph": graph})).await.problem(400, "invalid_graph");
        let validated = forge.post("/api/v1/workflows/validate", json!({"graph": graph})).await.expect(200);
        assert_eq!(validated["problems"][0]["field"], "settings.budget_usd", "{validated}");
        graph["settings"] = json!({});
        let free = forge.save("Free", graph.clone()).await;
        let run = forge.launch(&free, json!({})).await;
        forge.post(&format!("/api/v1/runs/{run}/budget"), json!({"amount_usd": 1})).await.problem(409, "no_run_budget");
        graph["settings"] = json!({"budget_usd": 0.25});
        let capped = forge.save("Capped", graph).await;
        let run = forge.launch(&capped, json!({})).await;
        let path = format!("/api/v1/runs/{run}/budget");
        let ask = json!({"amount_usd": 0.75, "note": "go on"});
        assert_eq!(put_with_key(&forge, &path, "k", &ask).await.expect(201)["topped_up_usd"], 0.75);
        assert_eq!(put_with_key(&forge, &path, "k", &ask).await.expect(200)["topped_up_usd"], 0.75);
        let of_step = json!({"amount_usd": 1, "node_id": "a"});
        let told = forge.post(&path, of_step).await.expect(201);
        assert_eq!((&told["topped_up_usd"], &told["top_ups"][0]["node_id"]), (&json!(0.75), &json!("a")));
        forge.post(&path, json!({"amount_usd": 1, "node_id": "nowhere"})).await.problem(404, "not_found");
        forge.post(&path, json!({"amount_usd": 0})).await.problem(400, "invalid_input");
        forge.post(&format!("/api/v1/runs/{run}/cancel"), json!({})).await;
        forge.end_of(&run).await;
        forge.post(&path, json!({"amount_usd": 1})).await.problem(409, "run_finished");
    }
}

#[tokio::test]
async fn usage_is_told_with_totals_and_the_names_of_people() {
    for forge in Forge::each().await {
        let workflow = forge.workflow("Pays").await;
        let run = forge.launch(&workflow, json!({})).await;
        forge.end_of(&run).await;
        let profile = forge.get("/api/v1/auth/profile").await.expect(200);
        let id = |text: &str| quoted(&forge.place, uuid::Uuid::try_parse(text.split_once('_').unwrap().1).unwrap());
        let user = profile["user"]["id"].as_str().unwrap();
        let (workspace, by) = (profile["workspace"]["id"].as_str().unwrap(), forge.app.store().now().await.unwrap());
        for (at, cost) in [(1, 250_000), (2, 500_000)] {
            let row = format!(
                "INSERT INTO agent_usage (id, workspace_id, workflow_id, run_id, node_id, attempt, turn_key, holder, worker_id, model, state, \
                 most_micros, cost_micros, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, started_by, created_at, charged) \
                 SELECT {}, {}, {}, {}, 'answer', 1, 't{at}', {}, {}, 'small', 'settled', {cost}, {cost}, 10, 5, 0, 0, started_by, {}, '[]' \
                 FROM runs WHERE id = {}",
                quoted(&forge.place, uuid::Uuid::from_u128(at)),
                id(workspace),
                id(&workflow),
                id(&run),
                id(user),
                id(user),
                by.0,
                id(&run),
            );
            forge.place.sql(&row).await;
        }
        let usage = forge.get("/api/v1/usage?group_by=user").await.expect(200);
        assert_eq!((&usage["total"]["cost_usd"], &usage["total"]["turns"]), (&json!(0.75), &json!(2)));
        assert_eq!((&usage["items"][0]["key"], &usage["items"][0]["name"]), (&json!(user), &json!(super::EMAIL)));
        let by_run = forge.get(&format!("/api/v1/usage?group_by=run&workflow_id={workflow}")).await.expect(200);
        assert_eq!((&by_run["items"][0]["key"], &by_run["items"][0]["name"]), (&json!(run), &json!("Pays")));
        let by_day = forge.get("/api/v1/usage?time_zone=Europe/Berlin").await.expect(200);
        assert_eq!(by_day["items"][0]["tokens"], json!({"input": 20, "output": 10, "cache_read": 0, "cache_write": 0}));
        let none = forge.get("/api/v1/usage?to=2026-01-01T00:00:00Z").await.expect(200);
        assert_eq!((&none["items"], &none["total"]["turns"]), (&json!([]), &json!(0)));
    }
}
