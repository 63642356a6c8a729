//! A throw-away PostgreSQL, durable like a real one.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::process::run_script;

/// One empty database. Its server is that of `FLOWFORGE_TEST_POSTGRES`, or one that lives as long as this process.
#[derive(Debug)]
pub struct Postgres {
    url: String,
}

impl Postgres {
    /// Creates a database with a fresh name.
    pub fn start() -> Self {
        Self::create("")
    }

    /// Creates a copy under a fresh name. Nobody may be connected to the original.
    pub fn copy(&self) -> Self {
        let name = self.url.rsplit_once('/').expect("the URL names a database").1;
        Self::create(&format!("template {name}"))
    }

    fn create(like: &str) -> Self {
        let admin = match std::env::var("FLOWFORGE_TEST_POSTGRES") {
            Ok(url) => url,
            Err(_) => Own::get().url.clone(),
        };
        let name = format!("t{}", uuid::Uuid::new_v4().simple());
        let server = admin.rsplit_once('/').expect("the URL names a database").0;
        let postgres = Self { url: format!("{server}/{name}") };
        query(&admin, &format!("create database {name} {like}"));
        postgres
    }

    /// The URL that `flowforge serve --database-url` takes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it is, as a person fills it into a form.
    pub fn form(&self) -> serde_json::Value {
        let (server, database) = self.url.rsplit_once('/').expect("the URL names a database");
        let (user, server) = server.trim_start_matches("postgres://").split_once('@').expect("the URL names a user");
        let (host, port) = server.rsplit_once(':').expect("the URL names a port");
        let port: u16 = port.parse().expect("a port is a number");
        serde_json::json!({"host": host, "port": port, "database": database, "user": user})
    }

    /// The rows that `sql` returns, one line each, columns separated by `|`.
    pub fn query(&self, sql: &str) -> Vec<String> {
        query(&self.url, sql).lines().map(str::to_owned).collect()
    }
}

/// The server of this process when nobody gave one.
struct Own {
    url: String,
    _watch: std::process::Child,
    _folder: TempDir,
}

impl Own {
    fn get() -> &'static Self {
        static OWN: OnceLock<Own> = OnceLock::new();
        OWN.get_or_init(|| {
            let folder = tempfile::Builder::new().prefix("ff-pg-").tempdir().expect("a temporary folder");
            open_to_all(folder.path());
            let data = folder.path().join("pg");
            let url = run_script("setup/postgres.sh", &["start", &data.to_string_lossy()]);
            Self { url, _watch: stop_with_us(folder.path()), _folder: folder }
        })
    }
}

/// PostgreSQL runs as another user when we are root, and has to get through the folder above its own.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, open).expect("the folder is ours");
}

/// Nothing runs at the end of a process whose statics are never dropped, so a watcher outlives us:
/// its standard input ends when we do, however that comes.
fn stop_with_us(folder: &Path) -> std::process::Child {
    let script = crate::root().join("tests/setup/postgres.sh");
    Command::new("setsid")
        .args(["sh", "-c", r#"cat >/dev/null; "$0" stop "$1/pg"; rm -rf "$1""#])
        .arg(script)
        .arg(folder)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("setsid starts")
}

fn query(url: &str, sql: &str) -> String {
    let done = Command::new("psql").args([url, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]).output();
    let done = done.expect("psql starts: install the package postgresql");
    assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}
