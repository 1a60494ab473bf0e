//! `portwarden image`: the images that the server knows.

use super::ask::{Ask, At, encoded};
use super::{Exit, stop};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use model::time::Micros;
use model::{Digest, Severity};
use serde_json::{Value, json};

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
        #[command(flatten)]
        at: At,
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
    /// Delete an image from a repository, with every tag on it, or with --tag-only take the tag off and keep the image
    #[command(after_help = "Examples:
  portwarden image delete payments/api:1.8.1
  portwarden image delete payments/api@sha256:3f9a…
  portwarden image delete payments/api:old --tag-only")]
    Delete(Delete),
}

/// What is to be deleted.
#[derive(Debug, clap::Args)]
pub struct Delete {
    /// Repository, and the tag or the digest
    #[arg(value_name = "REPOSITORY:TAG|REPOSITORY@DIGEST")]
    image: String,
    /// The registry; may be left out where one alone has such a repository
    #[arg(long)]
    registry: Option<String>,
    /// Take the tag off; the image stays
    #[arg(long)]
    tag_only: bool,
    #[command(flatten)]
    at: At,
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
    #[command(flatten)]
    pub at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// The rows that were asked for, and what is said of the whole list.
pub struct Listed {
    /// The rows.
    pub items: Vec<Value>,
    /// How many the list has.
    pub total: u64,
    /// Findings that are hidden by default.
    pub hidden: u64,
    /// Findings that a rule hides.
    pub disabled: u64,
}

/// Rows that a server gives at once.
const PAGE: usize = 1_000;

impl List {
    /// Asks for a list, as many pages of it as are wanted.
    pub async fn ask(&self, settings: &Settings, list: &str) -> anyhow::Result<Listed> {
        let mut path = format!("{list}?q={}", encoded(&self.filter.join(" ")));
        if let Some(sort) = &self.sort {
            path.push_str(&format!("&sort={}", encoded(sort)));
        }
        if let Some(text) = &self.as_of {
            let moment = Micros::parse(text);
            moment.ok_or_else(|| stop(Exit::Usage, format!("--as-of: {text:?} is not RFC 3339 or a date")))?;
            path.push_str(&format!("&as_of={}", encoded(text)));
        }
        let ask = Ask::open(settings, &self.at).await?;
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let limit = self.limit.saturating_sub(items.len()).clamp(1, PAGE);
            let mut page = ask.get(&format!("{path}&limit={limit}{after}")).await?;
            if let Value::Array(rows) = page["items"].take() {
                items.extend(rows);
            }
            match page["next"].as_str() {
                Some(next) if items.len() < self.limit => after = format!("&after={}", encoded(next)),
                _ => {
                    items.truncate(self.limit);
                    let number = |name: &str| page[name].as_u64().unwrap_or(0);
                    let (total, hidden, disabled) = (number("total"), number("hidden"), number("disabled"));
                    return Ok(Listed { items, total, hidden, disabled });
                }
            }
        }
    }
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(list) => {
            let page = list.ask(settings, "/images").await?;
            let columns =
                ["IMAGE", "DIGEST", "PLATFORM", "SYSTEM", "VERDICT", "C", "H", "M", "L", "U", "FINDINGS", "FIXABLE"];
            output::list(list.format, &page.items, &columns, cells, page.total)?;
            if list.format == Format::Table {
                println!(
                    "{} of {} images; C critical, H high, M medium, L low, U unrated or negligible",
                    page.items.len(),
                    page.total
                );
            }
            Ok(Exit::Clean)
        }
        Command::Show { image, at, format } => show(&Ask::open(settings, at).await?, image, *format).await,
        Command::Scan(rescan) => scan(settings, rescan).await,
        Command::Delete(delete) => remove(settings, delete).await,
    }
}

