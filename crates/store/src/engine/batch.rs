//! Statements that are sent together.
//!
//! In: statements that give nothing back. Out: for PostgreSQL one statement, which is one message to the server and one back.
//! They all see what was there before the first of them, and no two may write the same rows.

use super::bind::{PostgresQuery, bind_columns, bind_each, postgres_type};
use super::{Result, Tx, Value};
use sqlx::{AssertSqlSafe, Postgres};

/// Statements to be run at a moment of the engine's own choice, before the transaction is committed.
#[derive(Debug, Default)]
pub(crate) struct Batch(Vec<Statement>);

#[derive(Debug)]
struct Statement {
    /// With `$1` parameters; the beginning of an INSERT where there are rows.
    sql: String,
    /// Values of a row; 0 = the values are parameters.
    columns: usize,
    values: Vec<Value>,
}

impl Batch {
    /// Adds a statement that writes.
    pub(crate) fn run(&mut self, sql: impl Into<String>, values: &[Value]) {
        self.0.push(Statement { sql: sql.into(), columns: 0, values: values.to_vec() });
    }

    /// Adds rows of `columns` values each: `head` (…),(…).
    pub(crate) fn insert(&mut self, head: &str, columns: usize, values: Vec<Value>) {
        if !values.is_empty() {
            self.0.push(Statement { sql: head.to_owned(), columns, values });
        }
    }
}

impl Tx {
    /// Runs the statements of a batch.
    pub(crate) async fn run_together(&mut self, batch: Batch) -> Result<()> {
        let Self::Postgres(tx) = self else {
            for Statement { sql, columns, values } in batch.0 {
                match columns {
                    0 => self.run(&sql, &values).await.map(drop)?,
                    columns => self.insert(&sql, columns, &values, "").await.map(drop)?,
                }
            }
            return Ok(());
        };
        if batch.0.is_empty() {
            return Ok(());
        }
        let sql = together(&batch.0);
        let query = batch.0.iter().fold(sqlx::query::<Postgres>(AssertSqlSafe(sql)), bind);
        query.execute(&mut **tx).await?;
        Ok(())
    }
}

fn bind<'q>(query: PostgresQuery<'q>, statement: &Statement) -> PostgresQuery<'q> {
    match statement.columns {
        0 => bind_each(query, &statement.values),
        columns => bind_columns(query, columns, &statement.values),
    }
}

/// Writes statements as one: each is a table of the next, from which nothing is read.
fn together(statements: &[Statement]) -> String {
    let (mut parts, mut before) = (Vec::with_capacity(statements.len()), 0);
    for (n, statement) in statements.iter().enumerate() {
        let part = match statement.columns {
            0 => renumbered(&statement.sql, before),
            columns => {
                let array = |(n, value): (usize, &Value)| format!("${}::{}[]", before + n + 1, postgres_type(value));
                let arrays: Vec<String> = statement.values.iter().take(columns).enumerate().map(array).collect();
                format!("{} SELECT * FROM unnest({})", statement.sql, arrays.join(","))
            }
        };
        parts.push(format!("s{n} AS ({part})"));
        before += if statement.columns == 0 { statement.values.len() } else { statement.columns };
    }
    format!("WITH {} SELECT 1", parts.join(", "))
}

/// Raises the number of each parameter. Texts are ours, and no `$` in them is anything else.
fn renumbered(sql: &str, by: usize) -> String {
    let mut parts = sql.split('$');
    let mut out = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = part.split_at(digits);
        out.push_str(&format!("${}{rest}", number.parse::<usize>().unwrap_or(0) + by));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::values;
    use super::*;

    #[test]
    fn statements_become_one_with_parameters_of_their_own() {
        let mut batch = Batch::default();
        batch.run("UPDATE a SET b = $2 WHERE id = $1 AND b <> $2", values![1i64, "x"]);
        batch.insert("INSERT INTO c (d, e)", 2, vec![1i64.into(), "y".into(), 2i64.into(), "z".into()]);
        batch.run("DELETE FROM f WHERE id = $1", values![3i64]);
        batch.insert("INSERT INTO nothing (d)", 1, Vec::new());
        let want = "WITH s0 AS (UPDATE a SET b = $2 WHERE id = $1 AND b <> $2), \
            s1 AS (INSERT INTO c (d, e) SELECT * FROM unnest($3::BIGINT[],$4::TEXT[])), s2 AS (DELETE FROM f WHERE id = $5) SELECT 1";
        assert_eq!(together(&batch.0), want);
    }
}
