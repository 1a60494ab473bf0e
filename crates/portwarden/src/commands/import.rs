//! `portwarden import`: an image comes from another registry.
//!
//! In: a reference, where it goes, a login for it. Out: the image here, and how far it is meanwhile.
//! With `--server` that server copies; without, this process does, into the data of `--data`.

use super::ask::{Ask, At};
use super::{Exit, local, stop};
use crate::output::{self, Format, visible};
use crate::settings::Settings;
use oci::credentials::{self, IDENTITY_TOKEN, Login};
use scan::{Layers, Workers};
use serde_json::{Value, json};
use std::io::{IsTerminal, Read, Write};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often it is looked how far it is.
const LOOK: Duration = Duration::from_millis(300);

/// What `import` takes.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:
  portwarden import docker.io/library/alpine:3.18 --as alpine:3.18
  portwarden import registry.example/team/app@sha256:3f9a… --as team/app:1 --platform linux/arm64
  portwarden import --server https://registry.example ghcr.io/org/tool:2 --referrers
  printf %s \"$PASSWORD\" | portwarden import private.example/app:1 --username robot --password-stdin
  portwarden import list
  portwarden import cancel 7

All platforms of an index come, unless one is named. Blobs that are here already are not fetched. An import that was cut off goes on where
it was. Without --username the login is the one that docker or podman keep for the registry on this machine.")]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The image: HOST/REPOSITORY:TAG or HOST/REPOSITORY@DIGEST
    #[arg(value_name = "SOURCE", required = true)]
    source: Option<String>,
    /// Repository and tag that it gets [default: those of the source]
    #[arg(long = "as", value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
    /// The registry that gets it [default: the embedded one]
    #[arg(long)]
    registry: Option<String>,
    /// Only this platform of an index, as linux/arm64 [default: all]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    /// Move the tag if it is there and names another image
    #[arg(long)]
    force: bool,
    /// Copy signatures, attestations and SBOMs of the image as well
    #[arg(long)]
    referrers: bool,
    /// Speak plain HTTP to the source
    #[arg(long)]
    plain_http: bool,
    /// User for the source
    #[arg(long, requires = "password_stdin")]
    username: Option<String>,
    /// Read the password for the source from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,
    /// Ask the source without any login
    #[arg(long, conflicts_with = "username")]
    anonymous: bool,
    /// Do not wait until it is done (with --server)
    #[arg(long, requires = "server")]
    detach: bool,
    #[command(flatten)]
    at: At,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List imports under way and those of the last 90 days
    List {
        #[command(flatten)]
        at: At,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show how far an import is, or how it ended
    Show {
        /// Its id, from `import list`
        id: i64,
        #[command(flatten)]
        at: At,
    },
    /// End an import that is under way
    Cancel {
        /// Its id, from `import list`
        id: i64,
        #[command(flatten)]
        at: At,
    },
}

/// Runs the command.
pub async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.command {
        None => import(settings, arguments).await,
        Some(Command::List { at, format }) => {
            let (items, total) = Ask::open(settings, at).await?.list("/imports").await?;
            let columns = ["ID", "SOURCE", "INTO", "STATE", "HERE", "OF", "BY", "SINCE"];
            output::list(*format, &items, &columns, cells, total)?;
            Ok(Exit::Clean)
        }
        Some(Command::Show { id, at }) => {
            output::json(&Ask::open(settings, at).await?.get(&format!("/imports/{id}")).await?)?;
            Ok(Exit::Clean)
        }
        Some(Command::Cancel { id, at }) => {
            Ask::open(settings, at).await?.delete(&format!("/imports/{id}")).await?;
            Ok(Exit::Clean)
        }
    }
}

async fn import(settings: &Settings, arguments: &Arguments) -> anyhow::Result<Exit> {
    let source = arguments.source.clone().unwrap_or_default();
    let login = login(arguments, &source)?;
    let (username, password) = login.unzip();
    if arguments.at.server.is_none() {
        local::open(settings).await?; // makes the data where there are none yet
    }
    let ask = Ask::open(settings, &arguments.at).await?;
    let body = json!({
        "source": source, "as": arguments.name, "registry": arguments.registry, "platform": arguments.platform, "force": arguments.force,
        "referrers": arguments.referrers, "plain_http": arguments.plain_http, "username": username, "password": password,
    });
    let made = ask.post("/imports", &body).await?;
    let ended = if arguments.detach {
        made
    } else {
        let here = if arguments.at.server.is_none() { Some(Here::start(settings).await?) } else { None };
        let ended = follow(&ask, &made, here.is_some()).await;
        if let Some(here) = here {
            here.end().await;
        }
        ended?
    };
    let text = |name: &str| visible(ended[name].as_str().unwrap_or(""));
    if text("state") == "failed" {
        return Err(stop(Exit::Upstream, text("error")));
    }
    if arguments.format != Format::Table {
        output::json(&ended)?;
        return Ok(Exit::Clean);
    }
    match text("state").as_str() {
        "done" => println!("{} is {} now: {}", text("source"), into(&ended), text("digest")),
        state => println!("import {} is {state}; see it with: portwarden import show {0}", ended["id"]),
    }
    Ok(Exit::Clean)
}

