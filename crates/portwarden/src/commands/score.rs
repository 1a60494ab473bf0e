//! `portwarden score`, `portwarden recommendation`, `portwarden exemption`: what should be done, and what it is worth.

use super::Exit;
use super::ask::{Ask, At, encoded};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::{Value, json};

/// Where the question is about.
#[derive(Debug, clap::Args)]
pub struct Where {
    /// Part of the tree: /SUBSCRIPTION/REGISTRY/REPOSITORY
    #[arg(long, default_value = "/")]
    pub scope: String,
    #[command(flatten)]
    pub at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What can be asked of the score.
#[derive(Debug, clap::Subcommand)]
pub enum ScoreCommand {
    /// Show the secure score with its arithmetic
    #[command(after_help = "Examples:
  portwarden score show
  portwarden score show --scope /SUBSCRIPTION/local
  portwarden score show --fixed sha256:3f9a…                   if this image were healthy")]
    Show {
        #[command(flatten)]
        place: Where,
        /// Digests of images, comma-separated: the score if these were healthy
        #[arg(long)]
        fixed: Option<String>,
    },
    /// Show the control of findings at the end of each day
    History {
        #[command(flatten)]
        place: Where,
        /// How many days
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
}

/// What can be asked of recommendations.
#[derive(Debug, clap::Subcommand)]
pub enum RecommendationCommand {
    /// List recommendations and how many resources follow them
    #[command(after_help = "Examples:
  portwarden recommendation list
  portwarden recommendation list --scope /SUBSCRIPTION --format json
  portwarden recommendation show dbd0cb49-b563-45e7-9724-889e799fa648 --state unhealthy")]
    List {
        #[command(flatten)]
        place: Where,
    },
    /// Show one: why, what to do, and which resources it is asked of
    Show {
        /// Its key
        key: String,
        /// Only resources of this state: unhealthy, unverified, healthy, not-applicable
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        place: Where,
    },
    /// Say who looks after it, and until when; without both nobody does
    Assign {
        /// Its key
        key: String,
        /// Who
        #[arg(long)]
        owner: Option<String>,
        /// Until when: RFC 3339, or a date (its end)
        #[arg(long)]
        due: Option<String>,
        /// What they should know
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        place: Where,
    },
}

/// What can be done with exemptions.
#[derive(Debug, clap::Subcommand)]
pub enum ExemptionCommand {
    /// Exempt a resource from a recommendation; no finding is hidden by it
    #[command(after_help = "Examples:
  portwarden exemption create --recommendation end-of-life --scope /SUBSCRIPTION/local/old/app --kind waiver --reason \"goes in May\" --expires 2027-05-31
  portwarden exemption list
  portwarden exemption delete 6f1c…")]
    Create {
        /// Key of the recommendation
        #[arg(long)]
        recommendation: String,
        /// The image; default: everything in the scope
        #[arg(long)]
        digest: Option<String>,
        /// waiver or mitigated
        #[arg(long)]
        kind: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// When it ends: RFC 3339, or a date (its end); default: never
        #[arg(long)]
        expires: Option<String>,
        #[command(flatten)]
        place: Where,
    },
    /// List exemptions
    List {
        #[command(flatten)]
        place: Where,
    },
    /// End an exemption at once
    Delete {
        /// Its id
        id: String,
        #[command(flatten)]
        place: Where,
    },
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().map(visible).unwrap_or_default()
}

fn query(place: &Where) -> String {
    format!("scope={}", encoded(&place.scope))
}

/// Runs `portwarden score`.
pub async fn score(settings: &Settings, command: &ScoreCommand) -> anyhow::Result<Exit> {
    match command {
        ScoreCommand::Show { place, fixed } => {
            let fixed = fixed.as_deref().map(|f| format!("&fixed={}", encoded(f))).unwrap_or_default();
            let ask = Ask::open(settings, &place.at).await?;
            let score = ask.get(&format!("/score?{}{fixed}", query(place))).await?;
            if place.format != Format::Table {
                output::json(&score)?;
                return Ok(Exit::Clean);
            }
            let controls = score["controls"].as_array().cloned().unwrap_or_default();
            let row = |c: &Value| {
                vec![
                    text(c, "name"),
                    c["max"].to_string(),
                    text(c, "formula"),
                    format!("+{:.2}", c["gain"].as_f64().unwrap_or(0.0)),
                ]
            };
            output::list(Format::Table, &controls, &["CONTROL", "MAX", "CURRENT", "TO GAIN"], row, 0)?;
            println!("Secure score {}", text(&score, "formula"));
        }
        ScoreCommand::History { place, days } => {
            let path = format!("/score/history?days={days}&{}", query(place));
            let (items, total) = Ask::open(settings, &place.at).await?.list(&path).await?;
            let cells = |d: &Value| {
                vec![text(d, "date"), text(d, "formula"), d["healthy"].to_string(), d["unhealthy"].to_string()]
            };
            output::list(place.format, &items, &["DATE", "CURRENT", "HEALTHY", "UNHEALTHY"], cells, total)?;
        }
    }
    Ok(Exit::Clean)
}

/// Runs `portwarden recommendation`.
pub async fn recommendation(settings: &Settings, command: &RecommendationCommand) -> anyhow::Result<Exit> {
    match command {
        RecommendationCommand::List { place } => {
            let path = format!("/recommendations?{}", query(place));
            let (mut items, total) = Ask::open(settings, &place.at).await?.list(&path).await?;
            if place.format == Format::Table {
                items.reverse(); // the worst stands above the prompt
            }
            let cells = |r: &Value| {
                let counted = r["unhealthy"].as_u64().unwrap_or(0) + r["healthy"].as_u64().unwrap_or(0);
                let affected = format!("{} of {counted} {}", r["unhealthy"], text(r, "asked_of"));
                let gain = format!("+{:.2}", r["score_gain"].as_f64().unwrap_or(0.0));
                vec![
                    text(r, "severity"),
                    text(r, "status"),
                    affected,
                    gain,
                    text(r, "owner"),
                    text(r, "title"),
                    text(r, "key"),
                ]
            };
            let columns = ["SEVERITY", "STATUS", "AFFECTED", "GAIN", "OWNER", "RECOMMENDATION", "KEY"];
            output::list(place.format, &items, &columns, cells, total)?;
        }
        RecommendationCommand::Show { key, state, place } => show(settings, key, state.as_deref(), place).await?,
        RecommendationCommand::Assign { key, owner, due, note, place } => {
            let body = json!({"scope": place.scope, "owner": owner, "due": due, "note": note});
            let path = format!("/recommendations/{}/assignment", encoded(key));
            Ask::open(settings, &place.at).await?.put(&path, &body).await?;
        }
    }
    Ok(Exit::Clean)
}

async fn show(settings: &Settings, key: &str, state: Option<&str>, place: &Where) -> anyhow::Result<()> {
    let ask = Ask::open(settings, &place.at).await?;
    let path = format!("/recommendations/{}", encoded(key));
    let state = state.map(|s| format!("&state={}", encoded(s))).unwrap_or_default();
    let (items, total) = ask.list(&format!("{path}/resources?{}{state}", query(place))).await?;
    let cells = |r: &Value| {
        let places = r["places"].as_array().cloned().unwrap_or_default();
        let names: Vec<String> =
            places.iter().map(|p| format!("{}/{}", text(p, "registry"), text(p, "repository"))).collect();
        let reasons = r["reasons"].as_array().cloned().unwrap_or_default();
        let reasons: Vec<String> = reasons.iter().filter_map(Value::as_str).map(visible).collect();
        vec![text(r, "state"), text(r, "name"), names.join(" "), r["counts"]["findings"].to_string(), reasons.join(" ")]
    };
    if place.format != Format::Table {
        output::list(place.format, &items, &["STATE", "RESOURCE", "WHERE", "FINDINGS", "WHY"], cells, total)?;
        return Ok(());
    }
    let one = ask.get(&format!("{path}?{}", query(place))).await?;
    println!("{}\n{}\n", text(&one, "title"), text(&one, "description"));
    for (at, step) in one["remediation"].as_array().into_iter().flatten().enumerate() {
        println!("{}. {}", at + 1, text(step, "text"));
        if let Some(command) = step["command"].as_str() {
            println!("   {}", visible(command));
        }
    }
    println!();
    output::list(Format::Table, &items, &["STATE", "RESOURCE", "WHERE", "FINDINGS", "WHY"], cells, total)?;
    println!(
        "{} unhealthy, {} unverified, {} healthy, {} not applicable",
        one["unhealthy"], one["unverified"], one["healthy"], one["not_applicable"]
    );
    Ok(())
}

/// Runs `portwarden exemption`.
pub async fn exemption(settings: &Settings, command: &ExemptionCommand) -> anyhow::Result<Exit> {
    match command {
        ExemptionCommand::Create { recommendation, digest, kind, reason, expires, place } => {
            let body = json!({"recommendation": recommendation, "scope": place.scope, "digest": digest, "kind": kind, "reason": reason, "expires": expires});
            let made = Ask::open(settings, &place.at).await?.post("/exemptions", &body).await?;
            match place.format {
                Format::Table => println!("{}", text(&made, "id")),
                _ => output::json(&made)?,
            }
        }
        ExemptionCommand::List { place } => {
            let (items, total) = Ask::open(settings, &place.at).await?.list("/exemptions").await?;
            let cells = |e: &Value| {
                let state = if e["expired"] == true { "expired" } else { "in force" };
                let expires = e["expires"].as_str().map_or_else(|| "never".into(), visible);
                vec![
                    state.into(),
                    text(e, "recommendation"),
                    text(e, "scope"),
                    text(e, "digest"),
                    text(e, "kind"),
                    expires,
                    text(e, "reason"),
                    text(e, "id"),
                ]
            };
            let columns = ["STATE", "RECOMMENDATION", "SCOPE", "IMAGE", "KIND", "EXPIRES", "REASON", "ID"];
            output::list(place.format, &items, &columns, cells, total)?;
        }
        ExemptionCommand::Delete { id, place } => {
            Ask::open(settings, &place.at).await?.delete(&format!("/exemptions/{}", encoded(id))).await?;
        }
    }
    Ok(Exit::Clean)
}
