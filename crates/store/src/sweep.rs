//! A new generation of the advisory database: what it changes is matched again, and nothing else.

use crate::engine::{Row, Value, values};
use crate::generation::{Generation, in_force, read};
use crate::matches::Judged;
use crate::packages::Learnt;
use crate::queue::{Job, REMATCH, add_rematch, end_job, renew_rematch};
use crate::vulnerabilities::Vulnerability;
use crate::write::{What, Write};
use crate::{Error, OfferedDatabase, Recheck, Result, Store, databases, matches, recheck, vulnerabilities};
use model::PackageKey;
use model::facts::Id;
use model::finding::Match;
use std::collections::BTreeSet;

/// A package of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRow {
    /// Row id.
    pub id: Id,
    /// The package.
    pub key: PackageKey,
    /// The generation it was last matched with.
    pub matched_generation: i64,
}

/// A package that was matched again.
#[derive(Debug, Clone)]
pub struct Rematched {
    /// Row id.
    pub package: Id,
    /// All its matches now.
    pub matches: Vec<Match>,
    /// Whether what could not be compared of it is another than before: then the verdicts of its images may change as well.
    pub notes_changed: bool,
}

impl Store {
    /// Returns which generations the facts stand at.
    pub async fn generation(&self) -> Result<Generation> {
        read(&mut self.engine().begin_read().await?).await
    }

    /// Puts a generation in force and queues the re-match (a job of kind `Rematch`) in the same transaction. The same content
    /// under a new number needs no re-match. A generation older than the one in force is refused, and so is another content
    /// under its number: a number stands for one content.
    pub async fn adopt(&self, generation: i64, content_hash: &str) -> Result<Generation> {
        self.adopt_database(&OfferedDatabase { generation, content_hash, ..OfferedDatabase::default() }).await
    }

    /// The same for a database that others can have from the blob store.
    pub async fn adopt_database(&self, offered: &OfferedDatabase<'_>) -> Result<Generation> {
        let (generation, content_hash) = (offered.generation, offered.content_hash);
        let mut tx = self.engine().begin().await?;
        // Job rows are locked before the revision.
        let waiting = format!("SELECT id FROM job WHERE kind = {REMATCH}{}", self.engine().lock());
        let waiting = tx.one(&waiting, values![]).await?.map(|row| row.int(0)).transpose()?;
        let mut write = Write::ordered(self, tx).await?;
        let mut now = read(&mut write.tx).await?;
        let known = generation == now.target && content_hash == now.content_hash;
        if generation < now.target || (generation == now.target && !known && !now.content_hash.is_empty()) {
            return Err(Error::StaleGeneration { given: generation, current: now.target });
        }
        databases::remember(&mut write, offered).await?;
        if known {
            write.commit().await?;
            return Ok(now);
        }
        let nothing_to_do =
            content_hash == now.content_hash || write.one("SELECT id FROM package LIMIT 1", values![]).await?.is_none();
        if nothing_to_do && now.swept == now.target {
            now.swept = generation;
        }
        if content_hash != now.content_hash {
            write.changed(What::Generation, generation);
        }
        (now.target, now.content_hash) = (generation, content_hash.to_owned());
        let sql = "UPDATE knowledge SET target = $1, swept = $2, content_hash = $3, adopted = $4 WHERE one = 1";
        write.run(sql, values![now.target, now.swept, content_hash, write.now]).await?;
        self.step("adopt:knowledge");
        if now.swept < now.target {
            match waiting {
                Some(job) => renew_rematch(&mut write, job).await?,
                None => drop(add_rematch(&mut write).await?),
            }
        }
        self.step("adopt:queued");
        write.commit().await?;
        self.step("adopt:committed");
        Ok(now)
    }

    /// Lists the packages that a re-match must visit: those of the changed names, and those matched between the swept
    /// generation and the one in force (a name may have changed and changed back). Those already done are left out, so that
    /// a re-match that was cut off goes on where it was. `None` = every package.
    pub async fn to_rematch(&self, changed: Option<&[(String, String)]>) -> Result<Vec<PackageRow>> {
        let mut tx = self.engine().begin_read().await?;
        let generation = read(&mut tx).await?;
        let Some(changed) = changed else {
            let sql = format!("SELECT {PACKAGE} {PACKAGES} WHERE p.matched_generation < $1");
            return tx.each(&sql, values![generation.target], package).await;
        };
        let between =
            format!("SELECT {PACKAGE} {PACKAGES} WHERE p.matched_generation > $1 AND p.matched_generation < $2");
        let mut found = tx.each(&between, values![generation.swept, generation.target], package).await?;
        let names: BTreeSet<&(String, String)> = changed.iter().collect();
        let names: Vec<Value> = names.iter().flat_map(|(ecosystem, name)| [ecosystem.into(), name.into()]).collect();
        let sql = format!(
            "SELECT {PACKAGE} FROM given CROSS JOIN component c CROSS JOIN package p
            WHERE c.ecosystem = given.ecosystem AND c.name = given.name AND p.component = c.id"
        );
        for row in tx.given(&["ecosystem", "name"], &names, &sql).await? {
            let row = package(&row)?;
            if row.matched_generation <= generation.swept && row.matched_generation < generation.target {
                found.push(row);
            }
        }
        Ok(found)
    }