/// The login for the source: what was given, else what docker and podman keep for this user.
fn login(arguments: &Arguments, source: &str) -> anyhow::Result<Option<(String, String)>> {
    if let Some(user) = &arguments.username {
        let mut password = String::new();
        std::io::stdin().lock().take(1 << 20).read_to_string(&mut password)?;
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        if password.is_empty() {
            return Err(stop(Exit::Usage, "--password-stdin: no password came on standard input"));
        }
        return Ok(Some((user.clone(), password)));
    }
    if arguments.anonymous {
        return Ok(None);
    }
    let location = oci::Location::parse(source.strip_prefix("docker://").unwrap_or(source))?;
    Ok(match credentials::find(&location.host, &location.repository)? {
        Some(Login::Password(user, password)) => Some((user, password)),
        Some(Login::IdentityToken(token)) => Some((IDENTITY_TOKEN.to_owned(), token)),
        None => None,
    })
}

/// Waits until an import has ended; with `scans`, until its images are read as well.
async fn follow(ask: &Ask, made: &Value, scans: bool) -> anyhow::Result<Value> {
    let path = format!("/imports/{}", made["id"]);
    let mut said = String::new();
    loop {
        let now = ask.get(&path).await?;
        tell(&now, &mut said);
        if now["finished"].is_string() {
            if std::io::stderr().is_terminal() {
                eprintln!();
            }
            if scans && now["state"] == "done" {
                scanned(ask).await?;
            }
            return Ok(now);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Says how far it is: on a terminal in one line that changes, else when the state changes.
fn tell(import: &Value, said: &mut String) {
    let number = |name: &str| import[name].as_i64().unwrap_or(0);
    let text = |name: &str| visible(import[name].as_str().unwrap_or(""));
    let (done, total) = (number("done_bytes"), number("total_bytes"));
    let state = match text("state").as_str() {
        "retry-at" => format!("{}; it is tried again at {}", text("error"), text("again")),
        state => state.to_owned(),
    };
    let terminal = std::io::stderr().is_terminal();
    let line = match total {
        0 => state,
        _ if terminal => format!("{state}: {} of {}", model::text::size(done), model::text::size(total)),
        _ => state,
    };
    if line == *said {
        return;
    }
    let mut out = std::io::stderr().lock();
    // Nobody need read it.
    let _ = if terminal { write!(out, "\r\x1b[K{line}") } else { writeln!(out, "{line}") };
    let _ = out.flush();
    *said = line;
}

/// Waits until what imports queued was read.
async fn scanned(ask: &Ask) -> anyhow::Result<()> {
    loop {
        let jobs = ask.get("/jobs?limit=1000").await?;
        let waits = |job: &Value| job["class"] == "import" && job["kind"] == "image" && job["state"] != "retry-at";
        if !jobs["items"].as_array().is_some_and(|jobs| jobs.iter().any(waits)) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A worker in this process.
struct Here {
    tasks: JoinSet<()>,
    end: CancellationToken,
}

impl Here {
    async fn start(settings: &Settings) -> anyhow::Result<Self> {
        let (store, knowledge) = (local::store(settings).await?, local::knowledge(settings)?);
        let layers = Layers::new(store.clone(), local::sandbox(settings));
        let (mut tasks, end) = (JoinSet::new(), CancellationToken::new());
        tasks.spawn(scan::early_reader(layers.clone(), end.clone()));
        tasks.spawn(scan::follow_generations(store, knowledge.clone(), end.clone()));
        tasks.spawn(scan::worker(layers, knowledge, Workers::default(), end.clone()));
        Ok(Self { tasks, end })
    }

    async fn end(mut self) {
        self.end.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

fn into(import: &Value) -> String {
    let text = |name: &str| import[name].as_str().map(visible).unwrap_or_default();
    let tag = if text("tag").is_empty() { String::new() } else { format!(":{}", text("tag")) };
    format!("{}/{}{tag}", text("registry"), text("repository"))
}

fn cells(import: &Value) -> Vec<String> {
    let text = |name: &str| import[name].as_str().map(visible).unwrap_or_default();
    let size = |name: &str| model::text::size(import[name].as_i64().unwrap_or(0));
    let state = if text("error").is_empty() { text("state") } else { format!("{}: {}", text("state"), text("error")) };
    vec![
        import["id"].to_string(),
        text("source"),
        into(import),
        state,
        size("done_bytes"),
        size("total_bytes"),
        text("actor"),
        text("created"),
    ]
}
