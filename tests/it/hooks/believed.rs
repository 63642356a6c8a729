//! Who is believed: signatures over the bytes as they came, in their time, by a secret that is there.

use flowforge_tests::{Database, Forge};
use serde_json::{Value, json};

use super::{Hook, KEY, OLD_KEY, SECRETS, base64, github_signature, hex, mac, seconds};

fn auth(scheme: &str) -> Value {
    json!({"auth": {"scheme": scheme, "secret": "HOOK"}})
}

async fn forge() -> Forge {
    Forge::start_with(Database::Sqlite, SECRETS).await
}

/// W2: without its secret a trigger believes nobody.
#[tokio::test]
async fn a_secret_that_is_missing_lets_nobody_in() {
    let forge = Forge::start_with(Database::Sqlite, &[("FLOWFORGE_SECRET_EMPTY", "")]).await;
    for secret in ["NONE", "EMPTY"] {
        for scheme in ["hmac_sha256", "github", "gitlab", "slack", "stripe", "bearer", "basic"] {
            let hook = Hook::start(&forge, json!({"auth": {"scheme": scheme, "secret": secret}})).await;
            let unsigned = github_signature("", b"{}");
            for headers in
                [&[][..], &[("x-hub-signature-256", unsigned.as_str()), ("authorization", "Bearer "), ("x-gitlab-token", "")]]
            {
                let problem = hook.send(headers, &json!({})).await.problem(503, "trigger_unready");
                assert!(!problem.to_string().contains(secret), "the name is nothing for strangers: {problem:#}");
            }
            assert_eq!((hook.statuses().await, hook.runs().await.len()), (vec!["refused".to_owned(); 2], 0), "{scheme}");
            assert!(hook.deliveries().await[0]["reason"].to_string().contains(secret), "people are told which one");
        }
    }
    assert!(forge.server.log().contains("callers cannot be told apart"), "{}", forge.server.log());
}

/// W2: one that is there and cannot be decrypted lets nobody in either; saved anew, it does.
#[tokio::test]
async fn a_secret_that_cannot_be_decrypted_lets_nobody_in() {
    let forge = Forge::start(Database::Sqlite).await;
    forge.owner.post("/secrets", json!({"name": "SEALED", "value": KEY})).await.expect(201);
    let hook = Hook::start(&forge, auth_of("github", "SEALED")).await;
    let sent = async |key: &str, id: &str| {
        let body = json!({"id": id});
        let signature = github_signature(key, body.to_string().as_bytes());
        hook.send(&[("x-hub-signature-256", &signature), ("x-github-delivery", id)], &body).await
    };
    sent(KEY, "before").await.expect(202);
    for damage in [
        "ciphertext = zeroblob(length(ciphertext))",
        "ciphertext = substr(ciphertext, 1, 30)",
        "ciphertext = x''",
        "key_id = 'x' || key_id",
    ] {
        forge.execute(&format!("UPDATE secrets SET {damage}"));
        for key in [KEY, "", "SEALED"] {
            let problem = sent(key, damage).await.problem(503, "trigger_unready");
            assert!(!problem.to_string().contains("SEALED"), "the name is nothing for strangers: {problem:#}");
        }
        let newest = &hook.deliveries().await[0];
        assert!(newest["status"] == "refused" && newest["reason"].to_string().contains("SEALED"), "{newest:#}");
        assert_eq!(hook.runs().await.len(), 1, "{damage}");
        let anew = forge.owner.request(reqwest::Method::PUT, "/secrets/SEALED").json(&json!({"value": KEY}));
        // Nobody can save one beside secrets of another key: the right key has to come back.
        forge.execute("UPDATE secrets SET key_id = ltrim(key_id, 'x')");
        let anew = forge.owner.send(anew).await;
        assert_eq!(anew.status, 200, "{damage}: {:#}", anew.body);
    }
    sent(KEY, "after").await.expect(202);
    hook.statuses().await;
    assert_eq!(hook.runs().await.len(), 2);
    let log = forge.server.log();
    assert!(log.contains("callers cannot be told apart") && log.contains("SEALED") && !log.contains(KEY), "{log}");
}

fn auth_of(scheme: &str, secret: &str) -> Value {
    json!({"auth": {"scheme": scheme, "secret": secret}})
}

