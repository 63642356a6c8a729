//! Statements that are made of parts: names are looked up and quoted, words come from lists, and every value is bound.

use flowforge_core::node::NodeError;
use serde_json::{Map, Value};
use tokio_postgres::Transaction;

use super::{
    name::{self, quoted},
    raw,
    statement::{Condition, Direction, Operator, Order, Rows, Statement},
    table::{Column, Table},
};
use crate::params::{Text, invalid};

/// The most values of one statement: the protocol counts them in 16 bits.
const MOST_VALUES: usize = 65_535;

/// A statement to be prepared, and the values to be bound, each with the name of its parameter.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
    pub(super) labels: Vec<String>,
}

impl Built {
    /// Makes a statement. A select without a limit asks for no more than `most` rows.
    pub(super) async fn of(tx: &Transaction<'_>, statement: Statement, most: u32) -> Result<Self, NodeError> {
        let mut built = Self::default();
        match statement {
            Statement::Query { sql, parameters } => {
                raw::check(&sql)?;
                built.labels = (1..=parameters.len()).map(|number| format!("parameters.{} (${number})", number - 1)).collect();
                (built.sql, built.values) = (sql, parameters);
            }
            Statement::Select { table, columns, conditions, order, limit, offset } => {
                let table = Table::find(tx, &table).await?;
                built.select(&table, &columns, conditions)?;
                built.order(&table, &order)?;
                write(&mut built.sql, &format!(" LIMIT {}", limit.unwrap_or(most)));
                write(&mut built.sql, &offset.map(|offset| format!(" OFFSET {offset}")).unwrap_or_default());
            }
            Statement::Insert { table, values, returning } => {
                let table = Table::find(tx, &table).await?;
                built.insert(&table, values)?;
                built.returning(&table, &returning)?;
            }
            Statement::Upsert { table, values, conflict, update, returning } => {
                let table = Table::find(tx, &table).await?;
                let given = built.insert(&table, values)?;
                built.conflict(&table, &given, &conflict, update.as_deref())?;
                built.returning(&table, &returning)?;
            }
            Statement::Update { table, values, conditions, all_rows, returning } => {
                limited(&conditions, all_rows)?;
                let table = Table::find(tx, &table).await?;
                built.update(&table, values)?;
                built.conditions(&table, conditions)?;
                built.returning(&table, &returning)?;
            }
            Statement::Delete { table, conditions, all_rows, returning } => {
                limited(&conditions, all_rows)?;
                let table = Table::find(tx, &table).await?;
                built.sql = format!("DELETE FROM {}", table.quoted());
                built.conditions(&table, conditions)?;
                built.returning(&table, &returning)?;
            }
        }
        if built.values.len() > MOST_VALUES {
            let message = format!("a statement can have {MOST_VALUES} values, not {}; use several", built.values.len());
            return Err(invalid(message));
        }
        Ok(built)
    }

    fn select(&mut self, table: &Table, columns: &[Text], conditions: Vec<Condition>) -> Result<(), NodeError> {
        let all = || table.columns.iter().map(read).collect();
        let columns: Vec<String> = if columns.is_empty() { all() } else { listed(table, columns, "columns")? };
        self.sql = format!("SELECT {} FROM {}", columns.join(", "), table.quoted());
        self.conditions(table, conditions)
    }

