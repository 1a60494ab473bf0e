//! SQLite and PostgreSQL behind one face; every difference between them stands here.
//!
//! In: SQL with `$1` parameters and values of three kinds (integer, text, bytes).
//! Out: rows read by position. No column is ever null.

mod batch;
mod bind;

pub(crate) use batch::Batch;

use crate::error::Error;
use bind::{postgres_query, postgres_table, postgres_type, sqlite_query};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection as _, Postgres, Row as _, Sqlite, Transaction};
use std::path::Path;
use std::str::FromStr;
use std::task::Poll;
use std::time::Duration;

type Result<T> = std::result::Result<T, Error>;

/// Where the rows are.
#[derive(Debug, Clone)]
pub(crate) enum Engine {
    /// One file; one connection writes, others read.
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    /// A server.
    Postgres(PgPool),
}

/// A transaction of either engine. Dropped = rolled back.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// A row of either engine.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}
impl From<u8> for Value {
    fn from(n: u8) -> Self {
        Self::Int(n.into())
    }
}
impl From<bool> for Value {
    fn from(n: bool) -> Self {
        Self::Int(n.into())
    }
}
impl From<model::Micros> for Value {
    fn from(at: model::Micros) -> Self {
        Self::Int(at.0)
    }
}
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}
impl From<&model::Digest> for Value {
    fn from(digest: &model::Digest) -> Self {
        Self::Text(digest.as_str().to_owned())
    }
}
impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(bytes)
    }
}

/// Makes the list of parameters of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::engine::Value::from($value)),*] };
}
pub(crate) use values;

/// Rows that SQLite's thread may be ahead of the reader: few enough to be cheap, enough that the two seldom wait.
const ROWS_AHEAD: usize = 1_000;
/// PostgreSQL and SQLite both take more, but longer statements are not faster.
const PARAMETERS: usize = 8_000;
/// How often `eager` looks: some ten microseconds, which is what it costs to put a thread to sleep and to wake it.
const LOOKS: u32 = 20;

