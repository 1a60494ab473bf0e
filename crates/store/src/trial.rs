//! A PostgreSQL database for one test.
//!
//! In: `PORTWARDEN_TEST_POSTGRES`, the server. Out: the address of a new database, gone with this value.
//! `PORTWARDEN_TEST_ENGINE=postgres` asks the tests of other crates, which take SQLite otherwise, for one. A release build has none.

/// A database of a test's own.
#[derive(Debug)]
pub struct Trial {
    server: String,
    name: String,
}

impl Trial {
    /// Makes a database; `None` where no server is named.
    pub async fn new() -> Option<Self> {
        let server = std::env::var("PORTWARDEN_TEST_POSTGRES").ok().filter(|_| cfg!(debug_assertions))?;
        let name = format!("trial_{}", uuid::Uuid::new_v4().simple());
        let trial = Self { server: server.trim_end_matches('/').to_owned(), name };
        let made = told(&trial.server, &format!("CREATE DATABASE {}", trial.name)).await;
        assert!(made.is_ok(), "PORTWARDEN_TEST_POSTGRES: {made:?}");
        Some(trial)
    }

    /// Makes a database if that is the engine that is asked for.
    pub async fn wanted() -> Option<Self> {
        let wanted = std::env::var("PORTWARDEN_TEST_ENGINE").is_ok_and(|engine| engine == "postgres");
        if wanted { Self::new().await } else { None }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }
}

async fn told(server: &str, sql: &str) -> sqlx::Result<()> {
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(&format!("{server}/postgres")).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.map(drop)
}

impl Drop for Trial {
    fn drop(&mut self) {
        // Connections of the store may still be open: FORCE ends them.
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(told(&server, &sql)).map_err(std::io::Error::other)
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            tracing::warn!(name = self.name, "the database of a test stays");
        }
    }
}
