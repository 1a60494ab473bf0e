//! `portwarden finding`: the findings of the images that the server knows.

use super::image::{self, List};
use super::{Exit, local, stop};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use fleet::{Filter, FindingRow, Index, Query, Scope};
use model::Digest;
use model::inventory::Placed;
use store::Store;

/// What can be asked of findings.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List findings, worst first
    #[command(after_help = "Examples:
  portwarden finding list 'severity:>=high' fix:yes
  portwarden finding list repo:payments pkg:openssl --format json
  portwarden finding list CVE-2023-45853 --as-of 2026-03-03")]
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
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(list) => {
            let query = list.query()?;
            let (_, index) = local::fleet(settings).await?;
            let page = index.findings(&query).map_err(|e| stop(Exit::Usage, e.to_string()))?;
            let items: Vec<server::FindingView> = page.items.into_iter().map(server::FindingView::from).collect();
            let columns = ["SEVERITY", "FINDING", "PACKAGE", "INSTALLED", "FIXED IN", "CVSS", "IMAGE", "ID"];
            output::list(list.format, &items, &columns, cells, page.total)?;
            if list.format == Format::Table {
                let mut more = match page.hidden {
                    0 => String::new(),
                    n => format!(", {n} more hidden by default (hidden:yes)"),
                };
                if page.disabled > 0 {
                    more.push_str(&format!(", {} disabled by rules (status:disabled)", page.disabled));
                }
                println!("{} of {} findings{more}", items.len(), page.total);
            }
            Ok(Exit::Clean)
        }
        Command::Show(one) => each(settings, one, false).await,
        Command::Explain(one) => each(settings, one, true).await,
    }
}

fn cells(finding: &server::FindingView) -> Vec<String> {
    let place = &finding.place;
    let name = place.tags.first().map_or_else(|| place.repository.clone(), |tag| format!("{}:{tag}", place.repository));
    vec![
        finding.severity.to_uppercase(),
        visible(&finding.finding_id),
        visible(&finding.package.name),
        visible(&finding.package.version),
        finding.fixed_version.as_deref().map_or_else(|| format!("- ({})", finding.vendor_state), visible),
        finding.cvss_v3.map(|s| format!("{s:.1}")).unwrap_or_default(),
        visible(&name),
        finding.id.clone(),
    ]
}

/// The findings that a person means.
fn meant(index: &Index, one: &One) -> anyhow::Result<Vec<FindingRow>> {
    if let Ok(id) = uuid::Uuid::parse_str(&one.id) {
        let found = index.finding(id, &Scope::Everything, None, crate::clock::now());
        return found.map(|row| vec![row]).ok_or_else(|| stop(Exit::Usage, format!("there is no finding {}", one.id)));
    }
    let wrong = |e: fleet::QueryError| stop(Exit::Usage, e.to_string());
    let mut filter = Filter::default();
    filter.field("vulnerability", &one.id).map_err(wrong)?;
    filter.field("hidden", "all").map_err(wrong)?;
    filter.field("status", "all").map_err(wrong)?;
    if let Some(name) = &one.image {
        filter.field("image", &image::find(index, name)?.digest).map_err(wrong)?;
    }
    let page =
        index.findings(&Query { filter, limit: 20, now: crate::clock::now(), ..Query::default() }).map_err(wrong)?;
    if page.items.is_empty() {
        return Err(stop(
            Exit::Usage,
            format!("no image has a finding {}; `portwarden finding list` shows what there is", one.id),
        ));
    }
    Ok(page.items)
}

