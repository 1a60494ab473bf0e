//! Users, robots, and the roles that they hold.

use super::tokens::{GrantBody, grant};
use crate::access;
use crate::asker::Asker;
use crate::body::Body;
use crate::export::{self, Asked};
use crate::params::{Name, Params};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::moment;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use model::role::{Action, Grant, Scope, allowed};
use serde::{Deserialize, Serialize};
use store::{HeldRole, Principal};
use utoipa::ToSchema;

/// Longest name of a principal.
const NAME_CHARS: usize = 64;
/// Shortest password.
const PASSWORD_CHARS: usize = 10;
/// Longest password, bytes.
const PASSWORD_BYTES: usize = 1024;

/// Somebody who can sign in, or a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserView {
    /// Name.
    pub name: String,
    /// `user` or `robot`.
    pub kind: String,
    /// Whether there is a password; otherwise tokens only.
    pub password: bool,
    /// When they were made.
    pub created: Option<String>,
    /// The roles that they hold, as far as the asker may assign them.
    pub roles: Vec<GrantBody>,
}

/// Somebody to be made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserBody {
    /// Name: letters, digits and `.` `_` `@` `+` `-`.
    pub name: String,
    /// `user` (the default) or `robot`.
    #[serde(default)]
    pub kind: Option<String>,
    /// Password of a user, ten characters at least. A robot has none.
    #[serde(default)]
    pub password: Option<String>,
}

/// A role that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RoleView {
    /// Row id.
    pub id: i64,
    /// Whose it is.
    pub principal: String,
    /// `reader`, `acr-push`, …
    pub role: String,
    /// Where.
    pub scope: String,
    /// Since when.
    pub since: Option<String>,
}

/// A role to be given.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    /// To whom.
    pub principal: String,
    /// `reader`, `acr-push`, …
    pub role: String,
    /// `/`, `/SUBSCRIPTION`, `/SUBSCRIPTION/REGISTRY/REPOSITORY`, …
    pub scope: String,
}

impl From<HeldRole> for RoleView {
    fn from(held: HeldRole) -> Self {
        Self {
            id: held.id,
            principal: held.principal,
            role: held.grant.role.as_str().into(),
            scope: held.grant.scope.to_path(),
            since: moment(held.since),
        }
    }
}

/// Finds a principal by name, or says that there is none.
pub async fn named(parts: &Parts, name: &str) -> Result<Principal, Problem> {
    let found = parts.store.principal_named(name).await?;
    found.ok_or_else(|| Problem { field: "principal".into(), ..Problem::absent("user", name) })
}

/// Refuses a password that is too short, too long, the name, or looks like a token.
pub fn check_password(name: &str, password: &str) -> Result<(), Problem> {
    let wrong = |why: String| Err(Problem::parameter("password", why));
    if password.chars().count() < PASSWORD_CHARS {
        return wrong(format!("a password has {PASSWORD_CHARS} characters at least"));
    }
    if password.len() > PASSWORD_BYTES || password.chars().any(char::is_control) {
        return wrong(format!("a password has {PASSWORD_BYTES} bytes at most, and no control characters"));
    }
    if password.starts_with("pw_") || password.eq_ignore_ascii_case(name) {
        return wrong("a password is neither the name nor begins with pw_, as tokens do".into());
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._@+-".contains(c);
    let good = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain);
    if good && name.len() <= NAME_CHARS {
        return Ok(());
    }
    let want = format!("a name has 1 to {NAME_CHARS} letters, digits and . _ @ + -, and begins with a letter or digit");
    Err(Problem::parameter("name", want))
}

/// The roles that are held where the asker is an owner. The tree is asked, for it knows the resource groups.
pub async fn roles_seen(parts: &Parts, asker: &Asker) -> Result<Vec<HeldRole>, Problem> {
    let rows = parts.store.held_roles(None).await?;
    let mut seen = Vec::new();
    for row in rows {
        if owns(parts, asker, &row.grant.scope)? {
            seen.push(row);
        }
    }
    Ok(seen)
}

fn owns(parts: &Parts, asker: &Asker, scope: &Scope) -> Result<bool, Problem> {
    let place = access::placed(parts, scope).unwrap_or_else(|| scope.clone());
    Ok(allowed(&asker.principal.grants, Action::Own, &place))
}

/// Those who hold a role that the asker may assign, and oneself; an owner of everything sees everybody.
pub async fn users_seen(parts: &Parts, asker: &Asker) -> Result<Vec<UserView>, Problem> {
    let roles = roles_seen(parts, asker).await?;
    let of = |name: &str| {
        let held = roles.iter().filter(|held| held.principal == name);
        held.map(|held| GrantBody::from(&held.grant)).collect()
    };
    let people = parts.store.people().await?.into_iter();
    let view = |person: store::Person| UserView {
        roles: of(&person.name),
        created: moment(person.since),
        name: person.name,
        kind: person.kind,
        password: person.password,
    };
    let all = allowed(&asker.principal.grants, Action::Own, &Scope::ALL);
    let seen = |view: &UserView| all || view.name == asker.principal.name || !view.roles.is_empty();
    Ok(people.map(view).filter(seen).collect())
}

