//! Reads and changes a PostgreSQL database.
//!
//! Names are looked up in the catalog and quoted, values are bound, SQL is never made of values. All statements of a step are one
//! transaction. With `once`, the step's key is kept in that transaction: a second attempt changes nothing and puts out the same.

mod bind;
mod build;
mod decode;
mod fault;
mod link;
mod meter;
mod name;
mod once;
mod raw;
mod rows;
mod statement;
mod table;
mod target;
mod tls;

use std::{sync::Arc, time::Duration};

use flowforge_core::node::{Context, Group, Node, NodeError, NodeSpec, Outcome};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_postgres::{Client, IsolationLevel, Transaction, types::Type};

pub use self::target::OwnDatabase;
use self::{
    build::Built,
    link::Link,
    rows::{Limits, Reader},
    statement::Statement,
    target::{Target, Tls},
};
use crate::{
    egress::Egress,
    params::{Text, invalid, optional, or_default},
    services::Services,
};

/// How long a step may take when its author does not say, in seconds.
const USUAL_TIMEOUT_S: f64 = 30.0;
/// How many rows a statement may put out when its author does not say, and at most.
const USUAL_ROWS: u32 = 1_000;
const MOST_ROWS: u32 = 100_000;
/// How many bytes of rows a step may put out when its author does not say, and at most.
const USUAL_BYTES: u32 = 4 << 20;
const MOST_BYTES: u32 = 64 << 20;
/// How many statements a step can have.
const MOST_STATEMENTS: usize = 100;
/// What may come in beside rows: the server's greetings and the catalog.
const BESIDE_ROWS: u64 = 8 << 20;
/// Sets what the server knows and this user may set, for the transaction.
const SET: &str = "SELECT pg_catalog.set_config(s.name, g.value, true) FROM unnest($1::text[], $2::text[]) \
    AS g (name, value) JOIN pg_catalog.pg_settings s ON s.name = g.name WHERE s.context = 'user'";

/// Which database, and what to do there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["statement"]}, {"required": ["statements"]}]))]
pub(crate) struct Params {
    /// Everything about the connection in one, best as `{{ secrets.NAME }}`: `postgres://user:password@host:5432/database`.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "secret"))]
    url: Text,
    /// The server, when there is no URL.
    #[serde(default, deserialize_with = "or_default")]
    host: Text,
    /// Its port; 5432 when absent.
    #[serde(default, deserialize_with = "optional")]
    port: Option<u16>,
    /// The database.
    #[serde(default, deserialize_with = "or_default")]
    database: Text,
    /// The role that signs in. It should be allowed no more than its steps need. What the server itself says of a value that does not
    /// fit, it also writes into its own log, unless whoever runs it forbids that: `ALTER ROLE … SET log_min_messages = fatal`.
    #[serde(default, deserialize_with = "or_default")]
    user: Text,
    /// Its password, best as `{{ secrets.NAME }}`.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "secret"))]
    password: Text,
    /// How the connection is protected; `require` when absent, and `prefer` for networks that the server's operator has named.
    #[serde(default, deserialize_with = "optional")]
    tls: Option<Tls>,
    /// The certificate (PEM) that the server's must come from, instead of the system's list.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(extend("x-widget" = "textarea"))]
    ca_certificate: Text,
    /// What to do.
    #[serde(default, deserialize_with = "optional")]
    statement: Option<Statement>,
    /// Or several statements, one after the other in one transaction: all of them count, or none.
    #[serde(default, deserialize_with = "or_default")]
    statements: Vec<Statement>,
    /// How strictly the transaction is kept apart from others.
    #[serde(default, deserialize_with = "or_default")]
    isolation: Isolation,
    /// Whether the server is to refuse every change.
    #[serde(default, deserialize_with = "or_default")]
    read_only: bool,
    /// Whether a step that is attempted again after a crash changes nothing the second time: its key is kept in the table
    /// `flowforge_effects` of the same database, which is made when it is missing.
    #[serde(default, deserialize_with = "or_default")]
    once: bool,
    /// The most rows that a statement may put out; 1,000 when absent, at most 100,000.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 100_000))]
    max_rows: Option<u32>,
    /// The most bytes that the rows may take as JSON; 4 MiB when absent, at most 64 MiB.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 1, max = 67_108_864))]
    max_bytes: Option<u32>,
    /// What more rows mean.
    #[serde(default, deserialize_with = "or_default")]
    on_overflow: Overflow,
    /// The longest that connecting and all statements may take, in seconds; 30 when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0.1, max = 3600))]
    timeout_s: Option<f64>,
    /// The longest to wait for a row or a table that somebody else holds, in seconds; as long as the step when absent.
    #[serde(default, deserialize_with = "optional")]
    #[schemars(range(min = 0.001, max = 3600))]
    lock_timeout_s: Option<f64>,
}

