//! The starter: the program, started once, which makes a copy of itself for each layer.
//!
//! In: standard input, a socket; a message on it carries the two pipes of a child.
//! Out: on the same socket, that there is a child, then how it ended. It never reads a byte of an image, and no child outlives it.

use super::child::{Ground, NOT_SPOKEN_TO, PANICKED};
use super::lock;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::OwnedFd;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags};
use rustix::process::{Pid, Signal, WaitOptions};
use std::io::{self, IoSliceMut};

/// There is a child now; its status follows.
pub(crate) const BEGAN: i32 = 0;
/// There is no room for one; nothing follows.
const NO_CHILD: i32 = -1;
/// How often it is looked whether a child has ended, where no descriptor tells.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

/// Starts children as long as somebody asks for them; what a child does is `body`, and it ends with it.
///
/// To be called before anything else of the program, while it has one thread and the three standard descriptors. A process whose
/// privileges cannot be taken hands the error to every child.
pub fn children_main(body: impl Fn(io::Result<&Ground>)) -> ! {
    std::panic::set_hook(Box::new(|_| lock::end(PANICKED)));
    let ground = Ground::take();
    while let Ok(Some([input, output])) = asked() {
        let said = match lock::fork() {
            Ok(Some(child)) => {
                // The child has them: their ends are to be seen when it ends.
                drop((input, output));
                say(BEGAN) && say(ended(child))
            }
            Ok(None) => {
                become_child(&input, &output);
                drop((input, output));
                body(ground.as_ref().map_err(|e| e.kind().into()));
                lock::end(0)
            }
            Err(_) => say(NO_CHILD),
        };
        if !said {
            break;
        }
    }
    lock::end(0)
}

/// Tells a number to who asks for children; returns whether anybody is there.
fn say(number: i32) -> bool {
    rustix::net::send(rustix::stdio::stdin(), &number.to_le_bytes(), SendFlags::empty()).is_ok()
}

/// Waits until a child is asked for; `None` when nobody will.
fn asked() -> io::Result<Option<[OwnedFd; 2]>> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut carried = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0u8; 1];
    let socket = rustix::stdio::stdin();
    let message = loop {
        let mut room = [IoSliceMut::new(&mut byte)];
        match rustix::net::recvmsg(socket, &mut room, &mut carried, RecvFlags::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    if message.bytes == 0 || message.flags.contains(ReturnFlags::CTRUNC) {
        return Ok(None);
    }
    let fds = carried.drain().filter_map(|m| match m {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    let fds: Vec<OwnedFd> = fds.flatten().collect();
    Ok(<[OwnedFd; 2]>::try_from(fds).ok())
}

/// Puts the pipes in the place of the socket and of standard output.
fn become_child(input: &OwnedFd, output: &OwnedFd) {
    if rustix::stdio::dup2_stdin(input).is_err() || rustix::stdio::dup2_stdout(output).is_err() {
        lock::end(NOT_SPOKEN_TO);
    }
}

/// Waits for the end of a child, and ends it when nobody wants it any more; returns its wait status.
fn ended(child: Pid) -> i32 {
    let end = lock::end_of(child);
    loop {
        match rustix::process::waitpid(Some(child), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => return status.as_raw(),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            // Nobody can say how it ended, so that ends too.
            Err(_) => lock::end(0),
        }
        let socket = rustix::stdio::stdin();
        // Nothing is asked while a child is there: what is heard is that the other side has gone.
        let mut both = vec![PollFd::new(&socket, PollFlags::IN)];
        both.extend(end.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
        let span = if end.is_some() { None } else { Some(&LOOK) };
        if rustix::event::poll(&mut both, span).is_ok() && both.first().is_some_and(|fd| !fd.revents().is_empty()) {
            let _ = rustix::process::kill_process(child, Signal::KILL);
            lock::end(0);
        }
    }
}
