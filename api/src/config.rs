//! Every setting, in one place. Each flag is also an environment variable.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, ValueEnum, builder::FalseyValueParser};
use flowforge_engine::{BlobConfig, Location, QueueConfig};
use flowforge_nodes::{DockerConfig, SandboxLimits};

/// Where the data is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Data {
    /// The folder for everything that this server keeps: the database, work trees, keys.
    #[arg(long, env = "FLOWFORGE_DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,
    /// A PostgreSQL server, `postgres://…`; without it, a SQLite file in the data folder.
    #[arg(long, env = "FLOWFORGE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Where values lie that are too large for the database: a bucket, `s3://bucket/prefix`, with credentials from the usual
    /// `AWS_…` variables; without it, a folder in the data folder.
    #[arg(long, env = "FLOWFORGE_BLOB_URL")]
    pub blob_url: Option<String>,
    /// The address of a service that speaks S3, for example `http://127.0.0.1:9000`; without it, Amazon's own.
    #[arg(long, env = "FLOWFORGE_BLOB_ENDPOINT")]
    pub blob_endpoint: Option<String>,
    #[command(flatten)]
    pub master_key: MasterKeySource,
}

/// What opens the secrets of workspaces.
#[derive(Clone, Default, Args)]
pub(crate) struct MasterKeySource {
    /// The key that secrets are encrypted with, 32 bytes in base64, as `openssl rand -base64 32` makes it. Processes that share a
    /// database must share it, and it must be kept as safe as the database's backups, apart from them.
    #[arg(id = "master_key", long = "master-key", env = "FLOWFORGE_MASTER_KEY", hide_env_values = true, hide = true)]
    pub text: Option<String>,
    /// A file with that key; `master.key` in the data folder by default. A server on SQLite makes it at its first start.
    #[arg(id = "master_key_file", long = "master-key-file", value_name = "FILE", env = "FLOWFORGE_MASTER_KEY_FILE")]
    pub file: Option<PathBuf>,
}

impl fmt::Debug for MasterKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKeySource").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Data {
    /// Where large values are.
    pub(crate) fn blobs(&self) -> BlobConfig {
        let endpoint = given(&self.blob_endpoint).map(str::to_owned);
        match given(&self.blob_url) {
            Some(url) => BlobConfig::S3 { url: url.to_owned(), endpoint },
            None => BlobConfig::Folder(self.data_dir.join("blobs")),
        }
    }

    /// Where the database is.
    ///
    /// # Errors
    /// When the URL is of a kind that FlowForge does not speak.
    pub(crate) fn location(&self) -> Result<Location, String> {
        match given(&self.database_url) {
            None => Ok(Location::Sqlite(self.data_dir.join("flowforge.db"))),
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Ok(Location::Postgres(url.to_owned()))
            }
            Some(_) => Err("--database-url must start with postgres://; leave it out for SQLite in the data folder".to_owned()),
        }
    }
}

/// A setting that is there and not empty: an empty environment variable says nothing.
pub(crate) fn given(setting: &Option<String>) -> Option<&str> {
    setting.as_deref().filter(|text| !text.is_empty())
}

