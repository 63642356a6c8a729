//! One statement, run through a portal: no more rows are read than may be put out.

use flowforge_core::node::NodeError;
use futures::TryStreamExt;
use serde_json::{Map, Value, json};
use tokio_postgres::{Column, Portal, Row, Statement, Transaction};

use super::{
    bind,
    build::Built,
    decode::{self, Raw},
    fault,
};

/// How many rows are asked for at once.
const CHUNK: usize = 200;

/// How much may be put out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Rows of one statement.
    pub(super) rows: usize,
    /// Bytes of all rows of the step, as JSON.
    pub(super) bytes: usize,
    /// Whether the rest is left out, instead of being an error.
    pub(super) truncates: bool,
}

/// Runs statements, and remembers how much has been put out.
pub(super) struct Reader<'t> {
    tx: &'t Transaction<'t>,
    limits: Limits,
    spent: usize,
}

/// What is known of the rows so far.
#[derive(Default)]
struct Found {
    rows: Vec<Value>,
    changed: u64,
    is_truncated: bool,
}

impl<'t> Reader<'t> {
    pub(super) fn new(tx: &'t Transaction<'t>, limits: Limits) -> Self {
        Self { tx, limits, spent: 0 }
    }

    /// Runs one statement and reads its rows.
    pub(super) async fn run(&mut self, built: &Built) -> Result<Value, NodeError> {
        let statement = self.tx.prepare(&built.sql).await.map_err(|fault| fault::told(&fault, &[]))?;
        let portal = self.bind(&statement, built).await?;
        let mut values = Vec::new();
        built.values.iter().for_each(|value| collect(value, &mut values));
        let told = |fault| fault::told(&fault, &values);
        let mut found = Found::default();
        while self.more(&portal, &mut found, &told).await? {}
        let columns = statement.columns().iter().map(|column| json!({"name": column.name(), "type": column.type_().name()}));
        let count = found.changed.max(found.rows.len() as u64);
        Ok(json!({
            "columns": columns.collect::<Vec<_>>(), "row_count": count, "truncated": found.is_truncated, "rows": found.rows,
        }))
    }

    async fn bind(&self, statement: &Statement, built: &Built) -> Result<Portal, NodeError> {
        let (wanted, given) = (statement.params().len(), built.values.len());
        if wanted != given {
            let message = format!("`parameters` holds {given} values, but the statement has {wanted} places for one");
            return Err(crate::params::invalid(message));
        }
        check_columns(statement.columns())?;
        let fields = built.values.iter().zip(&built.labels).zip(statement.params());
        let bound = fields.map(|((value, label), kind)| bind::bound(value, kind, label)).collect::<Result<Vec<_>, _>>()?;
        let mut values = Vec::new();
        built.values.iter().for_each(|value| collect(value, &mut values));
        let told = |fault| fault::of_values(&fault, &values, &built.labels);
        self.tx.bind_raw(statement, bound.iter()).await.map_err(told)
    }

    /// Reads on; answers whether there may be more.
    async fn more(
        &mut self,
        portal: &Portal,
        found: &mut Found,
        told: &impl Fn(tokio_postgres::Error) -> NodeError,
    ) -> Result<bool, NodeError> {
        // One more than may be put out tells whether there is more.
        let wanted = CHUNK.min(self.limits.rows + 1 - found.rows.len());
        let most = i32::try_from(wanted).unwrap_or(i32::MAX);
        let stream = self.tx.query_portal_raw(portal, most).await.map_err(told)?;
        let mut stream = std::pin::pin!(stream);
        let mut came = 0;
        while let Some(row) = stream.try_next().await.map_err(told)? {
            came += 1;
            if !self.take(&row, found)? {
                found.is_truncated = true;
                return Ok(false);
            }
        }
        found.changed = stream.rows_affected().unwrap_or(0);
        Ok(stream.rows_affected().is_none() && came > 0)
    }

    /// Keeps a row, if it may still be put out.
    fn take(&mut self, row: &Row, found: &mut Found) -> Result<bool, NodeError> {
        let Limits { rows, bytes, truncates } = self.limits;
        if found.rows.len() >= rows {
            let message =
                format!("there are more than the {rows} rows of `max_rows`; ask for less, or let `on_overflow` truncate");
            return if truncates { Ok(false) } else { Err(NodeError::fatal("POSTGRES_TOO_MANY_ROWS", message)) };
        }
        let row = object(row)?;
        self.spent += length(&row);
        if self.spent > bytes {
            return if truncates { Ok(false) } else { Err(too_large(bytes)) };
        }
        found.rows.push(row);
        Ok(true)
    }
}

/// Every text and number in a value: what no message may tell.
fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// More came than may be put out.
pub(super) fn too_large(bytes: usize) -> NodeError {
    let message = format!("the rows are larger than the {bytes} bytes of `max_bytes`; ask for less");
    NodeError::fatal("POSTGRES_RESULT_TOO_LARGE", message)
}

/// Before anything has run: rows are objects, and each value has a form.
fn check_columns(columns: &[Column]) -> Result<(), NodeError> {
    for (at, column) in columns.iter().enumerate() {
        let name = column.name();
        if columns[..at].iter().any(|before| before.name() == name) {
            let message = format!("two columns are called `{name}`; give them names of their own with AS");
            return Err(NodeError::fatal("POSTGRES_DUPLICATE_COLUMN", message));
        }
        if !decode::is_readable(column.type_()) {
            let message =
                format!("the column `{name}` is of the type {}, which is not read here: cast it with ::text", column.type_());
            return Err(NodeError::fatal("POSTGRES_UNREADABLE", message));
        }
    }
    Ok(())
}

fn object(row: &Row) -> Result<Value, NodeError> {
    let mut fields = Map::with_capacity(row.len());
    for (at, column) in row.columns().iter().enumerate() {
        let raw: Raw<'_> = row.try_get(at).map_err(|fault| fault::told(&fault, &[]))?;
        let value = decode::value(&raw, column.type_()).ok_or_else(|| {
            let message = format!("a value of the column `{}` is nothing that JSON can hold: cast it with ::text", column.name());
            NodeError::fatal("POSTGRES_UNREADABLE", message)
        })?;
        fields.insert(column.name().to_owned(), value);
    }
    Ok(Value::Object(fields))
}

/// How many bytes it is as JSON.
fn length(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}
