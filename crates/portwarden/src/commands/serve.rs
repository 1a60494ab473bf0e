//! `portwarden serve`: registry, server and worker on one port, or some of them.
//!
//! In: settings. Out: a process that listens until it is told to stop, then drains.

use super::{Exit, greeting, local, sample, stop};
use crate::connections;
use crate::settings::{Role, Settings};
use crate::tls::{self, Certificate};
use anyhow::Context;
use axum::Router;
use model::Micros;
use model::advisory::FeedState;
use scan::{Knowledge, Layers, Workers, feeds};
use server::{DatabaseView, FeedView, Handle, Parts, notices};
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the live feeds are asked.
const FEEDS_EVERY: Duration = Duration::from_secs(3600);
/// How often another process's generation is looked for.
const LOOK: Duration = Duration::from_secs(2);
/// How often it is asked what other processes know of the feeds.
const TOLD: Duration = Duration::from_secs(5);
/// For how long it is known when the feeds were asked last.
const SEEN: Duration = Duration::from_secs(10);

/// Runs the command.
pub async fn run(settings: &Settings) -> anyhow::Result<Exit> {
    let address = settings.listen().map_err(|e| stop(Exit::Usage, crate::output::chain(&e)))?;
    let web = settings.has_role(Role::Registry) || settings.has_role(Role::Server);
    let listener = if web { Some(bind(address).await?) } else { None };
    let store = local::open(settings).await?;
    let _roles = claim_roles(settings)?;
    let made = store.ensure_admin(std::env::var("PORTWARDEN_ADMIN_PASSWORD").ok().as_deref()).await?;
    let knowledge = local::knowledge(settings)?;
    let shutdown = CancellationToken::new();
    let handle = Handle::default();
    let mut tasks = tokio::task::JoinSet::new();

    if settings.has_role(Role::Server) {
        tasks.spawn(handle.clone().follow(store.clone()));
    }
    tasks.spawn(knowledge.clone().watch(LOOK));
    let layers = Layers::new(store.clone(), local::sandbox(settings));
    let mut working = Vec::new();
    if settings.has_role(Role::Worker) {
        let workers =
            Workers { at_a_time: settings.serve.scans.unwrap_or(Workers::default().at_a_time), ..Workers::default() };
        working.push(tokio::spawn(scan::worker(layers.clone(), knowledge.clone(), workers, shutdown.clone())));
        tasks.spawn(scan::follow_generations(store.clone(), knowledge.clone(), shutdown.clone()));
        spawn_feeds(&mut tasks, settings, knowledge.clone(), shutdown.clone());
    }
    if settings.has_role(Role::Worker) || settings.has_role(Role::Server) {
        working.push(tokio::spawn(notices::send(store.clone(), crate::clock::now, shutdown.clone())));
    }
    // Uploads come by pushes, and by the imports of workers.
    if settings.has_role(Role::Registry) || settings.has_role(Role::Worker) {
        tasks.spawn(scan::early_reader(layers, shutdown.clone()));
    }

    let Some(listener) = listener else {
        tracing::info!(sandbox = %scan::sandbox::tier(), "worker started; no port is open");
        signal().await;
        let exit = drain(shutdown, working, tasks).await;
        flush(&store).await;
        return Ok(exit);
    };
    let bound = listener.local_addr().context("the listening socket has no address")?;
    let certificate = certificate(settings, bound)?;
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let url = settings.serve.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}", shown(bound)));
    let parts = parts(settings, &store, &handle, &knowledge, &url);
    let parts = following(parts, &mut tasks);
    let app = router(settings, &store, &parts).await?;
    if settings.has_role(Role::Server) {
        tasks.spawn(notices::follow(parts, shutdown.clone()));
    }
    greeting::greet(settings, &url, made.as_deref(), certificate.as_deref().and_then(Certificate::authority));
    if settings.serve.sample {
        tasks.spawn(sample::show(settings.clone(), store.clone(), handle.clone(), url.clone(), made));
    }
    if let Some(certificate) = &certificate {
        tasks.spawn(certificate.clone().follow());
    }
    serve_until_told(settings, listener, certificate, app, &shutdown).await?;
    let exit = drain(shutdown, working, tasks).await;
    flush(&store).await;
    Ok(exit)
}

/// Serves until a signal comes; requests under way have half a minute then.
async fn serve_until_told(
    settings: &Settings,
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    app: Router,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let stopped = shutdown.clone();
    tokio::spawn(async move {
        signal().await;
        stopped.cancel();
    });
    tokio::select! {
        result = serve(settings, listener, certificate, app, shutdown.clone()) => result?,
        () = async { shutdown.cancelled().await; tokio::time::sleep(Duration::from_secs(30)).await } => {}
    }
    Ok(())
}

