//! Every setting, in one place. Each flag is also an environment variable.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum, builder::FalseyValueParser};
use flowforge_engine::Location;

/// Where the data is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Data {
    /// The folder for everything that this server keeps: the database, work trees, keys.
    #[arg(long, env = "FLOWFORGE_DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,
    /// A PostgreSQL server, `postgres://…`; without it, a SQLite file in the data folder.
    #[arg(long, env = "FLOWFORGE_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

impl Data {
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
    /// Private networks that nodes may reach, as CIDR separated by commas; none by default.
    #[arg(long, env = "FLOWFORGE_EGRESS_ALLOW", default_value = "", hide_default_value = true)]
    pub egress_allow: String,
    /// Run commands without a sandbox where bubblewrap is missing.
    #[arg(long, env = "FLOWFORGE_ALLOW_PLAIN_PROCESSES", value_parser = FalseyValueParser::new())]
    pub allow_plain_processes: bool,
    /// How long a worker may be silent before its runs are taken over, in milliseconds.
    #[arg(long, env = "FLOWFORGE_LEASE_MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(500..))]
    pub lease_ms: u64,
    /// How many heavy steps (git, commands, agents) run at once in this process.
    #[arg(long, env = "FLOWFORGE_LANE_SLOTS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub lane_slots: u16,
    /// How many runs this process holds in memory at once.
    #[arg(long, env = "FLOWFORGE_MAX_RUNS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_runs: u32,
    /// How long the files of a run are kept after its end, in hours.
    #[arg(long, env = "FLOWFORGE_KEEP_FILES_H", default_value_t = 24)]
    pub keep_files_h: u32,
}

impl Work {
    /// How long a worker may be silent.
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
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

/// The settings of `flowforge serve`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Serve {
    /// The address to listen on.
    #[arg(long, env = "FLOWFORGE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
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
    /// What nodes may do and how much runs at once.
    #[command(flatten)]
    pub work: Work,
}

impl Serve {
    /// The address that people see, without a slash at the end.
    pub(crate) fn public_address(&self) -> String {
        match given(&self.public_url) {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.listen),
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
        let data = |url: Option<&str>| Data { data_dir: "d".into(), database_url: url.map(str::to_owned) };
        assert_eq!(data(None).location(), Ok(Location::Sqlite("d/flowforge.db".into())));
        assert_eq!(data(Some("")).location(), Ok(Location::Sqlite("d/flowforge.db".into())));
        assert_eq!(data(Some("postgres://x")).location(), Ok(Location::Postgres("postgres://x".to_owned())));
        assert!(data(Some("mysql://x")).location().is_err());
    }

    #[test]
    fn links_have_the_address_that_people_see() {
        assert_eq!(parsed(&["--listen", "127.0.0.1:9"]).public_address(), "http://127.0.0.1:9");
        let public = parsed(&["--public-url", "https://forge.example.org/"]);
        assert_eq!((public.public_address().as_str(), public.is_secure()), ("https://forge.example.org", true));
        assert!(!parsed(&["--public-url", ""]).is_secure());
    }
}
