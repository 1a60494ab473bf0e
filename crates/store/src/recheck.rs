//! Verdicts that a new generation may change though no match did: their images are queued to be judged again.
//!
//! In: what of the fleet a re-match found to be covered, or compared, otherwise than before.
//! Out: jobs, some hundred a transaction, so that no push waits long behind them. How far it has come is written with them: cut off
//! anywhere, it goes on from there. Layers that are known are not read again.

use crate::engine::{Value, values};
use crate::generation::in_force;
use crate::inventories::unpack_packages;
use crate::queue::{Class, add_image_jobs};
use crate::write::{What, Write};
use crate::{Error, Result, Store};
use model::Micros;
use model::facts::Id;
use model::verdict::{Verdict, Work};
use std::collections::HashSet;

/// Images looked at, or queued, at a time.
const CHUNK: i64 = 300;
/// The reason of an image for which no advisory database was at hand: the next one is.
const NO_DATABASE: &str = "no-database";

/// Whose images are judged again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recheck {
    /// Everybody's.
    All,
    /// Those that hold a package of an ecosystem: `debian:12`, `pypi`.
    Ecosystem(String),
    /// Those that hold a package (row id).
    Package(Id),
}

impl Recheck {
    fn row(&self) -> [Value; 2] {
        match self {
            Self::All => [0i64.into(), "".into()],
            Self::Ecosystem(name) => [1i64.into(), name.into()],
            Self::Package(id) => [2i64.into(), id.to_string().into()],
        }
    }
}

/// The packages whose images are looked for; `None` = any.
type Wanted = Option<HashSet<Id>>;

