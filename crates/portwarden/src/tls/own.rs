//! The certificate authority of an installation.
//!
//! In: the data folder, and the names under which clients come. Out: `DATA/tls/ca.crt`, which clients trust, and certificates
//! signed with `DATA/tls/ca-key.pem`, which never leaves the folder. A certificate and its key live in memory only: each process
//! makes its own, and another before it expires.

use anyhow::{Context, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long the authority lasts: whoever trusts it does so once.
const AUTHORITY: u32 = 3650;
/// The authority's certificate is made anew, with the same key, when less than this is left.
const AUTHORITY_LEFT: u32 = 365;
/// How long a certificate lasts; it is replaced after two thirds of that.
const CERTIFICATE: u32 = 90;
/// A client's clock may be behind by this.
const BEHIND: u32 = 1;

/// A certificate authority that only this installation's clients trust.
pub struct Authority {
    file: PathBuf,
    names: Vec<String>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Opens the authority of a data folder, made when it is first asked for; `names` are those its certificates are for.
    pub fn open(data: &Path, names: Vec<String>) -> anyhow::Result<Self> {
        let folder = data.join("tls");
        let (file, key_file) = (folder.join("ca.crt"), folder.join("ca-key.pem"));
        let key = key(&folder, &key_file)?;
        let params = authority(&key)?;
        if !is_of(&file, &key) {
            let made = params.self_signed(&key).context("tls: cannot make the certificate of the authority")?;
            put(&folder, &file, made.pem().as_bytes(), 0o644, true)?;
        }
        Ok(Self { file, names, issuer: Issuer::new(params, key) })
    }

    /// The file that clients have to trust.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Makes a certificate for the names, with a key of its own.
    pub fn certificate(&self) -> anyhow::Result<CertifiedKey> {
        let key = KeyPair::generate().context("tls: cannot make a key")?;
        let mut params = CertificateParams::new(self.names.clone())
            .with_context(|| format!("tls: no certificate can be made for {}", self.names.join(", ")))?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Portwarden");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        last(&mut params, CERTIFICATE);
        let made = params.signed_by(&key, &self.issuer).context("tls: cannot make a certificate")?;
        let private = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|why| anyhow::anyhow!("tls: the key that was made cannot be used: {why}"))?;
        Ok(CertifiedKey::from_der(vec![made.der().clone()], private, &super::provider())?)
    }
}

/// Reads the authority's key; makes it if there is none. Of two processes that make one at a time, the first one's counts.
fn key(folder: &Path, file: &Path) -> anyhow::Result<KeyPair> {
    if !file.exists() {
        let made = KeyPair::generate().context("tls: cannot make a key")?;
        put(folder, file, made.serialize_pem().as_bytes(), 0o600, false)?;
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("tls: cannot read {}", file.display()))?;
    let mode = std::fs::metadata(file).map_or(0, |m| m.permissions().mode());
    if mode & 0o077 != 0 {
        bail!(
            "tls: others can read {0}, the key of the certificate authority; `chmod 600 {0}`, or delete it and trust the next one",
            file.display()
        );
    }
    KeyPair::from_pem(&text).with_context(|| {
        format!(
            "tls: {} is no private key; delete it, and clients have to trust the authority made anew",
            file.display()
        )
    })
}

fn authority(key: &KeyPair) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    // The name comes from the key, so that authorities of two installations are told apart, and this one finds its name again.
    let name = model::Digest::sha256(key.public_key_raw()).hex().chars().take(8).collect::<String>();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Portwarden authority {name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    last(&mut params, AUTHORITY);
    Ok(params)
}

/// Lets a certificate last some days from now.
fn last(params: &mut CertificateParams, days: u32) {
    let now = u64::try_from(crate::clock::now().0 / 1_000_000).unwrap_or(0);
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now);
    params.not_before = now - DAY * BEHIND;
    params.not_after = now + DAY * days;
}

/// Returns whether a file holds the certificate of this key, for some time to come.
fn is_of(file: &Path, key: &KeyPair) -> bool {
    let Ok(certificate) = CertificateDer::from_pem_file(file) else { return false };
    let soon = crate::clock::now().saturating_add(DAY * AUTHORITY_LEFT);
    let lasts = super::dates::end(&certificate).is_some_and(|end| end > soon);
    // A certificate holds its key's bytes as they are.
    let own = key.public_key_raw();
    lasts && certificate.windows(own.len().max(1)).any(|bytes| bytes == own)
}

/// Writes a file as a whole: nobody sees half of it, and not before it has its mode.
fn put(folder: &Path, file: &Path, bytes: &[u8], mode: u32, replace: bool) -> anyhow::Result<()> {
    let failed = || format!("tls: cannot write {}", file.display());
    std::fs::create_dir_all(folder).with_context(failed)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o700)).with_context(failed)?;
    let made = folder.join(format!("new-{}", uuid::Uuid::new_v4().simple()));
    let written = (|| {
        use std::os::unix::fs::OpenOptionsExt;
        let mut new = File::options().write(true).create_new(true).mode(mode).open(&made)?;
        new.write_all(bytes)?;
        new.sync_all()?;
        if replace { std::fs::rename(&made, file) } else { std::fs::hard_link(&made, file) }
    })();
    let _ = std::fs::remove_file(&made);
    match written {
        Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists && !replace => Ok(()),
        done => done.with_context(failed),
    }
}
