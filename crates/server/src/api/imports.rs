//! Imports: images that are copied from other registries. What REST, the console and the command line do to them is done here.

use crate::access;
use crate::asker::Asker;
use crate::body::Body;
use crate::export;
use crate::params::{Name, Params, accepted};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::{List, moment};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::facts::{Id, RegistryFact};
use model::reference::{self, Reference};
use model::role::{Action, Scope, allowed};
use serde::{Deserialize, Serialize};
use store::{Import, ImportOptions, NewImport};
use utoipa::ToSchema;

/// Longest user name or password of a source: identity tokens are long.
const LOGIN_CHARS: usize = 16 << 10;

/// An import to be made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportBody {
    /// The image: `docker.io/library/alpine:3.18`, or by digest. A host of a private network only an owner of everything may name.
    pub source: String,
    /// Repository and tag that it gets, `team/app:1`; left out: those of the source.
    #[serde(default, rename = "as")]
    pub name: Option<String>,
    /// The registry that gets it; left out: the embedded one.
    #[serde(default)]
    pub registry: Option<String>,
    /// The one platform that is wanted, `linux/arm64`; left out: all of them.
    #[serde(default)]
    pub platform: Option<String>,
    /// Move the tag if it is there and names another image.
    #[serde(default)]
    pub force: bool,
    /// Copy what refers to the image as well: signatures, attestations, SBOMs.
    #[serde(default)]
    pub referrers: bool,
    /// Speak plain HTTP to the source.
    #[serde(default)]
    pub plain_http: bool,
    /// User for the source; `<token>` says that the password is an identity token.
    #[serde(default)]
    pub username: Option<String>,
    /// Password for the source: kept sealed until the import has ended.
    #[serde(default)]
    pub password: Option<String>,
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImportView {
    /// Row id.
    pub id: i64,
    /// The source.
    pub source: String,
    /// The registry that gets it.
    pub registry: String,
    /// The repository that gets it.
    pub repository: String,
    /// The tag, or empty.
    pub tag: String,
    /// The one platform that is wanted, or empty.
    pub platform: String,
    /// `queued`, `running`, `retry-at`, `done`, `failed`, `cancelled`.
    pub state: &'static str,
    /// Bytes that are here.
    pub done_bytes: u64,
    /// Bytes of all blobs; 0 = not known yet.
    pub total_bytes: u64,
    /// The manifest that the source named, or empty.
    pub digest: String,
    /// Why it failed, or why it is tried again, or empty.
    pub error: String,
    /// When it is tried again.
    pub again: Option<String>,
    /// How often it was begun.
    pub attempt: i64,
    /// Who asked.
    pub actor: String,
    /// When.
    pub created: Option<String>,
    /// When it ended.
    pub finished: Option<String>,
}

impl From<Import> for ImportView {
    fn from(import: Import) -> Self {
        Self {
            id: import.id,
            source: import.source,
            registry: import.registry_name,
            repository: import.repository,
            tag: import.tag,
            platform: import.options.platform,
            state: import.state.as_str(),
            done_bytes: import.done_bytes,
            total_bytes: import.total_bytes,
            digest: import.digest,
            error: import.error,
            again: moment(import.due),
            attempt: import.attempt,
            actor: import.actor,
            created: moment(import.since),
            finished: moment(import.finished),
        }
    }
}

