//! TLS on the one port: which certificate is shown, and when it is replaced.
//!
//! In: `--tls auto`, or the files of a certificate and its key. Out: a configuration of TLS that always shows the newest good
//! certificate: own ones are made anew before they expire, files are read again when they change. A file that is wrong while
//! the server runs changes nothing but the log.

mod dates;
mod handshake;
mod own;

pub use handshake::shake;
pub use own::Authority;

use anyhow::{Context, bail};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::Instant;

/// How often files are compared with what is in use: an operator who replaces them looks at once.
const LOOK: Duration = Duration::from_secs(5);
/// How long before its end a certificate of files is warned of, and an own one replaced.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often an end that is near is said again.
const REMIND: Duration = Duration::from_secs(24 * 3600);

/// Where certificate and key come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// From an authority of this installation's own.
    Auto,
    /// From files that somebody else renews.
    Files {
        /// The certificate, and those between it and its authority; PEM.
        certificate: PathBuf,
        /// Its key; PEM.
        key: PathBuf,
    },
}

impl Choice {
    /// Reads `auto` or `CERT.pem,KEY.pem`.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        match text.split_once(',') {
            Some((certificate, key)) if !certificate.is_empty() && !key.is_empty() && !key.contains(',') => {
                Ok(Self::Files { certificate: certificate.into(), key: key.into() })
            }
            _ => bail!("tls: {text:?} is neither auto nor two files; write it as CERT.pem,KEY.pem"),
        }
    }
}

/// The certificate in use.
pub struct Certificate {
    source: Source,
    current: RwLock<Arc<CertifiedKey>>,
    /// The bytes of both files that were looked at last, good or not.
    seen: Mutex<(Vec<u8>, Vec<u8>)>,
}

enum Source {
    Own(Box<Authority>),
    Files { certificate: PathBuf, key: PathBuf },
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate")
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl Certificate {
    /// Reads the files, or makes a certificate for `names` by the authority of a data folder.
    pub fn open(choice: &Choice, data: &Path, names: Vec<String>) -> anyhow::Result<Arc<Self>> {
        let (source, key, seen) = match choice {
            Choice::Auto => {
                let authority = Authority::open(data, names)?;
                let key = authority.certificate()?;
                (Source::Own(Box::new(authority)), key, Default::default())
            }
            Choice::Files { certificate, key } => {
                let bytes = read(certificate, key)?;
                let pair = pair(&bytes, certificate, key)?;
                (Source::Files { certificate: certificate.clone(), key: key.clone() }, pair, bytes)
            }
        };
        let opened = Self { source, current: RwLock::new(Arc::new(key)), seen: Mutex::new(seen) };
        opened.warn();
        Ok(Arc::new(opened))
    }

    /// The own authority, unless files are used.
    pub fn authority(&self) -> Option<&Authority> {
        match &self.source {
            Source::Own(authority) => Some(authority),
            Source::Files { .. } => None,
        }
    }

    /// What the port speaks: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    pub fn config(self: &Arc<Self>) -> anyhow::Result<Arc<ServerConfig>> {
        let versions =
            ServerConfig::builder_with_provider(Arc::new(provider())).with_safe_default_protocol_versions()?;
        let mut config = versions.with_no_client_auth().with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Keeps the certificate fresh, for ever.
    pub async fn follow(self: Arc<Self>) {
        let mut said = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            let this = self.clone();
            let looked = tokio::task::spawn_blocking(move || this.look()).await;
            if let Ok(Err(error)) = looked {
                let error = crate::output::chain(&error);
                tracing::warn!(error, "the certificate stays as it was");
            }
            if said.elapsed() >= REMIND {
                said = Instant::now();
                self.warn();
            }
        }
    }

    /// Replaces the certificate where there is a newer one, or its end is near. An error is told once for one state of the files.
    fn look(&self) -> anyhow::Result<()> {
        let newer = match &self.source {
            Source::Own(authority) if self.ends_within(SOON) => authority.certificate()?,
            Source::Own(_) => return Ok(()),
            Source::Files { certificate, key } => {
                // Files that are away for a moment are being replaced.
                let Ok(bytes) = read(certificate, key) else { return Ok(()) };
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                if *seen == bytes {
                    return Ok(());
                }
                seen.clone_from(&bytes);
                pair(&bytes, certificate, key)?
            }
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(newer);
        tracing::info!("a new certificate is in use");
        self.warn();
        Ok(())
    }

    fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn ends_within(&self, span: Duration) -> bool {
        let end = self.current().cert.first().and_then(|der| dates::end(der));
        end.is_some_and(|end| end <= crate::clock::now().saturating_add(span))
    }

    /// Says that a certificate is over, or soon will be.
    fn warn(&self) {
        let Some(end) = self.current().cert.first().and_then(|der| dates::end(der)) else { return };
        let now = crate::clock::now();
        if end <= now {
            tracing::warn!(
                ended = end.rfc3339(),
                "the TLS certificate has expired: clients will refuse it; put a new one in its place"
            );
        } else if matches!(self.source, Source::Files { .. }) && end <= now.saturating_add(SOON) {
            tracing::warn!(
                ends = end.rfc3339(),
                "the TLS certificate expires soon; put a new one in its place, it is taken up by itself"
            );
        }
    }
}

/// The names that a certificate of one's own is for: this machine's, and the address that clients use.
pub fn names(listen: IpAddr, public_url: Option<&str>) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy().to_ascii_lowercase();
    let named = public_url.map(host).unwrap_or_default();
    let listen = if listen.is_unspecified() { String::new() } else { listen.to_string() };
    for name in [machine, named, listen] {
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b));
        if is_name && !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Returns the host of an address: `https://user@registry.example:5000/x` has `registry.example`.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = match rest.strip_prefix('[') {
        Some(inside) => inside.split(']').next().unwrap_or_default(),
        None => rest.split(':').next().unwrap_or_default(),
    };
    host.to_ascii_lowercase()
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

fn read(certificate: &Path, key: &Path) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let read = |what, path: &Path| {
        std::fs::read(path).with_context(|| format!("tls: cannot read the {what} {}", path.display()))
    };
    Ok((read("certificate", certificate)?, read("key", key)?))
}

/// Reads a certificate and its key; fails when they do not belong together.
fn pair(bytes: &(Vec<u8>, Vec<u8>), certificate: &Path, key: &Path) -> anyhow::Result<CertifiedKey> {
    let (certificate, key) = (certificate.display(), key.display());
    let chain = CertificateDer::pem_slice_iter(&bytes.0).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.with_context(|| {
        format!("tls: {certificate} holds no certificate; it must be PEM, with a line -----BEGIN CERTIFICATE-----")
    })?;
    let private = PrivateKeyDer::from_pem_slice(&bytes.1).ok().with_context(|| {
        format!("tls: {key} holds no private key; it must be PEM without a passphrase, with a line -----BEGIN PRIVATE KEY-----")
    })?;
    match CertifiedKey::from_der(chain, private, &provider()) {
        Ok(pair) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => {
            bail!(
                "tls: the key in {key} is not that of the certificate in {certificate}; name the two that belong together"
            )
        }
        Err(error) => bail!("tls: the certificate in {certificate} cannot be used with the key in {key}: {error}"),
    }
}

#[cfg(test)]
mod tests;
