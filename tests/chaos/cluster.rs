//! The processes of FlowForge, each behind its own proxies, and a supervisor that starts again what has ended.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use flowforge_tests::{Client, Server, command, free_port};
use tokio::{
    process::{Child, Command},
    sync::Mutex,
    task::JoinHandle,
};

use crate::{
    backing::Backing,
    plan::{APIS, WORKERS},
    proxy::{Link, Proxy},
};

/// The key that the processes sign tokens with.
const JWT_KEY: &str = "chaos-chaos-chaos-chaos-chaos-chaos";
/// How long the supervisor waits before it starts a process again that ended by itself.
const AGAIN: Duration = Duration::from_millis(300);

/// One process, or the place for it while it is down.
#[derive(Debug)]
pub(crate) struct Node {
    /// `api-0`, `worker-2`, …
    pub(crate) name: String,
    /// Its proxy to PostgreSQL.
    pub(crate) postgres: Proxy,
    /// Its proxy to Redis.
    pub(crate) redis: Option<Proxy>,
    port: Option<u16>,
    folder: PathBuf,
    database: String,
    secret: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    child: Option<Child>,
    /// Whether it is to be up.
    wanted: bool,
    /// Where in the log its present life begins.
    log_from: u64,
    /// How often it ended although nobody killed it and it had been ready.
    deaths: Vec<String>,
}

impl Node {
    /// The address of its HTTP interface, if it has one.
    pub(crate) fn base(&self) -> Option<String> {
        self.port.map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// The proxy of a link.
    pub(crate) fn proxy(&self, link: Link) -> Option<&Proxy> {
        match link {
            Link::Postgres => Some(&self.postgres),
            Link::Redis => self.redis.as_ref(),
        }
    }

    /// The id of the process, while it is up.
    pub(crate) async fn pid(&self) -> Option<u32> {
        self.state.lock().await.child.as_ref().and_then(Child::id)
    }

    /// Everything it has printed.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// `kill -9`. Returns whether it was up. It stays down until [`Self::revive`].
    pub(crate) async fn kill(&self) -> bool {
        let mut state = self.state.lock().await;
        state.wanted = false;
        match state.child.take() {
            Some(mut child) => child.kill().await.is_ok(),
            None => false,
        }
    }

    /// Starts it again.
    pub(crate) async fn revive(&self) {
        let mut state = self.state.lock().await;
        state.wanted = true;
        if state.child.is_none() {
            self.spawn(&mut state);
        }
    }

    /// Sends a signal. Returns whether it was up.
    pub(crate) async fn signal(&self, signal: &str) -> bool {
        let Some(pid) = self.pid().await else { return false };
        let sent = Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status().await;
        sent.is_ok_and(|status| status.success())
    }

    fn spawn(&self, state: &mut State) {
        let log = std::fs::File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        state.log_from = log.metadata().map(|meta| meta.len()).unwrap_or_default();
        let mut command = command(&self.folder);
        let url = format!("postgres://postgres@127.0.0.1:{}/{}", self.postgres.port(), self.database);
        match self.port {
            Some(port) => command.args(["serve", "--role", "api", "--listen", &format!("127.0.0.1:{port}")]),
            None => command.arg("worker"),
        };
        command.arg("--database-url").arg(url);
        if let Some(redis) = &self.redis {
            command.arg("--redis-url").arg(format!("redis://127.0.0.1:{}", redis.port()));
        }
        command.env("FLOWFORGE_JWT_KEY", JWT_KEY).env("FLOWFORGE_SWEEP_MS", "500").env("FLOWFORGE_SECRET_CANARY", &self.secret);
        command.env("FLOWFORGE_ADMIN_EMAIL", Server::EMAIL).env("FLOWFORGE_ADMIN_PASSWORD", Server::PASSWORD);
        command.env("FLOWFORGE_LOG", "warn,flowforge=info,flowforge_engine::worker::lane=debug").env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        state.child = Some(command.process_group(0).spawn().expect("the process starts"));
    }

    /// Starts it again when it has ended by itself, and takes note when that is a fault.
    async fn supervise(&self) {
        let mut state = self.state.lock().await;
        let Some(status) = state.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) else { return };
        state.child = None;
        // A process that cannot reach its database while it starts may give up; one that works may not.
        let log = self.log();
        let life = log.get(state.log_from as usize..).unwrap_or_default();
        if life.contains("FlowForge works on") || life.contains("FlowForge is at") {
            state.deaths.push(format!("{} ended with {status} although nobody killed it", self.name));
        }
        if state.wanted {
            tokio::time::sleep(AGAIN).await;
            self.spawn(&mut state);
        }
    }

    /// How often it ended although nobody killed it.
    pub(crate) async fn deaths(&self) -> Vec<String> {
        self.state.lock().await.deaths.clone()
    }
}

/// All processes of one round.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The APIs first, then the workers.
    pub(crate) nodes: Vec<Arc<Node>>,
    supervisor: JoinHandle<()>,
}

impl Cluster {
    /// Starts everything and waits until the APIs are ready.
    pub(crate) async fn start(folder: &Path, backing: &Backing, database: &str, secret: &str) -> Self {
        let mut nodes = Vec::new();
        for number in 0..APIS + WORKERS {
            let name = if number < APIS { format!("api-{number}") } else { format!("worker-{}", number - APIS) };
            let redis = match backing.redis() {
                Some(address) => Some(Proxy::start(Link::Redis, address).await),
                None => None,
            };
            nodes.push(Arc::new(Node {
                name,
                postgres: Proxy::start(Link::Postgres, backing.postgres()).await,
                redis,
                port: (number < APIS).then(free_port),
                folder: folder.to_path_buf(),
                database: database.to_owned(),
                secret: secret.to_owned(),
                state: Mutex::default(),
            }));
        }
        // The first one makes the tables and the owner.
        nodes[0].revive().await;
        ready(&nodes[0]).await;
        for node in &nodes[1..] {
            node.revive().await;
        }
        ready(&nodes[1]).await;
        let watched = nodes.clone();
        let supervisor = tokio::spawn(async move {
            loop {
                for node in &watched {
                    node.supervise().await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Self { nodes, supervisor }
    }

    /// The addresses of the APIs.
    pub(crate) fn apis(&self) -> Vec<String> {
        self.nodes.iter().filter_map(|node| node.base()).collect()
    }

    /// Ends every fault: links pass, everything is up and goes on.
    pub(crate) async fn heal(&self) {
        for node in &self.nodes {
            node.postgres.heal();
            node.redis.iter().for_each(Proxy::heal);
            node.signal("-CONT").await;
            node.revive().await;
        }
    }

    /// Kills everything.
    pub(crate) async fn kill(&self) {
        self.supervisor.abort();
        for node in &self.nodes {
            node.kill().await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

async fn ready(node: &Node) {
    let client = Client::anonymous(&node.base().expect("an API"));
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let request = client.request(reqwest::Method::GET, "//health/ready").timeout(Duration::from_secs(2));
        if client.try_send(request).await.is_ok_and(|reply| reply.status == 200) {
            return;
        }
        assert!(Instant::now() < limit, "{} is not ready after a minute:\n{}", node.name, node.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Splits an address into what a connection needs.
pub(crate) fn database_url(address: SocketAddr, database: &str) -> String {
    format!("postgres://postgres@{address}/{database}?sslmode=disable")
}
