//! Configurations of images.
#![no_main]

use model::config::Config;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(config) = Config::parse(data) {
        for layers in [0, 1, 127] {
            let _ = (config.created_by(layers), config.notes(layers));
        }
    }
});
