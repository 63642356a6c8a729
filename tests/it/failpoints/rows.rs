//! What is on disk of a run in the end, without what differs from one undisturbed run to the next.

use flowforge_tests::Client;
use reqwest::Method;
use serde_json::{Map, Value, json};

/// The fields of a run that have to be the same.
const RUN: &[&str] = &["status", "output", "error", "response", "trigger", "input", "version", "depth", "priority"];
/// The fields of an attempt that have to be the same.
const STEP: &[&str] =
    &["node_id", "item", "attempt", "retry_count", "status", "port", "input", "output", "error", "awaiting", "kept"];
/// Fields of the ledger's answers that differ each time, of what carries a step's key, and of what a turn more costs.
const FRESH: &[&str] =
    &["n", "at_ms", "content-length", "message_id", "ts", "host", "late_s", "transcript", "cost_usd", "usage", "turns"];

/// A run as it stands, with its steps and the runs that they have started.
///
/// # Errors
/// When the server is gone.
pub(super) async fn rows(client: &Client, run: &str) -> reqwest::Result<Value> {
    let get = async |path: String| Ok(client.try_send(client.request(Method::GET, &path)).await?.expect(200));
    let record: Value = get(format!("/runs/{run}")).await?;
    let listed = get(format!("/runs/{run}/steps")).await?;
    let mut steps: Vec<_> = items(&listed).iter().map(|step| only(step, STEP)).collect();
    steps.sort_by_key(|step| (step["node_id"].to_string(), step["attempt"].as_u64()));
    let mut children = Vec::new();
    for child in items(&get(format!("/runs?limit=200&parent={run}")).await?) {
        let place = json!([child["parent"]["node_id"], child["parent"]["attempt"], child["parent"]["index"]]);
        let id = child["id"].as_str().expect("an id").to_owned();
        children.push(json!({"place": place, "rows": Box::pin(rows(client, &id)).await?}));
    }
    Ok(json!({"run": only(&record, RUN), "steps": steps, "children": children}))
}

/// The items of a list.
pub(super) fn items(listed: &Value) -> &[Value] {
    listed["items"].as_array().expect("a list")
}

fn only(value: &Value, fields: &[&str]) -> Value {
    fields.iter().map(|field| ((*field).to_owned(), value[*field].clone())).collect::<Map<_, _>>().into()
}

/// The same without ids, times, keys and the case's name.
pub(super) fn plain(value: &Value, case: &str) -> Value {
    match value {
        Value::Object(fields) => {
            let plain = |(name, field): (&String, &Value)| {
                let fresh = FRESH.contains(&name.as_str());
                (name.clone(), if fresh { Value::Null } else { plain(field, case) })
            };
            fields.iter().map(plain).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(|item| plain(item, case)).collect(),
        Value::String(text) if is_fresh(text) => json!("…"),
        Value::String(text) => json!(text.replace(case, "CASE")),
        other => other.clone(),
    }
}

/// Whether a text is an id, a hash, a key or a time.
fn is_fresh(text: &str) -> bool {
    let bare = ["run_", "wf_", "dlv_", "ff-"].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    let digits: String = bare.chars().filter(|c| *c != '-').collect();
    let is_hex = matches!(digits.len(), 32 | 40) && digits.chars().all(|c| c.is_ascii_hexdigit());
    is_hex || is_time(text)
}

/// Like `2027-01-31T09:00:00Z`, or like the `Date` of HTTP.
fn is_time(text: &str) -> bool {
    let begins_with_year = text.len() > 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T';
    begins_with_year && text.ends_with('Z') || text.len() == 29 && text.ends_with(" GMT")
}

/// The nonces of the ledger's answers, wherever they stand.
pub(super) fn nonces(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("nonce").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(nonces)).collect()
        }
        Value::Array(items) => items.iter().flat_map(nonces).collect(),
        _ => Vec::new(),
    }
}

/// Where two values differ first.
pub(super) fn difference(wanted: &Value, found: &Value) -> Option<String> {
    differ("", wanted, found)
}

fn differ(path: &str, wanted: &Value, found: &Value) -> Option<String> {
    match (wanted, found) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().find_map(|(name, value)| differ(&format!("{path}/{name}"), value, &b[name]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.into_iter().find_map(|(place, (a, b))| differ(&format!("{path}/{place}"), a, b))
        }
        _ => (wanted != found).then(|| format!("{path}: undisturbed {wanted}, after the crash {found}")),
    }
}
