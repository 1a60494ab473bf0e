//! Plans: where images are scanned and metered.
//!
//! In: somebody switches a plan on or off, or lets a registry follow its subscription again.
//! Out: plan rows with their intervals; what follows for images, jobs and usage; a line of the audit; in one transaction.
//! `model::plan` says what the rows mean.

use crate::coverage::{Settled, Which, settle};
use crate::engine::{Row, values};
use crate::places::{OPEN, Place, STANDARD, cut, listed, places};
use crate::scope::{Registry, registry_by, subscription_by};
use crate::write::{What, Write};
use crate::{Audit, Caller, Error, Result, Store, rows};
use model::Micros;
use model::facts::{Id, PlanFact};
use model::role::Scope;
use serde_json::json;

/// A plan row, and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    /// The row.
    pub fact: PlanFact,
    /// Who wrote it; empty = it came with the installation.
    pub actor: String,
}

/// What somebody wants of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewPlan {
    /// Whether images are scanned and metered.
    pub standard: bool,
    /// Whether the registries of the subscription may not differ; `None` = as it was.
    pub enforce: Option<bool>,
}

/// A subscription or one of its registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanNode {
    /// Row id of a subscription.
    Subscription(Id),
    /// Row id of a registry.
    Registry(Id),
}

/// What switching a plan on would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlanPreview {
    /// Images that are there.
    pub images: u64,
    /// Those of them that were pushed or pulled within the window: they are taken in.
    pub in_window: u64,
    /// Those of these that the subscription was never metered for.
    pub to_meter: u64,
}

impl Store {
    /// Lists every plan row that there ever was, oldest first.
    pub async fn plan_rows(&self) -> Result<Vec<PlanRow>> {
        let sql = format!("{} ORDER BY since, id", rows::PLANS.select.replace("until FROM", "until, actor FROM"));
        let read = |row: &Row| Ok(PlanRow { fact: rows::plan(row)?, actor: row.text(6)? });
        self.engine().all(&sql, values![]).await?.iter().map(read).collect()
    }

    /// Returns whether the images of a registry are scanned: its plan is on, and its network rules let the scanner in.
    pub async fn is_scanned(&self, registry: Id) -> Result<bool> {
        let sql = format!(
            "SELECT {STANDARD} * {OPEN} FROM registry g JOIN subscription s ON s.id = g.subscription WHERE g.id = $1 AND g.until = $2"
        );
        let row = self.engine().one(&sql, values![registry, Micros::FOREVER]).await?;
        row.map_or(Ok(false), |row| Ok(row.int(0)? != 0))
    }

    /// Switches a plan. Off: jobs of images that no other place keeps judged are cancelled. On: images of the window are taken
    /// in. `Conflict` where the subscription enforces its own.
    pub async fn set_plan(&self, node: PlanNode, wanted: NewPlan, by: &Caller) -> Result<Settled> {
        let mut write = self.write_over_jobs().await?;
        let target = target(&mut write, node).await?;
        let open = open_row(&mut write, &target.scope).await?;
        let enforce = match node {
            PlanNode::Registry(_) if wanted.enforce.is_some() => {
                return Err(Error::invalid("enforce", "a plan is enforced by a subscription, not by a registry"));
            }
            PlanNode::Registry(_) => false,
            PlanNode::Subscription(_) => wanted.enforce.unwrap_or(open.as_ref().is_some_and(|row| row.enforce)),
        };
        if target.is_enforced {
            let name = &target.name;
            return Err(Error::Conflict(format!(
                "the subscription of {name} enforces its plan; change it there, or let its registries differ"
            )));
        }
        if open.as_ref().is_some_and(|row| row.standard == wanted.standard && row.enforce == enforce) {
            return Ok(Settled::default()); // as it is already
        }
        let before = open.as_ref().map_or(serde_json::Value::Null, shown);
        close(&mut write, open.as_ref()).await?;
        let fact = PlanFact {
            id: 0,
            scope: target.scope.clone(),
            standard: wanted.standard,
            enforce,
            since: write.now,
            until: Micros::FOREVER,
        };
        add_row(&mut write, &fact, &by.actor).await?;
        let line =
            Audit { by, action: "plan.set", object: &target.name, scope: &target.scope, before, after: shown(&fact) };
        write.audit(&line).await?;
        settle_target(write, &target).await
    }

