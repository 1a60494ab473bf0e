//! One child from its start to its end, on one thread.
//!
//! In: an order, the bytes of a blob.
//! Out: the digest of those bytes, and what the child answered or how it ended.

use super::child::{ANSWERED, NOT_LOCKED, PANICKED};
use super::frame::{self, Order};
use super::pool::{Ended, Pool, Starter};
use super::{Error, Failed, Nameless, Tier};
use bytes::Bytes;
use model::Digest;
use model::digest::Algorithm;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Take, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

/// Large enough that calls cost nothing, small enough for the second-level cache between hashing and writing.
const PIECE_BYTES: usize = 256 << 10;
/// How often a waiting thread looks whether its result is still wanted.
const LOOK: Duration = Duration::from_millis(100);
/// How long a child that closed its output may take to end.
const LAST_BREATH: Duration = Duration::from_millis(200);

/// What a child is given.
pub(crate) struct Run {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub order: Order,
    pub wall: Duration,
    pub output_bytes: u64,
    /// How the bytes are to be hashed; nothing = somebody else does it.
    pub algorithm: Option<Algorithm>,
    pub lowered: [Option<u64>; 2],
}

/// Where the bytes come from.
pub(crate) enum Feed {
    File(Take<File>),
    Pieces(Receiver<Piece>),
}

/// A part of a blob that arrives.
pub(crate) enum Piece {
    Bytes(Bytes),
    /// Nothing follows. Without it the sender was dropped, and the result is not wanted.
    End,
    Broken(std::io::Error),
}

/// Starts a child, feeds it, and returns the digest of the bytes and what came of it. Blocks.
pub(crate) fn run(run: &Run, pool: &Pool, feed: Feed, stop: &AtomicBool) -> Result<(Option<Digest>, Nameless), Error> {
    let mut reading = Reading::start(run, pool, stop)?;
    let (digest, bytes) = reading.feed(feed)?;
    reading.input = None;
    reading.collect()?;
    let (tier, result) = reading.judge()?;
    Ok((digest, Nameless { bytes, tier, result, took: reading.started.elapsed(), lowered: run.lowered }))
}

/// The hash of the bytes so far.
struct Hash(Algorithm, aws_lc_rs::digest::Context);

impl Hash {
    fn new(algorithm: Algorithm) -> Self {
        let context = aws_lc_rs::digest::Context::new(match algorithm {
            Algorithm::Sha256 => &aws_lc_rs::digest::SHA256,
            Algorithm::Sha512 => &aws_lc_rs::digest::SHA512,
        });
        Self(algorithm, context)
    }

    fn digest(self) -> Digest {
        Digest::from_hash(self.0, self.1.finish().as_ref())
    }
}

/// What a waiting parent waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Either,
    Output,
}

struct Reading<'a> {
    /// Ends the child when it is dropped.
    starter: Option<Starter>,
    pool: &'a Pool,
    /// What the child reads; closed when it has all.
    input: Option<PipeWriter>,
    /// What it writes; closed when it has no more to say.
    said: Option<PipeReader>,
    started: Instant,
    /// Time spent waiting for the child, not for the bytes.
    waited: Duration,
    run: &'a Run,
    stop: &'a AtomicBool,
    output: Vec<u8>,
    /// Whether the child still reads.
    listens: bool,
    /// Why the parent ended it, if it did.
    ended: Option<(&'static str, String)>,
}

impl<'a> Reading<'a> {
    fn start(run: &'a Run, pool: &'a Pool, stop: &'a AtomicBool) -> Result<Self, Error> {
        let started = Instant::now();
        let (starter, input, said) = pool.child(run)?;
        Ok(Self {
            starter: Some(starter),
            pool,
            input: Some(input),
            said: Some(said),
            started,
            waited: Duration::ZERO,
            run,
            stop,
            output: Vec::new(),
            listens: true,
            ended: None,
        })
    }

    /// Hands all bytes to the child as long as it listens, and hashes them if nobody else does.
    fn feed(&mut self, feed: Feed) -> Result<(Option<Digest>, u64), Error> {
        let mut hash = self.run.algorithm.map(Hash::new);
        let mut bytes = 0u64;
        match feed {
            Feed::File(mut file) => {
                let mut buffer = vec![0u8; PIECE_BYTES];
                loop {
                    let n = match file.read(&mut buffer) {
                        Ok(0) => break,
                        Ok(n) => n,
                        Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                        Err(source) => return Err(Error::Input { source }),
                    };
                    let piece = buffer.get(..n).unwrap_or_default();
                    bytes += n as u64;
                    // The child has something to do while the parent hashes.
                    self.send(piece)?;
                    hash.iter_mut().for_each(|hash| hash.1.update(piece));
                }
            }
            Feed::Pieces(mut pieces) => loop {
                match pieces.blocking_recv() {
                    Some(Piece::Bytes(piece)) => {
                        bytes += piece.len() as u64;
                        self.send(&piece)?;
                        hash.iter_mut().for_each(|hash| hash.1.update(&piece));
                    }
                    Some(Piece::End) => break,
                    Some(Piece::Broken(source)) => return Err(Error::Input { source }),
                    None => return Err(Error::Unwanted),
                }
            },
        }
        Ok((hash.map(Hash::digest), bytes))
    }

