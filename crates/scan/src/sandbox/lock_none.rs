//! Hosts without Landlock and seccomp: the child is a process of its own, and that is all.

use super::Tier;
use rustix::process::{Resource, Rlimit};
use std::io;

/// Returns what this host offers.
pub(crate) fn offered() -> Tier {
    Tier { landlock: 0, seccomp: false }
}

/// Nothing to close: the standard library opens every descriptor close-on-exec.
pub(crate) fn close_descriptors() {}

/// Limits processor time and written files.
pub(crate) fn lower(_memory_bytes: u64, cpu_seconds: u64) -> io::Result<()> {
    for (resource, limit) in [(Resource::Cpu, cpu_seconds), (Resource::Fsize, 0), (Resource::Core, 0)] {
        rustix::process::setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}

/// Not to be had.
pub(crate) fn forbid_files() -> u8 {
    0
}

/// Not to be had.
pub(crate) fn forbid_calls() -> io::Result<bool> {
    Ok(false)
}

/// Left to the end of the process.
pub(crate) fn close_input() {}

/// Ends the process.
pub(crate) fn end(code: i32) -> ! {
    std::process::exit(code)
}