/// What nodes may do and how much runs at once.
#[derive(Debug, Clone, Args)]
pub(crate) struct Work {
    /// Networks that nodes may reach although they are not public, as CIDR separated by commas; none by default. With a port, as in
    /// `10.2.0.5:5432`, that port only. Ports where databases, mail or shells answer are closed to HTTP elsewhere.
    #[arg(long, env = "FLOWFORGE_EGRESS_ALLOW", default_value = "", hide_default_value = true)]
    pub egress_allow: String,
    /// Branches that steps may push to, as patterns separated by commas, for example `flowforge/*`; without any, authors decide.
    #[arg(long, env = "FLOWFORGE_PUSH_BRANCHES", default_value = "", hide_default_value = true)]
    pub push_branches: String,
    /// Run commands without a sandbox where bubblewrap is missing.
    #[arg(long, env = "FLOWFORGE_ALLOW_PLAIN_PROCESSES", value_parser = FalseyValueParser::new())]
    pub allow_plain_processes: bool,
    /// What commands may use.
    #[command(flatten)]
    pub sandbox: SandboxSettings,
    /// The program of Claude Code, of the version that FlowForge was tried with; without it, `claude` on the path.
    #[arg(long, env = "FLOWFORGE_CLAUDE")]
    pub claude: Option<String>,
    /// How long a worker may be silent before its runs are taken over, in milliseconds.
    #[arg(long, env = "FLOWFORGE_LEASE_MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(500..))]
    pub lease_ms: u64,
    /// How often a process looks for what was lost, has waited long enough or was left behind by a dead one, in milliseconds. With
    /// `--queue none` everything is found by looking, so this is about how long each run and each heavy step waits.
    #[arg(long, env = "FLOWFORGE_SWEEP_MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub sweep_ms: u64,
    /// How many heavy steps (git, commands, agents) run at once in this process.
    #[arg(long, env = "FLOWFORGE_LANE_SLOTS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub lane_slots: u16,
    /// How many runs this process holds in memory at once.
    #[arg(long, env = "FLOWFORGE_MAX_RUNS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_runs: u32,
    /// Have every step on disk before the next one begins, also when neither has an effect: slower, for measuring.
    #[arg(long, env = "FLOWFORGE_COMMIT_EACH_STEP", value_parser = FalseyValueParser::new(), hide = true)]
    pub commit_each_step: bool,
    /// How long the files of a run are kept after its end, in hours.
    #[arg(long, env = "FLOWFORGE_KEEP_FILES_H", default_value_t = 24)]
    pub keep_files_h: u32,
    /// Where models are asked.
    #[command(flatten)]
    pub models: Models,
}

/// Where models are asked, and what they cost.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Models {
    /// The address of the Messages API, for a gateway in front of Anthropic's own; https://api.anthropic.com by default. The key for
    /// steps that have none of their own is given in the environment variable FLOWFORGE_ANTHROPIC_API_KEY.
    #[arg(long, env = "FLOWFORGE_ANTHROPIC_BASE_URL")]
    pub anthropic_base_url: Option<String>,
    /// A file with the prices of models, as nodes/prices.json has them; those of this version by default.
    #[arg(long, env = "FLOWFORGE_PRICES", value_name = "FILE")]
    pub prices: Option<PathBuf>,
}

/// The key for models that the operator has given. It is no flag, because everybody on a machine can read those.
pub(crate) fn anthropic_api_key() -> Option<String> {
    std::env::var("FLOWFORGE_ANTHROPIC_API_KEY").ok().filter(|key| !key.trim().is_empty())
}

