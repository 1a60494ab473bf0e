//! Packs what a builder has collected into the sections of a file.

use super::{Builder, PackedRow, Record, earliest};
use crate::format::{Cursor, Header, SECTIONS, STARTER, Section, name_hash, probe, put, put_signed, slots};
use crate::group::{Group, Groups, group};
use crate::texts::{Place, to_u32};
use crate::{severity, strings};
use model::advisory::{CvssVector, FeedState};
use model::cvss;
use model::severity::{Severity, SeveritySource};
use model::time::Micros;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Returns the bytes of the file.
pub(super) fn pack(mut builder: Builder, generation: i64, built: Micros, feeds: &[FeedState]) -> Vec<u8> {
    let ids: Vec<Vec<u32>> = builder.records.iter().map(|r| r.ids.clone()).collect();
    let groups = group(&ids, &builder.strings);
    drop(ids);
    let judged = judge(&mut builder, &groups);
    let mut content = Xxh3::new();
    let names = pack_names(&builder, &groups, &judged, &mut content);
    let mut sections: [Vec<u8>; SECTIONS] = Default::default();
    let (vulnerabilities, details) = pack_vulnerabilities(&builder, &groups, &judged, &mut content);
    let aliases = pack_aliases(&groups, &builder.strings);
    let (index, blocks) = builder.texts.finish();
    let (ends, data) = builder.strings.finish();
    let feeds = serde_json::to_vec(feeds).unwrap_or_default();
    for (section, bytes) in [
        (Section::StringOffsets, ends),
        (Section::StringData, data),
        (Section::NameTable, names.table),
        (Section::Names, names.names),
        (Section::Rows, names.rows),
        (Section::Ecosystems, names.ecosystems),
        (Section::Vulnerabilities, vulnerabilities),
        (Section::Details, details),
        (Section::AliasTable, aliases),
        (Section::BlockIndex, index),
        (Section::Blocks, blocks),
        (Section::Feeds, feeds),
    ] {
        if let Some(place) = sections.get_mut(section as usize) {
            *place = bytes;
        }
    }
    let mut header = Header {
        flags: if builder.starter { STARTER } else { 0 },
        generation,
        built: built.0,
        body_hash: 0,
        content_hash: content.digest128(),
        sections: std::array::from_fn(|_| 0..0),
    };
    header.write(&sections)
}

/// What all records of one vulnerability say together.
#[derive(Default)]
struct Judged {
    severity: Severity,
    severity_source: SeveritySource,
    cvss_v3: Option<u16>,
    /// Vectors in the order shown; the number names the string.
    cvss: Vec<(SeveritySource, u32)>,
    records: Vec<usize>,
}

fn judge(builder: &mut Builder, groups: &Groups) -> Vec<Judged> {
    let mut all: Vec<Judged> = std::iter::repeat_with(Judged::default).take(groups.all.len()).collect();
    for (record, numbers) in groups.of_record.iter().enumerate() {
        for number in numbers {
            if let Some(judged) = usize::try_from(*number).ok().and_then(|n| all.get_mut(n)) {
                judged.records.push(record);
            }
        }
    }
    for judged in &mut all {
        judged.records.sort_by_key(|r| builder.records.get(*r).map(|r| record_rank(r, &builder.strings)));
        let mut vectors: Vec<CvssVector> = Vec::new();
        let mut words = Vec::new();
        for record in judged.records.iter().filter_map(|r| builder.records.get(*r)) {
            let vector =
                |(source, v): &(_, u32)| CvssVector { vector: builder.strings.get(*v).into(), source: *source };
            vectors.extend(record.cvss.iter().map(vector));
            words.extend(&record.words);
        }
        severity::sort(&mut vectors);
        (judged.severity, judged.severity_source) = severity::choose(&vectors, &words);
        judged.cvss_v3 = cvss::best_v3(&vectors).and_then(|v| cvss::score_tenths(&v.vector));
        judged.cvss = vectors.iter().map(|v| (v.source, builder.strings.add(&v.vector))).collect();
    }
    all
}

/// Whose texts come first: GHSA's, which are edited, then by feed and id.
fn record_rank(record: &Record, strings: &strings::Writer) -> (bool, std::cmp::Reverse<u8>, String) {
    let id = record.ids.first().map_or("", |id| strings.get(*id));
    (!id.starts_with("GHSA-"), std::cmp::Reverse(record.source as u8), id.to_owned())
}

/// The sections that answer "what is said about this package".
#[derive(Default)]
struct Names {
    table: Vec<u8>,
    names: Vec<u8>,
    rows: Vec<u8>,
    ecosystems: Vec<u8>,
}

