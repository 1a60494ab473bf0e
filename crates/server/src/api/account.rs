//! One's own account: who one is, the password, the sessions of the console.

use super::people::{check_password, named};
use super::tokens::GrantBody;
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
use model::role::{Action, Scope, allowed};
use serde::{Deserialize, Serialize};
use store::Session;
use utoipa::ToSchema;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MeView {
    /// Name.
    pub name: String,
    /// `user`, `robot`, or `local` for a command on the data of its own machine.
    pub kind: String,
    /// What one may do, and where.
    pub roles: Vec<GrantBody>,
    /// Whether a token narrows the roles.
    pub limited: bool,
}

/// A session of the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionView {
    /// Its name; not its secret.
    pub id: String,
    /// Whose it is.
    pub principal: String,
    /// When it began.
    pub began: Option<String>,
    /// When it was last used, to the minute.
    pub seen: Option<String>,
    /// When it ends at the latest.
    pub expires: Option<String>,
    /// From where it began.
    pub address: String,
    /// With what.
    pub user_agent: String,
    /// Whether this request came by it.
    pub this: bool,
}

/// Another password.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    /// The password from now on, ten characters at least.
    pub password: String,
    /// The password until now; not needed of an owner of everything for somebody else.
    #[serde(default)]
    pub current: Option<String>,
    /// Whether tokens of theirs end as well; left out: they do.
    #[serde(default)]
    pub revoke_tokens: Option<bool>,
}

/// `GET /me`
pub async fn me(asker: Asker) -> Json<MeView> {
    let Asker { principal, .. } = asker;
    let roles = principal.grants.iter().map(GrantBody::from).collect();
    Json(MeView { name: principal.name, kind: principal.kind, roles, limited: principal.limited })
}

/// The sessions that somebody may see: their own; as an owner of everything, everybody's; by a token of fewer rights, none.
pub async fn visible(parts: &Parts, asker: &Asker, own: bool) -> Result<Vec<SessionView>, Problem> {
    if asker.principal.limited {
        return Ok(Vec::new());
    }
    let everybody = !own && allowed(&asker.principal.grants, Action::Own, &Scope::ALL);
    let rows = parts.store.sessions((!everybody).then_some(asker.principal.id)).await?;
    let view = |session: Session| SessionView {
        this: session.id == asker.session,
        id: session.id,
        principal: session.principal,
        began: moment(session.since),
        seen: moment(session.seen),
        expires: moment(session.expires),
        address: session.address,
        user_agent: session.user_agent,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// `GET /sessions`
pub async fn sessions(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let items = visible(&parts, &asker, false).await?;
    let asked = Asked { path: "sessions", query: query.as_deref(), headers: &headers };
    export::short(&parts, Params::parse(query.as_deref()), &asked, items, |item| item.id.clone())
}

/// Ends a session.
pub async fn end(parts: &Parts, asker: &Asker, id: &str) -> Result<(), Problem> {
    let seen = visible(parts, asker, false).await?.into_iter().any(|session| session.id == id);
    if seen && parts.store.end_session(id, &asker.caller()).await? {
        Ok(())
    } else {
        Err(Problem::absent("session", id))
    }
}

/// `DELETE /sessions/{id}`
pub async fn end_session(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<StatusCode, Problem> {
    end(&parts, &asker, &id.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets a password: one's own, or as an owner of everything anybody's. Their sessions end, but for the one that asks, and their
/// tokens, unless they shall stay: who knew the password could have made some.
pub async fn change_password(parts: &Parts, asker: &Asker, name: &str, body: &PasswordBody) -> Result<(), Problem> {
    let own = name == asker.principal.name && asker.principal.id != 0;
    if !own {
        access::may_in(&asker.principal, Action::Own, &Scope::ALL)?;
    }
    let person = if own { asker.principal.clone() } else { named(parts, name).await? };
    if own {
        // A token, or a session left open, is not enough to take an account over.
        let current = body.current.as_deref().unwrap_or("");
        match parts.store.by_password(&person.name, current, &asker.address).await {
            Err(store::Error::WrongCredentials) => {
                return Err(Problem::parameter("current", "this is not the password until now"));
            }
            known => known?,
        };
    }
    if person.kind != "user" {
        return Err(Problem::parameter("password", "a robot has tokens, not a password"));
    }
    check_password(&person.name, &body.password)?;
    let tokens = body.revoke_tokens.unwrap_or(true);
    Ok(parts.store.set_password(person.id, &body.password, &asker.session, tokens, &asker.caller()).await?)
}

/// `PUT /users/{name}/password`
pub async fn password(
    State(parts): State<Parts>,
    asker: Asker,
    name: Name,
    body: Body<PasswordBody>,
) -> Result<StatusCode, Problem> {
    change_password(&parts, &asker, &name.0, &body.0).await?;
    Ok(StatusCode::NO_CONTENT)
}
