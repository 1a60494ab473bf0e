//! Matches over time: what a package matched until now, and from now on.
//!
//! In: packages with all their matches as one generation has them.
//! Out: rows closed and opened where something a finding shows is different; nothing where nothing is.

use crate::engine::{Row, Value, values};
use crate::write::{What, Write};
use crate::{Error, Result};
use model::Micros;
use model::facts::Id;
use model::finding::Match;
use std::collections::HashMap;

/// A package with all its matches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged<'a> {
    pub(crate) package: Id,
    /// Whether it has no rows yet.
    pub(crate) is_new: bool,
    pub(crate) found: &'a [Match],
}

/// A row in force.
struct Current {
    first: Micros,
    since: Micros,
    shown: [Value; 7],
    comparison: String,
}

/// Rows to close and rows to open.
#[derive(Default)]
struct Moves {
    close: Vec<Value>,
    open: Vec<Value>,
    changed: u64,
}

/// Brings the rows of packages to what was found. Returns how many were closed or opened.
pub(crate) async fn write(
    write: &mut Write<'_>,
    judged: &[Judged<'_>],
    ids: &HashMap<String, Id>,
    generation: i64,
) -> Result<u64> {
    let mut current = read_current(write, judged).await?;
    let mut moves = Moves::default();
    for package in judged {
        for found in package.found {
            let missing = || Error::NotFound { what: "vulnerability", name: found.vulnerability.clone() };
            let vulnerability = *ids.get(&found.vulnerability).ok_or_else(missing)?;
            let row = current.remove(&(package.package, vulnerability));
            moves.compare(write, (package.package, vulnerability), row, found, generation).await?;
        }
    }
    for ((package, vulnerability), row) in current {
        moves.close.extend([package.into(), vulnerability.into(), row.since.into(), write.now.into()]);
        write.changed(What::MatchesOf, package);
        moves.changed += 1;
    }
    let close = "UPDATE match SET until = given.until FROM given WHERE match.package = given.package AND match.vulnerability = given.vulnerability AND match.since = given.since";
    write.tx.given(&["package", "vulnerability", "since", "until"], &moves.close, close).await?;
    let head = "INSERT INTO match (package, vulnerability, since, until, first, severity, severity_source, fixable, state, fixed_version, advisory, source, category, comparison, generation)";
    write.tx.insert(head, 15, &moves.open, "").await?;
    Ok(moves.changed)
}

impl Moves {
    /// Compares a match with the row in force, if there is one.
    async fn compare(
        &mut self,
        write: &mut Write<'_>,
        (package, vulnerability): (Id, Id),
        row: Option<Current>,
        found: &Match,
        generation: i64,
    ) -> Result<()> {
        let mut first = write.now;
        if let Some(row) = row {
            if row.shown == shown(found) {
                return explain(write, package, vulnerability, &row, found).await;
            }
            first = row.first;
            self.close.extend([package.into(), vulnerability.into(), row.since.into(), write.now.into()]);
        }
        self.open.extend(opened(write.now, first, package, vulnerability, found, generation));
        write.changed(What::MatchesOf, package);
        self.changed += 1;
        Ok(())
    }
}

async fn read_current(write: &mut Write<'_>, judged: &[Judged<'_>]) -> Result<HashMap<(Id, Id), Current>> {
    let known: Vec<Value> = judged.iter().filter(|j| !j.is_new).map(|j| j.package.into()).collect();
    let head = format!(
        "SELECT package, vulnerability, since, first, severity, severity_source, state, fixed_version, advisory, source, category, comparison FROM match WHERE until = {} AND package IN",
        Micros::FOREVER.0
    );
    let rows = write.tx.among(&head, 1, &known, "").await?;
    rows.iter().map(|row| Ok(((row.int(0)?, row.int(1)?), current(row)?))).collect()
}

fn current(row: &Row) -> Result<Current> {
    let shown = [
        row.int(4)?.into(),
        row.int(5)?.into(),
        row.int(6)?.into(),
        row.text(7)?.into(),
        row.text(8)?.into(),
        row.int(9)?.into(),
        row.int(10)?.into(),
    ];
    Ok(Current { since: row.at(2)?, first: row.at(3)?, shown, comparison: row.text(11)? })
}

/// What a finding shows of a match: a difference closes the row and opens another.
fn shown(found: &Match) -> [Value; 7] {
    [
        (found.severity as u8).into(),
        (found.severity_source as u8).into(),
        (found.state as u8).into(),
        (&found.fixed_version).into(),
        (&found.advisory).into(),
        (found.source as u8).into(),
        (found.category as u8).into(),
    ]
}

/// Keeps the explanation of a match current. It is no fact of its own: no interval, no change.
async fn explain(write: &mut Write<'_>, package: Id, vulnerability: Id, row: &Current, found: &Match) -> Result<()> {
    if row.comparison != found.comparison {
        let sql = "UPDATE match SET comparison = $4 WHERE package = $1 AND vulnerability = $2 AND since = $3";
        write.run(sql, values![package, vulnerability, row.since, &found.comparison]).await?;
    }
    Ok(())
}

fn opened(now: Micros, first: Micros, package: Id, vulnerability: Id, found: &Match, generation: i64) -> [Value; 15] {
    [
        package.into(),
        vulnerability.into(),
        now.into(),
        Micros::FOREVER.into(),
        first.into(),
        (found.severity as u8).into(),
        (found.severity_source as u8).into(),
        found.patchable().into(),
        (found.state as u8).into(),
        (&found.fixed_version).into(),
        (&found.advisory).into(),
        (found.source as u8).into(),
        (found.category as u8).into(),
        (&found.comparison).into(),
        generation.into(),
    ]
}
