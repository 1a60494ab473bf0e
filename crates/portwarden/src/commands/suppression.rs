//! `portwarden suppression`: posture rules that do not count somewhere, for a reason and a time.

use super::Exit;
use super::ask::{Ask, At, encoded};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::{Value, json};

const PATH: &str = "/posture/suppressions";

/// What can be done with suppressions.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Suppress a posture rule: it is still judged and shown, but does not count
    #[command(after_help = "Examples:
  portwarden suppression create --rule Azure.ACR.GeoReplica --scope / --reason \"one site\"
  portwarden suppression create --rule AZR-000402 --scope /SUBSCRIPTION/local --reason \"behind the gateway\" --expires 2027-05-31
  portwarden suppression list
  portwarden suppression delete 3")]
    Create {
        /// Name or reference of the rule: Azure.ACR.Firewall, AZR-000402
        #[arg(long)]
        rule: String,
        /// A registry, or what holds registries: /SUBSCRIPTION/REGISTRY
        #[arg(long)]
        scope: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// When it ends: RFC 3339, or a date (its end); default: never
        #[arg(long)]
        expires: Option<String>,
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// List suppressions
    List {
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// End a suppression at once
    Delete {
        /// Its id
        id: String,
        #[command(flatten)]
        at: At,
    },
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Create { rule, scope, reason, expires, at, format } => {
            let body = json!({"rule": rule, "scope": scope, "reason": reason, "expires": expires});
            let made = Ask::open(settings, at).await?.post(PATH, &body).await?;
            match format {
                Format::Table => println!("{}", made["id"].as_str().map(visible).unwrap_or_default()),
                _ => output::json(&made)?,
            }
        }
        Command::List { at, format } => {
            let (items, total) = Ask::open(settings, at).await?.list(PATH).await?;
            let cells = |row: &Value| {
                let text = |name: &str| row[name].as_str().map(visible).unwrap_or_default();
                let state = if row["expired"] == true { "expired" } else { "in force" };
                let expires = if row["expires"].is_null() { "never".into() } else { text("expires") };
                vec![state.into(), text("rule"), text("scope"), expires, text("reason"), text("author"), text("id")]
            };
            let columns = ["STATE", "RULE", "SCOPE", "EXPIRES", "REASON", "BY", "ID"];
            output::list(*format, &items, &columns, cells, total)?;
        }
        Command::Delete { id, at } => {
            Ask::open(settings, at).await?.delete(&format!("{PATH}/{}", encoded(id))).await?;
        }
    }
    Ok(Exit::Clean)
}
