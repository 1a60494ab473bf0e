//! Logs: to standard error, as text or JSON. `RUST_LOG` narrows or widens them.

use crate::settings::{LogFormat, Settings};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging; `level` is the one without `RUST_LOG`.
pub fn start(settings: &Settings, level: &str) {
    let level = if settings.quiet { "error" } else { level };
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{level},sqlx=warn,hyper=warn")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let started = match settings.log {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // A second start happens only in tests, where the first subscriber stays.
    drop(started);
}
