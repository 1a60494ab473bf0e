//! Reading a layer against only unpacking and hashing the same bytes: what the walk and the readers cost on top.
//!
//! In: a made layer, and the first layer of `debian-bookworm-nosec` in the folder that `PORTWARDEN_TEST_IMAGES` names, if set.
//! Out: times of both; their ratio is the figure that counts.
#![allow(clippy::unwrap_used)] // a bench that cannot read its input has nothing to say

use ecosystem::layer::{Limits, SpillToMemory};
use std::io::{Read, Write};

fn main() {
    divan::main();
}

/// A layer like a small distribution's: 6,000 files of text and noise, and a package database.
fn made() -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()));
    let mut state = 1u64;
    for i in 0..6000u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i);
        let words = (0..(state >> 50)).map(|n| (state >> (n % 40)) as u8 & 0x3f).collect::<Vec<u8>>();
        let mut header = tar::Header::new_gnu();
        header.set_size(words.len() as u64);
        builder.append_data(&mut header, format!("usr/share/folder-{}/file-{i}", i % 97), &words[..]).unwrap();
    }
    let status: String =
        (0..200).map(|i| format!("Package: p{i}\nStatus: install ok installed\nVersion: 1.{i}\n\n")).collect();
    let mut header = tar::Header::new_gnu();
    header.set_size(status.len() as u64);
    builder.append_data(&mut header, "var/lib/dpkg/status", status.as_bytes()).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

/// The layer of a real image, if there is one.
fn real() -> Option<Vec<u8>> {
    let layout = std::path::PathBuf::from(std::env::var_os("PORTWARDEN_TEST_IMAGES")?).join("debian-bookworm-nosec");
    let json =
        |path: std::path::PathBuf| serde_json::from_slice::<serde_json::Value>(&std::fs::read(path).unwrap()).unwrap();
    let blob =
        |value: &serde_json::Value| layout.join("blobs").join(value["digest"].as_str().unwrap().replace(':', "/"));
    let manifest = json(blob(&json(layout.join("index.json"))["manifests"][0]));
    std::fs::read(blob(&manifest["layers"][0])).ok()
}

fn inputs() -> &'static [(&'static str, Vec<u8>)] {
    static INPUTS: std::sync::OnceLock<Vec<(&'static str, Vec<u8>)>> = std::sync::OnceLock::new();
    INPUTS.get_or_init(|| {
        [("made", Some(made())), ("debian", real())]
            .into_iter()
            .filter_map(|(name, bytes)| Some((name, bytes?)))
            .collect()
    })
}

fn names() -> Vec<&'static str> {
    inputs().iter().map(|(name, _)| *name).collect()
}

fn input(name: &str) -> &'static [u8] {
    inputs().iter().find(|(other, _)| *other == name).map(|(_, bytes)| &bytes[..]).unwrap()
}

#[divan::bench(args = names())]
fn unpack_and_hash(name: &str) -> impl Sized {
    let mut decoder = flate2::bufread::MultiGzDecoder::new(input(name));
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = decoder.read(&mut buffer).unwrap();
        if count == 0 {
            break hash.finish();
        }
        hash.update(&buffer[..count]);
    }
}

#[divan::bench(args = names())]
fn read_layer(name: &str) -> impl Sized {
    ecosystem::layer::read(input(name), &Limits::default(), &mut SpillToMemory::default()).unwrap()
}

/// As a child of the scanner reads it: through a pipe, 64 KiB at a time.
#[divan::bench(args = names())]
fn read_layer_from_a_pipe(name: &'static str) -> impl Sized {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let sender = std::thread::spawn(move || writer.write_all(input(name)));
    let inventory = ecosystem::layer::read(reader, &Limits::default(), &mut SpillToMemory::default()).unwrap();
    sender.join().unwrap().unwrap();
    inventory
}
