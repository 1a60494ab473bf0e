//! `portwarden finding`: the findings of the images that the server knows.

use super::ask::{Ask, At, encoded};
use super::image::{self, List, text};
use super::{Exit, stop};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use serde_json::{Value, json};

/// What can be asked of findings.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List findings, worst first
    #[command(after_help = "Examples:
  portwarden finding list 'severity:>=high' fix:yes
  portwarden finding list repo:payments pkg:openssl --format json
  portwarden finding list CVE-2023-45853 --as-of 2026-03-03
  portwarden finding list kev:yes --server https://registry.example")]
    List(List),
    /// Show one finding: what it is and what to do
    #[command(
        after_help = "Examples:\n  portwarden finding show 0b2f…\n  portwarden finding show CVE-2023-45853 --image sample/shop:1.0\n  portwarden finding show 0b2f… --format json"
    )]
    Show(One),
    /// Explain why a finding is there: file, layer, package entry, advisory, range, comparison
    #[command(
        after_help = "Examples:\n  portwarden finding explain 0b2f…\n  portwarden finding explain CVE-2023-45853\n  portwarden finding explain CVE-2023-45853 --image sample/shop:1.0"
    )]
    Explain(One),
}

/// Which finding.
#[derive(Debug, clap::Args)]
pub struct One {
    /// Id of the finding, or of a vulnerability (any of its names): then every finding of it, at most 20
    pub id: String,
    /// Only in this image: digest or repository[:tag]
    #[arg(long)]
    pub image: Option<String>,
    #[command(flatten)]
    pub at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// At most so many findings of a vulnerability are shown one by one.
const SHOWN: usize = 20;

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(list) => {
            let page = list.ask(settings, "/findings").await?;
            let columns = ["SEVERITY", "FINDING", "PACKAGE", "INSTALLED", "FIXED IN", "CVSS", "IMAGE", "ID"];
            output::list(list.format, &page.items, &columns, cells, page.total)?;
            if list.format == Format::Table {
                let mut more = match page.hidden {
                    0 => String::new(),
                    n => format!(", {n} more hidden by default (hidden:yes)"),
                };
                if page.disabled > 0 {
                    more.push_str(&format!(", {} disabled by rules (status:disabled)", page.disabled));
                }
                println!("{} of {} findings{more}", page.items.len(), page.total);
            }
            Ok(Exit::Clean)
        }
        Command::Show(one) => each(settings, one, false).await,
        Command::Explain(one) => each(settings, one, true).await,
    }
}

fn cells(finding: &Value) -> Vec<String> {
    let fixed = finding["fixed_version"].as_str();
    vec![
        text(finding, "severity").to_uppercase(),
        visible(text(finding, "finding_id")),
        visible(text(&finding["package"], "name")),
        visible(text(&finding["package"], "version")),
        fixed.map_or_else(|| format!("- ({})", text(finding, "vendor_state")), visible),
        finding["cvss_v3"].as_f64().map(|s| format!("{s:.1}")).unwrap_or_default(),
        visible(&image::name(&finding["place"])),
        text(finding, "id").to_owned(),
    ]
}

/// The ids of the findings that a person means.
async fn meant(ask: &Ask, one: &One) -> anyhow::Result<Vec<String>> {
    if uuid::Uuid::parse_str(&one.id).is_ok() {
        return Ok(vec![one.id.clone()]);
    }
    let mut path = format!("/findings?vulnerability={}&hidden=all&status=all&limit={SHOWN}", encoded(&one.id));
    if let Some(name) = &one.image {
        let digest = image::find(ask, name).await?;
        path.push_str(&format!("&image={}", encoded(text(&digest, "digest"))));
    }
    let found = ask.get(&path).await?;
    let ids: Vec<String> = found["items"].as_array().into_iter().flatten().map(|f| text(f, "id").to_owned()).collect();
    if ids.is_empty() {
        let id = &one.id;
        let why = format!("no image has a finding {id}; `portwarden finding list` shows what there is");
        return Err(stop(Exit::Usage, why));
    }
    Ok(ids)
}

async fn each(settings: &Settings, one: &One, why_only: bool) -> anyhow::Result<Exit> {
    let ask = Ask::open(settings, &one.at).await?;
    let mut documents = Vec::new();
    for id in meant(&ask, one).await? {
        let found = ask.get(&format!("/findings/{id}")).await?;
        if one.format == Format::Table {
            print(&found, why_only);
        } else {
            documents.push(document(found));
        }
    }
    if one.format != Format::Table {
        output::json(&json!({"schema": output::SCHEMA, "items": documents}))?;
    }
    Ok(Exit::Clean)
}

/// The lines of a list.
fn lines<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

/// A finding as a document: what lists show, and apart from that what explains it.
fn document(mut found: Value) -> Value {
    let mut take = |name: &str| found.as_object_mut().and_then(|all| all.remove(name)).unwrap_or_default();
    let (why, steps, paths, cvss) = (take("why"), take("steps"), take("paths"), take("cvss"));
    let (description, references) = (take("description"), take("references"));
    for name in ["cwe", "related", "epss_date"] {
        take(name);
    }
    let paths: Vec<Value> = paths.as_array().into_iter().flatten().map(|one| one["path"].clone()).collect();
    let remediation = json!({"summary": found["remediation"], "steps": steps});
    json!({"finding": found, "why": why, "remediation": remediation, "paths": paths, "cvss": scores(&cvss),
        "description": description, "references": references})
}

/// The vectors, the newest version of CVSS first.
fn scores(cvss: &Value) -> Vec<&Value> {
    ["v4", "v3", "v2"].iter().map(|version| &cvss[version]).filter(|vector| vector.is_object()).collect()
}

/// What a finding's explanation says, line by line.
const WHY: [&str; 7] = ["file", "layer", "package", "advisory", "comparison", "result", "severity"];

fn print(found: &Value, why_only: bool) {
    let (package, why) = (&found["package"], &found["why"]);
    println!(
        "{} {} in {} {} of {}",
        text(found, "severity").to_uppercase(),
        visible(text(found, "finding_id")),
        visible(text(package, "name")),
        visible(text(package, "version")),
        visible(&image::name(&found["place"]))
    );
    println!("  finding     {}", text(found, "id"));
    for what in WHY {
        println!("  {what:<11} {}", visible(text(why, what)));
    }
    if !why_only {
        print_remedy(found);
    }
    println!();
}

fn print_remedy(found: &Value) {
    println!("  what to do  {}", visible(text(found, "remediation")));
    for (i, step) in lines(found, "steps").enumerate() {
        println!("    {}. {}", i + 1, visible(text(step, "text")));
        if let Some(command) = step["command"].as_str() {
            println!("         {}", visible(command));
        }
    }
    for one in scores(&found["cvss"]) {
        let score = one["score"].as_f64().unwrap_or_default();
        println!("  cvss        {score:.1} {} ({})", visible(text(one, "vector")), text(one, "source"));
    }
    if let Some(since) = found["kev"].as_str() {
        println!("  exploited   known since {}", since.get(..10).unwrap_or(""));
    }
    let description = text(found, "description");
    if !description.is_empty() {
        println!("  {}", description.lines().map(visible).collect::<Vec<_>>().join("\n  "));
    }
    for link in lines(found, "references").filter_map(Value::as_str) {
        println!("  {}", visible(link));
    }
}
