//! What others on the same machine can see of a server: neither its memory nor its environment, and no secret in what its children
//! are given.

use std::path::Path;
use std::process::Stdio;

use flowforge_tests::{Database, binary};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{KEY, leaks::Canaries, save, steps};

/// A program without the right to look into everything, which root has: like any two processes of one user.
fn ordinary(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("a process")) == 0;
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Whether a process of the same user can open this file of another one.
async fn opens(child: &Child, file: &str) -> bool {
    let path = format!("/proc/{}/{file}", child.id().expect("it runs"));
    let mut reader = ordinary("sh");
    reader.args(["-c", r#"exec <"$0""#, &path]).stderr(Stdio::null());
    reader.status().await.expect("sh starts").success()
}

/// L8: the kernel keeps other processes of the same user out, which it does not for an ordinary program.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_and_environment_are_closed_to_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = ordinary(binary());
    server.args(["serve", "--listen", "127.0.0.1:0"]).current_dir(folder.path());
    server.env("FLOWFORGE_DATA_DIR", folder.path().join("data")).env("FLOWFORGE_MASTER_KEY", KEY);
    let mut server = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the server starts");
    let mut lines = BufReader::new(server.stdout.take().expect("a pipe")).lines();
    while !lines.next_line().await.expect("its output").expect("it says where it is").contains("FlowForge is at") {}
    let neighbour = ordinary("sleep").arg("600").env("CANARY", KEY).spawn().expect("sleep starts");
    for file in ["environ", "mem", "maps", "auxv"] {
        assert!(!opens(&server, file).await, "another process opens {file} of the server");
        assert!(opens(&neighbour, file).await, "{file} of an ordinary process can be opened");
    }
    let arguments = std::fs::read_to_string(format!("/proc/{}/cmdline", server.id().expect("it runs"))).expect("its arguments");
    assert!(arguments.contains("serve") && !arguments.contains(KEY));
}

/// A process below the server, with its arguments and its environment.
struct Below {
    arguments: String,
    environment: String,
}

/// Every process that descends from one.
fn below(ancestor: u32) -> Vec<Below> {
    let text = |pid: &str, file: &str| {
        let bytes = std::fs::read(Path::new("/proc").join(pid).join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        // After the name, which may hold anything, come the state and the parent.
        let stat = text(&pid, "stat");
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1).map(str::to_owned));
        if let (Ok(number), Some(parent)) = (pid.parse::<u32>(), parent.and_then(|parent| parent.parse::<u32>().ok())) {
            parents.push((number, parent));
        }
    }
    let mut family = vec![ancestor];
    let mut at = 0;
    while at < family.len() {
        let of = family[at];
        family.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| *pid));
        at += 1;
    }
    let shown =
        |pid: &u32| Below { arguments: text(&pid.to_string(), "cmdline"), environment: text(&pid.to_string(), "environ") };
    family[1..].iter().map(shown).collect()
}

/// L8: what everybody may see of the children are their arguments, and none of them inherits what the operator gave the server. A
/// command's own environment has what its author put there.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_child_has_a_secret_in_its_arguments() {
    let forge = super::forge(Database::Sqlite).await;
    let canaries = Canaries::new();
    for (name, value) in &canaries.0 {
        save(&forge, name, value, &[]).await;
    }
    let busy =
        json!({"code": "const end = Date.now() + 60000; while (Date.now() < end) {} return steps", "+": {"timeout_s": 60}});
    let mut runs = Vec::new();
    for graph in [
        steps::command("echo \"${#V} ready\"; sleep 60", json!({})),
        steps::command("exec 3>&1; (sleep 60; echo \"$P\") & echo ready; wait", json!({})),
        steps::alone("transform", busy),
    ] {
        let workflow = forge.workflow("children", &graph).await;
        runs.push(forge.launch(&workflow, json!({})).await);
    }
    for run in &runs[..2] {
        forge.until(&format!("/runs/{run}/logs"), |logs| logs.to_string().contains("ready")).await;
    }
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let family = loop {
        let family = below(forge.server.pid());
        if family.iter().any(|child| child.arguments.contains("js-worker")) {
            break family;
        }
        assert!(std::time::Instant::now() < limit, "no script is evaluated");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(family.iter().filter(|child| child.arguments.contains("sleep")).count() >= 2, "the commands are under way");
    for Below { arguments, environment } in &family {
        canaries.absent(arguments, arguments.as_bytes());
        for operator in
            [KEY, "FLOWFORGE_MASTER_KEY", "FLOWFORGE_SECRET_", "FLOWFORGE_ADMIN_PASSWORD", flowforge_tests::Server::PASSWORD]
        {
            assert!(!environment.contains(operator) && !arguments.contains(operator), "{operator} is in {arguments}");
        }
        if arguments.contains("js-worker") || arguments.starts_with("git") {
            canaries.absent(arguments, environment.as_bytes());
        }
    }
    // The twin: a command has what its author gave it.
    let plain = &canaries.0.iter().find(|(name, _)| *name == "PLAIN").expect("a canary").1;
    assert!(family.iter().any(|child| child.environment.contains(plain.as_str())));
    for run in &runs {
        forge.owner.post(&format!("/runs/{run}/cancel"), json!({})).await.expect(202);
    }
}

/// L5: a server that writes the parameters of failing statements into its log is told not to, by every connection of FlowForge's.
#[tokio::test]
async fn the_databases_own_log_has_no_values_of_flowforges() {
    const CANARY: &str = "cAn4ry-in-a-statement";
    let mut forge = super::forge(Database::Postgres).await;
    let postgres = forge.postgres.as_ref().expect("a database");
    let log = Path::new(&postgres.query("SHOW data_directory")[0]).with_file_name("log");
    if !log.exists() {
        eprintln!("SKIPPED: the server of FLOWFORGE_TEST_POSTGRES does not log where tests/setup/postgres.sh has it log");
        return;
    }
    let name = postgres.query("SELECT current_database()").remove(0);
    let workflow = forge.workflow("w", &steps::alone("set", json!({"value": 1}))).await;
    postgres.query(&format!("ALTER DATABASE {name} SET log_parameter_max_length_on_error = -1"));
    postgres.query(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted by a test of logs'; END $$; \
         CREATE TRIGGER no BEFORE INSERT ON workflows FOR EACH ROW EXECUTE FUNCTION no()",
    );
    // Sessions that begin now have the setting of the database.
    assert!(forge.server.stop().await);
    forge.server.restart().await;
    forge.owner = forge.server.owner().await;
    let graph = steps::alone("set", json!({"value": CANARY}));
    forge.owner.post("/workflows", json!({"name": CANARY, "graph": graph})).await.problem(500, "internal");
    let postgres = forge.postgres.as_ref().expect("a database");
    postgres.query("DROP TRIGGER no ON workflows; CREATE TRIGGER no BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION no()");
    let refused = forge.owner.post(&format!("/workflows/{workflow}/runs"), json!({"input": {"canary": CANARY}})).await;
    assert!(refused.status >= 500, "{:#}", refused.body);
    postgres.query("DROP TRIGGER no ON runs");
    let written = std::fs::read_to_string(log).expect("the log");
    assert!(written.matches("planted by a test of logs").count() >= 2, "both statements failed over there");
    let at = written.find(CANARY);
    assert!(at.is_none(), "{}", &written[at.unwrap_or(0).saturating_sub(600)..][..1_200]);
    // The twin: what did not fail is there.
    assert_eq!(forge.run(&workflow, json!({"canary": CANARY})).await["input"]["canary"], CANARY);
}
