//! L5: what a database server writes into its own log of statements that fail.

use serde_json::{Value, json};

use super::{Place, bench, reach::script};

const SECRET: &str = "s3cret-value";

/// A server of its own, which is told to write down as much as it can.
struct Talkative {
    folder: tempfile::TempDir,
    place: Place,
}

impl Talkative {
    async fn start() -> Option<Self> {
        use std::os::unix::fs::PermissionsExt;
        if std::env::var("FLOWFORGE_TEST_POSTGRES").is_err() {
            eprintln!("SKIPPED: FLOWFORGE_TEST_POSTGRES names no server, so none is started here either");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let options = "-c log_parameter_max_length_on_error=-1 -c log_min_error_statement=error -c log_error_verbosity=verbose";
        let url = script(&["start", &folder.path().join("pg").display().to_string()], options);
        Some(Self { place: Place::on(&url).await, folder })
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("pg/log")).unwrap()
    }

    /// Has a statement fail that is asked for as a role.
    async fn fail(&self, role: &str, statement: Value) {
        let url = self.place.url.replace("//postgres@", &format!("//{role}@"));
        bench().run(json!({"url": url, "statement": statement})).await.unwrap_err();
    }
}

impl Drop for Talkative {
    fn drop(&mut self) {
        script(&["stop", &self.folder.path().join("pg").display().to_string()], "");
    }
}

#[tokio::test]
async fn values_of_a_failing_statement_are_not_written_down() {
    let Some(server) = Talkative::start().await else { return };
    let divide = |value: &str| json!({"mode": "query", "sql": "SELECT $1::text, 1 / $2::int", "parameters": [value, 0]});
    server.fail("postgres", divide(SECRET)).await;
    let raise = "CREATE TABLE a (k text PRIMARY KEY); \
        CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted fault'; END $$; \
        CREATE TRIGGER no BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION no()";
    server.place.admin.batch_execute(raise).await.unwrap();
    server.fail("postgres", json!({"mode": "insert", "table": "a", "values": {"k": SECRET}})).await;
    let log = server.log();
    assert!(log.contains("division by zero") && log.contains("planted fault") && log.contains("$1"), "{log}");
    assert!(!log.contains(SECRET), "{log}");
    // The control: whoever says nothing of it has them written down.
    server.place.admin.query("SELECT $1::text, 1 / $2::int", &[&"the-control", &0]).await.unwrap_err();
    assert!(server.log().contains("the-control"), "{}", server.log());
}

/// What the server itself says of a value is its own to write, and only whoever runs it can have it be silent: for the role that a
/// workflow signs in as, as the node's documentation advises.
#[tokio::test]
async fn a_role_can_be_kept_out_of_the_log() {
    let Some(server) = Talkative::start().await else { return };
    let roles = format!(
        "CREATE TABLE a (k text PRIMARY KEY); INSERT INTO a VALUES ('{SECRET}'); \
         CREATE ROLE plain LOGIN; CREATE ROLE careful LOGIN; ALTER ROLE careful SET log_min_messages = fatal; \
         GRANT ALL ON a TO plain, careful; GRANT ALL ON SCHEMA public TO plain, careful"
    );
    server.place.admin.batch_execute(&roles).await.unwrap();
    let quoted = [
        json!({"mode": "query", "sql": "SELECT $1::text::int", "parameters": [SECRET]}),
        json!({"mode": "insert", "table": "a", "values": {"k": SECRET}}),
    ];
    for statement in &quoted {
        server.fail("careful", statement.clone()).await;
    }
    assert!(!server.log().contains(SECRET), "{}", server.log());
    for statement in &quoted {
        server.fail("plain", statement.clone()).await;
    }
    let log = server.log();
    assert!(log.contains("invalid input syntax") && log.contains(SECRET), "the server says it of an ordinary role: {log}");
}
