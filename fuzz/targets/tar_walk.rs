//! The walk through an archive: every body is read, or its head, or it is passed over.
#![no_main]

use ecosystem::codec::Stream;
use ecosystem::tar::Walk;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let tar = fuzz::mended_tar(data);
    let Ok(mut stream) = Stream::new(tar.as_slice(), 4 << 20, 1 << 20) else { return };
    let mut walk = Walk::new(&mut stream, 16 << 10);
    for number in 0..2_000_u32 {
        if !walk.advance().unwrap_or(false) {
            break;
        }
        let size = walk.member().size;
        if (choice >> (number % 7)) & 1 == 1 && walk.head().is_err() {
            break;
        }
        let mut given = 0_u64;
        // A sparse file may claim any size: the walk's caller asks for bodies within its own limits only.
        if size < 1 << 20 && choice & 0x80 == 0 {
            if walk.body(&mut |piece| given += piece.len() as u64).is_err() {
                break;
            }
            assert_eq!(given, size, "a body of another size than the member says");
        }
    }
});
