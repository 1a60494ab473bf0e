//! Which records speak of the same vulnerability.
//!
//! In: the ids of every record: its own and its aliases. Out: for every record the vulnerabilities that it speaks of, for every
//! vulnerability its heading and its other ids.
//! Records that share an id speak of one vulnerability, and so on through all of them, with one limit: two CVEs are never one
//! vulnerability. A record that names several CVEs speaks of each; a record that names none belongs to what its ids lead to. One
//! that names or leads to more CVEs than any honest record does is a vulnerability of its own: each thing said costs its own length.
//! Heading: the CVE, else the lowest GHSA, else the lowest id that is a record's own.

use crate::strings::Writer as Strings;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// CVEs that one record may speak of; known are 8 at most.
const TOGETHER: usize = 32;

/// A vulnerability: its heading, its other ids, and ids of different vulnerabilities that a record names in one breath.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Group {
    pub heading: u32,
    pub aliases: BTreeSet<u32>,
    pub related: BTreeSet<u32>,
}

/// The vulnerabilities, by heading, and for each record the numbers of those that it speaks of.
pub(crate) struct Groups {
    pub all: Vec<Group>,
    pub of_record: Vec<Vec<u32>>,
}

/// Ids by number, with what they lead to.
#[derive(Default)]
struct Sets {
    parent: HashMap<u32, u32>,
}

impl Sets {
    fn root(&mut self, id: u32) -> u32 {
        let mut at = id;
        loop {
            let up = *self.parent.entry(at).or_insert(at);
            if up == at {
                break;
            }
            let above = self.parent.get(&up).copied().unwrap_or(up);
            self.parent.insert(at, above);
            at = above;
        }
        at
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent.insert(a.max(b), a.min(b));
    }
}

/// Groups records. Each is given by its own id first, then its aliases.
pub(crate) fn group(records: &[Vec<u32>], strings: &Strings) -> Groups {
    let is_cve = |id: &u32| strings.get(*id).starts_with("CVE-");
    let mut sets = Sets::default();
    // Ids that stand for the CVE of a record that names no more than one.
    let mut tied: HashSet<u32> = HashSet::new();
    for ids in records {
        let cves: Vec<u32> = ids.iter().copied().filter(is_cve).collect();
        if cves.len() > 1 {
            continue;
        }
        let mut others = ids.iter().copied().filter(|id| !is_cve(id));
        let Some(first) = others.next() else { continue };
        sets.root(first);
        for other in others {
            sets.join(first, other);
        }
    }
    let mut cves_of_set: HashMap<u32, BTreeSet<u32>> = HashMap::new();
    for ids in records {
        let cves: BTreeSet<u32> = ids.iter().copied().filter(is_cve).collect();
        for other in ids.iter().filter(|id| !is_cve(id)) {
            if cves.len() == 1 {
                tied.insert(*other);
                cves_of_set.entry(sets.root(*other)).or_default().extend(&cves);
            }
        }
        // An id that has a record of its own with several CVEs stands for them all.
        if let Some(own) = ids.first().filter(|own| (2..=TOGETHER).contains(&cves.len()) && !is_cve(own)) {
            cves_of_set.entry(sets.root(*own)).or_default().extend(&cves);
        }
    }
    collect(records, strings, &mut sets, &tied, &cves_of_set)
}

fn collect(
    records: &[Vec<u32>],
    strings: &Strings,
    sets: &mut Sets,
    tied: &HashSet<u32>,
    cves_of_set: &HashMap<u32, BTreeSet<u32>>,
) -> Groups {
    let is_cve = |id: &u32| strings.get(*id).starts_with("CVE-");
    let mut groups: HashMap<u32, Group> = HashMap::new(); // by CVE, else by set
    let mut keys_of_record = Vec::with_capacity(records.len());
    let mut own: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for ids in records {
        let mut keys: BTreeSet<u32> = ids.iter().copied().filter(is_cve).collect();
        if keys.len() > TOGETHER {
            keys.clear();
        }
        let several = keys.len() > 1;
        let Some(first) = ids.first().copied() else {
            keys_of_record.push(keys);
            continue;
        };
        if keys.is_empty() {
            let root = sets.root(first);
            match cves_of_set.get(&root).filter(|cves| cves.len() <= TOGETHER) {
                Some(cves) => keys.extend(cves),
                None => {
                    keys.insert(root);
                    own.entry(root).or_default().insert(first);
                }
            }
        }
        for key in &keys {
            let group = groups.entry(*key).or_default();
            group.related.extend(keys.iter().filter(|k| *k != key));
            let spread = |id: &&u32| !is_cve(id) && (!several || **id == first || !tied.contains(*id));
            group.aliases.extend(ids.iter().filter(spread));
        }
        keys_of_record.push(keys);
    }
    number(groups, keys_of_record, strings, &own)
}

