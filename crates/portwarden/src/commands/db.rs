//! `portwarden db`: the advisory database.

use super::{Exit, stop};
use crate::output::{self, Format};
use crate::settings::Settings;
use model::Micros;
use scan::database::Folder;
use scan::feeds::{self, Options};
use std::io::Write;
use std::path::PathBuf;

/// What can be done with the advisory database.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Fetch the feeds and build a new generation
    #[command(after_help = "Examples:
  portwarden db update                            from the publishers
  portwarden db update --feeds-base http://mirror:8080
  portwarden db update --from /media/feeds        a folder laid out as <upstream host>/<path>, .zst allowed")]
    Update {
        /// A host in front of the publishers: URL/<upstream host>/<path>
        #[arg(long, value_name = "URL", env = "PORTWARDEN_FEEDS_BASE", conflicts_with = "from")]
        feeds_base: Option<String>,
        /// A folder laid out as <upstream host>/<path>; nothing is fetched
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
        /// A proxy for every request
        #[arg(long, value_name = "URL", env = "PORTWARDEN_PROXY")]
        proxy: Option<String>,
        /// Certificates to trust beside the platform's own, PEM
        #[arg(long, value_name = "FILE", env = "PORTWARDEN_CA_BUNDLE")]
        ca_bundle: Option<PathBuf>,
        /// Take a feed even if it lost a file, a release, or more than a tenth of its records
        #[arg(long)]
        accept_loss: bool,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show what is in force, how old it is, how each feed fares
    #[command(
        after_help = "Examples:\n  portwarden db status\n  portwarden db status --format json\n  portwarden db status --data /var/lib/portwarden"
    )]
    Status {
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Write the database to a file, for a network without internet
    #[command(after_help = "Examples:\n  portwarden db export advisories.pwdb")]
    Export {
        /// The file
        file: PathBuf,
    },
    /// Put a database file in force
    #[command(after_help = "Examples:\n  portwarden db import advisories.pwdb")]
    Import {
        /// The file
        file: PathBuf,
    },
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Update { feeds_base, from, proxy, ca_bundle, accept_loss, format } => {
            let options = Options {
                base: feeds_base.as_deref().map(|u| url("--feeds-base", u)).transpose()?,
                from: from.clone(),
                proxy: proxy.as_deref().map(|u| url("--proxy", u)).transpose()?,
                ca_bundle: ca_bundle.clone(),
                accept_loss: *accept_loss,
                ..Options::default()
            };
            update(settings, &options, *format).await
        }
        Command::Status { format } => status(settings, *format),
        Command::Export { file } => {
            let generation = Folder::of(&settings.data)
                .export(file)
                .map_err(|e| stop(Exit::NoDatabase, output::chain(&e.into())))?;
            println!("generation {generation} written to {}", file.display());
            Ok(Exit::Clean)
        }
        Command::Import { file } => {
            let generation = Folder::of(&settings.data)
                .import(file)
                .map_err(|e| stop(Exit::NoDatabase, output::chain(&e.into())))?;
            println!("generation {generation} is in force");
            Ok(Exit::Clean)
        }
    }
}

fn url<T: std::str::FromStr>(flag: &str, text: &str) -> anyhow::Result<T> {
    text.parse().map_err(|_| stop(Exit::Usage, format!("{flag}: {text:?} is not a URL; write it as http://host:port")))
}

async fn update(settings: &Settings, options: &Options, format: Format) -> anyhow::Result<Exit> {
    if let Some(from) = options.from.as_ref().filter(|from| !from.is_dir()) {
        let message =
            format!("--from: {} is no folder; name one that is laid out as <upstream host>/<path>", from.display());
        return Err(stop(Exit::Usage, message));
    }
    if !settings.quiet {
        eprintln!("fetching feeds and building the advisory database in {}", settings.data.display());
    }
    let started = std::time::Instant::now();
    let updated =
        feeds::update(options, &settings.data).await.map_err(|e| stop(Exit::NoDatabase, output::chain(&e.into())))?;
    if format != Format::Table {
        output::json(&serde_json::json!({"schema": output::SCHEMA, "updated": updated}))?;
        return Ok(outcome(&updated.feeds));
    }
    feeds_table(&updated.feeds)?;
    let what = if updated.changed { "is new" } else { "stays: nothing has changed" };
    println!("generation {} {what}; {:.1} s", updated.generation, started.elapsed().as_secs_f64());
    Ok(outcome(&updated.feeds))
}

/// A feed in trouble is told by the exit code: its last good copy, or nothing of it, is in force.
fn outcome(feeds: &[feeds::Report]) -> Exit {
    if feeds.iter().any(|f| f.trouble.is_some()) { Exit::NoDatabase } else { Exit::Clean }
}

fn status(settings: &Settings, format: Format) -> anyhow::Result<Exit> {
    let status = feeds::status(&settings.data).map_err(|e| stop(Exit::NoDatabase, output::chain(&e.into())))?;
    if format != Format::Table {
        output::json(&serde_json::json!({"schema": output::SCHEMA, "status": status}))?;
        return Ok(Exit::Clean);
    }
    if status.generation == 0 {
        println!(
            "only the built-in starter advisories ({} vulnerabilities); run `portwarden db update`",
            status.vulnerabilities
        );
        return Ok(Exit::Clean);
    }
    feeds_table(&status.feeds)?;
    println!(
        "generation {} with {} vulnerabilities, built {} UTC, {:.1} MB, facts {}",
        status.generation,
        status.vulnerabilities,
        day(status.built),
        status.bytes as f64 / 1e6,
        status.content_hash
    );
    Ok(Exit::Clean)
}

fn feeds_table(feeds: &[feeds::Report]) -> anyhow::Result<()> {
    let row = |feed: &feeds::Report| {
        let state = &feed.state;
        let trouble = feed.trouble.clone().unwrap_or_else(|| "ok".into());
        vec![
            state.name.clone(),
            state.records.to_string(),
            day(state.date),
            day(state.fetched),
            output::visible(&trouble),
        ]
    };
    let mut out = std::io::stdout().lock();
    output::table(
        &mut out,
        &["FEED", "RECORDS", "NEWEST", "FETCHED", "STATE"],
        &feeds.iter().map(row).collect::<Vec<_>>(),
    )?;
    out.flush()?;
    Ok(())
}

fn day(at: Micros) -> String {
    if at.0 == 0 { "-".into() } else { at.rfc3339().get(..16).unwrap_or("").replace('T', " ") }
}
