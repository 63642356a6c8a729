//! A throw-away Redis that a test may kill.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::server::free_port;

/// A Redis of a test's own. It keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl Redis {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("ff-redis-").tempdir().expect("a temporary folder");
        let mut redis = Self { port: free_port(), folder, child: None };
        redis.restart();
        redis
    }

    /// The URL that `flowforge serve --redis-url` takes.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `kill -9`: everything in it is lost.
    pub fn crash(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            child.wait().expect("it can be waited for");
        }
    }

    /// Starts it again, empty, on its port.
    pub fn restart(&mut self) {
        self.crash();
        // The shell kills it when its standard input ends, which it does when this process ends, however that comes.
        let script =
            r#"redis-server --port "$0" --bind 127.0.0.1 --dir "$1" --save '' >/dev/null & cat >/dev/null; kill -9 $!; wait"#;
        let mut command = Command::new("sh");
        command.args(["-c", script, &self.port.to_string()]).arg(self.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("sh starts"));
        let limit = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < limit, "no Redis after 20 s: install the package redis-server");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs one command in it, and returns what it answers.
    pub fn command(&self, arguments: &[&str]) -> String {
        self.commands(&arguments.join(" "))
    }

    /// Runs commands in it, a line each, and returns what they answer.
    pub fn commands(&self, lines: &str) -> String {
        use std::io::Write;

        let port = self.port.to_string();
        let mut command = Command::new("redis-cli");
        command.args(["-p", &port]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("redis-cli starts: install the package redis-tools");
        child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
        let done = child.wait_with_output().expect("it can be waited for");
        assert!(done.status.success(), "redis-cli failed: {done:?}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.crash();
    }
}