/// Writes the lines of the resource logs that still wait.
async fn flush(store: &Store) {
    if let Err(error) = store.close_logs().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the last lines of the resource logs are lost");
    }
}

/// Makes sure that no other process on this machine has one of the roles on this data folder; the files keep it so while they
/// are open. On PostgreSQL processes may share a folder and a role.
fn claim_roles(settings: &Settings) -> anyhow::Result<Vec<File>> {
    let mut held = Vec::new();
    for (role, name) in [(Role::Registry, "registry"), (Role::Server, "server"), (Role::Worker, "worker")] {
        if settings.database.is_some() || !settings.has_role(role) {
            continue;
        }
        let path = settings.data.join(format!("lock.{name}"));
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| format!("cannot use {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => held.push(file),
            Err(TryLockError::WouldBlock) => {
                let text = format!(
                    "another `portwarden serve` has the role {name} on {}; stop it, give this one other roles with --role, or another folder with --data",
                    settings.data.display()
                );
                return Err(stop(Exit::Usage, text));
            }
            Err(TryLockError::Error(why)) => {
                return Err(why).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
    }
    Ok(held)
}

/// Serves until the end is asked for, and requests under way are answered.
async fn serve(
    settings: &Settings,
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    app: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let acceptor = certificate.map(|certificate| certificate.config()).transpose()?.map(TlsAcceptor::from);
    let limits = connections::Limits::of(&settings.limits);
    connections::serve(listener, acceptor, app, limits, settings.trusted()?.into(), shutdown).await;
    Ok(())
}

/// The certificate to show, if TLS is asked for.
fn certificate(settings: &Settings, bound: SocketAddr) -> anyhow::Result<Option<Arc<Certificate>>> {
    let Some(choice) = settings.tls()? else { return Ok(None) };
    let names = tls::names(bound.ip(), settings.serve.public_url.as_deref());
    let opened = Certificate::open(&choice, &settings.data, names);
    opened.map(Some).map_err(|e| stop(Exit::Usage, crate::output::chain(&e)))
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| {
        let hint = match e.kind() {
            std::io::ErrorKind::AddrInUse if cfg!(target_os = "macos") && address.port() == 5000 => {
                "port 5000 is taken, on macOS usually by the AirPlay receiver (System Settings > General > AirDrop & Handoff); \
                 or choose another with --listen 127.0.0.1:5001"
            }
            std::io::ErrorKind::AddrInUse => "the port is taken by another process; stop it, or choose another with --listen 127.0.0.1:5001",
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need more rights; choose another with --listen 127.0.0.1:5000",
            std::io::ErrorKind::AddrNotAvailable => "this machine has no such address; see `ip address`",
            _ => "choose another address with --listen",
        };
        stop(Exit::Usage, format!("cannot listen on {address}: {e}; {hint}"))
    })
}

fn parts(settings: &Settings, store: &Store, handle: &Handle, knowledge: &Knowledge, url: &str) -> Parts {
    Parts {
        store: store.clone(),
        index: handle.clone(),
        database: database(knowledge, &settings.data),
        public_url: url.trim_end_matches('/').into(),
        now: crate::clock::now,
        system: Arc::new(super::system::teller(settings, store, handle)),
        sample: super::sample::image_or_none,
    }
}

async fn router(settings: &Settings, store: &Store, parts: &Parts) -> anyhow::Result<Router> {
    let mut app = Router::new();
    if settings.has_role(Role::Server) {
        app = app.merge(server::router(parts.clone()));
    }
    if settings.has_role(Role::Registry) {
        let chosen =
            registry::Settings { public_url: settings.serve.public_url.clone(), ..registry::Settings::default() };
        app = app.merge(registry::router(store.clone(), chosen).await?);
    }
    let trusted: Arc<[model::network::Network]> = settings.trusted()?.into();
    Ok(app.layer(axum::middleware::from_fn_with_state(trusted, crate::proxy::peer)))
}

/// What says which advisory database is in force, as surfaces show it, with its feeds as they were asked last.
pub fn database(knowledge: &Knowledge, data: &Path) -> Arc<dyn Fn() -> DatabaseView + Send + Sync> {
    let (current, data, seen) = (knowledge.clone(), data.to_owned(), Seen::default());
    Arc::new(move || {
        let database = current.current();
        view(&database, seen.feeds(&database, &data))
    })
}

/// Lets surfaces show what is in force for the whole installation, which another process may have built, and whose feeds it asks.
fn following(parts: Parts, tasks: &mut tokio::task::JoinSet<()>) -> Parts {
    let (own, store) = (Arc::clone(&parts.database), parts.store.clone());
    let (told, known) = tokio::sync::watch::channel(None::<DatabaseView>);
    tasks.spawn(async move {
        loop {
            match DatabaseView::in_force(own(), &store).await {
                Ok(view) => drop(told.send_replace(Some(view))),
                Err(error) => tracing::debug!(error = crate::output::chain(&error.into()), "the feeds are not known"),
            }
            tokio::time::sleep(TOLD).await;
        }
    });
    let own = Arc::clone(&parts.database);
    let database = Arc::new(move || {
        let (held, known) = (own(), known.borrow());
        match &*known {
            Some(known) if known.generation >= held.generation => known.clone(),
            _ => held,
        }
    });
    Parts { database, ..parts }
}

fn view(database: &advisory::Database, feeds: Vec<FeedState>) -> DatabaseView {
    let when = |at: Micros| (at.0 != 0).then(|| at.rfc3339());
    let feed =
        |f: FeedState| FeedView { records: f.records, date: when(f.date), fetched: when(f.fetched), name: f.name };
    DatabaseView {
        generation: database.generation(),
        content_hash: database.content_hash().to_owned(),
        built: when(database.built()),
        starter_only: database.starter_only(),
        feeds: feeds.into_iter().map(feed).collect(),
    }
}

/// The feeds as they were asked last, looked up again after a while: every page shows how old they are.
#[derive(Default)]
struct Seen(Mutex<Option<(Instant, i64, Vec<FeedState>)>>);

impl Seen {
    fn feeds(&self, database: &advisory::Database, data: &Path) -> Vec<FeedState> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = database.generation();
        if let Some((at, of, feeds)) = &*seen
            && at.elapsed() < SEEN
            && *of == generation
        {
            return feeds.clone();
        }
        let feeds = scan::feeds::feeds_of(database, data);
        *seen = Some((Instant::now(), generation, feeds.clone()));
        feeds
    }
}

