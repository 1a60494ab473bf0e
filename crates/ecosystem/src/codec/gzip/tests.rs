//! Against zlib-rs, through flate2: the same bytes, and the same streams refused.

use super::*;
use flate2::bufread::MultiGzDecoder;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, GzBuilder, Status};
use proptest::prelude::*;

/// What became of a stream, but for the words of an error.
#[derive(Debug, PartialEq)]
enum Verdict {
    Whole,
    Truncated,
    Damaged,
}

impl Verdict {
    fn of(result: io::Result<()>) -> Self {
        match result {
            Ok(()) => Self::Whole,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Truncated,
            Err(_) => Self::Damaged,
        }
    }
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// Gives bytes in pieces of up to so many.
struct Pieces<'a>(&'a [u8], Numbers, usize);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = (self.1.below(self.2) + 1).min(into.len()).min(self.0.len());
        into[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// Unpacks with pieces of input and room for output that differ by the seed; noise stands before the history.
fn ours(packed: &[u8], seed: u64) -> (Vec<u8>, Verdict) {
    let mut numbers = Numbers(seed | 1);
    let piece = [1, 7, 999, 1 << 18][numbers.below(4)];
    let tight = numbers.below(2) == 0;
    let mut gzip = Gzip::new(Pieces(packed, Numbers(seed | 2), piece));
    let mut buffer: Box<Buffer> = zeros();
    let (mut all, mut end) = (Vec::new(), 0);
    let verdict = loop {
        match gzip.unpack(&mut buffer, end) {
            Ok(0) => break Verdict::of(Ok(())),
            Ok(count) => all.extend_from_slice(&buffer[end..end + count]),
            Err(error) => break Verdict::of(Err(error)),
        }
        end = all.len().min(HISTORY);
        let most = BUFFER_BYTES - ROOM - end;
        let to = if tight { most - numbers.below(999) } else { numbers.below(most) };
        buffer.fill(0xaa);
        buffer[to..to + end].copy_from_slice(&all[all.len() - end..]);
        end += to;
    };
    (all, verdict)
}

fn theirs(packed: &[u8]) -> (Vec<u8>, Verdict) {
    let mut all = Vec::new();
    let result = MultiGzDecoder::new(packed).read_to_end(&mut all);
    (all, Verdict::of(result.map(drop)))
}

/// Checks that both take a stream or both refuse it. Before an error they may have given up to a buffer more or less.
fn assert_same(packed: &[u8], seed: u64, why: &str) {
    let ((our, our_verdict), (their, their_verdict)) = (ours(packed, seed), theirs(packed));
    let whole = [&our_verdict, &their_verdict].map(|verdict| *verdict == Verdict::Whole);
    assert_eq!(whole[0], whole[1], "{why}: {our_verdict:?} here, {their_verdict:?} there");
    let count = if whole[0] { our.len().max(their.len()) } else { our.len().min(their.len()) };
    assert!(our.get(..count) == their.get(..count), "{why}: other bytes");
}

/// Makes data: runs, repeats from near and far, letters and noise, by turns.
fn data(numbers: &mut Numbers, length: usize) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(length);
    while out.len() < length {
        let count = 1 + numbers.below([4, 40, 400, 4000][numbers.0 as usize & 3]);
        match numbers.below(5) {
            0 => out.extend(std::iter::repeat_n(numbers.below(256) as u8, count)),
            1 => (0..count).for_each(|_| out.push(numbers.below(256) as u8)),
            2 => (0..count).for_each(|_| out.push(b"etaoin shrdlu"[numbers.below(13)])),
            _ if out.is_empty() => {}
            choice => {
                let reach = if choice == 3 { 40 } else { 40_000 };
                let distance = 1 + numbers.below(out.len().min(reach));
                (0..count).for_each(|_| out.push(out[out.len() - distance]));
            }
        }
    }
    out.truncate(length);
    out
}

fn gzip(plain: &[u8], level: u32) -> Vec<u8> {
    let mut packed = Vec::new();
    flate2::bufread::GzEncoder::new(plain, Compression::new(level)).read_to_end(&mut packed).unwrap();
    packed
}

/// Frames a deflate stream as a member whose trailer fits what flate2 unpacks of it, if it does.
fn framed(deflate: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(1 << 20);
    let mut decoder = Decompress::new(false);
    let status = decoder.decompress_vec(deflate, &mut plain, FlushDecompress::Finish);
    let ends = matches!(status, Ok(Status::StreamEnd));
    let mut crc = flate2::Crc::new();
    crc.update(&plain);
    let end = if ends { decoder.total_in() as usize } else { deflate.len() };
    let trailer = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat();
    let trailer = if ends { trailer } else { Vec::new() };
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], &deflate[..end], &trailer].concat()
}

/// Bits, lowest first; codes are given with their first bit lowest.
#[derive(Default)]
struct Writer(Vec<u8>, u32);

