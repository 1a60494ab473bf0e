//! A repository is renamed, or moved to another registry.

use super::edit::Edit;
use super::filled::Filled;
use super::form::Field;
use super::frame::{Frame, Step, page as render, visible};
use super::scope::{Scoped, walk};
use super::visit::Visit;
use crate::access::may_in;
use crate::api::repositories::{self, RepositoryPatch};
use crate::api::tree::{Tree, can, place_of};
use crate::body::Form;
use crate::params::encoded;
use crate::problem::Problem;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use model::role::{Action, Scope};

fn address(registry: &str, repository: &str) -> String {
    format!("/settings/registries/{}/repositories/{}", encoded(registry), encoded(repository))
}

/// Where a repository is renamed; empty to whom does not own it.
pub fn link(visit: &Visit, scoped: &Scoped) -> String {
    let (Some(subscription), Some(registry), Some(name)) = (&scoped.subscription, &scoped.registry, &scoped.repository)
    else {
        return String::new();
    };
    let scope = Scope::repository(&subscription.guid, &registry.resource_group, &registry.name, name);
    if can(&visit.asker, Action::Own, &scope) { address(&registry.name, name) } else { String::new() }
}

/// `GET /settings/registries/{name}/repositories/{repository}`
pub async fn page(visit: Visit, Path((registry, repository)): Path<(String, String)>) -> Result<Response, Problem> {
    let form = Filled::new(&visit.asker, &[("name", &repository), ("registry", &registry)]);
    show(&visit, &registry, &repository, form).await
}

async fn show(visit: &Visit, registry: &str, repository: &str, form: Filled) -> Result<Response, Problem> {
    let named = repositories::named(&visit.parts, &visit.asker, registry, repository).await?;
    may_in(&visit.asker.principal, Action::Own, &named.scope)?;
    let path = Scope { resource_group: None, ..named.scope }.to_path();
    Scoped::read(visit, &path)?; // one without images is absent
    let tree = Tree::read(&visit.parts, &visit.asker).await?;
    let owned = tree.registries.iter().filter(|r| can(&visit.asker, Action::Own, &place_of(r)) || r.name == registry);
    let choices: Vec<(String, String)> = owned.map(|r| (r.name.clone(), visible(&r.name))).collect();
    let fields = [
        Field::text("name", "Name", "").required().hint("With its folders: payments/api."),
        Field::select("registry", "Registry", "", &choices)
            .hint("Its plan, grants and network rules hold from then on."),
    ];
    let fields = fields.map(|field| form.field(field)).to_vec();
    let says = [
        "Images, tags and their history, the ids of findings, and what was granted or ruled for it stay its own.",
        "Nothing has the old name then: who pulls by it is told that there is no such repository. A push under the old name makes another one.",
    ];
    let api = format!("/registries/{}/repositories/{}", encoded(registry), encoded(repository));
    let command = format!("portwarden repository update {registry}/{repository} --name NAME");
    let mut frame = Frame::new(visit, "inventory").still().programs(visit, &api, &command);
    frame.api = frame.api.replacen("curl ", "curl -X PATCH --json '{\"name\": \"NAME\"}' ", 1);
    Ok(form.answer(render(&Edit {
        frame,
        title: format!("Rename or move {}", visible(repository)),
        crumbs: vec![Step { text: visible(repository), link: walk(&path) }],
        more: Vec::new(),
        says: says.map(str::to_owned).to_vec(),
        guard: form.guard(),
        trouble: form.trouble(&fields),
        action: address(registry, repository),
        hidden: Vec::new(),
        fields,
        button: "Save".into(),
        sure: None,
    })))
}

/// `POST /settings/registries/{name}/repositories/{repository}`
pub async fn change(
    visit: Visit,
    Path((registry, repository)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Problem> {
    let done = match form.read::<RepositoryPatch>() {
        Ok(body) => repositories::change(&visit.parts, &visit.asker, (&registry, &repository), body).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(scope) => Ok(Redirect::to(&walk(&scope.to_path())).into_response()),
        Err(problem) => show(&visit, &registry, &repository, Filled::again(&visit.asker, form, problem)).await,
    }
}
