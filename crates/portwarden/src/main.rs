//! Portwarden: inspects every container image that enters a registry.
//!
//! In: the command line. Out: standard output is data only; progress and logs go to standard error; the exit code says how it went
//! (0 clean, 1 findings at or above `--fail-on`, 2 usage, 3 gaps, 4 not scannable, 5 registry or network, 6 no advisory database or a stale one,
//! 70 internal error).

mod clock;
mod commands;
mod connections;
mod logging;
mod output;
mod proxy;
mod settings;
#[cfg(test)]
mod shown;
mod tls;

use clap::Parser;
use std::process::ExitCode;

/// Inspects every container image that enters a registry.
#[derive(Debug, Parser)]
#[command(
    name = "portwarden",
    version,
    propagate_version = true,
    after_help = "Examples:
  portwarden serve --sample                       registry, scanner and console on http://localhost:5000
  portwarden scan ./layout                        what is wrong with an image on disk; no server needed
  portwarden scan registry.example/app:1 --fail-on high,fixable
  docker save app:1 | portwarden scan -
  portwarden finding explain CVE-2023-45853

Exit codes: 0 clean, 1 findings at or above --fail-on, 2 usage, 3 gaps (see --allow-gaps), 4 not scannable,
5 registry or network, 6 no advisory database or a stale one, 70 internal error."
)]
struct Arguments {
    #[command(flatten)]
    common: settings::Common,
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    // The child reads hostile bytes: nothing of the command line, the environment or the runtime is set up for it.
    if std::env::args_os().nth(1).is_some_and(|a| a == "read-layer") {
        scan::sandbox::read_layer_main();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(%panic, "internal error");
    }));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: cannot start: {e}");
            return ExitCode::from(70);
        }
    };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(commands::run(&arguments.common, arguments.command))
    }));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match outcome {
        Ok(Ok(exit)) => ExitCode::from(exit as u8),
        Ok(Err(error)) => {
            eprintln!("error: {}", output::chain(&error));
            ExitCode::from(commands::exit_of(&error) as u8)
        }
        Err(_) => {
            eprintln!("error: internal error; please report it with the log above");
            ExitCode::from(70)
        }
    }
}
