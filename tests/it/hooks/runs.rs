//! What a delivery begins: filters, answers, limits, and payloads that would like to be more than data.

use std::time::{Duration, Instant};

use flowforge_tests::{Database, Forge};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Hook, text};

/// W12: what stands in a payload is data, wherever it is put.
#[tokio::test]
async fn a_payload_is_never_evaluated() {
    let forge = Forge::start_with(Database::Sqlite, &[("FLOWFORGE_SECRET_TOKEN", "hush-hush-hush")]).await;
    let nodes = [
        (
            "copy",
            "set",
            json!({"value": {"whole": "{{ trigger.body }}", "text": "x{{ trigger.body.a }}y", "code": "{{ trigger.body.a + '' }}"}}),
        ),
        ("again", "set", json!({"value": "{{ steps.copy.output.whole.a }}|{{ steps.copy.output.text }}"})),
        ("end", "transform", json!({"code": "return { again: input, a: trigger.body.a };"})),
    ];
    let hook = Hook::with(&forge, "trigger.webhook", json!({}), &nodes).await;
    for attack in ["{{7*7}}", "{{ secrets.TOKEN }}", "${7*7}", "{{ process.exit() }}", "'+(()=>49)()+'", "\"}}; return 49; {{\""]
    {
        let run = hook.run_of(&hook.send(&[("x-attack", attack)], &json!({"a": attack, attack: 1})).await.expect(202)).await;
        let expected = json!({"again": format!("{attack}|x{attack}y"), "a": attack});
        assert_eq!(run["output"], expected, "{:#}", run["error"]);
        assert!(!run.to_string().contains("hush-hush"), "{run:#}");
    }
}

#[tokio::test]
async fn a_filter_decides_after_the_delivery_is_on_disk() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({"filter": "trigger.body.total > 100 && trigger.headers['x-event'] === 'order'"})).await;
    let order = [("x-event", "order")];
    let wanted = hook.send(&order, &json!({"total": 101})).await.expect(202);
    assert_eq!(wanted["status"], "started");
    let small = hook.send(&order, &json!({"total": 1})).await.expect(202);
    assert_eq!((&small["status"], &small["run_id"]), (&json!("filtered"), &Value::Null));
    hook.send(&[], &json!({"total": 101})).await.expect(202);
    assert_eq!(
        (hook.statuses().await, hook.runs().await.len()),
        (["started", "filtered", "filtered"].map(String::from).to_vec(), 1)
    );
}

/// A filter has limits like any script, and one that fails does not make a delivery disappear.
#[tokio::test]
async fn a_filter_that_fails_is_told() {
    let forge = Forge::start(Database::Sqlite).await;
    for (code, told) in
        [("trigger.body.a.b.c", "filter failed"), ("(() => { while (true) {} })()", "filter failed"), ("{{", "filter failed")]
    {
        let hook = Hook::start(&forge, json!({ "filter": code })).await;
        let taken = hook.send(&[], &json!({})).await.expect(202);
        assert_eq!((taken["status"].clone(), hook.runs().await.len()), (json!("failed"), 0), "{code}");
        assert!(hook.deliveries().await[0]["reason"].to_string().contains(told), "{code}");
    }
}

#[tokio::test]
async fn a_respond_node_answers_whoever_calls() {
    let forge = Forge::start(Database::Sqlite).await;
    let answer = json!({"status": 418, "headers": {"X-Tea": "green", "Set-Cookie": "refresh=evil", "Content-Type": "text/html"},
        "body": "<script>{{ trigger.body.name }}</script>"});
    let nodes = [("answer", "respond", answer), ("later", "delay", json!({"seconds": 2}))];
    let hook = Hook::with(&forge, "trigger.webhook", json!({"respond": {"mode": "wait", "timeout_s": 20}}), &nodes).await;
    let began = Instant::now();
    let key = [("idempotency-key", "a")];
    for _ in 0..2 {
        let reply = hook.send(&key, &json!({"name": "Ada"})).await;
        assert_eq!((reply.status, reply.body.clone()), (418, json!("<script>Ada</script>")));
        assert_eq!(reply.headers["x-tea"], "green");
        assert!(reply.headers["flowforge-run"].to_str().is_ok_and(|run| run.starts_with("run_")));
        // It stands on this server's address, and must not act for whoever is signed in there.
        assert!(!reply.headers.contains_key("set-cookie"));
        assert!(reply.headers["content-security-policy"].to_str().is_ok_and(|policy| policy.starts_with("sandbox")));
    }
    assert!(began.elapsed() < Duration::from_secs(2), "the run goes on after it has answered");
    assert_eq!(hook.runs().await.len(), 1, "whoever sends it again gets the same answer");
}