/// Deletes an image from a repository, or a tag.
async fn remove(settings: &Settings, wanted: &Delete) -> anyhow::Result<Exit> {
    let ask = Ask::open(settings, &wanted.at).await?;
    let name = &wanted.image;
    let wrong = || stop(Exit::Usage, format!("{name:?}: want REPOSITORY:TAG or REPOSITORY@DIGEST"));
    let (repository, digest) = match name.split_once('@') {
        Some((repository, digest)) => (repository, Some(digest)),
        None => (name.rsplit_once(':').ok_or_else(wrong)?.0, None),
    };
    let tag = name.get(repository.len() + 1..).unwrap_or_default();
    if wanted.tag_only && digest.is_some() {
        return Err(stop(Exit::Usage, "--tag-only takes a tag off: name it as REPOSITORY:TAG"));
    }
    let registry = match &wanted.registry {
        Some(registry) => registry.clone(),
        None => registry_of(&ask, repository).await?,
    };
    let below = if wanted.tag_only { "tags" } else { "images" };
    let image = digest.unwrap_or(tag);
    let place = format!("/registries/{}/repositories/{}", encoded(&registry), encoded(repository));
    ask.delete(&format!("{place}/{below}/{}", encoded(image))).await?;
    println!("deleted {} from {registry}/{}", visible(image), visible(repository));
    Ok(Exit::Clean)
}

/// The one registry that has a repository of exactly this name.
async fn registry_of(ask: &Ask, repository: &str) -> anyhow::Result<String> {
    let rows = ask.get(&format!("/repositories?repository={}&limit=1000", encoded(repository))).await?;
    let rows = rows["items"].as_array().cloned().unwrap_or_default();
    let here: Vec<&str> =
        rows.iter().filter(|row| text(row, "name") == repository).map(|r| text(r, "registry")).collect();
    match here.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => {
            let why = format!("there is no repository {repository}; `portwarden repository list` shows what there is");
            Err(stop(Exit::Usage, why))
        }
        _ => Err(stop(Exit::Usage, format!("several registries have {repository}: name one with --registry"))),
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
        let image = find(&ask, name).await?;
        ask.post(&format!("/images/{}/scan", text(&image, "digest")), &json!({})).await?
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

/// A field of an answer that is a text, or empty.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("")
}

/// What people call an image at a place.
pub fn name(place: &Value) -> String {
    let repository = text(place, "repository");
    place["tags"][0].as_str().map_or_else(|| repository.to_owned(), |tag| format!("{repository}:{tag}"))
}

/// Reason codes, in brackets.
fn reasons(image: &Value) -> String {
    let codes = image["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let codes = codes.collect::<Vec<_>>().join(", ");
    if codes.is_empty() { codes } else { format!(" ({codes})") }
}

fn cells(image: &Value) -> Vec<String> {
    let work = text(image, "work");
    let state = if work == "idle" { format!("{}{}", text(image, "verdict"), reasons(image)) } else { work.to_owned() };
    let count = |name: &str| image["counts"][name].as_u64().unwrap_or(0);
    let mut row = vec![
        visible(&name(&image["places"][0])),
        text(image, "digest").get(..19).unwrap_or("").to_owned(),
        visible(text(image, "platform")),
        visible(text(image, "os")),
        state,
    ];
    // With `hidden:all` negligible findings pass as well: they stand with the unrated ones, so that a row adds up.
    let rest = count("negligible") + count("unknown");
    row.extend(["critical", "high", "medium", "low"].map(|severity| count(severity).to_string()));
    row.extend([rest, count("findings"), count("fixable")].map(|n| n.to_string()));
    row
}

/// Finds an image by digest, or by repository and tag; the one that was pushed last.
pub async fn find(ask: &Ask, name: &str) -> anyhow::Result<Value> {
    let absent = || stop(Exit::Usage, format!("there is no image {name}; `portwarden image list` shows what there is"));
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if Digest::parse(name).is_err() => (repository, Some(tag)),
        _ => (name, None),
    };
    let mut path = "/images?sort=pushed&limit=100".to_owned();
    if Digest::parse(name).is_ok() {
        path.push_str(&format!("&image={}", encoded(name)));
    } else {
        path.push_str(&format!("&repository={}", encoded(repository)));
        if let Some(tag) = tag {
            path.push_str(&format!("&tag={}", encoded(tag)));
        }
    }
    let mut found = ask.get(&path).await?;
    let Value::Array(rows) = found["items"].take() else { return Err(absent()) };
    let here = |image: &Value| lines(image, "places").any(|place| text(place, "repository") == repository);
    rows.into_iter().find(|image| text(image, "digest") == name || here(image)).ok_or_else(absent)
}

