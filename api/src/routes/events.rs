//! A run's events as a stream: what has happened since a cursor, then what happens, until the run ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use flowforge_core::{RunId, Timestamp, UserId};
use flowforge_engine::FeedEvent;
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use crate::{
    app::App,
    auth::principal::Principal,
    error::{ApiError, ProblemBody, Result},
    extract::{Ids, Params},
    time::iso,
};

/// How often a comment tells both ends that the other one is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often it is checked that the reader is still signed in.
const CHECK: Duration = Duration::from_secs(30);
/// How many streams a person may have open at once.
const STREAMS_PER_USER: usize = 100;

/// Where the stream begins.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// Only events after this number; the header `Last-Event-ID` goes before it.
    after: Option<String>,
}

/// Streams the events of a run as server-sent events: `id` is the event's number in the run, dense from 1.
///
/// Reconnect with `Last-Event-ID` to go on without a gap. The stream ends after `run_finished`.
#[utoipa::path(get, path = "/runs/{id}/events", operation_id = "stream_events", tag = "runs",
    params(("id" = String, Path), EventQuery, ("Last-Event-ID" = Option<i64>, Header)),
    responses(
        (status = 200, description = "a stream of events", content_type = "text/event-stream", body = String),
        (status = 400, description = "the cursor is not a number", body = ProblemBody<'_>),
        (status = 404, body = ProblemBody<'_>),
        (status = 410, description = "`run_expired`: the workspace no longer keeps runs of that time", body = ProblemBody<'_>),
    ))]
pub(crate) async fn stream(
    State(app): State<App>,
    who: Principal,
    Ids(id): Ids<RunId>,
    Params(query): Params<EventQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let after = cursor(&headers, query.after.as_deref())?;
    app.store().run(who.workspace, id).await?;
    let place = app.streams.enter(who.user)?;
    let feed = app.engine.feed(who.workspace, id, after);
    let events = feed.take_until(until_gone(app, who)).scan(place, move |_, event| std::future::ready(frame(id, event)));
    let keep_alive = KeepAlive::new().interval(HEARTBEAT);
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, Sse::new(events).keep_alive(keep_alive)).into_response())
}

/// A stream ends early when the feed fails: the reader comes back with its cursor and misses nothing.
fn frame(run: RunId, event: flowforge_engine::Result<FeedEvent>) -> Option<Result<Event, axum::Error>> {
    match event {
        Ok(event) => Some(Event::default().id(event.seq.to_string()).event(event.kind).json_data(data(run, event))),
        Err(fault) => {
            tracing::error!(%run, "an event stream ends early: {fault}");
            None
        }
    }
}

/// What a frame says: the event's own fields after those that all events have.
fn data(run: RunId, event: FeedEvent) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("seq".to_owned(), event.seq.into());
    fields.insert("run_id".to_owned(), run.to_string().into());
    fields.insert("kind".to_owned(), event.kind.into());
    if let Some(node) = event.node {
        fields.insert("node_id".to_owned(), node.as_str().into());
        fields.insert("item".to_owned(), event.item.into());
    }
    if let Some(attempt) = event.attempt {
        fields.insert("attempt".to_owned(), attempt.into());
    }
    fields.insert("at".to_owned(), iso(event.at).into());
    fields.extend(event.data.into_iter().map(with_iso_time));
    fields
}

/// The feed has times as numbers; JSON for others has them as text everywhere.
fn with_iso_time((name, value): (String, Value)) -> (String, Value) {
    match value.as_i64() {
        Some(at) if matches!(name.as_str(), "wake_at" | "retry_at") => (name, iso(Timestamp(at)).into()),
        _ => (name, value),
    }
}

/// Done when the server stops or the reader is signed out.
async fn until_gone(app: App, who: Principal) {
    let closing = app.closing.clone();
    let signed_out = async {
        loop {
            tokio::time::sleep(CHECK).await;
            if !app.auth.is_still_in(&who).await {
                return;
            }
        }
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = signed_out => {}
    }
}

fn cursor(headers: &HeaderMap, after: Option<&str>) -> Result<i64> {
    let refuse = || {
        ApiError::bad_request(
            "invalid_cursor",
            "`Last-Event-ID` and `after` must be the `id` of an event: 0 or a positive number",
        )
    };
    let text = match headers.get("last-event-id") {
        Some(header) => Some(header.to_str().map_err(|_| refuse())?),
        None => after,
    };
    text.map_or(Ok(0), |text| text.parse::<i64>().ok().filter(|cursor| *cursor >= 0).ok_or_else(refuse))
}

/// How many streams each person has open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<UserId, usize>>>);

/// A stream that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    streams: Streams,
    user: UserId,
}

impl Streams {
    /// Opens a stream.
    ///
    /// # Errors
    /// When the person has too many open.
    pub(crate) fn enter(&self, user: UserId) -> Result<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(user).or_default();
        if *count >= STREAMS_PER_USER {
            return Err(ApiError::too_many(format!("{STREAMS_PER_USER} event streams are open; close some"), 5));
        }
        *count += 1;
        Ok(Place { streams: self.clone(), user })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[track_caller]
    fn check(header: Option<&str>, after: Option<&str>, expected: Option<i64>) {
        let mut headers = HeaderMap::new();
        if let Some(text) = header {
            headers.insert("last-event-id", text.parse().unwrap());
        }
        assert_eq!(cursor(&headers, after).ok(), expected, "{header:?} {after:?}");
    }

    #[test]
    fn cursors_are_numbers() {
        check(None, None, Some(0));
        check(None, Some("7"), Some(7));
        check(Some("9"), Some("7"), Some(9));
        for odd in ["", "one", "-1", "1.5", "9e99", "99999999999999999999", "1;drop"] {
            check(Some(odd), Some("7"), None);
        }
    }

    #[test]
    fn times_are_texts() {
        let told = with_iso_time(("wake_at".to_owned(), 1_795_158_000_123_i64.into()));
        assert_eq!(told.1, "2026-11-20T07:00:00.123Z");
        assert_eq!(with_iso_time(("wake_at".to_owned(), Value::Null)).1, Value::Null);
    }

    #[test]
    fn a_place_is_given_back() {
        let (streams, user) = (Streams::default(), UserId::new(Uuid::from_u128(1)));
        let places: Vec<_> = (0..STREAMS_PER_USER).map(|_| streams.enter(user).unwrap()).collect();
        assert!(streams.enter(user).is_err());
        drop(places);
        assert!(streams.enter(user).is_ok() && streams.0.lock().unwrap().is_empty());
    }
}
