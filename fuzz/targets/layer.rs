//! A whole layer: plain, gzip or zstd, read with small limits, laid over itself, written as JSON and read back.
#![no_main]

use ecosystem::layer::{self, SpillToMemory};
use model::inventory::LayerInventory;
use std::io::Write;

fn packed(choice: u8, data: &[u8]) -> Vec<u8> {
    match choice % 4 {
        0 => data.to_vec(),
        1 => fuzz::mended_tar(data),
        2 => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&fuzz::mended_tar(data)).expect("memory takes all");
            gzip.finish().expect("memory takes all")
        }
        _ => zstd::encode_all(fuzz::mended_tar(data).as_slice(), 1).expect("memory takes all"),
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let bytes = packed(choice, data);
    let limits = fuzz::small_limits();
    let Ok(inventory) = layer::read(bytes.as_slice(), &limits, &mut SpillToMemory::default()) else { return };
    assert_eq!(inventory.bytes, bytes.len() as u64, "every byte of the blob is read");
    assert!(inventory.files.windows(2).all(|two| two[0].path < two[1].path), "files are in order, each once");
    let text = serde_json::to_vec(&inventory).expect("an inventory is text");
    assert_eq!(serde_json::from_slice::<LayerInventory>(&text).ok().as_ref(), Some(&inventory));
    let image = model::overlay::overlay(&[&inventory, &inventory]);
    for placed in &image.packages {
        fuzz::purl(&placed.key);
    }
});
