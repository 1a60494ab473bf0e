//! The tracker's JSON: source → id → what is said, read record by record.

use super::{Fixes, advisory, affected, release};
use crate::{Fact, Read};
use model::advisory::{Affected, End, VendorState};
use model::severity::Severity;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Where the records go while they are read.
pub(super) struct Tracker<'o, 'a> {
    pub fixes: &'o mut Fixes<'a>,
    pub read: &'o mut Read,
    pub out: &'o mut dyn FnMut(Fact),
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow, default)]
    description: Option<Cow<'a, str>>,
    #[serde(borrow)]
    releases: BTreeMap<Cow<'a, str>, Option<State<'a>>>,
}

#[derive(Deserialize)]
struct State<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    fixed_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    urgency: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    nodsa: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    nodsa_reason: Option<Cow<'a, str>>,
}

impl<'de> DeserializeSeed<'de> for Tracker<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Tracker<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of source packages")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut sources: A) -> Result<(), A::Error> {
        while let Some(source) = sources.next_key::<String>()? {
            sources.next_value_seed(SourcePackage { source: &source, to: &mut self })?;
        }
        Ok(())
    }
}

/// The records of one source package.
struct SourcePackage<'s, 't, 'o, 'a> {
    source: &'s str,
    to: &'t mut Tracker<'o, 'a>,
}

impl<'de> DeserializeSeed<'de> for SourcePackage<'_, '_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SourcePackage<'_, '_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of vulnerabilities")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
        // Each record is cut out first, so that one of another shape is counted and the rest is read.
        while let Some((id, raw)) = records.next_entry::<String, Box<RawValue>>()? {
            match serde_json::from_str::<Record<'_>>(raw.get()) {
                Ok(record) => take(self.to, self.source, &id, &record),
                Err(_) => self.to.read.skip("unreadable"),
            }
        }
        Ok(())
    }
}

fn take(to: &mut Tracker<'_, '_>, source: &str, id: &str, record: &Record<'_>) {
    to.read.records = to.read.records.saturating_add(1);
    let mut rows = Vec::new();
    for (codename, state) in &record.releases {
        let Some(release) = release(codename) else {
            to.read.skip("release without images");
            continue;
        };
        match state.as_ref().and_then(|s| row(source, release, s)) {
            Some(row) => rows.push(row),
            None => to.read.skip("unknown state"),
        }
    }
    let fixes = to.fixes.get_mut(source).and_then(|ids| ids.remove(id)).unwrap_or_default();
    if let Some(mut advisory) = advisory(source, id, rows, &fixes) {
        advisory.description = record.description.as_deref().unwrap_or("").to_owned();
        (to.out)(Fact::Advisory(advisory));
    }
}

/// Returns what a release says; `None` for a state that is not known.
fn row(source: &str, release: &str, said: &State<'_>) -> Option<Affected> {
    let urgency = said.urgency.as_deref().unwrap_or("").trim_end_matches('*');
    let fixed = said.fixed_version.as_deref().filter(|v| !v.is_empty());
    let (state, end) = match (said.status.as_ref(), fixed) {
        ("resolved", Some("0")) => (VendorState::NotAffected, End::Open),
        ("resolved", Some(version)) => (VendorState::Fixed, End::Fixed(version.to_owned())),
        ("open", _) => (open_state(urgency, said), End::Open),
        ("undetermined", _) => (VendorState::UnderInvestigation, End::Open),
        _ => return None,
    };
    let severity = match urgency {
        "unimportant" => Some(Severity::Negligible),
        "low" => Some(Severity::Low),
        "medium" => Some(Severity::Medium),
        "high" => Some(Severity::High),
        _ => None,
    };
    Some(Affected { severity, ..affected(source, release, state, end) })
}

fn open_state(urgency: &str, said: &State<'_>) -> VendorState {
    match said.nodsa_reason.as_deref() {
        _ if urgency == "end-of-life" => VendorState::EndOfLife,
        Some("ignored") => VendorState::WillNotFix,
        None if said.nodsa.is_none() => VendorState::Open,
        // No DSA, or postponed: minor, may come with a point release.
        _ => VendorState::Deferred,
    }
}
