//! Who changed what: the audit, as far as the asker may read it, and whether its chain is whole.

use crate::access;
use crate::asker::Asker;
use crate::export;
use crate::params::{Params, accepted};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::List;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use model::role::{Action, Scope};
use serde::Serialize;
use store::{AuditFilter, AuditRow};
use utoipa::ToSchema;

/// A line of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditView {
    /// Rises with time.
    pub id: i64,
    /// When.
    pub at: String,
    /// Who; `cli:NAME` = a command on the server's own machine.
    pub actor: String,
    /// From where.
    pub address: String,
    /// What was done: `token.create`.
    pub action: String,
    /// To what.
    pub object: String,
    /// Where.
    pub scope: String,
    /// How it was; `null` = it was not.
    #[schema(value_type = Object)]
    pub before: serde_json::Value,
    /// How it is; `null` = it is no more.
    #[schema(value_type = Object)]
    pub after: serde_json::Value,
    /// HMAC-SHA256 over the line and the hash before it.
    pub hash: String,
}

/// How the chain of the audit stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChainView {
    /// Whether every line follows from those before it.
    pub whole: bool,
    /// Lines that were looked at.
    pub rows: i64,
    /// The hash of the last of them.
    pub head: String,
    /// The first line that does not follow; 0 = lines at the end are missing; `null` = whole.
    pub broken: Option<i64>,
    /// Whether the line of that number has the hash that was expected; `null` = nothing was asked.
    pub expected: Option<bool>,
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        let json = |text: &str| serde_json::from_str(text).unwrap_or(serde_json::Value::Null);
        Self {
            id: row.id,
            at: row.at.rfc3339(),
            actor: row.actor,
            address: row.address,
            action: row.action,
            object: row.object,
            scope: row.scope,
            before: json(&row.before),
            after: json(&row.after),
            hash: row.hash,
        }
    }
}

/// A page of the audit.
pub struct Asked {
    /// The lines, newest first.
    pub rows: Vec<AuditView>,
    /// How many pass the filter.
    pub total: u64,
    /// Where the next page goes on, or empty.
    pub next: String,
}

/// Reads the filter and answers it: `actor`, `action`, `object`, `scope`, `since`, `until`, `after`, `limit`.
pub async fn ask(parts: &Parts, asker: &Asker, mut params: Params) -> Result<Asked, Problem> {
    let after = params.take("after")?.map(|text| text.parse::<i64>()).transpose();
    let limit = params.take_limit()?;
    let mut filter = AuditFilter {
        actor: params.take("actor")?,
        action: params.take("action")?,
        object: params.take("object")?,
        since: params.take_begin("since")?,
        until: params.take_moment("until")?,
        before: after.map_err(|_| Problem::parameter("after", "after is not a cursor of this list"))?,
        scopes: readable(parts, asker)?,
    };
    if let Some(path) = params.take("scope")? {
        let scope = access::scope_at(parts, &asker.principal, "scope", &path)?;
        access::may_in(&asker.principal, Action::Audit, &scope)?;
        filter.scopes = with_groups(parts, vec![scope])?;
    }
    params.finish()?;
    let (rows, total) = parts.store.audit(&filter, limit).await?;
    let more = rows.len() == limit;
    let next = rows.last().filter(|_| more).map(|row| row.id.to_string()).unwrap_or_default();
    Ok(Asked { rows: rows.into_iter().map(AuditView::from).collect(), total, next })
}

/// The scopes whose audit somebody may read.
fn readable(parts: &Parts, asker: &Asker) -> Result<Vec<Scope>, Problem> {
    let grants = asker.principal.grants.iter().filter(|grant| grant.role.allows(Action::Audit));
    with_groups(parts, grants.map(|grant| grant.scope.clone()).collect())
}

/// Adds to each resource group its registries, whose paths do not name the group.
fn with_groups(parts: &Parts, mut scopes: Vec<Scope>) -> Result<Vec<Scope>, Problem> {
    for group in scopes.clone().iter().filter(|scope| scope.resource_group.is_some() && scope.registry.is_none()) {
        scopes.extend(access::registries_of(parts, group)?);
    }
    Ok(scopes)
}

/// `GET /audit`
pub async fn list(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let format = params.take_format(accepted(&headers))?;
    let asked = ask(&parts, &asker, params).await?;
    let (revision, generation) = parts.index.ask(|index| Ok((index.revision(), index.generation())))?;
    let next = Some(asked.next).filter(|next| !next.is_empty());
    let (items, total) = (asked.rows, asked.total);
    let list = List { items, total, hidden: 0, disabled: 0, next, as_of: None, revision, generation };
    Ok(export::linked(&list, format, "audit", query.as_deref()))
}

/// `GET /audit/chain`
pub async fn chain(State(parts): State<Parts>, RawQuery(query): RawQuery) -> Result<Json<ChainView>, Problem> {
    let mut params = Params::parse(query.as_deref());
    let expected = params.take("expect")?;
    params.finish()?;
    let wrong = || Problem::parameter("expect", "expect is ROWS:HASH, as an earlier answer or the log gave them");
    let noted = expected.as_deref().map(|text| {
        let (rows, hash) = text.split_once(':')?;
        Some((rows.parse::<i64>().ok().filter(|rows| *rows > 0)?, hash))
    });
    let noted = noted.map(|noted| noted.ok_or_else(wrong)).transpose()?;
    let (chain, found) = parts.store.verify_audit(noted.map_or(0, |(rows, _)| rows)).await?;
    let expected = noted.map(|(_, hash)| found.as_deref() == Some(hash));
    Ok(Json(ChainView {
        whole: chain.broken.is_none(),
        rows: chain.rows,
        head: chain.head,
        broken: chain.broken,
        expected,
    }))
}