/// What everything that a step starts in its sandbox may use together.
#[derive(Debug, Clone, Args)]
pub(crate) struct SandboxSettings {
    /// Memory of a step's commands together, in MiB, files in memory included. Where this process cannot make control groups it
    /// holds for each process alone.
    #[arg(long, env = "FLOWFORGE_SANDBOX_MEMORY_MB", default_value_t = 8_192, value_parser = clap::value_parser!(u32).range(64..))]
    pub sandbox_memory_mb: u32,
    /// Thousandths of processors that a step's commands may use together: 500 is half of one. It needs control groups.
    #[arg(long, env = "FLOWFORGE_SANDBOX_CPU_M", default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(10..))]
    pub sandbox_cpu_m: u32,
    /// Processes and threads of a step's commands together.
    #[arg(long, env = "FLOWFORGE_SANDBOX_PROCESSES", default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(16..))]
    pub sandbox_processes: u32,
    /// What the work tree and the kept files of a step's commands may grow to, in MiB; a step beyond it is ended with
    /// SANDBOX_DISK_FULL.
    #[arg(long, env = "FLOWFORGE_SANDBOX_DISK_MB", default_value_t = 20_480, value_parser = clap::value_parser!(u32).range(1..))]
    pub sandbox_disk_mb: u32,
    /// What commands run in: bubblewrap on this machine, or containers of an engine that speaks the Docker API.
    #[arg(long, env = "FLOWFORGE_SANDBOX", value_enum, default_value = "bubblewrap")]
    pub sandbox: SandboxKind,
    /// Where that engine listens; it must see the data folder under the same path.
    #[arg(long, env = "FLOWFORGE_SANDBOX_DOCKER_HOST", default_value = "unix:///var/run/docker.sock")]
    pub sandbox_docker_host: String,
    /// The image for containers, with a `/bin/sh` and the tools that commands need; it is not pulled.
    #[arg(long, env = "FLOWFORGE_SANDBOX_DOCKER_IMAGE", required_if_eq("sandbox", "docker"))]
    pub sandbox_docker_image: Option<String>,
    /// The engine's name for what runs containers, for example `runsc`.
    #[arg(long, env = "FLOWFORGE_SANDBOX_DOCKER_RUNTIME")]
    pub sandbox_docker_runtime: Option<String>,
}

/// What commands run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SandboxKind {
    /// Bubblewrap, on this machine.
    Bubblewrap,
    /// Containers of an engine that speaks the Docker API.
    Docker,
}

impl SandboxSettings {
    /// The engine, when containers are asked for.
    pub(crate) fn docker(&self) -> Option<DockerConfig> {
        let image = given(&self.sandbox_docker_image).filter(|_| self.sandbox == SandboxKind::Docker)?.to_owned();
        let runtime = given(&self.sandbox_docker_runtime).map(str::to_owned);
        Some(DockerConfig { host: self.sandbox_docker_host.clone(), image, runtime })
    }

    /// In bytes and processors.
    pub(crate) fn limits(&self) -> SandboxLimits {
        SandboxLimits {
            memory: u64::from(self.sandbox_memory_mb) << 20,
            cpus: f64::from(self.sandbox_cpu_m) / 1_000.0,
            processes: self.sandbox_processes,
            disk: u64::from(self.sandbox_disk_mb) << 20,
        }
    }
}

impl Work {
    /// How long a worker may be silent.
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// How often a process looks for what there is to do.
    pub(crate) fn sweep(&self) -> Duration {
        Duration::from_millis(self.sweep_ms)
    }
}

/// Which part of the work a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// HTTP and runs.
    All,
    /// HTTP only; runs are left to workers.
    Api,
    /// Runs only.
    Worker,
}

/// What tells workers where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueueKind {
    /// Each process tells itself.
    Memory,
    /// Processes tell each other over Redis.
    Redis,
    /// Nobody tells anybody: everything is found by looking, a few seconds later.
    None,
}

/// How processes that share a database tell each other where to look.
#[derive(Debug, Clone, Args)]
pub(crate) struct Queue {
    /// A Redis server, `redis://…` or `rediss://…`, over which processes that share a database tell each other what there is to
    /// do. It only saves time: without it the same is found by looking.
    #[arg(long, env = "FLOWFORGE_REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// What tells workers where to look; redis by default when its URL is given, else memory.
    #[arg(long, env = "FLOWFORGE_QUEUE", value_enum)]
    pub queue: Option<QueueKind>,
}

