//! The PostgreSQL and the Redis of the harness, which it kills and starts again.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use flowforge_tests::root;
use tempfile::TempDir;
use tokio::{process::Command, sync::Mutex};

/// A server that the scripts in `tests/setup` start, crash and restart.
#[derive(Debug)]
struct Service {
    script: &'static str,
    folder: PathBuf,
    address: SocketAddr,
    /// One thing at a time is done to it.
    busy: Mutex<()>,
    crashes: AtomicU64,
}

impl Service {
    async fn start(script: &'static str, folder: PathBuf) -> Self {
        let url = run(script, "start", &folder).await;
        let address = url.split(['@', '/']).find_map(|part| part.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {url}"));
        Self { script, folder, address, busy: Mutex::default(), crashes: AtomicU64::new(0) }
    }

    async fn crash(&self, down: Duration) {
        let _busy = self.busy.lock().await;
        run(self.script, "crash", &self.folder).await;
        self.crashes.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(down).await;
        run(self.script, "restart", &self.folder).await;
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let script = root().join("tests/setup").join(self.script);
        let stopped = std::process::Command::new(script).arg("stop").arg(&self.folder).status();
        if !stopped.is_ok_and(|status| status.success()) {
            eprintln!("{} was not stopped in {}", self.script, self.folder.display());
        }
    }
}

async fn run(script: &str, verb: &str, folder: &std::path::Path) -> String {
    let mut command = Command::new(root().join("tests/setup").join(script));
    // After a crash every file is synced; asking the file system once is as good.
    command.arg(verb).arg(folder).env("PG_OPTIONS", "-c recovery_init_sync_method=syncfs -c max_wal_size=4GB");
    // A server that is started inherits our pipes: what it is told goes to a file, or we would wait for its end.
    let out = folder.with_extension(format!("{verb}.out"));
    let file = std::fs::File::create(&out).expect("the folder is ours");
    command.stdout(file).stderr(std::process::Stdio::null()).stdin(std::process::Stdio::null());
    let status = command.status().await.expect("the script starts");
    assert!(status.success(), "{script} {verb} failed in {}", folder.display());
    std::fs::read_to_string(out).expect("the script's output").trim().to_owned()
}

/// Both servers.
#[derive(Debug)]
pub(crate) struct Backing {
    postgres: Service,
    redis: Option<Service>,
    _folder: TempDir,
}

impl Backing {
    /// Starts PostgreSQL, and Redis if it is wanted.
    pub(crate) async fn start(redis: bool) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::Builder::new().prefix("ff-chaos-db-").tempdir().expect("a temporary folder");
        // PostgreSQL runs as another user when we are root, and has to get through.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        let postgres = Service::start("postgres.sh", folder.path().join("pg")).await;
        let redis = match redis {
            true => Some(Service::start("redis.sh", folder.path().join("redis")).await),
            false => None,
        };
        Self { postgres, redis, _folder: folder }
    }

    /// Where PostgreSQL listens.
    pub(crate) fn postgres(&self) -> SocketAddr {
        self.postgres.address
    }

    /// Where Redis listens, if there is one.
    pub(crate) fn redis(&self) -> Option<SocketAddr> {
        self.redis.as_ref().map(|redis| redis.address)
    }

    /// Kills PostgreSQL and its backends, and has it accept connections again after a while.
    pub(crate) async fn crash_postgres(&self, down: Duration) {
        self.postgres.crash(down).await;
    }

    /// Kills Redis with everything that it holds.
    pub(crate) async fn crash_redis(&self, down: Duration) {
        if let Some(redis) = &self.redis {
            redis.crash(down).await;
        }
    }

    /// Empties Redis. Returns whether it was up.
    pub(crate) async fn wipe_redis(&self) -> bool {
        let Some(redis) = &self.redis else { return false };
        let port = redis.address.port().to_string();
        let mut command = Command::new("redis-cli");
        command.args(["-p", &port, "flushall"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command.status().await.is_ok_and(|status| status.success())
    }

    /// How often PostgreSQL was killed.
    pub(crate) fn postgres_crashes(&self) -> u64 {
        self.postgres.crashes.load(Ordering::Relaxed)
    }

    /// What PostgreSQL has logged so far.
    pub(crate) fn postgres_log(&self) -> String {
        self.postgres.log()
    }

    /// Everything that Redis holds, as text.
    pub(crate) async fn redis_dump(&self, folder: &std::path::Path) -> Vec<u8> {
        let Some(redis) = &self.redis else { return Vec::new() };
        let (port, file) = (redis.address.port().to_string(), folder.join("dump.rdb"));
        let mut command = Command::new("redis-cli");
        command.args(["-p", &port, "config", "set", "rdbcompression", "no"]).stdout(std::process::Stdio::null());
        command.status().await.ok();
        let mut command = Command::new("redis-cli");
        command.args(["-p", &port, "--rdb"]).arg(&file).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command.status().await.ok();
        std::fs::read(file).unwrap_or_default()
    }
}
