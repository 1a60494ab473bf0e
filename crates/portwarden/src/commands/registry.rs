//! `portwarden registry` and `portwarden subscription`: the scope tree.

use super::Exit;
use super::ask::{Ask, At, encoded};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::{Value, json};

/// What can be done with registries.
#[derive(Debug, clap::Subcommand)]
pub enum Registry {
    /// List registries
    #[command(after_help = "Examples:\n  portwarden registry list\n  portwarden registry list --format json")]
    List {
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Make a registry of Portwarden's own, found by its host name on the same port
    #[command(after_help = "Examples:
  portwarden registry create team --host team.registry.example
  portwarden registry create team --host team.registry.example --subscription production --resource-group web")]
    Create {
        /// Its name: a-z 0-9 - _ .
        name: String,
        /// Host by which clients find it
        #[arg(long)]
        host: String,
        /// GUID or name of its subscription; may be left out where there is one alone
        #[arg(long, value_name = "GUID|NAME")]
        subscription: Option<String>,
        /// Resource group
        #[arg(long, value_name = "NAME")]
        resource_group: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Rename a registry, move it, give it another host; ids of findings stay
    #[command(after_help = "Examples:
  portwarden registry update team --name web
  portwarden registry update team --subscription production --resource-group web
  portwarden registry update team --host web.registry.example")]
    Update {
        /// The registry
        registry: String,
        /// Its new name
        #[arg(long)]
        name: Option<String>,
        /// Its new host
        #[arg(long)]
        host: Option<String>,
        /// GUID or name of the subscription that it moves to
        #[arg(long, value_name = "GUID|NAME")]
        subscription: Option<String>,
        /// The resource group that it moves to
        #[arg(long, value_name = "NAME")]
        resource_group: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Write the registries as Export-AzRuleData of PSRule for Azure does: a JSON array that PSRule and `portwarden check` judge
    #[command(
        name = "export-azruledata",
        after_help = "Examples:
  portwarden registry export-azruledata > out/registries.json
  portwarden check out/registries.json                what `portwarden check --live` says, without suppressions
  Invoke-PSRule -Module PSRule.Rules.Azure -InputPath out/"
    )]
    ExportAzRuleData {
        /// Part of the tree: /SUBSCRIPTION/REGISTRY
        #[arg(long, default_value = "/")]
        scope: String,
        #[command(flatten)]
        at: At,
    },
    /// Who may speak to a registry
    #[command(subcommand)]
    Network(super::network::Command),
    /// Take an empty registry away
    Delete {
        /// The registry
        registry: String,
        #[command(flatten)]
        at: At,
    },
}

/// What can be done with subscriptions.
#[derive(Debug, clap::Subcommand)]
pub enum Subscription {
    /// List subscriptions
    #[command(after_help = "Examples:\n  portwarden subscription list\n  portwarden subscription list --format csv")]
    List {
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Make a subscription; its plan is off unless --tier standard is given
    #[command(after_help = "Examples:
  portwarden subscription create production
  portwarden subscription create production --guid 11111111-2222-4333-8444-555555555555 --tier standard")]
    Create {
        /// Its name
        name: String,
        /// Its GUID; one is made where it is left out
        #[arg(long)]
        guid: Option<String>,
        /// standard or free
        #[arg(long)]
        tier: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Rename a subscription, or set for how many days an image that was pushed or pulled is kept judged
    #[command(after_help = "Examples:
  portwarden subscription update default --name production
  portwarden subscription update production --window-days 90")]
    Update {
        /// GUID or name of the subscription
        subscription: String,
        /// Its new name
        #[arg(long)]
        name: Option<String>,
        /// Days of the window, 1 to 3650
        #[arg(long, value_name = "DAYS")]
        window_days: Option<i64>,
        #[command(flatten)]
        at: At,
    },
    /// Rename a resource group
    #[command(after_help = "Examples:\n  portwarden subscription rename-group production web --name shop")]
    RenameGroup {
        /// GUID or name of the subscription
        subscription: String,
        /// The resource group
        group: String,
        /// Its new name
        #[arg(long)]
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// Take an empty subscription away
    Delete {
        /// GUID or name of the subscription
        subscription: String,
        #[command(flatten)]
        at: At,
    },
}

/// Runs a command on registries.
pub async fn run(settings: &Settings, command: &Registry) -> anyhow::Result<Exit> {
    let path = |name: &str| format!("/registries/{}", encoded(name));
    let changed = match command {
        Registry::List { at, format } => {
            let (items, total) = Ask::open(settings, at).await?.list("/registries").await?;
            registries(*format, &items, total)?;
            return Ok(Exit::Clean);
        }
        Registry::Create { name, host, subscription, resource_group, at } => {
            let body =
                json!({"name": name, "host": host, "subscription": subscription, "resource_group": resource_group});
            Ask::open(settings, at).await?.post("/registries", &body).await?
        }
        Registry::Update { registry, name, host, subscription, resource_group, at } => {
            let body =
                json!({"name": name, "host": host, "subscription": subscription, "resource_group": resource_group});
            Ask::open(settings, at).await?.patch(&path(registry), &body).await?
        }
        Registry::Network(command) => return super::network::run(settings, command).await,
        Registry::ExportAzRuleData { scope, at } => {
            let path = format!("/posture/resources?scope={}", encoded(scope));
            output::json(&Ask::open(settings, at).await?.get(&path).await?)?;
            return Ok(Exit::Clean);
        }
        Registry::Delete { registry, at } => {
            Ask::open(settings, at).await?.delete(&path(registry)).await?;
            return Ok(Exit::Clean);
        }
    };
    registries(Format::Table, &[changed], 1)?;
    Ok(Exit::Clean)
}

/// Runs a command on subscriptions.
pub async fn run_subscription(settings: &Settings, command: &Subscription) -> anyhow::Result<Exit> {
    let path = |name: &str| format!("/subscriptions/{}", encoded(name));
    let changed = match command {
        Subscription::List { at, format } => {
            let (items, total) = Ask::open(settings, at).await?.list("/subscriptions").await?;
            subscriptions(*format, &items, total)?;
            return Ok(Exit::Clean);
        }
        Subscription::Create { name, guid, tier, at } => {
            let body = json!({"name": name, "guid": guid, "tier": tier});
            Ask::open(settings, at).await?.post("/subscriptions", &body).await?
        }
        Subscription::Update { subscription, name, window_days, at } => {
            let body = json!({"name": name, "window_days": window_days});
            Ask::open(settings, at).await?.patch(&path(subscription), &body).await?
        }
        Subscription::RenameGroup { subscription, group, name, at } => {
            let path = format!("{}/groups/{}", path(subscription), encoded(group));
            Ask::open(settings, at).await?.patch(&path, &json!({"name": name})).await?
        }
        Subscription::Delete { subscription, at } => {
            Ask::open(settings, at).await?.delete(&path(subscription)).await?;
            return Ok(Exit::Clean);
        }
    };
    subscriptions(Format::Table, &[changed], 1)?;
    Ok(Exit::Clean)
}

fn registries(format: Format, items: &[Value], total: u64) -> anyhow::Result<()> {
    let columns = ["NAME", "HOST", "SUBSCRIPTION", "RESOURCE GROUP", "KIND", "PLAN", "REPOSITORIES", "IMAGES", "SCOPE"];
    let cells = |row: &Value| {
        let text = |name: &str| visible(row[name].as_str().unwrap_or(""));
        let count = |name: &str| row["reach"][name].as_u64().map(|n| n.to_string()).unwrap_or_default();
        vec![
            text("name"),
            if text("host").is_empty() { "every other".into() } else { text("host") },
            text("subscription_name"),
            text("resource_group"),
            text("kind"),
            text("tier"),
            count("repositories"),
            count("images"),
            text("scope"),
        ]
    };
    Ok(output::list(format, items, &columns, cells, total)?)
}

fn subscriptions(format: Format, items: &[Value], total: u64) -> anyhow::Result<()> {
    let columns = ["NAME", "GUID", "PLAN", "WINDOW", "RESOURCE GROUPS", "REGISTRIES", "IMAGES"];
    let cells = |row: &Value| {
        let text = |name: &str| visible(row[name].as_str().unwrap_or(""));
        let list = |name: &str| {
            let items = row[name].as_array().map(Vec::as_slice).unwrap_or_default();
            visible(&items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        };
        vec![
            text("name"),
            text("guid"),
            text("tier"),
            format!("{} days", row["window_days"]),
            list("resource_groups"),
            list("registries"),
            row["reach"]["images"].as_u64().map(|n| n.to_string()).unwrap_or_default(),
        ]
    };
    Ok(output::list(format, items, &columns, cells, total)?)
}
