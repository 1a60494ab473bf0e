//! `portwarden notification`: who is told of what, and what was sent.

mod relay;

use super::ask::{Ask, At};
use super::{Exit, stop};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::{Value, json};

/// What can be done with channels.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the channels
    List(Shown),
    /// Show a channel
    Show {
        /// Its id, from `notification list`
        id: i64,
        #[command(flatten)]
        shown: Shown,
    },
    /// Make a channel; the key of a signed webhook is printed once
    #[command(after_help = "Examples:
  portwarden notification create --name on-call --address https://hooks.example.com/portwarden
  portwarden notification create --name team --kind slack --address - --scope /SUBSCRIPTION/local/team/app < url
  portwarden notification create --name security --kind mail --address security@example.com --tell known-exploited --tell scan-problem")]
    Create {
        /// webhook (signed CloudEvents), slack, teams or mail
        #[arg(long, default_value = "webhook", value_name = "KIND")]
        kind: String,
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        shown: Shown,
    },
    /// Change a channel; what is not given stays
    Change {
        /// Its id, from `notification list`
        id: i64,
        #[command(flatten)]
        what: What,
        /// Send nothing for now
        #[arg(long, conflicts_with = "resume")]
        pause: bool,
        /// Send again
        #[arg(long)]
        resume: bool,
        #[command(flatten)]
        shown: Shown,
    },
    /// Take a channel away, with what waits for it
    Delete {
        /// Its id, from `notification list`
        id: i64,
        #[command(flatten)]
        at: At,
    },
    /// Have a message sent that says that the channel works
    Test {
        /// Its id, from `notification list`
        id: i64,
        #[command(flatten)]
        shown: Shown,
    },
    /// Make another key for a signed webhook; the one before is used beside it for a day
    Key {
        /// Its id, from `notification list`
        id: i64,
        #[command(flatten)]
        shown: Shown,
    },
    /// List what was sent, newest first
    Deliveries {
        /// Only of the channel with this id
        #[arg(long, value_name = "ID")]
        channel: Option<i64>,
        #[command(flatten)]
        shown: Shown,
    },
    /// Have a message sent again at once; its id stays
    Retry {
        /// Its id, from `notification deliveries`
        id: i64,
        #[command(flatten)]
        shown: Shown,
    },
    /// The mail relay that channels of mail go by
    #[command(subcommand)]
    Relay(relay::Command),
}

/// Where it is done, and how the result is written.
#[derive(Debug, clap::Args)]
pub struct Shown {
    #[command(flatten)]
    at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What a channel is.
#[derive(Debug, clap::Args)]
pub struct What {
    /// Whom it tells
    #[arg(long)]
    name: Option<String>,
    /// A URL; - reads it from standard input, so that no list of processes shows it. Of mail the addresses, with commas between them
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// A kind of notice, several times; default: all
    #[arg(long, value_name = "KIND")]
    tell: Vec<String>,
    /// The part of the tree [default: /]
    #[arg(long, value_name = "PATH")]
    scope: Option<String>,
    /// Leave findings below this severity out [default: unknown, which is all]
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<String>,
    /// Minutes that what is not urgent is gathered [default: 60]
    #[arg(long, value_name = "N")]
    digest_minutes: Option<u32>,
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(shown) => {
            let (items, total) = Ask::open(settings, &shown.at).await?.list("/notifications/channels").await?;
            output::list(shown.format, &items, &CHANNELS, channel, total)?;
        }
        Command::Show { id, shown } => {
            let found = Ask::open(settings, &shown.at).await?.get(&format!("/notifications/channels/{id}")).await?;
            output::list(shown.format, &[found], &CHANNELS, channel, 1)?;
        }
        Command::Create { kind, what, shown } => {
            let mut body = json!({"kind": kind});
            what.fill(&mut body)?;
            made(&Ask::open(settings, &shown.at).await?.post("/notifications/channels", &body).await?, shown)?;
        }
        Command::Change { id, what, pause, resume, shown } => {
            let (ask, path) = (Ask::open(settings, &shown.at).await?, format!("/notifications/channels/{id}"));
            let mut body = ask.get(&path).await?;
            for field in ["id", "target", "failing_since", "author", "created"] {
                body.as_object_mut().map(|fields| fields.remove(field));
            }
            what.fill(&mut body)?;
            if *pause || *resume {
                body["paused"] = (*pause).into();
            }
            output::list(shown.format, &[ask.put(&path, &body).await?], &CHANNELS, channel, 1)?;
        }
        Command::Delete { id, at } => {
            Ask::open(settings, at).await?.delete(&format!("/notifications/channels/{id}")).await?;
        }
        Command::Test { id, shown } => {
            let path = format!("/notifications/channels/{id}/test");
            let sent = Ask::open(settings, &shown.at).await?.post(&path, &json!({})).await?;
            output::list(shown.format, &[sent], &DELIVERIES, delivery, 1)?;
        }
        Command::Key { id, shown } => {
            let path = format!("/notifications/channels/{id}/key");
            made(&Ask::open(settings, &shown.at).await?.post(&path, &json!({})).await?, shown)?;
        }
        Command::Deliveries { channel, shown } => {
            let of = channel.map(|id| format!("?channel={id}")).unwrap_or_default();
            let path = format!("/notifications/deliveries{of}");
            let (items, total) = Ask::open(settings, &shown.at).await?.list(&path).await?;
            output::list(shown.format, &items, &DELIVERIES, delivery, total)?;
        }
        Command::Retry { id, shown } => {
            let path = format!("/notifications/deliveries/{id}/retry");
            let sent = Ask::open(settings, &shown.at).await?.post(&path, &json!({})).await?;
            output::list(shown.format, &[sent], &DELIVERIES, delivery, 1)?;
        }
        Command::Relay(command) => relay::run(settings, command).await?,
    }
    Ok(Exit::Clean)
}

