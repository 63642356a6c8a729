//! What several people do with a trigger at the same moment: none of it is undone.

use std::time::Instant;

use flowforge_tests::{Client, Fleet, Forge, chain};
use reqwest::Method;
use serde_json::json;

use super::{Hook, path, text};

on_each_database!(nobody_undoes_what_somebody_else_does_meanwhile);

/// How often everybody acts at once.
const ROUNDS: usize = 40;

async fn nobody_undoes_what_somebody_else_does_meanwhile(forge: Forge) {
    let mut hook = Hook::start(&forge, json!({})).await;
    let trigger = format!("/triggers/{}", hook.trigger);
    let (pause, rotate) = (format!("{trigger}/pause"), format!("{trigger}/rotate"));
    let publish = format!("/workflows/{}/publish", hook.workflow);
    for round in 0..ROUNDS {
        forge.owner.post(&format!("{trigger}/resume"), json!({"held": "drop"})).await.expect(200);
        let (paused, rotated, first, second) = tokio::join!(
            forge.owner.post(&pause, json!({})),
            forge.owner.post(&rotate, json!({})),
            forge.owner.post(&publish, json!({"version": 1})),
            forge.owner.post(&publish, json!({"version": 1})),
        );
        let (paused, rotated) = (paused.expect(200), rotated.expect(200));
        assert_eq!((first.status, second.status), (200, 200));
        let now = forge.owner.get(&trigger).await.expect(200);
        assert_eq!(now["url"], rotated["url"], "round {round}: the address before came back");
        assert_eq!(now["paused_at"], paused["paused_at"], "round {round}: the pause was undone");
        assert_eq!(hook.send(&[], &json!({})).await.status, 404, "round {round}: the address before answers");
        hook.url = path(&now["url"]);
        assert_eq!(hook.send(&[], &json!({})).await.expect(202)["status"], "held", "round {round}");
    }
}

/// A trigger's rate is its own, however many processes answer: each takes off what the others have let in.
#[tokio::test]
async fn several_processes_let_in_together_what_one_would() {
    const RATE: usize = 60;
    let fleet = Fleet::start(2, 1, &[]).await;
    let graph = |rate: usize| {
        chain(&[("hook", "trigger.webhook", json!({"rate_per_minute": rate})), ("end", "set", json!({"value": 1}))])
    };
    let mut urls = Vec::new();
    for rate in [RATE, 100 * RATE] {
        let workflow = fleet.workflow(&graph(rate)).await;
        fleet.owners[0].post(&format!("/workflows/{workflow}/publish"), json!({"version": 1})).await.expect(200);
        let listed = fleet.owners[0].get(&format!("/triggers?workflow_id={workflow}")).await.expect(200);
        urls.push(path(&listed["items"][0]["url"]));
    }
    let servers: Vec<_> = fleet.apis.iter().map(|server| Client::anonymous(&server.base())).collect();
    let send = async |server: &Client, url: &str| {
        let reply = server.send(server.request(Method::POST, url).json(&json!({}))).await;
        assert!(matches!(reply.status, 202 | 429), "{}: {:#}", reply.status, reply.body);
        reply.status == 202
    };
    let began = Instant::now();
    let mut taken = [0, 0];
    // All of it comes to the first process, then as much to the second, then to both in turns.
    for round in 0..4 * RATE {
        let at = if round < 2 * RATE { round / RATE } else { round % 2 };
        taken[at] += usize::from(send(&servers[at], &urls[0]).await);
    }
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let most = RATE as f64 * (1.0 + minutes) + 4.0;
    println!("{taken:?} of {} were let in within {:?}", 4 * RATE, began.elapsed());
    assert!(taken[0] >= RATE && ((taken[0] + taken[1]) as f64) <= most, "{taken:?}, and not more than {most}");
    // The twin: a trigger that takes more is not held up, whichever process it comes to.
    for round in 0..RATE {
        assert!(send(&servers[round % 2], &urls[1]).await, "{round}");
    }
    let listed = fleet.owners[0].get("/deliveries?status=refused&limit=1").await.expect(200);
    assert!(text(&listed["items"][0]["reason"]).contains("a minute"), "{listed:#}");
}
