//! Vulnerabilities: one row each under a surrogate id, every name that means it, and the text that is shown on one page.

use crate::engine::{Row, Value, values};
use crate::matches::Judged;
use crate::packages::Learnt;
use crate::write::{What, Write};
use crate::{Error, Result};
use model::advisory::CvssVector;
use model::facts::Id;
use model::severity::SeveritySource;
use model::{Micros, Severity};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// A vulnerability as the advisory database has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vulnerability {
    /// Heading: CVE if there is one, else GHSA, else the feed's id.
    pub name: String,
    /// Every other id of it.
    pub aliases: Vec<String>,
    /// One line, or empty.
    pub title: String,
    /// Severity by the best source that is not a package's vendor.
    pub severity: Severity,
    /// CVSS v3 base score in tenths.
    pub cvss: Option<u16>,
    /// When it was added to the known exploited list; 0 = not on it.
    pub kev: Micros,
    /// EPSS probability in millionths.
    pub epss: Option<u32>,
    /// Published; 0 = unknown.
    pub published: Micros,
    /// Modified; 0 = unknown.
    pub modified: Micros,
    /// What is shown on its page only.
    pub text: VulnerabilityText,
}

/// What is shown of a vulnerability on one page at a time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VulnerabilityText {
    /// Plain text.
    pub description: String,
    /// `CWE-79`.
    pub cwe: Vec<String>,
    /// Vectors with who gave them.
    pub cvss: Vec<CvssVector>,
    /// Links.
    pub references: Vec<String>,
    /// Vendor advisories that fix it.
    pub related: Vec<String>,
    /// Who gave the severity.
    pub severity_source: SeveritySource,
    /// EPSS percentile in millionths.
    pub epss_percentile: Option<u32>,
    /// The day of the EPSS figures; 0 = none.
    pub epss_date: Micros,
}

/// A row as it should be, without its id.
type Columns = [Value; 8];

fn columns(v: &Vulnerability) -> Columns {
    [
        (&v.name).into(),
        (&v.title).into(),
        (v.severity as u8).into(),
        v.cvss.map_or(-1, i64::from).into(),
        v.kev.into(),
        v.epss.map_or(-1, i64::from).into(),
        v.published.into(),
        v.modified.into(),
    ]
}

/// What the store has of a vulnerability.
struct Known {
    name: String,
    columns: Columns,
    body: String,
}