/// Queues an import; whoever asks needs Push where it goes.
pub async fn make(parts: &Parts, asker: &Asker, body: ImportBody) -> Result<ImportView, Problem> {
    let text = body.source.trim();
    let text = text.strip_prefix("docker://").unwrap_or(text);
    let source = Reference::parse(text).map_err(|why| Problem::parameter("source", why.to_string()))?;
    let (repository, tag) = place(&body, &source)?;
    let (registry, scope) = target(parts, asker, body.registry.as_deref(), &repository)?;
    access::may_in(&asker.principal, Action::Push, &scope)?;
    let host = source.clone().with_docker_hub().host.unwrap_or_default();
    public_unless_owner(asker, &host)?;
    let new = NewImport {
        source: text.to_owned(),
        registry: registry.id,
        repository,
        tag,
        scope,
        login: login(&body)?,
        options: ImportOptions {
            platform: platform(body.platform.as_deref())?,
            force: body.force,
            referrers: body.referrers,
            plain_http: body.plain_http,
            principal: asker.principal.id,
            token: asker.principal.token,
            grants: if asker.principal.id == 0 { asker.principal.grants.clone() } else { Vec::new() },
        },
    };
    let id = parts.store.add_import(&new, &asker.caller()).await?;
    let made = parts.store.import(id).await?;
    made.map(ImportView::from).ok_or_else(|| Problem::absent("import", &id.to_string()))
}

/// Repository and tag of the copy.
fn place(body: &ImportBody, source: &Reference) -> Result<(String, String), Problem> {
    let wrong = |why: String| Problem::parameter("as", why);
    // Without a tag and a digest, `latest` is what is fetched.
    let usual = if source.digest.is_some() { "" } else { "latest" };
    let own = source.tag.clone().unwrap_or_else(|| usual.to_owned());
    let Some(name) = body.name.as_deref().map(str::trim).filter(|name| !name.is_empty()) else {
        return Ok((source.repository.clone(), own));
    };
    if name.contains('@') {
        return Err(wrong("as takes repository or repository:tag; the digest is that of the source".into()));
    }
    let (repository, tag) = name.split_once(':').map_or((name, own.as_str()), |(repository, tag)| (repository, tag));
    reference::check_repository(repository).map_err(|why| wrong(why.to_string()))?;
    if !tag.is_empty() {
        reference::check_tag(tag).map_err(|why| wrong(why.to_string()))?;
    }
    Ok((repository.to_owned(), tag.to_owned()))
}

/// The registry that gets it, and the scope of the repository there.
fn target(
    parts: &Parts,
    asker: &Asker,
    name: Option<&str>,
    repository: &str,
) -> Result<(RegistryFact, Scope), Problem> {
    let found = parts.index.ask(|index| {
        let grants = &asker.principal.grants;
        let mut fits = index.registries().iter().filter_map(|registry| {
            let wanted = registry.kind == "embedded" && name.is_none_or(|name| registry.name == name);
            let subscription = index.subscriptions().iter().find(|s| s.id == registry.subscription);
            let scope = access::of_registry(&subscription.filter(|_| wanted)?.guid, registry);
            let near = grants.iter().any(|grant| grant.scope.holds(&scope) || scope.holds(&grant.scope));
            near.then(|| (registry.clone(), subscription.map(|s| s.guid.clone()).unwrap_or_default()))
        });
        let first = fits.next();
        Ok((first, fits.next().is_some()))
    })?;
    match found {
        (Some(_), true) => Err(Problem::parameter("registry", "there are several registries: name one")),
        (Some((registry, guid)), false) => {
            let path = format!("/{guid}/{}/{repository}", registry.name);
            let scope = access::scope_at(parts, &asker.principal, "as", &path)?;
            Ok((registry, scope))
        }
        (None, _) => {
            let absent = Problem::absent("embedded registry", name.unwrap_or("here"));
            Err(Problem { field: "registry".into(), ..absent })
        }
    }
}

/// What the process can reach on its own network is not for everybody to look at.
fn public_unless_owner(asker: &Asker, host: &str) -> Result<(), Problem> {
    let owns = allowed(&asker.principal.grants, Action::Own, &Scope::ALL);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    match oci::guard::refused_host(name) {
        Some(why) if !owns => {
            let detail = format!("{host} is {why}, which only an owner of everything may name");
            Err(Problem { detail, field: "source".into(), ..Problem::forbidden(Action::Own.as_str()) })
        }
        _ => Ok(()),
    }
}

