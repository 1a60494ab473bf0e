//! What brings images in and has them read: imports, scans on demand.

use super::{Answer, Place, Route, Takes, Verb};
use crate::api;
use axum::routing::{delete, get, post};
use model::role::Action;

/// The rows.
pub static ROUTES: &[Route] = &[
    Route {
        method: Verb::Get,
        path: "/imports",
        summary: "Imports under way and those of the last 90 days, newest first, into what one may pull, push or read.",
        action: Action::Read,
        place: Place::Own,
        takes: Takes::Named(&[
            ("limit", "Rows a page, 1 to 1000; 50 without it."),
            ("after", "The `next` of the page before."),
            ("format", "json, jsonl or csv."),
        ]),
        body: "",
        answer: Answer::List("ImportView"),
        handler: || get(api::imports::list),
    },
    Route {
        method: Verb::Post,
        path: "/imports",
        summary: "Copies an image from another registry, all platforms of an index unless one is named. It goes on by itself; GET tells how far it is.",
        action: Action::Push,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "ImportBody",
        answer: Answer::Made("ImportView"),
        handler: || post(api::imports::create),
    },
    Route {
        method: Verb::Get,
        path: "/imports/{id}",
        summary: "How far an import is, or how it ended.",
        action: Action::Read,
        place: Place::Own,
        takes: Takes::Nothing,
        body: "",
        answer: Answer::One("ImportView"),
        handler: || get(api::imports::get),
    },
    Route {
        method: Verb::Delete,
        path: "/imports/{id}",
        summary: "Ends an import that is under way, and drops what came of it.",
        action: Action::Push,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "",
        answer: Answer::Nothing,
        handler: || delete(api::imports::cancel),
    },
    Route {
        method: Verb::Post,
        path: "/sample",
        summary: "Pushes the sample image that comes with the program, so that there is something to see.",
        action: Action::Push,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "",
        answer: Answer::Made("SampleView"),
        handler: || post(api::sample::create),
    },
    Route {
        method: Verb::Post,
        path: "/images/{digest}/scan",
        summary: "Has an image read and judged before all that is done by itself, unless the same waits already; says how many jobs are before it.",
        action: Action::Secure,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "",
        answer: Answer::Made("AskedView"),
        handler: || post(api::rescan::one),
    },
    Route {
        method: Verb::Post,
        path: "/images/scan",
        summary: "Has every image that passes a filter read and judged, at most 1000 at a time.",
        action: Action::Secure,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "RescanBody",
        answer: Answer::Made("AskedManyView"),
        handler: || post(api::rescan::many),
    },
];