impl Writer {
    fn put(&mut self, value: usize, count: u32) {
        for bit in 0..count {
            if self.1 == 0 {
                self.0.push(0);
            }
            *self.0.last_mut().unwrap() |= ((value >> bit & 1) as u8) << self.1;
            self.1 = (self.1 + 1) & 7;
        }
    }
}

/// Makes lengths of a whole code of so many symbols, which some of `length` symbols get; few or many of them are long.
fn lengths(numbers: &mut Numbers, symbols: usize, length: usize) -> Vec<usize> {
    let mut leaves = vec![0];
    let steep = numbers.below(3);
    while leaves.len() < symbols {
        let at = if numbers.below(3) < steep { leaves.len() - 1 } else { numbers.below(leaves.len()) };
        if leaves[at] < 15 {
            leaves[at] += 1;
            leaves.push(leaves[at]);
        } else {
            leaves.sort_by(|a: &usize, b| b.cmp(a));
        }
    }
    let mut out = vec![0; length];
    for leaf in leaves {
        let free: Vec<usize> = (0..length).filter(|at| out[*at] == 0).collect();
        out[free[numbers.below(free.len())]] = leaf;
    }
    out
}

/// Makes a dynamic block with any tables, right ones mostly, and any bits for its symbols.
fn made_block(numbers: &mut Numbers) -> Vec<u8> {
    let (literals, distances) = (257 + numbers.below(30), 1 + numbers.below(32));
    let few = 2 + numbers.below(literals - 2);
    let mut of_literals = lengths(numbers, few, literals);
    if of_literals[256] == 0 && numbers.below(9) > 0 {
        let other = of_literals.iter().position(|length| *length > 0).unwrap();
        of_literals.swap(256, other);
    }
    let few = 1 + numbers.below(distances);
    let mut of_distances = lengths(numbers, few, distances);
    match numbers.below(8) {
        0 => of_literals[numbers.below(literals)] = numbers.below(16),
        1 => of_distances[numbers.below(distances)] = numbers.below(16),
        2 => of_distances = vec![usize::from(numbers.below(2) == 0); 1],
        3 => of_literals = (0..257).map(|symbol| usize::from(symbol == 256 || symbol == 65)).collect(),
        _ => {}
    }
    let mut out = Writer::default();
    out.put(0b101, 3);
    out.put(of_literals.len() - 257, 5);
    out.put(of_distances.len() - 1, 5);
    out.put(15, 4);
    // Sixteen codes of four bits for the lengths 0 to 15; none for repeats.
    (0..19).for_each(|at| out.put(if at < 3 { 0 } else { 4 }, 3));
    for length in of_literals.iter().chain(&of_distances) {
        (0..4).rev().for_each(|bit| out.put(length >> bit & 1, 1));
    }
    for _ in 0..numbers.below(3000) {
        out.put(numbers.below(256), 8);
    }
    out.0
}

#[test]
fn members_headers_and_trailers_are_taken_as_flate2_takes_them() {
    let plain = gzip(b"hello hello hello", 6);
    let part = |flags: u8, fields: &[u8]| [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3], fields, &plain[10..]].concat();
    let with_fields = GzBuilder::new().extra(vec![7; 3000]).filename("a name").comment("a comment");
    let mut all_fields = Vec::new();
    with_fields.buf_read(&b"hello"[..], Compression::best()).read_to_end(&mut all_fields).unwrap();
    let head_sum = {
        let mut crc = flate2::Crc::new();
        crc.update(&[0x1f, 0x8b, 8, 2 | 8, 0, 0, 0, 0, 0, 3, b'x', 0]);
        (crc.sum() as u16).to_le_bytes()
    };
    let with_sum = |sum: [u8; 2]| part(2 | 8, &[b'x', 0, sum[0], sum[1]]);
    let name = |length: usize| part(8, &[vec![b'n'; length], vec![0]].concat());
    for (packed, want, why) in [
        (plain.clone(), Verdict::Whole, "one member"),
        ([&plain[..], &plain, &gzip(b"", 6)].concat(), Verdict::Whole, "three members"),
        ([&plain[..], &[0; 700]].concat(), Verdict::Damaged, "zeros behind"),
        ([&plain[..], &[0; 3]].concat(), Verdict::Truncated, "few zeros behind"),
        ([&plain[..], &[0x1f, 0x8b]].concat(), Verdict::Truncated, "half a header behind"),
        (all_fields, Verdict::Whole, "all fields"),
        (with_sum(head_sum), Verdict::Whole, "a checksum of the header"),
        (with_sum([!head_sum[0], 0]), Verdict::Damaged, "a wrong checksum of the header"),
        (name(65_535), Verdict::Whole, "the longest name"),
        (name(65_536), Verdict::Damaged, "a name too long"),
        (part(16, b"a comment\0"), Verdict::Whole, "a comment"),
        (part(4, &[0xff, 0xff]), Verdict::Truncated, "a long field that stops"),
        (part(0x20, b""), Verdict::Damaged, "a reserved flag"),
        ([0x1f, 0x8b, 7].into_iter().chain([0; 20]).collect(), Verdict::Damaged, "another method"),
        (vec![], Verdict::Truncated, "nothing"),
    ] {
        assert_same(&packed, 1, why);
        assert_eq!(ours(&packed, 4).1, want, "{why}");
    }
}

