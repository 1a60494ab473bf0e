//! The three axes on which every digest is accounted for, and the reason codes.

use serde::{Deserialize, Serialize};

/// What the last reading of an image gave. Stays valid until the next one commits. Numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Verdict {
    /// Never read.
    #[default]
    None = 0,
    /// Everything was read, with current knowledge.
    Complete = 1,
    /// Read, and something is missing: the reasons say what.
    Gaps = 2,
    /// Not something that can be read (a Windows image, an unknown compression).
    Unsupported = 3,
    /// Reading failed for good.
    Failed = 4,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 5] = [Self::None, Self::Complete, Self::Gaps, Self::Unsupported, Self::Failed];

    /// Returns the word: `complete`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Complete => "complete",
            Self::Gaps => "gaps",
            Self::Unsupported => "unsupported",
            Self::Failed => "failed",
        }
    }

    /// Returns the verdict of a stored number; an unknown number is `None`.
    pub fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|v| i64::from(*v as u8) == number).unwrap_or(Self::None)
    }
}

/// What is being done about an image. Numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Work {
    /// Nothing to do.
    #[default]
    Idle = 0,
    /// Waiting for a worker.
    Queued = 1,
    /// A worker reads it.
    Running = 2,
    /// A transient error; tried again at the job's time.
    RetryAt = 3,
}

impl Work {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Idle, Self::Queued, Self::Running, Self::RetryAt];

    /// Returns the word: `queued`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::RetryAt => "retry-at",
        }
    }

    /// Returns the state of a stored number; an unknown number is `Idle`.
    pub fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|v| i64::from(*v as u8) == number).unwrap_or(Self::Idle)
    }
}

/// Whether an image is kept judged. Numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Coverage {
    /// Pushed or pulled within the window.
    #[default]
    InWindow = 0,
    /// Neither pushed nor pulled within the window.
    OutsideWindow = 1,
    /// The subscription's plan is off.
    PlanOff = 2,
    /// Network rules keep the scanner out.
    BlockedByNetwork = 3,
    /// Not an image: an attestation, a signature, an SBOM, a chart. Never failed.
    Accessory = 4,
}

impl Coverage {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::InWindow, Self::OutsideWindow, Self::PlanOff, Self::BlockedByNetwork, Self::Accessory];

    /// Returns the word: `in-window`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InWindow => "in-window",
            Self::OutsideWindow => "outside-window",
            Self::PlanOff => "plan-off",
            Self::BlockedByNetwork => "blocked-by-network",
            Self::Accessory => "accessory",
        }
    }

    /// Returns the state of a stored number; an unknown number is `InWindow`.
    pub fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().find(|v| i64::from(*v as u8) == number).unwrap_or(Self::InWindow)
    }
}

/// A reason code: why a verdict is not `complete`, or what a note is about. Each has a page in docs/reasons.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The stable code: `diff-id`.
    pub code: &'static str,
    /// What it means, one sentence for people.
    pub meaning: &'static str,
    /// What to do next, one sentence.
    pub next_step: &'static str,
}

macro_rules! reasons { ($($code:literal, $meaning:literal, $next:literal;)*) => { &[$(Reason { code: $code, meaning: $meaning, next_step: $next }),*] } }

