//! `portwarden user`: people and robots.

use super::ask::{Ask, At, encoded};
use super::{Exit, stop};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::{Value, json};
use std::io::Read;

/// What can be done with users.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a user, or a robot that has tokens alone; without a role yet
    #[command(after_help = "Examples:
  portwarden user create ann < password-file
  portwarden user create ci --robot")]
    Create {
        /// Name
        name: String,
        /// A program: no password, tokens alone
        #[arg(long)]
        robot: bool,
        #[command(flatten)]
        at: At,
    },
    /// List users and robots with their roles
    List {
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Set a password, read from standard input; the sessions and tokens of the user end
    Password {
        /// Name
        name: String,
        /// The tokens stay
        #[arg(long)]
        keep_tokens: bool,
        #[command(flatten)]
        at: At,
    },
    /// Take somebody away, with roles, tokens and sessions
    Delete {
        /// Name
        name: String,
        #[command(flatten)]
        at: At,
    },
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Create { name, robot, at } => {
            let password = if *robot { None } else { Some(password()?) };
            let body = json!({"name": name, "kind": if *robot { "robot" } else { "user" }, "password": password});
            Ask::open(settings, at).await?.post("/users", &body).await?;
        }
        Command::List { at, format } => {
            let (items, total) = Ask::open(settings, at).await?.list("/users?limit=1000").await?;
            output::list(*format, &items, &["NAME", "KIND", "PASSWORD", "CREATED", "ROLES"], cells, total)?;
        }
        Command::Password { name, keep_tokens, at } => {
            let body = json!({"password": password()?, "revoke_tokens": !keep_tokens});
            let path = format!("/users/{}/password", encoded(name));
            Ask::open(settings, at).await?.put(&path, &body).await?;
        }
        Command::Delete { name, at } => {
            Ask::open(settings, at).await?.delete(&format!("/users/{}", encoded(name))).await?;
        }
    }
    Ok(Exit::Clean)
}

/// Reads a password from standard input: the command line would show it to everybody on the machine.
pub fn password() -> anyhow::Result<String> {
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        eprintln!("Password (it is shown as you type; better: < FILE), then Enter and Ctrl-D:");
    }
    let mut text = String::new();
    std::io::stdin().take(2048).read_to_string(&mut text)?;
    let password = text.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err(stop(Exit::Usage, "no password on standard input; give it as: portwarden … < FILE"));
    }
    Ok(password)
}

fn cells(user: &Value) -> Vec<String> {
    let text = |name: &str| visible(user[name].as_str().unwrap_or(""));
    let roles = user["roles"].as_array().map(Vec::as_slice).unwrap_or_default();
    let role = |r: &Value| format!("{}={}", r["role"].as_str().unwrap_or(""), r["scope"].as_str().unwrap_or(""));
    let roles: Vec<String> = roles.iter().map(role).collect();
    let password = if user["password"] == true { "yes" } else { "no" };
    vec![text("name"), text("kind"), password.into(), text("created"), visible(&roles.join(" "))]
}
