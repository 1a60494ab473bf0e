//! References of images: what is read is written and read as the same again.
#![no_main]

use model::reference::{self, Reference};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = (reference::check_repository(text), reference::check_tag(text));
    let Ok(read) = Reference::parse(text) else { return };
    assert_eq!(Reference::parse(&read.to_string()).as_ref(), Ok(&read), "{text:?}");
    let full = read.with_docker_hub();
    // `library/` may make a name too long: the registry would say so.
    if full.repository.len() <= reference::NAME_LIMIT {
        assert_eq!(Reference::parse(&full.to_string()), Ok(full), "{text:?}");
    }
});