/// How strictly transactions are kept apart.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Isolation {
    /// Each statement sees what was committed before it began.
    #[default]
    ReadCommitted,
    /// All statements see what was committed before the first began.
    RepeatableRead,
    /// As if there were no others at the same time; a collision fails and may be tried again.
    Serializable,
}

/// What more rows than may be put out mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Overflow {
    /// The step fails, and nothing has changed.
    #[default]
    Error,
    /// The rest is left out, and `truncated` says so. What the statement changes is changed all the same.
    Truncate,
}

/// What is to be done, checked as far as it can be without the database.
struct Job {
    statements: Vec<Statement>,
    is_list: bool,
    isolation: IsolationLevel,
    read_only: bool,
    /// The key, when it is to be done once.
    key: Option<Arc<str>>,
    limits: Limits,
    limit: Duration,
    lock_limit: Option<Duration>,
}

/// The node.
pub(crate) struct PostgresQuery {
    egress: Arc<Egress>,
    own: Option<Arc<OwnDatabase>>,
}

impl PostgresQuery {
    pub(crate) fn new(services: &Services) -> Self {
        Self { egress: services.egress(), own: services.own_database() }
    }
}

impl Node for PostgresQuery {
    const SPEC: NodeSpec = NodeSpec {
        kind: "postgres.query",
        title: "PostgreSQL",
        description: "Reads and changes a PostgreSQL database, in one transaction.",
        group: Group::Effects,
        icon: "database",
        scripts: &["statement.sql", "statements.*.sql"],
        timeout_s: 300,
        ..NodeSpec::BASE
    };
    type Params = Params;

    async fn run(&self, params: Params, cx: &Context) -> Result<Outcome, NodeError> {
        let target = Target::of(&params)?;
        let job = Job::of(params, cx)?;
        cx.check_secret_host(&target.host)?;
        let limit = job.limit;
        let exchange = async {
            let bytes = BESIDE_ROWS + 2 * job.limits.bytes as u64;
            let link = Link::open(&self.egress, self.own.as_deref(), &target, bytes).await?;
            link.serve(Box::new(|client| Box::pin(work(client, job)))).await
        };
        let late = |_| {
            let message =
                format!("{} took longer than {} seconds; what was begun is undone", target.shown(), limit.as_secs_f64());
            NodeError::retry("POSTGRES_TIMEOUT", message)
        };
        timeout(limit, Box::pin(exchange)).await.map_err(late)?.map(Outcome::done)
    }

    fn output_schema() -> Value {
        json!({"type": "object", "description": "Of `statements`, the `results` in their order; of `statement`, its own.",
            "properties": {
            "rows": {"type": "array", "items": {"type": "object"},
                "description": "By column. Integers beyond 2^53 and numeric are text; times are RFC 3339; bytes are base64."},
            "row_count": {"type": "integer", "description": "How many rows were read or changed."},
            "columns": {"type": "array", "items": {"type": "object",
                "properties": {"name": {"type": "string"}, "type": {"type": "string"}}}},
            "truncated": {"type": "boolean", "description": "Whether there were more rows."},
            "results": {"type": "array", "items": {"type": "object"}}}})
    }
}

impl Job {
    fn of(params: Params, cx: &Context) -> Result<Self, NodeError> {
        let (statements, is_list) = match (params.statement, params.statements) {
            (Some(statement), several) if several.is_empty() => (vec![statement], false),
            (Some(_), _) => return Err(invalid("`statements` cannot stand beside `statement`; remove one of them")),
            (None, several) => (several, true),
        };
        if !(1..=MOST_STATEMENTS).contains(&statements.len()) {
            return Err(invalid(format!("there must be 1 to {MOST_STATEMENTS} statements, not {}", statements.len())));
        }
        if params.once && params.read_only {
            return Err(invalid("`once` is for changes: remove it, or `read_only`"));
        }
        let limits = Limits {
            rows: within("max_rows", params.max_rows, USUAL_ROWS, MOST_ROWS)?,
            bytes: within("max_bytes", params.max_bytes, USUAL_BYTES, MOST_BYTES)?,
            truncates: params.on_overflow == Overflow::Truncate,
        };
        Ok(Self {
            statements,
            is_list,
            isolation: match params.isolation {
                Isolation::ReadCommitted => IsolationLevel::ReadCommitted,
                Isolation::RepeatableRead => IsolationLevel::RepeatableRead,
                Isolation::Serializable => IsolationLevel::Serializable,
            },
            read_only: params.read_only,
            key: params.once.then(|| cx.effect_key.clone()),
            limits,
            limit: seconds("timeout_s", params.timeout_s.unwrap_or(USUAL_TIMEOUT_S))?,
            lock_limit: params.lock_timeout_s.map(|given| seconds("lock_timeout_s", given)).transpose()?,
        })
    }
}