impl Queue {
    /// What the engine is to use.
    ///
    /// # Errors
    /// When the settings do not go together.
    pub(crate) fn config(&self, location: &Location) -> Result<QueueConfig, String> {
        let url = given(&self.redis_url);
        match (self.queue, url, location) {
            (Some(QueueKind::None), _, _) => Ok(QueueConfig::None),
            (Some(QueueKind::Memory), _, _) | (None, None, _) => Ok(QueueConfig::Memory),
            (Some(QueueKind::Redis), None, _) => Err("--queue redis needs --redis-url redis://…".to_owned()),
            (_, Some(_), Location::Sqlite(_)) => Err("--redis-url is for processes that share a database, and SQLite has one \
                process at a time: give --database-url postgres://… too, or leave --redis-url out"
                .to_owned()),
            (_, Some(url), Location::Postgres(_)) if url.starts_with("redis://") || url.starts_with("rediss://") => {
                Ok(QueueConfig::Redis(url.to_owned()))
            }
            (_, Some(_), Location::Postgres(_)) => Err("--redis-url must start with redis:// or rediss://".to_owned()),
        }
    }
}

/// The settings of `flowforge serve`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Serve {
    /// The address to listen on, 127.0.0.1:8080 by default. A worker listens only when one is given, and tells there how it is:
    /// `/health/live` and `/health/ready`.
    #[arg(long, env = "FLOWFORGE_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Which part of the work this process does; anything but `all` needs PostgreSQL.
    #[arg(long, env = "FLOWFORGE_ROLE", value_enum, default_value = "all")]
    pub role: Role,
    /// The address that people see, for links; `https://…` also makes cookies secure.
    #[arg(long, env = "FLOWFORGE_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// How many reverse proxies in front add to `X-Forwarded-For`.
    #[arg(long, env = "FLOWFORGE_TRUSTED_PROXIES", default_value_t = 0)]
    pub trusted_proxies: u8,
    /// The key that signs tokens, 32 bytes or more. Processes that share a database must share it. Without it, a key is
    /// made at the first start and kept in the data folder.
    #[arg(long, env = "FLOWFORGE_JWT_KEY", hide_env_values = true)]
    pub jwt_key: Option<String>,
    /// Makes the first owner at start, when there is none, without the set-up link.
    #[arg(long, env = "FLOWFORGE_ADMIN_EMAIL", requires = "admin_password")]
    pub admin_email: Option<String>,
    /// The first owner's password.
    #[arg(long, env = "FLOWFORGE_ADMIN_PASSWORD", hide_env_values = true)]
    pub admin_password: Option<String>,
    /// A folder of workflow files for the first owner, instead of the ones inside the program.
    #[arg(long, env = "FLOWFORGE_EXAMPLES")]
    pub examples: Option<PathBuf>,
    /// Where the data is.
    #[command(flatten)]
    pub data: Data,
    /// How processes tell each other where to look.
    #[command(flatten)]
    pub queue: Queue,
    /// What nodes may do and how much runs at once.
    #[command(flatten)]
    pub work: Work,
}

