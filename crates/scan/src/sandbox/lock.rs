//! Takes every right from the process that calls it.
//!
//! In: how much memory and processor time may be used; when to make a copy of the process.
//! Out: a process that can read its standard input, write its standard output, compute and end; and the tier reached.
//! The only unsafe code of the sandbox: system calls that have no safe form.
#![allow(unsafe_code)]

use super::Tier;
use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
use rustix::fd::OwnedFd;
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::io;

/// The newest Landlock that the rules below are written for; an older kernel gives what it has.
const LANDLOCK: ABI = ABI::V7;

/// Stack and thread-local storage beside the memory that is ordered.
const STACK_BYTES: u64 = 16 << 20;

/// Returns what this host offers, without changing anything.
pub(crate) fn offered() -> Tier {
    let action: u32 = libc::SECCOMP_RET_KILL_PROCESS;
    // SAFETY: asks whether an action is known; reads four bytes at a valid pointer, changes nothing.
    let seccomp = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0u32, &raw const action) };
    Tier { landlock: landlock_abi(), seccomp: seccomp == 0 && Calls::allowed().is_some() }
}

fn landlock_abi() -> u8 {
    // SAFETY: with a null attribute, size 0 and flag 1 (VERSION) the call only returns a number; no memory is touched.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, 1u32) };
    u8::try_from(abi).unwrap_or(0)
}

/// Closes every descriptor but the three standard ones.
pub(crate) fn close_descriptors() {
    // SAFETY: called before anything else of the child holds a descriptor; no Rust object owns what is closed here.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
    if closed == 0 {
        return;
    }
    let limit = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(4096).min(65_536);
    for fd in 3..i32::try_from(limit).unwrap_or(4096) {
        // SAFETY: as above; a number that is not open is an error without effect.
        unsafe { libc::close(fd) };
    }
}

/// Bytes that a process has mapped, and bytes of data among them, before any foreign byte was read; 0 where the host does not say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapped {
    all: u64,
    data: u64,
}

/// Gives up the privileges that the system grants a process beyond files and calls.
pub(crate) fn lower() -> io::Result<Mapped> {
    // Landlock and the filter bind the calling thread and its children: another thread would stay free.
    if std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1) {
        return Err(io::Error::other("the process has threads already"));
    }
    let mapped = mapped();
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // SAFETY: a prctl with plain numbers; it can only take rights away.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    drop_capabilities()?;
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: puts the default back, so that an overflowing stack is told apart from memory that was refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    for resource in [Resource::Fsize, Resource::Core, Resource::Memlock, Resource::Msgqueue] {
        set_limit(resource, 0, 0)?;
    }
    Ok(mapped)
}

/// Limits memory beyond what was mapped, and processor time.
pub(crate) fn limit(mapped: Mapped, memory_bytes: u64, cpu_seconds: u64) -> io::Result<()> {
    let all = mapped.all.saturating_add(memory_bytes).saturating_add(STACK_BYTES);
    set_limit(Resource::As, all, all)?;
    let data = mapped.data.saturating_add(memory_bytes);
    set_limit(Resource::Data, data, data)?;
    set_limit(Resource::Cpu, cpu_seconds, cpu_seconds.saturating_add(1))
}

/// Makes a copy of the process: `None` in the copy, its id in the original. The copy ends with the original.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    let original = rustix::process::getpid();
    // SAFETY: the process has one thread (`lower` saw to it), so no lock is held that the copy would wait for.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // It may have ended before the line above.
            if rustix::process::getppid() == Some(original) { Ok(None) } else { end(0) }
        }
        id => Ok(Pid::from_raw(id)),
    }
}

/// Returns a descriptor that becomes readable when a child ends, where the host has such.
pub(crate) fn end_of(child: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(child, PidfdFlags::empty()).ok()
}

/// Forbids every file, every TCP port and every process outside, as far as the kernel has Landlock; returns its ABI.
pub(crate) fn forbid_files() -> u8 {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))
        .and_then(|r| r.handle_access(AccessNet::from_all(LANDLOCK)))
        .and_then(|r| r.scope(Scope::from_all(LANDLOCK)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self);
    match ruleset {
        Ok(status) if status.ruleset != landlock::RulesetStatus::NotEnforced => landlock_abi(),
        _ => 0,
    }
}

/// Forbids new descriptors and processes, then every system call that is not allowed.
///
/// A forbidden call ends the process (`SIGSYS`). Returns whether the filter stands.
pub(crate) fn forbid_calls(allowed: Option<&Calls>) -> io::Result<bool> {
    set_limit(Resource::Nofile, 3, 3)?;
    set_limit(Resource::Nproc, 0, 0)?;
    Ok(allowed.is_some_and(|calls| seccompiler::apply_filter(&calls.of_this_process()).is_ok()))
}

/// Closes standard input: who writes to it learns that nobody reads.
pub(crate) fn close_input() {
    // SAFETY: nothing reads standard input afterwards; no Rust object owns descriptor 0.
    unsafe { libc::close(0) };
}

/// Ends the process at once: no destructor, no handler, no buffer.
pub(crate) fn end(code: i32) -> ! {
    // SAFETY: `_exit` never returns and touches no memory of ours.
    unsafe { libc::_exit(code) }
}

fn set_limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let before = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let (soft, hard) = (soft.min(before), hard.min(before));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })?)
}

fn mapped() -> Mapped {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let field = |n: usize| text.split(' ').nth(n).and_then(|t| t.trim().parse::<u64>().ok()).unwrap_or(0);
    let page = rustix::param::page_size() as u64;
    Mapped { all: field(0).saturating_mul(page), data: field(5).saturating_mul(page) }
}

/// A scanner started by root must not read hostile bytes as root.
fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [[0u32; 3]; 2];
    // SAFETY: header and data have the layout of capset(2) version 3 (two sets of three words) and outlive the call.
    match unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What reading a layer needs: its two pipes, memory without execution, the lock of the allocator, time, chance, an end.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_sched_yield,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Stands for the id of the process that the list is for; no process has it.
const THIS_PROCESS: u32 = 0x5057_4c52;

/// The list of allowed system calls, made once for all copies of a process.
#[derive(Debug)]
pub(crate) struct Calls(BpfProgram);

impl Calls {
    /// Makes the list; `None` where the host has no such lists.
    pub(crate) fn allowed() -> Option<Self> {
        filter().ok().map(Self)
    }

    fn of_this_process(&self) -> BpfProgram {
        let mut program = self.0.clone();
        for step in program.iter_mut().filter(|step| step.k == THIS_PROCESS) {
            step.k = std::process::id();
        }
        program
    }
}

fn filter() -> Result<BpfProgram, seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let without_execution = |argument| only(argument, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0);
    rules.insert(libc::SYS_mmap, vec![without_execution(2)?]);
    rules.insert(libc::SYS_mprotect, vec![without_execution(2)?]);
    // `abort` signals its own process; no other can be named.
    rules.insert(libc::SYS_tgkill, vec![only(0, SeccompCmpOp::Eq, u64::from(THIS_PROCESS))?]);
    let target = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, target)?.try_into()?)
}

fn only(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    Ok(SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value)?])?)
}
