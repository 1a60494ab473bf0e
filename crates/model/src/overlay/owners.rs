//! Which OS package owns a file that a language package is read from.
//!
//! In: the visible files of an image, and its release. Out: the origin of what is owned, `owned:<release>/<package>`.
//! Only an installed package of the distribution itself owns anything: its advisories speak of nobody else's packages, and a list
//! without a package is no more than a file that somebody left there.

use super::{Visible, ecosystem, is_os_type};
use crate::inventory::{OsRelease, owned_hash};
use std::collections::HashMap;

/// Folders in which no distribution installs; whose package it is matters little there (FHS 3.0, 3.13 and 4.9).
const FOREIGN: [&str; 2] = ["opt/", "usr/local/"];

/// What the distribution's own packages own.
pub(super) struct Owners<'a> {
    /// Owned paths by their hash: the owner, and the layer that said so last.
    paths: HashMap<u64, (&'a str, u32)>,
    installed: HashMap<&'a str, Installed>,
}

/// An OS package that is there.
struct Installed {
    release: String,
    /// The layer in which it came, as it is.
    since: u32,
    /// Whether it is the distribution's own.
    own: bool,
}

impl<'a> Owners<'a> {
    /// Reads what is said in the visible files.
    pub(super) fn of(files: &[(&str, &Visible<'a>)], os: Option<&OsRelease>) -> Self {
        let mut installed: HashMap<&str, Installed> = HashMap::new();
        for (_, file) in files {
            let packages = file.reading.packages.iter().zip(&file.since);
            for (found, since) in packages.filter(|(found, _)| is_os_type(&found.purl_type)) {
                let known = installed.entry(found.name.as_str()).or_insert_with(|| Installed {
                    release: ecosystem(&found.purl_type, os),
                    since: *since,
                    own: true,
                });
                known.since = known.since.max(*since);
                known.own &= found.origin.is_empty();
            }
        }
        let mut paths = HashMap::new();
        for (_, file) in files {
            // A list that came to say something else after its package did was not written by installing it.
            let said = file.changed.unwrap_or(file.first);
            let apart = file.reading.packages.is_empty();
            let counts = |known: &Installed| known.own && (!apart || said <= known.since);
            for owned in
                file.reading.owned.iter().filter(|owned| installed.get(owned.owner.as_str()).is_some_and(counts))
            {
                paths.extend(owned.paths.as_slice().iter().map(|hash| (*hash, (owned.owner.as_str(), file.layer))));
            }
        }
        Self { paths, installed }
    }

    /// Returns the origin of a language package that is read from this file, if an OS package owns it. A file that came or changed in
    /// a later layer than the owner's list is not the owner's.
    pub(super) fn origin(&self, path: &str, file: &Visible<'_>) -> Option<String> {
        if FOREIGN.iter().any(|folder| path.starts_with(folder)) {
            return None;
        }
        let folder = path.rsplit_once('/').map(|(folder, _)| folder);
        let metadata = folder.filter(|folder| folder.ends_with(".dist-info") || folder.ends_with(".egg-info"));
        let found = self.paths.get(&owned_hash(path)).or_else(|| self.paths.get(&owned_hash(metadata?)));
        let (owner, _) = found.filter(|(_, said)| file.changed.unwrap_or(file.first) <= *said)?;
        let release = &self.installed.get(owner)?.release;
        Some(format!("owned:{release}/{owner}"))
    }
}
