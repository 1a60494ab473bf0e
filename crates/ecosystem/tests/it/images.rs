//! Images of OCI layouts against the lists of what is in them.
//!
//! In: the folder that `PORTWARDEN_TEST_IMAGES` names: `NAME/` layouts and `expected/NAME.tsv` (type, name, version, path or detail).

use ecosystem::layer::{Failure, Limits, SpillToMemory};
use model::inventory::{Inventory, LayerInventory};
use model::overlay::overlay;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Returns the folder of images; without one, says how many checks are not run.
fn images(checks: usize) -> Option<PathBuf> {
    let folder = std::env::var_os("PORTWARDEN_TEST_IMAGES").map(PathBuf::from).filter(|folder| folder.exists());
    if folder.is_none() {
        println!("{checks} checks not run: no test images");
    }
    folder
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn blob(layout: &Path, descriptor: &Value) -> PathBuf {
    layout.join("blobs").join(descriptor["digest"].as_str().unwrap().replace(':', "/"))
}

/// Returns the manifests of images, those of nested indexes too; attestations and other artefacts are left out.
fn manifests(layout: &Path, index: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for descriptor in index["manifests"].as_array().unwrap() {
        let manifest = json(&blob(layout, descriptor));
        let attestation = descriptor["annotations"]["vnd.docker.reference.type"] == "attestation-manifest";
        let config = manifest["config"]["mediaType"].as_str().unwrap_or("");
        let image = config.ends_with("image.config.v1+json") || config.ends_with("container.image.v1+json");
        match (manifest["manifests"].is_array(), attestation) {
            (true, _) => found.extend(manifests(layout, &manifest)),
            (false, false) if image => found.push(manifest),
            _ => {}
        }
    }
    found
}

fn read_layers(layout: &Path, manifest: &Value) -> Result<Vec<LayerInventory>, Failure> {
    let mut spill = SpillToMemory::default();
    let layers = manifest["layers"].as_array().unwrap().iter();
    let mut read = Vec::new();
    for layer in layers {
        let file = std::fs::File::open(blob(layout, layer)).unwrap();
        read.push(ecosystem::layer::read(file, &Limits::default(), &mut spill)?);
    }
    Ok(read)
}

fn inventories(layout: &Path) -> Vec<Inventory> {
    let index = json(&layout.join("index.json"));
    let read = |manifest: &Value| {
        let layers = read_layers(layout, manifest).unwrap_or_else(|failure| panic!("{}: {failure}", layout.display()));
        let diff_ids = json(&blob(layout, &manifest["config"]))["rootfs"]["diff_ids"].clone();
        let claimed: Vec<&str> = diff_ids.as_array().into_iter().flatten().map(|id| id.as_str().unwrap()).collect();
        assert_eq!(layers.iter().map(|layer| &*layer.diff_id).collect::<Vec<_>>(), claimed, "{}", layout.display());
        overlay(&layers.iter().collect::<Vec<_>>())
    };
    manifests(layout, &index).iter().map(read).collect()
}

/// Types of packages that there is a reader for.
fn covered(purl_type: &str) -> bool {
    ecosystem::by_purl_type(purl_type).is_some()
}

/// `(type, name, version, path of a language package)`.
type Row = (String, String, String, String);

fn expected(folder: &Path, name: &str) -> BTreeSet<Row> {
    let text = std::fs::read_to_string(folder.join(format!("expected/{name}.tsv"))).unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let os = matches!(fields[0], "deb" | "apk" | "rpm");
        let path = if os { "" } else { fields.get(3).copied().unwrap_or("") };
        let name = ecosystem::by_purl_type(fields[0]).map_or(fields[1].to_owned(), |kind| kind.normalise(fields[1]));
        (fields[0].to_owned(), name, fields[2].to_owned(), path.split(' ').next().unwrap_or("").to_owned())
    };
    // A Go program built from a working copy has no version of its own, so it is no package.
    text.lines().map(row).filter(|row| covered(&row.0) && row.2 != "(devel)").collect()
}

