//! Starters that wait for work.
//!
//! In: the program. Out: children, each with two pipes; how they ended.
//! A starter has one child at a time. One whose child ended in any other way than with an answer is not used again; the others get
//! their next child ready at once. A child is handed out once its starter has said that it is there: before that, whatever
//! happened says nothing about a layer.

use super::Error;
use super::frame::Order;
use super::process::Run;
use super::starter::BEGAN;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::AsFd;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::io::{self, IoSlice, PipeReader, PipeWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Starters that are kept without work; each is less than a megabyte, its next child included.
const KEPT: usize = 8;
/// Children of one starter: all have its arrangement of memory, which is not to last.
const CHILDREN: u32 = 256;
/// How long a starter may take to copy itself, which takes a millisecond; one that takes longer stands still.
const COPYING: Duration = Duration::from_secs(10);

/// The largest pipe an unprivileged process may ask for: fewer switches between parent and child.
const PIPE_BYTES: usize = 1 << 20;

/// The starters of a sandbox whose child has no layer yet.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Starter>>);

impl Pool {
    /// Starts a child.
    pub fn child(&self, run: &Run) -> Result<(Starter, PipeWriter, PipeReader), Error> {
        let cannot = |source| Error::Start { program: run.program.clone(), source };
        // One that was ended meanwhile, or whose child was, by whomever, is passed over.
        while let Some(mut starter) = self.take(&run.order) {
            if let (Ok((input, output)), Ok(false)) = (starter.child(), starter.heard(Duration::ZERO)) {
                return Ok((starter, input, output));
            }
        }
        let anew = || {
            let mut starter = Starter::new(run)?;
            starter.ask(&run.order)?;
            let (input, output) = starter.child()?;
            Ok((starter, input, output))
        };
        anew().or_else(|_| anew()).map_err(cannot)
    }

    /// Takes a starter back whose child has answered and ended; its next one gets ready while others read.
    pub fn keep(&self, mut starter: Starter, order: &Order) {
        if starter.children >= CHILDREN || self.idle().len() >= KEPT || starter.ask(order).is_err() {
            return;
        }
        let mut idle = self.idle();
        if idle.len() < KEPT {
            idle.push(starter);
        }
    }

    /// Returns a starter whose child has this order.
    fn take(&self, order: &Order) -> Option<Starter> {
        let mut idle = self.idle();
        let at = idle.iter().rposition(|starter| starter.ready.as_ref().is_some_and(|ready| ready.order == *order))?;
        Some(idle.swap_remove(at))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Starter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A starter that does not outlive its owner, and its child neither.
#[derive(Debug)]
pub(crate) struct Starter {
    process: Child,
    socket: UnixStream,
    children: u32,
    ready: Option<Ready>,
}

/// A child that was asked for and waits for its layer.
#[derive(Debug)]
struct Ready {
    order: Order,
    input: PipeWriter,
    output: PipeReader,
}

impl Drop for Starter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    With(ExitStatus),
    /// It closed its output and went on.
    Not,
}

impl Starter {
    fn new(run: &Run) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let mut command = Command::new(&run.program);
        command.args(&run.arguments).env_clear().current_dir("/");
        command.stdin(Stdio::from(rustix::fd::OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { process: command.spawn()?, socket, children: 0, ready: None })
    }

    /// Asks for a child with an order.
    fn ask(&mut self, order: &Order) -> io::Result<()> {
        let (its_input, mut input) = io::pipe()?;
        let (output, its_output) = io::pipe()?;
        let fds = [its_input.as_fd(), its_output.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut carried = SendAncillaryBuffer::new(&mut space);
        carried.push(SendAncillaryMessage::ScmRights(&fds));
        rustix::net::sendmsg(&self.socket, &[IoSlice::new(&[1])], &mut carried, no_signal())?;
        // A smaller pipe is slower and nothing else.
        #[cfg(target_os = "linux")]
        let _ = rustix::pipe::fcntl_setpipe_size(&input, PIPE_BYTES);
        rustix::io::ioctl_fionbio(&input, true)?;
        rustix::io::ioctl_fionbio(&output, true)?;
        // An order is shorter than any pipe.
        input.write_all(&order.encode())?;
        self.ready = Some(Ready { order: order.clone(), input, output });
        Ok(())
    }

    /// Returns the pipe that the child reads and the one that it writes, once it is there.
    fn child(&mut self) -> io::Result<(PipeWriter, PipeReader)> {
        let Ready { input, output, .. } = self.ready.take().ok_or(io::ErrorKind::NotFound)?;
        if !self.heard(COPYING)? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // One that was ended meanwhile gives none; without room for another process it is another number.
        if self.number()? != BEGAN {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.children += 1;
        Ok((input, output))
    }

    /// Returns how the child ended, when it does so within a while.
    pub fn ended(&mut self, within: Duration) -> io::Result<Ended> {
        if !self.heard(within)? {
            return Ok(Ended::Not);
        }
        // A starter that was ended from outside took its child with it: the kernel does that when memory is short.
        let status = self.number().unwrap_or(libc::SIGKILL);
        Ok(Ended::With(ExitStatus::from_raw(status)))
    }

    /// Returns whether the starter says something, or has gone, within a while.
    fn heard(&self, within: Duration) -> io::Result<bool> {
        let span = Timespec {
            tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(within.subsec_nanos()),
        };
        loop {
            match rustix::event::poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&span)) {
                Ok(n) => return Ok(n > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn number(&mut self) -> io::Result<i32> {
        let mut bytes = [0u8; 4];
        self.socket.read_exact(&mut bytes)?;
        Ok(i32::from_le_bytes(bytes))
    }
}

/// A starter that has gone is an error and no signal.
fn no_signal() -> SendFlags {
    #[cfg(target_os = "linux")]
    return SendFlags::NOSIGNAL;
    #[cfg(not(target_os = "linux"))]
    SendFlags::empty()
}