fn number(
    groups: HashMap<u32, Group>,
    keys_of_record: Vec<BTreeSet<u32>>,
    strings: &Strings,
    own: &BTreeMap<u32, BTreeSet<u32>>,
) -> Groups {
    let mut keyed: Vec<(u32, Group)> = groups.into_iter().collect();
    for (key, group) in &mut keyed {
        group.heading = *key;
        if let Some(own) = own.get(key) {
            let ghsa = group.aliases.iter().filter(|id| strings.get(**id).starts_with("GHSA-"));
            let best =
                ghsa.min_by_key(|id| strings.get(**id)).or_else(|| own.iter().min_by_key(|id| strings.get(**id)));
            group.heading = best.copied().unwrap_or(*key);
        }
        group.aliases.remove(&group.heading);
    }
    keyed.sort_by(|(_, a), (_, b)| strings.get(a.heading).cmp(strings.get(b.heading)));
    let numbers: HashMap<u32, u32> = keyed.iter().zip(0..).map(|((key, _), number)| (*key, number)).collect();
    Groups {
        of_record: keys_of_record
            .iter()
            .map(|keys| keys.iter().filter_map(|k| numbers.get(k).copied()).collect())
            .collect(),
        all: keyed.into_iter().map(|(_, group)| group).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups as text: heading, other ids, numbers of the records.
    fn grouped(records: &[&[&str]]) -> Vec<(String, Vec<String>, Vec<usize>)> {
        let mut strings = Strings::default();
        let ids: Vec<Vec<u32>> = records.iter().map(|r| r.iter().map(|id| strings.add(id)).collect()).collect();
        let groups = group(&ids, &strings);
        let mut all = Vec::new();
        for (number, group) in groups.all.iter().enumerate() {
            let mut aliases: Vec<String> = group.aliases.iter().map(|a| strings.get(*a).to_owned()).collect();
            aliases.sort();
            let of = groups.of_record.iter().enumerate().filter(|(_, n)| n.contains(&(number as u32))).map(|(i, _)| i);
            all.push((strings.get(group.heading).to_owned(), aliases, of.collect()));
        }
        all
    }

    #[test]
    fn records_that_share_an_id_speak_of_one_vulnerability() {
        let one =
            |h: &str, a: &[&str], r: &[usize]| (h.to_owned(), a.iter().map(|s| s.to_string()).collect(), r.to_vec());
        for (records, want, why) in [
            (vec![&["A-1"][..]], vec![one("A-1", &[], &[0])], "alone"),
            (
                vec![&["PYSEC-1", "CVE-1", "GHSA-1"], &["GHSA-1", "CVE-1"], &["CVE-1"]],
                vec![one("CVE-1", &["GHSA-1", "PYSEC-1"], &[0, 1, 2])],
                "the CVE heads",
            ),
            (
                vec![&["NSWG-1", "GHSA-1"], &["GHSA-1", "X-1"], &["X-1", "CVE-1"]],
                vec![one("CVE-1", &["GHSA-1", "NSWG-1", "X-1"], &[0, 1, 2])],
                "through three records",
            ),
            (
                vec![&["B-2", "GHSA-9"], &["A-1", "GHSA-9", "GHSA-8"]],
                vec![one("GHSA-8", &["A-1", "B-2", "GHSA-9"], &[0, 1])],
                "no CVE: lowest GHSA",
            ),
            (vec![&["B-2", "SNYK-1"]], vec![one("B-2", &["SNYK-1"], &[0])], "a record's own id before a mere alias"),
            (
                vec![&["GO-1", "CVE-1", "CVE-2"], &["CVE-1"], &["CVE-2"]],
                vec![one("CVE-1", &["GO-1"], &[0, 1]), one("CVE-2", &["GO-1"], &[0, 2])],
                "two CVEs are never one",
            ),
            (
                vec![&["GO-1", "CVE-1", "CVE-2", "GHSA-1", "GHSA-2"], &["GHSA-1", "CVE-1"], &["GHSA-2", "CVE-2"]],
                vec![one("CVE-1", &["GHSA-1", "GO-1"], &[0, 1]), one("CVE-2", &["GHSA-2", "GO-1"], &[0, 2])],
                "an id stays with the CVE it is known to stand for",
            ),
            (
                vec![&["X-1", "GO-1"], &["GO-1", "CVE-1", "CVE-2"]],
                vec![one("CVE-1", &["GO-1", "X-1"], &[0, 1]), one("CVE-2", &["GO-1", "X-1"], &[0, 1])],
                "an alias of a record that names two CVEs",
            ),
        ] {
            assert_eq!(grouped(&records), want, "{why}");
        }
    }

    /// What is kept of records, all numbers together.
    fn size(records: &[Vec<String>]) -> (usize, usize) {
        let mut strings = Strings::default();
        let ids: Vec<Vec<u32>> = records.iter().map(|r| r.iter().map(|id| strings.add(id)).collect()).collect();
        let groups = group(&ids, &strings);
        let kept: usize = groups.all.iter().map(|g| g.aliases.len() + g.related.len() + 1).sum();
        let said = ids.iter().map(Vec::len).sum();
        assert!(groups.of_record.iter().all(|numbers| !numbers.is_empty()), "every record speaks of something");
        (kept + groups.of_record.iter().map(Vec::len).sum::<usize>(), said)
    }

    #[test]
    fn what_records_cost_grows_with_their_length_alone() {
        const MANY: usize = 5000;
        let cve = |n: usize| format!("CVE-2026-{n}");
        let one_with = |own: &str, n: usize| [own.to_owned()].into_iter().chain((0..n).map(cve)).collect::<Vec<_>>();
        let hub = |n: usize| vec![cve(n), "GHSA-hub".to_owned()];
        let spoke = |n: usize| vec![format!("X-{n}"), "GHSA-hub".to_owned()];
        let blocks = |n: usize| (0..n).map(|n| one_with(&format!("Y-{n}"), TOGETHER)).collect::<Vec<_>>();
        for (records, why) in [
            (vec![one_with("A-1", MANY)], "one record, thousands of CVEs"),
            (vec![one_with(&cve(0), MANY)], "whose own id is a CVE"),
            ((0..MANY).map(hub).chain((0..MANY).map(spoke)).collect(), "thousands lead to thousands through one id"),
            (blocks(MANY), "thousands of records with as many CVEs as one may have"),
            ((0..MANY).map(|n| one_with(&format!("B-{n}"), 1)).collect(), "thousands of one CVE"),
        ] {
            let (kept, said) = size(&records);
            assert!(kept <= said * (TOGETHER + 2), "{why}: {kept} of {said}");
        }
    }

    #[test]
    fn a_record_with_more_cves_than_one_may_have_is_a_vulnerability_of_its_own() {
        let ids: Vec<String> = (0..=TOGETHER).map(|n| format!("CVE-2026-{n}")).collect();
        let all: Vec<&str> = ["A-1", "GHSA-1"].into_iter().chain(ids.iter().map(String::as_str)).collect();
        let shown = |records: &[&[&str]]| grouped(records).into_iter().map(|(h, _, of)| (h, of)).collect::<Vec<_>>();
        let named = |heading: &str, of: &[usize]| (heading.to_owned(), of.to_vec());
        assert_eq!(
            shown(&[&all, &["CVE-2026-1"]]),
            [named("CVE-2026-1", &[1]), named("GHSA-1", &[0])],
            "one too many: its findings stay, under its own name"
        );
        assert_eq!(shown(&[&all[..all.len() - 1]]).len(), TOGETHER, "as many as may be");
    }
}
