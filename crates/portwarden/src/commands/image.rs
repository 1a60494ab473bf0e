//! `portwarden image`: the images that the server knows.

use super::ask::{Ask, At, encoded};
use super::{Exit, local, stop};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use fleet::{Filter, ImageRow, Query, Sort};
use model::time::Micros;
use model::{Digest, Severity};
use serde_json::json;

/// What can be asked of images.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List images with their counts
    #[command(after_help = "Examples:
  portwarden image list
  portwarden image list repo:payments verdict:gaps --sort -severity
  portwarden image list 'severity:>=high' fix:yes --format csv")]
    List(List),
    /// Show one image, its layers and its scans
    #[command(
        after_help = "Examples:\n  portwarden image show sha256:3f9a…\n  portwarden image show payments/api:1.8.2\n  portwarden image show payments/api --format json"
    )]
    Show {
        /// Digest, or repository[:tag]
        image: String,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Have an image, or many, read and judged before all that is done by itself
    #[command(after_help = "Examples:
  portwarden image scan payments/api:1.8.2
  portwarden image scan --server https://registry.example sha256:3f9a…
  portwarden image scan --all repo:payments verdict:gaps")]
    Scan(Rescan),
}

/// What is to be scanned.
#[derive(Debug, clap::Args)]
pub struct Rescan {
    /// Digest, or repository and tag; with --all, filter words
    #[arg(required = true, value_name = "IMAGE")]
    image: Vec<String>,
    /// Every image that passes the filter, at most 1000
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How a list is asked for.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Filter words, as on the page
    pub filter: Vec<String>,
    /// Sort key; - in front for the other way round
    #[arg(long, allow_hyphen_values = true)]
    pub sort: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    pub limit: usize,
    /// What was known at this time: RFC 3339, or a date (its end)
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<String>,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

impl List {
    /// The question to the index.
    pub fn query(&self) -> anyhow::Result<Query> {
        let wrong = |e: fleet::QueryError| stop(Exit::Usage, e.to_string());
        let filter = Filter::parse(&self.filter.join(" ")).map_err(wrong)?;
        let sort = self.sort.as_deref().map(Sort::parse).transpose().map_err(wrong)?.unwrap_or_default();
        let as_of = match &self.as_of {
            Some(text) => {
                let moment = Micros::parse(text);
                Some(moment.ok_or_else(|| stop(Exit::Usage, format!("--as-of: {text:?} is not RFC 3339 or a date")))?)
            }
            None => None,
        };
        Ok(Query { filter, sort, limit: self.limit, as_of, now: crate::clock::now(), ..Query::default() })
    }
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(list) => {
            let query = list.query()?;
            let (_, index) = local::fleet(settings).await?;
            let page = index.images(&query).map_err(|e| stop(Exit::Usage, e.to_string()))?;
            let items: Vec<server::ImageView> = page.items.into_iter().map(server::ImageView::from).collect();
            let columns =
                ["IMAGE", "DIGEST", "PLATFORM", "SYSTEM", "VERDICT", "C", "H", "M", "L", "U", "FINDINGS", "FIXABLE"];
            output::list(list.format, &items, &columns, cells, page.total)?;
            if list.format == Format::Table {
                println!(
                    "{} of {} images; C critical, H high, M medium, L low, U unrated or negligible",
                    items.len(),
                    page.total
                );
            }
            Ok(Exit::Clean)
        }
        Command::Show { image, format } => show(settings, image, *format).await,
        Command::Scan(rescan) => scan(settings, rescan).await,
    }
}

/// Asks for scans; a running server does them, or the next one that starts on these data.
async fn scan(settings: &Settings, rescan: &Rescan) -> anyhow::Result<Exit> {
    let ask = Ask::open(settings, &rescan.at).await?;
    let asked = if rescan.all {
        ask.post("/images/scan", &json!({"q": rescan.image.join(" ")})).await?
    } else {
        let [name] = rescan.image.as_slice() else {
            return Err(stop(Exit::Usage, "name one image, or give filter words with --all"));
        };
        let digest = digest(&ask, name).await?;
        ask.post(&format!("/images/{digest}/scan"), &json!({})).await?
    };
    if rescan.format != Format::Table {
        output::json(&asked)?;
    } else if rescan.all {
        println!("{} queued, {} waited already, {} passed over", asked["queued"], asked["known"], asked["passed_over"]);
    } else {
        let known = if asked["known"] == true { "waited already" } else { "queued" };
        println!("{known}: job {}, {} before it", asked["job"], asked["before"]);
    }
    Ok(Exit::Clean)
}

/// Finds the digest of an image by its name.
async fn digest(ask: &Ask, name: &str) -> anyhow::Result<String> {
    if Digest::parse(name).is_ok() {
        return Ok(name.to_owned());
    }
    let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
    let path = format!("/images?repository={}&tag={}&limit=2", encoded(repository), encoded(tag));
    let found = ask.get(&path).await?;
    let digest = found["items"][0]["digest"].as_str();
    digest.map(str::to_owned).ok_or_else(|| {
        stop(Exit::Usage, format!("there is no image {name}; `portwarden image list` shows what there is"))
    })
}

