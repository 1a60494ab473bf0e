//! gzip as the layers' reader unpacks it, beside zlib-rs: the same bytes, and the same streams refused.
#![no_main]

use ecosystem::codec::Stream;
use flate2::bufread::MultiGzDecoder;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use std::io::Read;

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Frames bytes as a member; where they are a whole stream, with the trailer that fits.
fn framed(data: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(1 << 20);
    let mut decoder = Decompress::new(false);
    if !matches!(decoder.decompress_vec(data, &mut plain, FlushDecompress::Finish), Ok(Status::StreamEnd)) {
        return [&HEADER[..], data].concat();
    }
    let mut crc = Crc::new();
    crc.update(&plain);
    let (stream, rest) = data.split_at(decoder.total_in() as usize);
    [&HEADER[..], stream, &crc.sum().to_le_bytes(), &crc.amount().to_le_bytes(), rest].concat()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let bytes = if choice % 4 == 0 { data.to_vec() } else { framed(data) };
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    let mut plain = Vec::new();
    let theirs = MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain);
    let ours = Stream::new(bytes.as_slice(), u64::MAX, 1 << 20).and_then(Stream::finish);
    match (ours, theirs) {
        (Ok((digest, unpacked, read)), Ok(_)) => {
            assert_eq!((unpacked, read), (plain.len() as u64, bytes.len() as u64));
            assert_eq!(digest, model::Digest::sha256(&plain));
        }
        // Where a stream is both cut and damaged, which of the two is seen first may differ.
        (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("{ours:?} here, {theirs:?} there"),
    }
});
