//! Twenty attempts to get out of the child, each refused: from a process by itself, and from a copy of a starter.

use scan::sandbox::{Sandbox, Settings};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// What an attempt needs from outside: sockets that answer, a descriptor that leaks, memory to be read.
struct World {
    tcp: std::net::TcpListener,
    udp: std::net::UdpSocket,
    _abstract: std::os::unix::net::UnixListener,
    named: tempfile::TempDir,
    _named: std::os::unix::net::UnixListener,
    leaked: rustix::fd::OwnedFd,
    secret: Box<[u8; 8]>,
}

impl World {
    fn new() -> Self {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("portwarden-escape-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
        let named = tempfile::tempdir().unwrap();
        let zero = std::fs::File::open("/dev/zero").unwrap();
        // Without close-on-exec: what a careless library leaves open.
        let leaked = rustix::io::fcntl_dupfd_cloexec(&zero, 40).unwrap();
        rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
        Self {
            tcp: std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
            udp: std::net::UdpSocket::bind("127.0.0.1:0").unwrap(),
            _abstract: std::os::unix::net::UnixListener::bind_addr(&address).unwrap(),
            _named: std::os::unix::net::UnixListener::bind(named.path().join("s")).unwrap(),
            named,
            leaked,
            secret: Box::new(*b"a secret"),
        }
    }

    fn target(&self, attempt: &str) -> String {
        match attempt {
            "connect by TCP" => self.tcp.local_addr().unwrap().to_string(),
            "send by UDP" => self.udp.local_addr().unwrap().to_string(),
            "connect to an abstract socket" => format!("portwarden-escape-{}", std::process::id()),
            "connect to a named socket" => self.named.path().join("s").display().to_string(),
            "read a leaked descriptor" => self.leaked.as_raw_fd().to_string(),
            "read the parent's memory" => (self.secret.as_ptr() as usize).to_string(),
            _ => String::new(),
        }
    }

    /// Returns what became of an attempt: `got out`, `refused`, `killed`, or something that should not be.
    fn attempt(&self, lock: &str, attempt: &str) -> String {
        let target = self.target(attempt);
        let mut command = Command::new(crate::child());
        command
            .args(["escape", lock, attempt, &target])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let status = command.status().unwrap();
        match (status.code(), status.signal()) {
            (Some(0), _) => "got out".into(),
            (Some(1), _) => "refused".into(),
            (_, Some(libc::SIGSYS)) => "killed".into(),
            other => format!("{other:?}"),
        }
    }

    /// The same from a copy of a starter, whose parent is that starter.
    async fn attempt_of_a_copy(&self, lock: &str, attempt: &str) -> String {
        let arguments = ["escape-copy", lock, attempt, &self.target(attempt)];
        let sandbox = Sandbox::new(Settings {
            program: crate::child(),
            arguments: arguments.map(Into::into).to_vec(),
            ..Settings::default()
        });
        let nothing = futures_util::stream::empty();
        let outcome = sandbox.read_layer(nothing, model::digest::Algorithm::Sha256, false).await.unwrap();
        let text = outcome.result.unwrap_err().text;
        match text.as_str() {
            "the reader ended with code 0 and no answer" => "got out".into(),
            "the reader ended with code 1 and no answer" => "refused".into(),
            "the reader tried a forbidden system call and was ended" => "killed".into(),
            _ => text,
        }
    }
}

const ATTEMPTS: [&str; 20] = [
    "open a host file",
    "open through proc",
    "read the parent's environment",
    "read the parent's memory",
    "trace the parent",
    "signal the parent",
    "connect by TCP",
    "send by UDP",
    "connect to an abstract socket",
    "connect to a named socket",
    "read a leaked descriptor",
    "write to the blob",
    "run a program",
    "run a program from memory",
    "fork",
    "io_uring",
    "bpf",
    "userfaultfd",
    "keyctl",
    "unshare and mount",
];

#[test]
fn twenty_of_twenty_attempts_to_get_out_are_refused() {
    if !scan::sandbox::tier().is_full() {
        println!("{} checks not run: the sandbox of this host is {}", ATTEMPTS.len(), scan::sandbox::tier());
        return;
    }
    let world = World::new();
    for attempt in ATTEMPTS {
        let came = world.attempt("full", attempt);
        assert!(matches!(came.as_str(), "refused" | "killed"), "{attempt}: {came}");
    }
}

#[test]
fn without_a_filter_landlock_still_refuses_files_programs_ports_and_processes() {
    if scan::sandbox::tier().landlock < 6 {
        println!("11 checks not run: the sandbox of this host is {}", scan::sandbox::tier());
        return;
    }
    let world = World::new();
    for attempt in [
        "open a host file",
        "read the parent's environment",
        "read the parent's memory",
        "trace the parent",
        "signal the parent",
        "connect by TCP",
        "connect to an abstract socket",
        "read a leaked descriptor",
        "write to the blob",
        "run a program",
        "run a program from memory",
    ] {
        assert_eq!(world.attempt("no-filter", attempt), "refused", "{attempt}");
    }
}

#[test]
fn the_attempts_succeed_where_nothing_is_locked_so_that_their_refusal_means_something() {
    let world = World::new();
    for attempt in [
        "open a host file",
        "open through proc",
        "read the parent's environment",
        "signal the parent",
        "connect by TCP",
        "send by UDP",
        "connect to an abstract socket",
        "connect to a named socket",
        "read a leaked descriptor",
        "run a program",
        "run a program from memory",
        "fork",
    ] {
        assert_eq!(world.attempt("free", attempt), "got out", "{attempt}");
    }
}

#[tokio::test]
async fn a_copy_of_a_starter_gets_out_as_little_as_a_process_by_itself() {
    if !scan::sandbox::tier().is_full() {
        println!("{} checks not run: the sandbox of this host is {}", ATTEMPTS.len(), scan::sandbox::tier());
        return;
    }
    let world = World::new();
    for attempt in ATTEMPTS {
        let came = world.attempt_of_a_copy("full", attempt).await;
        assert!(matches!(came.as_str(), "refused" | "killed"), "{attempt}: {came}");
    }
    for attempt in
        ["read the parent's environment", "trace the parent", "signal the parent", "read a leaked descriptor"]
    {
        assert_eq!(world.attempt_of_a_copy("no-filter", attempt).await, "refused", "{attempt}");
    }
    for attempt in ["open a host file", "signal the parent", "connect by TCP", "fork"] {
        assert_eq!(world.attempt_of_a_copy("free", attempt).await, "got out", "{attempt}");
    }
}