impl What {
    /// Writes what was given into a body.
    fn fill(&self, body: &mut Value) -> anyhow::Result<()> {
        let address = match self.address.as_deref() {
            Some("-") => Some(std::io::read_to_string(std::io::stdin())?.trim().to_owned()),
            Some(address) => Some(address.to_owned()),
            None => None,
        };
        if address.as_deref() == Some("") {
            return Err(stop(Exit::Usage, "--address -: standard input is empty"));
        }
        let texts = [("name", &self.name), ("address", &address), ("scope", &self.scope), ("severity", &self.severity)];
        for (field, text) in texts {
            if let Some(text) = text {
                body[field] = text.as_str().into();
            }
        }
        if !self.tell.is_empty() {
            body["kinds"] = json!(self.tell);
        }
        if let Some(minutes) = self.digest_minutes {
            body["digest_minutes"] = minutes.into();
        }
        if body["name"].is_null() {
            body["name"] = "".into(); // the answer says what a name must be
        }
        Ok(())
    }
}

/// Prints a channel that was just made: for people its key, or else its id.
fn made(answer: &Value, shown: &Shown) -> anyhow::Result<()> {
    match (shown.format, answer["key"].as_str().unwrap_or("")) {
        (Format::Table, "") => println!("{}", answer["channel"]["id"]),
        (Format::Table, key) => println!("{} {key}", answer["channel"]["id"]),
        _ => output::json(answer)?,
    }
    Ok(())
}

const CHANNELS: [&str; 8] = ["ID", "TELLS", "KIND", "ADDRESS", "SCOPE", "FROM", "OF", "STATE"];

fn channel(row: &Value) -> Vec<String> {
    let text = |name: &str| visible(row[name].as_str().unwrap_or(""));
    let kinds: Vec<&str> =
        row["kinds"].as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str).collect();
    let state = match (row["paused"].as_bool(), row["failing_since"].as_str()) {
        (Some(true), _) => "paused".to_owned(),
        (_, Some(since)) => format!("failing since {since}"),
        _ => "on".to_owned(),
    };
    let first = [row["id"].to_string(), text("name"), text("kind"), text("target"), text("scope"), text("severity")];
    first.into_iter().chain([kinds.join(" "), state]).collect()
}

const DELIVERIES: [&str; 9] = ["ID", "CHANNEL", "KIND", "SUBJECT", "FACTS", "STATE", "TRIES", "MADE", "ERROR"];

fn delivery(row: &Value) -> Vec<String> {
    let text = |name: &str| visible(row[name].as_str().unwrap_or(""));
    vec![
        row["id"].to_string(),
        text("channel_name"),
        text("kind"),
        text("subject"),
        row["facts"].to_string(),
        text("state"),
        row["attempts"].to_string(),
        text("created"),
        text("error"),
    ]
}
