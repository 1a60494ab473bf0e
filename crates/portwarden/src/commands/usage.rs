//! `portwarden usage`: images that were metered, and the list behind each number.

use super::Exit;
use super::ask::{Ask, At, encoded};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::Value;

/// What is asked of usage.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  portwarden usage                                by month
  portwarden usage --by day --subscription production
  portwarden usage --images 2026-11 --format csv  the images behind a number")]
pub struct Arguments {
    /// day or month, UTC
    #[arg(long, default_value = "month", value_parser = ["day", "month"])]
    by: String,
    /// List the images behind a day (2026-11-21) or a month (2026-11) instead
    #[arg(long, value_name = "PERIOD", conflicts_with = "by")]
    images: Option<String>,
    /// Only this subscription, by GUID or name
    #[arg(long, value_name = "GUID|NAME")]
    subscription: Option<String>,
    #[command(flatten)]
    at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
pub async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<Exit> {
    let ask = Ask::open(settings, &arguments.at).await?;
    let of = arguments.subscription.as_ref().map(|s| format!("&subscription={}", encoded(s))).unwrap_or_default();
    let columns: &[&str];
    let names: &[&str];
    let (items, total) = match &arguments.images {
        Some(period) => {
            columns = &["AT", "SUBSCRIPTION", "REGISTRY", "REPOSITORY", "DIGEST"];
            names = &["at", "subscription_name", "registry", "repository", "digest"];
            ask.list(&format!("/usage/{}/images?limit=1000{of}", encoded(period))).await?
        }
        None => {
            columns = &["PERIOD", "SUBSCRIPTION", "IMAGES"];
            names = &["period", "subscription_name", "images"];
            ask.list(&format!("/usage?limit=1000&by={}{of}", arguments.by)).await?
        }
    };
    let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), visible);
    let cells = |row: &Value| names.iter().map(|name| cell(&row[*name])).collect();
    output::list(arguments.format, &items, columns, cells, total)?;
    Ok(Exit::Clean)
}
