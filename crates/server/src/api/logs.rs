//! The resource logs of the embedded registries, as far as the asker may audit them.
//!
//! JSON has our names; lines and CSV have the columns of the Azure tables `ContainerRegistryLoginEvents` and
//! `ContainerRegistryRepositoryEvents`, unless `names=` says otherwise.

use super::tree::{Tree, place_of};
use crate::asker::Asker;
use crate::body::Body;
use crate::export;
use crate::params::{Format, Params, accepted};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::List;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use model::facts::Id;
use model::role::{Action, Scope, allowed};
use serde::{Deserialize, Serialize};
use store::{LogColumn, LogFilter, LogRow, ResultIs};
use utoipa::ToSchema;

mod azure;

/// A line of a resource log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogLine {
    /// Rises with time.
    pub id: i64,
    /// When. `TimeGenerated`
    pub at: String,
    /// `login`, `sign-in` (to the console), `push`, `pull`, `import`, `untag`, `delete`. `OperationName`
    pub operation: String,
    /// HTTP status. `ResultDescription`
    pub result: i64,
    /// Who; empty where nobody was recognised. `Identity`
    pub identity: String,
    /// Whether that is the scanner.
    pub scanner: bool,
    /// From where; empty for the scanner, which reads without a connection. `CallerIpAddress`
    pub address: String,
    /// With what. `UserAgent`
    pub user_agent: String,
    /// Id of the request. `CorrelationId`
    pub correlation_id: String,
    /// Host that was spoken to. `LoginServer`
    pub login_server: String,
    /// How long it took, microseconds. `DurationMs`, in milliseconds
    pub duration_micros: i64,
    /// Name of the registry. `_ResourceId`
    pub registry: String,
    /// How many alike it stands for: of what anybody can cause, and of logins that come with every request, there is one line at once and
    /// one a minute later for all the others.
    pub times: i64,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LoginEventView {
    /// What both logs have.
    #[serde(flatten)]
    pub line: LogLine,
    /// Id of the registry token that was given, or empty. `JwtId`
    pub jwt_id: String,
}

/// Something that was done to a manifest, or was to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RepositoryEventView {
    /// What both logs have.
    #[serde(flatten)]
    pub line: LogLine,
    /// Name of the repository. `Repository`
    pub repository: String,
    /// The tag, or empty. `Tag`
    pub tag: String,
    /// Digest of the manifest, or empty. `Digest`
    pub digest: String,
    /// Its media type, or empty. `MediaType`
    pub media_type: String,
    /// Its artefact type, or empty. `ArtifactType`
    pub artifact_type: String,
    /// Its length, bytes. `Size`
    pub bytes: i64,
}

/// How the resource logs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogSettingsView {
    /// Days that lines are kept.
    pub days: i64,
    /// Lines that found no room since the beginning: more came than could be written.
    pub lost_lines: i64,
    /// The identity of the scanner in both logs.
    pub scanner_identity: String,
}

/// How the resource logs are to be kept.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogSettingsBody {
    /// Days that lines are kept, 1 to 3,650.
    pub days: i64,
}

fn line(row: &LogRow) -> LogLine {
    let entry = &row.entry;
    LogLine {
        id: entry.id,
        at: entry.at.rfc3339(),
        operation: entry.operation.clone(),
        result: entry.result,
        identity: entry.caller.actor.clone(),
        scanner: entry.caller.scanner,
        address: entry.caller.address.clone(),
        user_agent: entry.caller.user_agent.clone(),
        correlation_id: entry.caller.request.clone(),
        login_server: entry.caller.host.clone(),
        duration_micros: entry.micros,
        registry: row.registry.clone(),
        times: entry.times,
    }
}

impl From<&LogRow> for LoginEventView {
    fn from(row: &LogRow) -> Self {
        Self { line: line(row), jwt_id: row.entry.jwt.clone() }
    }
}

impl From<&LogRow> for RepositoryEventView {
    fn from(row: &LogRow) -> Self {
        let entry = row.entry.clone();
        Self {
            line: line(row),
            repository: entry.repository,
            tag: entry.tag,
            digest: entry.digest,
            media_type: entry.media_type,
            artifact_type: entry.artifact_type,
            bytes: entry.bytes,
        }
    }
}

/// A page of a log.
pub struct Asked {
    /// The lines, newest first.
    pub rows: Vec<LogRow>,
    /// How many pass the filter.
    pub total: u64,
    /// Where the next page goes on.
    pub next: Option<String>,
}

/// Reads the filter and answers it: `since`, `until`, `registry`, `identity`, `address`, `repository`, `tag`, `digest`, `operation`,
/// `result`, `scanner`, `limit`, `after`.
pub async fn ask(parts: &Parts, asker: &Asker, login: bool, mut params: Params) -> Result<Asked, Problem> {
    let tree = Tree::read(parts, asker).await?;
    let limit = params.take_limit()?;
    let after = params.take("after")?.map(|text| text.parse::<Id>()).transpose();
    let mut filter = LogFilter {
        login,
        since: params.take_begin("since")?,
        until: params.take_moment("until")?,
        registry: params.take("registry")?.map(|name| tree.registry(&name).map(|found| found.id)).transpose()?,
        result: params.take("result")?.map(|text| result(&text)).transpose()?,
        scanner: params.take("scanner")?.map(|text| yes_or_no("scanner", &text)).transpose()?,
        places: places(asker, &tree, login),
        before: after.map_err(|_| Problem::parameter("after", "this is not what a page gave as next"))?,
        equal: Vec::new(),
    };
    let manifests = [LogColumn::Repository, LogColumn::Tag, LogColumn::Digest];
    for (name, column) in LogColumn::ALL {
        if login && manifests.contains(&column) {
            continue; // a login has none, and the parameter is refused below
        }
        filter.equal.extend(params.take(name)?.map(|text| (column, text)));
    }
    params.finish()?;
    let (rows, total) = parts.store.log_rows(&filter, limit).await?;
    let more = rows.len() == limit;
    let next = rows.last().filter(|_| more).map(|row| row.entry.id.to_string());
    Ok(Asked { rows, total, next })
}