fn login(body: &ImportBody) -> Result<Option<(String, String)>, Problem> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match (given(&body.username), given(&body.password)) {
        (None, None) => Ok(None),
        (Some(user), _) if user.len() > LOGIN_CHARS || user.contains(':') => {
            Err(Problem::parameter("username", "a user name has no colon and is not that long"))
        }
        (_, Some(password)) if password.len() > LOGIN_CHARS => {
            Err(Problem::parameter("password", "the password is too long"))
        }
        (Some(user), Some(password)) => Ok(Some((user, password))),
        (Some(_), None) => Err(Problem::parameter("password", "a user needs a password")),
        (None, Some(_)) => Err(Problem::parameter("username", "a password needs a user")),
    }
}

fn platform(text: Option<&str>) -> Result<String, Problem> {
    let text = text.map(str::trim).unwrap_or_default();
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let parts = text.split('/').count();
    if text.is_empty() || ((2..=3).contains(&parts) && text.split('/').all(word)) {
        return Ok(text.to_owned());
    }
    Err(Problem::parameter("platform", format!("{text:?} is not a platform; want OS/ARCH, as linux/arm64")))
}

fn sees(asker: &Asker, scope: &Scope) -> bool {
    [Action::Read, Action::Pull, Action::Push].iter().any(|action| allowed(&asker.principal.grants, *action, scope))
}

/// The imports that somebody may see, newest first.
pub async fn visible(parts: &Parts, asker: &Asker) -> Result<Vec<ImportView>, Problem> {
    let rows = parts.store.imports().await?;
    Ok(rows.into_iter().filter(|row| sees(asker, &row.scope)).map(ImportView::from).collect())
}

/// One import that somebody may see.
pub async fn one(parts: &Parts, asker: &Asker, id: &str) -> Result<Import, Problem> {
    let absent = || Problem::absent("import", id);
    let number: Id = id.parse().map_err(|_| absent())?;
    let row = parts.store.import(number).await?;
    row.filter(|row| sees(asker, &row.scope)).ok_or_else(absent)
}

/// Ends an import that is under way.
pub async fn end(parts: &Parts, asker: &Asker, id: &str) -> Result<(), Problem> {
    let row = one(parts, asker, id).await?;
    access::may_in(&asker.principal, Action::Push, &row.scope)?;
    if parts.store.cancel_import(row.id, &asker.caller()).await? {
        return Ok(());
    }
    let detail = format!("import {id} is over: {}", row.state.as_str());
    Err(Problem::conflict(detail, "What was imported is an image like any other; delete it there."))
}

/// `GET /imports`
pub async fn list(
    State(parts): State<Parts>,
    asker: Asker,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref());
    let (format, limit) = (params.take_format(accepted(&headers))?, params.take_limit()?);
    let wrong = || Problem::parameter("after", "after is not what a list of imports answered as next");
    let after = params.take("after")?.map(|text| text.parse::<Id>().map_err(|_| wrong())).transpose()?;
    params.finish()?;
    let all = visible(&parts, &asker).await?;
    let total = all.len() as u64;
    let mut items: Vec<ImportView> = all.into_iter().filter(|row| after.is_none_or(|after| row.id < after)).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|row| row.id.to_string());
    let (hidden, disabled, as_of, revision, generation) = (0, 0, None, 0, 0);
    let list = List { items, total, hidden, disabled, next, as_of, revision, generation };
    Ok(export::linked(&list, format, "imports", query.as_deref()))
}

/// `POST /imports`
pub async fn create(State(parts): State<Parts>, asker: Asker, body: Body<ImportBody>) -> Result<Response, Problem> {
    let made = make(&parts, &asker, body.0).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// `GET /imports/{id}`
pub async fn get(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<Json<ImportView>, Problem> {
    Ok(Json(one(&parts, &asker, &id.0).await?.into()))
}

/// `DELETE /imports/{id}`
pub async fn cancel(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<StatusCode, Problem> {
    end(&parts, &asker, &id.0).await?;
    Ok(StatusCode::NO_CONTENT)
}
