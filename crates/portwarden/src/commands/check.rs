//! `portwarden check`: posture rules on files, or on the registries of the server.
//!
//! In: exports of `Export-AzRuleData`, ARM templates, or the question to a server. Out: records in the format that was asked for.

use super::ask::{Ask, At, encoded};
use super::{Exit, stop};
use crate::output::{self, visible};
use crate::settings::Settings;
use assess::posture::{self, FORMATS, Record, Resource, Rule, Weight};
use model::time::Micros;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The most bytes of one file.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// The outcomes that a record can have.
const OUTCOMES: [&str; 4] = ["Pass", "Fail", "Error", "Suppressed"];

/// What to check.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  portwarden check out/*.json                         an export of Export-AzRuleData
  portwarden check azuredeploy.json --fail-on important
  portwarden check out/*.json --rule Azure.ACR.ContainerScan --format sarif > posture.sarif
  portwarden check --live                             the registries that Portwarden watches, suppressions included
  portwarden check --live --scope /SUBSCRIPTION/local --server https://registry.example")]
pub struct Arguments {
    /// Files: JSON arrays of resources, or ARM templates
    #[arg(required_unless_present = "live")]
    pub files: Vec<PathBuf>,
    /// The registries that Portwarden watches, instead of files
    #[arg(long, conflicts_with_all = ["files", "suppress", "locations", "name_pattern"])]
    pub live: bool,
    /// With --live, a part of the tree: /SUBSCRIPTION/REGISTRY
    #[arg(long, default_value = "/")]
    pub scope: String,
    #[command(flatten)]
    pub at: At,
    /// Only these rules, by name or reference: Azure.ACR.ContainerScan, AZR-000002
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<String>,
    /// table, json, csv, sarif, nunit3 or markdown
    #[arg(long, default_value = "table", value_parser = format_name)]
    pub format: String,
    /// Exit with 1 when a rule of at least this severity fails or cannot be decided: awareness, important, critical
    #[arg(long, value_parser = weight)]
    pub fail_on: Option<Weight>,
    /// Suppressions: a JSON array of {"rule", "resource", "reason", "expires"}
    #[arg(long, value_name = "FILE")]
    pub suppress: Option<PathBuf>,
    /// A location where replicas may be (Azure.ACR.ReplicaLocation)
    #[arg(long = "allow-location", value_name = "LOCATION")]
    pub locations: Vec<String>,
    /// The pattern of names (Azure.ACR.Naming), * for any text
    #[arg(long, value_name = "PATTERN", default_value = "")]
    pub name_pattern: String,
    /// Passes as well, in the table
    #[arg(long)]
    pub all: bool,
}

fn format_name(text: &str) -> Result<String, String> {
    let known = text == "table" || posture::format(text).is_some();
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    if known { Ok(text.to_owned()) } else { Err(format!("one of table, {}", names.join(", "))) }
}

fn weight(text: &str) -> Result<Weight, String> {
    let all = [Weight::Awareness, Weight::Important, Weight::Critical];
    let found = all.into_iter().find(|weight| weight.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| "one of awareness, important, critical".to_owned())
}

/// A resource of which a rule is not asked for a time.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Suppression {
    rule: String,
    resource: String,
    reason: String,
    #[serde(default)]
    expires: Option<String>,
}

/// Runs the command.
pub async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<Exit> {
    let rules = rules(&arguments.rules)?;
    let records =
        if arguments.live { of_server(settings, arguments, &rules).await? } else { of_files(arguments, &rules)? };
    match posture::format(&arguments.format) {
        Some(format) => {
            use std::io::Write;
            std::io::stdout().lock().write_all((format.write)(&records).as_bytes())?;
        }
        None => table(&records, arguments.all)?,
    }
    let at_least = |record: &&Record| arguments.fail_on.is_some_and(|weight| record.rule.weight >= weight);
    let wrong = records.iter().filter(at_least).any(|r| matches!(r.outcome, "Fail" | "Error"));
    Ok(if wrong { Exit::Findings } else { Exit::Clean })
}

fn of_files(arguments: &Arguments, rules: &[&'static Rule]) -> anyhow::Result<Vec<Record>> {
    let settings =
        posture::Settings { locations: arguments.locations.clone(), name_pattern: arguments.name_pattern.clone() };
    let mut resources = Vec::new();
    for file in &arguments.files {
        resources.extend(read(file)?);
    }
    if resources.is_empty() {
        eprintln!("note: the files hold no resources");
    }
    let mut records = posture::check(&resources, rules, &settings);
    if let Some(file) = &arguments.suppress {
        suppress(&mut records, &suppressions(file)?);
    }
    Ok(records)
}

/// What the server says of its registries.
async fn of_server(settings: &Settings, arguments: &Arguments, rules: &[&'static Rule]) -> anyhow::Result<Vec<Record>> {
    let ask = Ask::open(settings, &arguments.at).await?;
    let (items, _) = ask.list(&format!("/posture?scope={}", encoded(&arguments.scope))).await?;
    if items.is_empty() {
        eprintln!("note: there is no registry in {}", visible(&arguments.scope));
    }
    let records = items.iter().map(told).collect::<anyhow::Result<Vec<Record>>>()?;
    Ok(records.into_iter().filter(|record| rules.iter().any(|rule| rule.name == record.rule.name)).collect())
}

/// A record as a server tells it.
fn told(item: &Value) -> anyhow::Result<Record> {
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let newer = |what: &str| {
        let message =
            format!("the server says {what} {:?}, which this program does not know; update it", visible(&text(what)));
        stop(Exit::Upstream, message)
    };
    let rule = posture::rule(&text("rule")).ok_or_else(|| newer("rule"))?;
    let outcome = OUTCOMES.into_iter().find(|word| item["outcome"] == *word).ok_or_else(|| newer("outcome"))?;
    let reasons = item["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(Record {
        rule,
        rule_name: rule.name,
        reference: rule.reference,
        target_name: text("resource"),
        target_type: text("resource_type"),
        outcome,
        reasons: reasons.map(str::to_owned).collect(),
    })
}

fn rules(names: &[String]) -> anyhow::Result<Vec<&'static Rule>> {
    if names.is_empty() {
        return Ok(posture::ALL.to_vec());
    }
    let find = |name: &String| {
        posture::rule(name).ok_or_else(|| {
            let known: Vec<&str> = posture::ALL.iter().map(|rule| rule.name).collect();
            stop(Exit::Usage, format!("there is no rule {}; the rules are {}", visible(name), known.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

fn bytes(file: &Path) -> anyhow::Result<Vec<u8>> {
    let name = visible(&file.display().to_string());
    let length = std::fs::metadata(file).map_err(|e| stop(Exit::Usage, format!("cannot read {name}: {e}")))?.len();
    if length > MOST_BYTES {
        return Err(stop(
            Exit::Usage,
            format!("{name} has {length} bytes; {MOST_BYTES} are the most: split the export"),
        ));
    }
    std::fs::read(file).map_err(|e| stop(Exit::Usage, format!("cannot read {name}: {e}")))
}

fn read(file: &Path) -> anyhow::Result<Vec<Resource>> {
    let bytes = bytes(file)?;
    posture::read(&bytes).map_err(|why| stop(Exit::Usage, format!("{} {why}", visible(&file.display().to_string()))))
}

fn suppressions(file: &Path) -> anyhow::Result<Vec<Suppression>> {
    let name = visible(&file.display().to_string());
    let found: Vec<Suppression> = serde_json::from_slice(&bytes(file)?)
        .map_err(|e| stop(Exit::Usage, format!("{name} is not a list of suppressions: {e}")))?;
    for suppression in &found {
        rules(std::slice::from_ref(&suppression.rule))?;
        if let Some(expires) = &suppression.expires
            && Micros::parse(expires).is_none()
        {
            let message = format!("{name}: cannot read the time {expires:?}; write 2027-01-31 or 2027-01-31T12:00:00Z");
            return Err(stop(Exit::Usage, message));
        }
    }
    Ok(found)
}

/// Marks the records that a suppression in force names. One that is over is named on standard error.
fn suppress(records: &mut [Record], suppressions: &[Suppression]) {
    let now = crate::clock::now();
    for suppression in suppressions {
        let expires = suppression.expires.as_deref().and_then(Micros::parse);
        if expires.is_some_and(|expires| expires <= now) {
            eprintln!("note: the suppression of {} for {} is over", suppression.rule, visible(&suppression.resource));
            continue;
        }
        let named = |record: &&mut Record| {
            record.rule.name.eq_ignore_ascii_case(&suppression.rule)
                || record.rule.reference.eq_ignore_ascii_case(&suppression.rule)
        };
        let here = |record: &&mut Record| record.target_name == suppression.resource && record.outcome != "Pass";
        for record in records.iter_mut().filter(named).filter(here) {
            record.outcome = "Suppressed";
            record.reasons = vec![posture::suppressed(&suppression.reason)];
        }
    }
}

/// Worst last, so that it stands above the prompt.
fn table(records: &[Record], all: bool) -> anyhow::Result<()> {
    let mut shown: Vec<&Record> = records.iter().filter(|r| all || r.outcome != "Pass").collect();
    shown.sort_by(|a, b| {
        (a.rule.weight, &a.target_name, a.rule.name).cmp(&(b.rule.weight, &b.target_name, b.rule.name))
    });
    let mut out = std::io::stdout().lock();
    let rows: Vec<Vec<String>> = shown.iter().map(|record| row(record)).collect();
    if !rows.is_empty() {
        output::table(&mut out, &["SEVERITY", "RULE", "RESOURCE", "OUTCOME", "REASON"], &rows)?;
    }
    let of = |word: &str| records.iter().filter(|r| r.outcome == word).count();
    use std::io::Write;
    writeln!(
        out,
        "{} passed, {} failed, {} undecided, {} suppressed",
        of("Pass"),
        of("Fail"),
        of("Error"),
        of("Suppressed")
    )?;
    Ok(())
}

fn row(record: &Record) -> Vec<String> {
    vec![
        record.rule.weight.as_str().to_owned(),
        record.rule.name.to_owned(),
        visible(&record.target_name),
        record.outcome.to_owned(),
        visible(&record.reasons.join(" ")),
    ]
}