fn found(inventories: &[Inventory]) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    for placed in inventories.iter().flat_map(|inventory| &inventory.packages) {
        let purl_type = placed.key.purl_type().to_owned();
        let path = if matches!(&*purl_type, "deb" | "apk" | "rpm") { "" } else { &placed.path };
        rows.insert((purl_type, placed.key.name.clone(), placed.key.version.clone(), path.to_owned()));
    }
    rows
}

#[test]
fn every_image_holds_exactly_what_is_expected_of_it() {
    let Some(folder) = images(28) else { return };
    let (mut checked, mut wrong) = (0, Vec::new());
    let mut lists: Vec<_> =
        std::fs::read_dir(folder.join("expected")).unwrap().map(|entry| entry.unwrap().path()).collect();
    lists.sort();
    for list in lists {
        let name = list.file_stem().unwrap().to_str().unwrap();
        // `artifacts` is what is no image, and what has no layers here.
        if name.starts_with("hostile-") || name == "artifacts" || !folder.join(name).exists() {
            continue;
        }
        let found = found(&inventories(&folder.join(name)));
        let want = expected(&folder, name);
        // A list may name the folder of a package, or no path.
        let near =
            |a: &Row, b: &Row| a.0 == b.0 && a.1 == b.1 && a.2 == b.2 && (b.3.is_empty() || a.3.starts_with(&b.3));
        let missing: Vec<_> = want.iter().filter(|row| !found.iter().any(|other| near(other, row))).collect();
        let extra: Vec<_> = found.iter().filter(|row| !want.iter().any(|other| near(row, other))).collect();
        if !missing.is_empty() || !extra.is_empty() {
            wrong.push(format!("{name}: missing {missing:?}, extra {extra:?}"));
        }
        checked += 1;
    }
    println!("{checked} images");
    assert!(checked > 10 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_image_of_three_layers_keeps_only_what_is_still_there() {
    let Some(folder) = images(2) else { return };
    let deleted = inventories(&folder.join("deleted-package"));
    assert!(deleted[0].packages.iter().all(|placed| placed.key.ecosystem == "debian:12"));
    let base = deleted[0].packages.iter().filter(|placed| placed.layer == 0).count();
    assert!(base > 90, "{base} packages are there since the lowest layer, though each layer rewrites the database");
    let os = inventories(&folder.join("distroless-like"))[0].os.clone().unwrap();
    assert_eq!((&*os.id, &*os.version_id), ("debian", "12"));
}

#[test]
fn formats_of_one_image_give_one_inventory() {
    let Some(folder) = images(5) else { return };
    let inventories = inventories(&folder.join("formats"));
    assert_eq!(inventories.len(), 5);
    assert!(inventories.iter().all(|inventory| inventory == &inventories[0] && !inventory.packages.is_empty()));
}

#[test]
fn hostile_images_give_what_is_there_or_a_named_failure() {
    let Some(folder) = images(4) else { return };
    let outcome = |name: &str| {
        let layout = folder.join(name);
        let manifest = manifests(&layout, &json(&layout.join("index.json"))).remove(0);
        read_layers(&layout, &manifest).map(|layers| overlay(&layers.iter().collect::<Vec<_>>()))
    };
    assert_eq!(outcome("hostile-truncated").map_err(|failure| failure.code()).err(), Some("layer-truncated"));
    for name in ["hostile-traversal", "hostile-bomb", "hostile-diffid"] {
        let inventory = outcome(name).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert!(inventory.packages.is_empty(), "{name}: {:?}", inventory.packages);
    }
}

#[test]
fn a_layer_survives_being_written_and_read() {
    let Some(folder) = images(1) else { return };
    let layout = folder.join("debian-python-pkgs");
    let manifest = manifests(&layout, &json(&layout.join("index.json"))).remove(0);
    for layer in read_layers(&layout, &manifest).unwrap() {
        let text = serde_json::to_string(&layer).unwrap();
        println!("{} entries: {} bytes of inventory", layer.entries, text.len());
        assert_eq!(serde_json::from_str::<LayerInventory>(&text).unwrap(), layer);
        assert!(text.len() < 60 * usize::try_from(layer.entries).unwrap());
    }
}