impl Engine {
    /// Opens the file, or connects to the server that `url` names. A server ends transactions of a process that says nothing for
    /// longer than `patience`: one that hangs must not hold up the others.
    pub(crate) async fn open(data: &Path, url: Option<&str>, patience: Duration) -> Result<Self> {
        match url {
            None => Self::open_sqlite(&data.join("portwarden.db")).await,
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                let options = sqlx::postgres::PgConnectOptions::from_str(url)
                    .map_err(|why| Error::Setting { what: "database".into(), why: why.to_string() })?
                    .statement_cache_capacity(400);
                let pool = PgPoolOptions::new().max_connections(16).acquire_timeout(Duration::from_secs(10));
                let pool = pool.after_connect(move |connection, _| Box::pin(be_patient(connection, patience)));
                let place =
                    format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or(""));
                let source = match pool.connect_with(options.clone()).await {
                    Ok(pool) => return Ok(Self::Postgres(pool)),
                    // A pool says only that it waited; one connection says why.
                    Err(sqlx::Error::PoolTimedOut) => {
                        let one = tokio::time::timeout(Duration::from_secs(2), PgConnection::connect_with(&options));
                        one.await.ok().and_then(|tried| tried.err()).unwrap_or(sqlx::Error::PoolTimedOut)
                    }
                    Err(why) => why,
                };
                Err(Error::Connect { place, source })
            }
            Some(_) => Err(Error::Setting { what: "database".into(), why: "want postgres://…".into() }),
        }
    }

    async fn open_sqlite(file: &Path) -> Result<Self> {
        closed(file).map_err(Error::disk("close the database to others"))?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(false)
            .pragma("cache_size", "-16000")
            .pragma("journal_size_limit", "67108864")
            // What a secret was before it was sealed, or before it was deleted, is written over.
            .pragma("secure_delete", "FAST")
            .row_buffer_size(ROWS_AHEAD)
            .statement_cache_capacity(400);
        let writer = SqlitePoolOptions::new().max_connections(1).test_before_acquire(false);
        let writer = writer.acquire_timeout(Duration::from_secs(30)).idle_timeout(None).max_lifetime(None);
        let writer = writer.after_release(|connection, _| Box::pin(is_out_of_transaction(connection)));
        let connect = |source| Error::Connect { place: file.display().to_string(), source };
        let writer = writer.connect_with(options.clone()).await.map_err(connect)?;
        let readers = SqlitePoolOptions::new().max_connections(6).test_before_acquire(false);
        let readers = readers.idle_timeout(None).max_lifetime(None);
        let readers = readers.after_release(|connection, _| Box::pin(is_out_of_transaction(connection)));
        let readers = readers.connect_with(options.read_only(true)).await.map_err(connect)?;
        Ok(Self::Sqlite { writer, readers })
    }

    /// Begins a transaction that will write.
    pub(crate) async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(eager(writer.begin_with("BEGIN IMMEDIATE")).await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Begins a transaction that reads everything as of one moment.
    pub(crate) async fn begin_read(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Tx::Sqlite(eager(readers.begin()).await?),
            Self::Postgres(pool) => {
                Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }

    /// Reads rows, outside of any transaction.
    pub(crate) async fn all(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        Ok(match self {
            Self::Sqlite { readers, .. } => {
                sqlite_query(sql, values).fetch_all(readers).await?.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(pool) => {
                postgres_query(sql, values).fetch_all(pool).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Reads the first row, if there is one.
    pub(crate) async fn one(&self, sql: &str, values: &[Value]) -> Result<Option<Row>> {
        Ok(match self {
            Self::Sqlite { readers, .. } => sqlite_query(sql, values).fetch_optional(readers).await?.map(Row::Sqlite),
            Self::Postgres(pool) => postgres_query(sql, values).fetch_optional(pool).await?.map(Row::Postgres),
        })
    }

    /// What people call it.
    pub(crate) fn name(&self) -> &'static str {
        if self.is_shared() { "PostgreSQL" } else { "SQLite" }
    }

    /// The bytes of the whole database.
    pub(crate) fn size(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
            Self::Postgres(_) => "SELECT pg_database_size(current_database())",
        }
    }

    /// Returns whether several processes may share the rows.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Turns the schema's text into what the engine wants.
    pub(crate) fn schema(&self, text: &str) -> String {
        match self {
            Self::Sqlite { .. } => text.to_owned(),
            Self::Postgres(_) => text
                .replace("INTEGER PRIMARY KEY AUTOINCREMENT", "INTEGER PRIMARY KEY")
                .replace("id INTEGER PRIMARY KEY", "id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")
                .replace("INTEGER", "BIGINT")
                .replace("BLOB", "BYTEA")
                .replace(" TEXT", " TEXT COLLATE \"C\"") // names order by their bytes, as in SQLite
                .replace(" WITHOUT ROWID", ""),
        }
    }

    /// The clock that leases and intervals go by: the database's, so that workers need not agree on the time.
    pub(crate) fn clock(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
            Self::Postgres(_) => "(extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT",
        }
    }

    /// What a SELECT adds to lock its rows until the transaction ends. SQLite has one writer anyway.
    pub(crate) fn lock(&self) -> &'static str {
        if self.is_shared() { " FOR UPDATE" } else { "" }
    }

    /// What a SELECT adds to lock its rows, passing over rows that others have locked.
    pub(crate) fn lock_or_skip(&self) -> &'static str {
        if self.is_shared() { " FOR UPDATE SKIP LOCKED" } else { "" }
    }
}

impl Tx {
    /// Writes; returns how many rows it touched.
    pub(crate) async fn run(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        Ok(match self {
            Self::Sqlite(tx) => eager(sqlite_query(sql, values).execute(&mut **tx)).await?.rows_affected(),
            Self::Postgres(tx) => postgres_query(sql, values).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// Runs several statements without parameters.
    pub(crate) async fn script(&mut self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(tx) => {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **tx).await?;
            }
            Self::Postgres(tx) => {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **tx).await?;
            }
        }
        Ok(())
    }

    /// Reads rows.
    pub(crate) async fn all(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        Ok(match self {
            Self::Sqlite(tx) => {
                let rows = eager(sqlite_query(sql, values).fetch_all(&mut **tx)).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(tx) => {
                postgres_query(sql, values).fetch_all(&mut **tx).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Reads rows one by one, so that a large table is never in memory twice.
    pub(crate) async fn each<T: Send>(
        &mut self,
        sql: &str,
        values: &[Value],
        read: fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut read_rows = Vec::new();
        match self {
            Self::Sqlite(tx) => {
                let mut rows = sqlite_query(sql, values).fetch(&mut **tx);
                while let Some(row) = eager(rows.try_next()).await? {
                    read_rows.push(read(&Row::Sqlite(row))?);
                }
            }
            Self::Postgres(tx) => {
                let mut rows = postgres_query(sql, values).fetch(&mut **tx);
                while let Some(row) = rows.try_next().await? {
                    read_rows.push(read(&Row::Postgres(row))?);
                }
            }
        }
        Ok(read_rows)
    }

    /// Reads the first row, if there is one.
    pub(crate) async fn one(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>> {
        Ok(match self {
            Self::Sqlite(tx) => eager(sqlite_query(sql, values).fetch_optional(&mut **tx)).await?.map(Row::Sqlite),
            Self::Postgres(tx) => postgres_query(sql, values).fetch_optional(&mut **tx).await?.map(Row::Postgres),
        })
    }

    /// Reads one integer that is always there.
    pub(crate) async fn int(&mut self, sql: &str, values: &[Value]) -> Result<i64> {
        self.one(sql, values).await?.ok_or(sqlx::Error::RowNotFound)?.int(0)
    }

    /// Holds a name until the transaction ends: others that want the same one wait. SQLite has one writer anyway.
    pub(crate) async fn lock_name(&mut self, name: &str) -> Result<()> {
        if matches!(self, Self::Postgres(_)) {
            let values = [Value::from(name)];
            self.run("SELECT pg_advisory_xact_lock(7230195, hashtext($1))", &values).await?;
        }
        Ok(())
    }

    /// Writes many rows of `columns` values each: `head` (…),(…) `tail`. Returns the rows that `tail` gives back.
    pub(crate) async fn insert(
        &mut self,
        head: &str,
        columns: usize,
        values: &[Value],
        tail: &str,
    ) -> Result<Vec<Row>> {
        self.by_chunks(columns, values, |rows| format!("{head} {rows} {tail}")).await
    }

    /// Reads the rows whose `columns` values are among `values`: `head` (…) `tail`. For more than one column see `given`.
    pub(crate) async fn among(&mut self, head: &str, columns: usize, values: &[Value], tail: &str) -> Result<Vec<Row>> {
        self.by_chunks(columns, values, |rows| format!("{head} ({rows}) {tail}")).await
    }

    /// Runs a statement on many rows, which it knows as the table `given`. Begin a SELECT with `FROM given CROSS JOIN …`: SQLite
    /// then looks each row up by an index, where a list of rows after IN would have it read the whole table.
    pub(crate) async fn given(&mut self, columns: &[&str], values: &[Value], sql: &str) -> Result<Vec<Row>> {
        let names = columns.join(", ");
        self.by_chunks(columns.len(), values, |rows| format!("WITH given ({names}) AS ({rows}) {sql}")).await
    }

    async fn by_chunks(&mut self, columns: usize, values: &[Value], sql: impl Fn(&str) -> String) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for chunk in values.chunks((PARAMETERS / columns).max(1) * columns) {
            let sql = sql(&self.table(columns, chunk));
            match self {
                Self::Sqlite(_) => rows.extend(self.all(&sql, chunk).await?),
                Self::Postgres(tx) => {
                    let found = postgres_table(&sql, columns, chunk).fetch_all(&mut **tx).await?;
                    rows.extend(found.into_iter().map(Row::Postgres));
                }
            }
        }
        Ok(rows)
    }

    /// Writes rows as a query. SQLite looks named parameters up one after the other, so they have no names. For PostgreSQL each
    /// column is one array: the text is the same for any number of rows, so that it is read and planned once.
    fn table(&self, columns: usize, values: &[Value]) -> String {
        match self {
            Self::Sqlite(_) => {
                let row = format!("({})", vec!["?"; columns].join(","));
                format!("VALUES {}", vec![row; values.len() / columns].join(","))
            }
            Self::Postgres(_) => {
                let array = |(n, value): (usize, &Value)| format!("${}::{}[]", n + 1, postgres_type(value));
                let arrays: Vec<String> = values.iter().take(columns).enumerate().map(array).collect();
                format!("SELECT * FROM unnest({})", arrays.join(","))
            }
        }
    }

    /// Makes it last.
    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

impl Row {
    /// Reads an integer.
    pub(crate) fn int(&self, at: usize) -> Result<i64> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(at)?,
            Self::Postgres(row) => row.try_get(at)?,
        })
    }

    /// Reads a text.
    pub(crate) fn text(&self, at: usize) -> Result<String> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(at)?,
            Self::Postgres(row) => row.try_get(at)?,
        })
    }

    /// Reads bytes.
    pub(crate) fn blob(&self, at: usize) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(at)?,
            Self::Postgres(row) => row.try_get(at)?,
        })
    }

    /// Reads a moment.
    pub(crate) fn at(&self, at: usize) -> Result<model::Micros> {
        Ok(model::Micros(self.int(at)?))
    }

    /// Reads a digest.
    pub(crate) fn digest(&self, at: usize) -> Result<model::Digest> {
        model::Digest::parse(&self.text(at)?).map_err(|why| Error::damaged("digest", why))
    }
}

