//! `portwarden registry network`: who may speak to a registry, in the words of `az acr`.

use super::ask::{Ask, At, encoded};
use super::{Exit, stop};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::{Map, Value, json};

/// What can be done with network rules.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show the rules of a registry
    Show {
        /// The registry
        registry: String,
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Set them; what is left out stays
    #[command(after_help = "Examples:
  portwarden registry network set local --default-action Deny --ip-rules 203.0.113.0/24,2001:db8::/32
  portwarden registry network set local --public-network-enabled false
  portwarden registry network set local --allow-trusted-services false    the scanner is kept out as well")]
    Set {
        /// The registry
        registry: String,
        /// false: no client is let in, whatever the IP rules say
        #[arg(long, value_name = "true|false")]
        public_network_enabled: Option<bool>,
        /// What happens to an address that no IP rule names: Allow or Deny
        #[arg(long, value_name = "Allow|Deny")]
        default_action: Option<String>,
        /// Whether the scanner is let in where clients are kept out
        #[arg(long, value_name = "true|false")]
        allow_trusted_services: Option<bool>,
        /// The IP rules, all of them; an empty text takes all away
        #[arg(long, value_name = "CIDR,…", value_delimiter = ',')]
        ip_rules: Option<Vec<String>>,
        /// Go on although your own address is kept out then
        #[arg(long)]
        confirm: bool,
        #[command(flatten)]
        at: At,
    },
    /// Let an address or a network in
    #[command(after_help = "Examples:\n  portwarden registry network allow local --ip-address 203.0.113.7")]
    Allow {
        /// The registry
        registry: String,
        /// Address or network
        #[arg(long, value_name = "ADDRESS|CIDR")]
        ip_address: String,
        #[command(flatten)]
        at: At,
    },
    /// Take an IP rule away
    Remove {
        /// The registry
        registry: String,
        /// Address or network
        #[arg(long, value_name = "ADDRESS|CIDR")]
        ip_address: String,
        /// Go on although your own address is kept out then
        #[arg(long)]
        confirm: bool,
        #[command(flatten)]
        at: At,
    },
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    let path = |registry: &str| format!("/registries/{}/network", encoded(registry));
    match command {
        Command::Show { registry, at, format } => {
            let shown = Ask::open(settings, at).await?.get(&path(registry)).await?;
            show(&shown, *format)?;
        }
        Command::Set {
            registry,
            public_network_enabled,
            default_action,
            allow_trusted_services,
            ip_rules,
            confirm,
            at,
        } => {
            let rules = ip_rules.as_ref().map(|rules| rules.iter().filter(|rule| !rule.is_empty()).collect::<Vec<_>>());
            let mut body = Map::new();
            for (name, value) in [
                ("public_network_enabled", public_network_enabled.map(Value::from)),
                ("default_action", default_action.clone().map(Value::from)),
                ("allow_trusted_services", allow_trusted_services.map(Value::from)),
                ("ip_rules", rules.map(|rules| json!(rules))),
            ] {
                body.extend(value.map(|value| (name.to_owned(), value)));
            }
            if body.is_empty() {
                return Err(stop(Exit::Usage, "nothing to set; see `portwarden registry network set --help`"));
            }
            body.insert("confirm".into(), (*confirm).into());
            let shown = Ask::open(settings, at).await?.put(&path(registry), &Value::Object(body)).await?;
            show(&shown, Format::Table)?;
        }
        Command::Allow { registry, ip_address, at } => {
            let body = json!({"ip_address": ip_address});
            let ask = Ask::open(settings, at).await?;
            show(&ask.post(&format!("{}/ip-rules", path(registry)), &body).await?, Format::Table)?;
        }
        Command::Remove { registry, ip_address, confirm, at } => {
            let (path, rule) = (path(registry), encoded(ip_address));
            Ask::open(settings, at).await?.delete(&format!("{path}/ip-rules/{rule}?confirm={confirm}")).await?;
        }
    }
    Ok(Exit::Clean)
}

fn show(rules: &Value, format: Format) -> anyhow::Result<()> {
    if matches!(format, Format::Json) {
        return Ok(output::json(rules)?);
    }
    let columns = ["REGISTRY", "PUBLIC ACCESS", "DEFAULT ACTION", "TRUSTED SERVICES", "SCANNER", "IP RULES"];
    let cells = |row: &Value| {
        let yes = |name: &str, yes: &str, no: &str| if row[name] == true { yes } else { no }.to_owned();
        let rules = row["ip_rules"].as_array().into_iter().flatten().filter_map(Value::as_str);
        vec![
            row["registry"].as_str().map(visible).unwrap_or_default(),
            yes("public_network_enabled", "on", "off"),
            row["default_action"].as_str().unwrap_or("").to_owned(),
            yes("allow_trusted_services", "allowed", "not allowed"),
            yes("scanner_allowed", "let in", "kept out"),
            rules.collect::<Vec<_>>().join(" "),
        ]
    };
    Ok(output::list(format, std::slice::from_ref(rules), &columns, cells, 1)?)
}
