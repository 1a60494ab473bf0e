//! The child: bytes of one layer in, its inventory out, no right to anything else.
//!
//! In: standard input, an order and the blob (`frame`).
//! Out: standard output, an answer (`frame`); the exit code says the rest.

use super::frame::{self, Answer, Order};
use super::{Tier, lock};
use ecosystem::layer;
use std::io::{self, Read, Write};

/// Exit code of a child that answered.
pub(crate) const ANSWERED: i32 = 0;
/// Exit code of a child whose reader panicked.
pub(crate) const PANICKED: i32 = 70;
/// Exit code of a child that was ordered to have the full tier and has not.
pub(crate) const NOT_LOCKED: i32 = 71;
/// Exit code of a child that got no order, or could not answer.
pub(crate) const NOT_SPOKEN_TO: i32 = 72;

/// Runs the child, `portwarden read-layer`, and ends the process.
///
/// To be called before anything else of the program, while it has one thread and the three standard descriptors.
pub fn read_layer_main() -> ! {
    std::panic::set_hook(Box::new(|_| lock::end(PANICKED)));
    let Ok(order) = Order::decode(&mut Input) else { lock::end(NOT_SPOKEN_TO) };
    let tier = match lock_down(order.memory_bytes, order.cpu_seconds, true) {
        Ok(tier) if tier.is_full() || !order.require => tier,
        _ => lock::end(NOT_LOCKED),
    };
    let answer = match layer::read(Input, &order.limits(), &mut layer::SpillToMemory::default()) {
        Ok(inventory) => Answer::Inventory(Box::new(inventory)),
        Err(failure) => Answer::Failure(failure.code().into(), failure.to_string()),
    };
    // The parent may still be writing: it must see that nobody reads before this answer fills its pipe.
    lock::close_input();
    match frame::write_answer(Output, tier, &answer) {
        Ok(()) => lock::end(ANSWERED),
        Err(_) => lock::end(NOT_SPOKEN_TO),
    }
}

/// Gives up every right but computing, reading standard input and writing standard output. Cannot be undone.
///
/// Closes every other descriptor, so it belongs into a process made for it. Without `filter` the list of allowed system calls
/// is left out, as on a kernel without seccomp.
pub fn lock_down(memory_bytes: u64, cpu_seconds: u64, filter: bool) -> io::Result<Tier> {
    lock::close_descriptors();
    // What is set up at first use must be set up while it still may.
    let _ = model::Digest::sha256(b"");
    lock::lower(memory_bytes, cpu_seconds)?;
    let landlock = lock::forbid_files();
    let seccomp = filter && lock::forbid_calls()?;
    Ok(Tier { landlock, seccomp })
}

/// Standard input without a buffer of its own: the walker has one.
struct Input;

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::io::read(rustix::stdio::stdin(), &mut *buffer) {
                Err(rustix::io::Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }
}

/// Standard output without the line buffer.
struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
