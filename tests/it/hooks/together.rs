//! What several people do with a trigger at the same moment: none of it is undone.

use flowforge_tests::Forge;
use serde_json::json;

use super::{Hook, path};

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
