//! The children of the tests: the real one, those that misbehave, and those that try to get out.
//!
//! In: the first argument says which. Out: for `escape`, code 0 = got out, 1 = refused; a forbidden call ends the process. `escape` is a
//! process by itself, `escape-copy` a copy that a starter made, as the real children are.
#![allow(unsafe_code, clippy::unwrap_used)]

use scan::sandbox::{Ground, children_main};
use std::io::{Read, Write};
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let word = |n: usize| arguments.get(n).map_or("", String::as_str);
    match word(0) {
        "read-layer" => scan::sandbox::read_layer_main(),
        "escape" => {
            let ground = (word(1) != "free").then(Ground::take).and_then(Result::ok);
            std::process::exit(escape(ground.as_ref(), word(1), word(2), word(3)))
        }
        // Ends when it is asked for a child: as often as there is a file to remove, or always.
        "dies" if word(1).is_empty() || std::fs::remove_file(word(1)).is_ok() => {
            let _ = std::io::stdin().read(&mut [0]);
        }
        "dies" => scan::sandbox::read_layer_main(),
        "escape-copy" => children_main(|ground| std::process::exit(escape(ground.ok(), word(1), word(2), word(3)))),
        how => children_main(|ground| misbehave(how, ground.unwrap())),
    }
}

fn misbehave(how: &str, ground: &Ground) {
    let mut out = std::io::stdout();
    match how {
        // SAFETY: ends this process by the signal of a wild pointer.
        "crash" => unsafe {
            libc::raise(libc::SIGSEGV);
        },
        "hang" => std::thread::sleep(Duration::from_secs(3600)),
        "flood" => {
            let zeros = vec![0u8; 1 << 20];
            for _ in 0..10_240 {
                out.write_all(&zeros).unwrap();
            }
        }
        "garbage" => out.write_all(b"PWLR\x01 this is no inventory").unwrap(),
        "nothing" => {}
        "deaf" => {
            // SAFETY: nothing in this process uses its standard output afterwards.
            unsafe { libc::close(1) };
            std::thread::sleep(Duration::from_secs(3600));
        }
        "memory" => {
            ground.lock(32 << 20, 10, true).unwrap();
            let mut kept = Vec::new();
            loop {
                kept.push(vec![1u8; 1 << 20]);
            }
        }
        "stack" => {
            ground.lock(32 << 20, 10, true).unwrap();
            std::process::exit(i32::from(deeper(0)));
        }
        "busy" => {
            ground.lock(32 << 20, 1, true).unwrap();
            loop {
                std::hint::black_box(0);
            }
        }
        other => panic!("no child is called {other:?}"),
    }
}

#[allow(unconditional_recursion)]
fn deeper(n: u8) -> u8 {
    let room = std::hint::black_box([n; 4096]);
    deeper(room[7].wrapping_add(1)) ^ room[9]
}

/// Locks down as told (`full`, `no-filter`, `free`), tries one thing, and returns whether it was refused.
fn escape(ground: Option<&Ground>, lock: &str, attempt: &str, target: &str) -> i32 {
    let locked = |filter| ground.and_then(|ground| ground.lock(64 << 20, 10, filter).ok());
    let as_told = match lock {
        "full" => locked(true).is_some_and(|tier| tier.seccomp),
        "no-filter" => locked(false).is_some_and(|tier| tier.landlock > 0),
        _ => true,
    };
    if !as_told {
        return 2;
    }
    i32::from(attempt_result(attempt, target) < 0)
}

