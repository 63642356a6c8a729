//! What the catalog says of a table: only what exists is written into a statement.

use flowforge_core::node::NodeError;
use tokio_postgres::{Transaction, types::Type};

use super::{decode, fault, name};

/// How many names an error lists.
const SHOWN: i64 = 30;
const FIND: &str = "SELECT c.oid, n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
    AND CASE WHEN $2::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $2 END";
const OTHERS: &str = "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') \
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
    AND pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE') ORDER BY n.nspname = $1 DESC, 1 LIMIT $2";
const COLUMNS: &str = "SELECT a.attname, pg_catalog.format_type(a.atttypid, -1), coalesce(nullif(t.typbasetype, 0), t.oid) \
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// A table and its columns.
pub(super) struct Table {
    schema: String,
    name: String,
    pub(super) columns: Vec<Column>,
}

/// A column.
pub(super) struct Column {
    pub(super) name: String,
    /// Its type as it is written in a statement, without the length that would cut a value off instead of refusing it.
    pub(super) kind: String,
    /// Whether its values can be read as they are sent.
    pub(super) is_readable: bool,
}

impl Table {
    /// Looks a table up.
    pub(super) async fn find(tx: &Transaction<'_>, text: &str) -> Result<Self, NodeError> {
        let told = |fault| fault::told(&fault, &[]);
        let (schema, name) = name::parts(text)?;
        let found = tx.query_typed(FIND, &[(&name, Type::TEXT), (&schema, Type::TEXT)]).await.map_err(told)?;
        let Some(row) = found.first() else { return Err(unknown(tx, schema.as_deref(), &name).await) };
        let (oid, schema): (u32, String) = (row.try_get(0).map_err(told)?, row.try_get(1).map_err(told)?);
        let rows = tx.query_typed(COLUMNS, &[(&oid, Type::OID)]).await.map_err(told)?;
        let column = |row: &tokio_postgres::Row| {
            let is_readable = Type::from_oid(row.try_get(2)?).is_some_and(|kind| decode::is_readable(&kind));
            Ok(Column { name: row.try_get(0)?, kind: row.try_get(1)?, is_readable })
        };
        let columns = rows.iter().map(column).collect::<Result<_, _>>().map_err(told)?;
        Ok(Self { schema, name, columns })
    }

    /// Its column of this name.
    pub(super) fn column(&self, name: &str, field: &str) -> Result<&Column, NodeError> {
        let name = name::checked(name, field)?;
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            let known: Vec<_> = self.columns.iter().map(|column| &*column.name).collect();
            let message =
                format!("`{field}`: {} has no column `{}`; it has: {}", self.shown(), name.escape_debug(), known.join(", "));
            NodeError::fatal("POSTGRES_UNKNOWN_COLUMN", message)
        })
    }

    /// As it stands in a statement.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", name::quoted(&self.schema), name::quoted(&self.name))
    }

    fn shown(&self) -> String {
        format!("the table {}.{}", self.schema, self.name)
    }
}

async fn unknown(tx: &Transaction<'_>, schema: Option<&str>, name: &str) -> NodeError {
    let others = tx.query_typed(OTHERS, &[(&schema, Type::TEXT), (&SHOWN, Type::INT8)]).await;
    let others: Vec<String> = match others {
        Ok(rows) => rows.iter().filter_map(|row| row.try_get(0).ok()).collect(),
        Err(fault) => return fault::told(&fault, &[]),
    };
    let known = if others.is_empty() { "none that this user may use".to_owned() } else { others.join(", ") };
    let wanted = schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"));
    NodeError::fatal("POSTGRES_UNKNOWN_TABLE", format!("there is no table `{}`; there are: {known}", wanted.escape_debug()))
}
