//! CVSS vectors: score, severity, words.
//!
//! In: vectors of v2, v3.0, v3.1, v4.0 as feeds have them. Out: the score computed from the vector itself, never the number a
//! feed gives beside it; for v2 and v3 from the base metrics alone (E, RL, RC and environment do not count).

use crate::advisory::CvssVector;
use crate::severity::Severity;

/// A version of CVSS, in order of age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// v2.
    V2,
    /// v3.0.
    V30,
    /// v3.1.
    V31,
    /// v4.0.
    V4,
}

impl Version {
    /// Returns the number: `3.1`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2 => "2.0",
            Self::V30 => "3.0",
            Self::V31 => "3.1",
            Self::V4 => "4.0",
        }
    }

    /// Returns whether this is v3.0 or v3.1.
    pub fn is_v3(self) -> bool {
        matches!(self, Self::V30 | Self::V31)
    }
}

/// Returns the version that a vector says it is of; the metrics are not looked at.
pub fn version(vector: &str) -> Option<Version> {
    match bare(vector).split('/').next()? {
        "CVSS:3.0" => Some(Version::V30),
        "CVSS:3.1" => Some(Version::V31),
        "CVSS:4.0" => Some(Version::V4),
        first if first.starts_with("AV:") => Some(Version::V2),
        _ => None,
    }
}

/// Returns the score in tenths (98 = 9.8); `None` for a vector that is incomplete or that CVSS does not know.
pub fn score_tenths(vector: &str) -> Option<u16> {
    let text = bare(vector);
    let score = match version(text)? {
        Version::V2 => text.parse::<::cvss::v2::Vector>().ok()?.score().value(),
        Version::V30 | Version::V31 => {
            let parsed = text.parse::<::cvss::v3::Vector>().ok()?;
            let complete = parsed.av.is_some()
                && parsed.ac.is_some()
                && parsed.pr.is_some()
                && parsed.ui.is_some()
                && parsed.s.is_some()
                && parsed.c.is_some()
                && parsed.i.is_some()
                && parsed.a.is_some();
            complete.then(|| parsed.score().value())?
        }
        Version::V4 => text.parse::<::cvss::v4::Vector>().ok()?.score().value(),
    };
    (0.0..=10.0).contains(&score).then(|| (score * 10.0).round() as u16)
}

/// Returns the label of a vector's score; v2 has no `Critical`.
pub fn severity(vector: &str) -> Option<Severity> {
    let tenths = score_tenths(vector)?;
    Some(match version(vector)? {
        Version::V2 => Severity::of_score(tenths.max(1)).min(Severity::High),
        _ => Severity::of_score(tenths),
    })
}

/// Returns the v3 vector to show and to filter by: v3.1 before v3.0, then the better source; `None` when there is only v2 or v4.
pub fn best_v3(vectors: &[CvssVector]) -> Option<&CvssVector> {
    best(vectors, Version::is_v3)
}

/// Returns the vector to show of one version, from the best source.
pub fn best_of(vectors: &[CvssVector], wanted: Version) -> Option<&CvssVector> {
    best(vectors, |version| version == wanted)
}

fn best(vectors: &[CvssVector], wanted: impl Fn(Version) -> bool) -> Option<&CvssVector> {
    let scored = vectors.iter().filter_map(|one| {
        let version = version(&one.vector).filter(|version| wanted(*version))?;
        score_tenths(&one.vector)?;
        Some((std::cmp::Reverse(version), rank(one.source), one))
    });
    scored.min_by_key(|(version, rank, _)| (*version, *rank)).map(|(_, _, one)| one)
}

/// A metric and its value in words.
pub type Words = (&'static str, &'static str);

/// Explains the base metrics of a vector, in the vector's order: `("attack vector", "network")`. Unknown metrics are left out.
pub fn words(vector: &str) -> Vec<Words> {
    let text = bare(vector);
    let Some(version) = version(text) else { return Vec::new() };
    text.split('/').filter_map(|metric| word(version, metric.split_once(':')?)).collect()
}

/// Takes off what some feeds put around a vector.
fn bare(vector: &str) -> &str {
    vector.trim().trim_matches(['(', ')', '/'])
}

fn rank(source: crate::severity::SeveritySource) -> usize {
    crate::severity::SeveritySource::ALL.iter().position(|one| *one == source).unwrap_or(usize::MAX)
}

const HIGH_LOW_NONE: &[(&str, &str)] = &[("H", "high"), ("L", "low"), ("N", "none")];
const PARTIAL: &[(&str, &str)] = &[("C", "complete"), ("P", "partial"), ("N", "none")];
const REACH: &[(&str, &str)] = &[("N", "network"), ("A", "adjacent network"), ("L", "local"), ("P", "physical")];

/// One metric: its letters, its name, its values by their letters.
type Metric = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const V2: &[Metric] = &[
    ("AV", "attack vector", REACH),
    ("AC", "attack complexity", &[("H", "high"), ("M", "medium"), ("L", "low")]),
    ("Au", "authentication", &[("M", "more than once"), ("S", "once"), ("N", "none")]),
    ("C", "confidentiality", PARTIAL),
    ("I", "integrity", PARTIAL),
    ("A", "availability", PARTIAL),
];

const V3: &[Metric] = &[
    ("AV", "attack vector", REACH),
    ("AC", "attack complexity", HIGH_LOW_NONE),
    ("PR", "privileges required", HIGH_LOW_NONE),
    ("UI", "user interaction", &[("N", "none"), ("R", "required")]),
    ("S", "scope", &[("U", "unchanged"), ("C", "changed")]),
    ("C", "confidentiality", HIGH_LOW_NONE),
    ("I", "integrity", HIGH_LOW_NONE),
    ("A", "availability", HIGH_LOW_NONE),
];

