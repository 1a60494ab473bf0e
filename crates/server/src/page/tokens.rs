//! `/settings/tokens`: one's tokens, and the form that makes one.

use super::filled::Filled;
use super::form::Field;
use super::frame::{Frame, When, page as render, visible};
use super::scope::Names;
use super::visit::Visit;
use crate::api::tokens::{self, GrantBody, TokenBody, TokenView};
use crate::asker::Secret;
use crate::body::Form;
use crate::params::Name;
use crate::problem::Problem;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use model::Micros;
use model::role::Role;
use serde::Deserialize;

const HERE: &str = "/settings/tokens";

/// The form: one role in one scope at most; programs may ask for more by REST.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenForm {
    name: String,
    expires: Option<String>,
    role: Option<String>,
    scope: Option<String>,
}

impl From<TokenForm> for TokenBody {
    fn from(form: TokenForm) -> Self {
        let scope = form.scope.unwrap_or_else(|| "/".into());
        let grants = form.role.map(|role| GrantBody { role, scope }).into_iter().collect();
        Self { name: form.name, expires: form.expires, grants, principal: None }
    }
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct Tokens {
    frame: Frame,
    guard: String,
    trouble: String,
    fields: Vec<Field>,
    rows: Vec<Row>,
    made: String,
}

/// A token as the page shows it.
struct Row {
    id: i64,
    name: String,
    principal: String,
    hint: String,
    may: Vec<String>,
    expires: String,
    used: When,
}

fn row(token: TokenView, names: &Names, now: Micros) -> Row {
    let may = token.grants.iter().map(|grant| format!("{} in {}", grant.role, names.of(&grant.scope)));
    Row {
        id: token.id,
        name: visible(&token.name),
        principal: visible(&token.principal),
        hint: token.hint,
        may: may.collect(),
        expires: token.expires.map_or_else(|| "never".into(), |at| at.get(..10).unwrap_or(&at).to_owned()),
        used: When::parse(token.last_use.as_deref(), now),
    }
}

fn fields(form: &Filled) -> Vec<Field> {
    let roles = std::iter::once(("", "all that you may")).chain(Role::ALL.map(|r| (r.as_str(), r.title())));
    let roles: Vec<_> = roles.collect();
    let all = [
        Field::text("name", "What it is for", "").required().example("pipeline of team/app"),
        Field::text("expires", "Last day", "").kind("date").hint("UTC; empty: it does not end."),
        Field::select("role", "Role", "", &roles),
        Field::text("scope", "In the scope", "")
            .hint("/ is everything; /SUBSCRIPTION/REGISTRY/REPOSITORY one repository."),
    ];
    all.into_iter().map(|field| form.field(field)).collect()
}

async fn show(visit: &Visit, form: Filled, made: String) -> Result<Response, Problem> {
    let (now, names) = ((visit.parts.now)(), Names::read(&visit.parts));
    let rows = tokens::visible(&visit.parts, &visit.asker).await?;
    let fields = fields(&form);
    let frame = Frame::new(visit, "settings").still();
    let shown = render(&Tokens {
        frame: frame.programs(visit, "/tokens", "portwarden token list"),
        guard: form.guard(),
        trouble: form.trouble(&fields),
        fields,
        rows: rows.into_iter().map(|token| row(token, &names, now)).collect(),
        made,
    });
    Ok(form.answer(shown))
}

fn blank(visit: &Visit) -> Filled {
    Filled::new(&visit.asker, &[("scope", "/")])
}

/// `GET /settings/tokens`
pub async fn page(visit: Visit) -> Result<Response, Problem> {
    show(&visit, blank(&visit), String::new()).await
}

/// `POST /settings/tokens`: shows the text of the token, this once.
pub async fn create(visit: Visit, form: Form) -> Result<Response, Problem> {
    let made = match form.read::<TokenForm>() {
        Ok(body) => tokens::make(&visit.parts, &visit.asker, body.into()).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(made) => {
            let mut response = show(&visit, blank(&visit), made.token).await?;
            response.extensions_mut().insert(Secret);
            Ok(response)
        }
        Err(problem) => show(&visit, Filled::again(&visit.asker, form, problem), String::new()).await,
    }
}

/// `POST /settings/tokens/{id}/revoke`
pub async fn revoke(visit: Visit, id: Name) -> Result<Response, Problem> {
    tokens::end(&visit.parts, &visit.asker, &id.0).await?;
    Ok(Redirect::to(HERE).into_response())
}