/// Every reason code.
pub static REASONS: &[Reason] = reasons! {
    "feeds", "Judged with the built-in starter advisories alone.", "Run `portwarden db update`, or let the server reach the feeds.";
    "no-database", "There is no advisory database.", "Run `portwarden db update`.";
    "distro-unknown", "The image names no distribution that has a feed; its OS packages were listed but not judged.", "Check /etc/os-release of the image.";
    "distro-unsupported", "No feed is loaded for this distribution or release; its OS packages were listed but not judged.", "See `portwarden db status` for what is covered.";
    "end-of-life", "Support of the distribution's release has ended; new vulnerabilities of its packages are no longer reported.", "Build the image on a release that is supported.";
    "feed-missing", "No feed is loaded for an ecosystem of this image; its packages were listed but not judged.", "Run `portwarden db update`; `portwarden db status` says what is covered.";
    "fixed-only", "The feed of this distribution lists only fixed vulnerabilities; unfixed ones are not known.", "Nothing to do; read the findings with this in mind.";
    "no-packages", "No package database was found, or none of the distribution that the image says it is.", "Check that the image is what you meant to push; a static binary carries no list.";
    "package-database", "A package database is damaged or not understood in part.", "Rebuild the image; the note names the file.";
    "version-unreadable", "A version does not follow the rules of its ecosystem and was not compared.", "The note names the package; check it by hand.";
    "file-too-large", "A file that lists packages is over the limit and was not read.", "Raise `limits.file_bytes` or `limits.seekable_bytes`, whichever the note gives, and scan again; or make the file smaller.";
    "file-unreadable", "A file that lists packages could not be read.", "The note names the file; rebuild the image.";
    "media-type", "The content is not what its media type says; it was read by its content.", "Push the image again with a current client.";
    "diff-id", "A layer's content is not what the image's configuration claims.", "Do not run this image; rebuild and push it again.";
    "digest", "Bytes do not hash to the digest that names them.", "Push the image again; check the source registry.";
    "size", "A blob is not of the size that the manifest claims.", "Push the image again.";
    "layer-truncated", "A layer ends in the middle.", "Push the image again.";
    "layer-unreadable", "A layer is not a valid archive.", "Rebuild the image; the note names the layer.";
    "compression-unsupported", "A layer is compressed in a way that is not supported.", "Use gzip, zstd or no compression.";
    "config", "The image's configuration is missing or malformed.", "Rebuild the image.";
    "manifest", "The manifest is malformed.", "Rebuild the image.";
    "blob-missing", "A blob that the manifest names is not in the registry.", "Push the image again.";
    "limit-entries", "The image has more files than the limit.", "Raise `limits.entries` if this is expected.";
    "limit-bytes", "The image unpacks to more bytes than the limit.", "Raise `limits.unpacked_bytes` if this is expected.";
    "limit-packages", "The image has more packages than the limit.", "Raise `limits.packages` if this is expected.";
    "limit-layers", "The image has more layers than the limit.", "Squash the image.";
    "limit-memory", "Reading the image needed more memory than the limit.", "Raise `limits.child_memory` if this is expected.";
    "limit-time", "Reading the image took longer than the limit.", "Raise `limits.child_seconds` or `limits.child_wall_seconds` if this is expected.";
    "limit-output", "Reading the image gave more output than the limit.", "Raise `limits.child_output` if this is expected.";
    "crash", "The reader of a layer crashed; only this image is concerned.", "Report it with the image's digest.";
    "sandbox", "The required sandbox is not to be had on this host.", "See `portwarden doctor`.";
    "os-windows", "Windows layers are not read.", "Nothing to do: Windows images are not supported.";
    "foreign-layer", "A layer is kept outside the registry and was not fetched.", "Push the image with its layers.";
    "encrypted", "A layer is encrypted.", "Nothing to do: encrypted layers cannot be read.";
    "index-depth", "The index is nested too deeply or names itself.", "Push the platforms one by one.";
    "accessory", "Not an image: an attestation, signature, SBOM, chart or other artefact.", "Nothing to do.";
    "network", "Network rules keep the scanner out.", "Allow trusted services for this registry.";
    "upstream", "The registry could not be reached or answered with an error.", "Check the registry and its credentials.";
};

/// Returns the reason of a code.
pub fn reason(code: &str) -> Option<&'static Reason> {
    REASONS.iter().find(|r| r.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_code_is_there_once() {
        for (i, r) in REASONS.iter().enumerate() {
            assert!(REASONS.iter().skip(i + 1).all(|o| o.code != r.code), "{}", r.code);
            assert!(r.meaning.ends_with('.') && r.next_step.ends_with(['.', '`']), "{}", r.code);
        }
    }
}
