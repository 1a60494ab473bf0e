//! The commands, one file each.

pub mod ask;
mod audit;
mod check;
mod db;
mod doctor;
mod finding;
mod greeting;
mod image;
mod import;
mod local;
mod log;
mod network;
mod notification;
mod plan;
mod registry;
mod repository;
mod role;
mod rule;
mod sample;
mod scan;
mod score;
mod serve;
mod suppression;
mod system;
mod token;
mod usage;
mod user;

use crate::logging;
use crate::settings::{Common, ServeFlags, Settings};

/// How a command went, as the process says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and nothing at or above the threshold.
    Clean = 0,
    /// Findings at or above `--fail-on`.
    Findings = 1,
    /// The command line or the settings are wrong.
    Usage = 2,
    /// Scanned with gaps, and `--allow-gaps` was not given.
    Gaps = 3,
    /// Not an image, or one that cannot be scanned.
    NotScannable = 4,
    /// A registry, a login or the network.
    Upstream = 5,
    /// No advisory database, one that is too old for a gate, or a feed that cannot be trusted.
    NoDatabase = 6,
    /// Something that should not happen.
    Internal = 70,
}

/// An error that knows its exit code; the message is its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Stop {
    /// Exit code.
    pub exit: Exit,
    /// What happened and what to do.
    pub message: String,
}

/// Makes an error with an exit code.
pub fn stop(exit: Exit, message: impl Into<String>) -> anyhow::Error {
    Stop { exit, message: message.into() }.into()
}

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Run the registry, the scanner and the console
    #[command(after_help = "Examples:
  portwarden serve                                everything on http://localhost:5000, data in ./portwarden-data
  portwarden serve --sample                       the same, with a sample image to look at
  portwarden serve --listen 0.0.0.0:443 --tls auto --public-url https://registry.example
  portwarden serve --role worker --database postgres://pw@db/portwarden --blobs s3://bucket/portwarden")]
    Serve(ServeFlags),
    /// Scan an image: a layout folder, an archive, standard input or a registry reference; no server needed
    Scan(scan::Arguments),
    /// Copy an image from another registry, all its platforms, and have it scanned
    Import(import::Arguments),
    /// Images that the server knows
    #[command(subcommand)]
    Image(image::Command),
    /// Findings of the images that the server knows
    #[command(subcommand)]
    Finding(finding::Command),
    /// The advisory database
    #[command(subcommand)]
    Db(db::Command),
    /// The secure score
    #[command(subcommand)]
    Score(score::ScoreCommand),
    /// What should be done, and how much of it is
    #[command(subcommand)]
    Recommendation(score::RecommendationCommand),
    /// Resources that a recommendation is not asked of
    #[command(subcommand)]
    Exemption(score::ExemptionCommand),
    /// Judge how registries are configured: exports and templates without a server, or with --live those that Portwarden watches
    Check(check::Arguments),
    /// Posture rules that do not count somewhere
    #[command(subcommand)]
    Suppression(suppression::Command),
    /// Subscriptions: the top of the scope tree
    #[command(subcommand)]
    Subscription(registry::Subscription),
    /// Registries of Portwarden's own
    #[command(subcommand)]
    Registry(registry::Registry),
    /// Repositories
    #[command(subcommand)]
    Repository(repository::Command),
    /// Plans: where images are scanned and metered
    #[command(subcommand)]
    Plan(plan::Command),
    /// The same in the words of az: `security pricing create`
    #[command(subcommand)]
    Security(plan::Security),
    /// Images that were metered, by month or day
    Usage(usage::Arguments),
    /// Disable rules: what is hidden, where, until when
    #[command(subcommand)]
    Rule(Box<rule::Command>),
    /// Users and robots
    #[command(subcommand)]
    User(user::Command),
    /// Roles: who may do what, and where
    #[command(subcommand)]
    Role(role::Command),
    /// Resource logs: logins, pushes, pulls and deletes, the scanner's as well
    #[command(subcommand)]
    Log(log::Command),
    /// Tokens: logins of programs
    #[command(subcommand)]
    Token(token::Command),
    /// Channels that tell people of findings, and what was sent on them
    #[command(subcommand)]
    Notification(Box<notification::Command>),
    /// Who changed what
    #[command(subcommand)]
    Audit(audit::Command),
    /// Say in plain words what is wrong with this installation
    #[command(after_help = "Examples:
  portwarden doctor
  portwarden doctor --verify                      compare the index with a plain join of the facts
  portwarden doctor --data /var/lib/portwarden")]
    Doctor(doctor::Arguments),
}