async fn each(settings: &Settings, one: &One, why_only: bool) -> anyhow::Result<Exit> {
    let (store, index) = local::fleet(settings).await?;
    let mut documents = Vec::new();
    for row in meant(&index, one)? {
        let explained = explain(&store, &row).await?;
        if one.format == Format::Table {
            print(&row, &explained, why_only);
        } else {
            let view = server::FindingView::from(row);
            documents.push(serde_json::json!({"finding": view, "why": explained.why, "remediation": explained.remediation,
                "paths": explained.paths, "cvss": scores(&explained.text), "description": explained.text.description, "references": explained.text.references}));
        }
    }
    if one.format != Format::Table {
        output::json(&serde_json::json!({"schema": output::SCHEMA, "items": documents}))?;
    }
    Ok(Exit::Clean)
}

/// Every vector with the score that it gives.
fn scores(text: &store::VulnerabilityText) -> Vec<serde_json::Value> {
    let score = |vector: &str| model::cvss::score_tenths(vector).map(|tenths| f64::from(tenths) / 10.0);
    let one = |v: &model::advisory::CvssVector| serde_json::json!({"score": score(&v.vector), "vector": v.vector, "source": v.source.as_str()});
    text.cvss.iter().map(one).collect()
}

struct Explained {
    why: assess::Why,
    remediation: assess::Remediation,
    paths: Vec<String>,
    text: store::VulnerabilityText,
}

async fn explain(store: &Store, row: &FindingRow) -> anyhow::Result<Explained> {
    let gone = || stop(Exit::Internal, format!("the match of finding {} is gone; ask again", row.id));
    let found = store.match_detail(row.package.id, row.vulnerability.id).await?.ok_or_else(gone)?;
    let image = store.image(&Digest::parse(&row.image)?).await?.ok_or_else(gone)?;
    let placed = store.placed(image.inventory).await?;
    let mine: Vec<_> = placed.into_iter().filter(|p| p.package == row.package.id).collect();
    let layers = store.layers_of(image.id).await?;
    let first = mine.first().ok_or_else(gone)?;
    let layer = layers.iter().find(|l| l.ordinal == first.layer).map(|l| l.digest.to_string()).unwrap_or_default();
    let place = Placed { key: found.key.clone(), path: first.path.clone(), layer: first.layer };
    let text = store.vulnerability(&row.vulnerability.name).await?.map(|(_, v)| v.text).unwrap_or_default();
    Ok(Explained {
        why: assess::why(&place, &layer, &found.found),
        remediation: assess::remediation(&found.key, &found.found),
        paths: mine.into_iter().map(|p| p.path).collect(),
        text,
    })
}

fn print(row: &FindingRow, explained: &Explained, why_only: bool) {
    let name = row
        .place
        .tags
        .first()
        .map_or_else(|| row.place.repository.clone(), |t| format!("{}:{t}", row.place.repository));
    println!(
        "{} {} in {} {} of {}",
        row.severity.as_str().to_uppercase(),
        visible(&row.vulnerability.name),
        visible(&row.package.name),
        visible(&row.package.version),
        visible(&name)
    );
    println!("  finding     {}", row.id);
    for line in explained.why.to_string().lines() {
        println!("  {}", visible(line));
    }
    if why_only {
        println!();
        return;
    }
    println!("  what to do  {}", visible(&explained.remediation.summary));
    for (i, step) in explained.remediation.steps.iter().enumerate() {
        println!("    {}. {}", i + 1, visible(&step.text));
        if let Some(command) = &step.command {
            println!("         {}", visible(command));
        }
    }
    for vector in &explained.text.cvss {
        let score =
            model::cvss::score_tenths(&vector.vector).map_or("?".into(), |t| format!("{:.1}", f64::from(t) / 10.0));
        println!("  cvss        {score} {} ({})", visible(&vector.vector), vector.source.as_str());
    }
    if row.vulnerability.kev.0 != 0 {
        println!("  exploited   known since {}", row.vulnerability.kev.rfc3339().get(..10).unwrap_or(""));
    }
    if !explained.text.description.is_empty() {
        println!("  {}", explained.text.description.lines().map(visible).collect::<Vec<_>>().join("\n  "));
    }
    for link in &explained.text.references {
        println!("  {}", visible(link));
    }
    println!();
}