/// Finds or makes the vulnerabilities that matches name, and brings rows, names and texts to what is given.
pub(crate) async fn ensure(
    write: &mut Write<'_>,
    judged: &[Judged<'_>],
    given: &[Vulnerability],
    generation: i64,
    learnt: &mut Learnt,
) -> Result<HashMap<String, Id>> {
    learnt.generation = generation;
    let mut ids = HashMap::new();
    let mut wanted: HashSet<&str> = judged.iter().flat_map(|j| j.found).map(|m| m.vulnerability.as_str()).collect();
    {
        let known = write.store().known();
        wanted.retain(|name| match known.vulnerability(name, generation) {
            Some(id) => {
                ids.insert((*name).to_owned(), id);
                false
            }
            None => true,
        });
    }
    let given: Vec<&Vulnerability> = given.iter().filter(|v| wanted.contains(v.name.as_str())).collect();
    let written = upsert(write, &given, true).await?;
    learnt.vulnerabilities.extend(written.iter().map(|(name, id)| (name.clone(), *id)));
    ids.extend(written);
    Ok(ids)
}

/// Brings rows, names and texts to what is given; makes missing rows if told so. Returns the ids by heading.
pub(crate) async fn upsert(write: &mut Write<'_>, given: &[&Vulnerability], make: bool) -> Result<HashMap<String, Id>> {
    let mut ids = HashMap::new();
    if given.is_empty() {
        return Ok(ids);
    }
    let mut names: Vec<&String> = given.iter().flat_map(|v| v.aliases.iter().chain([&v.name])).collect();
    names.sort_unstable();
    names.dedup();
    let values: Vec<Value> = names.into_iter().map(Value::from).collect();
    let rows = write.tx.among("SELECT name, vulnerability FROM alias WHERE name IN", 1, &values, "").await?;
    let aliases = rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect::<Result<HashMap<_, _>>>()?;
    let known = read_known(write, &aliases).await?;

    let (mut fresh, mut fresh_texts, mut moved) = (Vec::new(), Vec::new(), Vec::new());
    for v in given {
        let found = identify(v, &aliases, &known);
        if let Some((id, known)) = found.and_then(|id| Some((id, known.get(&id)?))) {
            update(write, id, known, v).await?;
            ids.insert(v.name.clone(), id);
        } else if make {
            fresh.extend(columns(v));
            fresh_texts.push(*v);
        }
    }
    let head = "INSERT INTO vulnerability (name, title, severity, cvss, kev, epss, published, modified)";
    for row in write.tx.insert(head, 8, &fresh, "RETURNING id, name").await? {
        ids.insert(row.text(1)?, row.int(0)?);
    }
    let mut texts = Vec::new();
    for v in fresh_texts {
        let id = ids.get(&v.name).copied().unwrap_or(0);
        write.changed(What::Vulnerability, id);
        texts.extend([id.into(), body(v)?.into()]);
    }
    write.tx.insert("INSERT INTO vulnerability_text (vulnerability, body)", 2, &texts, "").await?;
    for v in given {
        let Some(id) = ids.get(&v.name).copied() else { continue };
        for name in v.aliases.iter().chain([&v.name]).filter(|name| aliases.get(*name) != Some(&id)) {
            moved.extend([name.into(), id.into()]);
            write.changed(What::Vulnerability, id);
        }
    }
    let tail = "ON CONFLICT (name) DO UPDATE SET vulnerability = excluded.vulnerability";
    write.tx.insert("INSERT INTO alias (name, vulnerability)", 2, &moved, tail).await?;
    Ok(ids)
}

/// Finds the row that a vulnerability continues: the one that its heading names, else the oldest that one of its aliases
/// names. A row whose own heading is no name of it (any more) is another vulnerability.
fn identify(v: &Vulnerability, aliases: &HashMap<String, Id>, known: &HashMap<Id, Known>) -> Option<Id> {
    let own = |id: &Id| known.get(id).is_some_and(|row| row.name == v.name || v.aliases.contains(&row.name));
    let by_heading = aliases.get(&v.name).copied().filter(own);
    by_heading.or_else(|| v.aliases.iter().filter_map(|name| aliases.get(name).copied()).filter(own).min())
}

async fn read_known(write: &mut Write<'_>, aliases: &HashMap<String, Id>) -> Result<HashMap<Id, Known>> {
    let mut ids: Vec<Id> = aliases.values().copied().collect();
    ids.sort_unstable();
    ids.dedup();
    let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
    let head = "SELECT v.id, v.name, v.title, v.severity, v.cvss, v.kev, v.epss, v.published, v.modified, t.body FROM vulnerability v JOIN vulnerability_text t ON t.vulnerability = v.id WHERE v.id IN";
    let read = |row: &Row| {
        let columns = [
            row.text(1)?.into(),
            row.text(2)?.into(),
            row.int(3)?.into(),
            row.int(4)?.into(),
            row.int(5)?.into(),
            row.int(6)?.into(),
            row.int(7)?.into(),
            row.int(8)?.into(),
        ];
        Ok((row.int(0)?, Known { name: row.text(1)?, columns, body: row.text(9)? }))
    };
    write.tx.among(head, 1, &ids, "").await?.iter().map(read).collect()
}

async fn update(write: &mut Write<'_>, id: Id, known: &Known, v: &Vulnerability) -> Result<()> {
    let columns = columns(v);
    if columns != known.columns {
        let sql = "UPDATE vulnerability SET name = $1, title = $2, severity = $3, cvss = $4, kev = $5, epss = $6, published = $7, modified = $8 WHERE id = $9";
        let mut values = columns.to_vec();
        values.push(id.into());
        write.run(sql, &values).await?;
        write.changed(What::Vulnerability, id);
    }
    let body = body(v)?;
    if body != known.body {
        write.run("UPDATE vulnerability_text SET body = $2 WHERE vulnerability = $1", values![id, body]).await?;
    }
    Ok(())
}

fn body(v: &Vulnerability) -> Result<String> {
    serde_json::to_string(&v.text).map_err(|why| Error::damaged("text of a vulnerability", why))
}