    /// Lets a registry follow its subscription again. `NotFound` if it did so already.
    pub async fn drop_plan(&self, registry: Id, by: &Caller) -> Result<Settled> {
        let mut write = self.write_over_jobs().await?;
        let target = target(&mut write, PlanNode::Registry(registry)).await?;
        let none = || Error::NotFound { what: "plan of its own of registry", name: target.name.clone() };
        let open = open_row(&mut write, &target.scope).await?.ok_or_else(none)?;
        close(&mut write, Some(&open)).await?;
        let (object, scope) = (&target.name, &target.scope);
        let after = serde_json::Value::Null;
        write.audit(&Audit { by, action: "plan.drop", object, scope, before: shown(&open), after }).await?;
        settle_target(write, &target).await
    }

    /// Returns what switching the plan of a node on would do now.
    pub async fn plan_preview(&self, node: PlanNode) -> Result<PlanPreview> {
        let mut tx = self.engine().begin_read().await?;
        let now = tx.int(&format!("SELECT {}", self.engine().clock()), values![]).await?;
        let within = |place: &&Place| match node {
            PlanNode::Subscription(id) => place.subscription == id,
            PlanNode::Registry(id) => place.registry == id,
        };
        let all = places(&mut tx).await?;
        let places: Vec<&Place> = all.iter().filter(within).collect();
        let Some(first) = places.first() else { return Ok(PlanPreview::default()) };
        let (registries, cut) = (listed(places.iter().map(|p| p.registry)), cut(first, Micros(now)));
        let sql = format!(
            "SELECT COUNT(*), COUNT(CASE WHEN x.used = 1 THEN 1 END), COUNT(CASE WHEN x.used = 1 AND NOT EXISTS (SELECT 1 FROM usage u WHERE u.subscription = $1 AND u.digest = x.digest) THEN 1 END) FROM
            (SELECT i.digest, MAX(CASE WHEN p.last_push >= $2 OR p.last_pull >= $2 THEN 1 ELSE 0 END) AS used FROM repository_image p
            JOIN image i ON i.id = p.image AND i.media_type = 1 JOIN repository r ON r.id = p.repository AND r.registry IN ({registries}) WHERE p.until = $3 GROUP BY i.digest) x"
        );
        let row = tx.one(&sql, values![first.subscription, cut, Micros::FOREVER]).await?;
        let row = row.ok_or(sqlx::Error::RowNotFound)?;
        let count = |at| Ok::<_, Error>(u64::try_from(row.int(at)?).unwrap_or(0));
        Ok(PlanPreview { images: count(0)?, in_window: count(1)?, to_meter: count(2)? })
    }
}

/// Where a plan is changed, and which registries it concerns.
struct Target {
    scope: Scope,
    name: String,
    is_enforced: bool,
    registries: Vec<Id>,
}

async fn target(write: &mut Write<'_>, node: PlanNode) -> Result<Target> {
    match node {
        PlanNode::Subscription(id) => {
            let found = subscription_by(&mut write.tx, id).await?;
            let places = places(&mut write.tx).await?;
            let registries = places.iter().filter(|place| place.subscription == id).map(|place| place.registry);
            let scope = Scope { subscription: Some(found.guid), ..Scope::ALL };
            Ok(Target { scope, name: found.name, is_enforced: false, registries: registries.collect() })
        }
        PlanNode::Registry(id) => {
            let found = registry_by(&mut write.tx, id).await?;
            let above = Scope { subscription: Some(found.subscription_guid.clone()), ..Scope::ALL };
            let is_enforced = open_row(write, &above).await?.is_some_and(|row| row.enforce);
            Ok(Target { scope: found.scope(), name: found.name, is_enforced, registries: vec![id] })
        }
    }
}

async fn open_row(write: &mut Write<'_>, scope: &Scope) -> Result<Option<PlanFact>> {
    let sql = format!("{} WHERE scope = $1 AND until = $2", rows::PLANS.select);
    write.one(&sql, values![scope.to_path(), Micros::FOREVER]).await?.as_ref().map(rows::plan).transpose()
}

