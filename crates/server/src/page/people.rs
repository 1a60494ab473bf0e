//! `/settings/access`: users and robots, who holds which role where, and what somebody may.

use super::filled::Filled;
use super::form::Field;
use super::frame::{Frame, When, page as render, visible};
use super::scope::Names;
use super::visit::Visit;
use crate::access;
use crate::api::people::{self, RoleBody, RoleView, UserBody, UserView};
use crate::body::Form;
use crate::params::{Name, Params};
use crate::problem::Problem;
use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use model::Micros;
use model::role::{Action, Role, Scope, allowed};

const HERE: &str = "/settings/access";

#[derive(Template)]
#[template(path = "access.html")]
struct Access {
    frame: Frame,
    guard: String,
    trouble: String,
    /// Whether users can be made and taken away, which needs an owner of everything.
    all: bool,
    give: Vec<Field>,
    make: Vec<Field>,
    users: Vec<User>,
    roles: Vec<Held>,
    seen_as: Option<SeenAs>,
}

/// Somebody as the page shows them.
struct User {
    name: String,
    path: String,
    kind: String,
    how: &'static str,
    created: When,
    roles: usize,
}

/// A role as the page shows it.
struct Held {
    id: i64,
    principal: String,
    role: &'static str,
    scope: String,
    since: When,
}

/// What somebody may: each action, and where.
struct SeenAs {
    name: String,
    rows: Vec<(&'static str, Vec<String>)>,
}

/// The forms of the page; the one that was sent has what was typed.
struct Forms {
    give: Filled,
    make: Filled,
}

impl Forms {
    fn blank(visit: &Visit) -> Self {
        Self {
            give: Filled::new(&visit.asker, &[("role", "reader"), ("scope", "/")]),
            make: Filled::new(&visit.asker, &[("kind", "user")]),
        }
    }
}

fn give_fields(form: &Filled, users: &[UserView]) -> Vec<Field> {
    let names: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.name.as_str())).collect();
    let roles = Role::ALL.map(|role| (role.as_str(), role.title()));
    let hint = "/ is everything; /SUBSCRIPTION, /SUBSCRIPTION/@GROUP, /SUBSCRIPTION/REGISTRY/REPOSITORY less.";
    let all = [
        Field::select("principal", "Who", "", &names),
        Field::select("role", "Role", "", &roles),
        Field::text("scope", "In the scope", "").required().hint(hint),
    ];
    all.into_iter().map(|field| form.field(field)).collect()
}

fn make_fields(form: &Filled) -> Vec<Field> {
    let kinds = [("user", "Person, with a password"), ("robot", "Robot, with tokens alone")];
    let password = Field::text("password", "Password", "").kind("password").complete("new-password");
    let password = form.field(password.hint("Ten characters at least; empty for a robot."));
    vec![
        form.field(Field::text("name", "Name", "").required()),
        form.field(Field::select("kind", "Kind", "", &kinds)),
        Field { value: String::new(), ..password }, // not sent back
    ]
}

fn user(view: &UserView, now: Micros) -> User {
    User {
        path: crate::params::encoded(&view.name),
        name: visible(&view.name),
        kind: view.kind.clone(),
        how: if view.password { "password" } else { "tokens" },
        created: When::parse(view.created.as_deref(), now),
        roles: view.roles.len(),
    }
}

fn held(view: RoleView, names: &Names, now: Micros) -> Held {
    Held {
        id: view.id,
        principal: visible(&view.principal),
        role: Role::parse(&view.role).map_or("", Role::title),
        scope: names.of(&view.scope),
        since: When::parse(view.since.as_deref(), now),
    }
}

/// What the roles of somebody allow, for an owner of everything to look at.
async fn seen_as(visit: &Visit) -> Result<Option<SeenAs>, Problem> {
    let name = Params::parse(visit.query.as_deref()).take("as")?.filter(|name| !name.is_empty());
    let Some(name) = name else { return Ok(None) };
    access::may_in(&visit.who, Action::Own, &Scope::ALL)?;
    let principal = people::named(&visit.parts, &name).await?;
    let names = Names::read(&visit.parts);
    let where_ = |action: Action| {
        let grants = principal.grants.iter().filter(|grant| grant.role.allows(action));
        let mut scopes: Vec<String> = grants.map(|grant| names.of(&grant.scope.to_path())).collect();
        scopes.sort();
        scopes.dedup();
        scopes
    };
    let rows = Action::ALL.map(|action| (action.as_str(), where_(action))).to_vec();
    Ok(Some(SeenAs { name: visible(&name), rows }))
}

async fn show(visit: &Visit, forms: Forms) -> Result<Response, Problem> {
    let (now, names) = ((visit.parts.now)(), Names::read(&visit.parts));
    let users = people::users_seen(&visit.parts, &visit.asker).await?;
    let roles = people::roles_seen(&visit.parts, &visit.asker).await?;
    let (give, make) = (give_fields(&forms.give, &users), make_fields(&forms.make));
    let troubles = [forms.give.trouble(&give), forms.make.trouble(&make)];
    let frame = Frame::new(visit, "settings").still();
    let shown = render(&Access {
        frame: frame.programs(visit, "/roles", "portwarden role list"),
        guard: forms.give.guard(),
        trouble: troubles.concat(),
        all: allowed(&visit.who.grants, Action::Own, &Scope::ALL),
        give,
        make,
        users: users.iter().map(|view| user(view, now)).collect(),
        roles: roles.into_iter().map(|row| held(RoleView::from(row), &names, now)).collect(),
        seen_as: seen_as(visit).await?,
    });
    Ok(forms.make.answer(forms.give.answer(shown)))
}

fn back() -> Response {
    Redirect::to(HERE).into_response()
}

/// `GET /settings/access`
pub async fn page(visit: Visit) -> Result<Response, Problem> {
    show(&visit, Forms::blank(&visit)).await
}

/// `POST /settings/access/roles`
pub async fn give(visit: Visit, form: Form) -> Result<Response, Problem> {
    let given = match form.read::<RoleBody>() {
        Ok(body) => people::assign(&visit.parts, &visit.asker, &body).await,
        Err(problem) => Err(problem),
    };
    let Err(problem) = given else { return Ok(back()) };
    let give = Filled::again(&visit.asker, form, problem);
    show(&visit, Forms { give, ..Forms::blank(&visit) }).await
}

/// `POST /settings/access/roles/{id}/remove`
pub async fn take(visit: Visit, id: Name) -> Result<Response, Problem> {
    people::unassign(&visit.parts, &visit.asker, &id.0).await?;
    Ok(back())
}

/// `POST /settings/access/users`
pub async fn make(visit: Visit, form: Form) -> Result<Response, Problem> {
    let made = match form.read::<UserBody>() {
        Ok(body) => people::make(&visit.parts, &visit.asker, &body).await,
        Err(problem) => Err(problem),
    };
    let Err(problem) = made else { return Ok(back()) };
    let make = Filled::again(&visit.asker, form, problem);
    show(&visit, Forms { make, ..Forms::blank(&visit) }).await
}

/// `POST /settings/access/users/{name}/delete`
pub async fn delete(visit: Visit, name: Name) -> Result<Response, Problem> {
    people::remove(&visit.parts, &visit.asker, &name.0).await?;
    Ok(back())
}
