//! `portwarden rule`: disable rules.
//!
//! In: rules by flags or as a YAML file. Out: the same REST routes are asked as by every other client.

mod file;
mod print;

use super::ask::{Ask, At, encoded};
use super::{Exit, stop};
use crate::output::Format;
use crate::settings::Settings;
use serde_json::{Map, Value, json};

/// What can be done with rules.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List rules, with what each hides
    #[command(after_help = "Examples:
  portwarden rule list
  portwarden rule list --scope /default/local --state stale
  portwarden rule list --text CVE-2024-0727 --format csv")]
    List(ListFlags),
    /// Show one rule
    #[command(after_help = "Examples:
  portwarden rule show 'below medium'
  portwarden rule show 6f8f9d2e-6a50-4f53-9d4c-0c6c3f1ad001
  portwarden rule show 'below medium' --format json")]
    Show(Named),
    /// Make a rule; one that would hide much, nothing or what is exploited wants --confirm
    #[command(after_help = "Examples:
  portwarden rule create --scope / --severity-below medium --reason accepted-risk --justification 'not on the internet'
  portwarden rule create --scope /default/local/payments/api --finding CVE-2024-0727 --reason not-reachable --justification 'no PKCS12 here' --expires 30d
  portwarden rule create --scope /default --not-patchable --cvss-below 6.5 --not-known-exploited --reason vendor-will-not-fix --justification 'nothing to do' --confirm")]
    Create(CreateFlags),
    /// Change what a rule says; a field that is not given stays
    #[command(after_help = "Examples:
  portwarden rule edit 'below medium' --expires 2027-03-31
  portwarden rule edit 'below medium' --cvss-below 5 --clear severity_below
  portwarden rule edit 'below medium' --owner payments --ticket SEC-12")]
    Edit(EditFlags),
    /// Let a rule hide nothing for now
    #[command(after_help = "Examples:
  portwarden rule pause 'below medium'
  portwarden rule pause 6f8f9d2e-6a50-4f53-9d4c-0c6c3f1ad001
  portwarden rule pause 'below medium' --server https://registry.example")]
    Pause(Named),
    /// Let a paused rule hide again
    #[command(after_help = "Examples:
  portwarden rule resume 'below medium'
  portwarden rule resume 'below medium' --confirm
  portwarden rule resume 'below medium' --server https://registry.example")]
    Resume(Named),
    /// End a rule: what only it hid comes back at once
    #[command(after_help = "Examples:
  portwarden rule delete 'below medium'
  portwarden rule delete 6f8f9d2e-6a50-4f53-9d4c-0c6c3f1ad001
  portwarden rule delete 'below medium' --server https://registry.example")]
    Delete(Named),
    /// Let another rule hold instead in a narrower scope; with --paused none does there
    #[command(after_help = "Examples:
  portwarden rule override 'below medium' --scope /default/local/payments/api --severity-below low --justification 'takes cards'
  portwarden rule override 'below medium' --scope /default/local/payments/api --paused --justification 'shows everything'
  portwarden rule override 'below medium' --scope /default/local --cvss-below 4 --justification 'stricter here' --expires 30d")]
    Override(OverrideFlags),
    /// Say what a rule would hide
    #[command(after_help = "Examples:
  portwarden rule preview --scope / --severity-below medium
  portwarden rule preview --scope /default/local --package 'linux-*' --not-patchable
  portwarden rule preview --scope / --finding CVE-2024-0727 --format json")]
    Preview(PreviewFlags),
    /// List what a rule said before, and who changed it
    #[command(after_help = "Examples:
  portwarden rule history 'below medium'
  portwarden rule history 6f8f9d2e-6a50-4f53-9d4c-0c6c3f1ad001
  portwarden rule history 'below medium' --format jsonl")]
    History(Named),
    /// Write the rules of a scope as YAML
    #[command(after_help = "Examples:
  portwarden rule export > rules.yaml
  portwarden rule export --scope /default/local
  portwarden rule export --server https://registry.example > rules.yaml")]
    Export(file::Export),
    /// Make the rules what a YAML file says: all of it, or nothing
    #[command(after_help = "Examples:
  portwarden rule apply rules.yaml --dry-run
  portwarden rule apply rules.yaml --prune --scope /default
  portwarden rule export | sed 's/SEC-1/SEC-2/' | portwarden rule apply -")]
    Apply(file::Apply),
}

