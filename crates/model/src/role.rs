//! Roles, scopes, and what a role allows where: one table for every surface.

use serde::{Deserialize, Serialize};

/// A role that a principal holds in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads inventory, findings, recommendations, score, rules, posture.
    Reader,
    /// Pulls content; sees no findings.
    AcrPull,
    /// Pushes and pulls content.
    AcrPush,
    /// Deletes content.
    AcrDelete,
    /// Reads quarantined digests.
    QuarantineReader,
    /// Releases quarantined digests.
    QuarantineWriter,
    /// Hands in results of other scanners, VEX, triage.
    AssessmentWriter,
    /// Makes disable rules, exemptions, suppressions.
    PolicyEditor,
    /// All of the security roles; plans, owners and due dates, notifications, feeds.
    SecurityAdmin,
    /// Everything, role assignments included.
    Owner,
    /// Reader; audit, usage and resource logs as well.
    Auditor,
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read inventory, findings, recommendations, score, rules, posture.
    Read,
    /// Pull content.
    Pull,
    /// Push content.
    Push,
    /// Delete content.
    Delete,
    /// Read quarantined digests.
    ReadQuarantined,
    /// Release quarantined digests.
    ReleaseQuarantined,
    /// Hand in results, VEX, triage.
    WriteAssessment,
    /// Make disable rules.
    EditPolicy,
    /// Change plans, owners, due dates, notifications, feeds; ask for scans.
    Secure,
    /// Read audit and resource logs.
    Audit,
    /// Read what was metered.
    ReadUsage,
    /// Assign roles, connect registries, change settings.
    Own,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 12] = [
        Self::Read,
        Self::Pull,
        Self::Push,
        Self::Delete,
        Self::ReadQuarantined,
        Self::ReleaseQuarantined,
        Self::WriteAssessment,
        Self::EditPolicy,
        Self::Secure,
        Self::Audit,
        Self::ReadUsage,
        Self::Own,
    ];

    /// Returns the role to ask for where an action is missing: the least one that allows it.
    pub fn least_role(self) -> Role {
        match self {
            Self::Read => Role::Reader,
            Self::Pull => Role::AcrPull,
            Self::Push => Role::AcrPush,
            Self::Delete => Role::AcrDelete,
            Self::ReadQuarantined => Role::QuarantineReader,
            Self::ReleaseQuarantined => Role::QuarantineWriter,
            Self::WriteAssessment => Role::AssessmentWriter,
            Self::EditPolicy => Role::PolicyEditor,
            Self::Secure => Role::SecurityAdmin,
            Self::Audit | Self::ReadUsage => Role::Auditor,
            Self::Own => Role::Owner,
        }
    }

    /// Returns the word, for people: `edit-policy`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::ReadQuarantined => "read-quarantined",
            Self::ReleaseQuarantined => "release-quarantined",
            Self::WriteAssessment => "write-assessment",
            Self::EditPolicy => "edit-policy",
            Self::Secure => "secure",
            Self::Audit => "audit",
            Self::ReadUsage => "read-usage",
            Self::Own => "own",
        }
    }
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 11] = [
        Self::Reader,
        Self::AcrPull,
        Self::AcrPush,
        Self::AcrDelete,
        Self::QuarantineReader,
        Self::QuarantineWriter,
        Self::AssessmentWriter,
        Self::PolicyEditor,
        Self::SecurityAdmin,
        Self::Owner,
        Self::Auditor,
    ];

    /// Returns the word: `acr-pull`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::AcrPull => "acr-pull",
            Self::AcrPush => "acr-push",
            Self::AcrDelete => "acr-delete",
            Self::QuarantineReader => "quarantine-reader",
            Self::QuarantineWriter => "quarantine-writer",
            Self::AssessmentWriter => "assessment-writer",
            Self::PolicyEditor => "policy-editor",
            Self::SecurityAdmin => "security-admin",
            Self::Owner => "owner",
            Self::Auditor => "auditor",
        }
    }

    /// Returns the name, for people: `Policy Editor`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Reader => "Reader",
            Self::AcrPull => "AcrPull",
            Self::AcrPush => "AcrPush",
            Self::AcrDelete => "AcrDelete",
            Self::QuarantineReader => "Quarantine Reader",
            Self::QuarantineWriter => "Quarantine Writer",
            Self::AssessmentWriter => "Assessment Writer",
            Self::PolicyEditor => "Policy Editor",
            Self::SecurityAdmin => "Security Admin",
            Self::Owner => "Owner",
            Self::Auditor => "Auditor",
        }
    }

    /// Returns whether the role allows everything that another does.
    pub fn covers(self, other: Self) -> bool {
        Action::ALL.into_iter().all(|action| self.allows(action) || !other.allows(action))
    }

    /// Parses the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Returns whether the role allows an action in its scope. Whatever is not listed is denied.
    pub fn allows(self, action: Action) -> bool {
        match self {
            Self::Reader => matches!(action, Action::Read),
            Self::AcrPull => matches!(action, Action::Pull),
            Self::AcrPush => matches!(action, Action::Pull | Action::Push),
            Self::AcrDelete => matches!(action, Action::Delete),
            Self::QuarantineReader => matches!(action, Action::ReadQuarantined),
            Self::QuarantineWriter => matches!(action, Action::ReadQuarantined | Action::ReleaseQuarantined),
            Self::AssessmentWriter => matches!(action, Action::WriteAssessment),
            Self::PolicyEditor => matches!(action, Action::Read | Action::EditPolicy),
            Self::SecurityAdmin => {
                matches!(
                    action,
                    Action::Read | Action::WriteAssessment | Action::EditPolicy | Action::Secure | Action::ReadUsage
                )
            }
            Self::Auditor => matches!(action, Action::Read | Action::Audit | Action::ReadUsage),
            Self::Owner => true,
        }
    }
}

