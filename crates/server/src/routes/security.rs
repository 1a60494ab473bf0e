//! Recommendations, exemptions, the secure score, posture.

use super::{Answer, Place, Route, Takes, Verb};
use crate::api;
use axum::routing::{delete, get, post, put};
use model::role::Action;

const SCOPED: &[(&str, &str)] = &[
    ("scope", "part of the tree: /SUBSCRIPTION/REGISTRY/REPOSITORY"),
    ("as_of", "a past time"),
    ("format", "json, jsonl, csv"),
];
const RESOURCES: &[(&str, &str)] = &[
    ("scope", "part of the tree: /SUBSCRIPTION/REGISTRY/REPOSITORY"),
    ("as_of", "a past time"),
    ("state", "unhealthy, unverified, healthy, not-applicable"),
    ("limit", "rows of a page, 1 to 1,000"),
    ("after", "cursor of the page before"),
    ("format", "json, jsonl, csv"),
];
const SCORE: &[(&str, &str)] = &[
    ("scope", "part of the tree: /SUBSCRIPTION/REGISTRY/REPOSITORY"),
    ("as_of", "a past time"),
    ("fixed", "digests of images, comma-separated: the score if these were healthy"),
];
const HISTORY: &[(&str, &str)] = &[
    ("scope", "part of the tree: /SUBSCRIPTION/REGISTRY/REPOSITORY"),
    ("days", "how many, 1 to 365"),
    ("format", "json, jsonl, csv"),
];
const POSTURE: &[(&str, &str)] = &[
    ("scope", "part of the tree: /SUBSCRIPTION/REGISTRY"),
    ("as_of", "a past time"),
    ("format", "json, csv, sarif, nunit3, markdown"),
];

/// The rows.
pub static ROUTES: &[Route] = &[
    Route {
        method: Verb::Get,
        path: "/recommendations",
        summary: "What should be done, and how much of it is.",
        action: Action::Read,
        place: Place::Any,
        takes: Takes::Named(SCOPED),
        body: "",
        answer: Answer::List("RecommendationView"),
        handler: || get(api::recommendations::list),
    },
    Route {
        method: Verb::Get,
        path: "/recommendations/{key}",
        summary: "One recommendation.",
        action: Action::Read,
        place: Place::Any,
        takes: Takes::Named(SCOPED),
        body: "",
        answer: Answer::One("RecommendationView"),
        handler: || get(api::recommendations::one),
    },
    Route {
        method: Verb::Get,
        path: "/recommendations/{key}/resources",
        summary: "The resources that a recommendation is asked of, the worst first.",
        action: Action::Read,
        place: Place::Any,
        takes: Takes::Named(RESOURCES),
        body: "",
        answer: Answer::List("ResourceView"),
        handler: || get(api::recommendations::of_one),
    },
    Route {
        method: Verb::Put,
        path: "/recommendations/{key}/assignment",
        summary: "Says who looks after a recommendation, and until when.",
        action: Action::Secure,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "AssignmentBody",
        answer: Answer::Nothing,
        handler: || put(api::recommendations::put_assignment),
    },
    Route {
        method: Verb::Get,
        path: "/exemptions",
        summary: "Resources that a recommendation is not asked of.",
        action: Action::Read,
        place: Place::Any,
        takes: Takes::Named(&[("format", "json, jsonl, csv")]),
        body: "",
        answer: Answer::List("ExemptionView"),
        handler: || get(api::recommendations::list_exemptions),
    },
    Route {
        method: Verb::Post,
        path: "/exemptions",
        summary: "Exempts a resource from a recommendation. No finding is hidden by it.",
        action: Action::EditPolicy,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "ExemptionBody",
        answer: Answer::Made("ExemptionView"),
        handler: || post(api::recommendations::create_exemption),
    },
    Route {
        method: Verb::Delete,
        path: "/exemptions/{id}",
        summary: "Ends an exemption at once.",
        action: Action::EditPolicy,
        place: Place::Any,
        takes: Takes::Nothing,
        body: "",
        answer: Answer::Nothing,
        handler: || delete(api::recommendations::delete_exemption),
    },
    Route {
        method: Verb::Get,
        path: "/score",
        summary: "The secure score with its arithmetic.",
        action: Action::Read,
        place: Place::Any,
        takes: Takes::Named(SCORE),
        body: "",
        answer: Answer::One("ScoreView"),
        handler: || get(api::score::score),
    },
    Route {
        method: Verb::Get,
        path: "/score/history",
        summary: "The control of findings at the end of each day.",
        action: Action::Read,
        place: Place::Any,
        takes: Takes::Named(HISTORY),
        body: "",
        answer: Answer::List("ScoreDay"),
        handler: || get(api::score::past),
    },
    Route {
        method: Verb::Get,
        path: "/posture",
        summary: "What the posture rules say of the registries.",
        action: Action::Read,
        place: Place::Any,
        takes: Takes::Named(POSTURE),
        body: "",
        answer: Answer::List("PostureView"),
        handler: || get(api::score::posture),
    },
];
