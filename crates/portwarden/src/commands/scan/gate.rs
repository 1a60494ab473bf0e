//! The gate of a scan: what a pipeline stops at.
//!
//! In: the words of `--fail-on`, the reports, an earlier report (`--baseline`), the ages of the feeds.
//! Out: which findings count, which of them meet the gate, and whether the advisories are fresh enough for a pass to mean something.

use crate::commands::{Exit, stop};
use model::advisory::FeedState;
use model::{Micros, Severity};
use scan::report::Finding;
use serde::Deserialize;
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

const WORDS: &str = "critical, high, medium, low, negligible, fixable, kev, new, any";
/// Reports of a hundred large images stay below.
const BASELINE_BYTES: u64 = 1 << 30;

/// When a finding fails the scan: all conditions hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gate {
    severity: Option<Severity>,
    fixable: bool,
    kev: bool,
    /// What is not new, where only new findings count.
    known: Option<Known>,
}

impl Gate {
    pub(super) fn parse(words: &[String], baseline: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let new = words.iter().any(|word| word == "new");
        let mut gate = Self::default();
        for word in words {
            match (word.as_str(), Severity::parse(word)) {
                (_, Some(severity)) => gate.severity = gate.severity.max(Some(severity)),
                ("fixable", _) => gate.fixable = true,
                ("kev", _) => gate.kev = true,
                ("any" | "new", _) => {}
                _ => {
                    return Err(stop(Exit::Usage, format!("--fail-on: {word:?} is not a condition; allowed: {WORDS}")));
                }
            }
        }
        gate.known = match (new, baseline) {
            (true, Some(file)) => Some(Known::read(file)?),
            (true, None) => {
                let text = "--fail-on new: name what to compare with, as --baseline FILE: a report of the image before, as --format json wrote it";
                return Err(stop(Exit::Usage, text));
            }
            (false, Some(_)) => return Err(stop(Exit::Usage, "--baseline: it serves --fail-on new alone")),
            (false, None) => None,
        };
        Ok((!words.is_empty()).then_some(gate))
    }

    pub(super) fn meets(&self, finding: &Finding) -> bool {
        let severity = Severity::parse(finding.severity).unwrap_or_default();
        self.severity.is_none_or(|least| severity >= least)
            && (!self.fixable || finding.patchable)
            && (!self.kev || finding.kev.is_some())
            && self.known.as_ref().is_none_or(|known| !known.holds(finding))
    }

    /// Returns whether the gate itself asks for negligible findings.
    pub(super) fn wants_negligible(&self) -> bool {
        self.severity == Some(Severity::Negligible)
    }
}

/// What an earlier report found: (type of package, its name, name of the vulnerability). Versions do not count: an upgrade that
/// does not mend is old debt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known(HashSet<(String, String, String)>);

#[derive(Deserialize)]
struct Earlier {
    schema: u32,
    findings: Option<Vec<EarlierFinding>>,
    images: Option<Vec<Earlier>>,
}

#[derive(Deserialize)]
struct EarlierFinding {
    finding_id: String,
    #[serde(default)]
    cves: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    package: EarlierPackage,
}

#[derive(Deserialize)]
struct EarlierPackage {
    #[serde(rename = "type")]
    kind: String,
    name: String,
}

impl Known {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let refused = |why: String| stop(Exit::Usage, format!("--baseline: {}: {why}", file.display()));
        let length = std::fs::metadata(file).map_err(|e| refused(e.to_string()))?.len();
        if length > BASELINE_BYTES {
            return Err(refused(format!("{length} bytes are more than a report has")));
        }
        let bytes = std::fs::read(file).map_err(|e| refused(e.to_string()))?;
        Self::parse(&bytes)
            .map_err(|why| refused(format!("it is no report as `--format json` or jsonl writes it: {why}")))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut known = Self::default();
        let mut reports = Vec::new();
        for report in serde_json::Deserializer::from_slice(bytes).into_iter::<Earlier>() {
            reports.push(report.map_err(|e| e.to_string())?);
        }
        if reports.is_empty() {
            return Err("it is empty".into());
        }
        while let Some(report) = reports.pop() {
            if report.schema != scan::report::SCHEMA {
                return Err(format!("its schema is {}, not {}", report.schema, scan::report::SCHEMA));
            }
            if report.findings.is_none() && report.images.is_none() {
                return Err("it has no findings, not even an empty list".into());
            }
            reports.extend(report.images.into_iter().flatten());
            report.findings.into_iter().flatten().for_each(|finding| known.add(finding));
        }
        Ok(known)
    }

    fn add(&mut self, finding: EarlierFinding) {
        let EarlierPackage { kind, name } = finding.package;
        for id in finding.cves.into_iter().chain(finding.aliases).chain([finding.finding_id]) {
            self.0.insert((kind.clone(), name.clone(), id));
        }
    }

    /// Whether it was found before, under any of its names.
    fn holds(&self, finding: &Finding) -> bool {
        let package = &finding.package;
        let mut names = finding.cves.iter().chain(&finding.aliases).chain([&finding.finding_id]);
        names.any(|id| self.0.contains(&(package.kind.clone(), package.name.clone(), id.clone())))
    }
}

