//! What a child may answer, and the order that it is given.
#![no_main]

#[allow(dead_code)] // the writing half belongs to the child
#[path = "../../crates/scan/src/sandbox/frame.rs"]
mod frame;

use aws_lc_rs::digest::{SHA256, digest};

/// What a process could be held to; the product's own type has the same fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tier {
    landlock: u8,
    seccomp: bool,
}

/// Bytes before the payload.
const HEAD: &[u8] = b"PWLR\x01\x07\x01";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = frame::Order::decode(&mut &*data);
    assert!(data.len() < 48 || frame::read_answer(data).is_err() || data.starts_with(b"PWLR"));
    // The payload alone, framed as it should be: only then is it looked at.
    let Some((kind, payload)) = data.split_first() else { return };
    let length = (payload.len() as u64).to_le_bytes();
    let mut answer = [HEAD, &[kind & 1], payload, &length].concat();
    let hash = digest(&SHA256, &answer);
    answer.extend_from_slice(hash.as_ref());
    let Ok((tier, read)) = frame::read_answer(&answer) else { return };
    let mut written = Vec::new();
    frame::write_answer(&mut written, tier, &read).expect("memory takes all");
    assert_eq!(frame::read_answer(&written), Ok((tier, read)), "what is written is read as the same");
});
