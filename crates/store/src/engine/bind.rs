//! Parameters given to a statement.
//!
//! In: a statement text of our own making, values. Out: the query of the engine. Values never become part of the text, so that it
//! cannot be injected into.

use super::Value;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Postgres, Sqlite};

/// A statement for PostgreSQL.
pub(super) type PostgresQuery<'q> = Query<'q, Postgres, PgArguments>;

pub(super) fn sqlite_query<'q>(sql: &str, values: &[Value]) -> Query<'q, Sqlite, SqliteArguments> {
    let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(sql)).persistent(values.len() <= 32);
    for value in values {
        query = match value {
            Value::Int(n) => query.bind(*n),
            Value::Text(text) => query.bind(text.clone()),
            Value::Blob(bytes) => query.bind(bytes.clone()),
        };
    }
    query
}

pub(super) fn postgres_query<'q>(sql: &str, values: &[Value]) -> PostgresQuery<'q> {
    let query = sqlx::query::<Postgres>(AssertSqlSafe(sql)).persistent(values.len() <= 32);
    bind_each(query, values)
}

/// Binds rows column by column. All values of a column are of one kind.
pub(super) fn postgres_table<'q>(sql: &str, columns: usize, values: &[Value]) -> PostgresQuery<'q> {
    bind_columns(sqlx::query::<Postgres>(AssertSqlSafe(sql)), columns, values)
}

pub(super) fn postgres_type(value: &Value) -> &'static str {
    match value {
        Value::Int(_) => "BIGINT",
        Value::Text(_) => "TEXT",
        Value::Blob(_) => "BYTEA",
    }
}

/// Binds values one by one.
pub(super) fn bind_each<'q>(query: PostgresQuery<'q>, values: &[Value]) -> PostgresQuery<'q> {
    values.iter().fold(query, |query, value| match value {
        Value::Int(n) => query.bind(*n),
        Value::Text(text) => query.bind(text.as_str()),
        Value::Blob(bytes) => query.bind(bytes.as_slice()),
    })
}

/// Binds each column of rows as one array.
pub(super) fn bind_columns<'q>(mut query: PostgresQuery<'q>, columns: usize, values: &[Value]) -> PostgresQuery<'q> {
    for (n, first) in values.iter().take(columns).enumerate() {
        let column = values.iter().skip(n).step_by(columns);
        query = match first {
            Value::Int(_) => query
                .bind(column.filter_map(|v| if let Value::Int(n) = v { Some(*n) } else { None }).collect::<Vec<_>>()),
            Value::Text(_) => query.bind(
                column
                    .filter_map(|v| if let Value::Text(text) = v { Some(text.as_str()) } else { None })
                    .collect::<Vec<_>>(),
            ),
            Value::Blob(_) => query.bind(
                column
                    .filter_map(|v| if let Value::Blob(bytes) = v { Some(bytes.as_slice()) } else { None })
                    .collect::<Vec<_>>(),
            ),
        };
    }
    query
}
