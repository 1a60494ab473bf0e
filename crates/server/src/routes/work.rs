//! What happened and what is being done.

use super::{Answer, Place, Route, Takes, Verb};
use crate::api;
use axum::routing::get;
use model::role::Action;

/// The rows.
pub static ROUTES: &[Route] = &[
    Route {
        method: Verb::Get,
        path: "/events",
        summary: "Pushes, pulls, imports and deletes, newest first.",
        action: Action::Audit,
        place: Place::All,
        takes: Takes::Log,
        body: "",
        answer: Answer::List("EventView"),
        handler: || get(api::work::events),
    },
    Route {
        method: Verb::Get,
        path: "/jobs",
        summary: "What is queued, running or to be tried again.",
        action: Action::Audit,
        place: Place::All,
        takes: Takes::Limit,
        body: "",
        answer: Answer::List("JobView"),
        handler: || get(api::work::jobs),
    },
    Route {
        method: Verb::Get,
        path: "/db",
        summary: "The advisory database in force.",
        action: Action::Read,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "",
        answer: Answer::One("DatabaseView"),
        handler: || get(api::work::database),
    },
    Route {
        method: Verb::Get,
        path: "/system",
        summary: "How this process stands: version, roles, storage, limits, what doctor says of sandbox, data folder and advisories.",
        action: Action::Own,
        place: Place::All,
        takes: Takes::Nothing,
        body: "",
        answer: Answer::One("SystemView"),
        handler: || get(api::system::system),
    },
];
