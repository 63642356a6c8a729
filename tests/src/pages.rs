//! A list that comes in pages, as many web services answer it.

use std::net::SocketAddr;

use axum::{
    Json,
    extract::Query,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// How many items the whole list has.
const ITEMS: u32 = 7;

/// A server on loopback: `GET /items?page=n&per_page=m` answers `[{"id": 1, "title": …}, …]`, and names the next page in `Link`.
#[derive(Debug)]
pub struct Pages {
    address: SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Page {
    page: u32,
    per_page: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { page: 1, per_page: 3 }
    }
}

impl Pages {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let router = axum::Router::new().route("/items", axum::routing::get(items));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("the pages are served") });
        Self { address, server }
    }

    /// Where the list begins.
    pub fn url(&self) -> String {
        format!("http://{}/items", self.address)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn items(Query(Page { page, per_page }): Query<Page>) -> Response {
    let first = (page.max(1) - 1) * per_page + 1;
    let items: Vec<Value> =
        (first..=ITEMS.min(first + per_page - 1)).map(|id| json!({"id": id, "title": format!("Item {id}")})).collect();
    let mut answer = Json(items).into_response();
    if first + per_page <= ITEMS {
        let next = format!("</items?page={}&per_page={per_page}>; rel=\"next\"", page + 1);
        answer.headers_mut().insert(header::LINK, next.parse().expect("a header"));
    }
    answer
}
