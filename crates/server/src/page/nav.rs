//! The navigation: seven entries, each with its pages. A page is one line here and one in the router.
//!
//! An entry leads to the first of its pages that the asker may see; an entry without one is not shown.

use super::frame::Tab;
use model::role::{Action, Scope, allowed};
use store::Principal;

/// An entry of the navigation.
pub struct Entry {
    /// The word that pages name it by.
    pub key: &'static str,
    /// The word that people read.
    pub text: &'static str,
    /// Lines of the icon, 16 by 16.
    icon: &'static str,
    /// Its pages: address, text, what one must be allowed.
    pages: &'static [(&'static str, &'static str, Action)],
}

/// The page of the process itself, which is shown to who owns everything.
const SYSTEM: &str = "/settings/system";

/// Every entry, in order.
pub static NAV: &[Entry] = &[
    Entry {
        key: "overview",
        text: "Overview",
        icon: "M2.5 2.500h4.500v6h-4.500zM9 2.500h4.500v3h-4.500zM9 7.500h4.500v6h-4.500zM2.500 10.500h4.500v3h-4.500z",
        pages: &[("/", "Overview", Action::Read), ("/views", "Saved views", Action::Read)],
    },
    Entry {
        key: "recommendations",
        text: "Recommendations",
        icon: "M2.5 4l1 1 2-2M2.5 8.500l1 1 2-2M2.500 13l1 1 2-2M8 4h5.500M8 8.500h5.500M8 13h5.500",
        pages: &[
            ("/recommendations", "Recommendations", Action::Read),
            ("/score", "Secure score", Action::Read),
            ("/posture", "Posture", Action::Read),
            ("/exemptions", "Exemptions", Action::Read),
        ],
    },
    Entry {
        key: "inventory",
        text: "Inventory",
        icon: "M8 1.500l6 3.200-6 3.200-6-3.200zM2 8l6 3.200L14 8M2 11.300l6 3.200 6-3.200",
        pages: &[
            ("/inventory", "Images", Action::Read),
            ("/inventory/repositories", "Repositories", Action::Read),
            ("/findings", "Findings", Action::Read),
        ],
    },
    Entry {
        key: "vulnerabilities",
        text: "Vulnerabilities",
        icon: "M8 1.500l5.500 2v4c0 3.500-2.300 5.700-5.500 7-3.200-1.300-5.500-3.500-5.500-7v-4zM8 5v3.500M8 10.800v.2",
        pages: &[("/vulnerabilities", "Vulnerabilities", Action::Read)],
    },
    Entry {
        key: "rules",
        text: "Rules",
        icon: "M2 4h7M12 4h2M2 8h2M7 8h7M2 12h5M10 12h4M10.500 2.500v3M5.500 6.500v3M8.500 10.500v3",
        pages: &[("/rules", "Rules", Action::Read)],
    },
    Entry {
        key: "activity",
        text: "Activity",
        icon: "M1.500 8.500h3l2-6 3 11 2-5h3",
        pages: &[
            ("/activity/problems", "Scan problems", Action::Read),
            ("/activity/imports", "Imports", Action::Push),
            ("/activity/audit", "Audit", Action::Audit),
            ("/activity/logs", "Resource logs", Action::Audit),
            ("/activity/usage", "Usage", Action::ReadUsage),
        ],
    },
    Entry {
        key: "settings",
        text: "Settings",
        icon: "M8 5.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5zM8 1.500v2M8 12.500v2M1.500 8h2M12.500 8h2M3.400 3.400l1.400 1.400M11.200 11.200l1.400 1.400M12.600 3.400l-1.400 1.400M4.800 11.200l-1.400 1.400",
        pages: &[
            ("/settings/plans", "Plans", Action::Read),
            ("/settings/subscriptions", "Subscriptions", Action::Read),
            ("/settings/registries", "Registries", Action::Read),
            ("/settings/notifications", "Notifications", Action::Secure),
            ("/settings/tokens", "Tokens", Action::Read),
            ("/settings/account", "Account", Action::Read),
            ("/settings/access", "Access", Action::Own),
            ("/settings/feeds", "Feeds", Action::Read),
            (SYSTEM, "System", Action::Own),
        ],
    },
];

/// An entry as it is shown.
pub struct Shown {
    /// Where it leads.
    pub link: &'static str,
    /// The word.
    pub text: &'static str,
    /// Lines of the icon.
    pub icon: &'static str,
    /// Whether the page belongs to it.
    pub here: bool,
}

/// Whether somebody may see a page.
fn shows(who: &Principal, (address, _, action): (&str, &str, Action)) -> bool {
    if address == SYSTEM { allowed(&who.grants, action, &Scope::ALL) } else { sees(who, action) }
}

/// Whether somebody may do something anywhere.
pub fn sees(who: &Principal, action: Action) -> bool {
    who.grants.iter().any(|grant| grant.role.allows(action))
}

/// Whether there is a page at an address that somebody may see.
pub fn leads(who: &Principal, address: &str) -> bool {
    NAV.iter().flat_map(|entry| entry.pages).any(|page| page.0 == address && shows(who, *page))
}

/// The entries that somebody may see.
pub fn entries(who: &Principal, here: &str) -> Vec<Shown> {
    let shown = |entry: &Entry| {
        let (link, ..) = *entry.pages.iter().find(|page| shows(who, **page))?;
        Some(Shown { link, text: entry.text, icon: entry.icon, here: entry.key == here })
    };
    NAV.iter().filter_map(shown).collect()
}

/// The pages beside this one, if there is more than one.
pub fn sections(who: &Principal, here: &str, path: &str) -> Vec<Tab> {
    let pages = NAV.iter().filter(|entry| entry.key == here).flat_map(|entry| entry.pages);
    let pages: Vec<_> = pages.filter(|page| shows(who, **page)).collect();
    if pages.len() < 2 {
        return Vec::new();
    }
    let holds = |page: &str| path == page || path.strip_prefix(page).is_some_and(|rest| rest.starts_with('/'));
    let longest = pages.iter().map(|page| page.0).filter(|page| holds(page)).max_by_key(|page| page.len());
    let tab = |page: &(&str, &str, Action)| Tab {
        text: page.1.to_owned(),
        link: page.0.to_owned(),
        count: String::new(),
        here: longest == Some(page.0),
    };
    pages.into_iter().map(tab).collect()
}
