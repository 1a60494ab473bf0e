//! `/settings/account`: one's password, and one's sessions.

use super::filled::Filled;
use super::form::Field;
use super::frame::{Frame, When, page as render, visible};
use super::visit::Visit;
use crate::api::account::{self, PasswordBody};
use crate::api::tokens::GrantBody;
use crate::body::Form;
use crate::params::Name;
use crate::problem::Problem;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

const HERE: &str = "/settings/account";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordForm {
    current: String,
    password: String,
    again: String,
    #[serde(default)]
    revoke_tokens: bool,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Account {
    frame: Frame,
    guard: String,
    trouble: String,
    fields: Vec<Field>,
    name: String,
    kind: String,
    roles: Vec<GrantBody>,
    rows: Vec<Row>,
}

/// A session as the page shows it.
struct Row {
    id: String,
    began: When,
    seen: When,
    address: String,
    user_agent: String,
    this: bool,
}

fn fields(form: &Filled) -> Vec<Field> {
    let password = |name, label, complete| {
        // What was typed into a field for a password is not sent back.
        let field = form.field(Field::text(name, label, "").kind("password").required().complete(complete));
        Field { value: String::new(), ..field }
    };
    vec![
        password("current", "Password until now", "current-password"),
        password("password", "New password", "new-password").hint("Ten characters at least."),
        password("again", "New password once more", "new-password"),
        form.field(
            Field::check("revoke_tokens", "End my tokens as well", true)
                .hint("Who knew the password could have made some. Docker, CI and scripts need new ones then."),
        ),
    ]
}

async fn show(visit: &Visit, form: Filled) -> Result<Response, Problem> {
    let now = (visit.parts.now)();
    let row = |session: account::SessionView| Row {
        id: session.id,
        began: When::parse(session.began.as_deref(), now),
        seen: When::parse(session.seen.as_deref(), now),
        address: visible(&session.address),
        user_agent: visible(&session.user_agent),
        this: session.this,
    };
    let rows = account::visible(&visit.parts, &visit.asker, true).await?.into_iter().map(row).collect();
    let fields = fields(&form);
    let frame = Frame::new(visit, "settings").still();
    let shown = render(&Account {
        frame: frame.programs(visit, "/sessions", ""),
        guard: form.guard(),
        trouble: form.trouble(&fields),
        fields,
        name: visible(&visit.who.name),
        kind: visit.who.kind.clone(),
        roles: visit.who.grants.iter().map(GrantBody::from).collect(),
        rows,
    });
    Ok(form.answer(shown))
}

/// `GET /settings/account`
pub async fn page(visit: Visit) -> Result<Response, Problem> {
    show(&visit, Filled::new(&visit.asker, &[])).await
}

async fn change(visit: &Visit, form: &Form) -> Result<(), Problem> {
    let typed = form.read::<PasswordForm>()?;
    if typed.password != typed.again {
        return Err(Problem::parameter("again", "this is not the same as the new password"));
    }
    let revoke_tokens = Some(typed.revoke_tokens);
    let body = PasswordBody { password: typed.password, current: Some(typed.current), revoke_tokens };
    account::change_password(&visit.parts, &visit.asker, &visit.who.name, &body).await
}

/// `POST /settings/account`: another password.
pub async fn password(visit: Visit, form: Form) -> Result<Response, Problem> {
    match change(&visit, &form).await {
        Ok(()) => Ok(Redirect::to(HERE).into_response()),
        Err(problem) => show(&visit, Filled::again(&visit.asker, form, problem)).await,
    }
}

/// `POST /settings/account/sessions/{id}/end`
pub async fn end_session(visit: Visit, id: Name) -> Result<Response, Problem> {
    account::end(&visit.parts, &visit.asker, &id.0).await?;
    Ok(Redirect::to(HERE).into_response())
}