/// W3: what was signed are the bytes, and nothing that means the same.
#[tokio::test]
async fn only_the_bytes_that_were_signed_are_taken() {
    let forge = forge().await;
    let hook = Hook::start(&forge, auth("github")).await;
    let body = b"{\"a\": 1,  \"b\": [ ]}\n".to_vec();
    let signature = github_signature(KEY, &body);
    let rewritten = serde_json::to_vec(&serde_json::from_slice::<Value>(&body).expect("JSON")).expect("JSON");
    let others = [rewritten, ["\u{feff}".as_bytes(), &body].concat(), body.trim_ascii().to_vec(), gzipped(&body), Vec::new()];
    for (at, other) in others.into_iter().enumerate() {
        let headers = [("x-hub-signature-256", signature.as_str()), ("x-github-delivery", "other")];
        assert_eq!(hook.send_bytes(&headers, other).await.status, 401, "{at}");
    }
    let headers = [("x-hub-signature-256", signature.as_str()), ("x-github-delivery", "right")];
    hook.send_bytes(&headers, body).await.expect(202);
    // Packed bytes are signed as they are sent.
    let packed = gzipped(b"{\"packed\": true}");
    let signature = github_signature(KEY, &packed);
    let headers = [("x-hub-signature-256", signature.as_str()), ("x-github-delivery", "packed"), ("content-encoding", "gzip")];
    let run = hook.run_of(&hook.send_bytes(&headers, packed).await.expect(202)).await;
    assert_eq!(run["output"], json!({"packed": true}));
    assert_eq!(hook.runs().await.len(), 2);
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    super::bodies::packed(bytes)
}

#[tokio::test]
async fn what_only_looks_like_a_signature_is_not_believed() {
    let forge = forge().await;
    let hook = Hook::start(&forge, auth("github")).await;
    let right = github_signature(KEY, b"{}");
    let wrong = [
        right.to_uppercase(),
        right[..70].to_owned(),
        right.replace("sha256=", ""),
        right.replace("sha256", "sha1"),
        github_signature(OLD_KEY, b"{}"),
        format!("sha256={}", "0".repeat(64)),
        "sha256=".to_owned(),
        "é".repeat(35),
    ];
    for signature in &wrong {
        let problem = hook.send(&[("x-hub-signature-256", signature)], &json!({})).await.problem(401, "invalid_signature");
        assert!(!problem.to_string().contains(&right[7..]), "the right one is not told: {problem:#}");
    }
    assert_eq!(hook.send(&[], &json!({})).await.status, 401);
    assert_eq!(hook.runs().await.len(), 0);
    hook.send(&[("x-hub-signature-256", &right), ("x-github-delivery", "d")], &json!({})).await.expect(202);
    let kept = &hook.deliveries().await[0];
    let kept = forge.owner.get(&format!("/deliveries/{}", super::text(&kept["id"]))).await.expect(200);
    assert!(!kept.to_string().contains("sha256="), "a signature is not kept: {kept:#}");
}

/// Each scheme lets in who knows the secret, and not who does not.
#[tokio::test]
async fn every_scheme_has_its_own_proof() {
    let forge = forge().await;
    let body = b"{}";
    let time = seconds(0);
    let plain = hex(&mac(KEY, &[body]));
    let slack = format!("v0={}", hex(&mac(KEY, &[b"v0:", time.as_bytes(), b":", body])));
    let stripe = format!("t={time},v1={}", hex(&mac(KEY, &[time.as_bytes(), b".", body])));
    let bearer = format!("Bearer {KEY}");
    let basic = format!("Basic {}", base64(KEY.as_bytes()));
    let proofs: [(&str, Vec<(&str, &str)>); 6] = [
        ("hmac_sha256", vec![("x-signature", &plain)]),
        ("gitlab", vec![("x-gitlab-token", KEY)]),
        ("slack", vec![("x-slack-signature", &slack), ("x-slack-request-timestamp", &time)]),
        ("stripe", vec![("stripe-signature", &stripe)]),
        ("bearer", vec![("authorization", &bearer)]),
        ("basic", vec![("authorization", &basic)]),
    ];
    for (scheme, proof) in proofs {
        let hook = Hook::start(&forge, auth(scheme)).await;
        assert_eq!(hook.send(&[], &json!({})).await.status, 401, "{scheme}");
        let half: Vec<_> = proof.iter().map(|(name, value)| (*name, &value[..value.len() - 1])).collect();
        assert_eq!(hook.send(&half, &json!({})).await.status, 401, "{scheme}");
        let run = hook.run_of(&hook.send(&proof, &json!({})).await.expect(202)).await;
        for (name, _) in proof.iter().filter(|(name, _)| *name != "x-slack-request-timestamp") {
            assert!(run["input"]["headers"][*name].is_null(), "{scheme}: {name} is kept");
        }
    }
}

