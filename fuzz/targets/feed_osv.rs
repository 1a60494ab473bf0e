//! OSV records of three ecosystems: as one record packed for the feed, or as the packed file itself.
#![no_main]

use std::io::{Cursor, Write};
use zip::write::{SimpleFileOptions, ZipWriter};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let name = ["osv-pypi", "osv-npm", "osv-go"][usize::from(choice) % 3];
    if choice & 0x80 != 0 {
        return fuzz::feed(name, data);
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (number, record) in data.split(|b| *b == b'\n').enumerate() {
        zip.start_file(format!("{number}.json"), stored).expect("memory takes all");
        zip.write_all(record).expect("memory takes all");
    }
    fuzz::feed(name, &zip.finish().expect("memory takes all").into_inner());
});
