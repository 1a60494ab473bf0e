//! Rules as YAML files: `rule export` and `rule apply`.

use super::print;
use crate::commands::ask::{Ask, At, encoded};
use crate::commands::{Exit, stop};
use crate::output::Format;
use crate::settings::Settings;
use anyhow::Context;
use model::rule::Draft;
use model::text::visible_lines;
use serde_json::json;
use std::io::{IsTerminal, Read};

/// More than a request may have is not read.
const MOST_BYTES: u64 = 4 << 20;

/// What is written.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// Only the rules of this scope and below
    #[arg(long, default_value = "/")]
    scope: String,
    #[command(flatten)]
    at: At,
}

/// What is applied.
#[derive(Debug, clap::Args)]
pub struct Apply {
    /// The file, or - for standard input
    file: String,
    /// End the rules of --scope that the file does not have
    #[arg(long, requires = "scope")]
    prune: bool,
    /// The scope that --prune looks at
    #[arg(long, requires = "prune")]
    scope: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do it although some rule would hide what is known exploited, more than half of its scope, or nothing
    #[arg(long)]
    confirm: bool,
    #[command(flatten)]
    at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Writes the rules of a scope.
pub async fn export(settings: &Settings, flags: &Export) -> anyhow::Result<Exit> {
    let path = format!("/rules/export?format=json&scope={}", encoded(&flags.scope));
    let mut answer = Ask::open(settings, &flags.at).await?.get(&path).await?;
    let rules: Vec<Draft> = serde_json::from_value(answer["rules"].take()).context("the answer is no list of rules")?;
    // A file is what was typed; a terminal is shown what it would not show.
    let yaml = server::rules_to_yaml(&rules);
    print!("{}", if std::io::stdout().is_terminal() { visible_lines(&yaml) } else { yaml });
    Ok(Exit::Clean)
}

/// Makes the rules what a file says.
pub async fn apply(settings: &Settings, flags: &Apply) -> anyhow::Result<Exit> {
    let text = text_of(&flags.file)?;
    let rules =
        server::rules_from_yaml(&text).map_err(|wrong| stop(Exit::Usage, format!("{}: {wrong}", flags.file)))?;
    let body = json!({"rules": rules, "prune": flags.prune, "scope": flags.scope.clone().unwrap_or_default(),
        "dry_run": flags.dry_run, "confirm": flags.confirm});
    print::applied(flags.format, &Ask::open(settings, &flags.at).await?.post("/rules/apply", &body).await?)
}

fn text_of(file: &str) -> anyhow::Result<String> {
    let cannot = |error: std::io::Error| stop(Exit::Usage, format!("cannot read {file}: {error}"));
    let mut bytes = Vec::new();
    let read = match file {
        "-" => std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes),
        _ => std::fs::File::open(file).and_then(|open| open.take(MOST_BYTES + 1).read_to_end(&mut bytes)),
    };
    read.map_err(cannot)?;
    String::from_utf8(bytes).map_err(|_| stop(Exit::Usage, format!("{file} is not UTF-8")))
}
