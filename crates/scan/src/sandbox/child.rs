//! The child: bytes of one layer in, its inventory out, no right to anything else.
//!
//! In: standard input, an order and the blob (`frame`).
//! Out: standard output, an answer (`frame`); the exit code says the rest.
//! It is a copy of its starter (`starter`), made for one layer.

use super::frame::{self, Answer, Order};
use super::{Tier, lock};
use ecosystem::layer;
use std::io::{self, Cursor, Read, Write};

/// Exit code of a child that answered.
pub(crate) const ANSWERED: i32 = 0;
/// Exit code of a child whose reader panicked.
pub(crate) const PANICKED: i32 = 70;
/// Exit code of a child that was ordered to have the full tier and has not.
pub(crate) const NOT_LOCKED: i32 = 71;
/// Exit code of a child that got no order, or could not answer.
pub(crate) const NOT_SPOKEN_TO: i32 = 72;

/// Nothing, as gzip has it.
const EMPTY_LAYER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Runs `portwarden read-layer`: starts children as it is asked to, each for one layer, and ends with the process.
///
/// To be called before anything else of the program, while it has one thread and the three standard descriptors.
pub fn read_layer_main() -> ! {
    super::children_main(read_layer)
}

/// Reads one layer in a child.
fn read_layer(ground: io::Result<&Ground>) {
    let Ok(order) = Order::decode(&mut Input) else { lock::end(NOT_SPOKEN_TO) };
    let locked = ground.and_then(|ground| ground.lock(order.memory_bytes, order.cpu_seconds, true));
    let tier = match locked {
        Ok(tier) if tier.is_full() || !order.require => tier,
        _ => lock::end(NOT_LOCKED),
    };
    let answer = match layer::read(Input, &order.limits(), &mut Room::default()) {
        Ok(inventory) => Answer::Inventory(Box::new(inventory)),
        // The pipe broke: nothing was learnt about the layer.
        Err(layer::Failure::Input(_)) => lock::end(NOT_SPOKEN_TO),
        Err(failure) => failed(&failure),
    };
    // The parent may still be writing: it must see that nobody reads before this answer fills its pipe.
    lock::close_input();
    match frame::write_answer(Output, tier, &answer) {
        Ok(()) => lock::end(ANSWERED),
        Err(_) => lock::end(NOT_SPOKEN_TO),
    }
}

fn failed(failure: &layer::Failure) -> Answer {
    let text = failure.to_string();
    // The decoder of zstd does not end the process when memory is refused, as everything else does: it says so.
    let refused = text.contains("not enough memory");
    Answer::Failure(if refused { "limit-memory" } else { failure.code() }.into(), text)
}

/// Room for one file to seek in: private memory, counted by the same limit as everything else of the child (a memory file would be
/// counted by none), and used again for the next.
#[derive(Default)]
struct Room(Cursor<Vec<u8>>);

impl layer::Spill for Room {
    fn start(&mut self, size: u64) -> io::Result<()> {
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
        if self.0.get_ref().capacity() < size {
            // Given back before more is taken: the two together might be over the limit.
            self.0 = Cursor::default();
            self.0.get_mut().reserve_exact(size);
        }
        self.0.get_mut().clear();
        self.0.set_position(0);
        Ok(())
    }
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().extend_from_slice(bytes);
        Ok(())
    }
    fn seal(&mut self) -> io::Result<&mut dyn ecosystem::ReadSeek> {
        Ok(&mut self.0)
    }
}

/// A process without privileges and with nothing open but its three standard descriptors: where every child begins.
#[derive(Debug)]
pub struct Ground {
    mapped: lock::Mapped,
    calls: Option<lock::Calls>,
}

impl Ground {
    /// Takes privileges and descriptors from the process, for good. It still may open files and start processes.
    pub fn take() -> io::Result<Self> {
        lock::close_descriptors();
        // What is set up at first use must be set up while it still may, and once for all copies.
        let _ = layer::read(EMPTY_LAYER, &layer::Limits::default(), &mut Room::default());
        Ok(Self { calls: lock::Calls::allowed(), mapped: lock::lower()? })
    }

    /// Gives up every right but computing, reading standard input and writing standard output. Cannot be undone.
    ///
    /// Without `filter` the list of allowed system calls is left out, as on a kernel without seccomp.
    pub fn lock(&self, memory_bytes: u64, cpu_seconds: u64, filter: bool) -> io::Result<Tier> {
        lock::limit(self.mapped, memory_bytes, cpu_seconds)?;
        let landlock = lock::forbid_files();
        let seccomp = filter && lock::forbid_calls(self.calls.as_ref())?;
        Ok(Tier { landlock, seccomp })
    }
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