/// Lets the server end transactions in which nothing is said for this long.
async fn be_patient(connection: &mut PgConnection, patience: Duration) -> sqlx::Result<()> {
    let limit = format!("SET idle_in_transaction_session_timeout = {}", patience.as_millis());
    sqlx::raw_sql(AssertSqlSafe(limit)).execute(connection).await.map(drop)
}

/// Returns whether a connection can be used again. When a disk is full or fails, SQLite ends the transaction by itself; the
/// driver's own ROLLBACK then fails, and it would take the connection to be within a transaction for ever.
async fn is_out_of_transaction(connection: &mut SqliteConnection) -> std::result::Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        connection.ping().await?; // a ROLLBACK may still be on its way
    }
    Ok(!connection.is_in_transaction())
}

/// Makes the file of a database, or closes it to others; SQLite gives the files beside it the same mode.
///
/// A file that is there is never opened here: to close it again would end the locks that SQLite holds on it in this process.
fn closed(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    match std::fs::File::options().write(true).create_new(true).mode(0o600).open(file) {
        Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => return made.map(drop),
    }
    if std::fs::metadata(file)?.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Looks a few times whether SQLite's thread is done before this one sleeps: most statements end, and most rows come, sooner
/// than a thread is woken. Between two looks the core is offered to others.
async fn eager<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let look = move |context: &mut std::task::Context<'_>| {
        for _ in 0..LOOKS {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            std::thread::yield_now();
        }
        Poll::Pending
    };
    std::future::poll_fn(look).await
}
