//! `portwarden audit`: who changed what.

use super::Exit;
use super::ask::{Ask, At, encoded};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::Value;

/// What can be asked of the audit.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List lines, newest first
    #[command(after_help = "Examples:
  portwarden audit list --action token --since 2026-03-01
  portwarden audit list --actor ann --format jsonl --all > audit.jsonl")]
    List(List),
    /// Say whether every line follows from those before it
    #[command(after_help = "Examples:
  portwarden audit verify
  portwarden audit verify --expect 1204:9f0c…      # an end that the log or an earlier verify told")]
    Verify {
        /// An end that was noted earlier: the chain must still go through it
        #[arg(long, value_name = "ROWS:HASH")]
        expect: Option<String>,
        #[command(flatten)]
        at: At,
    },
}

/// Which lines.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Only what this one did
    #[arg(long)]
    pub actor: Option<String>,
    /// Only actions that begin so: token, role.assign
    #[arg(long)]
    pub action: Option<String>,
    /// Only objects that hold this text
    #[arg(long)]
    pub object: Option<String>,
    /// Only in this scope and below
    #[arg(long)]
    pub scope: Option<String>,
    /// Not before: RFC 3339, or a date (its beginning, UTC)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Before: RFC 3339, or a date (its end)
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// At most so many, 1 to 1,000
    #[arg(long, default_value_t = 100)]
    pub limit: usize,
    /// Every line that passes, page after page
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    #[command(flatten)]
    pub at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(list) => {
            let ask = Ask::open(settings, &list.at).await?;
            let (items, total) = if list.all {
                ask.list(&path(list, 1000)).await?
            } else {
                let answer = ask.get(&path(list, list.limit)).await?;
                let items = answer["items"].as_array().cloned().unwrap_or_default();
                (items, answer["total"].as_u64().unwrap_or(0))
            };
            let columns = ["ID", "AT", "ACTOR", "ACTION", "OBJECT", "SCOPE", "BEFORE", "AFTER", "ADDRESS"];
            output::list(list.format, &items, &columns, cells, total)?;
            Ok(Exit::Clean)
        }
        Command::Verify { at, expect } => {
            let expect = expect.as_deref().map(|noted| format!("?expect={}", encoded(noted))).unwrap_or_default();
            let chain = Ask::open(settings, at).await?.get(&format!("/audit/chain{expect}")).await?;
            if chain["expected"] == false {
                println!("the chain does not go through the expected end: it was made anew, or is another's");
                return Ok(Exit::Findings);
            }
            if chain["whole"] == true {
                println!(
                    "chain whole, {} rows; its end: {}:{}",
                    chain["rows"],
                    chain["rows"],
                    chain["head"].as_str().unwrap_or("")
                );
                return Ok(Exit::Clean);
            }
            match chain["broken"].as_i64() {
                Some(0) => println!("rows at the end are missing; {} are there", chain["rows"]),
                _ => println!("row {} does not follow from those before it", chain["broken"]),
            }
            Ok(Exit::Findings)
        }
    }
}

fn path(list: &List, limit: usize) -> String {
    let mut path = format!("/audit?limit={limit}");
    let given = [
        ("actor", &list.actor),
        ("action", &list.action),
        ("object", &list.object),
        ("scope", &list.scope),
        ("since", &list.since),
        ("until", &list.until),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    path
}

fn cells(line: &Value) -> Vec<String> {
    let text = |name: &str| visible(line[name].as_str().unwrap_or(""));
    let json = |name: &str| if line[name].is_null() { String::new() } else { visible(&line[name].to_string()) };
    let mut cells = vec![line["id"].to_string()];
    cells.extend(["at", "actor", "action", "object", "scope"].map(text));
    cells.extend([json("before"), json("after"), text("address")]);
    cells
}