/// Says why nothing of these advisories may pass a gate, if so.
pub(super) fn stale(feeds: &[FeedState], starter_only: bool, now: Micros, limit: Duration) -> Option<String> {
    let next = "run `portwarden db update`, or allow more with --max-feed-age";
    if starter_only {
        return Some("only the built-in starter advisories are here: run `portwarden db update`".into());
    }
    let Some(oldest) = feeds.iter().min_by_key(|feed| feed.fetched) else {
        return Some(format!("the advisories do not say when they were fetched: {next}"));
    };
    if now.saturating_since(oldest.fetched) <= limit {
        return None;
    }
    let day = oldest.fetched.rfc3339().get(..16).unwrap_or("").replace('T', " ");
    let hours = limit.as_secs() / 3600;
    Some(format!("{} was last fetched {day} UTC, more than {hours} h ago: {next}", oldest.name))
}

/// Reads `48h` or `7d`.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let hours = |number: &str, unit: u64| number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit * 3600));
    let seconds = match (text.strip_suffix('h'), text.strip_suffix('d')) {
        (Some(number), _) => hours(number, 1),
        (_, Some(number)) => hours(number, 24),
        _ => None,
    };
    seconds.map(Duration::from_secs).ok_or_else(|| "write it as 48h or 7d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Option<Gate>> {
        Gate::parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>(), None)
    }

    #[test]
    fn a_gate_joins_its_conditions_and_refuses_unknown_ones() {
        let want = Gate { severity: Some(Severity::High), fixable: true, ..Gate::default() };
        assert_eq!(parse("high,fixable").unwrap(), Some(want.clone()));
        assert_eq!(parse("high,low,fixable").unwrap(), Some(want), "both hold for what is high");
        assert_eq!(Gate::parse(&[], None).unwrap(), None);
        let error = parse("hihg").unwrap_err().to_string();
        assert!(error.contains("\"hihg\"") && error.contains("critical, high"), "{error}");
        assert!(parse("new").unwrap_err().to_string().contains("--baseline"));
    }

    #[test]
    fn a_pass_wants_feeds_that_were_asked_lately() {
        let feed = |name: &str, hours: i64| FeedState {
            name: name.into(),
            fetched: Micros(1_000_000_000_000_000 - hours * 3_600_000_000),
            ..FeedState::default()
        };
        let day = Duration::from_secs(86_400);
        for (feeds, starter, limit, want, why) in [
            (vec![feed("debian", 1), feed("kev", 24)], false, day, None, "the limit itself"),
            (vec![feed("debian", 1), feed("kev", 25)], false, day, Some("kev"), "one of them is enough"),
            (vec![feed("kev", 25)], false, 2 * day, None, "more is allowed"),
            (vec![FeedState::default()], false, day, Some("1970-01-01"), "never fetched"),
            (vec![feed("debian", -1)], false, day, None, "a clock that is ahead"),
            (vec![], false, day, Some("do not say"), "no feed at all"),
            (vec![feed("debian", 1)], true, day, Some("starter"), "what is built in"),
        ] {
            let said = stale(&feeds, starter, Micros(1_000_000_000_000_000), limit);
            assert_eq!(said.is_some(), want.is_some(), "{why}: {said:?}");
            assert!(said.unwrap_or_default().contains(want.unwrap_or("")), "{why}");
        }
        assert_eq!((age("48h"), age("7d")), (Ok(2 * day), Ok(7 * day)));
        for wrong in ["48", "h", "-1h", "1.5d", "99999999999999999999d", "18446744073709551615d"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_baseline_is_any_report_of_scan_and_nothing_else() {
        let finding =
            r#"{"finding_id":"CVE-1","aliases":["GHSA-1"],"package":{"type":"npm","name":"a","version":"1"}}"#;
        let one = format!(r#"{{"schema":1,"findings":[{finding}],"verdict":"gaps"}}"#);
        for (text, want, why) in [
            (one.clone(), Some(2), "one image"),
            (format!(r#"{{"schema":1,"images":[{one},{one}]}}"#), Some(2), "an index"),
            (format!("{one}\n{one}\n"), Some(2), "lines"),
            (r#"{"schema":1,"findings":[]}"#.to_owned(), Some(0), "a clean image"),
            (r#"{"schema":2,"findings":[]}"#.to_owned(), None, "of another form"),
            (r#"{"schema":1}"#.to_owned(), None, "no findings at all"),
            ("{}".to_owned(), None, "something else"),
            ("[]".to_owned(), None, "a list"),
            (String::new(), None, "nothing"),
        ] {
            assert_eq!(Known::parse(text.as_bytes()).ok().map(|known| known.0.len()), want, "{why}");
        }
    }
}