    /// Writes to the child; a child that no longer reads is left alone.
    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while self.listens && !bytes.is_empty() {
            let Some(input) = self.input.as_mut() else { return Ok(()) };
            match input.write(bytes) {
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    // A child may answer while it still has bytes to come; one that closed its output has no more to say.
                    self.listens = self.drain()?;
                    self.wait_for(Wait::Either)?;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::BrokenPipe => self.listens = false,
                Err(source) => return Err(Error::Pipe { source }),
            }
        }
        Ok(())
    }

    /// Takes what the child writes until it closes its output, or is ended for its time or its volume.
    fn collect(&mut self) -> Result<(), Error> {
        while self.ended.is_none() && self.drain()? {
            self.wait_for(Wait::Output)?;
        }
        Ok(())
    }

    /// Takes what the child has written by now; returns whether more may come.
    fn drain(&mut self) -> Result<bool, Error> {
        let mut buffer = [0u8; 64 << 10];
        while self.ended.is_none() {
            let Some(said) = self.said.as_mut() else { return Ok(false) };
            match said.read(&mut buffer) {
                Ok(0) => self.said = None,
                Ok(n) if (self.output.len() + n) as u64 > self.run.output_bytes => {
                    let text = format!("the reader gave more than {} bytes", self.run.output_bytes);
                    self.end("limit-output", text);
                }
                Ok(n) => self.output.extend_from_slice(buffer.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Pipe { source }),
            }
        }
        Ok(false)
    }

    /// Waits until the child reads or writes, in all its life at most as long as its wall time.
    fn wait_for(&mut self, what: Wait) -> Result<(), Error> {
        while self.ended.is_none() && self.said.is_some() {
            let since = Instant::now();
            let ready = self.poll(what)?;
            self.waited += since.elapsed();
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Unwanted);
            }
            if ready {
                return Ok(());
            }
            if self.waited > self.run.wall {
                self.end("limit-time", format!("the reader took longer than {} s", self.run.wall.as_secs_f32()));
            }
        }
        Ok(())
    }

    /// Waits a short while; returns whether something can be done.
    fn poll(&self, what: Wait) -> Result<bool, Error> {
        let input = self.input.as_ref().filter(|_| what == Wait::Either);
        let input = input.map(|fd| PollFd::new(fd, PollFlags::OUT));
        let output = self.said.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN));
        let mut both: Vec<PollFd<'_>> = input.into_iter().chain(output).collect();
        let span = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
        match rustix::event::poll(&mut both, Some(&span)) {
            Ok(n) => Ok(n > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(e) => Err(Error::Pipe { source: e.into() }),
        }
    }

    fn end(&mut self, code: &'static str, text: String) {
        self.starter = None;
        self.listens = false;
        self.ended = Some((code, text));
    }

    /// Turns output and exit into a result.
    fn judge(&mut self) -> Result<(Option<Tier>, Result<model::inventory::LayerInventory, Failed>), Error> {
        let failed = |code: &str, text: String| Failed { code: known(code), text };
        if let Some((code, text)) = self.ended.take() {
            return Ok((None, Err(failed(code, text))));
        }
        let answer = frame::read_answer(&self.output);
        let Some(mut starter) = self.starter.take() else { return Err(Error::Unwanted) };
        let status = match starter.ended(LAST_BREATH).map_err(|source| Error::Pipe { source })? {
            Ended::With(status) => Some(status),
            Ended::Not => None,
        };
        match (answer, status.and_then(|s| s.code())) {
            (Ok((tier, answer)), Some(ANSWERED)) => {
                self.pool.keep(starter, &self.run.order);
                Ok((Some(tier), answer.into_result().map_err(|(code, text)| failed(&code, text))))
            }
            (_, Some(NOT_LOCKED)) => Err(Error::NoSandbox { offered: super::tier() }),
            (answer, _) => {
                let (code, text) = why(status, answer.err().unwrap_or("an answer, and then a bad end"));
                Ok((None, Err(failed(code, text))))
            }
        }
    }
}

/// Says why a child gave no valid answer.
fn why(status: Option<ExitStatus>, answer: &'static str) -> (&'static str, String) {
    let Some(status) = status else { return ("crash", "the reader closed its output and went on".into()) };
    match (status.code(), status.signal()) {
        (Some(PANICKED), _) => ("crash", "the reader stopped on a defect of its own".into()),
        (Some(code), _) => ("crash", format!("the reader ended with code {code} and {answer}")),
        // `abort` is what the allocator does when the limit refuses memory; `KILL` is the kernel short of memory.
        (_, Some(libc::SIGABRT | libc::SIGKILL)) => {
            ("limit-memory", "the reader needed more memory than it may have".into())
        }
        (_, Some(libc::SIGXCPU)) => ("limit-time", "the reader needed more processor time than it may have".into()),
        (_, Some(libc::SIGSYS)) => ("crash", "the reader tried a forbidden system call and was ended".into()),
        (_, signal) => ("crash", format!("the reader was ended by signal {}", signal.unwrap_or(0))),
    }
}

/// A child is not trusted with codes: one that is in no table is a crash.
fn known(code: &str) -> &'static str {
    model::verdict::reason(code).map_or("crash", |reason| reason.code)
}
