//! What parent and child say to one another.
//!
//! In (to the child's standard input): an order, a length-prefixed JSON text, then the bytes of the blob up to the end.
//! Out (from its standard output): `PWLR`, version, tier (2 bytes), kind; the payload as JSON; its length (8 bytes, little
//! endian) and the SHA-256 of everything before. Anything else is garbage, and garbage is a crash.

use super::Tier;
use aws_lc_rs::digest::{Context, SHA256};
use ecosystem::layer;
use model::inventory::LayerInventory;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

const MAGIC: &[u8; 4] = b"PWLR";
/// Raised when either direction changes its form.
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 8;
const TAIL_BYTES: usize = 8 + 32;
const KIND_INVENTORY: u8 = 0;
const KIND_FAILURE: u8 = 1;
/// An order is a few hundred bytes; a larger one is not ours.
const MAX_ORDER_BYTES: usize = 4096;

/// What the child may use, and what it must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Form of the exchange.
    pub version: u8,
    /// Bytes of memory beyond what the program itself takes.
    pub memory_bytes: u64,
    /// Seconds of processor time.
    pub cpu_seconds: u64,
    /// Whether to refuse when the full tier is not to be had.
    pub require: bool,
    /// Limits of the walk: entries, unpacked bytes, packages, whole, seekable, extended header, path, zstd window, output.
    pub walk: [u64; 9],
}

impl Order {
    /// Makes an order.
    pub fn new(memory_bytes: u64, cpu_seconds: u64, require: bool, limits: &layer::Limits) -> Self {
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let walk = [
            limits.entries,
            limits.unpacked_bytes,
            number(limits.packages),
            limits.whole_bytes,
            limits.seekable_bytes,
            limits.pax_bytes,
            number(limits.path_bytes),
            limits.zstd_window,
            limits.output_bytes,
        ];
        Self { version: VERSION, memory_bytes, cpu_seconds, require, walk }
    }

    /// Returns the limits of the walk.
    pub fn limits(&self) -> layer::Limits {
        let [
            entries,
            unpacked_bytes,
            packages,
            whole_bytes,
            seekable_bytes,
            pax_bytes,
            path,
            zstd_window,
            output_bytes,
        ] = self.walk;
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        layer::Limits {
            entries,
            unpacked_bytes,
            packages: number(packages),
            whole_bytes,
            seekable_bytes,
            pax_bytes,
            path_bytes: number(path),
            zstd_window,
            output_bytes,
        }
    }

    /// Returns the bytes to send ahead of the blob.
    pub fn encode(&self) -> Vec<u8> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = u32::try_from(text.len()).unwrap_or(0).to_le_bytes().to_vec();
        bytes.extend_from_slice(&text);
        bytes
    }

    /// Reads an order.
    pub fn decode(input: &mut impl Read) -> io::Result<Self> {
        let mut length = [0u8; 4];
        input.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_ORDER_BYTES {
            return Err(io::Error::other("order too long"));
        }
        let mut text = vec![0u8; length];
        input.read_exact(&mut text)?;
        let order: Self = serde_json::from_slice(&text)?;
        if order.version != VERSION { Err(io::Error::other("order of another version")) } else { Ok(order) }
    }
}

/// What the child answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The layer was read.
    Inventory(Box<LayerInventory>),
    /// It cannot be read: reason code and sentence.
    Failure(String, String),
}

impl Answer {
    /// Returns the inventory, or reason code and sentence.
    pub fn into_result(self) -> Result<LayerInventory, (String, String)> {
        match self {
            Self::Inventory(inventory) => Ok(*inventory),
            Self::Failure(code, text) => Err((code, text)),
        }
    }
}