    /// Writes the matches of some packages (a few hundred a call) as the generation in force has them. Returns how many
    /// matches were opened or closed.
    pub async fn sweep(
        &self,
        generation: i64,
        packages: &[Rematched],
        vulnerabilities: &[Vulnerability],
    ) -> Result<u64> {
        let mut write = self.write().await?;
        in_force(&mut write.tx, generation).await?;
        let judged: Vec<Judged<'_>> =
            packages.iter().map(|p| Judged { package: p.package, is_new: false, found: &p.matches }).collect();
        let mut learnt = Learnt::default();
        let ids = vulnerabilities::ensure(&mut write, &judged, vulnerabilities, generation, &mut learnt).await?;
        let changed = matches::write(&mut write, &judged, &ids, generation).await?;
        self.step("sweep:matches");
        let changed_notes = packages.iter().filter(|p| p.notes_changed).map(|p| Recheck::Package(p.package));
        recheck::note(&mut write, &changed_notes.collect::<Vec<_>>()).await?;
        let ids: Vec<Value> = packages.iter().map(|p| p.package.into()).collect();
        write
            .tx
            .among(&format!("UPDATE package SET matched_generation = {generation} WHERE id IN"), 1, &ids, "")
            .await?;
        self.step("sweep:packages");
        write.commit().await?;
        self.step("sweep:committed");
        self.known().learn(learnt);
        Ok(changed)
    }

    /// Says that every package was visited, and ends the job. Fails when another generation came into force meanwhile: go on
    /// with that one.
    pub async fn finish_sweep(&self, job: &Job, generation: i64) -> Result<()> {
        let mut write = self.fenced(job).await?;
        in_force(&mut write.tx, generation).await?;
        write.run("UPDATE knowledge SET swept = target WHERE one = 1", values![]).await?;
        write.run("DELETE FROM recheck", values![]).await?;
        self.step("finish:swept");
        end_job(&mut write, job).await?;
        self.step("finish:ended");
        write.commit().await?;
        self.step("finish:committed");
        Ok(())
    }

    /// Of some vulnerabilities (headings or aliases), returns those that the store knows.
    pub async fn known_vulnerabilities(&self, names: &[String]) -> Result<Vec<String>> {
        let names: Vec<Value> = names.iter().map(Value::from).collect();
        let mut tx = self.engine().begin_read().await?;
        tx.among("SELECT name FROM alias WHERE name IN", 1, &names, "").await?.iter().map(|row| row.text(0)).collect()
    }

    /// Writes new texts, scores, KEV and EPSS of vulnerabilities that the store knows; others are passed over. Returns how
    /// many were known.
    pub async fn refresh_vulnerabilities(&self, vulnerabilities: &[Vulnerability]) -> Result<u64> {
        let mut write = self.write().await?;
        let given: Vec<&Vulnerability> = vulnerabilities.iter().collect();
        let known = vulnerabilities::upsert(&mut write, &given, false).await?;
        write.commit().await?;
        Ok(known.len() as u64)
    }
}

/// The columns of a package: its key in 1 to 9; and where they come from.
pub(crate) const PACKAGE: &str = "p.id, c.ecosystem, c.name, p.version, p.source, p.source_version, p.arch, p.module, p.channel, p.origin, p.matched_generation";
pub(crate) const PACKAGES: &str = "FROM package p JOIN component c ON c.id = p.component";

fn package(row: &Row) -> Result<PackageRow> {
    Ok(PackageRow { id: row.int(0)?, key: package_key(row)?, matched_generation: row.int(10)? })
}

/// Reads a key from columns 1 to 9.
pub(crate) fn package_key(row: &Row) -> Result<PackageKey> {
    Ok(PackageKey {
        ecosystem: row.text(1)?,
        name: row.text(2)?,
        version: row.text(3)?,
        source: row.text(4)?,
        source_version: row.text(5)?,
        arch: row.text(6)?,
        module: row.text(7)?,
        channel: row.text(8)?,
        origin: row.text(9)?,
    })
}
