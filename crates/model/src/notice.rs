//! What people are told of, and by which kind of channel.

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An image that came, or was read, has findings that its repository did not have.
    NewFinding,
    /// A vulnerability that was not known before is in images that were there.
    NewVulnerability,
    /// A version that fixes it exists now.
    FixAvailable,
    /// A vulnerability came onto the list of those that are exploited.
    KnownExploited,
    /// An image cannot be scanned.
    ScanProblem,
    /// What a feed said last is old.
    FeedStale,
    /// A disable rule ends soon.
    RuleExpiring,
    /// The secure score is lower than it was.
    ScoreDrop,
    /// A plan was changed.
    PlanChange,
    /// A user or a role was changed.
    AccessChange,
    /// What was told of is over.
    Resolved,
    /// Somebody wants to see whether the channel works.
    Test,
}

impl Kind {
    /// Those that a channel chooses from.
    pub const CHOICES: [Self; 10] = [
        Self::NewFinding,
        Self::NewVulnerability,
        Self::FixAvailable,
        Self::KnownExploited,
        Self::ScanProblem,
        Self::FeedStale,
        Self::RuleExpiring,
        Self::ScoreDrop,
        Self::PlanChange,
        Self::AccessChange,
    ];

    /// Returns the word: `new-finding`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NewFinding => "new-finding",
            Self::NewVulnerability => "new-vulnerability",
            Self::FixAvailable => "fix-available",
            Self::KnownExploited => "known-exploited",
            Self::ScanProblem => "scan-problem",
            Self::FeedStale => "feed-stale",
            Self::RuleExpiring => "rule-expiring",
            Self::ScoreDrop => "score-drop",
            Self::PlanChange => "plan-change",
            Self::AccessChange => "access-change",
            Self::Resolved => "resolved",
            Self::Test => "test",
        }
    }

    /// Returns what it is about, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::NewFinding => "New findings of an image",
            Self::NewVulnerability => "A new vulnerability is in images",
            Self::FixAvailable => "A fix became available",
            Self::KnownExploited => "Known to be exploited now",
            Self::ScanProblem => "An image cannot be scanned",
            Self::FeedStale => "A feed is stale",
            Self::RuleExpiring => "A disable rule ends soon",
            Self::ScoreDrop => "The secure score dropped",
            Self::PlanChange => "A plan was changed",
            Self::AccessChange => "Access was changed",
            Self::Resolved => "Resolved",
            Self::Test => "Test",
        }
    }

    /// Parses the word of one that a channel can choose.
    pub fn parse(word: &str) -> Option<Self> {
        Self::CHOICES.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Parses any word.
    pub fn parse_any(word: &str) -> Option<Self> {
        Self::parse(word).or_else(|| [Self::Resolved, Self::Test].into_iter().find(|kind| kind.as_str() == word))
    }
}

/// How a channel is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// CloudEvents by HTTP, signed.
    Webhook,
    /// What Slack takes, and those that imitate it.
    Slack,
    /// What Microsoft Teams takes.
    Teams,
    /// Mail to one address or several, by the relay of the installation.
    Mail,
}

impl ChannelKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Webhook, Self::Slack, Self::Teams, Self::Mail];

    /// Returns the word: `webhook`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Mail => "mail",
        }
    }

    /// Returns the name, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Webhook => "Signed webhook (CloudEvents)",
            Self::Slack => "Slack webhook",
            Self::Teams => "Microsoft Teams webhook",
            Self::Mail => "Mail",
        }
    }

    /// Parses the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// How the way to a mail relay is made safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailSafety {
    /// STARTTLS, which the relay must offer.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Nothing: everybody on the way reads and changes what is sent.
    None,
}

impl MailSafety {
    /// Every kind, the usual one first.
    pub const ALL: [Self; 3] = [Self::StartTls, Self::Tls, Self::None];

    /// Returns the word: `starttls`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartTls => "starttls",
            Self::Tls => "tls",
            Self::None => "none",
        }
    }

    /// Parses the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|safety| safety.as_str() == word)
    }

    /// Returns the port that relays listen on for it. Source: RFC 6409 (587), RFC 8314 (465), RFC 5321 (25).
    pub fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_its_kind() {
        for kind in Kind::CHOICES {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        for kind in [Kind::Resolved, Kind::Test] {
            assert_eq!(
                (Kind::parse(kind.as_str()), Kind::parse_any(kind.as_str())),
                (None, Some(kind)),
                "not to choose"
            );
        }
        for kind in ChannelKind::ALL {
            assert_eq!(ChannelKind::parse(kind.as_str()), Some(kind));
        }
        for safety in MailSafety::ALL {
            assert_eq!(MailSafety::parse(safety.as_str()), Some(safety));
        }
    }
}
