//! `portwarden role`: who may do what, and where.

use super::Exit;
use super::ask::{Ask, At};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::{Value, json};

/// What can be done with roles.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Give somebody a role in a scope
    #[command(after_help = "Examples:
  portwarden role assign --principal ann --role policy-editor --scope /
  portwarden role assign --principal ci --role acr-push --scope /SUBSCRIPTION/local/team/app

Roles: reader, acr-pull, acr-push, acr-delete, quarantine-reader, quarantine-writer, assessment-writer,
policy-editor, security-admin, owner, auditor")]
    Assign {
        /// To whom
        #[arg(long)]
        principal: String,
        /// Which role
        #[arg(long)]
        role: String,
        /// Where: /, /SUBSCRIPTION, /SUBSCRIPTION/@GROUP, /SUBSCRIPTION/REGISTRY[/REPOSITORY]
        #[arg(long)]
        scope: String,
        #[command(flatten)]
        at: At,
    },
    /// List the roles that are held
    List {
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Take a role away
    Remove {
        /// Its id, from `role list`
        id: i64,
        #[command(flatten)]
        at: At,
    },
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Assign { principal, role, scope, at } => {
            let body = json!({"principal": principal, "role": role, "scope": scope});
            let made = Ask::open(settings, at).await?.post("/roles", &body).await?;
            println!("{}", made["id"]);
        }
        Command::List { at, format } => {
            let (items, total) = Ask::open(settings, at).await?.list("/roles?limit=1000").await?;
            output::list(*format, &items, &["ID", "PRINCIPAL", "ROLE", "SCOPE", "SINCE"], cells, total)?;
        }
        Command::Remove { id, at } => {
            Ask::open(settings, at).await?.delete(&format!("/roles/{id}")).await?;
        }
    }
    Ok(Exit::Clean)
}

fn cells(role: &Value) -> Vec<String> {
    let text = |name: &str| visible(role[name].as_str().unwrap_or(""));
    vec![role["id"].to_string(), text("principal"), text("role"), text("scope"), text("since")]
}