const V4: &[Metric] = &[
    ("AV", "attack vector", REACH),
    ("AC", "attack complexity", HIGH_LOW_NONE),
    ("AT", "attack requirements", &[("N", "none"), ("P", "present")]),
    ("PR", "privileges required", HIGH_LOW_NONE),
    ("UI", "user interaction", &[("N", "none"), ("P", "passive"), ("A", "active")]),
    ("VC", "confidentiality of the vulnerable system", HIGH_LOW_NONE),
    ("VI", "integrity of the vulnerable system", HIGH_LOW_NONE),
    ("VA", "availability of the vulnerable system", HIGH_LOW_NONE),
    ("SC", "confidentiality of other systems", HIGH_LOW_NONE),
    ("SI", "integrity of other systems", HIGH_LOW_NONE),
    ("SA", "availability of other systems", HIGH_LOW_NONE),
];

fn word(version: Version, (key, value): (&str, &str)) -> Option<Words> {
    let table = match version {
        Version::V2 => V2,
        Version::V30 | Version::V31 => V3,
        Version::V4 => V4,
    };
    let (_, name, values) = table.iter().find(|(letters, _, _)| *letters == key)?;
    let (_, meaning) = values.iter().find(|(letters, _)| *letters == value)?;
    Some((name, meaning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::severity::SeveritySource;

    #[test]
    fn scores_are_those_of_the_vector() {
        for (vector, tenths, label) in [
            ("AV:N/AC:L/Au:N/C:C/I:C/A:C", Some(100), Some(Severity::High)),
            ("(AV:N/AC:L/Au:N/C:N/I:N/A:N)", Some(0), Some(Severity::Low)),
            ("CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:N/A:N", Some(77), Some(Severity::High)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(98), Some(Severity::Critical)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U/RL:O/RC:U", Some(98), Some(Severity::Critical)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/MC:N/MI:N/MA:N", Some(98), Some(Severity::Critical)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", Some(0), Some(Severity::Negligible)),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N", Some(51), Some(Severity::Medium)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H", None, None),
            ("AV:N/AC:L/Au:N/C:C", None, None),
            ("CVSS:4.0/AV:N/AC:L", None, None),
            ("CVSS:5.0/AV:N/AC:L", None, None),
            ("9.8", None, None),
            ("", None, None),
        ] {
            assert_eq!(score_tenths(vector), tenths, "{vector}");
            assert_eq!(severity(vector), label, "{vector}");
        }
    }

    #[test]
    fn every_vector_scores_as_the_reference_does() {
        let root = std::env::var_os("PORTWARDEN_TESTDATA").map_or_else(
            || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
            std::path::PathBuf::from,
        );
        let Ok(rows) = std::fs::read_to_string(root.join("vectors/cvss.csv")) else {
            return println!("1 checks not run: no test data (vectors/cvss.csv)");
        };
        let mut wrong = Vec::new();
        for row in rows.lines().skip(1) {
            let (vector, score) = row.rsplit_once(',').unwrap();
            let want = (score.parse::<f64>().unwrap() * 10.0).round() as u16;
            if score_tenths(vector) != Some(want) {
                wrong.push(format!("{vector}: {want}, got {:?}", score_tenths(vector)));
            }
        }
        assert!(wrong.is_empty(), "{} of {}: {:#?}", wrong.len(), rows.lines().count() - 1, wrong);
    }

    #[test]
    fn the_newer_v3_of_the_better_source_is_chosen() {
        let one = |vector: &str, source| CvssVector { vector: vector.into(), source };
        let v30 = "CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:N/A:N";
        let v31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
        let v4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N";
        let all = [
            one(v30, SeveritySource::Vendor),
            one(v31, SeveritySource::Nvd),
            one(v31, SeveritySource::Cna),
            one("CVSS:3.1/AV:N", SeveritySource::Vendor),
            one(v4, SeveritySource::Vendor),
        ];
        assert_eq!(best_v3(&all), Some(&all[2]));
        assert_eq!(best_v3(&all[..1]), Some(&all[0]));
        assert_eq!(best_v3(&all[4..]), None, "a record with v4 alone has no v3 score");
        assert_eq!(best_of(&all, Version::V4), Some(&all[4]));
    }

    #[test]
    fn vectors_are_explained_metric_by_metric() {
        assert_eq!(
            words("CVSS:3.1/AV:A/AC:L/PR:N/UI:R/S:C/C:H/I:L/A:N/E:P"),
            [
                ("attack vector", "adjacent network"),
                ("attack complexity", "low"),
                ("privileges required", "none"),
                ("user interaction", "required"),
                ("scope", "changed"),
                ("confidentiality", "high"),
                ("integrity", "low"),
                ("availability", "none"),
            ]
        );
        assert_eq!(words("AV:L/Au:M").last(), Some(&("authentication", "more than once")));
        assert_eq!(words("no vector"), []);
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_a_score_within_bounds_or_none(
            vector in "(CVSS:(3.0|3.1|4.0)/)?((AV|AC|AT|PR|UI|Au|S|C|I|A|VC|VI|VA|SC|SI|SA|E|MAV|CR):[A-Z]/?){0,16}",
            text: String,
        ) {
            for vector in [vector, text] {
                proptest::prop_assert!(score_tenths(&vector).is_none_or(|tenths| tenths <= 100));
                proptest::prop_assert_eq!(score_tenths(&vector).is_some(), severity(&vector).is_some());
            }
        }
    }
}
