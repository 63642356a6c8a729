//! A git remote over HTTP, made of `git http-backend`, that may ask for a password, refuse, or lose its answers.

use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, Response, Uri},
};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, process::Command, task::JoinHandle};

use super::server::respond;

/// `Basic robot:hush-hush`.
const ALLOWED: &str = "Basic cm9ib3Q6aHVzaC1odXNo";

/// A bare repository `repo.git` with one commit on `main`, served on a free port of this machine.
pub(crate) struct Remote {
    address: SocketAddr,
    folder: TempDir,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    folder: std::path::PathBuf,
    private: AtomicBool,
    loses: AtomicBool,
    broken: AtomicBool,
}

impl Remote {
    pub(crate) const CREDENTIAL: &str = "robot:hush-hush";

    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shared = Shared {
            folder: folder.path().to_owned(),
            private: AtomicBool::new(false),
            loses: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let remote = Self { address, folder, shared, server };
        remote.shell(
            "git init -q --bare -b main repo.git; git -C repo.git config http.receivepack true; git clone -q repo.git seed; cd seed
             printf 'one\\n' >a.txt; mkdir sub; printf 'sub\\n' >sub/b.txt; printf 'ignored\\n' >.gitignore; ln -s a.txt link
             printf '#!/bin/sh\\n' >run.sh; chmod +x run.sh; git add -A; git commit -q -m First; git push -q origin main",
        )
        .await;
        remote
    }

    /// Asks for a password from now on.
    pub(crate) fn private(self) -> Self {
        self.shared.private.store(true, Ordering::Relaxed);
        self
    }

    /// The next push lands, and its answer is lost.
    pub(crate) fn lose_an_answer(&self) {
        self.shared.loses.store(true, Ordering::Relaxed);
    }

    /// Answers 503 from now on, or no longer.
    pub(crate) fn broken(&self, broken: bool) {
        self.shared.broken.store(broken, Ordering::Relaxed);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/repo.git", self.address)
    }

    /// Runs shell beside the bare repository, as another person with a commit to make.
    pub(crate) async fn shell(&self, script: &str) -> String {
        let mut command = Command::new("bash");
        command.args(["-euc", script]).current_dir(self.folder.path());
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Grace").env(format!("GIT_{role}_EMAIL"), "grace@example.org");
        }
        let done = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().await.unwrap();
        assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// What git says about the bare repository.
    pub(crate) async fn git(&self, args: &str) -> String {
        self.shell(&format!("git -C repo.git {args}")).await
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let sent = headers.get("authorization").map(|value| value.to_str().unwrap());
    if shared.private.load(Ordering::Relaxed) && sent != Some(ALLOWED) {
        return respond(401, &[("www-authenticate", "Basic realm=\"git\"")], "who are you?");
    }
    if shared.broken.load(Ordering::Relaxed) {
        return respond(503, &[], "not now");
    }
    let lose = method == Method::POST && uri.path().ends_with("/git-receive-pack") && shared.loses.swap(false, Ordering::Relaxed);
    let response = backend(&shared.folder, &method, &uri, &headers, body).await;
    if lose { respond(200, &[], cut()) } else { response }
}

/// The beginning of an answer, and then the end of the connection.
fn cut() -> Body {
    Body::from_stream(futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut on purpose"))]))
}

/// Speaks CGI with git's own server.
async fn backend(folder: &Path, method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Response<Body> {
    let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
    let mut child = Command::new("git")
        .arg("http-backend")
        .envs([("GIT_HTTP_EXPORT_ALL", "1"), ("REQUEST_METHOD", method.as_str()), ("PATH_INFO", uri.path())])
        .envs([("QUERY_STRING", uri.query().unwrap_or("")), ("CONTENT_TYPE", header("content-type"))])
        .envs([("HTTP_CONTENT_ENCODING", header("content-encoding")), ("GIT_PROTOCOL", header("git-protocol"))])
        .env("GIT_PROJECT_ROOT", folder)
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let feed = tokio::spawn(async move { input.write_all(&body).await.ok() });
    let output = child.wait_with_output().await.unwrap().stdout;
    feed.await.unwrap();
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(output.len());
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let fields: Vec<(&str, &str)> = head.lines().filter_map(|line| line.split_once(": ")).collect();
    let status = fields.iter().find(|(name, _)| *name == "Status").map_or(200, |(_, value)| value[..3].parse().unwrap());
    let fields: Vec<_> = fields.into_iter().filter(|(name, _)| *name != "Status").collect();
    respond(status, &fields, output[(end + 4).min(output.len())..].to_vec())
}