// SAFETY of every block below: system calls with pointers to memory that lives through the call, in a process that does
// nothing else; their failure is what is asked for.
fn attempt_result(attempt: &str, target: &str) -> i64 {
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    let mut buffer = [0u8; 64];
    match attempt {
        "open a host file" => open("/etc/passwd"),
        "open through proc" => open("/proc/self/fd/0"),
        "read the parent's environment" => read_file(&format!("/proc/{parent}/environ")),
        "read the parent's memory" => {
            let here = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: 8 };
            let there = libc::iovec { iov_base: target.parse::<usize>().unwrap_or(0) as *mut libc::c_void, iov_len: 8 };
            unsafe { libc::syscall(libc::SYS_process_vm_readv, parent, &raw const here, 1, &raw const there, 1, 0) }
        }
        "trace the parent" => unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_SEIZE, parent, 0, 0) },
        "signal the parent" => unsafe { libc::syscall(libc::SYS_kill, parent, 0) },
        "connect by TCP" => said(std::net::TcpStream::connect(target).is_ok()),
        "send by UDP" => {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0");
            said(socket.is_ok_and(|s| s.send_to(b"out", target).is_ok()))
        }
        "connect to an abstract socket" => connect_unix(&[b"\0", target.as_bytes()].concat()),
        "connect to a named socket" => connect_unix(target.as_bytes()),
        "read a leaked descriptor" => unsafe {
            libc::syscall(libc::SYS_read, target.parse::<i32>().unwrap_or(-1), buffer.as_mut_ptr(), 1)
        },
        "write to the blob" => unsafe { libc::syscall(libc::SYS_write, 0, buffer.as_ptr(), 1) },
        "run a program" => run(c"/bin/true"),
        "run a program from memory" => run_from_memory(),
        "fork" => unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) },
        "io_uring" => {
            let mut parameters = [0u8; 256];
            unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) }
        }
        "bpf" => {
            // BPF_MAP_CREATE of an array with one element of eight bytes.
            let create = [2u32, 4, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            unsafe { libc::syscall(libc::SYS_bpf, 0, create.as_ptr(), size_of_val(&create)) }
        }
        "userfaultfd" => unsafe { libc::syscall(libc::SYS_userfaultfd, 1) },
        "keyctl" => unsafe { libc::syscall(libc::SYS_keyctl, 0, -3, 1) },
        "unshare and mount" => unsafe { libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER | libc::CLONE_NEWNS) },
        other => panic!("no attempt is called {other:?}"),
    }
}

fn said(done: bool) -> i64 {
    if done { 0 } else { -1 }
}

fn open(path: &str) -> i64 {
    said(std::fs::File::open(path).is_ok())
}

fn read_file(path: &str) -> i64 {
    said(std::fs::read(path).is_ok())
}

fn connect_unix(name: &[u8]) -> i64 {
    // SAFETY: see `attempt_result`; the address is filled within its bounds.
    unsafe {
        let socket = libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0);
        let mut address: libc::sockaddr_un = std::mem::zeroed();
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (to, from) in address.sun_path.iter_mut().zip(name) {
            *to = *from as libc::c_char;
        }
        let length = size_of::<libc::sa_family_t>() + name.len();
        i64::from(libc::connect(socket, (&raw const address).cast(), length as libc::socklen_t))
    }
}

/// Only returns when refused; the program run ends with code 0, as an escape does.
fn run(program: &std::ffi::CStr) -> i64 {
    let arguments = [program.as_ptr(), std::ptr::null()];
    // SAFETY: see `attempt_result`.
    unsafe { libc::syscall(libc::SYS_execve, program.as_ptr(), arguments.as_ptr(), &raw const arguments[1]) }
}

fn run_from_memory() -> i64 {
    let Ok(program) = std::fs::read("/bin/true") else { return -1 };
    // SAFETY: see `attempt_result`.
    unsafe {
        let fd = libc::syscall(libc::SYS_memfd_create, c"x".as_ptr(), 0);
        libc::syscall(libc::SYS_write, fd, program.as_ptr(), program.len());
        let arguments = [c"x".as_ptr(), std::ptr::null()];
        let (arguments, environment) = (arguments.as_ptr(), &raw const arguments[1]);
        libc::syscall(libc::SYS_execveat, fd, c"".as_ptr(), arguments, environment, libc::AT_EMPTY_PATH)
    }
}
