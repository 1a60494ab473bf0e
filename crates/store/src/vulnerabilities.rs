//! Vulnerabilities: one row each under a surrogate id, every name that means it, and the text that is shown on one page.

use crate::engine::{Row, Value};
use crate::matches::Judged;
use crate::packages::Learnt;
use crate::write::{What, Write};
use crate::{Error, Result};
use model::advisory::CvssVector;
use model::facts::Id;
use model::severity::SeveritySource;
use model::{Micros, Severity};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

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
/// Where in it the moment is at which it came onto the list of those that are exploited.
const KEV: usize = 4;

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

/// What is to be written of a vulnerability.
struct Given<'a> {
    v: &'a Vulnerability,
    body: String,
    fingerprint: i64,
}

impl<'a> Given<'a> {
    fn of(v: &'a Vulnerability) -> Result<Self> {
        let body = serde_json::to_string(&v.text).map_err(|why| Error::damaged("text of a vulnerability", why))?;
        Ok(Self { v, fingerprint: fingerprint(v, &body), body })
    }

    /// Every name of it.
    fn names(&self) -> impl Iterator<Item = &'a String> + use<'a> {
        self.v.aliases.iter().chain([&self.v.name])
    }

    /// The row, and at its end the fingerprint.
    fn row(&self) -> impl Iterator<Item = Value> {
        columns(self.v).into_iter().chain([self.fingerprint.into()])
    }
}

/// Returns the fingerprint of a vulnerability's row, text and names.
pub fn vulnerability_fingerprint(v: &Vulnerability) -> Result<i64> {
    Ok(Given::of(v)?.fingerprint)
}

/// A row with the fingerprint of what is given needs no look at its columns, names and text. 0 = not known.
fn fingerprint(v: &Vulnerability, body: &str) -> i64 {
    let mut bytes = Vec::with_capacity(body.len() + 512);
    let mut aliases: Vec<&String> = v.aliases.iter().collect();
    aliases.sort_unstable();
    for text in aliases.into_iter().map(String::as_str).chain([v.name.as_str(), v.title.as_str(), body]) {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    for number in columns(v) {
        if let Value::Int(number) = number {
            bytes.extend(number.to_le_bytes());
        }
    }
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let first = hash.as_ref().first_chunk().map_or(0, |first| i64::from_le_bytes(*first));
    if first == 0 { 1 } else { first }
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
    let mut given = given.iter().map(|v| Given::of(v)).collect::<Result<Vec<_>>>()?;
    let mut ids = unchanged(write, &given).await?;
    given.retain(|g| !ids.contains_key(&g.v.name));
    let names: BTreeSet<&String> = given.iter().flat_map(Given::names).collect();
    let values: Vec<Value> = names.into_iter().map(Value::from).collect();
    let rows = write.tx.among("SELECT name, vulnerability FROM alias WHERE name IN", 1, &values, "").await?;
    let aliases = rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect::<Result<HashMap<_, _>>>()?;
    let known = read_known(write, &aliases).await?;

    let (mut old, mut fresh) = (Vec::new(), Vec::new());
    for g in &given {
        if let Some((id, known)) = identify(g.v, &aliases, &known).and_then(|id| Some((id, known.get(&id)?))) {
            ids.insert(g.v.name.clone(), id);
            old.push((id, known, g));
        } else if make {
            fresh.push(g);
        }
    }
    add(write, &fresh, &mut ids).await?;
    rename(write, &given, &ids, &aliases).await?;
    update(write, &old).await?;
    Ok(ids)
}

/// Finds the rows that are as given, with every name and the text.
async fn unchanged(write: &mut Write<'_>, given: &[Given<'_>]) -> Result<HashMap<String, Id>> {
    let values: Vec<Value> = given.iter().flat_map(|g| [(&g.v.name).into(), g.fingerprint.into()]).collect();
    let sql = "SELECT v.name, v.id FROM given g CROSS JOIN alias a CROSS JOIN vulnerability v
        WHERE a.name = g.name AND v.id = a.vulnerability AND v.name = g.name AND v.fingerprint = g.fingerprint";
    let rows = write.tx.given(&["name", "fingerprint"], &values, sql).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
}

