//! An image put together: what its manifest and configuration say, and what its layers were found to hold.
//!
//! In: the bytes of manifest and configuration, the outcome of every layer.
//! Out: the image's inventory with notes on what could not be read, or why it cannot be read at all.
//! Nothing is found by a diff id: it is a claim, held against the bytes.

use ecosystem::layer::Limits;
use model::Digest;
use model::config::Config;
use model::digest::Algorithm;
use model::inventory::{Inventory, LayerInventory, Note};
use model::manifest::{Content, Descriptor, LIMIT_LAYERS, Manifest, NotAManifest};
use model::overlay::overlay;
use model::verdict::Verdict;
use store::LayerOutcome;

/// One image for one platform, as its manifest and configuration say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// What the configuration says; nothing where it is malformed, with a note.
    pub config: Config,
    /// The layers that can be read, lowest first, by their place in the manifest.
    pub layers: Vec<(u32, Descriptor)>,
    /// What is wrong with manifest and configuration.
    pub notes: Vec<Note>,
}

/// Why an image cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `Unsupported` or `Failed`.
    pub verdict: Verdict,
    /// A code of `model::verdict::REASONS`.
    pub code: &'static str,
    /// One sentence that names the thing.
    pub text: String,
}

impl Refused {
    /// Makes one; the code says which verdict it is.
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        let code = model::verdict::reason(code).map_or("crash", |reason| reason.code);
        // What a limit or a missing reader keeps out is not supported; damage and lies are failures.
        let unsupported = code.starts_with("limit-")
            || matches!(code, "compression-unsupported" | "os-windows" | "encrypted" | "index-depth" | "accessory");
        let verdict = if unsupported { Verdict::Unsupported } else { Verdict::Failed };
        Self { verdict, code, text: text.into() }
    }
}

impl Image {
    /// Puts manifest and configuration together. `config` is its verified bytes, or why they cannot be had.
    pub fn of(manifest: &Manifest, config: Result<&[u8], String>) -> Result<Self, Refused> {
        let Content::Image { layers, .. } = &manifest.content else {
            return Err(Refused::new("manifest", "an index is no image; its children are"));
        };
        let parsed = config.and_then(|bytes| Config::parse(bytes).map_err(|why| why.to_string()));
        let mut notes = Vec::new();
        let config = match parsed {
            Ok(config) => {
                notes.extend(config.notes(layers.len()));
                config
            }
            Err(why) => {
                notes.push(gap("config", format!("the configuration cannot be used: {why}")));
                Config::default()
            }
        };
        if config.platform.os == "windows" {
            return Err(Refused::new("os-windows", format!("an image for {}", config.platform)));
        }
        let mut readable = Vec::new();
        for (ordinal, layer) in (0u32..).zip(layers) {
            if layer.is_encrypted() {
                return Err(Refused::new("encrypted", format!("layer {ordinal}, {}", layer.digest)));
            }
            if layer.is_foreign() {
                let text = format!("layer {ordinal}, {}, is kept outside the registry", layer.digest);
                notes.push(gap("foreign-layer", text));
                continue;
            }
            readable.push((ordinal, layer.clone()));
        }
        Ok(Self { config, layers: readable, notes })
    }

    /// Returns `linux/amd64`, or nothing where the configuration does not say.
    pub fn platform(&self) -> String {
        let platform = &self.config.platform;
        if platform.os.is_empty() && platform.architecture.is_empty() { String::new() } else { platform.to_string() }
    }

    /// Lays the layers over one another. `outcomes` has one entry for each of `layers`; the limits of a layer are those of all
    /// layers of an image together too.
    pub fn inventory(&self, outcomes: &[&LayerOutcome], limits: &Limits) -> Result<Inventory, Refused> {
        let nothing = LayerInventory::default();
        let mut notes = self.notes.clone();
        let mut laid: Vec<&LayerInventory> = Vec::new();
        for ((ordinal, layer), outcome) in self.layers.iter().zip(outcomes) {
            let place = usize::try_from(*ordinal).unwrap_or(LIMIT_LAYERS);
            // A layer that is not read keeps its place, so that every ordinal stays right.
            laid.resize(place, &nothing);
            match outcome {
                LayerOutcome::Inventory(inventory) => {
                    self.check(place, layer, inventory, &mut notes)?;
                    laid.push(inventory);
                }
                LayerOutcome::Failed { code, text } if code == "layer-truncated" => {
                    notes.push(gap("layer-truncated", format!("layer {ordinal}, {}: {text}", layer.digest)));
                }
                LayerOutcome::Failed { code, text } => {
                    return Err(Refused::new(code, format!("layer {ordinal}, {}: {text}", layer.digest)));
                }
            }
        }
        check_limits(&laid, limits)?;
        let mut inventory = overlay(&laid);
        if inventory.packages.len() > limits.packages {
            return Err(Refused::new("limit-packages", format!("more than {} packages", limits.packages)));
        }
        notes.append(&mut inventory.notes);
        notes.sort_unstable();
        notes.dedup();
        inventory.notes = notes;
        Ok(inventory)
    }

    /// Holds a layer against what manifest and configuration claim of it.
    fn check(
        &self,
        place: usize,
        layer: &Descriptor,
        read: &LayerInventory,
        notes: &mut Vec<Note>,
    ) -> Result<(), Refused> {
        if read.bytes != layer.size {
            let text =
                format!("layer {place}, {}, has {} bytes, the manifest says {}", layer.digest, read.bytes, layer.size);
            return Err(Refused::new("size", text));
        }
        let Some(claimed) = self.config.diff_ids.get(place) else { return Ok(()) };
        if claimed.algorithm() != Algorithm::Sha256 {
            notes.push(gap("diff-id", format!("layer {place}: {claimed} was not checked, only SHA-256 is")));
            return Ok(());
        }
        if read.diff_id != claimed.as_str() {
            let text = format!("layer {place} unpacks to {}, the configuration claims {claimed}", read.diff_id);
            return Err(Refused::new("diff-id", text));
        }
        Ok(())
    }
}

fn check_limits(layers: &[&LayerInventory], limits: &Limits) -> Result<(), Refused> {
    let entries = layers.iter().fold(0u64, |sum, layer| sum.saturating_add(layer.entries));
    let bytes = layers.iter().fold(0u64, |sum, layer| sum.saturating_add(layer.unpacked_bytes));
    if entries > limits.entries {
        return Err(Refused::new("limit-entries", format!("{entries} entries, more than {}", limits.entries)));
    }
    if bytes > limits.unpacked_bytes {
        return Err(Refused::new(
            "limit-bytes",
            format!("{bytes} bytes unpacked, more than {}", limits.unpacked_bytes),
        ));
    }
    Ok(())
}

/// Makes a note on something that may have been missed.
pub(crate) fn gap(code: &str, text: String) -> Note {
    Note { code: code.into(), path: String::new(), text, gap: true }
}

/// Reads a manifest of an image; anything else is refused by name.
pub(crate) fn parse(bytes: &[u8], media_type: &str) -> Result<Manifest, Refused> {
    Manifest::parse(bytes, Some(media_type)).map_err(|why| match why {
        NotAManifest::TooMany { field: "layers", .. } => Refused::new("limit-layers", why.to_string()),
        why => Refused::new("manifest", format!("the manifest is refused: {why}")),
    })
}

/// Returns the descriptor of an image's configuration.
pub(crate) fn config_of(manifest: &Manifest) -> Option<&Digest> {
    match &manifest.content {
        Content::Image { config, .. } => Some(&config.digest),
        Content::Index(_) => None,
    }
}

#[cfg(test)]
mod tests;
