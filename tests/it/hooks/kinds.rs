//! The node under an id becomes another kind of trigger: what came before runs as what it is, by its own version.

use flowforge_tests::Forge;
use serde_json::{Value, json};

use super::{Hook, text};

on_each_database!(
    what_came_before_the_kind_changed_runs_as_what_it_is,
    what_a_webhook_took_is_not_played_to_github_nor_the_other_way_round,
    what_no_version_can_run_has_failed
);

/// A webhook under the id that `Hook` has it under.
fn webhook() -> Value {
    json!(["trigger.webhook", {}])
}

fn schedule(timezone: &str) -> Value {
    json!(["trigger.schedule", {"cron": "0 0 1 * *", "timezone": timezone, "overlap": "queue"}])
}

async fn publish(hook: &Hook<'_>, version: u64, trigger: &Value) {
    let kind = text(&trigger[0]);
    hook.publish(version, &[("hook", &kind, trigger[1].clone()), ("end", "set", json!({"value": "{{ trigger }}"}))]).await;
}

/// A paused webhook, and what it holds back: the ids, the first that came first.
async fn held(forge: &Forge, count: usize) -> (Hook<'_>, Vec<String>) {
    let hook = Hook::start(forge, json!({})).await;
    forge.owner.post(&format!("/triggers/{}/pause", hook.trigger), json!({})).await.expect(200);
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(text(&hook.send(&[], &json!({ "n": n })).await.expect(202)["delivery_id"]));
    }
    (hook, ids)
}

async fn release(forge: &Forge, delivery: &str) -> Value {
    forge.owner.post(&format!("/deliveries/{delivery}/release"), json!({})).await.expect(200)
}

async fn what_came_before_the_kind_changed_runs_as_what_it_is(forge: Forge) {
    let (hook, requests) = held(&forge, 1).await;
    publish(&hook, 2, &schedule("Europe/Berlin")).await;
    let run = hook.run_of(&release(&forge, &requests[0]).await).await;
    assert_eq!((&run["trigger"], &run["version"], &run["input"]["body"]), (&json!("webhook"), &json!(1), &json!({"n": 0})));
    // A delivery that is no slot of the schedule cannot be played as one.
    let replay = |delivery: &str| format!("/deliveries/{delivery}/replay");
    forge.owner.post(&replay(&requests[0]), json!({})).await.problem(409, "trigger_kind_changed");
    let range = json!({"from": "2026-01-15T00:00:00Z", "to": "2026-03-15T00:00:00Z"});
    let filled = forge.owner.post(&format!("/triggers/{}/backfill", hook.trigger), range).await.expect(202);
    assert_eq!(filled["started"], 2, "{filled:#}");
    forge.execute("UPDATE deliveries SET status = 'held', reason = 'for the test' WHERE status = 'queued'");
    let mut slots: Vec<_> = hook.deliveries().await.into_iter().filter(|one| one["slot"].is_string()).collect();
    slots.sort_by_key(|one| one["slot"].to_string());
    for (version, trigger, slot) in [(3, schedule("Asia/Tokyo"), &slots[0]), (4, webhook(), &slots[1])] {
        publish(&hook, version, &trigger).await;
        let run = hook.run_of(&release(&forge, &text(&slot["id"])).await).await;
        assert_eq!((&run["trigger"], &run["version"], &run["input"]["slot"]), (&json!("schedule"), &json!(2), &slot["slot"]));
        assert_eq!(run["input"]["timezone"], "Europe/Berlin", "{run:#}");
    }
    forge.owner.post(&replay(&text(&slots[0]["id"])), json!({})).await.problem(409, "trigger_kind_changed");
    let again = forge.owner.post(&replay(&requests[0]), json!({})).await.expect(201);
    assert_eq!(hook.run_of(&again).await["input"]["body"], json!({"n": 0}), "it is a webhook again");
}

async fn what_a_webhook_took_is_not_played_to_github_nor_the_other_way_round(forge: Forge) {
    let (hook, requests) = held(&forge, 1).await;
    let replay = |delivery: &str| format!("/deliveries/{delivery}/replay");
    let github = json!(["trigger.github", {"secret": "HOOK", "events": ["push"]}]);
    publish(&hook, 2, &github).await;
    let problem = forge.owner.post(&replay(&requests[0]), json!({})).await.problem(409, "trigger_kind_changed");
    let detail = text(&problem["detail"]);
    assert!(detail.contains("webhook") && detail.contains("github") && detail.contains("`hook`"), "{detail}");
    publish(&hook, 3, &webhook()).await;
    let again = forge.owner.post(&replay(&requests[0]), json!({})).await.expect(201);
    assert_eq!(hook.run_of(&again).await["trigger"], "webhook");
    // The replay of a replay is of the kind that the first one was.
    publish(&hook, 4, &github).await;
    for delivery in [&requests[0], &text(&again["id"])] {
        forge.owner.post(&replay(delivery), json!({})).await.problem(409, "trigger_kind_changed");
    }
}

async fn what_no_version_can_run_has_failed(forge: Forge) {
    let (hook, requests) = held(&forge, 3).await;
    publish(&hook, 2, &schedule("UTC")).await;
    hook.publish(3, &[("other", "set", json!({"value": 1}))]).await;
    // Its node is a schedule there, is not there, and there is no such version.
    for (delivery, version) in requests.iter().zip([2, 3, 99]) {
        let uuid = delivery.rsplit('_').next().expect("an id");
        let is_it = if forge.postgres.is_some() {
            format!("id = '{uuid}'")
        } else {
            format!("hex(id) = upper(replace('{uuid}', '-', ''))")
        };
        forge.execute(&format!("UPDATE deliveries SET version = {version} WHERE {is_it}"));
        let failed = release(&forge, delivery).await;
        assert_eq!(failed["status"], "failed", "{failed:#}");
        let reason = text(&failed["reason"]);
        assert!(reason.contains(&format!("version {version}")), "{reason}");
    }
    assert!(hook.runs().await.is_empty());
}
