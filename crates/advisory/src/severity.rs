//! How bad a vulnerability is, by the best source that is not the vendor of the matched package.
//!
//! In: every vector and word that records of one vulnerability carry. Out: one severity with its source.
//! Order of sources: the CVE's authority, CISA, NVD, other vendors. Scores are computed, never copied.

use model::advisory::CvssVector;
use model::cvss;
use model::severity::{Severity, SeveritySource};

/// A severity that is said in a word.
pub(crate) type Word = (SeveritySource, Severity);

/// Chooses the severity, and says whose it is.
pub(crate) fn choose(vectors: &[CvssVector], words: &[Word]) -> (Severity, SeveritySource) {
    let scored = vectors
        .iter()
        .filter_map(|v| Some((rank(v.source), version_rank(&v.vector), std::cmp::Reverse(cvss::severity(&v.vector)?))));
    // A word counts after every vector of its source.
    let said = words.iter().map(|(source, severity)| (rank(*source), u8::MAX, std::cmp::Reverse(*severity)));
    match scored.chain(said).min() {
        Some((rank, _, severity)) => (severity.0, source_of(rank)),
        None => (Severity::Unknown, SeveritySource::None),
    }
}

/// Puts vectors in the order in which they are shown: v3 first, then v4, then v2, each by source.
pub(crate) fn sort(vectors: &mut Vec<CvssVector>) {
    vectors.sort_by(|a, b| {
        let key = |v: &CvssVector| (version_rank(&v.vector), place(v.source));
        key(a).cmp(&key(b)).then_with(|| a.vector.cmp(&b.vector))
    });
    vectors.dedup();
}

fn rank(source: SeveritySource) -> u8 {
    match source {
        SeveritySource::Cna => 0,
        SeveritySource::Adp => 1,
        SeveritySource::Nvd => 2,
        SeveritySource::Vendor | SeveritySource::Other | SeveritySource::None => 3,
    }
}

fn source_of(rank: u8) -> SeveritySource {
    match rank {
        0 => SeveritySource::Cna,
        1 => SeveritySource::Adp,
        2 => SeveritySource::Nvd,
        _ => SeveritySource::Other,
    }
}

fn place(source: SeveritySource) -> usize {
    SeveritySource::ALL.iter().position(|s| *s == source).unwrap_or(SeveritySource::ALL.len())
}

/// Ranks CVSS versions: 3.1, 3.0, 4.0, 2.
fn version_rank(vector: &str) -> u8 {
    match cvss::version(vector) {
        Some(cvss::Version::V31) => 0,
        Some(cvss::Version::V30) => 1,
        Some(cvss::Version::V4) => 2,
        Some(cvss::Version::V2) | None => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_source_decides_then_the_newest_version() {
        let vector = |source, vector: &str| CvssVector { vector: vector.into(), source };
        let high = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"; // 7.5
        let critical = "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"; // 9.8
        let two = "AV:N/AC:L/Au:N/C:C/I:C/A:C"; // 10.0
        use Severity::{Critical, High, Low, Unknown};
        use SeveritySource::{Cna, Nvd, Other, Vendor};
        for (vectors, words, want, v3, why) in [
            (vec![], vec![], (Unknown, SeveritySource::None), None, "nobody said"),
            (vec![vector(Nvd, critical)], vec![], (Critical, Nvd), Some(98), "one vector"),
            (vec![vector(Nvd, critical), vector(Cna, high)], vec![], (High, Cna), Some(75), "the authority before NVD"),
            (vec![vector(Vendor, critical)], vec![], (Critical, Other), Some(98), "another package's vendor"),
            (vec![vector(Other, two)], vec![], (High, Other), None, "v2 has no critical, and is no v3"),
            (vec![vector(Other, high)], vec![(Vendor, Low)], (High, Other), Some(75), "a vector before a word"),
            (vec![], vec![(Vendor, Low)], (Low, Other), None, "a word alone"),
            (vec![vector(Other, "CVSS:3.1/nonsense")], vec![], (Unknown, SeveritySource::None), None, "not a vector"),
        ] {
            assert_eq!(choose(&vectors, &words), want, "{why}");
            let best = cvss::best_v3(&vectors).and_then(|v| cvss::score_tenths(&v.vector));
            assert_eq!(best, v3, "{why}");
        }
    }
}