/// The parts of an answer that are a list.
fn lines<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

async fn show(ask: &Ask, name: &str, format: Format) -> anyhow::Result<Exit> {
    let image = find(ask, name).await?;
    let digest = text(&image, "digest").to_owned();
    let layers = ask.get(&format!("/images/{digest}/layers")).await?;
    if format != Format::Table {
        output::json(&json!({"schema": output::SCHEMA, "image": image, "layers": layers["items"]}))?;
        return Ok(Exit::Clean);
    }
    let scans = ask.get(&format!("/images/{digest}/scans")).await?;
    println!("{digest}");
    for place in lines(&image, "places") {
        let tags = lines(place, "tags").filter_map(Value::as_str).map(|tag| format!(" :{tag}"));
        let repository = visible(text(place, "repository"));
        println!("  in        {}/{repository}{}", text(place, "registry"), tags.collect::<String>());
    }
    println!("  platform  {}  {}", visible(text(&image, "platform")), visible(text(&image, "os")));
    println!("  verdict   {}{}", text(&image, "verdict"), reasons(&image));
    if text(&image, "work") != "idle" {
        println!("  work      {}", text(&image, "work"));
    }
    let since = image["coverage_since"].as_str().map(|at| format!(" since {at}")).unwrap_or_default();
    println!("  coverage  {}{since}", text(&image, "coverage"));
    println!("  packages  {}", image["packages"].as_u64().map_or("not read yet".into(), |n| n.to_string()));
    print_counts(&image["counts"]);
    for layer in lines(&layers, "items") {
        let size = model::text::size(layer["bytes"].as_i64().unwrap_or(0));
        println!("  layer {:<3} {}  {size}", layer["index"], text(layer, "digest"));
    }
    lines(&scans, "items").take(10).for_each(print_scan);
    if image["counts"]["findings"].as_u64().unwrap_or(0) > 0 {
        println!("see them with: portwarden finding list image:{}", digest.get(..19).unwrap_or(&digest));
    }
    Ok(Exit::Clean)
}

fn print_counts(counts: &Value) {
    let of = |severity: Severity| counts[severity.as_str()].as_u64().unwrap_or(0);
    let found = Severity::WORST_FIRST.into_iter().filter(|severity| of(*severity) > 0);
    let found: Vec<_> = found.map(|severity| format!("{} {}", of(severity), severity.as_str())).collect();
    let found = if found.is_empty() { String::new() } else { format!(" ({})", found.join(", ")) };
    println!(
        "  findings  {}{found}, {} fixable, {} hidden by default",
        counts["findings"], counts["fixable"], counts["hidden"]
    );
}

fn print_scan(scan: &Value) {
    let moment = |name: &str| Micros::parse(text(scan, name)).unwrap_or_default();
    println!(
        "  scanned   {}  {} in {} ms, generation {}, sandbox {}",
        text(scan, "finished"),
        text(scan, "reason"),
        moment("finished").saturating_since(moment("started")).as_millis(),
        scan["generation"],
        text(scan, "sandbox")
    );
    for note in lines(scan, "notes").filter(|note| note["gap"] == true) {
        println!("            {}: {}", text(note, "code"), visible(text(note, "text")));
    }
}
