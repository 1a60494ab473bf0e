//! What commands share: the advisory database, the sandbox, the store and its index, opened with clear errors.

use super::{Exit, stop};
use crate::settings::Settings;
use scan::Knowledge;
use scan::sandbox::Sandbox;
use store::Store;

/// Opens the advisory database in force; without one, the built-in starter advisories, and the verdicts say so.
pub fn knowledge(settings: &Settings) -> anyhow::Result<Knowledge> {
    Knowledge::open(&settings.data).map_err(|e| {
        let message = format!("{}; run `portwarden db update` to build it anew", crate::output::chain(&e.into()));
        stop(Exit::NoDatabase, message)
    })
}

/// The sandbox with the limits of the settings.
pub fn sandbox(settings: &Settings) -> Sandbox {
    Sandbox::new(readers(settings))
}

/// The limits of readers.
pub fn readers(settings: &Settings) -> scan::sandbox::Settings {
    let mut chosen =
        scan::sandbox::Settings { require: settings.serve.require_sandbox, ..scan::sandbox::Settings::default() };
    if let Some(scans) = settings.serve.scans {
        chosen.children = scans.max(1);
    }
    settings.limits.apply(&mut chosen);
    chosen
}

/// Opens the store of a data folder that a server made, for reading.
pub async fn store(settings: &Settings) -> anyhow::Result<Store> {
    if settings.database.is_none() && !settings.data.join("portwarden.db").exists() {
        let message = format!(
            "there is no data in {}; name the folder with --data, or start `portwarden serve`",
            settings.data.display()
        );
        return Err(stop(Exit::Usage, message));
    }
    open(settings).await
}

/// Opens the store, or makes it; an error says what to do.
pub async fn open(settings: &Settings) -> anyhow::Result<Store> {
    Store::open(&settings.store()).await.map_err(|error| {
        let next = match &error {
            store::Error::Data { .. } => "; give this user the folder, or name another with --data",
            store::Error::Connect { .. } => "; start PostgreSQL, or correct --database",
            store::Error::Disk { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "; make room on the disk that holds the data"
            }
            _ => "",
        };
        stop(Exit::Usage, format!("{}{next}", crate::output::chain(&error.into())))
    })
}