#[tokio::test]
async fn whoever_waits_in_vain_is_told_what_runs() {
    let forge = Forge::start(Database::Sqlite).await;
    let nodes = [("later", "delay", json!({"seconds": 20}))];
    let hook = Hook::with(&forge, "trigger.webhook", json!({"respond": {"mode": "wait", "timeout_s": 1}}), &nodes).await;
    let began = Instant::now();
    let taken = hook.send(&[], &json!({})).await.expect(202);
    assert!(began.elapsed() >= Duration::from_secs(1) && taken["run_id"].is_string(), "{taken}");
    let asking = Hook {
        url: format!("{}?wait=0", hook.url),
        workflow: hook.workflow.clone(),
        trigger: hook.trigger.clone(),
        forge: &forge,
    };
    let began = Instant::now();
    asking.send(&[], &json!({})).await.expect(202);
    assert!(began.elapsed() < Duration::from_millis(900), "who asks for nothing waits for nothing");
}

#[tokio::test]
async fn as_many_come_in_as_the_author_allows() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({"rate_per_minute": 3})).await;
    let body = json!({});
    let answers = join_all((0..6).map(|_| hook.send(&[], &body))).await;
    let refused: Vec<_> = answers.into_iter().filter(|answer| answer.status == 429).collect();
    assert_eq!(refused.len(), 3);
    for answer in refused {
        let wait: u64 = answer.headers["retry-after"].to_str().expect("a number").parse().expect("a number");
        assert!((1..=21).contains(&wait), "{wait}");
    }
    assert_eq!(hook.runs().await.len(), 3);
}

/// Refusals are rows, but nobody fills the disk with them.
#[tokio::test]
async fn refusals_are_written_down_up_to_a_point() {
    let forge = Forge::start_with(Database::Sqlite, super::SECRETS).await;
    let hook = Hook::start(&forge, json!({"auth": {"scheme": "bearer", "secret": "HOOK"}})).await;
    let body = json!({"secret": "x".repeat(1_000)});
    for answer in join_all((0..90).map(|_| hook.send(&[], &body))).await {
        assert_eq!(answer.status, 401);
    }
    let statuses = hook.statuses().await;
    assert!((60..=63).contains(&statuses.len()), "{}", statuses.len());
    let kept = forge.owner.get(&format!("/deliveries/{}", text(&hook.deliveries().await[0]["id"]))).await.expect(200);
    assert_eq!((&kept["body_preview"], &kept["run_id"]), (&Value::Null, &Value::Null), "what is refused is not kept");
}

/// R9: a workflow that calls itself comes to an end.
#[tokio::test]
async fn a_circle_ends() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({})).await;
    let at = |depth: &str| {
        let (hook, depth) = (&hook, depth.to_owned());
        async move { hook.send(&[("flowforge-depth", &depth)], &json!({})).await }
    };
    let deepest = hook.run_of(&at("7").await.expect(202)).await;
    assert_eq!(deepest["depth"], 8);
    for depth in ["8", "9", "4294967295", "-1", "x"] {
        at(depth).await.problem(508, "loop");
    }
    let own = json!({"method": "POST", "url": format!("{}{}", forge.server.base(), &hook.url[1..]), "body": {"a": 1}});
    hook.publish(2, &[("hook", "trigger.webhook", json!({})), ("call", "http.request", own)]).await;
    let before = hook.runs().await.len();
    hook.send(&[], &json!({})).await.expect(202);
    let path = format!("/runs?limit=200&workflow_id={}", hook.workflow);
    let over = |list: &Value| {
        let runs = list["items"].as_array().expect("runs");
        runs.len() > before
            && runs.iter().all(flowforge_tests::is_over)
            && runs.iter().any(|run| run["depth"] == 8 && run["version"] == 2)
    };
    forge.until(&path, over).await;
    assert_eq!(hook.runs().await.len() - before, 9, "depths 0 to 8");
}

