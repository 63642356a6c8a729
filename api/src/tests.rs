//! Tests of the parts that stand on a database: each test gets one of its own, on SQLite and, when
//! `FLOWFORGE_TEST_POSTGRES` names a server, on PostgreSQL.

mod accounts;
mod approvals;
mod blobs;
mod budgets;
mod children;
mod faults;
mod files;
mod openapi;
mod problems;
mod reruns;
mod runs;
mod secrets;
mod sessions;
mod waits;
mod walls;
mod workflows;
mod workspace;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use clap::Parser;
use flowforge_core::{UserId, WorkspaceId};
use flowforge_engine::{
    Clock, QueueConfig, Store, clock,
    store::accounts::{Member, Role},
};
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{
    app::{self, App},
    auth::{Auth, Key, SignedIn},
    config::{Data, Serve},
    router,
};

const EMAIL: &str = "ada@example.org";
const PASSWORD: &str = "correct horse battery";

/// A database of its own, and a folder for everything else.
struct Place {
    store: Store,
    data: Data,
    clock: Clock,
    _folder: TempDir,
}

impl Place {
    async fn open(database_url: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = Data { data_dir: folder.path().to_owned(), database_url, ..Data::default() };
        let store = app::open_store(&data).await.unwrap();
        Self { store, data, clock: Clock::default(), _folder: folder }
    }

    /// A database of each kind.
    async fn each() -> Vec<Self> {
        let mut places = vec![Self::open(None).await];
        if let Some(url) = fresh_postgres().await {
            places.push(Self::open(Some(url)).await);
        }
        places
    }

    /// What one server process knows: its own memory, the shared database and key.
    fn auth(&self) -> Auth {
        let key = Key::from_setting("0123456789abcdef0123456789abcdef").unwrap();
        Auth::new(self.store.clone(), self.clock.clone(), &key).unwrap()
    }

    async fn owner(&self, auth: &Auth) -> Member {
        auth.create_first_owner(EMAIL, PASSWORD, "Analytical").await.unwrap()
    }

    async fn signed_in(&self, auth: &Auth) -> SignedIn {
        let owner = self.owner(auth).await;
        auth.open(owner).await.unwrap()
    }

    /// Lets time pass.
    fn pass_ms(&self, ms: u64) {
        self.clock.observe(self.clock.now().plus_ms(ms));
    }

    async fn sql(&self, statement: &str) {
        self.store.connection().execute_unprepared(statement).await.unwrap();
    }
}

/// The URL of a new database on the server that the environment names.
async fn fresh_postgres() -> Option<String> {
    let url = std::env::var("FLOWFORGE_TEST_POSTGRES").ok()?;
    let name = format!("api_{}", clock::new_uuid().simple());
    Database::connect(&url).await.unwrap().execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    let (server, query) = url.split_once('?').map_or((url.as_str(), None), |(server, query)| (server, Some(query)));
    let server = server.rsplit_once('/').unwrap().0;
    Some(format!("{server}/{name}{}", query.map(|query| format!("?{query}")).unwrap_or_default()))
}

/// A whole server without its socket.
struct Forge {
    place: Place,
    app: App,
    router: Router,
    token: String,
}