/// Writes an answer.
pub(crate) fn write_answer(output: impl Write, tier: Tier, answer: &Answer) -> io::Result<()> {
    let mut out = Hashing { output, hash: Context::new(&SHA256), bytes: 0 };
    let kind = if matches!(answer, Answer::Inventory(_)) { KIND_INVENTORY } else { KIND_FAILURE };
    let [a, b, c, d] = *MAGIC;
    out.write_all(&[a, b, c, d, VERSION, tier.landlock, u8::from(tier.seccomp), kind])?;
    // Payload in pieces of 64 KiB: never the whole text in memory beside the inventory.
    let mut buffer = io::BufWriter::with_capacity(64 << 10, &mut out);
    match answer {
        Answer::Inventory(inventory) => serde_json::to_writer(&mut buffer, inventory)?,
        Answer::Failure(code, text) => serde_json::to_writer(&mut buffer, &(code, text))?,
    }
    buffer.flush()?;
    drop(buffer);
    let payload = out.bytes.saturating_sub(HEAD_BYTES as u64);
    out.write_all(&payload.to_le_bytes())?;
    let hash = out.hash.finish();
    out.output.write_all(hash.as_ref())?;
    out.output.flush()
}

/// Reads an answer; the error says what is wrong with it.
pub(crate) fn read_answer(bytes: &[u8]) -> Result<(Tier, Answer), &'static str> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES).ok_or("no answer")?;
    let &[a, b, c, d, version, landlock, seccomp, kind] = head else { return Err("no answer") };
    if [a, b, c, d] != *MAGIC || version != VERSION {
        return Err("an answer in another form");
    }
    let (payload, tail) =
        rest.len().checked_sub(TAIL_BYTES).and_then(|at| rest.split_at_checked(at)).ok_or("an answer without end")?;
    let (length, hash) = tail.split_at_checked(8).ok_or("an answer without end")?;
    if length != (payload.len() as u64).to_le_bytes() {
        return Err("an answer of another length");
    }
    let hashed = bytes.get(..bytes.len() - 32).ok_or("an answer without end")?;
    if aws_lc_rs::digest::digest(&SHA256, hashed).as_ref() != hash {
        return Err("an answer with a wrong checksum");
    }
    let tier = Tier { landlock, seccomp: seccomp == 1 };
    let answer = match kind {
        KIND_INVENTORY => serde_json::from_slice(payload).ok().map(|i| Answer::Inventory(Box::new(i))),
        KIND_FAILURE => serde_json::from_slice(payload).ok().map(|(code, text)| Answer::Failure(code, text)),
        _ => None,
    };
    Ok((tier, answer.ok_or("an answer that is no inventory")?))
}

/// Hashes and counts what passes.
struct Hashing<W> {
    output: W,
    hash: Context,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.output.write(bytes)?;
        self.hash.update(bytes.get(..n).unwrap_or_default());
        self.bytes += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_bytes(answer: &Answer) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_answer(&mut bytes, Tier { landlock: 7, seccomp: true }, answer).unwrap();
        bytes
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let inventory = LayerInventory { diff_id: "sha256:00".into(), entries: 3, ..Default::default() };
        for answer in [
            Answer::Inventory(Box::new(inventory)),
            Answer::Failure("layer-truncated".into(), "the layer ends in the middle".into()),
        ] {
            let bytes = answer_bytes(&answer);
            assert_eq!(read_answer(&bytes), Ok((Tier { landlock: 7, seccomp: true }, answer)));
        }
    }

    #[test]
    fn no_byte_of_an_answer_can_change_unseen() {
        let bytes = answer_bytes(&Answer::Failure("crash".into(), "x".into()));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(read_answer(&bad).is_err(), "byte {at} flipped");
            assert!(read_answer(&bytes[..at]).is_err(), "cut at {at}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(read_answer(&longer).is_err(), "a byte more");
    }

    #[test]
    fn an_order_arrives_as_it_was_given() {
        let order = Order::new(1 << 20, 9, true, &layer::Limits::default());
        assert_eq!(Order::decode(&mut order.encode().as_slice()).unwrap(), order);
        assert_eq!(order.limits(), layer::Limits::default());
        for (bad, why) in [(vec![], "nothing"), (vec![255; 8], "too long"), (vec![2, 0, 0, 0, b'{', b'}'], "no fields")]
        {
            assert!(Order::decode(&mut bad.as_slice()).is_err(), "{why}");
        }
    }
}