fn result(text: &str) -> Result<ResultIs, Problem> {
    let wrong = || Problem::parameter("result", format!("result={text:?}; allowed: ok, failed, or an HTTP status"));
    match text {
        "ok" => Ok(ResultIs::Good),
        "failed" => Ok(ResultIs::Bad),
        _ => text.parse().ok().filter(|n| (100..600).contains(n)).map(ResultIs::Status).ok_or_else(wrong),
    }
}

fn yes_or_no(name: &str, text: &str) -> Result<bool, Problem> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(Problem::parameter(name, format!("{name}={text:?}; allowed: yes, no"))),
    }
}

/// Where somebody may audit: whole registries, and of the repository log single repositories. `None` = everywhere, registries that
/// are gone included.
fn places(asker: &Asker, tree: &Tree, login: bool) -> Option<Vec<(Id, String)>> {
    let grants = &asker.principal.grants;
    if allowed(grants, Action::Audit, &Scope::ALL) {
        return None;
    }
    let mut places = Vec::new();
    for registry in &tree.registries {
        let scope = place_of(registry);
        if allowed(grants, Action::Audit, &scope) {
            places.push((registry.id, String::new()));
            continue;
        }
        let here = |held: &Scope| held.registry == scope.registry && held.subscription == scope.subscription;
        let mine = grants.iter().filter(|grant| !login && grant.role.allows(Action::Audit) && here(&grant.scope));
        places.extend(mine.filter_map(|grant| Some((registry.id, grant.scope.repository.clone()?))));
    }
    Some(places)
}

async fn answer(
    parts: &Parts,
    asker: &Asker,
    login: bool,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query);
    let format = params.take_format(accepted(headers))?;
    let azure = match params.take("names")?.as_deref() {
        None => format != Format::Json,
        Some("azure") => true,
        Some("own") => false,
        Some(other) => return Err(Problem::parameter("names", format!("names={other:?}; allowed: azure, own"))),
    };
    let asked = ask(parts, asker, login, params).await?;
    let server = parts.public_url.split_once("://").map_or(&*parts.public_url, |(_, host)| host);
    let written = Written { parts, format, path: if login { "logs/login" } else { "logs/repository" }, query };
    let rows = asked.rows.iter();
    match (login, azure) {
        (true, true) => written.page(&asked, rows.map(|row| azure::login(row, server)).collect()),
        (false, true) => written.page(&asked, rows.map(|row| azure::repository(row, server)).collect()),
        (true, false) => written.page(&asked, rows.map(LoginEventView::from).collect()),
        (false, false) => written.page(&asked, rows.map(RepositoryEventView::from).collect()),
    }
}

/// How a page is written.
struct Written<'a> {
    parts: &'a Parts,
    format: Format,
    path: &'a str,
    query: Option<&'a str>,
}

impl Written<'_> {
    fn page<T: Serialize + ToSchema>(&self, asked: &Asked, items: Vec<T>) -> Result<Response, Problem> {
        let (total, next) = (asked.total, asked.next.clone());
        let (revision, generation) = self.parts.index.ask(|index| Ok((index.revision(), index.generation())))?;
        let list = List { items, total, hidden: 0, disabled: 0, next, as_of: None, revision, generation };
        Ok(export::linked(&list, self.format, self.path, self.query))
    }
}

/// `GET /logs/login`
pub async fn login(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&parts, &asker, true, query.as_deref(), &headers).await
}

/// `GET /logs/repository`
pub async fn repository(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&parts, &asker, false, query.as_deref(), &headers).await
}

/// How the logs are kept.
pub async fn kept(parts: &Parts) -> Result<LogSettingsView, Problem> {
    Ok(LogSettingsView {
        days: parts.store.log_days().await?,
        lost_lines: parts.store.lost_log_lines().await?,
        scanner_identity: parts.store.scanner_identity().await?,
    })
}

/// Sets for how many days lines are kept.
pub async fn keep(parts: &Parts, asker: &Asker, body: LogSettingsBody) -> Result<LogSettingsView, Problem> {
    crate::access::may_in(&asker.principal, Action::Own, &Scope::ALL)?;
    parts.store.set_log_days(body.days, &asker.caller()).await?;
    kept(parts).await
}

/// `GET /logs/settings`
pub async fn settings(State(parts): State<Parts>, RawQuery(query): RawQuery) -> Result<Json<LogSettingsView>, Problem> {
    Params::parse(query.as_deref()).finish()?;
    kept(&parts).await.map(Json)
}

/// `PUT /logs/settings`
pub async fn put_settings(
    State(parts): State<Parts>,
    asker: Asker,
    body: Body<LogSettingsBody>,
) -> Result<Json<LogSettingsView>, Problem> {
    keep(&parts, &asker, body.0).await.map(Json)
}
