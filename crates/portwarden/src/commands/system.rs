//! How the process stands, as the console and REST show it to who owns everything.

use super::{doctor, local};
use crate::settings::{Role, Settings};
use model::text::size;
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

fn limits(settings: &Settings) -> Vec<LimitView> {
    let readers = local::readers(settings);
    let bytes = |bytes: u64| size(i64::try_from(bytes).unwrap_or(i64::MAX));
    [
        ("Readers at a time", readers.children.to_string()),
        ("Memory of all readers", bytes(readers.memory_bytes)),
        ("Work of one reader", format!("{} s", readers.cpu.as_secs())),
        ("Output of one reader", bytes(readers.output_bytes)),
        ("Entries of a layer", readers.walk.entries.to_string()),
        ("Unpacked layer", bytes(readers.walk.unpacked_bytes)),
        ("Packages of a layer", readers.walk.packages.to_string()),
    ]
    .into_iter()
    .map(|(name, value)| LimitView { name: name.to_owned(), value })
    .collect()
}
