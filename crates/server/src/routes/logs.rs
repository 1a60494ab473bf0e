//! Network rules and resource logs.

use super::{Answer, Place, Route, Takes, Verb};
use crate::api::{logs, network};
use axum::routing::{delete, get, post, put};
use model::role::Action;

const REGISTRY: (&str, &str) = ("registry", "Only of this registry.");
const IDENTITY: (&str, &str) = ("identity", "Only of this principal, or of the scanner's identity.");
const ADDRESS: (&str, &str) = ("address", "Only from this address.");
const OPERATION: (&str, &str) = ("operation", "`login`; `push`, `pull`, `import`, `untag`, `delete`.");
const RESULT: (&str, &str) = ("result", "`ok`, `failed`, or an HTTP status.");
const SCANNER: (&str, &str) = ("scanner", "`yes`: only the scanner's lines; `no`: only others'.");
const SINCE: (&str, &str) = ("since", "Not before: RFC 3339, or a date (its beginning, UTC).");
const UNTIL: (&str, &str) = ("until", "Before: RFC 3339, or a date (its end, UTC).");
const LIMIT: (&str, &str) = ("limit", "Rows of a page, 1 to 1,000; 50 where it is left out.");
const AFTER: (&str, &str) = ("after", "What the page before gave as `next`.");
const FORMAT: (&str, &str) = ("format", "`json`, `jsonl` or `csv`; else the header Accept decides.");
const NAMES: (&str, &str) =
    ("names", "`own`, or `azure`: the columns of the Azure tables, as lines and CSV have them where it is left out.");
const LOGIN: Takes =
    Takes::Named(&[REGISTRY, IDENTITY, ADDRESS, OPERATION, RESULT, SCANNER, SINCE, UNTIL, LIMIT, AFTER, FORMAT, NAMES]);
const REPOSITORY: Takes = Takes::Named(&[
    REGISTRY,
    ("repository", "Only of this repository."),
    ("tag", "Only of this tag."),
    ("digest", "Only of this digest."),
    IDENTITY,
    ADDRESS,
    OPERATION,
    RESULT,
    SCANNER,
    SINCE,
    UNTIL,
    LIMIT,
    AFTER,
    FORMAT,
    NAMES,
]);
const CONFIRM: Takes =
    Takes::Named(&[("confirm", "`true`: go on although the address that this is asked from is kept out then.")]);

/// The rows.
pub static ROUTES: &[Route] = &[
    Route {
        method: Verb::Get,
        path: "/registries/{name}/network",
        summary: "Who may speak to a registry.",
        action: Action::Read,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "",
        answer: Answer::One("NetworkView"),
        handler: || get(network::get),
    },
    Route {
        method: Verb::Put,
        path: "/registries/{name}/network",
        summary: "Sets who may speak to a registry; what is left out stays.",
        action: Action::Own,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "NetworkBody",
        answer: Answer::One("NetworkView"),
        handler: || put(network::put),
    },
    Route {
        method: Verb::Post,
        path: "/registries/{name}/network/ip-rules",
        summary: "Lets an address or a network in.",
        action: Action::Own,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "IpRuleBody",
        answer: Answer::Made("NetworkView"),
        handler: || post(network::post_rule),
    },
    Route {
        method: Verb::Delete,
        path: "/registries/{name}/network/ip-rules/{rule}",
        summary: "Takes an IP rule away; its slash is written %2F.",
        action: Action::Own,
        place: Place::Any,
        takes: CONFIRM,
        body: "",
        answer: Answer::Nothing,
        handler: || delete(network::delete_rule),
    },
    Route {
        method: Verb::Get,
        path: "/logs/login",
        summary: "Logins to the registries, newest first.",
        action: Action::Audit,
        place: Place::Any,
        takes: LOGIN,
        body: "",
        answer: Answer::List("LoginEventView"),
        handler: || get(logs::login),
    },
    Route {
        method: Verb::Get,
        path: "/logs/repository",
        summary: "What was done to manifests, and what was refused, newest first.",
        action: Action::Audit,
        place: Place::Any,
        takes: REPOSITORY,
        body: "",
        answer: Answer::List("RepositoryEventView"),
        handler: || get(logs::repository),
    },
    Route {
        method: Verb::Get,
        path: "/logs/settings",
        summary: "For how long the logs are kept, and the identity of the scanner in them.",
        action: Action::Audit,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "",
        answer: Answer::One("LogSettingsView"),
        handler: || get(logs::settings),
    },
    Route {
        method: Verb::Put,
        path: "/logs/settings",
        summary: "Sets for how long the logs are kept.",
        action: Action::Own,
        place: Place::All,
        takes: Takes::Nothing,
        body: "LogSettingsBody",
        answer: Answer::One("LogSettingsView"),
        handler: || put(logs::put_settings),
    },
];