impl Store {
    /// Lists the ecosystems of which the fleet has packages.
    pub async fn ecosystems(&self) -> Result<Vec<String>> {
        let rows = self.engine().all("SELECT DISTINCT ecosystem FROM component ORDER BY ecosystem", values![]).await?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    /// Says whose verdicts the generation in force may change, beside those that `sweep` noted; what an earlier one said that was
    /// never done is done with this one.
    pub async fn recheck(&self, generation: i64, whose: &[Recheck]) -> Result<()> {
        let mut write = self.write().await?;
        in_force(&mut write.tx, generation).await?;
        note(&mut write, whose).await?;
        let sql = "UPDATE knowledge SET recheck_generation = target, recheck_after = 0 WHERE one = 1 AND recheck_generation <> target";
        write.run(sql, values![]).await?;
        self.step("recheck:noted");
        write.commit().await?;
        Ok(())
    }

    /// Queues the images that were noted, and those that failed for want of a database. Returns how many.
    pub async fn queue_rechecks(&self, generation: i64) -> Result<u64> {
        let mut queued = self.queue_without_database(generation).await?;
        let Some(wanted) = self.wanted().await? else { return Ok(queued) };
        let sql = "SELECT recheck_after FROM knowledge WHERE one = 1";
        let mut after = self.engine().one(sql, values![]).await?.map_or(Ok(0), |row| row.int(0))?;
        loop {
            let (images, last) = self.holding(&wanted, after).await?;
            if !images.is_empty() {
                queued += images.len() as u64;
                self.queue_again(generation, &images, Some(last)).await?;
                self.step("recheck:committed");
            }
            if last == after {
                return Ok(queued);
            }
            after = last;
        }
    }

    /// Reads whose images are looked for; `None` = nobody's.
    async fn wanted(&self) -> Result<Option<Wanted>> {
        let mut tx = self.engine().begin_read().await?;
        let rows = tx.all("SELECT what, name FROM recheck", values![]).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let (mut packages, mut ecosystems) = (HashSet::new(), Vec::new());
        for row in rows {
            let name = row.text(1)?;
            match row.int(0)? {
                0 => return Ok(Some(None)),
                1 => ecosystems.push(Value::from(&name)),
                _ => drop(packages.insert(name.parse().map_err(|_| Error::damaged("recheck", &name))?)),
            }
        }
        let sql = "SELECT p.id FROM component c JOIN package p ON p.component = c.id WHERE c.ecosystem IN";
        for row in tx.among(sql, 1, &ecosystems, "").await? {
            packages.insert(row.int(0)?);
        }
        Ok(Some(Some(packages)))
    }

    /// Looks at the next images that have a verdict of their packages. Returns those that hold a wanted one, and the last one seen.
    async fn holding(&self, wanted: &Wanted, after: Id) -> Result<(Vec<Id>, Id)> {
        let sql = "SELECT i.id, v.packages FROM image i JOIN image_inventory x ON x.image = i.id AND x.until = $1 JOIN inventory v ON v.id = x.inventory
            WHERE i.id > $2 AND i.verdict IN ($3, $4) AND i.coverage NOT IN (2, 3) ORDER BY i.id LIMIT $5";
        let (complete, gaps) = (Verdict::Complete as u8, Verdict::Gaps as u8);
        let rows = self.engine().all(sql, values![Micros::FOREVER, after, complete, gaps, CHUNK]).await?;
        let (mut images, mut last) = (Vec::new(), after);
        for row in rows {
            last = row.int(0)?;
            let holds = match wanted {
                None => true,
                Some(wanted) => unpack_packages(&row.blob(1)?)?.iter().any(|id| wanted.contains(id)),
            };
            if holds {
                images.push(last);
            }
        }
        Ok((images, last))
    }

    async fn queue_without_database(&self, generation: i64) -> Result<u64> {
        let (mut queued, mut after) = (0, 0);
        loop {
            let sql = "SELECT id FROM image WHERE verdict = $1 AND reason = $2 AND coverage NOT IN (2, 3) AND id > $3 ORDER BY id LIMIT $4";
            let values = values![Verdict::Failed as u8, NO_DATABASE, after, CHUNK];
            let rows = self.engine().all(sql, values).await?;
            let images = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<Id>>>()?;
            let Some(last) = images.last() else { return Ok(queued) };
            after = *last;
            queued += images.len() as u64;
            self.queue_again(generation, &images, None).await?;
        }
    }

    /// Queues some images, where one of their places still is; `done` = all up to this image were looked at.
    async fn queue_again(&self, generation: i64, images: &[Id], done: Option<Id>) -> Result<()> {
        let mut write = self.write().await?;
        in_force(&mut write.tx, generation).await?;
        let keys: Vec<Value> = images.iter().map(|id| (*id).into()).collect();
        let sql = "SELECT p.image, r.registry, p.repository FROM repository_image p JOIN repository r ON r.id = p.repository WHERE p.image IN";
        let tail = format!("AND p.until = {} ORDER BY p.image, p.id", i64::MAX);
        let mut jobs: Vec<(Id, Id, Id)> = Vec::with_capacity(images.len());
        for row in write.tx.among(sql, 1, &keys, &tail).await? {
            let image = row.int(0)?;
            if jobs.last().is_none_or(|(last, ..)| *last != image) {
                jobs.push((image, row.int(1)?, row.int(2)?));
            }
        }
        add_image_jobs(&mut write, &jobs, Class::Coverage).await?;
        let keys: Vec<Value> = jobs.iter().map(|(image, ..)| (*image).into()).collect();
        let (idle, queued) = (Work::Idle as u8, Work::Queued as u8);
        let sql = format!("UPDATE image SET work = {queued} WHERE work = {idle} AND id IN");
        for row in write.tx.among(&sql, 1, &keys, "RETURNING id").await? {
            write.changed(What::Image, row.int(0)?);
        }
        if let Some(done) = done {
            write.run("UPDATE knowledge SET recheck_after = $1 WHERE one = 1", values![done]).await?;
        }
        write.commit().await?;
        Ok(())
    }
}

/// Notes whose images are to be judged again.
pub(crate) async fn note(write: &mut Write<'_>, whose: &[Recheck]) -> Result<()> {
    let rows: Vec<Value> = whose.iter().flat_map(Recheck::row).collect();
    write.tx.insert("INSERT INTO recheck (what, name)", 2, &rows, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}
