//! How the process stands, as the console and REST show it to who owns everything.

use super::{doctor, local};
use crate::settings::{Role, Settings, limits};
use server::{Handle, LimitView, SystemView, Telling};
use store::Store;

/// Makes what answers that, for a process that begins now.
pub fn teller(settings: &Settings, store: &Store, index: &Handle) -> impl Fn() -> Telling + Send + Sync + use<> {
    let seen = (settings.clone(), store.clone(), index.clone());
    let started = crate::clock::now().rfc3339();
    move || {
        let ((settings, store, index), started) = (seen.clone(), started.clone());
        Box::pin(async move {
            let checks = doctor::views(&settings, &store, &index).await;
            SystemView { started, checks, ..view(&settings) }
        })
    }
}

fn view(settings: &Settings) -> SystemView {
    let roles = [(Role::Registry, "registry"), (Role::Server, "server"), (Role::Worker, "worker")];
    let blobs = settings.blobs.clone();
    SystemView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        roles: roles.iter().filter(|(role, _)| settings.has_role(*role)).map(|(_, word)| (*word).to_owned()).collect(),
        data: settings.data.display().to_string(),
        blobs: blobs.unwrap_or_else(|| settings.data.join("blobs").display().to_string()),
        limits: limits(settings),
        ..SystemView::default()
    }
}

/// By the names of their settings.
fn limits(settings: &Settings) -> Vec<LimitView> {
    let mut readers = local::readers(settings);
    let mut views = vec![LimitView { name: "scans".to_owned(), value: readers.children.to_string() }];
    for limit in &limits::ALL {
        let value = limit.value(&mut readers).map(|value| limit.text(value));
        views.extend(value.map(|value| LimitView { name: limit.name.to_owned(), value }));
    }
    views
}
