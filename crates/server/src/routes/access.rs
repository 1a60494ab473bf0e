//! Tokens, users, roles, the audit.

use super::{Answer, Place, Route, Takes, Verb};
use crate::api;
use axum::routing::{delete, get, post};
use model::role::Action;

/// The rows.
pub static ROUTES: &[Route] = &[
    Route {
        method: Verb::Get,
        path: "/tokens",
        summary: "One's tokens; an owner of everything sees everybody's.",
        action: Action::Read,
        place: Place::Own,
        takes: Takes::Nothing,
        body: "",
        answer: Answer::List("TokenView"),
        handler: || get(api::tokens::list),
    },
    Route {
        method: Verb::Post,
        path: "/tokens",
        summary: "Makes a token. Its text is in this answer and never again.",
        action: Action::Read,
        place: Place::Own,
        takes: Takes::Nothing,
        body: "TokenBody",
        answer: Answer::One("MadeToken"),
        handler: || post(api::tokens::create),
    },
    Route {
        method: Verb::Delete,
        path: "/tokens/{id}",
        summary: "Ends a token at once.",
        action: Action::Read,
        place: Place::Own,
        takes: Takes::Nothing,
        body: "",
        answer: Answer::Nothing,
        handler: || delete(api::tokens::revoke),
    },
];
