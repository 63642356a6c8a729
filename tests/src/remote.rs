//! A git remote over HTTP with a password: `git http-backend` behind a small server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::process::run_script;

/// One request that the remote saw.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method, path and query.
    pub line: String,
    /// What it was answered.
    pub status: u16,
}

/// A server on loopback that holds one bare repository, `tally.git`, with a real project and its history.
#[derive(Debug)]
pub struct Remote {
    address: SocketAddr,
    shared: Arc<Shared>,
    folder: TempDir,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    requests: Mutex<Vec<Request>>,
    lose: Mutex<u32>,
}

impl Remote {
    /// The user name that it asks for.
    pub const USER: &str = "robot";
    /// The password that it asks for; odd enough to be found wherever it leaks.
    pub const PASSWORD: &str = "canary-9f2c-p4ss";

    /// Makes the project and serves it on a free port.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("ff-remote-").tempdir().expect("a temporary folder");
        run_script("fixtures/tally.sh", &[&folder.path().join("tally.git").to_string_lossy()]);
        let shared = Shared { folder: folder.path().to_path_buf(), requests: Mutex::default(), lose: Mutex::new(0) };
        let shared = Arc::new(shared);
        let router = axum::Router::new().fallback(handle).layer(DefaultBodyLimit::disable());
        let router = router.with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("the remote serves") });
        Self { address, shared, folder, server }
    }

    /// The address to clone from, without credentials.
    pub fn url(&self) -> String {
        format!("http://{}/tally.git", self.address)
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("not poisoned").clone()
    }

    /// The next `n` pushes land, and their answers are lost on the way.
    pub fn lose_answers(&self, n: u32) {
        *self.shared.lose.lock().expect("not poisoned") = n;
    }

    /// What `git` says about the repository; panics when it fails.
    pub fn git(&self, arguments: &[&str]) -> String {
        let repository = self.folder.path().join("tally.git");
        let done = Command::new("git").arg("-C").arg(repository).args(arguments).output().expect("git starts");
        assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// The subjects of the commits on `branch` that are not on main, newest first; empty when there is no such branch.
    pub fn commits(&self, branch: &str) -> Vec<String> {
        let full = format!("refs/heads/{branch}");
        if self.git(&["for-each-ref", &full]).is_empty() {
            return Vec::new();
        }
        self.git(&["log", "--format=%s", &format!("main..{full}")]).lines().map(str::to_owned).collect()
    }

    /// Checks `branch` out into a fresh folder, as a person would look at the result.
    pub fn checkout(&self, branch: &str) -> TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        self.git(&["clone", "-q", "-b", branch, ".", &folder.path().to_string_lossy()]);
        folder
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn handle(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let response = if allowed(&headers) {
        backend(&shared.folder, &method, &uri, &headers, body).await
    } else {
        let challenge = [("WWW-Authenticate", "Basic realm=\"tally\"")];
        (StatusCode::UNAUTHORIZED, challenge, "who are you?").into_response()
    };
    let request = Request { line: format!("{method} {uri}"), status: response.status().as_u16() };
    shared.requests.lock().expect("not poisoned").push(request);
    if method == Method::POST && uri.path().ends_with("/git-receive-pack") && shared.loses() {
        return cut().into_response();
    }
    response
}

fn allowed(headers: &HeaderMap) -> bool {
    let wanted = format!("Basic {}", BASE64.encode(format!("{}:{}", Remote::USER, Remote::PASSWORD)));
    headers.get("authorization").is_some_and(|sent| sent.as_bytes() == wanted.as_bytes())
}

impl Shared {
    fn loses(&self) -> bool {
        let mut lose = self.lose.lock().expect("not poisoned");
        let lost = *lose > 0;
        *lose = lose.saturating_sub(1);
        lost
    }
}

fn cut() -> Body {
    Body::from_stream(futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut on purpose"))]))
}

/// Speaks CGI with `git http-backend`, which also unpacks gzip bodies.
async fn backend(folder: &Path, method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", Remote::USER)
        .env("REQUEST_METHOD", method.as_str())
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git starts");
    let mut input = child.stdin.take().expect("a pipe");
    // It may answer without having read everything, so a broken pipe is no fault.
    let feed = tokio::spawn(async move { input.write_all(&body).await.ok() });
    let done = child.wait_with_output().await.expect("git http-backend ends");
    feed.await.expect("the feed ends");
    answer(&done.stdout)
}

/// Turns CGI output into a response: header lines, an empty line, the body.
fn answer(output: &[u8]) -> Response {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").expect("CGI headers");
    let mut response = Response::builder().status(200);
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").expect("a header line");
        response = match name {
            "Status" => response.status(&value[..3]),
            _ => response.header(name, value),
        };
    }
    response.body(Body::from(output[end + 4..].to_vec())).expect("a response")
}
