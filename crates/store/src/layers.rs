//! What layers hold, kept under the digest of the verified blob and the revision of the readers.

use crate::engine::{Value, values};
use crate::{Error, Result, Store};
use model::Digest;
use model::inventory::LayerInventory;
use std::collections::HashMap;

/// What reading a layer gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerOutcome {
    /// It was read.
    Inventory(Box<LayerInventory>),
    /// It cannot be read: a limit, damage, a crash. The same bytes would fail again.
    Failed {
        /// A code of `verdict::REASONS`.
        code: String,
        /// One sentence that names the thing.
        text: String,
    },
}

/// A layer as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLayer {
    /// What that gave.
    pub outcome: LayerOutcome,
    /// The sandbox that its reader had; empty = not known.
    pub tier: String,
}

/// More than any inventory has: a stored one that claims more is damaged.
const INVENTORY_BYTES: usize = 512 << 20;

impl Store {
    /// Looks up what is known of layers, read by readers of one revision. Layers that were never read are left out.
    pub async fn layers(&self, digests: &[Digest], revision: u32) -> Result<HashMap<Digest, KeptLayer>> {
        let mut known = HashMap::new();
        let digests: Vec<Value> = digests.iter().map(Value::from).collect();
        let mut tx = self.engine().begin_read().await?;
        let head =
            format!("SELECT digest, code, text, inventory, tier FROM layer WHERE revision = {revision} AND digest IN");
        for row in tx.among(&head, 1, &digests, "").await? {
            let code = row.text(1)?;
            let outcome = if code.is_empty() {
                LayerOutcome::Inventory(Box::new(unpack(&row.blob(3)?)?))
            } else {
                LayerOutcome::Failed { code, text: row.text(2)? }
            };
            known.insert(row.digest(0)?, KeptLayer { outcome, tier: row.text(4)? });
        }
        Ok(known)
    }

    /// Keeps what reading a layer gave, in place of what an earlier reading gave under other limits. The digest must be the one that the bytes were found to have.
    pub async fn keep_layer(&self, digest: &Digest, revision: u32, layer: &KeptLayer, micros: i64) -> Result<()> {
        let (code, text, inventory, bytes) = match &layer.outcome {
            LayerOutcome::Inventory(inventory) => {
                let bytes = i64::try_from(inventory.bytes).unwrap_or(i64::MAX);
                ("", "", pack(inventory)?, bytes)
            }
            LayerOutcome::Failed { code, text } => (code.as_str(), text.as_str(), Vec::new(), 0),
        };
        let sql = "INSERT INTO layer (digest, revision, code, text, inventory, bytes, micros, tier) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (digest, revision) DO UPDATE SET code = $3, text = $4, inventory = $5, bytes = $6, micros = $7, tier = $8";
        let mut tx = self.engine().begin().await?;
        tx.run(sql, values![digest, i64::from(revision), code, text, inventory, bytes, micros, layer.tier.as_str()])
            .await?;
        tx.commit().await
    }
}

fn pack(inventory: &LayerInventory) -> Result<Vec<u8>> {
    let text = serde_json::to_vec(inventory).map_err(|why| Error::damaged("layer", why))?;
    zstd::bulk::compress(&text, 3).map_err(Error::disk("compress a layer's inventory"))
}

fn unpack(bytes: &[u8]) -> Result<LayerInventory> {
    let text = zstd::stream::read::Decoder::new(bytes).map_err(|why| Error::damaged("layer", why))?;
    let text = std::io::Read::take(text, INVENTORY_BYTES as u64);
    serde_json::from_reader(std::io::BufReader::new(text)).map_err(|why| Error::damaged("layer", why))
}
