//! Whether the process lives, whether it is ready, and a few figures for monitoring.

use crate::parts::Parts;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use fleet::Query;
use model::Severity;
use model::verdict::Verdict;

/// The routes; none needs a login.
pub fn router() -> Router<Parts> {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

async fn ready(State(parts): State<Parts>) -> impl IntoResponse {
    if !parts.index.ready() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the index is being built\n");
    }
    match parts.store.generation().await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"),
    }
}

/// Figures with a fixed set of labels: nothing that a pusher chooses becomes a label.
async fn metrics(State(parts): State<Parts>) -> impl IntoResponse {
    let query = Query { limit: 1, now: (parts.now)(), ..Query::default() };
    let counts = parts.index.ask(|index| Ok((index.counts(&query)?, index.revision(), index.generation())));
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, rows: &[(String, u64)]| {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        for (label, value) in rows {
            text.push_str(&format!("{name}{label} {value}\n"));
        }
    };
    gauge("portwarden_index_ready", "1 once the fleet index is built.", &[(String::new(), u64::from(counts.is_ok()))]);
    if let Ok((counts, revision, generation)) = counts {
        let findings = Severity::WORST_FIRST.map(|s| (format!("{{severity=\"{}\"}}", s.as_str()), counts.tally.of(s)));
        gauge("portwarden_findings", "Open findings.", &findings);
        let of = |v: Verdict| counts.verdicts.get(v as usize).copied().unwrap_or(0);
        let images = Verdict::ALL.map(|v| (format!("{{verdict=\"{}\"}}", v.as_str()), of(v)));
        gauge("portwarden_images", "Images.", &images);
        let whole = |n: i64| [(String::new(), u64::try_from(n).unwrap_or(0))];
        gauge("portwarden_revision", "Revision of the store that the index stands at.", &whole(revision));
        gauge("portwarden_database_generation", "Generation of the advisory database in force.", &whole(generation));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}
