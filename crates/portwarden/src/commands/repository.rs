//! `portwarden repository`: repositories are listed, renamed and moved.

use super::ask::{Ask, At, encoded};
use super::{Exit, stop};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::{Value, json};

/// What can be done with repositories.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List repositories with their counts
    #[command(after_help = "Examples:
  portwarden repository list
  portwarden repository list repo:payments 'severity:>=high'
  portwarden repository list --format csv")]
    List {
        /// Filter words, as on the page
        filter: Vec<String>,
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Rename a repository, or move it to another registry; images, tags, history and ids of findings stay
    #[command(after_help = "Examples:
  portwarden repository update local/payments/api --name shop/payments
  portwarden repository update local/payments/api --registry team
Nothing has the old name then: who pulls by it is told that there is no such repository.")]
    Update {
        /// The repository, as REGISTRY/NAME
        repository: String,
        /// Its new name
        #[arg(long)]
        name: Option<String>,
        /// The registry that it moves to
        #[arg(long)]
        registry: Option<String>,
        #[command(flatten)]
        at: At,
    },
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    let (format, items, total) = match command {
        Command::List { filter, at, format } => {
            let path = format!("/repositories?q={}", encoded(&filter.join(" ")));
            let (items, total) = Ask::open(settings, at).await?.list(&path).await?;
            (*format, items, total)
        }
        Command::Update { repository, name, registry, at } => {
            let path = path(repository)?;
            let body = json!({"name": name, "registry": registry});
            (Format::Table, vec![Ask::open(settings, at).await?.patch(&path, &body).await?], 1)
        }
    };
    let columns = ["REGISTRY", "NAME", "IMAGES", "AFFECTED", "C", "H", "M", "L", "FINDINGS", "LAST PUSH", "LAST PULL"];
    output::list(format, &items, &columns, cells, total)?;
    Ok(Exit::Clean)
}

/// The address of a repository that a person names as `registry/name`.
fn path(repository: &str) -> anyhow::Result<String> {
    let wrong =
        || stop(Exit::Usage, format!("{repository:?} is no repository; want REGISTRY/NAME, as local/payments/api"));
    let (registry, name) = repository.split_once('/').ok_or_else(wrong)?;
    Ok(format!("/registries/{}/repositories/{}", encoded(registry), encoded(name)))
}

fn cells(row: &Value) -> Vec<String> {
    let text = |name: &str| visible(row[name].as_str().unwrap_or(""));
    let day = |name: &str| row[name].as_str().and_then(|at| at.get(..10)).unwrap_or("never").to_owned();
    let count = |name: &str| row["counts"][name].as_u64().unwrap_or(0).to_string();
    let mut cells = vec![text("registry"), text("name"), row["images"].to_string(), row["affected"].to_string()];
    cells.extend(["critical", "high", "medium", "low", "findings"].map(count));
    cells.extend([day("last_push"), day("last_pull")]);
    cells
}
