//! Judges a folder of OCI layouts and writes the findings as the ground truth's scorer reads them.
//!
//! In: `truth DATA FEEDS LAYOUTS > FINDINGS.csv`: a data folder for the advisory database, a feeds folder (`<host>/<path>`), a
//! folder of layouts. Out: `image,package,version,ids`, a line a match; time and sizes on standard error.
//! The walk is the product's own (reader, overlay, matching), without sandbox and store.

use anyhow::{Context, Result};
use ecosystem::layer::{self, Limits, SpillToMemory};
use model::inventory::LayerInventory;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [data, feeds, layouts] = arguments.as_slice() else {
        anyhow::bail!("use: truth DATA FEEDS LAYOUTS > FINDINGS.csv");
    };
    let start = Instant::now();
    let options = scan::feeds::Options { from: Some(feeds.clone()), ..scan::feeds::Options::default() };
    let updated = scan::feeds::update(&options, data).await?;
    for report in &updated.feeds {
        let trouble = report.trouble.as_deref().unwrap_or("well");
        eprintln!("{:12} {:8} records, {trouble}", report.state.name, report.state.records);
    }
    eprintln!(
        "generation {} (changed: {}) in {:.2} s",
        updated.generation,
        updated.changed,
        start.elapsed().as_secs_f64()
    );
    let knowledge = scan::Knowledge::open(data)?;
    let db = knowledge.current();
    let mut folders: Vec<PathBuf> = fs::read_dir(layouts)?.flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| folder.join("index.json").is_file());
    folders.sort();
    let mut out = std::io::stdout().lock();
    writeln!(out, "image,package,version,ids")?;
    for folder in &folders {
        judge(folder, &db, &mut out).with_context(|| format!("layout {}", folder.display()))?;
    }
    eprintln!("{} images in {:.2} s", folders.len(), start.elapsed().as_secs_f64());
    Ok(())
}

fn judge(folder: &Path, db: &advisory::Database, out: &mut impl Write) -> Result<()> {
    let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json"))?)?;
    let manifest = index["manifests"][0]["digest"].as_str().context("no manifest")?;
    let manifest: Value = serde_json::from_slice(&fs::read(blob(folder, manifest)?)?)?;
    let mut layers: Vec<LayerInventory> = Vec::new();
    for described in manifest["layers"].as_array().context("no layers")? {
        let file = fs::File::open(blob(folder, described["digest"].as_str().context("no digest")?)?)?;
        layers.push(layer::read(file, &Limits::default(), &mut SpillToMemory::default())?);
    }
    let inventory = model::overlay::overlay(&layers.iter().collect::<Vec<_>>());
    let assessed = assess::assess(&inventory, db);
    let image = folder.file_name().unwrap_or_default().to_string_lossy();
    eprintln!("{image}: {} packages, {:?} {:?}", assessed.packages.len(), assessed.verdict, assessed.reasons);
    for (package, matches) in &assessed.packages {
        for found in matches {
            let mut ids = vec![found.vulnerability.clone()];
            let known = db.find(&found.vulnerability).and_then(|number| db.vulnerability(number));
            ids.extend(known.map_or_else(Vec::new, |known| known.aliases));
            writeln!(out, "{image},{},{},{}", field(&package.name), field(&package.version), ids.join(" "))?;
        }
    }
    Ok(())
}

fn blob(folder: &Path, digest: &str) -> Result<PathBuf> {
    let digest = model::digest::Digest::parse(digest)?;
    Ok(folder.join("blobs").join(digest.as_str().replace(':', "/")))
}

/// Quotes a field of a CSV line where it needs it.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
