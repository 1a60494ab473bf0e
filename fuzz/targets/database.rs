//! The file of advisories: its header is mended, so that damage behind it is met.
#![no_main]

use advisory::Database;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of the header that its checksum covers; the checksum follows.
const COVERED: usize = 504;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let mut file = data.to_vec();
    if choice & 1 == 1 && file.len() >= COVERED + 8 {
        let length = (file.len() as u64).to_le_bytes();
        file[32..40].copy_from_slice(&length);
        let hash = xxh3_64(&file[..COVERED]).to_le_bytes();
        file[COVERED..COVERED + 8].copy_from_slice(&hash);
    }
    if let Ok(database) = Database::open(Box::new(file)) {
        let _ = database.verify();
        fuzz::walk(&database);
        let _ = advisory::diff(&database, &database);
    }
});
