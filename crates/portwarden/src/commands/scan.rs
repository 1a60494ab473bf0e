//! `portwarden scan`: one image, wherever it is, without a server.
//!
//! In: a reference. Out: packages, findings, notes; a gate as exit code.

mod gate;

use super::{Exit, local, stop};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use gate::Gate;
use model::Severity;
use scan::Scanned;
use scan::report::{Finding, LeftOut, Report};
use std::io::Write;

/// What `scan` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  portwarden scan ./layout:1.0                    an OCI layout folder, one of its tags
  portwarden scan ./layout@sha256:…               one of its manifests
  docker save app:1 | portwarden scan -           from standard input
  portwarden scan registry.example/app:1 --fail-on high,fixable --format json

  portwarden scan ./layout --fail-on high,new --baseline before.json
                                                  what an earlier scan did not find

--fail-on joins conditions: a severity (that or worse), fixable, kev, new, any. What lists hide does not count without --all. A scan with
--fail-on never gives 0 when a feed was last fetched longer ago than --max-feed-age: that gives 6. Without --fail-on findings never fail a
scan; gaps give 3.")]
pub struct Arguments {
    /// Layout folder, archive, `-` for standard input, or registry reference
    #[arg(value_name = "REF")]
    pub reference: String,
    /// Only this platform of an index, as linux/arm64 [default: all]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// Exit with 1 when a finding meets all of these
    #[arg(long, value_delimiter = ',', value_name = "CONDITIONS")]
    pub fail_on: Vec<String>,
    /// With --fail-on new: the report of the image before, as --format json wrote it
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<std::path::PathBuf>,
    /// With --fail-on: how long ago the feeds may have been fetched, as 48h or 7d
    #[arg(long, value_name = "AGE", default_value = "48h", value_parser = gate::age)]
    pub max_feed_age: std::time::Duration,
    /// Exit with 0 in spite of gaps
    #[arg(long)]
    pub allow_gaps: bool,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Show packages too, also those without a finding
    #[arg(long)]
    pub packages: bool,
    /// Show and count every finding, also what lists hide: negligible ones, kernel headers, those under investigation
    #[arg(long)]
    pub all: bool,
    /// User for the registry, as NAME:PASSWORD [default: what docker and podman keep]
    #[arg(long, value_name = "LOGIN", env = "PORTWARDEN_REGISTRY_LOGIN", hide_env_values = true)]
    pub login: Option<String>,
    /// Speak plain HTTP to the registry
    #[arg(long)]
    pub insecure_http: bool,
    /// Also trust the certificate authorities in this PEM file
    #[arg(long, value_name = "FILE", env = "PORTWARDEN_CA_BUNDLE")]
    pub ca_bundle: Option<std::path::PathBuf>,
}

/// Runs the command.
pub async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<Exit> {
    let gate = Gate::parse(&arguments.fail_on, arguments.baseline.as_deref())?;
    let lens = Lens { all: arguments.all, negligible: gate.as_ref().is_some_and(Gate::wants_negligible) };
    let login = match &arguments.login {
        Some(text) => {
            let (user, password) =
                text.split_once(':').ok_or_else(|| stop(Exit::Usage, "--login: write it as NAME:PASSWORD"))?;
            Some((user.to_owned(), password.to_owned()))
        }
        None => None,
    };
    let knowledge = local::knowledge(settings)?;
    let database = knowledge.current();
    let read = |file: &std::path::PathBuf| {
        std::fs::read(file).map_err(|e| stop(Exit::Usage, format!("--ca-bundle: cannot read {}: {e}", file.display())))
    };
    let ca_pem = arguments.ca_bundle.as_ref().map(read).transpose()?;
    let options = oci::Options { login, insecure_http: arguments.insecure_http, ca_pem, ..oci::Options::default() };
    let progress = Progress::start(settings, &arguments.reference);
    let source = oci::Source::open(&arguments.reference, &options).await?;
    let sandbox = local::sandbox(settings);
    let platform = arguments.platform.as_deref();
    let Scanned { reports, left_out } =
        scan::scan(&source, &arguments.reference, platform, &sandbox, &database).await?;
    progress.end();
    if reports.is_empty() {
        let what = platform.map_or("image".to_owned(), |p| format!("image for {p}"));
        let rest = if left_out.is_empty() { String::new() } else { format!("; left out: {}", names(&left_out)) };
        return Err(stop(Exit::NotScannable, format!("{} holds no {what}{rest}", arguments.reference)));
    }
    print(&reports, &left_out, arguments, lens, &database)?;
    let Some(gate) = gate else { return Ok(exit(&reports, 0, None, arguments.allow_gaps)) };
    let failing = reports.iter().flat_map(|r| &r.findings).filter(|f| lens.shows(f) && gate.meets(f)).count();
    let feeds = scan::feeds::feeds_of(&database, &settings.data);
    let stale = gate::stale(&feeds, database.starter_only(), crate::clock::now(), arguments.max_feed_age);
    let exit = exit(&reports, failing, stale.as_deref(), arguments.allow_gaps);
    match (exit, stale) {
        _ if settings.quiet => {}
        (Exit::Findings, _) => {
            eprintln!("FAIL  {failing} {} --fail-on", if failing == 1 { "finding meets" } else { "findings meet" })
        }
        (Exit::NoDatabase, Some(why)) => eprintln!("STALE  {why}"),
        _ => {}
    }
    Ok(exit)
}

