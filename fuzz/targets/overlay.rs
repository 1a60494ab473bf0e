//! Layers laid over one another: any inventories that a child may send, one a line.
#![no_main]

use model::inventory::LayerInventory;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let layers: Vec<LayerInventory> =
        data.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let image = model::overlay::overlay(&layers.iter().collect::<Vec<_>>());
    let listed: usize = layers.iter().flat_map(|l| &l.files).map(|f| f.packages.len()).sum();
    let hard: usize = layers.iter().flat_map(|l| &l.links).filter(|l| l.hard).count();
    assert!(image.packages.len() <= listed.saturating_mul(hard.saturating_add(1)), "packages out of nothing");
    for placed in &image.packages {
        assert!((placed.layer as usize) < layers.len(), "a package of a layer that is not there");
        fuzz::purl(&placed.key);
    }
});