fn within(name: &str, given: Option<u32>, usual: u32, most: u32) -> Result<usize, NodeError> {
    let value = given.unwrap_or(usual);
    if !(1..=most).contains(&value) {
        return Err(invalid(format!("`{name}` must be 1 to {most}, not {value}")));
    }
    usize::try_from(value).map_err(|_| invalid(format!("`{name}` is too large")))
}

fn seconds(name: &str, given: f64) -> Result<Duration, NodeError> {
    if !(0.001..=3_600.0).contains(&given) {
        return Err(invalid(format!("`{name}` must be 0.001 to 3600, not {given}")));
    }
    Ok(Duration::from_secs_f64(given))
}

/// The whole transaction.
async fn work(mut client: Client, job: Job) -> Result<Value, NodeError> {
    link::check_foreign(&client).await?;
    if job.key.is_some() {
        once::prepare(&client).await?;
    }
    let told = |fault| fault::told(&fault, &[]);
    let begin = client.build_transaction().isolation_level(job.isolation).read_only(job.read_only);
    let tx = begin.start().await.map_err(told)?;
    settle(&tx, &job).await?;
    if let Some(key) = &job.key
        && let Some(before) = once::claim(&tx, key).await?
    {
        return Ok(before);
    }
    let mut results = Vec::new();
    let mut reader = Reader::new(&tx, job.limits);
    let most = u32::try_from(job.limits.rows).unwrap_or(u32::MAX).saturating_add(1);
    for (at, statement) in job.statements.into_iter().enumerate() {
        let done = async { reader.run(&Built::of(&tx, statement, most).await?).await };
        let placed = |fault: NodeError| if job.is_list { placed(fault, at) } else { fault };
        results.push(Box::pin(done).await.map_err(placed)?);
    }
    let result = if job.is_list { json!({"results": results}) } else { results.pop().unwrap_or_default() };
    if let Some(key) = &job.key {
        once::record(&tx, key, &result).await?;
    }
    tx.commit().await.map_err(|fault| uncertain(told(fault), job.key.is_some()))?;
    Ok(result)
}

/// Which of several statements failed.
fn placed(fault: NodeError, at: usize) -> NodeError {
    NodeError { message: format!("`statements.{at}`: {}", fault.message), ..fault }
}

/// A connection that is lost with the last word leaves open whether it was heard.
fn uncertain(fault: NodeError, is_once: bool) -> NodeError {
    if fault.code != "POSTGRES_CONNECTION" || is_once {
        return fault;
    }
    let message = format!("{}; whether the transaction was committed is not known: `once` would tell", fault.message);
    NodeError { message, ..fault }
}

/// Limits and forms that hold for this transaction and for no other that a pooler may put on the same session.
async fn settle(tx: &Transaction<'_>, job: &Job) -> Result<(), NodeError> {
    let limit = job.limit.as_millis().to_string();
    let mut settings = vec![
        ("statement_timeout", limit.clone()),
        ("idle_in_transaction_session_timeout", limit),
        // A process that dies cannot cancel: then the server itself sees that nobody listens any more.
        ("client_connection_check_interval", "1000".to_owned()),
        ("log_parameter_max_length_on_error", "0".to_owned()),
        ("TimeZone", "UTC".to_owned()),
        ("DateStyle", "ISO, YMD".to_owned()),
    ];
    settings.extend(job.lock_limit.map(|limit| ("lock_timeout", limit.as_millis().to_string())));
    let (names, values): (Vec<&str>, Vec<String>) = settings.into_iter().unzip();
    let values = tx.query_typed(SET, &[(&names, Type::TEXT_ARRAY), (&values, Type::TEXT_ARRAY)]).await;
    values.map(drop).map_err(|fault| fault::told(&fault, &[]))
}

#[cfg(test)]
mod tests;
