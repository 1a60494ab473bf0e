//! Saved views.

use super::{Answer, Place, Route, Takes, Verb, WRITTEN};
use crate::api::views;
use axum::routing::{delete, get, post};
use model::role::Action;

/// The rows.
pub static ROUTES: &[Route] = &[
    Route {
        method: Verb::Get,
        path: "/views",
        summary: "The asker's saved views: addresses of the console under a name.",
        action: Action::Read,
        place: Place::Any,
        takes: Takes::Named(WRITTEN),
        body: "",
        answer: Answer::List("SavedViewView"),
        handler: || get(views::list),
    },
    Route {
        method: Verb::Post,
        path: "/views",
        summary: "Keeps an address of the console under a name.",
        action: Action::Read,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "ViewBody",
        answer: Answer::Made("SavedViewView"),
        handler: || post(views::create),
    },
    Route {
        method: Verb::Delete,
        path: "/views/{id}",
        summary: "Takes a saved view away.",
        action: Action::Read,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "",
        answer: Answer::Nothing,
        handler: || delete(views::delete),
    },
];
