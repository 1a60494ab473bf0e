//! Settings: flags > environment (`PORTWARDEN_*`) > `portwarden.toml` > defaults. Unknown keys are refused.
//!
//! In: the parsed command line and the file. Out: one checked value; every error names the key and what to write instead.

pub mod limits;

use crate::tls::Choice;
use anyhow::{Context, bail};
use limits::Limits;
use model::network::Network;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Common {
    /// Folder for everything that is kept
    #[arg(long, global = true, env = "PORTWARDEN_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// PostgreSQL, as postgres://user:password@host/name (default: SQLite in the data folder)
    #[arg(long, global = true, env = "PORTWARDEN_DATABASE", value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
    /// Blob store: a folder or s3://bucket/prefix (default: blobs in the data folder)
    #[arg(long, global = true, env = "PORTWARDEN_BLOBS", value_name = "URL")]
    pub blobs: Option<String>,
    /// Settings file (default: ./portwarden.toml where it exists)
    #[arg(long, global = true, env = "PORTWARDEN_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log as text or json
    #[arg(long, global = true, env = "PORTWARDEN_LOG", value_name = "text|json")]
    pub log: Option<LogFormat>,
    /// Say less on standard error
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Registry, server and worker in one.
    All,
    /// The embedded registry.
    Registry,
    /// REST and console.
    Server,
    /// Scans.
    Worker,
}

/// What `serve` takes beside the common settings.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeFlags {
    /// Address to listen on [default: 127.0.0.1:5000]
    #[arg(long, env = "PORTWARDEN_LISTEN", value_name = "ADDR")]
    pub listen: Option<String>,
    /// What this process does: all, or some of registry,server,worker
    #[arg(long, env = "PORTWARDEN_ROLE", value_delimiter = ',', value_name = "ROLE")]
    pub role: Vec<Role>,
    /// The address that clients use, where it is not the one listened on
    #[arg(long, env = "PORTWARDEN_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Allow plain HTTP on an address other than loopback
    #[arg(long)]
    pub insecure_http: bool,
    /// TLS: auto (an authority of this installation's own), or the files CERT.pem,KEY.pem, taken up again when they change
    #[arg(long, env = "PORTWARDEN_TLS", value_name = "auto|FILES")]
    pub tls: Option<String>,
    /// Seal the secrets in the database with the key in this file; made if it is not there and nothing is sealed yet [default:
    /// DATA/portwarden.key; with --database none]
    #[arg(long, env = "PORTWARDEN_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Networks of reverse proxies that terminate TLS, as 10.0.0.0/8,…
    #[arg(long, env = "PORTWARDEN_TRUSTED_PROXIES", value_delimiter = ',', value_name = "CIDRS")]
    pub trusted_proxies: Vec<String>,
    /// Never reach out: no feed is fetched
    #[arg(long, env = "PORTWARDEN_OFFLINE")]
    pub offline: bool,
    /// A host in front of the feeds: URL/<upstream host>/<path>
    #[arg(long, env = "PORTWARDEN_FEEDS_BASE", value_name = "URL")]
    pub feeds_base: Option<String>,
    /// Seconds that a worker which says nothing keeps its job [default: 60]
    #[arg(long, env = "PORTWARDEN_LEASE", value_name = "SECONDS", hide = true, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub lease: Option<u64>,
    /// Push a sample image and show its findings
    #[arg(long)]
    pub sample: bool,
    /// Layers read at once [default: one a core]
    #[arg(long, env = "PORTWARDEN_SCANS", value_name = "N")]
    pub scans: Option<usize>,
    /// Refuse to scan where the sandbox is weaker than full
    #[arg(long, env = "PORTWARDEN_REQUIRE_SANDBOX")]
    pub require_sandbox: bool,
}

/// `portwarden.toml`. Every key is also a flag and an environment variable.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileSettings {
    data: Option<PathBuf>,
    database: Option<String>,
    blobs: Option<String>,
    log: Option<LogFormat>,
    listen: Option<String>,
    role: Vec<Role>,
    public_url: Option<String>,
    insecure_http: bool,
    tls: Option<String>,
    key_file: Option<PathBuf>,
    trusted_proxies: Vec<String>,
    offline: bool,
    feeds_base: Option<String>,
    scans: Option<usize>,
    require_sandbox: bool,
    limits: Limits,
}

/// Everything, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder for everything that is kept.
    pub data: PathBuf,
    /// Whether the folder was named, and so must exist for reading commands.
    pub database: Option<String>,
    /// Blob store.
    pub blobs: Option<String>,
    /// How logs are written.
    pub log: LogFormat,
    /// Say less.
    pub quiet: bool,
    /// What `serve` takes.
    pub serve: ServeFlags,
    /// Limits of what is read.
    pub limits: Limits,
}

impl Settings {
    /// Merges the command line (which already holds the environment) with the file.
    pub fn load(common: &Common, serve: Option<&ServeFlags>) -> anyhow::Result<Self> {
        let file = read_file(common.config.as_deref())?;
        let flags = serve.cloned().unwrap_or_default();
        let or = |mine: &[Role], theirs: Vec<Role>| if mine.is_empty() { theirs } else { mine.to_vec() };
        let serve = ServeFlags {
            listen: flags.listen.or(file.listen),
            role: or(&flags.role, file.role),
            public_url: flags.public_url.or(file.public_url),
            insecure_http: flags.insecure_http || file.insecure_http,
            tls: flags.tls.or(file.tls),
            // Every command that opens the data wants the key, not `serve` alone.
            key_file: flags
                .key_file
                .or_else(|| std::env::var_os("PORTWARDEN_KEY_FILE").map(Into::into))
                .or(file.key_file),
            trusted_proxies: if flags.trusted_proxies.is_empty() {
                file.trusted_proxies
            } else {
                flags.trusted_proxies
            },
            offline: flags.offline || file.offline,
            feeds_base: flags.feeds_base.or(file.feeds_base),
            sample: flags.sample,
            lease: flags.lease,
            scans: flags.scans.or(file.scans),
            require_sandbox: flags.require_sandbox || file.require_sandbox,
        };
        Ok(Self {
            data: common.data.clone().or(file.data).unwrap_or_else(|| PathBuf::from("portwarden-data")),
            database: common.database.clone().or(file.database),
            blobs: common.blobs.clone().or(file.blobs),
            log: common.log.or(file.log).unwrap_or(LogFormat::Text),
            quiet: common.quiet,
            serve,
            limits: file.limits,
        })
    }