#[test]
fn a_stream_that_is_cut_or_of_which_a_bit_is_changed_is_judged_as_zlib_judges_it() {
    let mut numbers = Numbers(99);
    for (length, level) in [(0, 6), (9, 6), (70, 0), (90, 9), (300, 1), (700, 6)] {
        let plain = data(&mut numbers, length);
        let packed = gzip(&plain, level);
        for count in 0..packed.len() {
            assert_same(&packed[..count], count as u64, &format!("{count} bytes of {}", packed.len()));
            assert_eq!(ours(&packed[..count], 7).1, Verdict::Truncated, "{count} bytes of {}", packed.len());
        }
        for bit in 0..packed.len().min(200) * 8 {
            let mut changed = packed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_same(&changed, bit as u64, &format!("level {level}, bit {bit}"));
        }
    }
}

#[test]
fn a_match_reaches_back_to_the_beginning_of_its_member_and_no_further() {
    // A fixed block: the literal "a", a match of 3 bytes, the end. Distances 1 to 4 have codes of five bits and no extra ones.
    let block = |distance: usize| {
        let mut out = Writer::default();
        out.put(0b011, 3);
        [0x91usize, 0b0000001].iter().zip([8u32, 7]).for_each(|(code, bits)| {
            (0..bits).rev().for_each(|bit| out.put(code >> bit & 1, 1));
        });
        (0..5).rev().for_each(|bit| out.put((distance - 1) >> bit & 1, 1));
        out.put(0, 7);
        framed(&out.0)
    };
    assert_eq!(ours(&block(1), 3), (b"aaaa".to_vec(), Verdict::Whole));
    for packed in [block(2), [gzip(b"before", 6), block(2)].concat()] {
        assert_eq!(ours(&packed, 3).1, Verdict::Damaged);
        assert_same(&packed, 3, "one byte too far");
    }
}

#[test]
fn what_was_unpacked_before_an_error_is_given_first() {
    let plain = data(&mut Numbers(5), 9000);
    let packed = gzip(&plain, 6);
    let mut buffer: Box<Buffer> = zeros();
    let mut gzip = Gzip::new(&packed[..packed.len() - 9]);
    let count = gzip.unpack(&mut buffer, 0).unwrap();
    assert!(count > 8000 && buffer[..count] == plain[..count], "{count}");
    assert_eq!(gzip.unpack(&mut buffer, count).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn real_layers_unpack_as_before() {
    let root = std::env::var_os("PORTWARDEN_TEST_IMAGES").map(std::path::PathBuf::from);
    let Some(root) = root else {
        println!("real layers not run: PORTWARDEN_TEST_IMAGES names no folder of layouts");
        return;
    };
    for name in ["layers-40", "hostile-truncated", "hostile-traversal"] {
        for entry in std::fs::read_dir(root.join(name).join("blobs/sha256")).into_iter().flatten() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            if bytes.len() < 3_000_000 && bytes.starts_with(&[0x1f, 0x8b]) {
                assert_same(&bytes, bytes.len() as u64, name);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_data_packed_by_zlib_unpack(seed: u64, level in 0..10u32, large: bool) {
        let mut numbers = Numbers(seed | 1);
        let length = numbers.below(if large { 400_000 } else { 5_000 });
        let plain = data(&mut numbers, length);
        let split = numbers.below(plain.len() + 1);
        let packed = [gzip(&plain[..split], level), gzip(&plain[split..], 9 - level)].concat();
        prop_assert!(ours(&packed, seed) == (plain, Verdict::Whole));
    }

    #[test]
    fn flushed_blocks_unpack(seed: u64) {
        let mut numbers = Numbers(seed | 1);
        let mut encoder = Compress::new(Compression::new(numbers.below(10) as u32), false);
        let mut packed = Vec::with_capacity(1 << 20);
        for flush in [FlushCompress::Sync, FlushCompress::Full, FlushCompress::Partial, FlushCompress::Finish] {
            let length = numbers.below(3000);
            encoder.compress_vec(&data(&mut numbers, length), &mut packed, flush).unwrap();
        }
        assert_same(&framed(&packed), seed, "flushed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_tables_and_bits_are_judged_as_zlib_judges_them(seed: u64) {
        let mut numbers = Numbers(seed | 1);
        assert_same(&framed(&made_block(&mut numbers)), seed, "a made block");
    }

    #[test]
    fn any_bytes_are_judged_as_zlib_judges_them(bytes: Vec<u8>, seed: u64) {
        assert_same(&framed(&bytes), seed, "bytes");
    }
}