/// Which rules.
#[derive(Debug, clap::Args)]
pub struct ListFlags {
    /// Only those of this scope and below
    #[arg(long)]
    scope: Option<String>,
    /// Those above the scope as well
    #[arg(long, requires = "scope")]
    inherited: bool,
    /// in-force, paused, expired, stale
    #[arg(long)]
    state: Option<String>,
    /// Only those whose name, criteria, owner, ticket or justification hold this text
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One rule.
#[derive(Debug, clap::Args)]
pub struct Named {
    /// Its name, or its id
    rule: String,
    /// Do it although it would hide what is known exploited, more than half of the scope, or nothing
    #[arg(long)]
    confirm: bool,
    #[command(flatten)]
    at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What a rule asks of a finding: fields are joined by AND, values of a field by OR.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Criteria (several values of one: give the flag several times)")]
pub struct Criteria {
    /// Id of a vulnerability, any of its names; * = any text
    #[arg(long, value_name = "ID")]
    finding: Vec<String>,
    /// vulnerability, malware, …, or where packages come from: debian, npm
    #[arg(long, value_name = "WORD")]
    category: Vec<String>,
    /// Text that the security check (the title) contains
    #[arg(long, value_name = "TEXT")]
    check: Vec<String>,
    /// CVSS v3 below
    #[arg(long, value_name = "SCORE")]
    cvss_below: Option<String>,
    /// Severity below: critical, high, medium, low
    #[arg(long, value_name = "SEVERITY")]
    severity_below: Option<String>,
    /// Only where no fixed version exists
    #[arg(long)]
    not_patchable: bool,
    /// Only what is not known exploited
    #[arg(long)]
    not_known_exploited: bool,
    /// Name of a package, or package URL; * = any text
    #[arg(long, value_name = "NAME")]
    package: Vec<String>,
    /// What the vendor does: will-not-fix, deferred, end-of-life, open, fixed
    #[arg(long, value_name = "STATE")]
    vendor_state: Vec<String>,
    /// Digest of an image, in full
    #[arg(long, value_name = "DIGEST")]
    digest: Vec<String>,
    /// Tag; * = any text
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Name of a repository; * = any text
    #[arg(long, value_name = "NAME")]
    repository: Vec<String>,
    /// Path in the image; * = any text
    #[arg(long, value_name = "PATH")]
    path: Vec<String>,
    /// Distribution as images name it; * = any text
    #[arg(long, value_name = "NAME")]
    os: Vec<String>,
}

/// What a rule says beside its criteria.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Why, and for how long")]
pub struct Words {
    /// accepted-risk, false-positive, not-reachable, vendor-will-not-fix, other
    #[arg(long)]
    reason: Option<String>,
    /// Why, in a sentence
    #[arg(long)]
    justification: Option<String>,
    /// Who answers for it
    #[arg(long)]
    owner: Option<String>,
    /// Where it was discussed
    #[arg(long)]
    ticket: Option<String>,
    /// A date (its end, UTC), a moment, 90d, or never; default 90d
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Name; default: made of the criteria
    #[arg(long)]
    name: Option<String>,
}

/// A new rule.
#[derive(Debug, clap::Args)]
pub struct CreateFlags {
    /// Where it holds: /, /SUBSCRIPTION, /SUBSCRIPTION/@GROUP, /SUBSCRIPTION/REGISTRY, /SUBSCRIPTION/REGISTRY/REPOSITORY
    #[arg(long)]
    scope: String,
    #[command(flatten)]
    criteria: Criteria,
    #[command(flatten)]
    words: Words,
    /// Make it, and let it hide nothing for now
    #[arg(long)]
    paused: bool,
    /// Do it although it would hide what is known exploited, more than half of the scope, or nothing
    #[arg(long)]
    confirm: bool,
    #[command(flatten)]
    at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What a rule is to say from now on.
#[derive(Debug, clap::Args)]
pub struct EditFlags {
    /// Its name, or its id
    rule: String,
    #[command(flatten)]
    criteria: Criteria,
    #[command(flatten)]
    words: Words,
    /// Field to empty, such as severity_below or owner
    #[arg(long, value_name = "FIELD")]
    clear: Vec<String>,
    /// Do it although it would hide what is known exploited, more than half of the scope, or nothing
    #[arg(long)]
    confirm: bool,
    #[command(flatten)]
    at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A rule that stands in for another.
#[derive(Debug, clap::Args)]
pub struct OverrideFlags {
    /// The name or id of the rule that it stands in for
    rule: String,
    #[command(flatten)]
    create: CreateFlags,
}

/// What is to be looked at.
#[derive(Debug, clap::Args)]
pub struct PreviewFlags {
    /// Where the rule would hold
    #[arg(long, default_value = "/")]
    scope: String,
    #[command(flatten)]
    criteria: Criteria,
    #[command(flatten)]
    at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
pub async fn run(settings: &Settings, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(flags) => list(settings, flags).await,
        Command::Show(named) => {
            print::rule(named.format, &Ask::open(settings, &named.at).await?.get(&path(&named.rule, "")).await?)
        }
        Command::Create(flags) => {
            let made = Ask::open(settings, &flags.at).await?.post("/rules", &flags.body()).await?;
            print::rule(flags.format, &made)
        }
        Command::Edit(flags) => edit(settings, flags).await,
        Command::Pause(named) => intent(settings, named, "/pause").await,
        Command::Resume(named) => intent(settings, named, "/resume").await,
        Command::Delete(named) => {
            let ask = Ask::open(settings, &named.at).await?;
            let rule = ask.get(&path(&named.rule, "")).await?;
            let rest = if named.confirm { "?confirm=true" } else { "" };
            ask.delete(&path(rule["id"].as_str().unwrap_or(&named.rule), rest)).await?;
            print::deleted(named.format, &rule)
        }
        Command::Override(flags) => {
            let made = &flags.create;
            let ask = Ask::open(settings, &made.at).await?;
            print::rule(made.format, &ask.post(&path(&flags.rule, "/override"), &made.body()).await?)
        }
        Command::Preview(flags) => {
            let body = json!({"scope": flags.scope, "criteria": flags.criteria.fields()});
            let preview = Ask::open(settings, &flags.at).await?.post("/rules/preview", &body).await?;
            print::preview(flags.format, &preview)
        }
        Command::History(named) => {
            let (items, total) = Ask::open(settings, &named.at).await?.list(&path(&named.rule, "/history")).await?;
            print::history(named.format, &items, total)
        }
        Command::Export(flags) => file::export(settings, flags).await,
        Command::Apply(flags) => file::apply(settings, flags).await,
    }
}

fn path(rule: &str, rest: &str) -> String {
    format!("/rules/{}{rest}", encoded(rule))
}

async fn list(settings: &Settings, flags: &ListFlags) -> anyhow::Result<Exit> {
    let mut query = vec!["limit=1000".to_owned()];
    let named = [("scope", &flags.scope), ("state", &flags.state), ("q", &flags.text)];
    for (name, value) in named {
        query.extend(value.as_ref().map(|value| format!("{name}={}", encoded(value))));
    }
    if flags.inherited {
        query.push("inherited=yes".into());
    }
    let (items, total) = Ask::open(settings, &flags.at).await?.list(&format!("/rules?{}", query.join("&"))).await?;
    print::list(flags.format, &items, total)
}

async fn intent(settings: &Settings, named: &Named, verb: &str) -> anyhow::Result<Exit> {
    let ask = Ask::open(settings, &named.at).await?;
    print::rule(named.format, &ask.post(&path(&named.rule, verb), &json!({"confirm": named.confirm})).await?)
}

async fn edit(settings: &Settings, flags: &EditFlags) -> anyhow::Result<Exit> {
    let ask = Ask::open(settings, &flags.at).await?;
    let rule = ask.get(&path(&flags.rule, "")).await?;
    let kept = ["name", "scope", "criteria", "reason", "justification", "owner", "ticket", "paused", "overrides"];
    let mut body: Map<String, Value> = kept.iter().map(|name| ((*name).to_owned(), rule[name].clone())).collect();
    body.insert("seen".into(), rule["row"].clone());
    body.insert("confirm".into(), flags.confirm.into());
    for field in &flags.clear {
        let criteria = body.get_mut("criteria").and_then(Value::as_object_mut).and_then(|fields| fields.remove(field));
        let optional = ["owner", "ticket"].contains(&field.as_str()).then(|| body.remove(field)).flatten();
        if criteria.or(optional).is_none() {
            return Err(stop(Exit::Usage, format!("--clear {field}: the rule does not say anything there")));
        }
    }
    body.extend(flags.words.fields());
    if let Some(criteria) = body.get_mut("criteria").and_then(Value::as_object_mut) {
        criteria.extend(flags.criteria.fields());
    }
    print::rule(flags.format, &ask.put(&path(rule["id"].as_str().unwrap_or(&flags.rule), ""), &body.into()).await?)
}

impl Criteria {
    /// The fields that were given, as REST names them.
    fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let lists = [
            ("finding_ids", &self.finding),
            ("categories", &self.category),
            ("security_checks", &self.check),
            ("packages", &self.package),
            ("states", &self.vendor_state),
            ("digests", &self.digest),
            ("tags", &self.tag),
            ("repositories", &self.repository),
            ("paths", &self.path),
            ("os_releases", &self.os),
        ];
        for (name, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
            fields.insert(name.into(), json!(values));
        }
        for (name, value) in [("cvss_below", &self.cvss_below), ("severity_below", &self.severity_below)] {
            fields.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
        }
        for (name, on) in [("not_patchable", self.not_patchable), ("not_known_exploited", self.not_known_exploited)] {
            fields.extend(on.then(|| (name.to_owned(), true.into())));
        }
        fields
    }
}

impl Words {
    /// The fields that were given, as REST names them.
    fn fields(&self) -> Map<String, Value> {
        let all = [
            ("reason", &self.reason),
            ("justification", &self.justification),
            ("owner", &self.owner),
            ("ticket", &self.ticket),
            ("expires", &self.expires),
            ("name", &self.name),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))).collect()
    }
}

impl CreateFlags {
    fn body(&self) -> Value {
        let mut body = self.words.fields();
        body.insert("scope".into(), json!(self.scope));
        body.insert("criteria".into(), self.criteria.fields().into());
        body.insert("paused".into(), self.paused.into());
        body.insert("confirm".into(), self.confirm.into());
        body.into()
    }
}
