//! Secrets: whose they are, when a new value counts, what is written down of them, and what happens when their rows were tampered with.

use flowforge_core::{
    RunStatus, WorkflowId, WorkspaceId,
    node::{Context, Lane, Node, NodeError, NodeSpec, Outcome, Stream},
    secret::{HostPattern, SecretValue},
    template::Secrets,
};
use flowforge_engine::{
    EngineConfig, Error, MasterKey, NewSecret, SecretChange, check_master_key, clock, rotate_master_key, unreadable_secrets,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    forge::{Forge, Process, config, on_every_database, shown},
    nodes::World,
};

const VALUE: &str = "s3cret-\"value\"+/=&%";

/// What every process of these tests has in its environment.
pub(crate) struct Environment;

impl Secrets for Environment {
    fn get(&self, name: &str) -> Option<&str> {
        match name {
            "FROM_ENVIRONMENT" | "BOTH" => Some("environment-value"),
            "TINY" => Some("ab"),
            _ => None,
        }
    }
}

impl World {
    fn tell(&self, value: Value) {
        self.told.lock().unwrap().push(value);
    }

    fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct TellParams {
    #[serde(default)]
    value: Value,
    /// `out`, `fail`, `panic` or `again`, which tells what was told before.
    #[serde(default)]
    how: String,
    /// Ask whether it may be sent there.
    #[serde(default)]
    host: Option<String>,
}

/// Tells the world what it was given, and then everybody.
pub(crate) struct Tell(pub(crate) World);

impl Tell {
    async fn tell(&self, params: TellParams, cx: &Context) -> Result<Outcome, NodeError> {
        if let Some(host) = &params.host {
            cx.check_secret_host(host)?;
        }
        let before = self.0.told();
        self.0.tell(params.value.clone());
        let text = params.value.as_str().map_or_else(|| params.value.to_string(), str::to_owned);
        cx.log.line(Stream::Stdout, format!("it is {text}")).await;
        let (half, rest) = text.split_at(text.len() / 2);
        for line in [half, rest] {
            cx.log.line(Stream::Stderr, line.to_owned()).await;
        }
        match params.how.as_str() {
            "fail" => Err(NodeError::fatal("BROKEN", format!("`{text}` is wrong")).with_details(json!({"of": [params.value]}))),
            "panic" => panic!("{text}"),
            "again" => Ok(Outcome::done(before)),
            _ => Ok(Outcome::done(json!({"value": params.value, text: 1}))),
        }
    }
}

impl Node for Tell {
    const SPEC: NodeSpec = NodeSpec { kind: "tell", ..NodeSpec::BASE };
    type Params = TellParams;

    async fn run(&self, params: TellParams, cx: &Context) -> Result<Outcome, NodeError> {
        self.tell(params, cx).await
    }
}

/// The same in the lane.
pub(crate) struct TellThere(pub(crate) World);

impl Node for TellThere {
    const SPEC: NodeSpec = NodeSpec { kind: "tell.there", lane: Lane::Dispatched, ..NodeSpec::BASE };
    type Params = TellParams;

