//! `portwarden plan`: where images are scanned and metered. `portwarden security pricing create` is the same under another name.

use super::ask::{Ask, At, encoded};
use super::{Exit, stop};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::{Value, json};

/// What can be done with plans.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Switch the plan of a subscription, or of a registry that differs from it
    #[command(after_help = "Examples:
  portwarden plan set --name ContainerRegistry --tier standard
  portwarden plan set --tier free --registry team --subscription production
  portwarden plan set --tier standard --subscription production --enforce")]
    Set(Set),
    /// Let a registry follow its subscription again
    #[command(after_help = "Examples:\n  portwarden plan unset --registry team")]
    Unset {
        /// The registry
        #[arg(long, value_name = "NAME")]
        registry: String,
        #[command(flatten)]
        at: At,
    },
    /// List the plans of all subscriptions and registries, and how far judging has come
    #[command(after_help = "Examples:\n  portwarden plan list\n  portwarden plan list --format csv")]
    List {
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show one plan, and what switching it on would meter
    #[command(
        after_help = "Examples:\n  portwarden plan show\n  portwarden plan show --registry team\n  portwarden plan show --subscription production --format json"
    )]
    Show {
        #[command(flatten)]
        node: Node,
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// A subscription, or one of its registries.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Node {
    /// GUID or name of the subscription; may be left out where there is one alone
    #[arg(long, value_name = "GUID|NAME")]
    pub subscription: Option<String>,
    /// Name of a registry, instead of the whole subscription
    #[arg(long, value_name = "NAME")]
    pub registry: Option<String>,
}

/// A plan to be switched.
#[derive(Debug, Clone, clap::Args)]
pub struct Set {
    /// ContainerRegistry or Containers: both are the same plan
    #[arg(short, long, default_value = "ContainerRegistry")]
    pub name: String,
    /// standard or free
    #[arg(long)]
    pub tier: String,
    #[command(flatten)]
    pub node: Node,
    /// No registry of the subscription may differ
    #[arg(long)]
    pub enforce: bool,
    /// Registries of the subscription may differ
    #[arg(long, conflicts_with = "enforce")]
    pub no_enforce: bool,
    #[command(flatten)]
    pub at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// The words under which `az` knows plans.
#[derive(Debug, clap::Subcommand)]
pub enum Security {
    /// Plans
    #[command(subcommand)]
    Pricing(Pricing),
}

/// What `az security pricing` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Pricing {
    /// Switch a plan: as `portwarden plan set`
    #[command(after_help = "Examples:\n  portwarden security pricing create -n ContainerRegistry --tier standard")]
    Create(Set),
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Set(wanted) => return set(settings, wanted).await,
        Command::Unset { registry, at } => {
            Ask::open(settings, at).await?.delete(&format!("/plans?registry={}", encoded(registry))).await?;
        }
        Command::List { at, format } => {
            let (items, total) = Ask::open(settings, at).await?.list("/plans").await?;
            write(*format, &items, total)?;
        }
        Command::Show { node, at, format } => show(settings, node, at, *format).await?,
    }
    Ok(Exit::Clean)
}

/// Runs `security pricing create`.
pub async fn run_security(settings: &Settings, command: &Security) -> anyhow::Result<Exit> {
    let Security::Pricing(Pricing::Create(wanted)) = command;
    set(settings, wanted).await
}

async fn set(settings: &Settings, wanted: &Set) -> anyhow::Result<Exit> {
    let enforce = (wanted.enforce || wanted.no_enforce).then_some(wanted.enforce);
    let body = json!({
        "name": wanted.name, "tier": wanted.tier, "enforce": enforce,
        "subscription": wanted.node.subscription, "registry": wanted.node.registry,
    });
    let made = Ask::open(settings, &wanted.at).await?.put("/plans", &body).await?;
    match wanted.format {
        Format::Table => write(Format::Table, &[made], 1)?,
        _ => output::json(&made)?,
    }
    Ok(Exit::Clean)
}

async fn show(settings: &Settings, node: &Node, at: &At, format: Format) -> anyhow::Result<()> {
    let ask = Ask::open(settings, at).await?;
    let (items, _) = ask.list("/plans").await?;
    let is = |plan: &&Value, field: &str, name: &String| {
        plan[field].as_str().is_some_and(|text| text.to_lowercase() == name.to_lowercase())
    };
    let of = |plan: &&Value| {
        node.subscription.as_ref().is_none_or(|s| is(plan, "subscription", s) || is(plan, "subscription_name", s))
            && plan["registry"].as_str() == Some(node.registry.as_deref().unwrap_or(""))
    };
    let mut found = items.iter().filter(of);
    let plan =
        found.next().ok_or_else(|| stop(Exit::Usage, "there is no plan of this name; see `portwarden plan list`"))?;
    if found.next().is_some() {
        return Err(stop(Exit::Usage, "there are several subscriptions; name one with --subscription"));
    }
    let named = [("subscription", plan["subscription"].as_str()), ("registry", plan["registry"].as_str())];
    let named = named.iter().filter_map(|(name, value)| Some((name, value.filter(|v| !v.is_empty())?)));
    let query = named.map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&");
    // What a switch would do is for whoever may switch.
    let preview = ask.get(&format!("/plans/preview?{query}")).await.ok();
    if format != Format::Table {
        return Ok(output::json(&json!({"plan": plan, "preview": preview}))?);
    }
    write(Format::Table, std::slice::from_ref(plan), 1)?;
    if let Some(preview) = preview {
        let days = &preview["window_days"];
        println!("\nImages: {}; pushed or pulled within {days} days: {}", preview["images"], preview["in_window"]);
        if plan["tier"] == "Free" {
            println!("Switching it on takes these in; images that it meters: {}", preview["to_meter"]);
        }
    }
    Ok(())
}

fn write(format: Format, items: &[Value], total: u64) -> anyhow::Result<()> {
    let columns = ["SUBSCRIPTION", "REGISTRY", "PLAN", "TIER", "SINCE", "FROM", "IMAGES", "JUDGED", "SCOPE"];
    Ok(output::list(format, items, &columns, cells, total)?)
}

fn cells(plan: &Value) -> Vec<String> {
    let text = |name: &str| visible(plan[name].as_str().unwrap_or(""));
    let reach = &plan["reach"];
    let judged = match (reach["judged"].as_u64(), reach["in_window"].as_u64()) {
        (Some(judged), Some(all)) => format!("{judged} of {all}"),
        _ => String::new(),
    };
    let from = match (plan["inherited"].as_bool(), plan["enforce"].as_bool()) {
        (Some(true), _) => "the subscription",
        (_, Some(true)) => "itself, enforced",
        _ => "itself",
    };
    vec![
        text("subscription_name"),
        text("registry"),
        text("name"),
        text("tier"),
        text("since"),
        from.to_owned(),
        reach["images"].as_u64().map(|n| n.to_string()).unwrap_or_default(),
        judged,
        text("scope"),
    ]
}
