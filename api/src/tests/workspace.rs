//! What a workspace is set to.

use axum::http::Method;
use flowforge_engine::store::accounts::Role;
use serde_json::{Value, json};

use super::{Forge, Reply};

const PATH: &str = "/api/v1/workspace";

async fn change(forge: &Forge, body: Value) -> Reply {
    forge.send(Method::PATCH, PATH, Some(&forge.token), Some(body)).await
}

#[tokio::test]
async fn runs_are_kept_for_ever_until_an_owner_says_otherwise() {
    for forge in Forge::each().await {
        let ever = json!({"retention_days": null});
        assert_eq!(forge.get(PATH).await.expect(200), ever);
        for days in [json!(1), json!(3650), json!(30)] {
            let set = json!({"retention_days": days});
            assert_eq!(change(&forge, set.clone()).await.expect(200), set);
            assert_eq!(forge.get(PATH).await.expect(200), set);
        }
        assert_eq!(change(&forge, json!({})).await.expect(200), json!({"retention_days": 30}), "what is left out stays");
        for odd in [0, 3651] {
            change(&forge, json!({"retention_days": odd})).await.problem(400, "invalid_input");
        }
        for odd in [json!(-1), json!(1.5), json!("7"), json!([])] {
            change(&forge, json!({"retention_days": odd})).await.problem(400, "invalid_body");
        }
        change(&forge, json!({"days": 7})).await.problem(400, "invalid_body");
        assert_eq!(change(&forge, ever.clone()).await.expect(200), ever);
    }
}

#[tokio::test]
async fn only_an_owner_changes_it_and_only_their_own() {
    let forge = Forge::start().await;
    for role in [Role::Viewer, Role::Editor, Role::Admin] {
        let token = forge.stranger(role, true).await;
        forge.send(Method::GET, PATH, Some(&token), None).await.expect(200);
        let asked = forge.send(Method::PATCH, PATH, Some(&token), Some(json!({"retention_days": 1}))).await;
        asked.problem(403, "forbidden");
    }
    let elsewhere = forge.stranger(Role::Owner, false).await;
    forge.send(Method::PATCH, PATH, Some(&elsewhere), Some(json!({"retention_days": 1}))).await.expect(200);
    assert_eq!(forge.get(PATH).await.expect(200), json!({"retention_days": null}));
}
