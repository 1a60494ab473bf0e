//! Hosts without Landlock and seccomp: the child is a process of its own, and that is all.

use super::Tier;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, Resource, Rlimit};
use std::io;

/// Returns what this host offers.
pub(crate) fn offered() -> Tier {
    Tier { landlock: 0, seccomp: false }
}

/// Nothing to close: the standard library opens every descriptor close-on-exec.
pub(crate) fn close_descriptors() {}

/// What a process has mapped: not known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapped;

/// Forbids to write files.
pub(crate) fn lower() -> io::Result<Mapped> {
    set_limit(Resource::Fsize, 0)?;
    set_limit(Resource::Core, 0)?;
    Ok(Mapped)
}

/// Limits processor time.
pub(crate) fn limit(_mapped: Mapped, _memory_bytes: u64, cpu_seconds: u64) -> io::Result<()> {
    set_limit(Resource::Cpu, cpu_seconds)
}

fn set_limit(resource: Resource, limit: u64) -> io::Result<()> {
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}

/// Makes a copy of the process: `None` in the copy, its id in the original.
#[allow(unsafe_code)]
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the process has one thread, so no lock is held that the copy would wait for.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        id => Ok(Pid::from_raw(id)),
    }
}

/// Not to be had.
pub(crate) fn end_of(_child: Pid) -> Option<OwnedFd> {
    None
}

/// Not to be had.
pub(crate) fn forbid_files() -> u8 {
    0
}

/// Not to be had.
#[derive(Debug)]
pub(crate) struct Calls;

impl Calls {
    /// Not to be had.
    pub(crate) fn allowed() -> Option<Self> {
        None
    }
}

/// Not to be had.
pub(crate) fn forbid_calls(_allowed: Option<&Calls>) -> io::Result<bool> {
    Ok(false)
}

/// Left to the end of the process.
pub(crate) fn close_input() {}

/// Ends the process.
pub(crate) fn end(code: i32) -> ! {
    std::process::exit(code)
}
