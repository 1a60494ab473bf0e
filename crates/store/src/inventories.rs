//! Inventories as bytes: the ids of the packages, and where each one is.

use crate::{Error, Result};
use model::PackageKey;
use model::facts::Id;
use model::inventory::{Inventory, Placed};
use serde::{Deserialize, Serialize};

/// Where a package is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Row id of the package.
    pub(crate) package: Id,
    /// Ordinal of the layer.
    pub(crate) layer: u32,
    /// The file that lists it.
    pub(crate) path: String,
}

/// More than any inventory has: a stored one that claims more is damaged.
const PLACES_BYTES: usize = 512 << 20;

/// Returns the content hash of an inventory: equal for equal packages at equal places, whatever ids they have.
pub fn hash(inventory: &Inventory) -> String {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut text = |part: &str| {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    };
    for placed in &inventory.packages {
        let key = &placed.key;
        for part in [&key.ecosystem, &key.name, &key.version, &key.source, &key.source_version] {
            text(part);
        }
        for part in [&key.arch, &key.module, &key.channel, &key.origin, &placed.path] {
            text(part);
        }
        text(&placed.layer.to_string());
    }
    model::Digest::from_hash(model::digest::Algorithm::Sha256, context.finish().as_ref()).hex().to_owned()
}

/// Returns an inventory as its row keeps it: the ids of its packages, and their places. `id` gives the row of a package.
pub fn pack(inventory: &Inventory, id: impl Fn(&PackageKey) -> Id) -> Result<(Vec<u8>, Vec<u8>)> {
    let place = |placed: &Placed| Place { package: id(&placed.key), layer: placed.layer, path: placed.path.clone() };
    let places: Vec<Place> = inventory.packages.iter().map(place).collect();
    let mut packages: Vec<Id> = places.iter().map(|place| place.package).collect();
    packages.sort_unstable();
    packages.dedup();
    Ok((pack_packages(&packages), pack_places(&places)?))
}

/// Writes ascending ids as differences of seven bits a byte.
fn pack_packages(ids: &[Id]) -> Vec<u8> {
    let (mut bytes, mut before) = (Vec::with_capacity(ids.len() * 2), 0);
    for id in ids {
        let mut rest = u64::try_from(id - before).unwrap_or(0);
        before = *id;
        while rest >= 0x80 {
            bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    bytes
}

/// Reads what `pack_packages` writes.
pub(crate) fn unpack_packages(bytes: &[u8]) -> Result<Vec<Id>> {
    let damaged = || Error::damaged("inventory", "its list of packages is cut off or out of order");
    let count = bytes.iter().filter(|byte| **byte & 0x80 == 0).count();
    let (mut ids, mut before, mut delta, mut shift) = (Vec::with_capacity(count), 0i64, 0i64, 0u32);
    for byte in bytes {
        if shift > 56 {
            return Err(damaged());
        }
        delta |= i64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            before = before.checked_add(delta).filter(|id| *id > before).ok_or_else(damaged)?;
            ids.push(before);
            (delta, shift) = (0, 0);
        }
    }
    if shift == 0 { Ok(ids) } else { Err(damaged()) }
}

/// Writes places, compressed.
fn pack_places(places: &[Place]) -> Result<Vec<u8>> {
    let text = serde_json::to_vec(places).map_err(|why| Error::damaged("inventory", why))?;
    zstd::bulk::compress(&text, 1).map_err(Error::disk("compress an inventory"))
}

/// Reads what `pack_places` writes.
pub(crate) fn unpack_places(bytes: &[u8]) -> Result<Vec<Place>> {
    let text = zstd::stream::read::Decoder::new(bytes).map_err(|why| Error::damaged("inventory", why))?;
    let text = std::io::Read::take(text, PLACES_BYTES as u64);
    serde_json::from_reader(std::io::BufReader::new(text)).map_err(|why| Error::damaged("inventory", why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn package_ids_are_read_back_as_they_were_written(ids in proptest::collection::btree_set(1..i64::MAX, 0..50)) {
            let ids: Vec<Id> = ids.into_iter().collect();
            prop_assert_eq!(unpack_packages(&pack_packages(&ids)).unwrap(), ids);
        }

        #[test]
        fn any_bytes_are_a_list_of_packages_or_refused(bytes: Vec<u8>) {
            if let Ok(ids) = unpack_packages(&bytes) {
                prop_assert!(ids.is_sorted() && ids.iter().all(|id| *id > 0));
            }
        }
    }
}
