//! The statements that an author may give: what they are called in parameters.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::params::{Text, optional, or_default};

/// One statement.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Statement {
    /// Reads rows of a table.
    Select {
        /// The table, perhaps with its schema: `orders` or `sales.orders`. A part that holds a dot itself stands in `"…"`.
        #[schemars(extend("x-widget" = "template", "x-placeholder" = "sales.orders"))]
        table: Text,
        /// The columns to read; all of them when absent.
        #[serde(default, deserialize_with = "or_default")]
        columns: Vec<Text>,
        /// Which rows: those for which every condition holds.
        #[serde(default, rename = "where", deserialize_with = "or_default")]
        conditions: Vec<Condition>,
        /// In which order.
        #[serde(default, deserialize_with = "or_default")]
        order: Vec<Order>,
        /// At most so many rows.
        #[serde(default, deserialize_with = "optional")]
        limit: Option<u32>,
        /// So many rows are left out first.
        #[serde(default, deserialize_with = "optional")]
        offset: Option<u32>,
    },
    /// Adds rows to a table.
    Insert {
        /// The table, perhaps with its schema: `orders` or `sales.orders`.
        #[schemars(extend("x-widget" = "template", "x-placeholder" = "sales.orders"))]
        table: Text,
        /// A value for each column, or a list of such rows. A column that is left out gets its default.
        #[schemars(extend("x-widget" = "json"))]
        values: Rows,
        /// The columns to put out for each row that was added.
        #[serde(default, deserialize_with = "or_default")]
        returning: Vec<Text>,
    },
    /// Changes rows of a table.
    Update {
        /// The table, perhaps with its schema: `orders` or `sales.orders`.
        #[schemars(extend("x-widget" = "template", "x-placeholder" = "sales.orders"))]
        table: Text,
        /// The new value of each column that changes.
        #[schemars(extend("x-widget" = "json"))]
        values: Map<String, Value>,
        /// Which rows: those for which every condition holds.
        #[serde(default, rename = "where", deserialize_with = "or_default")]
        conditions: Vec<Condition>,
        /// Whether every row may be meant: without it a condition is required.
        #[serde(default, deserialize_with = "or_default")]
        all_rows: bool,
        /// The columns to put out for each row that was changed.
        #[serde(default, deserialize_with = "or_default")]
        returning: Vec<Text>,
    },
    /// Adds rows to a table, and changes those that are there already.
    Upsert {
        /// The table, perhaps with its schema: `orders` or `sales.orders`.
        #[schemars(extend("x-widget" = "template", "x-placeholder" = "sales.orders"))]
        table: Text,
        /// A value for each column, or a list of such rows.
        #[schemars(extend("x-widget" = "json"))]
        values: Rows,
        /// The columns by which a row is known; the table needs a unique index over exactly these.
        conflict: Vec<Text>,
        /// The columns to change in a row that is there already: all that are given, when absent; none, for an empty list.
        #[serde(default, deserialize_with = "optional")]
        update: Option<Vec<Text>>,
        /// The columns to put out for each row that was added or changed.
        #[serde(default, deserialize_with = "or_default")]
        returning: Vec<Text>,
    },
    /// Removes rows from a table.
    Delete {
        /// The table, perhaps with its schema: `orders` or `sales.orders`.
        #[schemars(extend("x-widget" = "template", "x-placeholder" = "sales.orders"))]
        table: Text,
        /// Which rows: those for which every condition holds.
        #[serde(default, rename = "where", deserialize_with = "or_default")]
        conditions: Vec<Condition>,
        /// Whether every row may be meant: without it a condition is required.
        #[serde(default, deserialize_with = "or_default")]
        all_rows: bool,
        /// The columns to put out for each row that was removed.
        #[serde(default, deserialize_with = "or_default")]
        returning: Vec<Text>,
    },
    /// Runs a statement of your own. The role that signs in should be allowed no more than it needs.
    Query {
        /// One statement, with `$1`, `$2` and so on where values belong. `{{` has no meaning in it: values come in by `parameters`
        /// only, so no value can become SQL.
        #[schemars(extend("x-widget" = "code", "x-language" = "sql", "x-placeholder" = "SELECT id, total FROM orders WHERE customer = $1"))]
        sql: String,
        /// The values of `$1`, `$2` and so on.
        #[serde(default, deserialize_with = "or_default")]
        #[schemars(extend("x-widget" = "json"))]
        parameters: Vec<Value>,
    },
}

/// One row or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Rows {
    /// One row: a value for each column.
    One(Map<String, Value>),
    /// Several rows.
    Several(Vec<Map<String, Value>>),
}

/// What must hold of a row.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    /// The column.
    pub(super) column: Text,
    /// How it is compared.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) operator: Operator,
    /// With what: a list for `in` and `not_in`, nothing for `is_null` and `is_not_null`.
    #[serde(default)]
    #[schemars(extend("x-widget" = "literal"))]
    pub(super) value: Value,
}

/// How a column is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Operator {
    /// Equal.
    #[default]
    Eq,
    /// Not equal; rows without a value are no match.
    Ne,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
    /// Matches a pattern with `%` and `_`.
    Like,
    /// Matches a pattern, whatever the case of its letters.
    Ilike,
    /// Is one of a list.
    In,
    /// Is none of a list.
    NotIn,
    /// Has no value.
    IsNull,
    /// Has a value.
    IsNotNull,
}

/// A column to sort by.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// The column.
    pub(super) column: Text,
    /// Which way.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) direction: Direction,
}

/// Which way to sort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    /// The smallest first.
    #[default]
    Asc,
    /// The greatest first.
    Desc,
}
