//! Severity, and where a severity comes from.

use serde::{Deserialize, Serialize};

/// How bad a vulnerability is. Ordered: `Unknown` lowest, `Critical` highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Severity {
    /// Nobody said.
    #[default]
    Unknown = 0,
    /// No impact in practice.
    Negligible = 1,
    /// CVSS 0.1–3.9.
    Low = 2,
    /// CVSS 4.0–6.9.
    Medium = 3,
    /// CVSS 7.0–8.9.
    High = 4,
    /// CVSS 9.0–10.0.
    Critical = 5,
}

impl Severity {
    /// Every severity, worst first: the order of every list and bar.
    pub const WORST_FIRST: [Self; 6] =
        [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Negligible, Self::Unknown];

    /// Returns the word: `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Parses the word, in any case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORST_FIRST.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(word))
    }

    /// Returns the severity of a stored number; an unknown number is `Unknown`.
    pub fn from_number(number: i64) -> Self {
        Self::WORST_FIRST.into_iter().find(|s| i64::from(*s as u8) == number).unwrap_or(Self::Unknown)
    }

    /// Returns the label of a CVSS v3 or v4 base score in tenths (98 = 9.8). A score of 0.0 is `Negligible` (None).
    pub fn of_score(tenths: u16) -> Self {
        match tenths {
            0 => Self::Negligible,
            1..=39 => Self::Low,
            40..=69 => Self::Medium,
            70..=89 => Self::High,
            _ => Self::Critical,
        }
    }
}

/// Who said how bad it is, also the source of CVSS vectors. Numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum SeveritySource {
    /// Nobody.
    #[default]
    None = 0,
    /// The vendor of the matched package (Debian urgency, GHSA for its ids, …).
    Vendor = 1,
    /// The authority that assigned the CVE.
    Cna = 2,
    /// CISA's enrichment.
    Adp = 3,
    /// NVD.
    Nvd = 4,
    /// Another vendor.
    Other = 5,
}

impl SeveritySource {
    /// Every source, best first.
    pub const ALL: [Self; 6] = [Self::Vendor, Self::Cna, Self::Adp, Self::Nvd, Self::Other, Self::None];

    /// Returns the word: `vendor`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Vendor => "vendor",
            Self::Cna => "cna",
            Self::Adp => "adp",
            Self::Nvd => "nvd",
            Self::Other => "other",
        }
    }

    /// Returns the source of a stored number; an unknown number is `None`.
    pub fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|s| i64::from(*s as u8) == number).unwrap_or(Self::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_is_the_worst_and_unknown_the_least() {
        assert!(Severity::WORST_FIRST.windows(2).all(|pair| pair[0] > pair[1]));
        for s in Severity::WORST_FIRST {
            assert_eq!(Severity::parse(s.as_str()), Some(s));
            assert_eq!(Severity::from_number(i64::from(s as u8)), s);
        }
        for (tenths, want) in [(0, "negligible"), (39, "low"), (40, "medium"), (89, "high"), (90, "critical")] {
            assert_eq!(Severity::of_score(tenths).as_str(), want, "{tenths}");
        }
    }
}