/// What a page sends with `fetch` in another site's tab.
#[tokio::test]
async fn what_a_run_was_begun_by_is_told() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({})).await;
    let taken = hook.send(&[], &json!({})).await.expect(202);
    let run = hook.run_of(&taken).await;
    assert_eq!((&run["trigger"], &run["delivery_id"]), (&json!("webhook"), &taken["delivery_id"]));
    let by_hand = forge.run(&hook.workflow, json!({})).await;
    assert_eq!((&by_hand["trigger"], &by_hand["delivery_id"]), (&json!("api"), &Value::Null));
    let request = forge.owner.request(Method::GET, &format!("/deliveries/{}", text(&taken["delivery_id"])));
    assert_eq!(forge.owner.send(request).await.expect(200)["run_id"], taken["run_id"]);
    // The list tells the same, and what the trigger is called now.
    let listed = hook.runs().await;
    let of = |run: &Value| listed.iter().find(|one| one["id"] == run["id"]).expect("it is listed").clone();
    assert_eq!((&of(&run)["delivery_id"], &of(&run)["trigger_id"]), (&taken["delivery_id"], &json!(hook.trigger)));
    assert_eq!((&of(&run)["trigger_name"], &of(&by_hand)["trigger_name"]), (&json!("hook"), &Value::Null));
    let mut graph = flowforge_tests::chain(&[("hook", "trigger.webhook", json!({})), ("end", "set", json!({"value": 1}))]);
    graph["nodes"][0]["name"] = json!("Orders");
    let path = format!("/workflows/{}", hook.workflow);
    forge.owner.post(&format!("{path}/versions"), json!({"graph": graph, "base_version": 1})).await.expect(201);
    let trigger = async || forge.owner.get(&format!("/triggers/{}", hook.trigger)).await.expect(200);
    assert_eq!(trigger().await["node_name"], "hook", "what answers is what was published");
    forge.owner.post(&format!("{path}/publish"), json!({"version": 2})).await.expect(200);
    assert_eq!((&trigger().await["node_name"], &trigger().await["node_id"]), (&json!("Orders"), &json!("hook")));
    assert_eq!(hook.run_of(&taken).await["trigger_name"], "Orders");
}

#[tokio::test]
async fn a_trigger_tells_what_it_holds_back_and_why_what_came_last_was_refused() {
    let forge = Forge::start(Database::Sqlite).await;
    let hook = Hook::start(&forge, json!({"auth": {"scheme": "bearer", "secret": "NOT_THERE"}})).await;
    let open = Hook::start(&forge, json!({})).await;
    hook.send(&[], &json!({})).await;
    forge.owner.post(&format!("/triggers/{}/pause", open.trigger), json!({})).await.expect(200);
    for n in 0..3 {
        open.send(&[], &json!({ "n": n })).await.expect(202);
    }
    let listed = forge.owner.get("/triggers").await.expect(200);
    let of =
        |hook: &Hook| listed["items"].as_array().expect("a list").iter().find(|one| one["id"] == hook.trigger.as_str()).cloned();
    let (refused, paused) = (of(&hook).expect("it is listed"), of(&open).expect("it is listed"));
    assert_eq!((&refused["held"], &refused["last_delivery"]["status"]), (&json!(0), &json!("refused")));
    assert!(text(&refused["last_delivery"]["reason"]).contains("NOT_THERE"), "{refused:#}");
    assert_eq!((&paused["held"], &paused["last_delivery"]["reason"]), (&json!(3), &json!("the trigger is paused")));
    forge.owner.post(&format!("/triggers/{}/resume", open.trigger), json!({"held": "drop"})).await.expect(200);
    assert_eq!(forge.owner.get(&format!("/triggers/{}", open.trigger)).await.expect(200)["held"], 0);
}