/// Makes rows and texts.
async fn add(write: &mut Write<'_>, fresh: &[&Given<'_>], ids: &mut HashMap<String, Id>) -> Result<()> {
    let rows: Vec<Value> = fresh.iter().flat_map(|g| g.row()).collect();
    let head = "INSERT INTO vulnerability (name, title, severity, cvss, kev, epss, published, modified, fingerprint)";
    for row in write.tx.insert(head, 9, &rows, "RETURNING id, name").await? {
        ids.insert(row.text(1)?, row.int(0)?);
    }
    let mut texts = Vec::with_capacity(fresh.len() * 2);
    for g in fresh {
        let id = ids.get(&g.v.name).copied().unwrap_or(0);
        write.changed(What::Vulnerability, id);
        texts.extend([id.into(), (&g.body).into()]);
    }
    write.tx.insert("INSERT INTO vulnerability_text (vulnerability, body)", 2, &texts, "").await?;
    Ok(())
}

/// Gives vulnerabilities the names that they do not have yet. Who had one of them before is no longer as it was given.
async fn rename(
    write: &mut Write<'_>,
    given: &[Given<'_>],
    ids: &HashMap<String, Id>,
    aliases: &HashMap<String, Id>,
) -> Result<()> {
    let (mut moved, mut robbed) = (BTreeMap::new(), BTreeSet::<Id>::new());
    for g in given {
        let Some(id) = ids.get(&g.v.name).copied() else { continue };
        for name in g.names().filter(|name| aliases.get(*name) != Some(&id)) {
            moved.insert(name, id);
            robbed.extend(aliases.get(name).copied());
            write.changed(What::Vulnerability, id);
        }
    }
    let robbed: Vec<Value> = robbed.into_iter().map(Value::from).collect();
    write.tx.among("UPDATE vulnerability SET fingerprint = 0 WHERE id IN", 1, &robbed, "").await?;
    let moved: Vec<Value> = moved.into_iter().flat_map(|(name, id)| [name.into(), id.into()]).collect();
    let tail = "ON CONFLICT (name) DO UPDATE SET vulnerability = excluded.vulnerability";
    write.tx.insert("INSERT INTO alias (name, vulnerability)", 2, &moved, tail).await?;
    Ok(())
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

/// Writes rows and texts that are different now.
async fn update(write: &mut Write<'_>, old: &[(Id, &Known, &Given<'_>)]) -> Result<()> {
    let (mut rows, mut texts) = (Vec::with_capacity(old.len() * 10), Vec::new());
    let mut exploited: Vec<Value> = Vec::new();
    for (id, known, g) in old {
        if known.columns[KEV] == Value::Int(0) && g.v.kev.0 > 0 {
            exploited.push((*id).into());
        }
        rows.push((*id).into());
        rows.extend(g.row());
        if columns(g.v) != known.columns {
            write.changed(What::Vulnerability, *id);
        }
        if g.body != known.body {
            texts.extend([(*id).into(), (&g.body).into()]);
        }
    }
    let sql = "UPDATE vulnerability SET name = g.name, title = g.title, severity = g.severity, cvss = g.cvss, kev = g.kev, epss = g.epss,
        published = g.published, modified = g.modified, fingerprint = g.fingerprint FROM given g WHERE vulnerability.id = g.id";
    let columns = ["id", "name", "title", "severity", "cvss", "kev", "epss", "published", "modified", "fingerprint"];
    write.tx.given(&columns, &rows, sql).await?;
    let learnt = format!("UPDATE vulnerability SET kev_since = {} WHERE id IN", write.now.0);
    write.tx.among(&learnt, 1, &exploited, "").await?;
    let sql = "UPDATE vulnerability_text SET body = g.body FROM given g WHERE vulnerability_text.vulnerability = g.id";
    write.tx.given(&["id", "body"], &texts, sql).await?;
    Ok(())
}
