//! Severity of a match, and who said so.
//!
//! In: the advisories of one vulnerability that call the package affected, the one that decides first.
//! Out: the severity shown and its source. The vendor of the matched package speaks first, then the authority that assigned
//! the id, CISA, NVD, others; nobody said = unknown. CVSS scores were recomputed from their vectors when the database was built.

use model::severity::{Severity, SeveritySource};

/// Chooses the severity.
///
/// `vendor` are the vendor's own words, the deciding advisory first; an `Unknown` says nothing. `others` is the best that anybody
/// else said.
pub(crate) fn severity(
    vendor: impl Iterator<Item = Option<Severity>>,
    others: (Severity, SeveritySource),
) -> (Severity, SeveritySource) {
    if let Some(said) = vendor.flatten().find(|said| *said != Severity::Unknown) {
        return (said, SeveritySource::Vendor);
    }
    match others {
        (_, SeveritySource::None) => (Severity::Unknown, SeveritySource::None),
        said => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::severity::{Severity as S, SeveritySource as Who};

    #[test]
    fn the_vendor_speaks_first_and_silence_is_unknown() {
        for (vendor, others, want, reason) in [
            (vec![Some(S::Negligible)], (S::Critical, Who::Nvd), (S::Negligible, Who::Vendor), "Debian: unimportant"),
            (vec![None, Some(S::High)], (S::Low, Who::Nvd), (S::High, Who::Vendor), "another advisory of the vendor"),
            (vec![Some(S::Unknown)], (S::Critical, Who::Nvd), (S::Critical, Who::Nvd), "an unknown says nothing"),
            (vec![None], (S::Medium, Who::Cna), (S::Medium, Who::Cna), "the CNA, as the vendor is silent"),
            (vec![], (S::Unknown, Who::None), (S::Unknown, Who::None), "nobody"),
        ] {
            assert_eq!(severity(vendor.into_iter(), others), want, "{reason}");
        }
    }
}