    /// Where the store keeps things.
    pub fn store(&self) -> store::Settings {
        store::Settings {
            data: self.data.clone(),
            database: self.database.clone(),
            blobs: self.blobs.clone(),
            key_file: self.serve.key_file.clone(),
            usual_key: self.database.is_none(), // processes that share a database may have a data folder each
            lease: self.serve.lease.map(Duration::from_secs),
        }
    }

    /// Where the certificate comes from; `None` = plain HTTP.
    pub fn tls(&self) -> anyhow::Result<Option<Choice>> {
        self.serve.tls.as_deref().map(Choice::parse).transpose()
    }

    /// The address to listen on. Another than loopback wants TLS, a proxy that terminates it, or a clear word.
    pub fn listen(&self) -> anyhow::Result<SocketAddr> {
        let text = self.serve.listen.as_deref().unwrap_or("127.0.0.1:5000");
        let address: SocketAddr = text
            .replace("localhost", "127.0.0.1")
            .parse()
            .with_context(|| format!("listen: {text:?} is not an address; write it as 127.0.0.1:5000 or [::1]:5000"))?;
        let plain = self.tls()?.is_none() && self.serve.trusted_proxies.is_empty() && !self.serve.insecure_http;
        if plain && !address.ip().is_loopback() {
            bail!(
                "listen: {address} can be reached from other machines, and passwords would cross the network in clear text; \
                 say --tls auto or --tls CERT.pem,KEY.pem, put a TLS proxy in front and name it with --trusted-proxies, \
                 or say --insecure-http"
            );
        }
        self.tls()?;
        self.trusted()?;
        Ok(address)
    }

    /// The networks of trusted proxies.
    pub fn trusted(&self) -> anyhow::Result<Vec<Network>> {
        let parse = |text: &String| {
            Network::parse(text)
                .with_context(|| format!("trusted-proxies: {text:?} is not a network; write it as 10.0.0.0/8 or ::1"))
        };
        self.serve.trusted_proxies.iter().map(parse).collect()
    }

    /// Whether this process takes a role.
    pub fn has_role(&self, role: Role) -> bool {
        let roles = &self.serve.role;
        roles.is_empty() || roles.contains(&Role::All) || roles.contains(&role)
    }
}

fn read_file(named: Option<&Path>) -> anyhow::Result<FileSettings> {
    let path = named.unwrap_or(Path::new("portwarden.toml"));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && named.is_none() => return Ok(FileSettings::default()),
        Err(e) => return Err(e).with_context(|| format!("cannot read the settings file {}", path.display())),
    };
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
        let line = before.lines().count().max(1);
        anyhow::anyhow!(
            "{} has a setting that is not understood, line {line}: {}",
            path.display(),
            error.message().replace('\n', ", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(listen: &str, insecure: bool, proxies: &[&str], tls: Option<&str>) -> Settings {
        Settings {
            data: PathBuf::new(),
            database: None,
            blobs: None,
            log: LogFormat::Text,
            quiet: false,
            serve: ServeFlags {
                listen: Some(listen.into()),
                insecure_http: insecure,
                tls: tls.map(str::to_owned),
                trusted_proxies: proxies.iter().map(|p| (*p).to_owned()).collect(),
                ..ServeFlags::default()
            },
            limits: Limits::default(),
        }
    }

    #[test]
    fn an_open_address_wants_tls_a_proxy_or_a_clear_word() {
        for (listen, insecure, proxies, tls, ok) in [
            ("127.0.0.1:5000", false, &[][..], None, true),
            ("localhost:5000", false, &[], None, true),
            ("[::1]:5000", false, &[], None, true),
            ("0.0.0.0:5000", false, &[], None, false),
            ("0.0.0.0:5000", true, &[], None, true),
            ("0.0.0.0:5000", false, &["10.0.0.0/8"], None, true),
            ("0.0.0.0:5000", false, &["10.0.0.0/33"], None, false),
            ("0.0.0.0:5000", false, &[], Some("auto"), true),
            ("0.0.0.0:5000", false, &[], Some("a.pem,b.pem"), true),
            ("127.0.0.1:5000", false, &[], Some("a.pem"), false),
            ("127.0.0.1:5000", false, &[], Some("a,b,c"), false),
            ("5000", false, &[], None, false),
        ] {
            let settings = settings(listen, insecure, proxies, tls);
            assert_eq!(settings.listen().is_ok(), ok, "{listen} {insecure} {proxies:?} {tls:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_and_named() {
        let error = toml::from_str::<FileSettings>("lisen = \"127.0.0.1:1\"").unwrap_err().to_string();
        assert!(error.contains("lisen") && error.contains("listen"), "{error}");
        assert!(toml::from_str::<FileSettings>("[limits]\nentries = 5").is_ok());
        let error = toml::from_str::<FileSettings>("[limits]\nentires = 5").unwrap_err().to_string();
        assert!(error.contains("entires") && error.contains("entries"), "{error}");
    }
}
