//! The server under test: a process that can be killed and started again on the same data.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{Client, root};

/// How to start the server.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `--database-url`; SQLite in the data folder when there is none.
    pub database_url: Option<String>,
    /// Leave out the variables that make the first owner, so that somebody has to follow the printed link.
    pub ownerless: bool,
    /// More environment variables.
    pub environment: Vec<(String, String)>,
}

/// A `flowforge serve` on a free port, with a data folder of its own.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
    settings: Settings,
}

impl Server {
    /// The first owner's name.
    pub const EMAIL: &str = "owner@example.org";
    /// The first owner's password.
    pub const PASSWORD: &str = "correct horse battery";

    /// Starts and waits until it is ready.
    pub async fn start(settings: Settings) -> Self {
        Self::start_in(data_folder(), settings).await
    }

    /// Starts on a copy of what another server has left behind, which has stopped.
    pub async fn start_on(left: &Path, settings: Settings) -> Self {
        let folder = data_folder();
        let from = left.join(".");
        let copied = Command::new("cp").arg("-a").arg(from).arg(folder.path()).status().await.expect("cp starts");
        assert!(copied.success(), "{} was not copied", left.display());
        Self::start_in(folder, settings).await
    }

    async fn start_in(folder: TempDir, settings: Settings) -> Self {
        let port = free_port();
        let child = spawn(&folder, port, &settings);
        let mut server = Self { child, port, folder, settings };
        server.ready().await;
        server
    }

    /// The address, without a slash at the end.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// The folder that everything of this server lies in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything that it has printed, over all its lives.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(log_file(&self.folder)).unwrap_or_default()).into_owned()
    }

    /// A client signed in as the first owner.
    pub async fn owner(&self) -> Client {
        Client::login(&self.base(), Self::EMAIL, Self::PASSWORD).await
    }

    /// `kill -9`, and nothing more.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("the server can be killed");
    }

    /// Asks it to stop as an operator would, waits for the end and returns whether it ended well.
    pub async fn stop(&mut self) -> bool {
        let pid = self.pid().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill starts");
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        ended.expect("it stops within 30 s").expect("it can be waited for").success()
    }

    /// Waits until it has ended by itself; panics after ten seconds.
    pub async fn ended(&mut self) {
        let ended = tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await;
        ended.expect("it ends by itself within 10 s").expect("it can be waited for");
    }

    /// How its next life is started.
    pub fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Starts it again on the same data and port, and waits until it is ready.
    pub async fn restart(&mut self) {
        self.revive();
        self.ready().await;
    }

    /// Starts it again without waiting: the next kill may come before it is ready.
    pub fn revive(&mut self) {
        self.child = spawn(&self.folder, self.port, &self.settings);
    }

    /// Returns when it says that it is ready.
    pub async fn ready(&mut self) {
        if !self.gets_ready().await {
            let ended = self.child.wait().await.expect("it can be waited for");
            panic!("the server ended with {ended}:\n{}", self.log());
        }
    }

    /// Waits until it says that it is ready, or has ended before it could: then `false`.
    pub async fn gets_ready(&mut self) -> bool {
        let client = Client::anonymous(&self.base());
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let asked = client.try_send(client.request(reqwest::Method::GET, "//health/ready")).await;
            if asked.is_ok_and(|reply| reply.status == 200) {
                return true;
            }
            if self.child.try_wait().expect("it can be waited for").is_some() {
                return false;
            }
            assert!(Instant::now() < limit, "the server is not ready after a minute:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.start_kill().ok();
        let log = self.log();
        if std::thread::panicking() {
            let tail: Vec<_> = log.lines().rev().take(80).collect();
            eprintln!("-- the end of the server's log");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
            return;
        }
        let panics: Vec<_> = log.lines().filter(|line| line.contains("panicked at")).collect();
        assert!(panics.is_empty(), "the server panicked: {panics:#?}");
    }
}

/// The binary under test: `FLOWFORGE_BIN`, or the newest that cargo has built.
pub fn binary() -> PathBuf {
    if let Ok(path) = std::env::var("FLOWFORGE_BIN") {
        return PathBuf::from(path);
    }
    let built = ["debug", "release"].map(|profile| root().join("target").join(profile).join("flowforge"));
    let age = |path: &PathBuf| path.metadata().and_then(|meta| meta.modified()).ok();
    let newest = built.into_iter().filter(|path| path.exists()).max_by_key(age);
    newest.expect("no flowforge binary: run `cargo build`, or set FLOWFORGE_BIN")
}

/// A `flowforge` command to be completed, its data in `folder`.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(folder).env("FLOWFORGE_DATA_DIR", folder.join("data"));
    command.env("FLOWFORGE_EGRESS_ALLOW", "127.0.0.0/8").env("FLOWFORGE_SECRET_GIT_PASSWORD", crate::Remote::PASSWORD);
    let credential = format!("{}:{}", crate::Remote::USER, crate::Remote::PASSWORD);
    command.env("FLOWFORGE_SECRET_GIT_CREDENTIAL", credential);
    command
        .env("FLOWFORGE_SECRET_SMTP_PASSWORD", crate::Ledger::MAIL_PASSWORD)
        .env("FLOWFORGE_SECRET_SLACK_TOKEN", "xoxb-of-a-test")
        .env("FLOWFORGE_SECRET_ANTHROPIC_API_KEY", crate::messages_api::MessagesApi::KEY)
        .env("FLOWFORGE_SECRET_POSTGRES_PASSWORD", "postgres-p4ssw0rd");
    if let Some(program) = crate::claude() {
        command.env("FLOWFORGE_CLAUDE", program);
    }
    // Runs of a killed server are taken over soon.
    command.env("FLOWFORGE_LEASE_MS", "3000").kill_on_drop(true);
    command
}

fn spawn(folder: &TempDir, port: u16, settings: &Settings) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(log_file(folder)).expect("a log file");
    let mut command = command(folder.path());
    command.arg("serve").arg("--listen").arg(format!("127.0.0.1:{port}"));
    if let Some(url) = &settings.database_url {
        command.arg("--database-url").arg(url);
    }
    if !settings.ownerless {
        command.env("FLOWFORGE_ADMIN_EMAIL", Server::EMAIL).env("FLOWFORGE_ADMIN_PASSWORD", Server::PASSWORD);
    }
    command.envs(settings.environment.iter().cloned());
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
    command.spawn().expect("the server starts")
}

fn data_folder() -> TempDir {
    tempfile::Builder::new().prefix("ff-data-").tempdir().expect("a temporary folder")
}

fn log_file(folder: &TempDir) -> PathBuf {
    folder.path().join("server.log")
}

/// A free port below those that the system gives to outgoing connections, so that nobody takes it while the server is down.
pub fn free_port() -> u16 {
    let random = || 10_000 + (uuid::Uuid::new_v4().as_u128() % 10_000) as u16;
    let mut ports = std::iter::repeat_with(random);
    ports.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