/// A part of the scope tree: subscription > resource group > registry > repository. A part that is `None` means all of it.
///
/// A registry's name is unique, so that the path of a registry leaves its resource group out: a scope that was parsed does
/// not know it. What is asked about, a place, must: whoever asks takes it from the tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Scope {
    /// GUID of the subscription.
    pub subscription: Option<String>,
    /// Name of the resource group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_group: Option<String>,
    /// Name of the registry.
    pub registry: Option<String>,
    /// Name of the repository.
    pub repository: Option<String>,
}

impl Scope {
    /// Everything.
    pub const ALL: Self = Self { subscription: None, resource_group: None, registry: None, repository: None };

    /// Makes the scope of one repository, with everything above it.
    pub fn repository(subscription: &str, resource_group: &str, registry: &str, repository: &str) -> Self {
        let some = |text: &str| Some(text.to_owned());
        Self {
            subscription: some(subscription),
            resource_group: some(resource_group),
            registry: some(registry),
            repository: some(repository),
        }
    }

    /// Returns whether another scope lies within this one.
    pub fn holds(&self, other: &Self) -> bool {
        let part = |own: &Option<String>, other: &Option<String>| own.is_none() || own == other;
        part(&self.subscription, &other.subscription)
            && part(&self.resource_group, &other.resource_group)
            && part(&self.registry, &other.registry)
            && part(&self.repository, &other.repository)
    }

    /// Returns how many steps below everything it is: 0 = everything, 1 = a subscription, 4 = a repository.
    pub fn depth(&self) -> u8 {
        match self {
            Self { repository: Some(_), .. } => 4,
            Self { registry: Some(_), .. } => 3,
            Self { resource_group: Some(_), .. } => 2,
            Self { subscription: Some(_), .. } => 1,
            _ => 0,
        }
    }

    /// Writes the scope: `/`, `/GUID`, `/GUID/@group`, `/GUID/registry`, `/GUID/registry/repository/with/slashes`.
    pub fn to_path(&self) -> String {
        let group = self.resource_group.as_ref().filter(|_| self.registry.is_none()).map(|group| format!("@{group}"));
        let parts =
            [self.subscription.as_deref(), group.as_deref().or(self.registry.as_deref()), self.repository.as_deref()];
        let known: Vec<&str> = parts.into_iter().map_while(|part| part).collect();
        format!("/{}", known.join("/"))
    }

    /// Parses what `to_path` writes.
    pub fn parse(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let mut parts = path.splitn(3, '/').map(|part| (!part.is_empty()).then(|| part.to_owned()));
        let (subscription, second, repository) =
            (parts.next().flatten(), parts.next().flatten(), parts.next().flatten());
        let group = second.as_deref().and_then(|part| part.strip_prefix('@')).map(str::to_owned);
        if group.as_deref() == Some("") || (group.is_some() && repository.is_some()) {
            return None; // a group without a name, or a repository without its registry
        }
        let registry = second.filter(|_| group.is_none());
        let scope = Self { subscription, resource_group: group, registry, repository };
        (scope.to_path().trim_start_matches('/') == path).then_some(scope)
    }
}