async fn close(write: &mut Write<'_>, open: Option<&PlanFact>) -> Result<()> {
    let Some(open) = open else { return Ok(()) };
    write.run("UPDATE plan SET until = $2 WHERE id = $1", values![open.id, write.now]).await?;
    write.changed(What::Plan, open.id);
    Ok(())
}

/// Writes a plan row.
pub(crate) async fn add_row(write: &mut Write<'_>, fact: &PlanFact, actor: &str) -> Result<()> {
    let sql =
        "INSERT INTO plan (scope, tier, enforce, actor, since, until) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
    let values = values![fact.scope.to_path(), fact.standard, fact.enforce, actor, fact.since, fact.until];
    let id = write.tx.int(sql, values).await?;
    write.changed(What::Plan, id);
    Ok(())
}

async fn settle_target(mut write: Write<'_>, target: &Target) -> Result<Settled> {
    let now = write.now;
    let mut settled = settle(&mut write, Which::Registries(&target.registries), now).await?;
    settled.metered = meter_judged(&mut write, &target.registries).await?;
    write.commit().await?;
    Ok(settled)
}

/// Meters images of the window that were judged for another subscription: like one that is pushed, they count here as well. The
/// others count once they are judged.
pub(crate) async fn meter_judged(write: &mut Write<'_>, registries: &[Id]) -> Result<u64> {
    let places = places(&mut write.tx).await?;
    let mut metered = 0;
    for place in places.iter().filter(|place| place.standard && place.open && registries.contains(&place.registry)) {
        let sql = "INSERT INTO usage (subscription, digest, at, repository) SELECT $1, i.digest, $2, MIN(p.repository) FROM repository_image p
            JOIN image i ON i.id = p.image AND i.media_type = 1 AND i.verdict <> 0 AND i.work = 0 JOIN repository r ON r.id = p.repository AND r.registry = $3
            WHERE p.until = $4 AND (p.last_push >= $5 OR p.last_pull >= $5) GROUP BY i.digest ON CONFLICT DO NOTHING";
        let cut = cut(place, write.now);
        metered += write.run(sql, values![place.subscription, write.now, place.registry, Micros::FOREVER, cut]).await?;
    }
    Ok(metered)
}

fn shown(fact: &PlanFact) -> serde_json::Value {
    json!({"tier": if fact.standard { "Standard" } else { "Free" }, "enforce": fact.enforce})
}

/// Keeps, as rows of a registry that is being moved, what held there until now, unless the same held where it goes.
pub(crate) async fn keep_history(write: &mut Write<'_>, registry: &Registry, to: &Scope, actor: &str) -> Result<()> {
    let all = facts(write).await?;
    let own = of(&all, &registry.scope().to_path());
    let above = |guid: Option<&str>| of(&all, &format!("/{}", guid.unwrap_or_default()));
    let past = |above: &[&PlanFact]| {
        let mut spans = model::plan::spans(&own, above);
        spans.retain(|span| span.since < write.now);
        spans.last_mut().into_iter().for_each(|span| span.until = write.now);
        spans
    };
    let was = past(&above(Some(&registry.subscription_guid)));
    if was == past(&above(to.subscription.as_deref())) {
        return Ok(());
    }
    for span in was {
        let (since, until) = (Micros(span.since.0.max(0)), span.until);
        let fact = PlanFact { id: 0, scope: to.clone(), standard: span.standard, enforce: true, since, until };
        add_row(write, &fact, actor).await?;
    }
    Ok(())
}

/// Returns since when the plan of a registry is off; `None` while it is on.
pub(crate) async fn off_since(write: &mut Write<'_>, registry: &Registry) -> Result<Option<Micros>> {
    let all = facts(write).await?;
    let (own, above) = (of(&all, &registry.scope().to_path()), of(&all, &format!("/{}", registry.subscription_guid)));
    let spans = model::plan::spans(&own, &above);
    Ok(spans.last().filter(|span| !span.standard).map(|span| span.since))
}

async fn facts(write: &mut Write<'_>) -> Result<Vec<PlanFact>> {
    let sql = format!("{} ORDER BY id", rows::PLANS.select);
    write.tx.all(&sql, values![]).await?.iter().map(rows::plan).collect()
}

fn of<'a>(all: &'a [PlanFact], path: &str) -> Vec<&'a PlanFact> {
    all.iter().filter(|row| row.scope.to_path() == path).collect()
}
