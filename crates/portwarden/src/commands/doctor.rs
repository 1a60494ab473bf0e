//! `portwarden doctor`: says in plain words what is wrong with this installation and what to do.

use super::{Exit, local};
use crate::output;
use crate::settings::Settings;
use fleet::{Index, Query};
use model::Micros;
use model::facts::{Id, Snapshot};
use scan::feeds;
use server::Handle;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use store::{Room, Space, Store};

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Compare the index with a plain join of the facts, and follow the chain of the audit
    #[arg(long)]
    pub verify: bool,
}

/// How one check went.
enum Check {
    /// Fine.
    Good(String),
    /// Works, but not as it should.
    Warn(String),
    /// Does not work.
    Bad(String),
}

type Named = (&'static str, Check);

/// What can be said of this machine without asking the store.
fn machine(settings: &Settings) -> Vec<Named> {
    vec![("sandbox", sandbox()), ("data folder", folder(&settings.data)), ("advisories", advisories(settings))]
}

/// What can be said of what is kept.
async fn kept(settings: &Settings, store: &Store, index: &Handle) -> Vec<Named> {
    let counted =
        index.ask(|index| Ok(counted(index).0)).unwrap_or_else(|_| Check::Warn("the index is not built yet".into()));
    let mut checks = vec![("store", counted), ("secrets", secrets(settings, store)), ("scanner", scanner(store).await)];
    checks.push(("queue", queue(store).await));
    checks.extend(told_feeds(store).await.map(|check| ("feeds", check)));
    checks
}

/// The same as the console shows it.
pub async fn views(settings: &Settings, store: &Store, index: &Handle) -> Vec<server::CheckView> {
    let this = settings.clone(); // it asks the disk
    let mut checks = tokio::task::spawn_blocking(move || machine(&this)).await.unwrap_or_default();
    checks.extend(kept(settings, store, index).await);
    let view = |(name, check): Named| {
        let (state, text) = match check {
            Check::Good(text) => ("ok", text),
            Check::Warn(text) => ("warn", text),
            Check::Bad(text) => ("bad", text),
        };
        server::CheckView { name: name.to_owned(), state, text }
    };
    checks.into_iter().map(view).collect()
}

/// Runs the command.
pub async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut checks = machine(settings);
    match opened(settings).await {
        Ok((store, index)) => {
            checks.extend(kept(settings, &store, &index).await);
            if arguments.verify {
                checks.extend([("index", joined(&store).await), ("audit", audit(&store).await)]);
            }
        }
        Err(why) => checks.push(("store", why)),
    }
    let mut worst = Exit::Clean;
    for (name, check) in &checks {
        let (mark, text) = match check {
            Check::Good(text) => ("ok  ", text),
            Check::Warn(text) => ("warn", text),
            Check::Bad(text) => {
                worst = Exit::Usage;
                ("BAD ", text)
            }
        };
        println!("{mark}  {name:<12} {text}");
    }
    Ok(worst)
}

/// The store and its index; without data there is neither, and that is no fault.
async fn opened(settings: &Settings) -> Result<(Store, Handle), Check> {
    let store = local::store(settings).await.map_err(|e| Check::Warn(output::chain(&e)))?;
    let index = Handle::default();
    index.catch_up(&store).await.map_err(|e| Check::Bad(output::chain(&e.into())))?;
    Ok((store, index))
}

fn sandbox() -> Check {
    let tier = scan::sandbox::tier();
    if tier.is_full() {
        return Check::Good(format!("{tier}: layers are read without files, network or rights"));
    }
    Check::Warn(format!(
        "{tier}: a newer kernel (6.12 or later) with Landlock and seccomp gives the full sandbox; scans say which tier was in force"
    ))
}

