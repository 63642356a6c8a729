//! Exactly once: the step's key is kept in the database that it changes, in the same transaction.

use flowforge_core::node::NodeError;
use serde_json::Value;
use tokio_postgres::{
    Client, Transaction,
    error::SqlState,
    types::{Json, Type},
};

use super::fault;

/// The table of keys. Rows may be removed when their runs can no longer be repeated.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS flowforge_effects \
    (key text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), result jsonb)";
const CLAIM: &str = "INSERT INTO flowforge_effects (key) VALUES ($1) ON CONFLICT (key) DO NOTHING";
const RECORD: &str = "UPDATE flowforge_effects SET result = $2 WHERE key = $1";

/// Makes the table of keys where it is missing.
pub(super) async fn prepare(client: &Client) -> Result<(), NodeError> {
    let exists = "SELECT to_regclass('flowforge_effects') IS NOT NULL";
    let told = |fault| fault::told(&fault, &[]);
    let row = client.query_typed_one(exists, &[]).await.map_err(told)?;
    if row.try_get(0).map_err(told)? {
        return Ok(());
    }
    match client.batch_execute(CREATE).await {
        Ok(()) => Ok(()),
        // Somebody else makes it at the same moment.
        Err(fault) if matches!(fault.code(), Some(&SqlState::UNIQUE_VIOLATION | &SqlState::DUPLICATE_TABLE)) => Ok(()),
        Err(fault) if fault.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            let message = format!("`once` needs a table that this user may not make; have its owner run: {CREATE}");
            Err(NodeError::fatal("POSTGRES_PERMISSION", message))
        }
        Err(fault) => Err(told(fault)),
    }
}

/// Takes the key for this transaction, and waits for another that holds it. When it was used before: what came of it then.
pub(super) async fn claim(tx: &Transaction<'_>, key: &str) -> Result<Option<Value>, NodeError> {
    let told = |fault| fault::told(&fault, &[]);
    if tx.execute_typed(CLAIM, &[(&key, Type::TEXT)]).await.map_err(told)? == 1 {
        return Ok(None);
    }
    let select = "SELECT result FROM flowforge_effects WHERE key = $1";
    let rows = tx.query_typed(select, &[(&key, Type::TEXT)]).await.map_err(told)?;
    let result: Option<Json<Value>> = match rows.first() {
        Some(row) => row.try_get(0).map_err(told)?,
        None => None,
    };
    let gone = || NodeError::retry("POSTGRES_EFFECT_UNKNOWN", "the table flowforge_effects lost this step's key just now");
    result.map(|Json(result)| Some(result)).ok_or_else(gone)
}

/// Keeps what came of it beside the key.
pub(super) async fn record(tx: &Transaction<'_>, key: &str, result: &Value) -> Result<(), NodeError> {
    let told = |fault| fault::told(&fault, &[]);
    let kept = tx.execute_typed(RECORD, &[(&key, Type::TEXT), (&Json(result), Type::JSONB)]).await.map_err(told)?;
    if kept == 1 {
        return Ok(());
    }
    Err(NodeError::fatal("POSTGRES_EFFECT_UNKNOWN", "the statements removed this step's key from flowforge_effects"))
}
