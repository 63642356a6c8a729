//! Other durable engines, when npm could fetch them: the same work, asked for in the same way.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flowforge_tests::{Postgres, free_port, plain_http, root};
use serde_json::json;

use crate::load::Ask;
use crate::sample::Sample;
use crate::subject::Subject;
use crate::workload::{CLIENTS, Case, Mode, Workload};

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A server with a journal of its own, and a handler that it calls.
    Restate,
    /// A library that keeps its journal in PostgreSQL.
    Dbos,
}

/// A running peer. It ends when this is dropped.
pub(crate) struct Peer {
    subject: Subject,
    address: String,
    /// Before the name of a workload.
    prefix: &'static str,
    _processes: Vec<Process>,
    _folder: tempfile::TempDir,
}

impl Kind {
    /// Those that are installed.
    pub(crate) fn installed() -> Vec<Self> {
        [Self::Restate, Self::Dbos].into_iter().filter(|kind| kind.home().join("app.mjs").exists()).collect()
    }

    /// What the report calls it.
    pub(crate) fn name(self) -> String {
        let (title, package) = match self {
            Self::Restate => ("Restate", "@restatedev/restate-server"),
            Self::Dbos => ("DBOS, PostgreSQL", "@dbos-inc/dbos-sdk"),
        };
        let manifest = std::fs::read_to_string(self.home().join("node_modules").join(package).join("package.json"));
        let manifest: serde_json::Value = serde_json::from_str(&manifest.unwrap_or_default()).unwrap_or_default();
        format!("{title} {}", manifest["version"].as_str().unwrap_or_default())
    }

    fn home(self) -> PathBuf {
        root().join("target/peers").join(if self == Self::Restate { "restate" } else { "dbos" })
    }

    /// Starts it on fresh data and makes it warm; nothing when it does not come up.
    pub(crate) async fn start(self) -> Option<Peer> {
        let peer = match self {
            Self::Restate => self.restate().await,
            Self::Dbos => self.dbos().await,
        };
        let Some(peer) = peer else {
            println!("{} does not come up here and is left out", self.name());
            return None;
        };
        // Its JavaScript is compiled and its connections are open before it counts.
        peer.subject.at_once(&peer.ask(Workload::W1, true), CLIENTS, 1).await;
        peer.subject.settle().await;
        Some(peer)
    }

    async fn restate(self) -> Option<Peer> {
        let folder = tempfile::tempdir().expect("a folder");
        let [node, ingress, admin, app] = [free_port(), free_port(), free_port(), free_port()];
        let platform = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        let package = format!("node_modules/@restatedev/restate-server-linux-{platform}");
        let mut server = Command::new(self.home().join(package).join("bin/restate-server"));
        server.env("RESTATE_NODE_NAME", "bench").env("RESTATE_CLUSTER_NAME", "bench").env("RESTATE_BASE_DIR", folder.path());
        server.env("RESTATE_BIND_ADDRESS", format!("127.0.0.1:{node}"));
        server.env("RESTATE_ADVERTISED_ADDRESS", format!("http://127.0.0.1:{node}/"));
        server.env("RESTATE_INGRESS__BIND_ADDRESS", format!("127.0.0.1:{ingress}"));
        server.env("RESTATE_ADMIN__BIND_ADDRESS", format!("127.0.0.1:{admin}"));
        server.env("RESTATE_DISABLE_TELEMETRY", "true").env("RESTATE_LOG_FILTER", "warn");
        let server = Process::start(server, folder.path());
        let handler = Process::start(self.handler(app), folder.path());
        let address = format!("127.0.0.1:{ingress}");
        let deployment = json!({"uri": format!("http://127.0.0.1:{app}")}).to_string();
        let is_up = is_taken(&format!("http://127.0.0.1:{admin}/deployments"), &deployment).await
            && is_taken(&format!("http://{address}/bench/w1"), r#"{"n":1}"#).await;
        is_up.then(|| self.peer(address, "/bench", vec![server, handler], None, folder))
    }

    async fn dbos(self) -> Option<Peer> {
        let folder = tempfile::tempdir().expect("a folder");
        let (postgres, port) = (Postgres::start(), free_port());
        let mut handler = self.handler(port);
        handler.env("DATABASE_URL", postgres.url().replacen("postgres://", "postgresql://", 1));
        let handler = Process::start(handler, folder.path());
        let address = format!("127.0.0.1:{port}");
        let is_up = is_taken(&format!("http://{address}/w1"), r#"{"n":1}"#).await;
        is_up.then(|| self.peer(address, "", vec![handler], Some(postgres), folder))
    }

    fn handler(self, port: u16) -> Command {
        let mut node = Command::new(self.home().join("node_modules/node/bin/node"));
        node.arg("app.mjs").current_dir(self.home()).env("PORT", port.to_string()).env("NODE_ENV", "production");
        // It logs each attempt otherwise.
        node.env("RESTATE_LOGGING", "ERROR");
        node
    }

    fn peer(
        self,
        address: String,
        prefix: &'static str,
        processes: Vec<Process>,
        postgres: Option<Postgres>,
        folder: tempfile::TempDir,
    ) -> Peer {
        let pids = processes.iter().map(|process| process.0.id()).collect();
        let subject = Subject { name: self.name(), processes: pids, postgres, folder: folder.path().to_owned() };
        Peer { subject, address, prefix, _processes: processes, _folder: folder }
    }
}

impl Peer {
    /// What the report calls it.
    pub(crate) fn name(&self) -> &str {
        &self.subject.name
    }

    /// Measures a case once, if it is one for peers.
    pub(crate) async fn measure(&self, case: Case, seconds: u64) -> Option<Sample> {
        if case.mode != Mode::Plain {
            return None;
        }
        let ask = self.ask(case.workload, case.wait);
        self.subject.one_at_a_time(&ask, 5).await;
        let sample = match (case.clients, case.workload) {
            (1, Workload::W1) => self.subject.one_at_a_time(&ask, 200).await,
            (1, _) => self.subject.one_at_a_time(&ask, 20).await,
            (clients, _) => self.subject.at_once(&ask, clients, seconds.min(4)).await,
        };
        self.subject.settle().await;
        Some(sample)
    }

    fn ask(&self, workload: Workload, wait: bool) -> Ask {
        let name = format!("{workload:?}").to_lowercase();
        let path = format!("{}/{name}{}", self.prefix, if wait { "" } else { "/send" });
        Ask::post(&self.address, &path, &[], r#"{"n":1}"#, if wait { r#""done":true"# } else { "" })
    }
}

/// A process that is killed when this is dropped.
struct Process(Child);

impl Process {
    fn start(mut command: Command, folder: &Path) -> Self {
        let name = Path::new(command.get_program()).file_name().expect("a name").to_string_lossy().into_owned();
        let log = std::fs::File::create(folder.join(format!("{name}.log"))).expect("a log file");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        Self(command.spawn().expect("the program starts"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Posts until somebody is there and takes it, or half a minute is over.
async fn is_taken(url: &str, body: &str) -> bool {
    let (http, limit) = (plain_http(), Instant::now() + Duration::from_secs(30));
    while Instant::now() < limit {
        let asked = http.post(url).header("content-type", "application/json").body(body.to_owned());
        if asked.timeout(Duration::from_secs(5)).send().await.is_ok_and(|answer| answer.status().is_success()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}