fn cells(image: &server::ImageView) -> Vec<String> {
    let place = image.places.first();
    let name = place.map_or_else(String::new, |p| match p.tags.first() {
        Some(tag) => format!("{}:{tag}", p.repository),
        None => p.repository.clone(),
    });
    let reasons = if image.reasons.is_empty() { String::new() } else { format!(" ({})", image.reasons.join(", ")) };
    let state = if image.work == "idle" { format!("{}{reasons}", image.verdict) } else { image.work.to_owned() };
    let c = &image.counts;
    let mut row = vec![
        visible(&name),
        image.digest.get(..19).unwrap_or("").to_owned(),
        visible(&image.platform),
        visible(&image.os),
        state,
    ];
    // With `hidden:all` negligible findings pass as well: they stand with the unrated ones, so that a row adds up.
    let rest = c.negligible + c.unknown;
    row.extend([c.critical, c.high, c.medium, c.low, rest, c.findings, c.fixable].map(|n| n.to_string()));
    row
}

/// Finds an image by digest, or by repository and tag.
pub fn find(index: &fleet::Index, name: &str) -> anyhow::Result<ImageRow> {
    let mut filter = Filter::default();
    let wrong = |e: fleet::QueryError| stop(Exit::Usage, e.to_string());
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if Digest::parse(name).is_err() => (repository, Some(tag)),
        _ => (name, None),
    };
    if Digest::parse(name).is_ok() {
        filter.field("image", name).map_err(wrong)?;
    } else {
        filter.field("repository", repository).map_err(wrong)?;
        if let Some(tag) = tag {
            filter.field("tag", tag).map_err(wrong)?;
        }
    }
    let sort = Sort::parse("pushed").map_err(wrong)?;
    let page = index
        .images(&Query { filter, sort, limit: 100, now: crate::clock::now(), ..Query::default() })
        .map_err(wrong)?;
    let fits = |row: &ImageRow| row.digest == name || row.places.iter().any(|p| p.repository == repository);
    page.items.into_iter().find(fits).ok_or_else(|| {
        stop(Exit::Usage, format!("there is no image {name}; `portwarden image list` shows what there is"))
    })
}

async fn show(settings: &Settings, name: &str, format: Format) -> anyhow::Result<Exit> {
    let (store, index) = local::fleet(settings).await?;
    let row = find(&index, name)?;
    let digest = Digest::parse(&row.digest)?;
    let scans = store.scans(row.id, 10).await?;
    let layers = match store.image(&digest).await? {
        Some(image) => store.layers_of(image.id).await?,
        None => Vec::new(),
    };
    let view = server::ImageView::from(row.clone());
    if format != Format::Table {
        let layers: Vec<_> = layers
            .iter()
            .map(|l| serde_json::json!({"index": l.ordinal, "digest": l.digest, "bytes": l.bytes}))
            .collect();
        output::json(&serde_json::json!({"schema": output::SCHEMA, "image": view, "layers": layers}))?;
        return Ok(Exit::Clean);
    }
    println!("{}", view.digest);
    for place in &view.places {
        println!(
            "  in        {}/{}{}",
            place.registry,
            visible(&place.repository),
            place.tags.iter().map(|t| format!(" :{t}")).collect::<String>()
        );
    }
    println!("  platform  {}  {}", visible(&view.platform), visible(&view.os));
    println!(
        "  verdict   {}{}",
        view.verdict,
        if view.reasons.is_empty() { String::new() } else { format!(" ({})", view.reasons.join(", ")) }
    );
    if view.work != "idle" {
        println!("  work      {}", view.work);
    }
    let since = view.coverage_since.as_deref().map(|at| format!(" since {at}")).unwrap_or_default();
    println!("  coverage  {}{since}", view.coverage);
    println!("  packages  {}", view.packages.map_or("not read yet".into(), |n| n.to_string()));
    let counts = Severity::WORST_FIRST.into_iter().filter(|s| row.tally.of(*s) > 0);
    let counts: Vec<_> = counts.map(|s| format!("{} {}", row.tally.of(s), s.as_str())).collect();
    let counts = if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) };
    println!(
        "  findings  {}{counts}, {} fixable, {} hidden by default",
        row.tally.findings(),
        row.tally.fixable,
        row.tally.hidden
    );
    for layer in &layers {
        println!("  layer {:<3} {}  {}", layer.ordinal, layer.digest, model::text::size(layer.bytes));
    }
    print_scans(&scans);
    if row.tally.findings() > 0 {
        println!("see them with: portwarden finding list image:{}", view.digest.get(..19).unwrap_or(&view.digest));
    }
    Ok(Exit::Clean)
}

fn print_scans(scans: &[store::ScanRow]) {
    for scan in scans {
        let took = scan.finished.saturating_since(scan.started);
        println!(
            "  scanned   {}  {} in {} ms, generation {}, sandbox {}",
            scan.finished.rfc3339(),
            scan.class,
            took.as_millis(),
            scan.generation,
            scan.tier
        );
        for note in scan.notes.iter().filter(|n| n.gap) {
            println!("            {}: {}", note.code, visible(&note.text));
        }
    }
}
