//! Rows read into the facts of `model`. Snapshot and changes read the same columns, so that they can only agree.

use crate::engine::Row;
use crate::{Error, Result, inventories};
use model::PackageKey;
use model::advisory::{Category, VendorState};
use model::facts::*;
use model::role::Scope;
use model::severity::{Severity, SeveritySource};
use model::verdict::{Coverage, Verdict, Work};

/// A query of facts, ready for a `WHERE`; `changed` is the condition by which a change names the rows.
pub(crate) struct Query {
    pub(crate) select: &'static str,
    pub(crate) all: &'static str,
    pub(crate) changed: &'static str,
}

pub(crate) const SUBSCRIPTIONS: Query =
    Query { select: "SELECT id, guid, name, window_days, until FROM subscription", all: "", changed: "WHERE id IN" };
pub(crate) const REGISTRIES: Query = Query {
    select: "SELECT id, subscription, resource_group, name, key, kind, host, until FROM registry",
    all: "",
    changed: "WHERE id IN",
};
pub(crate) const PLANS: Query =
    Query { select: "SELECT id, scope, tier, enforce, since, until FROM plan", all: "", changed: "WHERE id IN" };
pub(crate) const EXEMPTIONS: Query = Query {
    select: "SELECT id, recommendation, scope, digest, expires, since, until FROM exemption",
    all: "",
    changed: "WHERE id IN",
};
pub(crate) const RULES: Query = Query {
    select: "SELECT id, uid, name, scope, criteria, expires, paused, overrides, since, until FROM rule",
    all: "WHERE uid <> ''",
    changed: "WHERE uid <> '' AND id IN",
};
pub(crate) const REPOSITORIES: Query =
    Query { select: "SELECT id, registry, name, key, moved, seen FROM repository", all: "", changed: "WHERE id IN" };
pub(crate) const IMAGES: Query = Query {
    select: "SELECT id, digest, platform, os, bytes, verdict, work, coverage, reason FROM image",
    all: "WHERE media_type <> 2",
    changed: "WHERE media_type <> 2 AND id IN",
};
pub(crate) const PRESENCES: Query = Query {
    select: "SELECT p.id, p.repository, p.image, p.since, p.until, p.last_push, p.last_pull FROM repository_image p JOIN image i ON i.id = p.image",
    all: "WHERE i.media_type <> 2",
    changed: "WHERE i.media_type <> 2 AND p.id IN",
};
/// A tag on an index is one fact with image 0, and one fact for each image of the index.
pub(crate) const TAGS: Query = Query {
    select: "SELECT t.repository, t.name, t.since, t.until, CASE WHEN i.media_type = 2 THEN 0 ELSE i.id END FROM tag t JOIN image i ON i.id = t.image",
    all: "",
    changed: "WHERE t.image IN",
};
pub(crate) const CHILD_TAGS: Query = Query {
    select: "SELECT t.repository, t.name, t.since, t.until, c.child FROM tag t JOIN image_child c ON c.parent = t.image JOIN image i ON i.id = c.child",
    all: "WHERE i.media_type <> 2",
    changed: "WHERE i.media_type <> 2 AND t.image IN",
};
pub(crate) const IMAGE_INVENTORIES: Query =
    Query { select: "SELECT image, since, until, inventory FROM image_inventory", all: "", changed: "WHERE image IN" };
pub(crate) const INVENTORIES: Query =
    Query { select: "SELECT id, packages FROM inventory", all: "", changed: "WHERE id IN" };
pub(crate) const PACKAGES: Query = Query {
    select: "SELECT p.id, c.ecosystem, c.name, p.version, p.arch, p.component FROM package p JOIN component c ON c.id = p.component",
    all: "",
    changed: "WHERE p.id IN",
};
pub(crate) const VULNERABILITIES: Query = Query {
    select: "SELECT id, name, title, severity, cvss, kev, epss, published, modified FROM vulnerability",
    all: "",
    changed: "WHERE id IN",
};
pub(crate) const ALIASES: Query = Query {
    select: "SELECT a.name, a.vulnerability FROM alias a JOIN vulnerability v ON v.id = a.vulnerability",
    all: "WHERE a.name <> v.name",
    changed: "WHERE a.name <> v.name AND a.vulnerability IN",
};
pub(crate) const MATCHES: Query = Query {
    select: "SELECT package, vulnerability, since, until, first, severity, severity_source, fixable, state, fixed_version, category FROM match",
    all: "",
    changed: "WHERE package IN",
};

pub(crate) fn subscription(row: &Row) -> Result<SubscriptionFact> {
    Ok(SubscriptionFact {
        id: row.int(0)?,
        guid: row.text(1)?,
        name: row.text(2)?,
        window_days: row.int(3)?,
        until: row.at(4)?,
    })
}

