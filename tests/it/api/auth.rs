//! Set-up, signing in and out, and who may see what.

use flowforge_tests::{Client, Forge, Server, Settings};
use reqwest::Method;
use serde_json::json;

on_each_database!(sign_in_and_out, nothing_without_a_token, the_profile_names_the_workspace);

async fn sign_in_and_out(forge: Forge) {
    let (base, browser) = (forge.server.base(), Client::anonymous(&forge.server.base()));
    assert_eq!(browser.get("/auth/status").await.expect(200)["setup_required"], false);
    for (email, password) in [(Server::EMAIL, "wrong wrong wrong"), ("nobody@example.org", Server::PASSWORD)] {
        let reply = browser.post("/auth/login", json!({"email": email, "password": password})).await;
        reply.problem(401, "invalid_credentials");
    }
    browser.post("/auth/refresh", json!({})).await.expect(401);
    let reply = browser.post("/auth/login", json!({"email": Server::EMAIL, "password": Server::PASSWORD})).await;
    let cookie = reply.headers["set-cookie"].to_str().expect("text").to_owned();
    for word in ["flowforge_refresh=", "HttpOnly", "SameSite=Strict", "Path=/api/v1/auth"] {
        assert!(cookie.contains(word), "{word} is not in {cookie}");
    }
    let first = reply.expect(200);
    assert_eq!(first["token_type"], "Bearer");
    assert!(first["expires_in"].as_u64().is_some_and(|seconds| seconds > 0), "{first}");
    let again = browser.post("/auth/refresh", json!({})).await.expect(200);
    let token = again["access_token"].as_str().expect("a token");
    Client::anonymous(&base).with_token(token).get("/auth/profile").await.expect(200);
    assert_eq!(browser.post("/auth/logout", json!({})).await.status, 204);
    browser.post("/auth/refresh", json!({})).await.expect(401);
}

async fn nothing_without_a_token(forge: Forge) {
    let nobody = Client::anonymous(&forge.server.base());
    let somebody = nobody.with_token("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.");
    let workflow = "wf_00000000000000000000000000000000";
    for client in [nobody, somebody] {
        for path in ["/auth/profile", "/workflows", "/runs", "/node-types", &format!("/workflows/{workflow}")] {
            client.get(path).await.expect(401);
        }
        client.post("/workflows", json!({})).await.expect(401);
        client.post(&format!("/workflows/{workflow}/runs"), json!({})).await.expect(401);
        client.get("/runs/run_00000000000000000000000000000000/events").await.expect(401);
    }
}

async fn the_profile_names_the_workspace(forge: Forge) {
    let profile = forge.owner.get("/auth/profile").await.expect(200);
    assert_eq!(profile["user"]["email"], Server::EMAIL);
    assert!(profile["user"]["id"].as_str().is_some_and(|id| id.starts_with("usr_")), "{profile}");
    assert!(profile["workspace"]["id"].as_str().is_some_and(|id| id.starts_with("ws_")), "{profile}");
    assert_eq!(profile["role"], "owner");
}

#[tokio::test]
async fn the_printed_link_sets_up_the_first_owner_once() {
    let server = Server::start(Settings { ownerless: true, ..Settings::default() }).await;
    let browser = Client::anonymous(&server.base());
    assert_eq!(browser.get("/auth/status").await.expect(200)["setup_required"], true);
    let log = server.log();
    let token = log.split("/setup?token=").nth(1).expect("a link in the log");
    let token: String = token.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    let owner = |token: &str, password: &str| json!({"token": token, "email": "ada@example.org", "password": password, "workspace": "Analytical"});
    assert_eq!(browser.post("/auth/setup", owner("guess", "a long enough one")).await.status, 403);
    assert!(matches!(browser.post("/auth/setup", owner(&token, "short")).await.status, 400 | 422));
    let signed_in = browser.post("/auth/setup", owner(&token, "a long enough one")).await.expect(201);
    let ada = browser.with_token(signed_in["access_token"].as_str().expect("a token"));
    assert_eq!(ada.get("/auth/profile").await.expect(200)["workspace"]["name"], "Analytical");
    assert_eq!(browser.post("/auth/setup", owner(&token, "a long enough one")).await.status, 403);
    assert_eq!(browser.get("/auth/status").await.expect(200)["setup_required"], false);
}

#[tokio::test]
async fn guessing_passwords_gets_slow() {
    let forge = Forge::start(flowforge_tests::Database::Sqlite).await;
    let guess = json!({"email": Server::EMAIL, "password": "wrong wrong wrong"});
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(forge.owner.post("/auth/login", guess.clone()).await.status);
        if statuses.last() == Some(&429) {
            return;
        }
    }
    panic!("forty guesses in a row were all answered: {statuses:?}");
}

#[tokio::test]
async fn a_token_survives_a_restart() {
    let mut forge = Forge::start(flowforge_tests::Database::Sqlite).await;
    forge.server.kill().await;
    forge.server.restart().await;
    forge.owner.get("/auth/profile").await.expect(200);
    let request = forge.owner.request(Method::GET, "//health/live");
    forge.owner.send(request).await.expect(200);
}
