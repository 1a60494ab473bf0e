//! The console: pages as HTML from the server, right without a script.
//!
//! In: the same questions as REST. Out: askama templates of `console/`. Text of images and feeds is escaped, and what would not be
//! seen (control characters, bidirectional marks) is made visible.

mod account;
mod audit;
mod chart;
mod columns;
mod edit;
mod feeds;
mod filled;
mod finding_row;
mod findings;
mod form;
mod frame;
mod go;
mod image;
mod images;
mod imports;
mod list;
mod logs;
mod mail_relay;
mod nav;
mod network;
mod notifications;
mod overview;
mod package;
mod pane;
mod people;
mod plans;
mod posture;
mod problems;
mod recommendations;
mod repository;
mod rescan;
mod rule_form;
mod rules;
mod scope;
mod score;
pub mod sign_in;
mod system;
mod tokens;
mod tree;
pub mod unsubscribe;
mod usage;
mod views;
mod visit;
mod vulnerabilities;
mod walk;

pub use frame::{trouble, wants_page};
pub use visit::Visit;

use crate::parts::Parts;
use crate::routes::{Place, guarded};
use axum::Router;
use axum::routing::{MethodRouter, get, post};
use model::role::Action;

/// One page, or one form of a page. What is not in the table is not served.
pub struct Page {
    /// Path, as axum writes it.
    pub path: &'static str,
    /// The right that it needs.
    pub action: Action,
    /// Where the asker needs it.
    pub place: Place,
    /// The handler.
    pub handler: fn() -> MethodRouter<Parts>,
}

