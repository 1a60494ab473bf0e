//! Tokens: listed, made, ended. What REST, the console and the command line do to them is done here.

use crate::access;
use crate::asker::{Asker, Secret};
use crate::body::Body;
use crate::export::{self, Asked};
use crate::params::{Name, Params};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::view::moment;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::Micros;
use model::role::{Action, Grant, Role, Scope, allowed, covered};
use serde::{Deserialize, Serialize};
use store::{NewToken, Token};
use utoipa::ToSchema;

/// Longest name of a token.
const NAME_CHARS: usize = 80;
/// Most roles of one token.
const GRANTS: usize = 50;

/// A token to be made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    /// What it is for.
    pub name: String,
    /// When it ends, RFC 3339 or a date; left out: never.
    #[serde(default)]
    pub expires: Option<String>,
    /// What it may do; left out: all that its principal may.
    #[serde(default)]
    pub grants: Vec<GrantBody>,
    /// Whose it is; left out: one's own. Another's needs Owner of everything.
    #[serde(default)]
    pub principal: Option<String>,
}

/// A role in a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    /// `reader`, `acr-push`, …
    pub role: String,
    /// `/`, `/SUBSCRIPTION`, `/SUBSCRIPTION/REGISTRY/REPOSITORY`, …
    pub scope: String,
}

/// A token, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenView {
    /// Row id.
    pub id: i64,
    /// Whose it is.
    pub principal: String,
    /// What it is for.
    pub name: String,
    /// How it begins.
    pub hint: String,
    /// When it was made.
    pub created: Option<String>,
    /// When it ends; `null` = never.
    pub expires: Option<String>,
    /// When it was last used, to the minute; `null` = never.
    pub last_use: Option<String>,
    /// What it may do; empty = all that its principal may.
    pub grants: Vec<GrantBody>,
}

/// A token that was just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MadeToken {
    /// Row id.
    pub id: i64,
    /// Its text: keep it now, it is not shown again.
    pub token: String,
    /// What it is for.
    pub name: String,
    /// When it ends; `null` = never.
    pub expires: Option<String>,
}

impl From<&Grant> for GrantBody {
    fn from(grant: &Grant) -> Self {
        Self { role: grant.role.as_str().into(), scope: grant.scope.to_path() }
    }
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            principal: token.principal,
            name: token.name,
            hint: token.hint,
            created: moment(token.since),
            expires: moment(token.expires),
            last_use: moment(token.last_use),
            grants: token.grants.iter().map(GrantBody::from).collect(),
        }
    }
}

fn owns_everything(asker: &Asker) -> bool {
    allowed(&asker.principal.grants, Action::Own, &Scope::ALL)
}

/// The tokens that the asker may see; by a token of fewer rights, that one alone.
pub async fn visible(parts: &Parts, asker: &Asker) -> Result<Vec<TokenView>, Problem> {
    let of = (!owns_everything(asker)).then_some(asker.principal.id);
    let mut seen = parts.store.tokens(of).await?;
    if asker.principal.limited {
        seen.retain(|token| Some(token.id) == asker.principal.token);
    }
    Ok(seen.into_iter().map(TokenView::from).collect())
}

/// Makes a token.
pub async fn make(parts: &Parts, asker: &Asker, body: TokenBody) -> Result<MadeToken, Problem> {
    let name = body.name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
        let want = format!("name must say what the token is for, in 1 to {NAME_CHARS} characters");
        return Err(Problem::parameter("name", want));
    }
    let expires = match body.expires.as_deref() {
        None => Micros::FOREVER,
        Some(text) => Micros::parse(text).filter(|at| *at > (parts.now)()).ok_or_else(|| {
            Problem::parameter("expires", format!("expires={text:?} is not RFC 3339 or a date, or is over already"))
        })?,
    };
    let holder = match body.principal.as_deref() {
        Some(name) if name != asker.principal.name => {
            access::may_in(&asker.principal, Action::Own, &Scope::ALL)?;
            let found = parts.store.principal_named(name).await?;
            found.ok_or_else(|| Problem { field: "principal".into(), ..Problem::absent("principal", name) })?
        }
        _ if asker.principal.id == 0 => {
            return Err(Problem::parameter("principal", "name the principal whose token it is"));
        }
        // It would live on after the first was found to be in wrong hands, and was ended.
        _ if asker.principal.token.is_some() => {
            let detail = "a token makes no further token of its principal".to_owned();
            let next_step = "Sign in with the password, or have an owner of everything make it.";
            return Err(Problem { detail, next_step, field: "principal".into(), ..Problem::forbidden("own") });
        }
        _ => asker.principal.clone(),
    };
    if body.grants.len() > GRANTS {
        return Err(Problem::parameter("grants", format!("a token has at most {GRANTS} roles")));
    }
    let grants = body.grants.iter().map(|g| grant(parts, asker, g)).collect::<Result<Vec<_>, _>>()?;
    if let Some(more) = grants.iter().find(|grant| !covered(&holder.grants, grant)) {
        let detail = format!("{} does not hold {} in {}", holder.name, more.role.title(), more.scope.to_path());
        return Err(Problem { detail, field: "grants".into(), ..Problem::forbidden("own") });
    }
    let new = NewToken { principal: holder.id, name: name.to_owned(), expires, grants };
    let (id, token) = parts.store.make_token(&new, &asker.caller()).await?;
    Ok(MadeToken { id, token, name: new.name, expires: moment(expires) })
}

/// Reads a role in a scope that a request names.
pub fn grant(parts: &Parts, asker: &Asker, body: &GrantBody) -> Result<Grant, Problem> {
    let role = Role::parse(&body.role).ok_or_else(|| {
        let all = Role::ALL.map(Role::as_str).join(", ");
        Problem::parameter("role", format!("{:?} is not a role; there are {all}", body.role))
    })?;
    Ok(Grant { role, scope: access::scope_at(parts, &asker.principal, "scope", &body.scope)? })
}

/// Ends a token: one's own, or as an owner of everything anybody's. Another's is as absent as one that never was.
pub async fn end(parts: &Parts, asker: &Asker, id: &str) -> Result<(), Problem> {
    let seen = visible(parts, asker).await?;
    let row = id.parse().ok().and_then(|id: i64| seen.into_iter().find(|token| token.id == id));
    let token = row.ok_or_else(|| Problem::absent("token", id))?;
    if parts.store.end_token(token.id, &asker.caller()).await? { Ok(()) } else { Err(Problem::absent("token", id)) }
}

/// `GET /tokens`
pub async fn list(
    State(parts): State<Parts>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let items = visible(&parts, &asker).await?;
    let asked = Asked { path: "tokens", query: query.as_deref(), headers: &headers };
    export::short(&parts, Params::parse(query.as_deref()), &asked, items, |item| item.id.to_string())
}

/// `POST /tokens`
pub async fn create(State(parts): State<Parts>, asker: Asker, body: Body<TokenBody>) -> Result<Response, Problem> {
    let made = make(&parts, &asker, body.0).await?;
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    response.extensions_mut().insert(Secret);
    Ok(response)
}

/// `DELETE /tokens/{id}`
pub async fn revoke(State(parts): State<Parts>, asker: Asker, id: Name) -> Result<StatusCode, Problem> {
    end(&parts, &asker, &id.0).await?;
    Ok(StatusCode::NO_CONTENT)
}