fn folder(data: &Path) -> Check {
    if !data.exists() {
        return Check::Warn(format!("{} does not exist yet; `portwarden serve` makes it", data.display()));
    }
    let probe = data.join(format!(".probe-{}", uuid::Uuid::new_v4().simple()));
    let written = std::fs::write(&probe, b"probe").and_then(|()| std::fs::remove_file(&probe));
    match (written, Space::of(data)) {
        (Err(e), _) => {
            Check::Bad(format!("{} is not writable ({e}); give it to the user that runs portwarden", data.display()))
        }
        (Ok(()), Some(space)) => {
            let left = format!("{}: {} of {} free", data.display(), size(space.free), size(space.total));
            match space.room() {
                Room::Enough => Check::Good(format!("{} is writable, {} free", data.display(), size(space.free))),
                Room::Little => Check::Warn(format!("{left}; scans wait until there is more: give it a larger volume")),
                Room::None => Check::Bad(format!("{left}; pushes are refused: give it a larger volume")),
            }
        }
        (Ok(()), None) => Check::Good(format!("{} is writable", data.display())),
    }
}

fn size(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

fn advisories(settings: &Settings) -> Check {
    let status = match feeds::status(&settings.data) {
        Ok(status) => status,
        Err(e) => return Check::Bad(format!("{}; run `portwarden db update`", output::chain(&e.into()))),
    };
    if status.generation == 0 && settings.database.is_some() {
        return Check::Good(
            "none in this folder; the line `feeds` says which are in force, if workers fetched any".into(),
        );
    }
    if status.generation == 0 {
        return Check::Warn(
            "only the built-in starter advisories; run `portwarden db update`, or let the server reach the feeds"
                .into(),
        );
    }
    let age = crate::clock::now().saturating_since(status.built);
    let trouble: Vec<String> =
        status.feeds.iter().filter(|f| f.trouble.is_some()).map(|f| f.state.name.clone()).collect();
    let text = format!(
        "generation {}, {} vulnerabilities, built {} ago",
        status.generation,
        status.vulnerabilities,
        span(age)
    );
    if !trouble.is_empty() {
        return Check::Warn(format!("{text}; feeds in trouble: {} (see `portwarden db status`)", trouble.join(", ")));
    }
    if age > Duration::from_secs(48 * 3600) {
        return Check::Warn(format!("{text}; older than 48 hours: run `portwarden db update`"));
    }
    Check::Good(text)
}

fn span(age: Duration) -> String {
    match age.as_secs() {
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}

/// The identity of the scanner in the resource logs, and the registries that keep it out.
async fn scanner(store: &Store) -> Check {
    let found = async { Ok::<_, store::Error>((store.scanner_identity().await?, store.registries().await?)) }.await;
    let (identity, registries) = match found {
        Ok(found) => found,
        Err(e) => return Check::Bad(output::chain(&e.into())),
    };
    let text = format!("{identity} in the resource logs");
    let closed = registries.iter().filter(|registry| !registry.network.admits_scanner());
    let closed: Vec<&str> = closed.map(|registry| registry.name.as_str()).collect();
    if closed.is_empty() {
        return Check::Good(text);
    }
    Check::Warn(format!(
        "{text}; network rules keep it out of {}: `portwarden registry network set NAME --allow-trusted-services true`",
        closed.join(", ")
    ))
}

/// What an index holds, and how many findings that are.
fn counted(index: &Index) -> (Check, u64) {
    let query = Query { limit: 1, now: crate::clock::now(), ..Query::default() };
    let Ok(counts) = index.counts(&query) else { return (Check::Bad("the index does not answer".into()), 0) };
    let found = counts.tally.findings() + counts.tally.hidden;
    (Check::Good(format!("{} images, {found} findings, revision {}", counts.images, index.revision())), found)
}

/// Whether an index counts what the facts say. Rules and plans are a view of the join: both are asked without them.
async fn joined(store: &Store) -> Check {
    let mut snapshot = match store.snapshot().await {
        Ok(snapshot) => snapshot,
        Err(e) => return Check::Bad(output::chain(&e.into())),
    };
    snapshot.rules.clear();
    snapshot.plans.clear();
    let (check, found) = counted(&Index::build(&snapshot));
    match plain(&snapshot) {
        _ if matches!(check, Check::Bad(_)) => check,
        plain if plain == found => Check::Good(format!("a plain join of the facts counts the same {plain} findings")),
        plain => Check::Bad(format!(
            "{found} findings, and a plain join of the facts counts {plain}: restart the server, and report it"
        )),
    }
}

/// What the secrets in the database are sealed with.
fn secrets(settings: &Settings, store: &Store) -> Check {
    let kept = settings.store();
    match (&kept.key_file, store.is_sealing(), kept.usual_key) {
        (Some(file), ..) => Check::Good(format!("sealed with {}", file.display())),
        (None, true, _) => Check::Good(format!(
            "sealed with {}: a copy of the database alone opens nothing, a copy of the folder does; --key-file keeps the key elsewhere",
            settings.data.join("portwarden.key").display()
        )),
        (None, false, true) => Check::Warn(
            "sealed with a key that this command does not know; name it by PORTWARDEN_KEY_FILE, or key_file in the configuration".into(),
        ),
        (None, false, false) => Check::Warn(
            "not sealed, or with a key that this command does not know; name one file for every process by --key-file or PORTWARDEN_KEY_FILE".into(),
        ),
    }
}

/// How long jobs wait, and whether the re-match comes to its end.
async fn queue(store: &Store) -> Check {
    let queue = match store.queue().await {
        Ok(queue) => queue,
        Err(e) => return Check::Bad(output::chain(&e.into())),
    };
    let troubles = server::queue::troubles(&queue, crate::clock::now());
    if troubles.is_empty() {
        return Check::Good(format!("{} waiting, {} running", queue.waiting, queue.running));
    }
    let said = |trouble: &server::queue::Trouble| format!("{} {}", output::visible(&trouble.what), trouble.remedy);
    Check::Warn(troubles.iter().map(said).collect::<Vec<_>>().join(" "))
}

/// How old the data in force are, whichever process asks the feeds; nothing before one did.
async fn told_feeds(store: &Store) -> Option<Check> {
    let feeds = match store.feeds().await {
        Ok(feeds) => feeds,
        Err(e) => return Some(Check::Bad(output::chain(&e.into()))),
    };
    let oldest = feeds.iter().min_by_key(|feed| feed.fetched)?;
    let age = crate::clock::now().saturating_since(oldest.fetched);
    let text = format!("{} in force, the oldest ({}) fetched {} ago", feeds.len(), oldest.name, span(age));
    Some(if age > Duration::from_secs(48 * 3600) {
        Check::Warn(format!("{text}: see the logs of the workers, which fetch them, and `portwarden db status` there"))
    } else {
        Check::Good(text)
    })
}

/// Whether the chain of the audit is whole.
async fn audit(store: &Store) -> Check {
    match store.verify_audit(0).await {
        Ok((chain, _)) => match chain.broken {
            None => Check::Good(format!("chain whole, {} rows", chain.rows)),
            Some(0) => Check::Bad(format!(
                "rows at the end are missing, {} are there: somebody changed the database",
                chain.rows
            )),
            Some(id) => {
                Check::Bad(format!("row {id} does not follow from those before it: somebody changed the database"))
            }
        },
        Err(e) => Check::Bad(output::chain(&e.into())),
    }
}

/// Counts findings by joining the facts one by one, as plainly as can be: open presence × its inventory × package × open match.
fn plain(snapshot: &Snapshot) -> u64 {
    let open = |until: Micros| until == Micros::FOREVER;
    let mut matches: HashMap<Id, u64> = HashMap::new();
    for found in snapshot.matches.iter().filter(|m| open(m.until)) {
        *matches.entry(found.package).or_default() += 1;
    }
    let packages: HashMap<Id, &Vec<Id>> = snapshot.inventories.iter().map(|i| (i.id, &i.packages)).collect();
    let inventories: HashMap<Id, Id> =
        snapshot.image_inventories.iter().filter(|i| open(i.until)).map(|i| (i.image, i.inventory)).collect();
    let of_image = |image: Id| inventories.get(&image).and_then(|inventory| packages.get(inventory));
    let places = snapshot.presences.iter().filter(|p| open(p.until)).filter_map(|p| of_image(p.image));
    places.flat_map(|held| held.iter()).map(|package| matches.get(package).copied().unwrap_or(0)).sum()
}
