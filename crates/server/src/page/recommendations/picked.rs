//! What is done to several rows at once: recommendations are assigned, resources are exempted.
//!
//! In: the forms. Out: one write for each row, the same that REST does. Where one is refused those before it are done, and it is said.

use crate::api::recommendations::{self as api, AssignmentBody, ExemptionBody};
use crate::body::Form;
use crate::page::visit::Visit;
use crate::problem::Problem;

/// The form of an exemption: of a scope or an image that is typed, or of those that are picked.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ExemptForm {
    scope: String,
    digest: Option<String>,
    /// Path of a scope, or path and digest.
    #[serde(default)]
    picked: Vec<String>,
    kind: String,
    reason: String,
    expires: Option<String>,
}

/// The form of an assignment of one recommendation, or of those that are picked.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct AssignForm {
    assign_scope: String,
    #[serde(default)]
    key: Vec<String>,
    owner: Option<String>,
    due: Option<String>,
    note: Option<String>,
}

/// Says how many rows were done before one was refused.
fn after(done: usize, of: usize, problem: Problem) -> Problem {
    match done {
        0 => problem,
        done => Problem { detail: format!("{done} of {of} are done; then: {}", problem.detail), ..problem },
    }
}

/// Exempts what a form names from a recommendation.
pub async fn exempt(visit: &Visit, key: &str, form: &Form) -> Result<(), Problem> {
    let ExemptForm { scope, digest, picked, kind, reason, expires } = form.read()?;
    let whole = |text: &String| match text.split_once(' ') {
        Some((scope, digest)) => (scope.to_owned(), Some(digest.to_owned())),
        None => (text.clone(), None),
    };
    let targets: Vec<_> = if picked.is_empty() { vec![(scope, digest)] } else { picked.iter().map(whole).collect() };
    // The key of the request is noted once.
    let mut asker = visit.asker.clone();
    for (done, (scope, digest)) in targets.iter().cloned().enumerate() {
        let (kind, reason, expires) = (kind.clone(), reason.clone(), expires.clone());
        let body = ExemptionBody { recommendation: key.to_owned(), scope, digest, kind, reason, expires };
        let made = api::exempt(&visit.parts, &asker, body).await;
        made.map_err(|problem| after(done, targets.len(), problem))?;
        asker.key.clear();
    }
    Ok(())
}

/// Says who looks after recommendations: after the one that is given, else after those that are picked.
pub async fn assign(visit: &Visit, key: Option<&str>, form: &Form) -> Result<(), Problem> {
    let AssignForm { assign_scope, key: picked, owner, due, note } = form.read()?;
    let keys: Vec<String> = key.map_or(picked, |key| vec![key.to_owned()]);
    if keys.is_empty() {
        return Err(Problem::parameter("key", "no recommendation is selected"));
    }
    let mut asker = visit.asker.clone();
    for (done, key) in keys.iter().enumerate() {
        let (scope, owner, due, note) = (Some(assign_scope.clone()), owner.clone(), due.clone(), note.clone());
        let body = AssignmentBody { scope, owner, due, note };
        let made = api::assign(&visit.parts, &asker, key, body).await;
        made.map_err(|problem| after(done, keys.len(), problem))?;
        asker.key.clear();
    }
    Ok(())
}