/// W6: a captured request counts for five minutes, and once.
#[tokio::test]
async fn a_captured_request_cannot_be_sent_again() {
    let forge = forge().await;
    let stripe = Hook::start(&forge, auth("stripe")).await;
    let signed = |later: i64, body: &[u8]| {
        let time = seconds(later);
        format!("t={time},v1={}", hex(&mac(KEY, &[time.as_bytes(), b".", body])))
    };
    for later in [-600, -301, 310, 86_400] {
        assert_eq!(stripe.send(&[("stripe-signature", &signed(later, b"{}"))], &json!({})).await.status, 401, "{later}");
    }
    // Nothing in it names the delivery; what was signed does.
    let captured = signed(-60, b"{}");
    let first = stripe.send(&[("stripe-signature", &captured)], &json!({})).await.expect(202);
    let again = stripe.send(&[("stripe-signature", &captured)], &json!({})).await.expect(202);
    assert_eq!(first["run_id"], again["run_id"]);
    stripe.send(&[("stripe-signature", &signed(-59, b"{}"))], &json!({})).await.expect(202);
    assert_eq!(stripe.runs().await.len(), 2, "signed at another time, it is another one");
    // GitHub signs no id: the same bytes under another id are the same.
    let github = Hook::start(&forge, auth("github")).await;
    let signature = github_signature(KEY, b"{\"n\":1}");
    let send = |id: &'static str| {
        let headers = [("x-hub-signature-256", signature.clone()), ("x-github-delivery", id.to_owned())];
        let github = &github;
        async move {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            github.send(&headers, &json!({"n": 1})).await.expect(202)
        }
    };
    let (first, other) = (send("one").await, send("two").await);
    assert_eq!((first["run_id"].clone(), github.runs().await.len()), (other["run_id"].clone(), 1));
    let told = github.deliveries().await;
    assert!(told[0]["reason"].to_string().contains("another id") && told[0]["duplicate_of"] == told[1]["id"], "{told:#?}");
}

/// W15: the secret before counts for a day after the change, and no longer.
#[tokio::test]
async fn secrets_can_be_changed_without_losing_anything() {
    let forge = forge().await;
    let params = json!({"auth": {"scheme": "bearer", "secret": "HOOK", "previous_secret": "OLD_HOOK"}});
    let hook = Hook::start(&forge, params).await;
    let with = |key: &str| format!("Bearer {key}");
    for key in [KEY, OLD_KEY] {
        hook.send(&[("authorization", &with(key))], &json!({})).await.expect(202);
    }
    assert_eq!(hook.send(&[("authorization", &with("another one"))], &json!({})).await.status, 401);
    let a_day = 24 * 3_600 * 1_000;
    forge.execute(&format!("update triggers set auth_at = auth_at - {a_day}"));
    assert_eq!(hook.send(&[("authorization", &with(OLD_KEY))], &json!({})).await.status, 401, "a day later");
    hook.send(&[("authorization", &with(KEY))], &json!({})).await.expect(202);
    // Publishing again does not begin a new day, changing the secrets does.
    let node = |auth: Value| ("hook", "trigger.webhook", json!({"auth": auth, "dedupe": "none"}));
    let end = ("end", "set", json!({"value": 1}));
    let same = json!({"scheme": "bearer", "secret": "HOOK", "previous_secret": "OLD_HOOK"});
    hook.publish(2, &[node(same), end.clone()]).await;
    assert_eq!(hook.send(&[("authorization", &with(OLD_KEY))], &json!({})).await.status, 401);
    let other = json!({"scheme": "bearer", "secret": "OLD_HOOK", "previous_secret": "HOOK"});
    hook.publish(3, &[node(other), end]).await;
    hook.send(&[("authorization", &with(KEY))], &json!({})).await.expect(202);
}

#[tokio::test]
async fn slack_is_told_that_somebody_listens() {
    let forge = forge().await;
    let hook = Hook::start(&forge, auth("slack")).await;
    let body = json!({"type": "url_verification", "challenge": "3eZbrw1a"});
    let time = seconds(0);
    let signature = format!("v0={}", hex(&mac(KEY, &[b"v0:", time.as_bytes(), b":", body.to_string().as_bytes()])));
    let told = hook.send(&[("x-slack-signature", &signature), ("x-slack-request-timestamp", &time)], &body).await.expect(200);
    assert_eq!((told, hook.runs().await.len()), (json!({"challenge": "3eZbrw1a"}), 0));
    let unsigned = hook.send(&[("x-slack-request-timestamp", &time)], &body).await;
    assert_eq!(unsigned.status, 401, "and nobody else is");
}