/// A role in a scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// Where.
    pub scope: Scope,
}

/// Returns whether any of the grants allows an action in a scope. Deny by default.
pub fn allowed(grants: &[Grant], action: Action, scope: &Scope) -> bool {
    grants.iter().any(|grant| grant.role.allows(action) && grant.scope.holds(scope))
}

/// Returns whether the grants allow everything that a grant does.
pub fn covered(grants: &[Grant], wanted: &Grant) -> bool {
    Action::ALL.into_iter().all(|action| !wanted.role.allows(action) || allowed(grants, action, &wanted.scope))
}

/// Returns what is left of `own` within `limit`: nothing that either of them lacks.
pub fn narrowed(own: &[Grant], limit: &[Grant]) -> Vec<Grant> {
    let mut left = Vec::new();
    for wanted in limit {
        if covered(own, wanted) {
            left.push(wanted.clone());
            continue;
        }
        for held in own {
            let role = if held.role.covers(wanted.role) {
                wanted.role
            } else if wanted.role.covers(held.role) {
                held.role
            } else {
                continue;
            };
            let scope = if held.scope.holds(&wanted.scope) {
                &wanted.scope
            } else if wanted.scope.holds(&held.scope) {
                &held.scope
            } else {
                continue;
            };
            left.push(Grant { role, scope: scope.clone() });
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_reaches_down_the_tree_and_never_sideways_or_up() {
        let place = Scope::repository("guid", "prod", "local", "team/app");
        for (path, action, want, why) in [
            ("/", Action::Push, true, "everywhere"),
            ("/guid", Action::Push, true, "its subscription"),
            ("/guid/@prod", Action::Push, true, "its resource group"),
            ("/guid/@test", Action::Push, false, "another resource group"),
            ("/guid/local/team/app", Action::Push, true, "the repository itself"),
            ("/guid/local/team", Action::Push, false, "a name that begins alike is another repository"),
            ("/other", Action::Push, false, "another subscription"),
            ("/", Action::Read, false, "pushing is not seeing findings"),
        ] {
            let grants = [Grant { role: Role::AcrPush, scope: Scope::parse(path).unwrap() }];
            assert_eq!(allowed(&grants, action, &place), want, "{why}");
        }
        let narrow = [Grant { role: Role::Owner, scope: place }];
        assert!(!allowed(&narrow, Action::Own, &Scope::ALL), "the owner of a repository does not own everything");
        assert!(!allowed(&[], Action::Read, &Scope::ALL), "nobody may nothing");
    }

    #[test]
    fn a_limit_never_gives_what_is_not_held() {
        let grant = |(role, path): &(Role, &str)| Grant { role: *role, scope: Scope::parse(path).unwrap() };
        for (own, limit, want, why) in [
            (&[(Role::Owner, "/")][..], &[(Role::AcrPull, "/g/r")][..], &[(Role::AcrPull, "/g/r")][..], "a part"),
            (&[(Role::AcrPull, "/g/r")], &[(Role::AcrPush, "/")], &[(Role::AcrPull, "/g/r")], "less role, less scope"),
            (&[(Role::Reader, "/g")], &[(Role::Reader, "/h")], &[], "another place"),
            (&[(Role::Reader, "/")], &[(Role::AcrPull, "/")], &[], "roles that share nothing"),
            (
                &[(Role::Reader, "/"), (Role::AcrPull, "/")],
                &[(Role::Reader, "/g")],
                &[(Role::Reader, "/g")],
                "one of two",
            ),
            (&[], &[(Role::Owner, "/")], &[], "roles that were taken away"),
        ] {
            let all = |rows: &[(Role, &str)]| rows.iter().map(grant).collect::<Vec<_>>();
            let left = narrowed(&all(own), &all(limit));
            assert_eq!(left, all(want), "{why}");
            assert!(left.iter().all(|grant| covered(&all(own), grant)), "{why}");
        }
        for action in Action::ALL {
            assert!(action.least_role().allows(action), "{action:?}");
        }
    }

    #[test]
    fn scopes_and_roles_are_read_back_as_written() {
        for path in ["/", "/guid", "/guid/@prod", "/guid/local", "/guid/local/team/app"] {
            assert_eq!(Scope::parse(path).map(|s| s.to_path()).as_deref(), Some(path));
        }
        for path in ["", "guid", "//local", "/guid//app", "/guid/", "/guid/@", "/guid/@prod/app"] {
            assert_eq!(Scope::parse(path), None, "{path:?}");
        }
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
    }
}