fn print(
    reports: &[Report],
    left_out: &[LeftOut],
    arguments: &Arguments,
    lens: Lens,
    database: &advisory::Database,
) -> anyhow::Result<()> {
    match arguments.format {
        Format::Table => {
            let mut out = std::io::stdout().lock();
            reports.iter().try_for_each(|report| table(&mut out, report, lens, arguments.packages, database))?;
            if !left_out.is_empty() {
                writeln!(out, "not scanned, as no container engine would run it: {}", names(left_out))?;
            }
        }
        Format::Json if reports.len() == 1 => output::json(&reports[0])?,
        Format::Json => output::json(&serde_json::json!({"schema": output::SCHEMA, "images": reports}))?,
        Format::Jsonl => {
            let mut out = std::io::stdout().lock();
            reports
                .iter()
                .try_for_each(|report| writeln!(out, "{}", serde_json::to_string(report).unwrap_or_default()))?;
        }
        Format::Csv => csv(reports)?,
    }
    Ok(())
}

/// Names what was left out: `application/vnd.in-toto+json sha256:…`.
fn names(left_out: &[LeftOut]) -> String {
    let name = |one: &LeftOut| {
        let absent = if one.present { "" } else { " (not there)" };
        format!("{} {}{absent}", visible(&one.artifact_type), one.digest)
    };
    left_out.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The worst of the images decides: not scannable, then findings that meet the gate, then advisories too old for it, then gaps.
fn exit(reports: &[Report], failing: usize, stale: Option<&str>, allow_gaps: bool) -> Exit {
    let is = |verdict: &str| reports.iter().any(|r| r.verdict == verdict);
    if is("failed") || is("unsupported") {
        return Exit::NotScannable;
    }
    if failing > 0 {
        return Exit::Findings;
    }
    if stale.is_some() {
        return Exit::NoDatabase;
    }
    if is("gaps") && !allow_gaps { Exit::Gaps } else { Exit::Clean }
}

/// What is shown and counted; the rest is hidden, as in every list (`fleet`).
#[derive(Debug, Clone, Copy)]
struct Lens {
    all: bool,
    negligible: bool,
}

impl Lens {
    fn shows(self, finding: &Finding) -> bool {
        let hidden = (finding.severity == "negligible" && !self.negligible)
            || finding.category == "kernel-headers"
            || finding.vendor_state == "under-investigation";
        self.all || !hidden
    }
}

fn table(
    out: &mut impl Write,
    report: &Report,
    lens: Lens,
    packages: bool,
    database: &advisory::Database,
) -> std::io::Result<()> {
    let os = report.os.as_ref().map(|os| os.pretty_name.as_str()).filter(|n| !n.is_empty());
    writeln!(out, "{}  {}  {}", visible(&report.reference), report.platform, visible(os.unwrap_or("no distribution")))?;
    writeln!(out, "{}", report.digest)?;
    if packages {
        let row = |p: &scan::report::Package| {
            vec![p.kind.clone(), visible(&p.name), visible(&p.version), p.origin.clone(), visible(&p.path)]
        };
        writeln!(out)?;
        output::table(
            out,
            &["TYPE", "PACKAGE", "VERSION", "ORIGIN", "PATH"],
            &report.packages.iter().map(row).collect::<Vec<_>>(),
        )?;
    }
    let shown: Vec<&Finding> = report.findings.iter().filter(|f| lens.shows(f)).collect();
    if !shown.is_empty() {
        writeln!(out)?;
        // Worst last: the end of the output is what stays on the screen.
        let rows: Vec<Vec<String>> = shown.iter().rev().map(|f| row(f)).collect();
        output::table(out, &["SEVERITY", "FINDING", "PACKAGE", "INSTALLED", "FIXED IN", "CVSS", "LAYER"], &rows)?;
    }
    if !report.was_fully_sandboxed() {
        writeln!(out, "\n  sandbox: {}", report.sandbox)?;
    }
    let notes: Vec<_> = report.notes.iter().filter(|n| n.gap).collect();
    if !notes.is_empty() {
        writeln!(out)?;
    }
    for note in notes {
        writeln!(
            out,
            "  gap: {}{}",
            visible(&note.text),
            if note.path.is_empty() { String::new() } else { format!(" ({})", visible(&note.path)) }
        )?;
    }
    writeln!(out)?;
    summary(out, report, &shown, database)
}

fn row(finding: &Finding) -> Vec<String> {
    let fixed = if finding.fixed_version.is_empty() {
        format!("- ({})", finding.vendor_state)
    } else {
        visible(&finding.fixed_version)
    };
    let kev = if finding.kev.is_some() { " known exploited" } else { "" };
    let cvss = finding.cvss.get("v3").or_else(|| finding.cvss.get("v4")).or_else(|| finding.cvss.get("v2"));
    vec![
        finding.severity.to_uppercase(),
        format!("{}{kev}", visible(&finding.finding_id)),
        visible(&finding.package.name),
        visible(&finding.package.version),
        fixed,
        cvss.map(|s| format!("{:.1}", s.score)).unwrap_or_default(),
        finding.layer.index.to_string(),
    ]
}

/// The line that is read last: it adds up.
fn summary(
    out: &mut impl Write,
    report: &Report,
    shown: &[&Finding],
    database: &advisory::Database,
) -> std::io::Result<()> {
    let of = |severity: Severity| shown.iter().filter(|f| f.severity == severity.as_str()).count();
    let parts: Vec<String> = Severity::WORST_FIRST
        .into_iter()
        .map(|s| (s, of(s)))
        .filter(|(_, n)| *n > 0)
        .map(|(s, n)| format!("{n} {}", s.as_str()))
        .collect();
    let total = shown.len();
    let fixable = shown.iter().filter(|f| f.patchable).count();
    let findings = if total == 1 { "finding" } else { "findings" };
    let breakdown = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    let rest = report.findings.len() - total;
    let more = if rest > 0 { format!(", {rest} more with --all") } else { String::new() };
    let reasons = if report.reasons.is_empty() { String::new() } else { format!(" ({})", report.reasons.join(", ")) };
    let knowledge = if database.starter_only() {
        "starter advisories only: run `portwarden db update`".to_owned()
    } else {
        format!("advisories of {} UTC", database.built().rfc3339().get(..16).unwrap_or("").replace('T', " "))
    };
    writeln!(
        out,
        "{total} {findings}{breakdown}, {fixable} fixable{more}; {} packages; {}{reasons}; {knowledge}",
        report.packages.len(),
        report.verdict
    )
}

fn csv(reports: &[Report]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let head = [
        "image",
        "platform",
        "severity",
        "finding_id",
        "package",
        "version",
        "type",
        "fixed_version",
        "vendor_state",
        "cvss_v3",
        "kev",
        "layer",
        "paths",
    ];
    output::csv_row(&mut out, &head.map(str::to_owned))?;
    for report in reports {
        for f in &report.findings {
            let cvss = f.cvss.get("v3").map(|s| format!("{:.1}", s.score)).unwrap_or_default();
            let cells = [
                report.digest.clone(),
                report.platform.clone(),
                f.severity.to_owned(),
                f.finding_id.clone(),
                f.package.name.clone(),
                f.package.version.clone(),
                f.package.kind.clone(),
                f.fixed_version.clone(),
                f.vendor_state.to_owned(),
                cvss,
                f.kev.clone().unwrap_or_default(),
                f.layer.index.to_string(),
                f.paths.join(" "),
            ];
            output::csv_row(&mut out, &cells)?;
        }
    }
    Ok(())
}

/// One line on standard error while a scan takes longer than a moment.
struct Progress(Option<indicatif::ProgressBar>);

impl Progress {
    fn start(settings: &Settings, what: &str) -> Self {
        use std::io::IsTerminal;
        if settings.quiet || !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = indicatif::ProgressBar::new_spinner().with_message(format!("reading {}", visible(what)));
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        Self(Some(bar))
    }

    fn end(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}
