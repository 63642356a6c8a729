//! A client of `/api/v1` that is signed in.

use std::time::Duration;

use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

/// Talks to one server as one user.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    /// The request, for messages.
    pub request: String,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON; a string when it is something else.
    pub body: Value,
}

/// An HTTP client that keeps cookies and knows nothing of the product.
pub fn plain_http() -> reqwest::Client {
    // The second and later calls find a provider installed, which is as good.
    rustls::crypto::ring::default_provider().install_default().ok();
    let http = reqwest::Client::builder().cookie_store(true).no_proxy().timeout(Duration::from_secs(60));
    http.build().expect("a client")
}

impl Client {
    /// A client without a user. It keeps cookies.
    pub fn anonymous(base: &str) -> Self {
        Self { http: plain_http(), base: base.to_owned(), token: None }
    }

    /// Signs in.
    pub async fn login(base: &str, email: &str, password: &str) -> Self {
        let client = Self::anonymous(base);
        let reply = client.post("/auth/login", json!({"email": email, "password": password})).await;
        let token = reply.expect(200)["access_token"].as_str().expect("a token").to_owned();
        client.with_token(&token)
    }

    /// The same client with this bearer token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// `GET /api/v1{path}`.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST /api/v1{path}`.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// `PATCH /api/v1{path}`.
    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    /// `DELETE /api/v1{path}`.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// A request to `/api/v1{path}`, or to `path` itself when it starts with `//`, to be finished by the caller.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = match path.strip_prefix('/') {
            Some(outside) if outside.starts_with('/') => format!("{}{outside}", self.base),
            _ => format!("{}/api/v1{path}", self.base),
        };
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        self.try_send(request).await.expect("the server answers")
    }

    /// Like [`Self::send`], for a server that may be killed meanwhile.
    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> Result<Reply, reqwest::Error> {
        let request = request.build()?;
        let line = format!("{} {}", request.method(), request.url().path());
        let response = self.http.execute(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Reply { request: line, status, headers, body })
    }
}

impl Reply {
    /// The body, when the status is this one; panics with the whole answer otherwise.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {:#}", self.request, self.body);
        self.body
    }

    /// The problem, when it is one with this status and this code among its own or its `problems`.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        let kind = self.headers.get("content-type").map(|value| value.to_str().unwrap_or_default().to_owned());
        let body = self.expect(status);
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{body:#}");
        assert_eq!(body["status"], status, "{body:#}");
        assert!(body["title"].is_string() && body["type"].is_string(), "{body:#}");
        let listed = body["problems"].as_array().is_some_and(|all| all.iter().any(|one| one["code"] == code));
        assert!(body["code"] == code || listed, "no {code} in {body:#}");
        body
    }
}