/// Fetches the live feeds in the background, now and every hour, unless told to stay offline.
fn spawn_feeds(
    tasks: &mut tokio::task::JoinSet<()>,
    settings: &Settings,
    knowledge: Knowledge,
    shutdown: CancellationToken,
) {
    if settings.serve.offline {
        tracing::info!(
            "offline: feeds are not fetched; use `portwarden db update --from DIR` or `portwarden db import FILE`"
        );
        return;
    }
    let base = match settings.serve.feeds_base.as_deref().map(str::parse).transpose() {
        Ok(base) => base,
        Err(_) => {
            tracing::error!("feeds-base is not a URL; feeds are not fetched");
            return;
        }
    };
    let options = feeds::Options { base, ..feeds::Options::default() };
    let data = settings.data.clone();
    tasks.spawn(async move {
        loop {
            tracing::info!("fetching the advisory feeds in the background");
            match fetch(options.clone(), data.clone()).await {
                Ok(updated) => fetched(&updated, &knowledge),
                Err(error) => {
                    let error = crate::output::chain(&error);
                    tracing::warn!(error, "feeds could not be fetched; scans go on with what is there");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(FEEDS_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    });
}

fn fetched(updated: &feeds::Updated, knowledge: &Knowledge) {
    for feed in updated.feeds.iter().filter(|f| f.trouble.is_some()) {
        tracing::warn!(feed = feed.state.name, trouble = feed.trouble, "a feed keeps its last good copy");
    }
    tracing::info!(generation = updated.generation, changed = updated.changed, "advisory database");
    if let Err(error) = knowledge.refresh() {
        tracing::warn!(error = &error as &dyn std::error::Error, "the new database cannot be opened");
    }
}

/// Updates on a thread of its own: building a database is work for a processor, and must not hold up requests.
async fn fetch(options: feeds::Options, data: std::path::PathBuf) -> anyhow::Result<feeds::Updated> {
    let runtime = tokio::runtime::Handle::current();
    let update = tokio::task::spawn_blocking(move || runtime.block_on(feeds::update(&options, &data)));
    Ok(update.await??)
}

fn shown(address: SocketAddr) -> String {
    if address.ip().is_loopback() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

async fn signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
            let _ = interrupt.await;
            return;
        };
        tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
    }
    #[cfg(not(unix))]
    let _ = interrupt.await;
}

/// Lets what is under way finish; what does not in time is taken up by the next start.
async fn drain(shutdown: CancellationToken, working: Vec<JoinHandle<()>>, mut tasks: tokio::task::JoinSet<()>) -> Exit {
    shutdown.cancel();
    tracing::info!("stopping");
    let ended = tokio::time::timeout(Duration::from_secs(25), async {
        for working in working {
            let _ = working.await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        tasks.abort_all();
        while tasks.join_next().await.is_some() {}
    })
    .await;
    if ended.is_err() {
        tracing::warn!("some work did not end in time; the next start takes it up");
    }
    Exit::Clean
}