pub(crate) fn registry(row: &Row) -> Result<RegistryFact> {
    Ok(RegistryFact {
        id: row.int(0)?,
        subscription: row.int(1)?,
        resource_group: row.text(2)?,
        name: row.text(3)?,
        key: row.text(4)?,
        kind: row.text(5)?,
        host: row.text(6)?,
        until: row.at(7)?,
    })
}

pub(crate) fn plan(row: &Row) -> Result<PlanFact> {
    Ok(PlanFact {
        id: row.int(0)?,
        scope: Scope::parse(&row.text(1)?).ok_or_else(|| Error::damaged("plan", "its scope is none"))?,
        standard: row.int(2)? != 0,
        enforce: row.int(3)? != 0,
        since: row.at(4)?,
        until: row.at(5)?,
    })
}

pub(crate) fn exemption(row: &Row) -> Result<ExemptionFact> {
    Ok(ExemptionFact {
        id: row.int(0)?,
        recommendation: row.text(1)?,
        scope: Scope::parse(&row.text(2)?).ok_or_else(|| Error::damaged("exemption", "its scope is none"))?,
        digest: row.text(3)?,
        expires: row.at(4)?,
        since: row.at(5)?,
        until: row.at(6)?,
    })
}

pub(crate) fn repository(row: &Row) -> Result<RepositoryFact> {
    Ok(RepositoryFact {
        id: row.int(0)?,
        registry: row.int(1)?,
        name: row.text(2)?,
        key: row.text(3)?,
        moved: row.at(4)?,
        seen: row.at(5)?,
    })
}

pub(crate) fn image(row: &Row) -> Result<ImageFact> {
    Ok(ImageFact {
        id: row.int(0)?,
        digest: row.text(1)?,
        platform: row.text(2)?,
        os: row.text(3)?,
        bytes: row.int(4)?,
        verdict: Verdict::from_number(row.int(5)?),
        work: Work::from_number(row.int(6)?),
        coverage: Coverage::from_number(row.int(7)?),
        reason: row.text(8)?,
    })
}

pub(crate) fn presence(row: &Row) -> Result<PresenceFact> {
    Ok(PresenceFact {
        id: row.int(0)?,
        repository: row.int(1)?,
        image: row.int(2)?,
        since: row.at(3)?,
        until: row.at(4)?,
        last_push: row.at(5)?,
        last_pull: row.at(6)?,
    })
}

pub(crate) fn tag(row: &Row) -> Result<TagFact> {
    Ok(TagFact {
        repository: row.int(0)?,
        name: row.text(1)?,
        since: row.at(2)?,
        until: row.at(3)?,
        image: row.int(4)?,
    })
}

pub(crate) fn image_inventory(row: &Row) -> Result<ImageInventoryFact> {
    Ok(ImageInventoryFact { image: row.int(0)?, since: row.at(1)?, until: row.at(2)?, inventory: row.int(3)? })
}

pub(crate) fn inventory(row: &Row) -> Result<InventoryFact> {
    Ok(InventoryFact { id: row.int(0)?, packages: inventories::unpack_packages(&row.blob(1)?)? })
}

pub(crate) fn package(row: &Row) -> Result<PackageFact> {
    let key = PackageKey {
        ecosystem: row.text(1)?,
        name: row.text(2)?,
        version: row.text(3)?,
        arch: row.text(4)?,
        ..PackageKey::default()
    };
    let purl = key.purl();
    let (ecosystem, name, version) = (key.ecosystem, key.name, key.version);
    Ok(PackageFact { id: row.int(0)?, component: row.int(5)?, ecosystem, name, version, purl })
}

pub(crate) fn vulnerability(row: &Row) -> Result<VulnerabilityFact> {
    let small = |n: i64| i32::try_from(n).unwrap_or(-1);
    Ok(VulnerabilityFact {
        id: row.int(0)?,
        name: row.text(1)?,
        title: row.text(2)?,
        severity: Severity::from_number(row.int(3)?),
        cvss: small(row.int(4)?),
        kev: row.at(5)?,
        epss: small(row.int(6)?),
        published: row.at(7)?,
        modified: row.at(8)?,
    })
}

pub(crate) fn alias(row: &Row) -> Result<(String, Id)> {
    Ok((row.text(0)?, row.int(1)?))
}

pub(crate) fn match_fact(row: &Row) -> Result<MatchFact> {
    Ok(MatchFact {
        package: row.int(0)?,
        vulnerability: row.int(1)?,
        since: row.at(2)?,
        until: row.at(3)?,
        first: row.at(4)?,
        severity: Severity::from_number(row.int(5)?),
        severity_source: SeveritySource::from_number(row.int(6)?),
        fixable: row.int(7)? != 0,
        state: VendorState::from_number(row.int(8)?),
        fixed_version: row.text(9)?,
        category: Category::from_number(row.int(10)?),
    })
}
