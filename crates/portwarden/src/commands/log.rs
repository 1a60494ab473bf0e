//! `portwarden log`: the resource logs of the registries.

use super::Exit;
use super::ask::{Ask, At, encoded};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::{Value, json};

/// What can be done with the resource logs.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Logins, newest first
    #[command(after_help = "Examples:
  portwarden log login --result failed
  portwarden log login --scanner --format csv       with the columns of ContainerRegistryLoginEvents")]
    Login(Question),
    /// Pushes, pulls and deletes, newest first
    #[command(after_help = "Examples:
  portwarden log repository --repository team/app --operation push
  portwarden log repository --since 2026-11-01 --format jsonl    with the columns of ContainerRegistryRepositoryEvents")]
    Repository {
        #[command(flatten)]
        question: Question,
        /// Only of this repository
        #[arg(long, value_name = "NAME")]
        repository: Option<String>,
        /// Only of this tag
        #[arg(long)]
        tag: Option<String>,
        /// Only of this digest
        #[arg(long)]
        digest: Option<String>,
    },
    /// For how many days lines are kept, and the identity of the scanner in them
    #[command(after_help = "Examples:\n  portwarden log keep\n  portwarden log keep --days 365")]
    Keep {
        /// Days, 1 to 3650; left out: shows them
        #[arg(long)]
        days: Option<i64>,
        #[command(flatten)]
        at: At,
    },
}

/// What both logs are asked.
#[derive(Debug, clap::Args)]
pub struct Question {
    /// Only of this registry
    #[arg(long, value_name = "NAME")]
    registry: Option<String>,
    /// Only of this principal
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// Only from this address
    #[arg(long)]
    address: Option<String>,
    /// Only this: login, push, pull, import, untag, delete
    #[arg(long, value_name = "WORD")]
    operation: Option<String>,
    /// ok, failed, or an HTTP status
    #[arg(long)]
    result: Option<String>,
    /// Only the scanner's lines
    #[arg(long, conflicts_with = "identity")]
    scanner: bool,
    /// Not before: RFC 3339, or a date (its beginning, UTC)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Login(question) => list(settings, question, "login", &[]).await,
        Command::Repository { question, repository, tag, digest } => {
            let more = [("repository", repository), ("tag", tag), ("digest", digest)];
            list(settings, question, "repository", &more).await
        }
        Command::Keep { days, at } => {
            let ask = Ask::open(settings, at).await?;
            let kept = match days {
                Some(days) => ask.put("/logs/settings", &json!({"days": days})).await?,
                None => ask.get("/logs/settings").await?,
            };
            let identity = kept["scanner_identity"].as_str().map(visible).unwrap_or_default();
            println!("lines are kept for {} days", kept["days"]);
            println!("the scanner's identity is {identity}");
            if kept["lost_lines"] != 0 {
                println!("{} lines found no room since the beginning", kept["lost_lines"]);
            }
            Ok(Exit::Clean)
        }
    }
}

async fn list(
    settings: &Settings,
    question: &Question,
    log: &str,
    more: &[(&str, &Option<String>)],
) -> anyhow::Result<Exit> {
    let mut path = format!("/logs/{log}?limit=1000");
    // Lines and CSV are for other programs: they have the columns of the Azure tables.
    if matches!(question.format, Format::Jsonl | Format::Csv) {
        path.push_str("&names=azure");
    }
    if question.scanner {
        path.push_str("&scanner=yes");
    }
    let own = [
        ("registry", &question.registry),
        ("identity", &question.identity),
        ("address", &question.address),
        ("operation", &question.operation),
        ("result", &question.result),
        ("since", &question.since),
        ("until", &question.until),
    ];
    for (name, value) in own.iter().chain(more) {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    let (items, total) = Ask::open(settings, &question.at).await?.list(&path).await?;
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        value => value.as_str().map_or_else(|| value.to_string(), visible),
    };
    if question.format == Format::Csv {
        return csv(&items, cell);
    }
    let columns: &[&str];
    let names: &[&str];
    if log == "login" {
        columns = &["AT", "OPERATION", "RESULT", "IDENTITY", "ADDRESS", "REGISTRY", "WITH"];
        names = &["at", "operation", "result", "identity", "address", "registry", "user_agent"];
    } else {
        columns = &["AT", "OPERATION", "RESULT", "IDENTITY", "ADDRESS", "REPOSITORY", "TAG", "DIGEST"];
        names = &["at", "operation", "result", "identity", "address", "repository", "tag", "digest"];
    }
    let cells = |row: &Value| names.iter().map(|name| cell(&row[*name])).collect();
    output::list(question.format, &items, columns, cells, total)?;
    Ok(Exit::Clean)
}

/// The columns as they come.
fn csv(items: &[Value], cell: impl Fn(&Value) -> String) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    let Some(first) = items.first().and_then(Value::as_object) else { return Ok(Exit::Clean) };
    let names: Vec<String> = first.keys().cloned().collect();
    output::csv_row(&mut out, &names)?;
    for item in items {
        let cells: Vec<String> = names.iter().map(|name| cell(&item[name.as_str()])).collect();
        output::csv_row(&mut out, &cells)?;
    }
    Ok(Exit::Clean)
}