fn pack_names(builder: &Builder, groups: &Groups, judged: &[Judged], content: &mut Xxh3) -> Names {
    let strings = &builder.strings;
    let key = |row: &PackedRow| (strings.get(row.ecosystem), strings.get(row.name));
    let mut order: Vec<&PackedRow> = builder.rows.iter().collect();
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    let mut out = Names::default();
    let mut hashes = Vec::new();
    let mut ecosystems: Vec<u32> = Vec::new();
    for rows in order.chunk_by(|a, b| key(a) == key(b)) {
        let Some(first) = rows.first() else { continue };
        let (ecosystem, name) = key(first);
        let from = out.rows.len();
        let hash = pack_rows(builder, groups, judged, rows, &mut out.rows);
        let length = out.rows.len().saturating_sub(from);
        for number in [first.ecosystem, first.name, to_u32(from), to_u32(length)] {
            out.names.extend_from_slice(&number.to_le_bytes());
        }
        out.names.extend_from_slice(&hash.to_le_bytes());
        for part in [ecosystem.as_bytes(), name.as_bytes(), &hash.to_le_bytes()] {
            absorb(content, part);
        }
        hashes.push(name_hash(ecosystem, name));
        if ecosystems.last() != Some(&first.ecosystem) {
            ecosystems.push(first.ecosystem);
        }
    }
    out.table = pack_table(&hashes);
    for ecosystem in ecosystems {
        out.ecosystems.extend_from_slice(&ecosystem.to_le_bytes());
    }
    out
}

/// Packs the rows of one name, each once, in an order that depends on what they say alone; returns the hash over that.
fn pack_rows(builder: &Builder, groups: &Groups, judged: &[Judged], rows: &[&PackedRow], out: &mut Vec<u8>) -> u64 {
    let mut packed: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new(); // what it says → how it is packed
    for row in rows {
        let Some(record) = builder.records.get(row.record) else { continue };
        let advisory = record.ids.first().copied().unwrap_or(0);
        let body = builder.bodies.get(row.from..row.to).unwrap_or_default();
        for number in groups.of_record.get(row.record).into_iter().flatten() {
            let at = usize::try_from(*number).ok();
            let Some((group, judged)) = at.and_then(|at| groups.all.get(at).zip(judged.get(at))) else { continue };
            let mut bytes = row.head.to_vec();
            put(&mut bytes, advisory.into());
            put(&mut bytes, (*number).into());
            bytes.extend_from_slice(body);
            let says = row_content(&builder.strings, row, advisory, group, judged, body);
            packed.insert(says, bytes);
        }
    }
    let mut hash = Xxh3::new();
    for (says, bytes) in packed {
        absorb(&mut hash, &says);
        out.extend_from_slice(&bytes);
    }
    hash.digest()
}

/// Everything that a match takes from a row and its vulnerability, without numbers that another file may give differently.
fn row_content(
    strings: &strings::Writer,
    row: &PackedRow,
    advisory: u32,
    group: &Group,
    judged: &Judged,
    body: &[u8],
) -> Vec<u8> {
    let mut says = Vec::with_capacity(128);
    let text = |says: &mut Vec<u8>, number: Option<u32>| {
        says.extend_from_slice(strings.get(number.unwrap_or(0)).as_bytes());
        says.push(0);
    };
    text(&mut says, Some(group.heading));
    text(&mut says, Some(advisory));
    says.extend_from_slice(&row.head);
    says.extend_from_slice(&[judged.severity as u8, judged.severity_source as u8]);
    let mut cursor = Cursor { rest: body };
    text(&mut says, cursor.small());
    let mut arch = Cursor { rest: cursor.bytes().unwrap_or_default() };
    let mut ranges = Cursor { rest: cursor.bytes().unwrap_or_default() };
    let mut versions = Cursor { rest: cursor.bytes().unwrap_or_default() };
    while let Some(number) = arch.small() {
        text(&mut says, Some(number));
    }
    says.push(1);
    while let Some(introduced) = ranges.small() {
        text(&mut says, Some(introduced));
        says.push(ranges.byte().unwrap_or(0));
        text(&mut says, ranges.small());
    }
    says.push(1);
    while let Some(number) = versions.small() {
        text(&mut says, Some(number));
    }
    says
}