/// Runs a command.
pub async fn run(common: &Common, command: Command) -> anyhow::Result<Exit> {
    let serve = if let Command::Serve(flags) = &command { Some(flags) } else { None };
    let settings = Settings::load(common, serve).map_err(|e| stop(Exit::Usage, crate::output::chain(&e)))?;
    logging::start(&settings, if serve.is_some() { "info" } else { "warn" });
    match command {
        Command::Serve(_) => serve::run(&settings).await,
        Command::Scan(arguments) => scan::run(&settings, &arguments).await,
        Command::Import(arguments) => import::run(&settings, &arguments).await,
        Command::Image(command) => image::run(&settings, &command).await,
        Command::Finding(command) => finding::run(&settings, &command).await,
        Command::Db(command) => db::run(&settings, &command).await,
        Command::Score(command) => score::score(&settings, &command).await,
        Command::Recommendation(command) => score::recommendation(&settings, &command).await,
        Command::Exemption(command) => score::exemption(&settings, &command).await,
        Command::Suppression(command) => suppression::run(&settings, &command).await,
        Command::Check(arguments) => check::run(&settings, &arguments).await,
        Command::Subscription(command) => registry::run_subscription(&settings, &command).await,
        Command::Registry(command) => registry::run(&settings, &command).await,
        Command::Repository(command) => repository::run(&settings, &command).await,
        Command::Plan(command) => plan::run(&settings, &command).await,
        Command::Security(command) => plan::run_security(&settings, &command).await,
        Command::Usage(arguments) => usage::run(&settings, &arguments).await,
        Command::Rule(command) => rule::run(&settings, &command).await,
        Command::User(command) => user::run(&settings, &command).await,
        Command::Role(command) => role::run(&settings, &command).await,
        Command::Audit(command) => audit::run(&settings, &command).await,
        Command::Log(command) => log::run(&settings, &command).await,
        Command::Notification(command) => notification::run(&settings, &command).await,
        Command::Token(command) => token::run(&settings, &command).await,
        Command::Doctor(arguments) => doctor::run(&settings, &arguments).await,
    }
}

/// Returns the exit code of an error.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(stop) = error.chain().find_map(|c| c.downcast_ref::<Stop>()) {
        return stop.exit;
    }
    if error.chain().any(|c| matches!(c.downcast_ref::<store::Error>(), Some(store::Error::Setting { .. }))) {
        return Exit::Usage;
    }
    match error.chain().find_map(registry_error) {
        Some(oci::Error::NotAnImage { .. } | oci::Error::WrongBytes { .. } | oci::Error::TooLarge { .. }) => {
            Exit::NotScannable
        }
        Some(oci::Error::Reference { .. }) => Exit::Usage,
        Some(_) => Exit::Upstream,
        None => Exit::Internal,
    }
}

/// The scanner's errors pass a registry's on as they are, so that they are no cause in the chain.
fn registry_error<'e>(cause: &'e (dyn std::error::Error + 'static)) -> Option<&'e oci::Error> {
    match cause.downcast_ref::<::scan::Error>() {
        Some(::scan::Error::Oci(error)) => Some(error),
        _ => cause.downcast_ref::<oci::Error>(),
    }
}
