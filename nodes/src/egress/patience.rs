//! How long a connection may take to come about: each call decides, though all share a client.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tower::{BoxError, Layer, Service};

/// How long a connection may take when its call does not say.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

tokio::task_local! {
    static LIMIT: Duration;
}

/// Makes a call whose connection may take so long.
pub(super) async fn within<F: Future>(limit: Duration, call: F) -> F::Output {
    LIMIT.scope(limit, call).await
}

/// Ends what connects too slowly.
#[derive(Debug, Clone)]
pub(super) struct Patience;

impl<S> Layer<S> for Patience {
    type Service = Patient<S>;

    fn layer(&self, inner: S) -> Patient<S> {
        Patient(inner)
    }
}

/// A connector that is held to its time.
#[derive(Debug, Clone)]
pub(super) struct Patient<S>(S);

impl<S, R> Service<R> for Patient<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // The client begins to connect within the call that needs the connection.
        let limit = LIMIT.try_with(|limit| *limit).unwrap_or(CONNECT);
        let connecting = self.0.call(request);
        Box::pin(async move {
            let late = |_| {
                let message = format!("no connection came about within {} seconds", limit.as_secs_f64());
                io::Error::new(io::ErrorKind::TimedOut, message)
            };
            tokio::time::timeout(limit, connecting).await.map_err(late)?
        })
    }
}
