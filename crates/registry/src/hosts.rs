//! Which embedded registry a request is for.
//!
//! In: the host name that the client speaks to. Out: the registry of that host; for every other name the one without a host.
//! The list follows the store: a registry that was made, renamed or moved is served as such from the next request on.

use crate::Registry;
use crate::error::{Code, Error};
use crate::token::Signer;
use http::{HeaderMap, Uri, header};
use std::sync::{Arc, PoisonError, RwLock};
use store::Store;
use tokio::sync::watch;

/// Every embedded registry.
pub(crate) struct Registries {
    store: Store,
    settings: crate::Settings,
    signer: Arc<Signer>,
    revision: watch::Receiver<i64>,
    known: RwLock<Known>,
}

/// The registries as of a revision of the store.
#[derive(Clone)]
struct Known {
    revision: i64,
    all: Arc<[Arc<Registry>]>,
}

impl Registries {
    pub(crate) async fn open(store: Store, settings: crate::Settings) -> store::Result<Self> {
        let signer = Arc::new(Signer::new(&store.secret("registry-token").await?));
        let known = RwLock::new(Known { revision: -1, all: Arc::new([]) });
        let revision = store.revision_watch();
        let registries = Self { store, settings, signer, revision, known };
        registries.current().await?;
        Ok(registries)
    }

    /// Returns the registry that a request is for.
    pub(crate) async fn of(&self, headers: &HeaderMap, uri: &Uri) -> Result<Arc<Registry>, Error> {
        let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let asked = named.or(uri.authority().map(|host| host.as_str())).unwrap_or_default().to_ascii_lowercase();
        let all = self.current().await?;
        let found = all.iter().find(|r| !r.entry.host.is_empty() && is_host(&r.entry.host, &asked));
        let found = found.or_else(|| all.iter().find(|r| r.entry.host.is_empty()));
        found.cloned().ok_or_else(|| Error::new(Code::NameUnknown, "there is no registry of this host name"))
    }

    async fn current(&self) -> store::Result<Arc<[Arc<Registry>]>> {
        let revision = *self.revision.borrow();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        if known.revision == revision {
            return Ok(known.all);
        }
        let rows = self.store.registries().await?;
        let embedded = rows.into_iter().filter(|row| row.kind == "embedded");
        let all: Arc<[Arc<Registry>]> = embedded.map(|row| Arc::new(self.registry(row))).collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { revision, all: all.clone() };
        Ok(all)
    }

    fn registry(&self, entry: store::Registry) -> Registry {
        let mut settings = self.settings.clone();
        if !entry.host.is_empty() {
            // The address that was set is that of the registry without a host; this one is found where the client says.
            let secure = settings.public_url.take().is_some_and(|url| url.starts_with("https://"));
            settings.public_url = secure.then(|| format!("https://{}", entry.host));
        }
        Registry { store: self.store.clone(), settings, entry, signer: self.signer.clone() }
    }
}

/// Returns whether a client that asks for a host, with its port or without, means a registry's host.
fn is_host(own: &str, asked: &str) -> bool {
    let without_port = asked.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    own == asked || without_port.is_some_and(|(name, _)| own == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_meant_with_any_port_unless_it_names_one() {
        for (own, asked, want) in [
            ("a.example", "a.example", true),
            ("a.example", "a.example:5000", true),
            ("a.example:5000", "a.example:5000", true),
            ("a.example:5000", "a.example", false),
            ("a.example:5000", "a.example:5001", false),
            ("a.example", "b.a.example", false),
            ("a.example", "", false),
        ] {
            assert_eq!(is_host(own, asked), want, "{own} {asked}");
        }
    }
}
