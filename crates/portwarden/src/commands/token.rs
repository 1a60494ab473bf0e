//! `portwarden token`: logins of programs.

use super::ask::{Ask, At};
use super::{Exit, stop};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::{Value, json};

/// What can be done with tokens.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a token; its text is printed once
    #[command(after_help = "Examples:
  portwarden token create --principal admin --name laptop --expires 2027-01-01
  portwarden token create --principal ci --name pipeline --grant acr-push=/SUBSCRIPTION/local/team/app
  portwarden token create --server https://registry.example --name read --grant reader=/")]
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// Whose it is (with --server: your own, unless you own everything)
        #[arg(long)]
        principal: Option<String>,
        /// When it ends: RFC 3339, or a date (its end); default: never
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        /// What it may do, ROLE=SCOPE, several times; default: all that its principal may
        #[arg(long, value_name = "ROLE=SCOPE")]
        grant: Vec<String>,
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// List tokens; their texts are not kept
    List {
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// End a token at once
    Revoke {
        /// Its id, from `token list`
        id: i64,
        #[command(flatten)]
        at: At,
    },
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Create { name, principal, expires, grant, at, format } => {
            let grants = grant.iter().map(|text| one_grant(text)).collect::<anyhow::Result<Vec<_>>>()?;
            let body = json!({"name": name, "principal": principal, "expires": expires, "grants": grants});
            let made = Ask::open(settings, at).await?.post("/tokens", &body).await?;
            match format {
                Format::Table => println!("{}", made["token"].as_str().unwrap_or("")),
                _ => output::json(&made)?,
            }
        }
        Command::List { at, format } => {
            let (items, total) = Ask::open(settings, at).await?.list("/tokens").await?;
            let columns = ["ID", "PRINCIPAL", "NAME", "BEGINS", "MAY", "EXPIRES", "LAST USE"];
            output::list(*format, &items, &columns, cells, total)?;
        }
        Command::Revoke { id, at } => {
            Ask::open(settings, at).await?.delete(&format!("/tokens/{id}")).await?;
        }
    }
    Ok(Exit::Clean)
}

/// Reads `acr-push=/SUBSCRIPTION/local/team/app`.
pub fn one_grant(text: &str) -> anyhow::Result<Value> {
    let wrong = || stop(Exit::Usage, format!("--grant {text:?}: want ROLE=SCOPE, as reader=/"));
    let (role, scope) = text.split_once('=').ok_or_else(wrong)?;
    Ok(json!({"role": role, "scope": scope}))
}

fn cells(token: &Value) -> Vec<String> {
    let text = |name: &str| token[name].as_str().map(visible);
    let grants = token["grants"].as_array().map(Vec::as_slice).unwrap_or_default();
    let grants: Vec<String> = grants
        .iter()
        .map(|g| format!("{}={}", g["role"].as_str().unwrap_or(""), g["scope"].as_str().unwrap_or("")))
        .collect();
    vec![
        token["id"].to_string(),
        text("principal").unwrap_or_default(),
        text("name").unwrap_or_default(),
        text("hint").unwrap_or_default(),
        if grants.is_empty() { "everything its principal may".into() } else { visible(&grants.join(" ")) },
        text("expires").unwrap_or_else(|| "never".into()),
        text("last_use").unwrap_or_else(|| "never".into()),
    ]
}