    /// Answers the columns that are given.
    fn insert(&mut self, table: &Table, values: Rows) -> Result<Vec<String>, NodeError> {
        let (rows, is_one) = match values {
            Rows::One(row) => (vec![row], true),
            Rows::Several(rows) => (rows, false),
        };
        let mut given: Vec<String> = Vec::new();
        for name in rows.iter().flat_map(Map::keys) {
            if !given.contains(name) {
                given.push(name.clone());
            }
        }
        if given.is_empty() {
            return Err(invalid("`values` names no column"));
        }
        let columns = given.iter().map(|name| table.column(name, "values")).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<_> = given.iter().map(|name| quoted(name)).collect();
        self.sql = format!("INSERT INTO {} ({}) VALUES ", table.quoted(), names.join(", "));
        for (at, mut row) in rows.into_iter().enumerate() {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| {
                    let label = if is_one { format!("values.{}", column.name) } else { format!("values.{at}.{}", column.name) };
                    row.remove(&column.name).map_or_else(|| "DEFAULT".to_owned(), |value| self.cast(value, label, column))
                })
                .collect();
            write(&mut self.sql, &format!("{}({})", if at == 0 { "" } else { ", " }, cells.join(", ")));
        }
        Ok(given)
    }

    fn conflict(&mut self, table: &Table, given: &[String], known_by: &[Text], update: Option<&[Text]>) -> Result<(), NodeError> {
        if known_by.is_empty() {
            return Err(invalid("`conflict` must name the columns by which a row is known"));
        }
        let target = names(table, known_by, "conflict")?;
        let changed: Vec<String> = match update {
            Some(update) => names(table, update, "update")?,
            None => given.iter().filter(|name| known_by.iter().all(|key| **key != ***name)).map(|name| quoted(name)).collect(),
        };
        write(&mut self.sql, &format!(" ON CONFLICT ({}) DO ", target.join(", ")));
        let set: Vec<_> = changed.iter().map(|column| format!("{column} = EXCLUDED.{column}")).collect();
        write(&mut self.sql, &if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", set.join(", ")) });
        Ok(())
    }

    fn update(&mut self, table: &Table, values: Map<String, Value>) -> Result<(), NodeError> {
        if values.is_empty() {
            return Err(invalid("`values` names no column"));
        }
        let mut set = Vec::new();
        for (name, value) in values {
            let column = table.column(&name, "values")?;
            set.push(format!("{} = {}", quoted(&name), self.cast(value, format!("values.{name}"), column)));
        }
        self.sql = format!("UPDATE {} SET {}", table.quoted(), set.join(", "));
        Ok(())
    }

    fn conditions(&mut self, table: &Table, conditions: Vec<Condition>) -> Result<(), NodeError> {
        for (at, Condition { column, operator, value }) in conditions.into_iter().enumerate() {
            let column = table.column(&column, &format!("where.{at}.column"))?;
            write(&mut self.sql, if at == 0 { " WHERE " } else { " AND " });
            let left = quoted(&column.name);
            let label = format!("where.{at}.value");
            let text = match operator {
                Operator::IsNull => format!("{left} IS NULL"),
                Operator::IsNotNull => format!("{left} IS NOT NULL"),
                _ if value.is_null() => {
                    return Err(invalid(format!(
                        "`{label}` is null, which nothing is compared with: use is_null or is_not_null"
                    )));
                }
                Operator::In | Operator::NotIn if !value.is_array() => return Err(invalid(format!("`{label}` must be a list"))),
                Operator::In => format!("{left} = ANY ({})", self.bind(value, label)),
                Operator::NotIn => format!("{left} <> ALL ({})", self.bind(value, label)),
                _ => format!("{left} {} {}", symbol(operator), self.bind(value, label)),
            };
            write(&mut self.sql, &text);
        }
        Ok(())
    }

    fn order(&mut self, table: &Table, order: &[Order]) -> Result<(), NodeError> {
        for (at, Order { column, direction }) in order.iter().enumerate() {
            let column = table.column(column, &format!("order.{at}.column"))?;
            write(&mut self.sql, if at == 0 { " ORDER BY " } else { ", " });
            let way = match direction {
                Direction::Asc => "ASC",
                Direction::Desc => "DESC",
            };
            write(&mut self.sql, &format!("{} {way}", quoted(&column.name)));
        }
        Ok(())
    }

    fn returning(&mut self, table: &Table, columns: &[Text]) -> Result<(), NodeError> {
        if !columns.is_empty() {
            write(&mut self.sql, &format!(" RETURNING {}", listed(table, columns, "returning")?.join(", ")));
        }
        Ok(())
    }

    /// A value of a column's type.
    fn cast(&mut self, value: Value, label: String, column: &Column) -> String {
        format!("{}::{}", self.bind(value, label), column.kind)
    }

    fn bind(&mut self, value: Value, label: String) -> String {
        self.values.push(value);
        self.labels.push(label);
        format!("${}", self.values.len())
    }
}

/// What changes or removes rows says which, or says that all are meant: a template that leads nowhere must not empty a table.
fn limited(conditions: &[Condition], all_rows: bool) -> Result<(), NodeError> {
    match (conditions.is_empty(), all_rows) {
        (true, false) => Err(invalid("`where` has no condition; add one, or set `all_rows` if every row is meant")),
        (false, true) => Err(invalid("`all_rows` cannot stand beside `where`; remove one of them")),
        _ => Ok(()),
    }
}

fn symbol(operator: Operator) -> &'static str {
    match operator {
        Operator::Ne => "<>",
        Operator::Lt => "<",
        Operator::Le => "<=",
        Operator::Gt => ">",
        Operator::Ge => ">=",
        Operator::Like => "LIKE",
        Operator::Ilike => "ILIKE",
        _ => "=",
    }
}

/// A column as it is read: as text when its type has no other form here.
fn read(column: &Column) -> String {
    let name = quoted(&column.name);
    if column.is_readable { name } else { format!("{name}::text AS {name}") }
}

fn listed(table: &Table, columns: &[Text], field: &str) -> Result<Vec<String>, NodeError> {
    columns.iter().enumerate().map(|(at, name)| Ok(read(table.column(name, &format!("{field}.{at}"))?))).collect()
}

fn names(table: &Table, columns: &[Text], field: &str) -> Result<Vec<String>, NodeError> {
    let name = |(at, name): (usize, &Text)| Ok(name::quoted(&table.column(name, &format!("{field}.{at}"))?.name));
    columns.iter().enumerate().map(name).collect()
}

fn write(sql: &mut String, text: &str) {
    sql.push_str(text);
}