/// Makes a user or a robot, without any role.
pub async fn make(parts: &Parts, asker: &Asker, body: &UserBody) -> Result<UserView, Problem> {
    access::may_in(&asker.principal, Action::Own, &Scope::ALL)?;
    check_name(&body.name)?;
    let kind = body.kind.as_deref().unwrap_or("user");
    let password = body.password.as_deref().unwrap_or("");
    match kind {
        "user" => check_password(&body.name, password)?,
        "robot" if password.is_empty() => {}
        "robot" => return Err(Problem::parameter("password", "a robot has tokens, not a password")),
        _ => return Err(Problem::parameter("kind", format!("kind={kind:?}; allowed: user, robot"))),
    }
    let made = parts.store.make_principal(&body.name, kind, password, &asker.caller()).await;
    made.map_err(|error| Problem { field: "name".into(), ..Problem::from(error) })?;
    let (name, kind) = (body.name.clone(), kind.to_owned());
    Ok(UserView { name, kind, password: !password.is_empty(), created: moment((parts.now)()), roles: Vec::new() })
}

/// Takes somebody away, with roles, tokens and sessions.
pub async fn remove(parts: &Parts, asker: &Asker, name: &str) -> Result<(), Problem> {
    access::may_in(&asker.principal, Action::Own, &Scope::ALL)?;
    let person = named(parts, name).await?;
    Ok(parts.store.end_principal(person.id, &asker.caller()).await?)
}

/// Gives a role to somebody in a scope that the asker owns.
pub async fn assign(parts: &Parts, asker: &Asker, body: &RoleBody) -> Result<RoleView, Problem> {
    let wanted = GrantBody { role: body.role.clone(), scope: body.scope.clone() };
    let grant = grant(parts, asker, &wanted)?;
    access::may_in(&asker.principal, Action::Own, &grant.scope)?;
    let person = named(parts, &body.principal).await?;
    let id = parts.store.grant(person.id, &grant, &asker.caller()).await?;
    let (role, scope) = (grant.role.as_str().to_owned(), grant.scope.to_path());
    Ok(RoleView { id, principal: person.name, role, scope, since: moment((parts.now)()) })
}

/// Takes a role away that the asker may assign; another's is as absent as one that never was.
pub async fn unassign(parts: &Parts, asker: &Asker, id: &str) -> Result<(), Problem> {
    let seen = roles_seen(parts, asker).await?;
    let held = id.parse().ok().and_then(|id: i64| seen.into_iter().find(|held| held.id == id));
    let held = held.ok_or_else(|| Problem::absent("role assignment", id))?;
    let person = named(parts, &held.principal).await?;
    let grant = Grant { role: held.grant.role, scope: held.grant.scope };
    Ok(parts.store.revoke(person.id, &grant, &asker.caller()).await?)
}

/// `GET /users`
pub async fn users(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let items = users_seen(&parts, &asker).await?;
    let asked = Asked { path: "users", query: query.as_deref(), headers: &headers };
    export::short(&parts, Params::parse(query.as_deref()), &asked, items, |item| item.name.clone())
}

/// `POST /users`
pub async fn create(
    State(parts): State<Parts>,
    asker: Asker,
    body: Body<UserBody>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    Ok((StatusCode::CREATED, Json(make(&parts, &asker, &body.0).await?)))
}

/// `DELETE /users/{name}`
pub async fn delete(State(parts): State<Parts>, asker: Asker, name: Name) -> Result<StatusCode, Problem> {
    remove(&parts, &asker, &name.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /roles`
pub async fn roles(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let items: Vec<RoleView> = roles_seen(&parts, &asker).await?.into_iter().map(RoleView::from).collect();
    let asked = Asked { path: "roles", query: query.as_deref(), headers: &headers };
    export::short(&parts, Params::parse(query.as_deref()), &asked, items, |item: &RoleView| item.id.to_string())
}

/// `POST /roles`
pub async fn give(
    State(parts): State<Parts>,
    asker: Asker,
    body: Body<RoleBody>,
) -> Result<(StatusCode, Json<RoleView>), Problem> {
    Ok((StatusCode::CREATED, Json(assign(&parts, &asker, &body.0).await?)))
}

/// `DELETE /roles/{id}`
pub async fn take(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<StatusCode, Problem> {
    unassign(&parts, &asker, &id.0).await?;
    Ok(StatusCode::NO_CONTENT)
}
