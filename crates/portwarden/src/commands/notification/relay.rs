//! `portwarden notification relay`: the mail relay that channels of mail go by.

use super::Shown;
use crate::commands::ask::{Ask, At};
use crate::commands::user;
use crate::output::{self, visible};
use crate::settings::Settings;
use serde_json::{Value, json};

const PATH: &str = "/notifications/relay";

/// What can be done with the mail relay.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show it, without its password
    Show(Shown),
    /// Name it, or another one; with --user the password is read from standard input
    #[command(after_help = "Examples:
  portwarden notification relay set --host smtp.example.com --user portwarden --from portwarden@example.com < password-file
  portwarden notification relay set --host 127.0.0.1 --tls none --from portwarden@example.com")]
    Set {
        /// Name or address, without the port
        #[arg(long)]
        host: String,
        /// [default: 587; with tls 465, with none 25]
        #[arg(long)]
        port: Option<u16>,
        /// starttls (the relay must offer it), tls (from the first byte) or none
        #[arg(long, default_value = "starttls", value_name = "KIND")]
        tls: String,
        /// Who signs in there
        #[arg(long)]
        user: Option<String>,
        /// The password that is kept for this host and user stays; else it is read from standard input
        #[arg(long, requires = "user")]
        keep_password: bool,
        /// The address that mail comes from
        #[arg(long, value_name = "ADDRESS")]
        from: String,
        #[command(flatten)]
        shown: Shown,
    },
    /// Say that there is none any more; mail waits for another and is given up in the end
    Delete {
        #[command(flatten)]
        at: At,
    },
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Show(shown) => show(&Ask::open(settings, &shown.at).await?.get(PATH).await?, shown),
        Command::Set { host, port, tls, user, keep_password, from, shown } => {
            let password = user.as_ref().filter(|_| !keep_password).map(|_| user::password()).transpose()?;
            let body =
                json!({"host": host, "port": port, "tls": tls, "user": user, "password": password, "from": from});
            show(&Ask::open(settings, &shown.at).await?.put(PATH, &body).await?, shown)
        }
        Command::Delete { at } => Ask::open(settings, at).await?.delete(PATH).await.map(|_| ()),
    }
}

fn show(relay: &Value, shown: &Shown) -> anyhow::Result<()> {
    let cells = |relay: &Value| {
        let text = |name: &str| visible(relay[name].as_str().unwrap_or(""));
        vec![text("host"), relay["port"].to_string(), text("tls"), text("user"), text("from")]
    };
    output::list(shown.format, std::slice::from_ref(relay), &["HOST", "PORT", "TLS", "USER", "FROM"], cells, 1)?;
    Ok(())
}
