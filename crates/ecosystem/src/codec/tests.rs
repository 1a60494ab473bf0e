use super::*;
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn skippable(bytes: &[u8]) -> Vec<u8> {
    [&[0x53, 0x2a, 0x4d, 0x18][..], &(bytes.len() as u32).to_le_bytes(), bytes].concat()
}

fn unpack(bytes: &[u8], limit: u64) -> Result<(Digest, u64, u64), Failure> {
    Stream::new(bytes, limit, 128 << 20)?.finish()
}

/// A frame that says it wants a window of this size, with one raw block.
fn zstd_with_window(log: u8) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (log - 10) << 3];
    frame.extend([(5 << 3) | 1, 0, 0]);
    frame.extend(b"hello");
    frame
}

#[test]
fn members_and_frames_are_continued() {
    let want = Digest::sha256(b"one two");
    for (bytes, why) in [
        ([gzip(b"one "), gzip(b"two")].concat(), "two gzip members"),
        ([gzip(b"one two"), gzip(b"")].concat(), "an empty gzip member at the end, as eStargz writes"),
        ([zstd(b"one "), zstd(b"two")].concat(), "two zstd frames"),
        ([skippable(b"x"), zstd(b"one "), skippable(b"yy"), zstd(b"two"), skippable(b"")].concat(), "skippable frames"),
        (b"one two".to_vec(), "no compression"),
    ] {
        let (digest, unpacked, read) = unpack(&bytes, 7).unwrap();
        assert_eq!((digest, unpacked, read), (want.clone(), 7, bytes.len() as u64), "{why}");
    }
}

#[test]
fn what_is_wrong_with_a_stream_is_named() {
    let bad_crc = {
        let mut bytes = gzip(b"hello");
        let at = bytes.len() - 8;
        bytes[at] ^= 1;
        bytes
    };
    for (bytes, limit, want, why) in [
        (gzip(b"hello")[..12].to_vec(), 99, "layer-truncated", "half a gzip member"),
        (zstd(&[7; 9000])[..9].to_vec(), 99_999, "layer-truncated", "half a zstd frame"),
        (
            [gzip(b"hello"), b"garbage, long enough for a header".to_vec()].concat(),
            99,
            "layer-unreadable",
            "garbage after a gzip member",
        ),
        (bad_crc, 99, "layer-unreadable", "a wrong CRC"),
        (gzip(&[0; 1000]), 999, "limit-bytes", "one byte over the limit"),
        (zstd_with_window(31), 99, "compression-unsupported", "a zstd window of 2 GiB"),
        (b"BZh91AY&SY".to_vec(), 99, "compression-unsupported", "bzip2"),
        (b"\xfd7zXZ\0\0".to_vec(), 99, "compression-unsupported", "xz"),
    ] {
        assert_eq!(unpack(&bytes, limit).map_err(|f| f.code()), Err(want), "{why}");
    }
    assert_eq!(unpack(&zstd_with_window(27), 99).unwrap().1, 5, "a window at the limit is read");
    assert_eq!(unpack(&gzip(&[0; 1000]), 1000).unwrap().1, 1000, "as many bytes as the limit are read");
}

#[test]
fn an_input_that_fails_is_not_the_layers_fault() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    for head in [gzip(&[1; 2000])[..15].to_vec(), zstd(&[1; 2000])[..9].to_vec(), vec![], vec![0; 2000]] {
        let failure = Stream::new(Cursor::new(head).chain(Broken), 9999, 1 << 20).and_then(Stream::finish);
        assert!(matches!(failure, Err(Failure::Input(_))));
    }
}
