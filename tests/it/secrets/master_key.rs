//! The master key: missing, wrong, and another one for all secrets.

use std::path::Path;

use flowforge_tests::{Database, Forge, Server, Settings};
use serde_json::{Value, json};

use super::{KEY, save, steps::alone};

const OTHER: &str = "YW5vdGhlciBrZXkgb2YgdGhpcnR5LXR3byBieXRlcy4=";

/// What `flowforge` with these arguments prints, and whether it went well.
async fn flowforge(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (String, bool) {
    let mut command = flowforge_tests::command(folder);
    let done = command.args(arguments).envs(environment.iter().copied()).output().await.expect("the command starts");
    (format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)), done.status.success())
}

async fn secrets_finding(folder: &Path, database: &[&str], environment: &[(&str, &str)]) -> Value {
    let (printed, _) = flowforge(folder, &[&["doctor", "--json"], database].concat(), environment).await;
    let line = printed.lines().find(|line| line.starts_with('[')).expect("findings");
    let findings: Vec<Value> = serde_json::from_str(line).expect("JSON");
    findings.into_iter().find(|finding| finding["name"] == "secrets").expect("a finding of secrets")
}

#[tokio::test]
async fn a_server_without_the_right_key_does_not_start_and_makes_none() {
    let postgres = flowforge_tests::Postgres::start();
    let environment = vec![("FLOWFORGE_MASTER_KEY".to_owned(), KEY.to_owned())];
    let settings = Settings { database_url: Some(postgres.url().to_owned()), environment, ..Settings::default() };
    let mut server = Server::start(settings).await;
    server.owner().await.post("/secrets", json!({"name": "A", "value": "a-secret-value"})).await.expect(201);
    assert!(server.stop().await);
    let (folder, database) = (server.folder().to_owned(), ["--database-url", postgres.url()]);
    let serve = [&["serve", "--listen", "127.0.0.1:0"], &database[..]].concat();
    for environment in [&[][..], &[("FLOWFORGE_MASTER_KEY", OTHER)]] {
        let (printed, well) = flowforge(&folder, &serve, environment).await;
        assert!(!well && printed.contains("FLOWFORGE_MASTER_KEY") && printed.contains("encrypted"), "{printed}");
        assert!(!printed.contains(OTHER), "{printed}");
        let finding = secrets_finding(&folder, &database, environment).await;
        assert_eq!(finding["level"], "missing", "{finding}");
    }
    assert!(!folder.join("data/master.key").exists());
    let (printed, well) = flowforge(&folder, &serve, &[("FLOWFORGE_MASTER_KEY", "nonsense")]).await;
    assert!(!well && printed.contains("openssl"), "{printed}");
    let finding = secrets_finding(&folder, &database, &[("FLOWFORGE_MASTER_KEY", KEY)]).await;
    assert_eq!(finding["level"], "good", "{finding}");
    postgres.query("UPDATE secrets SET ciphertext = substr(ciphertext, 1, 30)");
    let finding = secrets_finding(&folder, &database, &[("FLOWFORGE_MASTER_KEY", KEY)]).await;
    assert_eq!(finding["level"], "broken", "{finding}");
    assert!(finding["text"].as_str().is_some_and(|text| text.contains("`A`")), "{finding}");
    server.restart().await;
}

#[tokio::test]
async fn all_secrets_are_put_under_another_key() {
    let mut forge = Forge::start(Database::Sqlite).await;
    save(&forge, "A", "a-secret-value", &[]).await;
    let graph = alone("command", json!({"run": "test \"$A\" = a-secret-value", "env": {"A": "{{ secrets.A }}"}}));
    assert_eq!(forge.run_once(&graph).await["status"], "completed");
    let folder = forge.server.folder().to_owned();
    let made = folder.join("data/master.key");
    let rotate = ["secrets", "rotate-key", "--new-key-file", "new.key"];
    let (printed, well) = flowforge(&folder, &rotate, &[]).await;
    assert!(!well && printed.contains("another FlowForge process"), "{printed}");
    assert!(forge.server.stop().await);
    let (printed, well) = flowforge(&folder, &rotate, &[]).await;
    assert!(well && printed.contains("1 secrets"), "{printed}");
    let read = |path: &Path| std::fs::read_to_string(path).expect("a key");
    assert!(!printed.contains(&read(&folder.join("new.key"))) && !printed.contains(&read(&made)));
    let (printed, well) = flowforge(&folder, &["serve", "--listen", "127.0.0.1:0"], &[]).await;
    assert!(!well && printed.contains("--master-key-file"), "{printed}");
    forge.server.settings().environment.push(("FLOWFORGE_MASTER_KEY_FILE".to_owned(), "new.key".to_owned()));
    forge.server.restart().await;
    assert_eq!(forge.run_once(&graph).await["status"], "completed");
    std::fs::rename(folder.join("new.key"), &made).expect("it can be put in the old one's place");
    assert!(forge.server.stop().await);
    forge.server.settings().environment.clear();
    forge.server.restart().await;
    assert_eq!(forge.run_once(&graph).await["status"], "completed");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_leaves_no_core_files() {
    let server = Server::start(Settings::default()).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).expect("its limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit of core files");
    assert_eq!(core.split_whitespace().rev().take(3).collect::<Vec<_>>(), ["bytes", "0", "0"], "{core}");
}