impl Serve {
    /// The address to listen on; none for a worker that was given none.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        self.listen.or((self.role != Role::Worker).then_some(usual))
    }

    /// The address that people see, without a slash at the end.
    pub(crate) fn public_address(&self) -> String {
        match given(&self.public_url) {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => self.address().map(|address| format!("http://{address}")).unwrap_or_default(),
        }
    }

    /// Whether browsers reach the server over TLS only.
    pub(crate) fn is_secure(&self) -> bool {
        given(&self.public_url).is_some_and(|url| url.starts_with("https://"))
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The settings of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Process {
    /// How many threads run the program's tasks; as many as there are cores by default.
    #[arg(long, env = "FLOWFORGE_WORKER_THREADS", global = true)]
    pub worker_threads: Option<usize>,
    /// How log lines look.
    #[arg(long, env = "FLOWFORGE_LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub log_format: LogFormat,
    /// What is logged, for example `info` or `flowforge_engine=debug`.
    #[arg(long, env = "FLOWFORGE_LOG", default_value = "warn,flowforge=info", global = true)]
    pub log: String,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        serve: Serve,
    }

    fn parsed(arguments: &[&str]) -> Serve {
        Program::parse_from([&["flowforge"], arguments].concat()).serve
    }

    #[test]
    fn the_database_is_a_file_unless_a_server_is_named() {
        let data = |url: Option<&str>| Data { data_dir: "d".into(), database_url: url.map(str::to_owned), ..Data::default() };
        assert_eq!(data(None).location(), Ok(Location::Sqlite("d/flowforge.db".into())));
        assert_eq!(data(Some("")).location(), Ok(Location::Sqlite("d/flowforge.db".into())));
        assert_eq!(data(Some("postgres://x")).location(), Ok(Location::Postgres("postgres://x".to_owned())));
        assert!(data(Some("mysql://x")).location().is_err());
    }

    #[test]
    fn large_values_lie_in_the_data_folder_unless_a_bucket_is_named() {
        let blobs = |arguments: &[&str]| parsed(arguments).data.blobs();
        assert_eq!(blobs(&["--data-dir", "d"]), BlobConfig::Folder("d/blobs".into()));
        assert_eq!(blobs(&["--data-dir", "d", "--blob-url", ""]), BlobConfig::Folder("d/blobs".into()));
        let url = "s3://bucket/prefix".to_owned();
        assert_eq!(blobs(&["--blob-url", &url]), BlobConfig::S3 { url: url.clone(), endpoint: None });
        let endpoint = Some("http://127.0.0.1:9000".to_owned());
        let given = ["--blob-url", &url, "--blob-endpoint", "http://127.0.0.1:9000"];
        assert_eq!(blobs(&given), BlobConfig::S3 { url: url.clone(), endpoint });
    }

    #[test]
    fn a_queue_goes_with_its_database() {
        let (file, server) = (Location::Sqlite("d".into()), Location::Postgres("postgres://x".to_owned()));
        let queue = |arguments: &[&str]| parsed(arguments).queue;
        assert_eq!(queue(&[]).config(&server), Ok(QueueConfig::Memory));
        assert_eq!(queue(&["--redis-url", ""]).config(&file), Ok(QueueConfig::Memory));
        let redis = ["--redis-url", "redis://r"];
        assert_eq!(queue(&redis).config(&server), Ok(QueueConfig::Redis("redis://r".to_owned())));
        assert!(queue(&redis).config(&file).is_err_and(|fault| fault.contains("postgres://")));
        assert_eq!(queue(&["--redis-url", "redis://r", "--queue", "none"]).config(&server), Ok(QueueConfig::None));
        assert_eq!(queue(&["--queue", "none"]).config(&file), Ok(QueueConfig::None));
        assert!(queue(&["--queue", "redis"]).config(&server).is_err());
        assert!(queue(&["--redis-url", "http://r"]).config(&server).is_err());
    }

    #[test]
    fn a_process_looks_often_and_not_all_the_time() {
        let sweep = |arguments: &[&str]| {
            Program::try_parse_from([&["flowforge"], arguments].concat()).map(|program| program.serve.work.sweep())
        };
        assert_eq!(sweep(&[]).ok(), Some(Duration::from_secs(2)));
        assert_eq!(sweep(&["--sweep-ms", "50"]).ok(), Some(Duration::from_millis(50)));
        for refused in ["0", "49", "60001", "soon"] {
            assert!(sweep(&["--sweep-ms", refused]).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_worker_listens_only_where_it_is_told_to() {
        assert_eq!(parsed(&[]).address(), "127.0.0.1:8080".parse().ok());
        assert_eq!(parsed(&["--role", "worker"]).address(), None);
        assert_eq!(parsed(&["--role", "worker", "--listen", "127.0.0.1:9"]).address(), "127.0.0.1:9".parse().ok());
    }

    #[test]
    fn links_have_the_address_that_people_see() {
        assert_eq!(parsed(&["--listen", "127.0.0.1:9"]).public_address(), "http://127.0.0.1:9");
        let public = parsed(&["--public-url", "https://forge.example.org/"]);
        assert_eq!((public.public_address().as_str(), public.is_secure()), ("https://forge.example.org", true));
        assert!(!parsed(&["--public-url", ""]).is_secure());
    }
}
