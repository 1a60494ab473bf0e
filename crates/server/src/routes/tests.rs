//! Every route and every page × every role × every kind of scope, against what the tables and the table of roles say.

use super::{Place, Verb, all};
use crate::asker::Asker;
use crate::index::Handle;
use crate::page::PAGES;
use crate::parts::{DatabaseView, Parts};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::routing::MethodRouter;
use model::Micros;
use model::role::{Action, Grant, Role, Scope};
use std::sync::Arc;
use store::{Principal, Settings, Store};
use tower::ServiceExt;

/// One line of a table, with the method that its handler has.
struct Line {
    method: Method,
    path: String,
    action: Action,
    place: Place,
}

async fn parts(folder: &tempfile::TempDir) -> Parts {
    let place = Settings { data: folder.path().to_owned(), ..Settings::default() };
    let store = Store::open(&place).await.unwrap();
    let index = Handle::default();
    index.catch_up(&store).await.unwrap();
    let database = Arc::new(DatabaseView::default);
    Parts {
        store,
        index,
        database,
        public_url: "http://registry.test".into(),
        system: Arc::new(|| Box::pin(async { crate::system::SystemView::default() })),
        now: || Micros(1_800_000_000_000_000),
        sample: || None,
    }
}

fn method(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
    }
}

/// Returns whether a handler alone, without any check, knows a method.
async fn has(parts: &Parts, handler: MethodRouter<Parts>, method: &Method) -> bool {
    let router = Router::new().route("/{*any}", handler).with_state(parts.clone());
    let request = Request::builder().method(method).uri("/any").body(Body::empty()).unwrap();
    router.oneshot(request).await.unwrap().status() != StatusCode::METHOD_NOT_ALLOWED
}

/// A path with names of what is not there.
fn filled(path: &str) -> String {
    let part = |part: &str| match part {
        "{digest}" => format!("sha256:{}", "0".repeat(64)),
        part if part.starts_with('{') => "absent".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

async fn lines(parts: &Parts) -> Vec<Line> {
    let mut lines = Vec::new();
    for route in all() {
        let method = method(route.method);
        assert!(
            has(parts, (route.handler)(), &method).await,
            "{method} {}: the handler has another method",
            route.path
        );
        let path = format!("/api/v1{}", filled(route.path));
        lines.push(Line { method, path, action: route.action, place: route.place });
    }
    for page in PAGES {
        let get = has(parts, (page.handler)(), &Method::GET).await;
        let method = if get { Method::GET } else { Method::POST };
        lines.push(Line { method, path: filled(page.path), action: page.action, place: page.place });
    }
    lines
}

async fn ask(router: &Router, asker: Asker, line: &Line) -> (StatusCode, String) {
    let page = !line.path.starts_with("/api/");
    let mut request = Request::builder().method(&line.method).uri(&line.path).extension(asker);
    request = request.header("accept", if page { "text/html" } else { "application/json" });
    let body = if line.method == Method::GET || page { Body::empty() } else { Body::from("{}") };
    request =
        request.header("content-type", if page { "application/x-www-form-urlencoded" } else { "application/json" });
    let answer = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let status = answer.status();
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn every_role_gets_of_every_route_and_page_what_the_tables_say() {
    let folder = tempfile::tempdir().unwrap();
    let parts = parts(&folder).await;
    let own = format!("/{}", parts.store.registry("local").await.unwrap().unwrap().subscription_guid);
    let router = crate::router(parts.clone());
    let lines = lines(&parts).await;
    assert!(lines.len() > 40, "{} lines", lines.len());
    let asked = lines.iter().flat_map(|line| Role::ALL.map(|role| (line, role)));
    for (line, role) in asked {
        for scope in ["/", &own, "/00000000-0000-0000-0000-000000000000"] {
            let why = format!("{} {} as {} in {scope}", line.method, line.path, role.as_str());
            let grants = vec![Grant { role, scope: Scope::parse(scope).unwrap() }];
            let principal =
                Principal { id: 7, name: "somebody".into(), kind: "user".into(), grants, limited: false, token: None };
            let asker = Asker::new(principal, String::new(), String::new());
            let (status, text) = ask(&router, asker, line).await;
            check(line, role, scope, status, &format!("{why}: {text}"));
        }
    }
}

fn check(line: &Line, role: Role, scope: &str, status: StatusCode, why: &str) {
    let let_in = match line.place {
        Place::Own => true,
        Place::Any => role.allows(line.action),
        Place::All => role.allows(line.action) && scope == "/",
    };
    if !let_in {
        assert_eq!(status, StatusCode::FORBIDDEN, "{why}");
        return;
    }
    let never = [StatusCode::UNAUTHORIZED, StatusCode::METHOD_NOT_ALLOWED];
    assert!(!never.contains(&status) && !status.is_server_error(), "{status} {why}");
    // Whoever holds the right over everything is never refused; a narrow right does not reach what the request names.
    if scope == "/" && role.allows(line.action) || line.method == Method::GET {
        assert_ne!(status, StatusCode::FORBIDDEN, "{why}");
    }
}

#[tokio::test]
async fn without_a_login_no_line_of_a_table_answers() {
    let folder = tempfile::tempdir().unwrap();
    let parts = parts(&folder).await;
    let router = crate::router(parts.clone());
    for line in lines(&parts).await {
        let page = !line.path.starts_with("/api/");
        let request = Request::builder().method(&line.method).uri(&line.path);
        let request = request.header("accept", if page { "text/html" } else { "*/*" });
        let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let want = if page { StatusCode::SEE_OTHER } else { StatusCode::UNAUTHORIZED };
        assert_eq!(answer.status(), want, "{} {}", line.method, line.path);
    }
}