fn pack_vulnerabilities(
    builder: &Builder,
    groups: &Groups,
    judged: &[Judged],
    content: &mut Xxh3,
) -> (Vec<u8>, Vec<u8>) {
    let (mut fixed, mut details) = (Vec::new(), Vec::new());
    for (group, judged) in groups.all.iter().zip(judged) {
        let (detail, says) = pack_details(builder, group, judged);
        let heading = builder.strings.get(group.heading);
        let epss = builder.epss.get(heading);
        fixed.extend_from_slice(&group.heading.to_le_bytes());
        fixed.extend_from_slice(&[judged.severity as u8, judged.severity_source as u8]);
        fixed.extend_from_slice(&judged.cvss_v3.unwrap_or(u16::MAX).to_le_bytes());
        let kev = builder.kev.get(heading).copied().unwrap_or_default();
        fixed.extend_from_slice(&kev.0.to_le_bytes());
        fixed.extend_from_slice(&epss.map_or(u32::MAX, |e| e.0).to_le_bytes());
        fixed.extend_from_slice(&epss.map_or(u32::MAX, |e| e.1).to_le_bytes());
        fixed.extend_from_slice(&to_u32(details.len()).to_le_bytes());
        fixed.extend_from_slice(&to_u32(detail.len()).to_le_bytes());
        let mut hash = Xxh3::new();
        let scores =
            (judged.severity as u8, judged.severity_source as u8, judged.cvss_v3, kev, epss.map(|e| (e.0, e.1)));
        for part in [heading.as_bytes(), &says, format!("{scores:?}").as_bytes()] {
            absorb(&mut hash, part);
        }
        let hash = hash.digest().to_le_bytes();
        fixed.extend_from_slice(&hash);
        details.extend_from_slice(&detail);
        absorb(content, &hash);
    }
    (fixed, details)
}

/// Returns a vulnerability's details as packed, and what they say without numbers of this file.
fn pack_details(builder: &Builder, group: &Group, judged: &Judged) -> (Vec<u8>, Vec<u8>) {
    let strings = &builder.strings;
    let (mut packed, mut says) = (Vec::new(), Vec::new());
    let (mut related, mut cwe) = (group.related.clone(), BTreeSet::new());
    let (mut published, mut modified) = (Micros(0), Micros(0));
    let mut texts: Vec<(Place, u64)> = Vec::new();
    for record in judged.records.iter().filter_map(|r| builder.records.get(*r)) {
        related.extend(&record.related);
        cwe.extend(&record.cwe);
        published = earliest(published, record.published);
        modified = modified.max(record.modified);
        texts.extend(&record.texts);
    }
    for list in [&group.aliases, &related, &cwe] {
        let mut sorted: Vec<u32> = list.iter().copied().collect();
        sorted.sort_by_key(|number| strings.get(*number));
        put(&mut packed, sorted.len() as u64);
        for number in sorted {
            put(&mut packed, number.into());
            says.extend_from_slice(strings.get(number).as_bytes());
            says.push(0);
        }
        says.push(1);
    }
    put(&mut packed, judged.cvss.len() as u64);
    for (source, vector) in &judged.cvss {
        packed.push(*source as u8);
        put(&mut packed, (*vector).into());
        says.push(*source as u8);
        says.extend_from_slice(strings.get(*vector).as_bytes());
    }
    let epss_date = builder.epss.get(strings.get(group.heading)).map_or(Micros(0), |e| e.2);
    for moment in [published, modified] {
        put_signed(&mut packed, moment.0);
        put_signed(&mut says, moment.0);
    }
    // The day of the score alone is no news.
    put_signed(&mut packed, epss_date.0);
    let mut seen = BTreeSet::new();
    texts.retain(|(place, _)| seen.insert(*place));
    put(&mut packed, texts.len() as u64);
    for (place, hash) in texts {
        for number in [place.block, place.from, place.length] {
            put(&mut packed, number.into());
        }
        says.extend_from_slice(&hash.to_le_bytes());
    }
    (packed, says)
}

/// Packs the table from every id to its vulnerability; an id that several go by leads to the first.
fn pack_aliases(groups: &Groups, strings: &strings::Writer) -> Vec<u8> {
    let mut ids: BTreeMap<u32, u32> = BTreeMap::new();
    for (group, number) in groups.all.iter().zip(0u32..) {
        ids.insert(group.heading, number);
    }
    for (group, number) in groups.all.iter().zip(0u32..) {
        for alias in &group.aliases {
            ids.entry(*alias).or_insert(number);
        }
    }
    let count = slots(ids.len());
    let mut table = vec![(0u32, 0u32); count];
    for (id, number) in ids {
        place(&mut table, xxh3_64(strings.get(id).as_bytes()), (id, number.saturating_add(1)));
    }
    table.iter().flat_map(|(id, number)| [id.to_le_bytes(), number.to_le_bytes()]).flatten().collect()
}

fn pack_table(hashes: &[u64]) -> Vec<u8> {
    let mut table = vec![0u32; slots(hashes.len())];
    for (hash, number) in hashes.iter().zip(1u32..) {
        place(&mut table, *hash, number);
    }
    table.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn place<T: Copy + Default + PartialEq>(table: &mut [T], hash: u64, item: T) {
    for slot in probe(hash, table.len()) {
        if let Some(free) = table.get_mut(slot).filter(|s| **s == T::default()) {
            *free = item;
            return;
        }
    }
}

/// Feeds bytes to a hash so that where one part ends is part of what is hashed.
fn absorb(hash: &mut Xxh3, bytes: &[u8]) {
    hash.update(&(bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}
