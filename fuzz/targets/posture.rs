//! Exports of resources and ARM templates, judged by every rule and written in every format.
#![no_main]

use assess::posture::{self, FORMATS, Settings};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(resources) = posture::read(data) else { return };
    let settings = Settings { locations: vec!["westeurope".into()], name_pattern: "a*".into() };
    let records = posture::check(&resources, posture::ALL, &settings);
    for format in FORMATS {
        let text = (format.write)(&records);
        if matches!(format.name, "json" | "sarif") {
            let read: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&text);
            assert!(read.is_ok(), "{} is not JSON: {text}", format.name);
        }
    }
});