/// Every page.
pub static PAGES: &[Page] = &[
    Page { path: "/", action: Action::Read, place: Place::Any, handler: || get(overview::page) },
    Page { path: "/sample", action: Action::Push, place: Place::Any, handler: || post(overview::sample) },
    Page { path: "/inventory", action: Action::Read, place: Place::Any, handler: || get(images::page) },
    Page {
        path: "/inventory/repositories",
        action: Action::Read,
        place: Place::Any,
        handler: || get(walk::repositories),
    },
    Page { path: "/findings", action: Action::Read, place: Place::Any, handler: || get(findings::page) },
    Page { path: "/s/{*path}", action: Action::Read, place: Place::Any, handler: || get(walk::page) },
    Page { path: "/findings/{id}", action: Action::Read, place: Place::Any, handler: || get(image::finding) },
    Page { path: "/vulnerabilities", action: Action::Read, place: Place::Any, handler: || get(vulnerabilities::list) },
    Page {
        path: "/vulnerabilities/{id}",
        action: Action::Read,
        place: Place::Any,
        handler: || get(vulnerabilities::one),
    },
    Page { path: "/recommendations", action: Action::Read, place: Place::Any, handler: || get(recommendations::list) },
    Page {
        path: "/recommendations/{key}",
        action: Action::Read,
        place: Place::Any,
        handler: || get(recommendations::one),
    },
    Page {
        path: "/recommendations/assign",
        action: Action::Secure,
        place: Place::Any,
        handler: || post(recommendations::assign_picked),
    },
    Page {
        path: "/recommendations/{key}/exempt",
        action: Action::EditPolicy,
        place: Place::Any,
        handler: || post(recommendations::exempt),
    },
    Page {
        path: "/recommendations/{key}/assign",
        action: Action::Secure,
        place: Place::Any,
        handler: || post(recommendations::assign),
    },
    Page { path: "/exemptions", action: Action::Read, place: Place::Any, handler: || get(recommendations::exemptions) },
    Page {
        path: "/exemptions/{id}/delete",
        action: Action::EditPolicy,
        place: Place::Any,
        handler: || post(recommendations::end),
    },
    Page { path: "/score", action: Action::Read, place: Place::Any, handler: || get(score::score) },
    Page { path: "/posture", action: Action::Read, place: Place::Any, handler: || get(posture::page) },
    Page {
        path: "/posture/suppress",
        action: Action::EditPolicy,
        place: Place::Any,
        handler: || post(posture::suppress),
    },
    Page {
        path: "/posture/suppressions/{id}/end",
        action: Action::EditPolicy,
        place: Place::Any,
        handler: || post(posture::end),
    },
    Page { path: "/packages/{purl}", action: Action::Read, place: Place::Any, handler: || get(package::page) },
    Page { path: "/views", action: Action::Read, place: Place::Any, handler: || get(views::page).post(views::create) },
    Page { path: "/views/{id}/end", action: Action::Read, place: Place::Any, handler: || post(views::end) },
    Page { path: "/go", action: Action::Read, place: Place::Any, handler: || get(go::to) },
    Page { path: "/look", action: Action::Read, place: Place::Own, handler: || post(visit::choose) },
    Page { path: "/rules", action: Action::Read, place: Place::Any, handler: || get(rules::list) },
    Page { path: "/rules/new", action: Action::EditPolicy, place: Place::Any, handler: || get(rule_form::new) },
    Page { path: "/rules/new", action: Action::EditPolicy, place: Place::Any, handler: || post(rule_form::create) },
    Page { path: "/rules/{id}", action: Action::Read, place: Place::Any, handler: || get(rules::one) },
    Page { path: "/rules/{id}/edit", action: Action::EditPolicy, place: Place::Any, handler: || get(rule_form::edit) },
    Page {
        path: "/rules/{id}/edit",
        action: Action::EditPolicy,
        place: Place::Any,
        handler: || post(rule_form::replace),
    },
    Page { path: "/rules/{id}/pause", action: Action::EditPolicy, place: Place::Any, handler: || post(rules::pause) },
    Page { path: "/rules/{id}/resume", action: Action::EditPolicy, place: Place::Any, handler: || post(rules::resume) },
    Page { path: "/rules/{id}/delete", action: Action::EditPolicy, place: Place::Any, handler: || post(rules::delete) },
    Page { path: "/sign-out", action: Action::Read, place: Place::Own, handler: || post(sign_in::leave) },
    Page { path: "/settings/account", action: Action::Read, place: Place::Own, handler: || get(account::page) },
    Page { path: "/settings/account", action: Action::Read, place: Place::Own, handler: || post(account::password) },
    Page {
        path: "/settings/account/sessions/{id}/end",
        action: Action::Read,
        place: Place::Own,
        handler: || post(account::end_session),
    },
    Page { path: "/settings/access", action: Action::Own, place: Place::Any, handler: || get(people::page) },
    Page { path: "/settings/access/roles", action: Action::Own, place: Place::Any, handler: || post(people::give) },
    Page {
        path: "/settings/access/roles/{id}/remove",
        action: Action::Own,
        place: Place::Any,
        handler: || post(people::take),
    },
    Page { path: "/settings/access/users", action: Action::Own, place: Place::All, handler: || post(people::make) },
    Page {
        path: "/settings/access/users/{name}/delete",
        action: Action::Own,
        place: Place::All,
        handler: || post(people::delete),
    },
    Page { path: "/activity/problems", action: Action::Read, place: Place::Any, handler: || get(problems::page) },
    Page { path: "/settings/system", action: Action::Own, place: Place::All, handler: || get(system::page) },
    Page { path: "/settings/feeds", action: Action::Read, place: Place::Any, handler: || get(feeds::page) },
    Page { path: "/activity/audit", action: Action::Audit, place: Place::Any, handler: || get(audit::page) },
    Page {
        path: "/images/{digest}/delete",
        action: Action::Read,
        place: Place::Any,
        handler: || get(image::remove::ask),
    },
    Page {
        path: "/images/{digest}/delete",
        action: Action::Delete,
        place: Place::Any,
        handler: || post(image::remove::image),
    },
    Page {
        path: "/images/{digest}/untag",
        action: Action::Delete,
        place: Place::Any,
        handler: || post(image::remove::tag),
    },
    Page { path: "/images/{digest}/scan", action: Action::Secure, place: Place::Any, handler: || post(rescan::one) },
    Page { path: "/inventory/scan", action: Action::Secure, place: Place::Any, handler: || post(rescan::many) },
    Page { path: "/activity/imports", action: Action::Push, place: Place::Any, handler: || get(imports::page) },
    Page { path: "/activity/imports", action: Action::Push, place: Place::Any, handler: || post(imports::create) },
    Page { path: "/activity/imports/{id}", action: Action::Push, place: Place::Any, handler: || get(imports::one) },
    Page {
        path: "/activity/imports/{id}/cancel",
        action: Action::Push,
        place: Place::Any,
        handler: || post(imports::cancel),
    },
    Page { path: "/settings/tokens", action: Action::Read, place: Place::Own, handler: || get(tokens::page) },
    Page { path: "/settings/tokens", action: Action::Read, place: Place::Own, handler: || post(tokens::create) },
    Page {
        path: "/settings/tokens/{id}/revoke",
        action: Action::Read,
        place: Place::Own,
        handler: || post(tokens::revoke),
    },
    Page {
        path: "/settings/notifications",
        action: Action::Secure,
        place: Place::Any,
        handler: || get(notifications::page),
    },
    Page {
        path: "/settings/notifications",
        action: Action::Secure,
        place: Place::Any,
        handler: || post(notifications::create),
    },
    Page {
        path: "/settings/notifications/relay",
        action: Action::Own,
        place: Place::All,
        handler: || get(mail_relay::page),
    },
    Page {
        path: "/settings/notifications/relay",
        action: Action::Own,
        place: Place::All,
        handler: || post(mail_relay::save),
    },
    Page {
        path: "/settings/notifications/relay/delete",
        action: Action::Own,
        place: Place::All,
        handler: || post(mail_relay::delete),
    },
    Page {
        path: "/settings/notifications/{id}",
        action: Action::Secure,
        place: Place::Any,
        handler: || get(notifications::one),
    },
    Page {
        path: "/settings/notifications/{id}",
        action: Action::Secure,
        place: Place::Any,
        handler: || post(notifications::change),
    },
    Page {
        path: "/settings/notifications/{id}/test",
        action: Action::Secure,
        place: Place::Any,
        handler: || post(notifications::test),
    },
    Page {
        path: "/settings/notifications/{id}/key",
        action: Action::Secure,
        place: Place::Any,
        handler: || post(notifications::new_key),
    },
    Page {
        path: "/settings/notifications/{id}/delete",
        action: Action::Secure,
        place: Place::Any,
        handler: || post(notifications::delete),
    },
    Page {
        path: "/settings/notifications/deliveries/{id}/retry",
        action: Action::Secure,
        place: Place::Any,
        handler: || post(notifications::retry),
    },
    Page { path: "/settings/plans", action: Action::Read, place: Place::Any, handler: || get(plans::page) },
    Page { path: "/settings/plans", action: Action::Secure, place: Place::Any, handler: || post(plans::save) },
    Page { path: "/settings/plans/change", action: Action::Secure, place: Place::Any, handler: || get(plans::ask) },
    Page {
        path: "/settings/plans/{registry}/follow",
        action: Action::Secure,
        place: Place::Any,
        handler: || post(plans::follow),
    },
    Page {
        path: "/settings/subscriptions",
        action: Action::Read,
        place: Place::Any,
        handler: || get(tree::subscriptions),
    },
    Page {
        path: "/settings/subscriptions",
        action: Action::Own,
        place: Place::All,
        handler: || post(tree::make_subscription),
    },
    Page {
        path: "/settings/subscriptions/{guid}",
        action: Action::Secure,
        place: Place::Any,
        handler: || get(tree::subscription),
    },
    Page {
        path: "/settings/subscriptions/{guid}",
        action: Action::Secure,
        place: Place::Any,
        handler: || post(tree::change_subscription),
    },
    Page {
        path: "/settings/subscriptions/{guid}/groups/{group}",
        action: Action::Own,
        place: Place::Any,
        handler: || get(tree::group),
    },
    Page {
        path: "/settings/subscriptions/{guid}/groups/{group}",
        action: Action::Own,
        place: Place::Any,
        handler: || post(tree::rename_group),
    },
    Page {
        path: "/settings/subscriptions/{guid}/delete",
        action: Action::Own,
        place: Place::All,
        handler: || post(tree::drop_subscription),
    },
    Page { path: "/settings/registries", action: Action::Read, place: Place::Any, handler: || get(tree::registries) },
    Page {
        path: "/settings/registries",
        action: Action::Own,
        place: Place::Any,
        handler: || post(tree::make_registry),
    },
    Page {
        path: "/settings/registries/{name}",
        action: Action::Read,
        place: Place::Any,
        handler: || get(tree::registry),
    },
    Page {
        path: "/settings/registries/{name}",
        action: Action::Own,
        place: Place::Any,
        handler: || post(tree::change_registry),
    },
    Page {
        path: "/settings/registries/{name}/delete",
        action: Action::Own,
        place: Place::Any,
        handler: || post(tree::drop_registry),
    },
    Page {
        path: "/settings/registries/{name}/repositories/{repository}",
        action: Action::Own,
        place: Place::Any,
        handler: || get(repository::page),
    },
    Page {
        path: "/settings/registries/{name}/repositories/{repository}",
        action: Action::Own,
        place: Place::Any,
        handler: || post(repository::change),
    },
    Page { path: "/activity/usage", action: Action::ReadUsage, place: Place::Any, handler: || get(usage::page) },
    Page {
        path: "/activity/usage/{period}",
        action: Action::ReadUsage,
        place: Place::Any,
        handler: || get(usage::behind),
    },
    Page {
        path: "/settings/registries/{name}/network",
        action: Action::Read,
        place: Place::Any,
        handler: || get(network::page),
    },
    Page {
        path: "/settings/registries/{name}/network",
        action: Action::Own,
        place: Place::Any,
        handler: || post(network::set),
    },
    Page {
        path: "/settings/registries/{name}/network/allow",
        action: Action::Own,
        place: Place::Any,
        handler: || post(network::allow),
    },
    Page {
        path: "/settings/registries/{name}/network/remove",
        action: Action::Own,
        place: Place::Any,
        handler: || post(network::remove),
    },
    Page { path: "/activity/logs", action: Action::Audit, place: Place::Any, handler: || get(logs::page) },
    Page { path: "/activity/logs", action: Action::Own, place: Place::All, handler: || post(logs::keep) },
];

/// The router of the table; each page stands behind the check of its right.
pub fn router() -> Router<Parts> {
    let add = |router: Router<Parts>, page: &Page| {
        router.route(page.path, guarded((page.handler)(), page.action, page.place))
    };
    PAGES.iter().fold(Router::new(), add)
}