/// An answer, read to its end.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Forge {
    /// With a signed-in owner.
    async fn start() -> Self {
        Self::on(Place::open(None).await).await
    }

    async fn each() -> Vec<Self> {
        let mut forges = Vec::new();
        for place in Place::each().await {
            forges.push(Self::on(place).await);
        }
        forges
    }

    async fn on(place: Place) -> Self {
        let settings = settings(&place.data);
        let engine = app::open_engine(place.store.clone(), &place.data, &settings.work, true, QueueConfig::Memory).await.unwrap();
        let app = App::new(engine, settings).unwrap();
        let owner = app.auth.create_first_owner(EMAIL, PASSWORD, "Analytical").await.unwrap();
        let token = app.auth.open(owner).await.unwrap().access_token;
        Self { place, router: router::router(app.clone()), app, token }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, Some(&self.token), None).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(&self.token), Some(body)).await
    }

    async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        self.answer(request.body(body).unwrap()).await
    }

    async fn answer(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// A workflow of one constant, saved by the owner.
    async fn workflow(&self, name: &str) -> String {
        self.save(name, constant(1)).await
    }

    /// A workflow, saved by the owner.
    async fn save(&self, name: &str, graph: Value) -> String {
        let saved = self.post("/api/v1/workflows", json!({"name": name, "graph": graph})).await;
        saved.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// A run that was started and not waited for.
    async fn launch(&self, workflow: &str, input: Value) -> String {
        let run = self.post(&format!("/api/v1/workflows/{workflow}/runs"), json!({"input": input})).await.expect(201);
        run["id"].as_str().unwrap().to_owned()
    }

    /// The answer to a question once it fits: nothing rings when the answer is about to change.
    async fn until(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..600 {
            let body = self.get(path).await.expect(200);
            if fits(&body) {
                return body;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("{path} does not come to what is expected: {:#}", self.get(path).await.body)
    }

    /// The run, once it has ended.
    async fn end_of(&self, run: &str) -> Value {
        self.until(&format!("/api/v1/runs/{run}"), |run| !run["finished_at"].is_null()).await
    }

    /// The access token of somebody else, in a workspace of their own or in the owner's.
    async fn stranger(&self, role: Role, in_owner_s: bool) -> String {
        let (user, own) = (clock::new_uuid(), clock::new_uuid());
        let owner_s =
            self.get("/api/v1/auth/profile").await.expect(200)["workspace"]["id"].as_str().unwrap().parse::<WorkspaceId>();
        let workspace = if in_owner_s { owner_s.unwrap().uuid() } else { own };
        let place = &self.place;
        place
            .sql(&format!(
                "INSERT INTO users (id, email, password_hash, token_version, created_at) VALUES ({}, '{user}@x.org', '', 0, 0)",
                quoted(place, user)
            ))
            .await;
        place.sql(&format!("INSERT INTO workspaces (id, name, created_at) VALUES ({}, 'Other', 0)", quoted(place, own))).await;
        let ids = format!("{}, {}", quoted(place, workspace), quoted(place, user));
        place.sql(&format!("INSERT INTO memberships (workspace_id, user_id, role) VALUES ({ids}, '{role}')")).await;
        let (user, workspace) = (UserId::new(user), WorkspaceId::new(workspace));
        let member = Member { user, workspace, role, token_version: 0 };
        self.app.auth.open(member).await.unwrap().access_token
    }
}

impl Reply {
    #[track_caller]
    fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self.body
    }

    /// The problem, which must have this status and code.
    #[track_caller]
    fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.headers.get(header::CONTENT_TYPE).unwrap(), "application/problem+json", "{:#}", self.body);
        let body = self.expect(status);
        assert_eq!((&body["status"], &body["code"]), (&json!(status), &json!(code)), "{body:#}");
        assert!(body["title"].is_string() && body["type"].is_string() && body["detail"].is_string(), "{body:#}");
        body
    }
}

/// The settings of a server that is told nothing.
fn settings(data: &Data) -> Serve {
    #[derive(Parser)]
    struct Defaults {
        #[command(flatten)]
        serve: Serve,
    }
    Serve { data: data.clone(), jwt_key: None, admin_email: None, ..Defaults::parse_from(["test"]).serve }
}

/// A graph that puts out a constant.
fn constant(value: impl Into<Value>) -> Value {
    json!({
        "nodes": [{"id": "start", "type": "trigger.manual"}, {"id": "answer", "type": "set", "params": {"value": value.into()}}],
        "edges": [{"source": "start", "target": "answer"}],
    })
}

/// A graph of nodes that follow each other, each `[id, type, params]` with what else it has.
fn chain(nodes: Value) -> Value {
    let nodes = nodes.as_array().unwrap();
    let node = |node: &Value| {
        let mut made = json!({"id": node[0], "type": node[1], "params": node[2]});
        made.as_object_mut().unwrap().extend(node[3].as_object().cloned().unwrap_or_default());
        made
    };
    let edges: Vec<_> = nodes.windows(2).map(|pair| json!({"source": pair[0][0], "target": pair[1][0]})).collect();
    json!({"nodes": nodes.iter().map(node).collect::<Vec<_>>(), "edges": edges})
}

/// A UUID as each database writes it.
fn quoted(place: &Place, id: uuid::Uuid) -> String {
    match place.store.location() {
        flowforge_engine::Location::Sqlite(_) => format!("x'{}'", id.simple()),
        flowforge_engine::Location::Postgres(_) => format!("'{id}'"),
    }
}