    async fn run(&self, params: TellParams, cx: &Context) -> Result<Outcome, NodeError> {
        Tell(self.0.clone()).tell(params, cx).await
    }
}

fn key(byte: char) -> MasterKey {
    MasterKey::parse(&format!("{}A=", byte.to_string().repeat(42))).unwrap()
}

fn with_key() -> EngineConfig {
    EngineConfig { master_key: Some(key('A')), ..config() }
}

async fn save(process: &Process, workspace: WorkspaceId, name: &str, value: &str, hosts: &[&str]) -> Result<(), Error> {
    let hosts: Vec<HostPattern> = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let new = NewSecret { name: name.to_owned(), value: SecretValue::new(value.to_owned()), hosts, created_by: None };
    process.engine.create_secret(workspace, new).await.map(drop)
}

async fn tells(forge: &Forge, params: Value) -> WorkflowId {
    forge.workflow(json!([["a", "tell", params]]), &[]).await
}

fn code(fault: &Error) -> &str {
    match fault {
        Error::Conflict { code, .. } => code,
        Error::BadInput(_) => "bad_input",
        Error::NotFound(_) => "not_found",
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_secret_is_its_workspace_s_and_a_new_value_counts_at_once() {
    on_every_database(async |forge| {
        let process = forge.process_with(with_key()).await;
        let workflow = tells(&forge, json!({"value": "{{ secrets.TOKEN }}"})).await;
        let other = WorkspaceId::new(clock::new_uuid());
        save(&process, other, "TOKEN", "of-another-one", &[]).await.unwrap();
        let record = forge.run(&process, workflow).await;
        assert_eq!(shown(&record), "failed SECRET_NOT_FOUND at Some(\"a\")");
        assert!(record.error.unwrap().message.contains("`TOKEN`"));
        save(&process, forge.workspace, "TOKEN", "first-value", &[]).await.unwrap();
        forge.run(&process, workflow).await;
        let change = SecretChange { value: Some(SecretValue::new("second-value".to_owned())), hosts: None };
        process.engine.change_secret(forge.workspace, "TOKEN", change).await.unwrap();
        forge.run(&process, workflow).await;
        assert_eq!(forge.world.told(), [json!("first-value"), json!("second-value")]);
        process.engine.delete_secret(forge.workspace, "TOKEN", false).await.unwrap();
        assert_eq!(shown(&forge.run(&process, workflow).await), "failed SECRET_NOT_FOUND at Some(\"a\")");
        assert_eq!(process.engine.secret(other, "TOKEN").await.unwrap().unwrap().expose(), "of-another-one");
        assert!(process.engine.secret(forge.workspace, "TOKEN").await.unwrap().is_none());
    });
}

#[test]
fn the_environment_s_secrets_are_every_workspace_s_unless_it_has_its_own() {
    on_every_database(async |forge| {
        let process = forge.process_with(with_key()).await;
        save(&process, forge.workspace, "BOTH", "of-the-workspace", &[]).await.unwrap();
        let workflow = tells(&forge, json!({"value": ["{{ secrets.BOTH }}", "{{ secrets.FROM_ENVIRONMENT }}"]})).await;
        let record = forge.run(&process, workflow).await;
        assert_eq!(forge.world.told(), [json!(["of-the-workspace", "environment-value"])]);
        assert_eq!(record.output.unwrap()["value"], json!(["***", "***"]));
        let names: Vec<_> = process.engine.secrets(forge.workspace).await.unwrap().into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["BOTH"], "what cannot be changed here is not listed");
    });
}

#[test]
fn nothing_that_is_written_down_holds_a_secret() {
    on_every_database(async |forge| {
        let process = forge.process_with(with_key()).await;
        save(&process, forge.workspace, "TOKEN", VALUE, &[]).await.unwrap();
        for kind in ["tell", "tell.there"] {
            for how in ["out", "fail", "panic"] {
                let workflow = forge.workflow(json!([["a", kind, {"value": "{{ secrets.TOKEN }}", "how": how}]]), &[]).await;
                let record = forge.run(&process, workflow).await;
                let told = format!("{:?} {:?}", record.output, record.error);
                assert!(told.contains("***") && !told.contains("s3cret"), "{told}");
                let steps = format!("{:?}", forge.steps(record.id).await);
                assert!(steps.contains("***") && !steps.contains("s3cret"), "{steps}");
                let logs = forge.store.logs(forge.workspace, record.id, None, 0, 100).await.unwrap();
                let lines: Vec<_> = logs.iter().map(|line| line.text.as_str()).collect();
                assert_eq!(lines, ["it is ***", "***", "***"]);
                let events = forge.events(&process, record.id, 0).await;
                assert!(events.iter().all(|event| !format!("{:?}", event.data).contains("s3cret")));
            }
        }
        assert_eq!(forge.world.told(), vec![json!(VALUE); 6]);
    });
}

#[test]
fn what_one_step_sent_out_is_masked_where_another_one_meets_it() {
    on_every_database(async |forge| {
        let process = forge.process_with(with_key()).await;
        save(&process, forge.workspace, "TOKEN", VALUE, &[]).await.unwrap();
        let nodes = json!([["a", "tell", {"value": "{{ secrets.TOKEN }}"}], ["b", "tell", {"how": "again"}]]);
        let workflow = forge.workflow(nodes, &["a -> b"]).await;
        assert_eq!(shown(&forge.run(&process, workflow).await), r#"completed ["***"]"#);
    });
}

#[test]
fn a_row_that_was_tampered_with_is_no_secret_any_more() {
    on_every_database(async |forge| {
        let process = forge.process_with(with_key()).await;
        let workflow = tells(&forge, json!({"value": "{{ secrets.A }}"})).await;
        let tampered = [
            "UPDATE secrets SET ciphertext = (SELECT ciphertext FROM secrets WHERE name = 'B') WHERE name = 'A'",
            "UPDATE secrets SET ciphertext = substr(ciphertext, 1, 30) WHERE name = 'A'",
            "UPDATE secrets SET key_id = '0000000000000000' WHERE name = 'A'",
        ];
        for statement in tampered {
            for name in ["A", "B"] {
                save(&process, forge.workspace, name, &format!("the-value-of-{name}"), &[]).await.unwrap();
            }
            assert_eq!(unreadable_secrets(&forge.store, Some(&key('A'))).await.unwrap(), Vec::<String>::new());
            forge.sql(statement).await;
            let record = forge.run(&process, workflow).await;
            assert_eq!(shown(&record), "failed SECRET_UNREADABLE at Some(\"a\")", "{statement}");
            assert!(record.error.unwrap().message.contains("`A`"));
            assert_eq!(code(&process.engine.secret(forge.workspace, "A").await.unwrap_err()), "secret_unreadable");
            let told = unreadable_secrets(&forge.store, Some(&key('A'))).await.unwrap();
            assert!(told.len() == 1 && told[0].contains("`A`"), "{told:?}");
            assert_eq!(process.engine.secret(forge.workspace, "B").await.unwrap().unwrap().expose(), "the-value-of-B");
            for name in ["A", "B"] {
                process.engine.delete_secret(forge.workspace, name, false).await.unwrap();
            }
        }
        assert_eq!(forge.world.told(), Vec::<Value>::new(), "no step was given an empty value");
    });
}

#[test]
fn no_process_works_with_another_master_key_than_its_secrets_have() {
    on_every_database(async |forge| {
        assert!(check_master_key(&forge.store, None).await.is_ok(), "there are none yet");
        let without = forge.process().await;
        assert_eq!(code(&save(&without, forge.workspace, "TOKEN", VALUE, &[]).await.unwrap_err()), "no_master_key");
        let process = forge.process_with(with_key()).await;
        let other = forge.process_with(EngineConfig { master_key: Some(key('B')), ..config() }).await;
        save(&process, forge.workspace, "TOKEN", VALUE, &[]).await.unwrap();
        for key in [None, Some(&key('B'))] {
            let fault = check_master_key(&forge.store, key).await.unwrap_err();
            assert!(code(&fault) == "other_master_key" && fault.to_string().contains("FLOWFORGE_MASTER_KEY"), "{fault}");
        }
        assert!(check_master_key(&forge.store, Some(&key('A'))).await.is_ok());
        // Those that began before there were any can neither read nor write.
        assert_eq!(code(&save(&other, forge.workspace, "OTHER", VALUE, &[]).await.unwrap_err()), "other_master_key");
        for process in [&without, &other] {
            assert_eq!(code(&process.engine.secret(forge.workspace, "TOKEN").await.unwrap_err()), "secret_unreadable");
        }
    });
}

#[test]
fn all_secrets_get_another_master_key_or_none() {
    on_every_database(async |forge| {
        let process = forge.process_with(with_key()).await;
        for name in ["A", "B"] {
            save(&process, forge.workspace, name, &format!("the-value-of-{name}"), &[]).await.unwrap();
        }
        assert_eq!(rotate_master_key(&forge.store, &key('A'), &key('B')).await.unwrap(), 2);
        assert!(unreadable_secrets(&forge.store, Some(&key('B'))).await.unwrap().is_empty());
        assert_eq!(unreadable_secrets(&forge.store, Some(&key('A'))).await.unwrap().len(), 2);
        forge.sql("UPDATE secrets SET ciphertext = substr(ciphertext, 1, 30) WHERE name = 'B'").await;
        let fault = rotate_master_key(&forge.store, &key('B'), &key('C')).await.unwrap_err();
        assert_eq!(code(&fault), "secret_unreadable");
        assert_eq!(forge.store.secret_key_ids().await.unwrap().into_iter().collect::<Vec<_>>(), [key('B').id()]);
    });
}

#[test]
fn a_secret_goes_to_its_hosts_only() {
    on_every_database(async |forge| {
        let process = forge.process_with(with_key()).await;
        save(&process, forge.workspace, "BOUND", VALUE, &["api.example.org", "*.example.net"]).await.unwrap();
        save(&process, forge.workspace, "FREE", "goes-anywhere", &[]).await.unwrap();
        for (secret, host, may) in [
            ("BOUND", "api.example.org", true),
            ("BOUND", "a.example.net", true),
            ("BOUND", "api.example.org.evil.io", false),
            ("BOUND", "example.net", false),
            ("FREE", "evil.io", true),
        ] {
            let workflow = tells(&forge, json!({"value": format!("x{{{{ secrets.{secret} }}}}"), "host": host})).await;
            let end = shown(&forge.run(&process, workflow).await);
            assert_eq!(end.starts_with("completed"), may, "{secret} {host} {end}");
            assert!(may || end.contains("SECRET_HOST_DENIED"), "{end}");
        }
    });
}

#[test]
fn names_are_told_apart_and_hosts_are_widened_only_with_the_value() {
    on_every_database(async |forge| {
        let (process, workspace) = (forge.process_with(with_key()).await, forge.workspace);
        save(&process, workspace, "TOKEN", VALUE, &["a.org", "b.org"]).await.unwrap();
        assert_eq!(code(&save(&process, workspace, "TOKEN", VALUE, &[]).await.unwrap_err()), "secret_exists");
        assert_eq!(code(&save(&process, workspace, "A-B", VALUE, &[]).await.unwrap_err()), "bad_input");
        assert_eq!(code(&save(&process, workspace, "SHORT", "1234567", &[]).await.unwrap_err()), "bad_input");
        save(&process, workspace, "Token", VALUE, &[]).await.unwrap();
        let hosts = |hosts: &[&str]| Some(hosts.iter().map(|host| host.parse().unwrap()).collect::<Vec<HostPattern>>());
        let change = async |change| process.engine.change_secret(workspace, "TOKEN", change).await;
        for wider in [&[][..], &["a.org", "c.org"]] {
            let fault = change(SecretChange { value: None, hosts: hosts(wider) }).await.unwrap_err();
            assert_eq!(code(&fault), "bad_input");
        }
        assert_eq!(change(SecretChange { value: None, hosts: hosts(&["b.org"]) }).await.unwrap().hosts.len(), 1);
        let value = Some(SecretValue::new("another-value".to_owned()));
        assert_eq!(change(SecretChange { value, hosts: hosts(&["c.org", "c.org"]) }).await.unwrap().hosts.len(), 1);
        assert_eq!(process.engine.secret(workspace, "TOKEN").await.unwrap().unwrap().expose(), "another-value");
        assert_eq!(process.engine.secret(workspace, "Token").await.unwrap().unwrap().expose(), VALUE);
        for name in ["NONE", "no\0name", ""] {
            assert_eq!(code(&process.engine.delete_secret(workspace, name, false).await.unwrap_err()), "not_found");
            assert_eq!(
                code(&process.engine.change_secret(workspace, name, SecretChange::default()).await.unwrap_err()),
                "not_found"
            );
        }
    });
}

#[test]
fn workflows_that_name_a_secret_are_known() {
    on_every_database(async |forge| {
        let process = forge.process_with(with_key()).await;
        let workflow = tells(&forge, json!({"value": "{{ secrets.A }} and {{ secrets.B }}"})).await;
        tells(&forge, json!({"value": "secrets.A"})).await;
        let uses = process.engine.secret_uses(forge.workspace).await.unwrap();
        assert_eq!(uses.keys().collect::<Vec<_>>(), ["A", "B"]);
        let used = &uses["A"];
        assert!(used.len() == 1 && used[0].workflow == workflow && used[0].newest && !used[0].published, "{used:?}");
        forge.store.publish(forge.workspace, workflow, 1, process.engine.clock().now()).await.unwrap();
        assert!(process.engine.secret_uses(forge.workspace).await.unwrap()["A"][0].published);
        let other = process.engine.secret_uses(WorkspaceId::new(clock::new_uuid())).await.unwrap();
        assert!(other.is_empty(), "{other:?}");
    });
}

#[test]
fn short_secrets_of_the_environment_are_masked_where_they_stand_alone() {
    on_every_database(async |forge| {
        let process = forge.process().await;
        let workflow = tells(&forge, json!({"value": ["{{ secrets.TINY }}", "abc"]})).await;
        let record = forge.run(&process, workflow).await;
        assert_eq!(record.status, RunStatus::Completed);
        assert_eq!(record.output.unwrap()["value"], json!(["***", "abc"]));
    });
}
