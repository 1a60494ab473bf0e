//! The queue as people see it: its rows, how long they wait, what does not come to its end.

use crate::engine::{Row, values};
use crate::queue::{IMPORT, REMATCH};
use crate::{Class, Result, Store};
use model::Micros;
use model::facts::Id;

/// A job as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Row id.
    pub id: Id,
    /// `image`, `rematch` or `import`.
    pub kind: &'static str,
    /// Why.
    pub class: Class,
    /// The image's digest, or empty.
    pub digest: String,
    /// Full name of the repository, or empty.
    pub repository: String,
    /// `queued`, `running` or `retry-at`.
    pub state: &'static str,
    /// When it may be claimed.
    pub due: Micros,
    /// How often it was claimed.
    pub attempt: i64,
    /// Why it was put back the last time.
    pub reason: String,
    /// Who holds it, or empty.
    pub worker: String,
    /// When it was queued.
    pub since: Micros,
}

/// How the queue stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueState {
    /// Jobs that could be taken now.
    pub waiting: u64,
    /// Since when the oldest of them could have been taken; 0 = none waits.
    pub oldest: Micros,
    /// Jobs that a worker has.
    pub running: u64,
    /// Jobs that come again later, after an error.
    pub again: u64,
    /// A re-match that does not come to its end: how often it was tried, and what is in its way.
    pub rematch: Option<(i64, String)>,
}

impl Store {
    /// Lists unfinished jobs, the next one first.
    pub async fn jobs(&self, n: u32) -> Result<Vec<JobRow>> {
        let sql = format!(
            "SELECT j.id, j.kind, j.class, COALESCE(i.digest, ''), COALESCE(g.name || '/' || r.name, ''), CAST(CASE WHEN j.leased_until >= {0} THEN 1 ELSE 0 END AS BIGINT), CAST(CASE WHEN j.due > {0} THEN 1 ELSE 0 END AS BIGINT), j.due, j.attempt, j.reason, j.worker, j.since FROM job j
             LEFT JOIN image i ON i.id = j.image AND j.kind = 1 LEFT JOIN repository r ON r.id = j.repository LEFT JOIN registry g ON g.id = j.registry ORDER BY j.priority, j.turn, j.id LIMIT $1",
            self.engine().clock()
        );
        let rows = self.engine().all(&sql, values![i64::from(n)]).await?;
        rows.iter().map(job_row).collect()
    }

    /// Returns how the queue stands, imports aside.
    pub async fn queue(&self) -> Result<QueueState> {
        let sql = format!(
            "SELECT CAST(CASE WHEN j.leased_until >= {0} THEN 2 WHEN j.due > {0} THEN 1 ELSE 0 END AS BIGINT) AS state, COUNT(*), MIN(j.due) FROM job j WHERE j.kind <> 3 GROUP BY state",
            self.engine().clock()
        );
        let mut queue = QueueState::default();
        for row in self.engine().all(&sql, values![]).await? {
            let count = u64::try_from(row.int(1)?).unwrap_or(0);
            match row.int(0)? {
                0 => (queue.waiting, queue.oldest) = (count, row.at(2)?),
                1 => queue.again = count,
                _ => queue.running = count,
            }
        }
        let sql = "SELECT attempt, reason FROM job WHERE kind = 2 AND reason <> ''";
        if let Some(row) = self.engine().one(sql, values![]).await? {
            queue.rematch = Some((row.int(0)?, row.text(1)?));
        }
        Ok(queue)
    }
}

fn job_row(row: &Row) -> Result<JobRow> {
    let state = match (row.int(5)?, row.int(6)?) {
        (0, 0) => "queued",
        (0, _) => "retry-at",
        _ => "running",
    };
    Ok(JobRow {
        id: row.int(0)?,
        kind: match row.int(1)? {
            REMATCH => "rematch",
            IMPORT => "import",
            _ => "image",
        },
        class: Class::from_number(row.int(2)?),
        digest: row.text(3)?,
        repository: row.text(4)?,
        state,
        due: row.at(7)?,
        attempt: row.int(8)?,
        reason: row.text(9)?,
        worker: if state == "running" { row.text(10)? } else { String::new() },
        since: row.at(11)?,
    })
}
